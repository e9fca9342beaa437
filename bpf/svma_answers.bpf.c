// SPDX-License-Identifier: GPL-2.0-only
/*
 * The live kernel's answers to single questions, as they are given: find_vma(), vm_unmapped_area(), and the results of
 * mmap, munmap, brk and mremap.
 *
 * Only of address spaces that the harness has put into `followed`. What makes an answer comparable is the generation it
 * belongs to (see svma_answers.h): it is counted where the lock is about to be given up, before anybody else can
 * get it. An answer that find_vma() gives inside such a section is about a layout in the making and only counted.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "core_fixes.bpf.h"
#include "svma_answers.h"

/* BPF_PROG() gives every program the raw context, too. */
#pragma clang diagnostic ignored "-Wunused-parameter"

char LICENSE[] SEC("license") = "GPL";

/* The same as in svma_vma.bpf.c, so that both give an mm one cookie. */
const volatile __u64 cookie_factor = 1;

/* Read by the harness. */
__u64 dropped;			/* records that found the ring full */
__u64 inside;			/* answers of find_vma() inside a write section */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);	/* cookie of the mm */
	__type(value, __u64);	/* its generation */
} followed SEC(".maps");

/* The end of the heap when a thread entered brk(). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} heap_end SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} answers SEC(".maps");

static __always_inline __u32 own_tid(void)
{
	return (__u32)bpf_get_current_pid_tgid();
}

static __always_inline struct mm_struct *own_mm(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, mm);
}

/* The verifier lets nobody calculate with a typed pointer, but with the same bytes read as a number. */
static __always_inline __u64 address_of(const void *object)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &object);
	return address;
}

/* The generation of the mm with this cookie if it is followed, else NULL. */
static __always_inline __u64 *generation_of(__u64 cookie)
{
	return bpf_map_lookup_elem(&followed, &cookie);
}

static __always_inline __u64 own_cookie(void)
{
	return (__u64)own_mm() * cookie_factor;
}

/* A record with what all kinds have; NULL when the ring is full, which is counted. */
static __always_inline struct svma_answer *begin_answer(__u32 kind, __u64 cookie, __u64 generation)
{
	struct svma_answer *answer = bpf_ringbuf_reserve(&answers, sizeof(*answer), 0);

	if (!answer) {
		__sync_fetch_and_add(&dropped, 1);
		return NULL;
	}
	__builtin_memset(answer, 0, sizeof(*answer));
	answer->kind = kind;
	answer->tid = own_tid();
	answer->time_ns = bpf_ktime_get_ns();
	answer->mm_cookie = cookie;
	answer->generation = generation;
	return answer;
}

/* The harness looks now and then by itself; waking it for each record would slow the program down. */
static __always_inline void end_answer(struct svma_answer *answer)
{
	bpf_ringbuf_submit(answer, BPF_RB_NO_WAKEUP);
}

/* --- generations ------------------------------------------------------------------------------------- */

/* The caller holds the lock for writing: nobody else changes this word. */
static __always_inline int end_section(struct rw_semaphore *sem)
{
	__u64 mm = address_of(sem) - bpf_core_field_offset(struct mm_struct, mmap_lock);
	__u64 *generation = generation_of(mm * cookie_factor);

	if (generation)
		*generation = ((*generation >> SVMA_GENERATION_TID_BITS) + 1) << SVMA_GENERATION_TID_BITS |
			      own_tid();
	return 0;
}

SEC("fentry/up_write")
int BPF_PROG(on_up_write, struct rw_semaphore *sem)
{
	return end_section(sem);
}

SEC("fentry/downgrade_write")
int BPF_PROG(on_downgrade_write, struct rw_semaphore *sem)
{
	return end_section(sem);
}

/*
 * Until v6.5 (8d7071af8907) a stack grows under the lock held for reading, others may grow and look at the same time. So
 * the time while it grows is a generation of its own, about which nothing can be said.
 */
static __always_inline int stack_grows(struct vm_area_struct *vma)
{
	struct mm_struct *mm = BPF_CORE_READ(vma, vm_mm);
	__u64 *generation = generation_of((__u64)mm * cookie_factor);

	if (generation && !core_mmap_write_locked(mm))
		__sync_fetch_and_add(generation, 1ULL << SVMA_GENERATION_TID_BITS);
	return 0;
}

SEC("fentry/expand_downwards")
int BPF_PROG(on_growth, struct vm_area_struct *vma)
{
	return stack_grows(vma);
}

SEC("fexit/expand_downwards")
int BPF_PROG(on_growth_done, struct vm_area_struct *vma)
{
	return stack_grows(vma);
}

/* --- answers ----------------------------------------------------------------------------------------- */

SEC("fexit/find_vma")
int BPF_PROG(on_find_vma, struct mm_struct *mm, unsigned long addr, struct vm_area_struct *vma)
{
	__u64 cookie = address_of(mm) * cookie_factor;
	__u64 *generation = generation_of(cookie);
	struct svma_answer *answer;

	if (!generation)
		return 0;
	if (core_mmap_write_locked(mm)) {
		__sync_fetch_and_add(&inside, 1);
		return 0;
	}
	answer = begin_answer(SVMA_ANSWER_FIND_VMA, cookie, *generation);
	if (!answer)
		return 0;
	answer->args[0] = addr;
	if (vma) {
		answer->result = 1;
		answer->vma_start = BPF_CORE_READ(vma, vm_start);
		answer->vma_end = BPF_CORE_READ(vma, vm_end);
		answer->vma_flags = BPF_CORE_READ(vma, vm_flags);
	}
	end_answer(answer);
	return 0;
}

SEC("fexit/vm_unmapped_area")
int BPF_PROG(on_unmapped_area, struct vm_unmapped_area_info *info, unsigned long result)
{
	__u64 cookie = own_cookie();
	__u64 *generation = generation_of(cookie);
	struct svma_answer *answer;

	if (!generation)
		return 0;
	answer = begin_answer(SVMA_ANSWER_UNMAPPED_AREA, cookie, *generation);
	if (!answer)
		return 0;
	answer->args[0] = BPF_CORE_READ(info, length);
	answer->args[1] = BPF_CORE_READ(info, low_limit);
	answer->args[2] = BPF_CORE_READ(info, high_limit);
	answer->args[3] = BPF_CORE_READ(info, align_mask);
	answer->args[4] = BPF_CORE_READ(info, align_offset);
	answer->args[5] = BPF_CORE_READ(info, flags) & 1;
	answer->result = result;
	end_answer(answer);
	return 0;
}

/* The first arguments of a system call. */
struct call_args {
	__u64 arg[4];
};

/*
 * A system call has succeeded. If its own section was the last one, its result is about the generation that this
 * section began; else somebody may have undone it.
 */
static __always_inline void call_returned(__u32 kind, struct call_args args, long result)
{
	__u64 cookie = own_cookie();
	__u64 *word = generation_of(cookie);
	struct svma_answer *answer;
	__u64 generation;

	if (!word)
		return;
	generation = *word;
	answer = begin_answer(kind, cookie, generation);
	if (!answer)
		return;
	if ((generation & ((1ULL << SVMA_GENERATION_TID_BITS) - 1)) != own_tid())
		answer->bits = SVMA_ANSWER_OVERTAKEN;
	answer->args[0] = args.arg[0];
	answer->args[1] = args.arg[1];
	answer->args[2] = args.arg[2];
	answer->args[3] = args.arg[3];
	answer->result = result;
	end_answer(answer);
}

static __always_inline bool is_error(long result)
{
	return result < 0 && result >= -4095;
}

/*
 * The registers that a __x64_sys_ or __ia32_sys_ function was given. Read as bytes: where its BTF only declares struct
 * pt_regs (5.10, in mm/mremap.c), the verifier does not let a program take the argument from its context.
 */
static __always_inline const struct pt_regs *syscall_regs(unsigned long long *ctx)
{
	const struct pt_regs *regs = NULL;

	bpf_probe_read_kernel(&regs, sizeof(regs), ctx);
	return regs;
}

/* A fexit program of a function with one argument finds the result behind that. */
static __always_inline long syscall_result(unsigned long long *ctx)
{
	return ctx[1];
}

/* Below the system calls of all kinds: mmap, and of 32-bit programs mmap2 and the old mmap with its block of arguments. */
SEC("fexit/vm_mmap_pgoff")
int BPF_PROG(on_mmap, struct file *file, unsigned long addr, unsigned long len, unsigned long prot,
	     unsigned long flags, unsigned long pgoff, long result)
{
	struct call_args args = { { addr, len, prot, flags } };

	if (!is_error(result))
		call_returned(SVMA_ANSWER_MMAP, args, result);
	return 0;
}

/*
 * The others begin with the system call itself, of which a kernel that runs 32-bit programs has two. __ia32_ ones take
 * 32 bits each of the registers of int $0x80 (SC_IA32_REGS_TO_ARGS in arch/x86/include/asm/syscall_wrapper.h).
 */
static __always_inline struct call_args args_of_64bit(const struct pt_regs *regs)
{
	struct call_args args = { {
		PT_REGS_PARM1_CORE_SYSCALL(regs),
		PT_REGS_PARM2_CORE_SYSCALL(regs),
		PT_REGS_PARM3_CORE_SYSCALL(regs),
		PT_REGS_PARM4_CORE_SYSCALL(regs),
	} };

	return args;
}

static __always_inline struct call_args args_of_32bit(const struct pt_regs *regs)
{
	struct call_args args = { {
		(__u32)BPF_CORE_READ(regs, bx),
		(__u32)BPF_CORE_READ(regs, cx),
		(__u32)BPF_CORE_READ(regs, dx),
		(__u32)BPF_CORE_READ(regs, si),
	} };

	return args;
}

static __always_inline int brk_begins(void)
{
	__u32 tid = own_tid();
	__u64 end;

	if (generation_of(own_cookie())) {
		end = BPF_CORE_READ(own_mm(), brk);
		bpf_map_update_elem(&heap_end, &tid, &end, BPF_ANY);
	}
	return 0;
}

/* brk() answers with the end of the heap, moved or not. One that did not move tells nothing of the layout. */
static __always_inline int brk_returned(struct call_args args, long result)
{
	__u32 tid = own_tid();
	__u64 *before = bpf_map_lookup_elem(&heap_end, &tid);

	if (before && result != (long)*before) {
		args.arg[1] = *before;
		call_returned(SVMA_ANSWER_BRK, args, result);
	}
	return 0;
}

SEC("fexit/__x64_sys_munmap")
int on_munmap(unsigned long long *ctx)
{
	long result = syscall_result(ctx);

	if (!is_error(result))
		call_returned(SVMA_ANSWER_MUNMAP, args_of_64bit(syscall_regs(ctx)), result);
	return 0;
}

SEC("fexit/__ia32_sys_munmap")
int on_ia32_munmap(unsigned long long *ctx)
{
	long result = syscall_result(ctx);

	if (!is_error(result))
		call_returned(SVMA_ANSWER_MUNMAP, args_of_32bit(syscall_regs(ctx)), result);
	return 0;
}

SEC("fexit/__x64_sys_mremap")
int on_mremap(unsigned long long *ctx)
{
	long result = syscall_result(ctx);

	if (!is_error(result))
		call_returned(SVMA_ANSWER_MREMAP, args_of_64bit(syscall_regs(ctx)), result);
	return 0;
}

SEC("fexit/__ia32_sys_mremap")
int on_ia32_mremap(unsigned long long *ctx)
{
	long result = syscall_result(ctx);

	if (!is_error(result))
		call_returned(SVMA_ANSWER_MREMAP, args_of_32bit(syscall_regs(ctx)), result);
	return 0;
}

SEC("fentry/__x64_sys_brk")
int on_brk_entry(unsigned long long *ctx)
{
	return brk_begins();
}

SEC("fentry/__ia32_sys_brk")
int on_ia32_brk_entry(unsigned long long *ctx)
{
	return brk_begins();
}

SEC("fexit/__x64_sys_brk")
int on_brk(unsigned long long *ctx)
{
	return brk_returned(args_of_64bit(syscall_regs(ctx)), syscall_result(ctx));
}

SEC("fexit/__ia32_sys_brk")
int on_ia32_brk(unsigned long long *ctx)
{
	return brk_returned(args_of_32bit(syscall_regs(ctx)), syscall_result(ctx));
}
