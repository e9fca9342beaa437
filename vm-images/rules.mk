# SPDX-License-Identifier: GPL-2.0-only
# Kernels, images, guests. Included by the top-level Makefile, which defines KERNEL, B and Q.

VM_IMAGES_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
kernel-images := $(shell printf '%s\n' $(patsubst $(VM_IMAGES_DIR)/images/%.mk,%,$(wildcard $(VM_IMAGES_DIR)/images/*.mk)) | sort -V)
# Debian's own, and those that build-kernel makes of their sources to find faults.
DEBUG_KERNELS := $(filter %-debug %-kcsan,$(kernel-images))
SUPPORTED_KERNELS := $(filter-out $(DEBUG_KERNELS),$(kernel-images))

ifeq ($(filter $(KERNEL),$(kernel-images)),)
$(error KERNEL='$(KERNEL)' is not supported; supported: $(SUPPORTED_KERNELS) $(DEBUG_KERNELS))
endif
# 6.1 of 6.1-debug: the version decides what the module expects.
KERNEL_VERSION := $(firstword $(subst -, ,$(KERNEL)))
include $(VM_IMAGES_DIR)/images/$(KERNEL).mk

# The ABI in Debian's package names, e.g. 6.1.0-56; empty: the one in the lock file, else the newest.
KERNEL_ABI ?=
# What modules are built against: make -C $(KDIR) M=...
KDIR := $(abspath $(B)/kernels/$(KERNEL)/headers)
KERNEL_CC ?= gcc-12
# How such a make is run, and what it needs: some kernels' modules are built in the root of another Debian.
toolchain := $(addprefix $(B)/toolchains/,$(KERNEL_TOOLCHAIN))
IN_TOOLCHAIN := $(if $(toolchain),$(VM_IMAGES_DIR)/in-toolchain $(abspath $(toolchain)))
KDIR_READY := $(B)/kernels/$(KERNEL)/.ready $(addsuffix /.ready,$(toolchain))
# Everything run-vm needs; let targets that run a guest depend on it.
VM_READY := $(B)/kernels/$(KERNEL)/.ready $(B)/images/root.ext4 $(B)/images/$(KERNEL)/stage1.cpio
RUN_VM = $(VM_IMAGES_DIR)/run-vm --build $(B) --kernel $(KERNEL)

$(B)/kernels/%/.ready: $(VM_IMAGES_DIR)/images/%.mk $(VM_IMAGES_DIR)/fetch-kernel
	@printf '  FETCH   %s\n' '$*'
	$(Q)$(VM_IMAGES_DIR)/fetch-kernel --build $(B) $(if $(KERNEL_ABI),--abi $(KERNEL_ABI)) $*

# Goes before the pattern above.
$(DEBUG_KERNELS:%=$(B)/kernels/%/.ready): $(B)/kernels/%/.ready: $(VM_IMAGES_DIR)/images/%.mk $(VM_IMAGES_DIR)/build-kernel $(wildcard $(VM_IMAGES_DIR)/config/kernel-*)
	@printf '  KERNEL  %s\n' '$*'
	$(Q)$(VM_IMAGES_DIR)/build-kernel --build $(B) $*

$(B)/toolchains/%/.ready: $(VM_IMAGES_DIR)/config/toolchain-% $(VM_IMAGES_DIR)/build-toolchain
	@printf '  ROOT    %s\n' '$*'
	$(Q)$(VM_IMAGES_DIR)/build-toolchain --build $(B) $*

$(B)/images/root.ext4: $(VM_IMAGES_DIR)/config/guest-packages $(VM_IMAGES_DIR)/lib/finish-root
	@printf '  ROOTFS  %s\n' '$@'
	$(Q)$(VM_IMAGES_DIR)/build-image --build $(B) root

$(B)/images/%/stage1.cpio: $(B)/kernels/%/.ready $(VM_IMAGES_DIR)/build-image $(wildcard $(VM_IMAGES_DIR)/guest/*)
	@printf '  STAGE1  %s\n' '$@'
	$(Q)$(VM_IMAGES_DIR)/build-image --build $(B) stage1 $*

# Debian ships no System.map worth the name. A PVH boot is not randomised, so the guest's kallsyms are it.
$(B)/kernels/%/System.map: $(B)/kernels/%/.ready | $(B)/images/root.ext4 $(B)/images/%/stage1.cpio
	@printf '  MAP     %s\n' '$@'
	$(Q)$(VM_IMAGES_DIR)/run-vm --build $(B) --kernel $* -- "grep -v '\[' /proc/kallsyms" >$@.tmp && mv $@.tmp $@

# Never to be removed as intermediate files of another kernel's System.map.
.PRECIOUS: $(B)/kernels/%/.ready $(B)/toolchains/%/.ready $(B)/images/%/stage1.cpio

.PHONY: kernels vm debug-kernel setup-host test-run-vm
kernels: ## list supported kernels: fetched? guest and module built?
	@for k in $(SUPPORTED_KERNELS); do \
	  if [ -f $(B)/kernels/$$k/.ready ]; then \
	    [ -f $(B)/images/$$k/stage1.cpio ] && guest=built || guest='not built'; \
	    [ -f $(B)/kmod/$$k/svma.ko ] && module=built || module='not built'; \
	    printf '  %-6s fetched: %-22s guest %s, module %s\n' $$k "$$(cat $(B)/kernels/$$k/release)" "$$guest" "$$module"; \
	  else \
	    printf '  %-6s not fetched: make KERNEL=%s vm\n' $$k $$k; \
	  fi; \
	done
	@for k in $(DEBUG_KERNELS); do \
	  [ -f $(B)/kernels/$$k/.ready ] && printf '  %-10s built\n' $$k || printf '  %-10s not built: make KERNEL=%s vm\n' $$k $$k; \
	done

vm: $(VM_READY) ## fetch the kernel and build what a guest boots from
	@:

debug-kernel: ## build a kernel of KERNEL's version (6.1, 6.12) with KASAN, lockdep, kmemleak ... (20 minutes)
	+$(Q)$(SUBMAKE) KERNEL=$(KERNEL_VERSION)-debug vm

setup-host: ## install the Debian packages everything here needs
	$(Q)$(VM_IMAGES_DIR)/setup-host

test-run-vm: $(VM_READY) ## prove that run-vm reports every failure (3 minutes)
	@printf '  TEST    run-vm\n'
	$(Q)$(VM_IMAGES_DIR)/test-run-vm --build $(abspath $(B)) --kernel $(KERNEL)
