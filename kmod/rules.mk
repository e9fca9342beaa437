# SPDX-License-Identifier: GPL-2.0-only
# The kernel module. Built outside the source tree, in a farm of links, since kbuild writes where it reads.

KMOD_DIR := $(B)/kmod/$(KERNEL)
KMOD := $(KMOD_DIR)/svma.ko
KMOD_SRCS := $(shell find kmod -name '*.[ch]' -o -name '*.cc' -o -name '*.hpp' -o -name 'Kbuild*') uapi/svma.h
KMOD_CC ?= $(KERNEL_CC)
KMOD_MAKE = $(IN_TOOLCHAIN) $(MAKE) -C $(KDIR) M=$(abspath $(KMOD_DIR)) CC=$(KMOD_CC) CONFIG_DEBUG_INFO_BTF_MODULES= \
	SVMA_TOP=$(abspath .) SVMA_VERSION=$(SVMA_VERSION) SVMA_PROFILE=$(KERNEL_VERSION)

# What the core may leave undefined: its own services and what the compiler calls.
KMOD_CORE_UNDEFINED := svma_os_[a-z_]+|__fentry__|__stack_chk_fail|__ref_stack_chk_guard|__x86_indirect_thunk_[a-z0-9]+|__x86_return_thunk|memcpy|memset|memmove|__asan_[a-z0-9_]+|__ubsan_handle_[a-z_]+|__tsan_[a-z0-9_]+

.PHONY: kmod
kmod: $(KMOD) ## the kernel module for KERNEL

$(KMOD): $(KDIR_READY) $(KMOD_SRCS)
	@printf '  KMOD    %s\n' '$@'
	$(Q)mkdir -p $(KMOD_DIR) && find $(KMOD_DIR) -type l -delete && cp -rs $(abspath kmod)/. $(KMOD_DIR)/
	+$(Q)$(KMOD_MAKE) modules >$(KMOD_DIR)/build.log 2>&1 || { cat $(KMOD_DIR)/build.log >&2; exit 1; }
	$(Q)! grep -E 'warning|WARNING' $(KMOD_DIR)/build.log >&2
	$(Q)! nm -u $(KMOD_DIR)/core/core.o | grep -vE ' ($(KMOD_CORE_UNDEFINED))$$' >&2 \
	  || { echo '$@: the core needs symbols that no one may give it (above)' >&2; rm -f $@; exit 1; }
