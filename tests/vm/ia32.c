// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 32-bit program, without a libc: gcc -m32 needs no further package for that.
 *
 *   ia32                     does what it reads from descriptor 0 and answers on descriptor 1 (struct order)
 *   ia32 random SEED STEPS   random mm calls, by itself; each error is as good as a success
 *   ia32 slow SEED STEPS     the same, with time to look at it after each one
 *   ia32 tour PROGRAM        one of each, with a fork, another personality, and in the end PROGRAM in its place
 */

typedef unsigned int u32;
typedef unsigned long long u64;

/* arch/x86/entry/syscalls/syscall_32.tbl */
enum {
	NR_exit = 1,
	NR_fork = 2,
	NR_read = 3,
	NR_write = 4,
	NR_waitpid = 7,
	NR_execve = 11,
	NR_brk = 45,
	NR_old_mmap = 90,
	NR_munmap = 91,
	NR_ftruncate = 93,
	NR_mprotect = 125,
	NR_personality = 136,
	NR_mlock = 150,
	NR_munlock = 151,
	NR_mlockall = 152,
	NR_munlockall = 153,
	NR_nanosleep = 162,
	NR_mremap = 163,
	NR_mmap2 = 192,
	NR_madvise = 219,
	NR_remap_file_pages = 257,
	NR_mbind = 274,
	NR_memfd_create = 356,
	NR_shmget = 395,
	NR_shmctl = 396,
	NR_shmat = 397,
	NR_shmdt = 398,
};

enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_32BIT = 0x40 };
enum { MAP_GROWSDOWN = 0x100, MAP_LOCKED = 0x2000, MAP_NORESERVE = 0x4000, MAP_HUGETLB = 0x40000 };
enum { READ_IMPLIES_EXEC = 0x0400000, ADDR_LIMIT_3GB = 0x8000000 };

#define PAGE 4096u
#define ARENA 0x20000000u
#define ARENA_PAGES 256u

/* --- system calls ---------------------------------------------------------------------------------- */

int call32(u32 number, u32 a, u32 b, u32 c, u32 d, u32 e, u32 f);

__asm__(".globl call32\n"
	"call32:\n"
	"	push %ebp\n"
	"	push %edi\n"
	"	push %esi\n"
	"	push %ebx\n"
	"	mov 20(%esp), %eax\n"
	"	mov 24(%esp), %ebx\n"
	"	mov 28(%esp), %ecx\n"
	"	mov 32(%esp), %edx\n"
	"	mov 36(%esp), %esi\n"
	"	mov 40(%esp), %edi\n"
	"	mov 44(%esp), %ebp\n"
	"	int $0x80\n"
	"	pop %ebx\n"
	"	pop %esi\n"
	"	pop %edi\n"
	"	pop %ebp\n"
	"	ret\n");

/* The number, six arguments and the result of a 64-bit system call, and the far address of the way back. */
u64 wide[9];

/*
 * Into the 64-bit code segment and back. By jumps: a far call under QEMU 7.2's emulation pushes with the rights of
 * the kernel, which then takes the fault on a fresh stack page for its own and dies.
 */
void call64(void);

__asm__(".globl call64\n"
	"call64:\n"
	"	push %ebx\n"
	"	push %esi\n"
	"	push %edi\n"
	"	push %ebp\n"
	"	mov $wide, %ebx\n"
	"	movl $2f, 64(%ebx)\n"
	"	movl $0x23, 68(%ebx)\n"
	"	ljmp $0x33, $1f\n"
	"2:	pop %ebp\n"
	"	pop %edi\n"
	"	pop %esi\n"
	"	pop %ebx\n"
	"	ret\n"
	"	.code64\n"
	"1:	mov %ebx, %ebx\n"
	"	mov (%rbx), %rax\n"
	"	mov 8(%rbx), %rdi\n"
	"	mov 16(%rbx), %rsi\n"
	"	mov 24(%rbx), %rdx\n"
	"	mov 32(%rbx), %r10\n"
	"	mov 40(%rbx), %r8\n"
	"	mov 48(%rbx), %r9\n"
	"	syscall\n"
	"	mov %rax, 56(%rbx)\n"
	"	ljmpl *64(%rbx)\n"
	"	.code32\n");

static int call(u32 number, u32 a, u32 b, u32 c)
{
	return call32(number, a, b, c, 0, 0, 0);
}

static int mmap2(u32 addr, u32 length, u32 prot, u32 flags, int fd, u32 page)
{
	return call32(NR_mmap2, addr, length, prot, flags, fd, page);
}

static int old_mmap(u32 addr, u32 length, u32 prot, u32 flags, int fd, u32 offset)
{
	const u32 block[6] = { addr, length, prot, flags, fd, offset };

	return call(NR_old_mmap, (u32)block, 0, 0);
}

static int failed(int result)
{
	return (u32)result >= (u32)-4095;
}

static void leave(int status)
{
	for (;;)
		call(NR_exit, status, 0, 0);
}

/* --- what is not a system call ------------------------------------------------------------------------ */

static void touch(u32 addr, u32 pages)
{
	u32 i;

	for (i = 0; i < pages; i++)
		*(volatile char *)(addr + i * PAGE) = 1;
}

static __attribute__((noinline)) u32 grow_stack(u32 pages)
{
	volatile char frame[PAGE];

	frame[0] = 1;
	return pages ? grow_stack(pages - 1) + frame[0] : 0;
}

/* --- on command --------------------------------------------------------------------------------------- */

struct order {
	u32 number;	/* of a system call, or one of these: */
#define ORDER_TOUCH 0x10000	/* address, pages */
#define ORDER_GROW_STACK 0x10001 /* pages */
#define ORDER_FORK 0x10002	/* a child that ends at once, and is waited for */
#define ORDER_OLD_MMAP 0x10003	/* its six arguments */
#define ORDER_CALL64 0x20000	/* added to the number of a 64-bit system call */
	u32 arg[6];
};

static int fork_and_wait(void)
{
	const int pid = call(NR_fork, 0, 0, 0);

	if (pid == 0)
		leave(0);
	return pid < 0 ? pid : call(NR_waitpid, pid, 0, 0) != pid;
}

static int obey_one(const struct order *order)
{
	const u32 *arg = order->arg;
	u32 i;

	switch (order->number) {
	case ORDER_TOUCH:
		touch(arg[0], arg[1]);
		return 0;
	case ORDER_GROW_STACK:
		return grow_stack(arg[0]) != arg[0];
	case ORDER_FORK:
		return fork_and_wait();
	case ORDER_OLD_MMAP:
		return old_mmap(arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	default:
		break;
	}
	if (order->number < ORDER_CALL64)
		return call32(order->number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	wide[0] = order->number - ORDER_CALL64;
	for (i = 0; i < 6; i++)
		wide[i + 1] = arg[i];
	call64();
	return (int)wide[7];
}

static void obey(void)
{
	struct order order;
	int answer;

	while (call(NR_read, 0, (u32)&order, sizeof(order)) == sizeof(order)) {
		answer = obey_one(&order);
		if (call(NR_write, 1, (u32)&answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	leave(0);
}

/* --- random calls ---------------------------------------------------------------------------------------- */

static u32 state;

static u32 below(u32 limit)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % limit;
}

#define SLOTS 24

/* Mappings whose place the kernel chose. */
static struct {
	u32 start;
	u32 pages;
} slots[SLOTS];

static int memfd, segment;

static u32 random_prot(void)
{
	static const u32 prots[] = { PROT_READ | PROT_WRITE, PROT_READ, 0, PROT_READ | PROT_EXEC };

	return prots[below(4)];
}

static u32 random_flags(void)
{
	static const u32 flags[] = { 0, 0, 0, 0, MAP_NORESERVE, MAP_GROWSDOWN, MAP_LOCKED, MAP_32BIT };

	return MAP_PRIVATE | MAP_ANONYMOUS | flags[below(8)];
}

static void map_at(u32 start, u32 pages)
{
	const u32 prot = random_prot();

	switch (below(6)) {
	case 0:
		mmap2(start, pages * PAGE, prot, MAP_SHARED | MAP_FIXED, memfd, below(16));
		break;
	case 1:
		mmap2(start, pages * PAGE, prot, MAP_PRIVATE | MAP_FIXED, memfd, below(16));
		break;
	case 2:
		old_mmap(start, pages * PAGE, prot, random_flags() | MAP_FIXED, -1, 0);
		break;
	default:
		mmap2(start, pages * PAGE, prot, random_flags() | MAP_FIXED, -1, 0);
		break;
	}
}

/* Anywhere, at a hint that is often in use, or, with luck, above everything. */
static void map_anywhere(void)
{
	static const u32 high[] = { 0xbfff0000, 0xc0000000, 0xffff0000, 0xffffd000, 0xfffff000, 0x7fff0000 };
	const u32 slot = below(SLOTS);
	u32 pages = below(8) ? below(40) + 1 : below(60000) + 1;
	u32 hint = 0;
	int got;

	if (slots[slot].pages)
		call(NR_munmap, slots[slot].start, slots[slot].pages * PAGE, 0);
	slots[slot].pages = 0;
	switch (below(8)) {
	case 0:
		hint = ARENA + below(ARENA_PAGES) * PAGE;
		break;
	case 1:
		hint = high[below(6)];
		break;
	default:
		break;
	}
	if (below(16) == 0)
		got = mmap2(hint, (pages % 4 + 1) << 21, random_prot(), MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	else if (below(3) == 0)
		got = old_mmap(hint, pages * PAGE, random_prot(), random_flags(), -1, 0);
	else
		got = mmap2(hint, pages * PAGE, random_prot(), random_flags(), -1, 0);
	if (failed(got) || (u32)got - ARENA < ARENA_PAGES * PAGE)
		return;
	slots[slot].start = got;
	slots[slot].pages = pages;
}

static void attach_segment(u32 start)
{
	const int got = call(NR_shmat, segment, below(2) ? start : 0, below(2) ? 0 : 040000 /* SHM_REMAP */);

	if (!failed(got) && below(2))
		call(NR_shmdt, got, 0, 0);
}

static void random_step(u32 heap)
{
	static const u32 advice[] = { 0, 1, 2, 4, 10, 11, 12, 13, 14, 15, 16, 17 };
	const u32 page = below(ARENA_PAGES - 48), pages = below(40) + 1;
	const u32 start = ARENA + page * PAGE, length = pages * PAGE;

	switch (below(16)) {
	case 0:
	case 1:
	case 2:
		map_at(start, pages);
		break;
	case 3:
	case 4:
		map_anywhere();
		break;
	case 5:
	case 6:
		call(NR_munmap, start, length, 0);
		break;
	case 7:
	case 8:
		call(NR_mprotect, start, length, random_prot());
		break;
	case 9:
		call32(NR_mremap, start, length, (below(40) + 1) * PAGE, below(2), 0, 0);
		break;
	case 10:
		call32(NR_mremap, start, length, length, 3, ARENA + below(ARENA_PAGES - 48) * PAGE, 0);
		break;
	case 11:
		call(NR_brk, heap + below(64) * PAGE + below(2), 0, 0);
		break;
	case 12:
		call(NR_madvise, start, length, advice[below(12)]);
		break;
	case 13:
		call(below(2) ? NR_mlock : NR_munlock, start, length, 0);
		break;
	case 14:
		attach_segment(start);
		break;
	default:
		switch (below(12)) {
		case 0:
			fork_and_wait();
			break;
		case 1:
			call(NR_mlockall, below(3) + 1, 0, 0);
			call(NR_munlockall, 0, 0, 0);
			break;
		case 2:
			call(NR_personality, (below(2) ? READ_IMPLIES_EXEC : 0) | (below(2) ? ADDR_LIMIT_3GB : 0), 0, 0);
			break;
		case 3:
			grow_stack(below(100));
			break;
		case 4:
			call32(NR_remap_file_pages, start, PAGE, 0, below(8), 0, 0);
			break;
		default:
			call32(NR_mbind, start, length, below(2) ? 1 : 0, 0, 0, 0);
			break;
		}
		break;
	}
}

static void make_objects(void)
{
	memfd = call(NR_memfd_create, (u32) "ia32", 0, 0);
	call(NR_ftruncate, memfd, 64 * PAGE, 0);
	segment = call(NR_shmget, 0 /* IPC_PRIVATE */, 8 * PAGE, 0600);
}

static void rest(int ms)
{
	const int time[2] = { 0, ms * 1000000 };

	call(NR_nanosleep, (u32)time, 0, 0);
}

static void random_calls(u32 seed, u32 steps, int slow)
{
	const u32 heap = call(NR_brk, 0, 0, 0);
	u32 i;

	state = seed;
	make_objects();
	for (i = 0; i < steps; i++) {
		random_step(heap);
		if (slow)
			rest(30);
		else if (i % 64 == 0)
			rest(1);
	}
	call(NR_shmctl, segment, 0 /* IPC_RMID */, 0);
	leave(0);
}

/* --- the tour ------------------------------------------------------------------------------------------- */

static void tour(char *self, char *next, char **environment)
{
	char *argv[] = { next, 0 };
	char *again[] = { self, "random", "7", "200", 0 };
	const u32 heap = call(NR_brk, 0, 0, 0);
	int got;

	make_objects();
	got = mmap2(0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (failed(got))
		leave(1);
	touch(got, 16);
	call(NR_mprotect, got + 4 * PAGE, 4 * PAGE, PROT_READ);
	call(NR_mlock, got, 2 * PAGE, 0);
	call(NR_madvise, got + 8 * PAGE, 2 * PAGE, 16);
	got = call32(NR_mremap, got, 2 * PAGE, 64 * PAGE, 1, 0, 0);
	old_mmap(0, 3 * PAGE, PROT_READ, MAP_SHARED, memfd, PAGE);
	call(NR_munmap, got, PAGE, 0);
	call(NR_brk, heap + 20 * PAGE, 0, 0);
	call(NR_brk, heap + 10 * PAGE, 0, 0);
	attach_segment(ARENA);
	grow_stack(200);
	call(NR_personality, READ_IMPLIES_EXEC | ADDR_LIMIT_3GB, 0, 0);
	mmap2(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	call(NR_shmctl, segment, 0 /* IPC_RMID */, 0);
	got = call(NR_fork, 0, 0, 0);
	if (got == 0) {
		call(NR_execve, (u32)self, (u32)again, (u32)environment);
		leave(1);
	}
	call(NR_waitpid, got, 0, 0);
	call(NR_execve, (u32)next, (u32)argv, (u32)environment);
	leave(1);
}

/* --- the start ------------------------------------------------------------------------------------------- */

static u32 number(const char *text)
{
	u32 value = 0;

	while (*text)
		value = value * 10 + (*text++ - '0');
	return value;
}

/* @stack: argc, argv, 0, environment */
__attribute__((used)) void run(u32 *stack)
{
	const u32 argc = stack[0];
	char **argv = (char **)(stack + 1);

	if (argc == 4 && (argv[1][0] == 'r' || argv[1][0] == 's'))
		random_calls(number(argv[2]), number(argv[3]), argv[1][0] == 's');
	if (argc == 3 && argv[1][0] == 't')
		tour(argv[0], argv[2], argv + argc + 1);
	if (argc == 1)
		obey();
	leave(2);
}

__asm__(".globl _start\n"
	"_start:\n"
	"	mov %esp, %eax\n"
	"	and $-16, %esp\n"
	"	sub $12, %esp\n"
	"	push %eax\n"
	"	call run\n");
