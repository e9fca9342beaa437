# SPDX-License-Identifier: GPL-2.0-only
# BPF programs and their skeletons: $(B)/bpf/<name>.skel.h, one per bpf/<name>.bpf.c.

CLANG ?= clang-14
LLVM_STRIP ?= llvm-strip-14
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)

# The kernel whose types the programs are compiled against; CO-RE adapts the rest at load time, so that one object
# runs on all. $(B)/kernels comes from vm-images.
BPF_KERNEL := 6.1
BPF_BTF ?= $(B)/kernels/$(BPF_KERNEL)/vmlinux
BPF_CFLAGS ?= -g -O2 -Wall -Wextra -Werror -target bpf -D__TARGET_ARCH_x86

BPF_PROGRAMS := $(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c))
BPF_SKELETONS := $(BPF_PROGRAMS:%=$(B)/bpf/%.skel.h)

.PHONY: bpf
bpf: $(BPF_SKELETONS) ## the BPF programs and their skeletons

$(B)/bpf:
	$(Q)mkdir -p $@

$(B)/bpf/vmlinux.h: $(B)/kernels/$(BPF_KERNEL)/.ready | $(B)/bpf
	@echo "  BTF     $@"
	$(Q)$(BPFTOOL) btf dump file $(BPF_BTF) format c > $@

# bpf-only warnings of the generated vmlinux.h are not ours, hence -isystem.
$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(B)/bpf/vmlinux.h
	@echo "  BPF     $@"
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -isystem $(B)/bpf -Ibpf -Ibpf/include -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	@echo "  SKEL    $@"
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

.SECONDARY: $(BPF_PROGRAMS:%=$(B)/bpf/%.bpf.o)

-include $(BPF_PROGRAMS:%=$(B)/bpf/%.bpf.d)
