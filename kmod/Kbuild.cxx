# SPDX-License-Identifier: GPL-2.0-only
# C++ objects in a kernel module: $(cxx-objs), from .cc files, by the kernel's own C recipe with another
# compiler and other flags, so that fixdep, objtool, symversions and ftrace's record run as for C.

# The g++ sibling of the C compiler that kbuild was given. Must be := since CC is changed below.
ifndef CXX_FOR_KERNEL
CXX_FOR_KERNEL := $(patsubst %gcc,%g++,$(subst gcc-,g++-,$(lastword $(CC))))
endif

# Headers of the compiler and of libstdc++, nothing of glibc's or the kernel's. The define is the include
# guard of os_defines.h, which would pull in glibc's features.h.
cxx-inc := -nostdinc -nostdinc++ -D_GLIBCXX_OS_DEFINES=1 $(addprefix -isystem ,\
	$(shell $(CXX_FOR_KERNEL) -E -Wp,-v -xc++ /dev/null 2>&1 >/dev/null | \
	  sed -n '/backward/d;s,^ \(/.*c++/.*\),\1,p') \
	$(shell $(CXX_FOR_KERNEL) -print-file-name=include))

# Every flag of the kernel's that changes code, none that names the C dialect or a warning. A kernel with sanitizers checks the
# core, too; but not its global variables: those would be registered by a constructor, which is looked for below.
cxx-codegen = $(filter -m% -f% -O% -g% -p% -D% -Wframe-larger-than=%, \
	$(KBUILD_CPPFLAGS) $(KBUILD_CFLAGS) $(KBUILD_CFLAGS_MODULE)) \
	$(CFLAGS_KASAN) $(if $(CFLAGS_KASAN),--param asan-globals=0) $(CFLAGS_UBSAN) $(CFLAGS_KCSAN)

# No debug information: pahole can't turn C++ into BTF and would drop the module (6.12).
cxx-lang := -std=gnu++20 -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics \
	-fno-unwind-tables -fno-asynchronous-unwind-tables -Wall -Wextra -Wundef -Wvla -Wshadow \
	-Werror -g0
cxx_flags = -Wp,-MMD,$(depfile) $(cxx-inc) $(cxx-codegen) $(cxx-lang) -I$(src)/core

# KCSAN has a constructor of its own in each object, C or not; it calls the empty __tsan_init().
cxx-allowed := $(if $(CFLAGS_KCSAN),| grep -v ' \.init_array\.00099 ')
cxx-targets := $(addprefix $(obj)/,$(cxx-objs))
$(cxx-targets): private override CC = $(CXX_FOR_KERNEL)
$(cxx-targets): private override c_flags = $(cxx_flags)
$(cxx-targets): private quiet_cmd_cc_o_c = CXX [M] $@
$(cxx-targets): $(obj)/%.o: $(src)/%.cc FORCE
	$(call if_changed_rule,cc_o_c)
	@! $(OBJDUMP) -h $@ $(cxx-allowed) | grep -E ' \.(init_array|fini_array|ctors|dtors|tbss|tdata|eh_frame|gcc_except_table)' \
	  || { echo "$@: a section of the C++ runtime is not allowed in a module" >&2; rm -f $@; exit 1; }
