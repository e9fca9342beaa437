# SPDX-License-Identifier: GPL-2.0-only
# Tests in a guest, of the interface, and of the tree's own rules. Included by the top-level Makefile.

GUEST_TIMEOUT ?= 1500
GUEST_ARGS ?=
LOAD_ROUNDS ?= 20
# More options of run-vm for guest-test.
VM_ARGS ?=

guest-test-dir := $(B)/tests/guest
# What a kernel's guests are given and what they leave, so that those of two kernels may run at once.
guest-run-dir := $(B)/tests/$(KERNEL)
guest-test-objs := $(patsubst tests/vm/%.cc,$(guest-test-dir)/%.o,$(sort $(wildcard tests/vm/*.cc)))

$(guest-test-dir)/%.o: tests/vm/%.cc
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	$(Q)$(CXX) -std=c++20 -O1 $(TEST_DEBUG) -Wall -Wextra -Werror -I. -Itests/vm -MMD -MP -c $< -o $@

# The guest has a glibc and no GoogleTest.
$(guest-test-dir)/guest-tests: $(guest-test-objs)
	@echo "  LD      $@"
	$(Q)$(CXX) $^ -static-libstdc++ -static-libgcc -l:libgtest.a -l:libgtest_main.a -pthread -o $@

# A 32-bit program for the guest. It has no libc, so the compiler alone will do.
$(guest-test-dir)/ia32: tests/vm/ia32.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) -m32 -std=gnu11 -O1 -Wall -Wextra -Werror -ffreestanding -fno-stack-protector -fno-pie \
		-nostdlib -static -no-pie $< -o $@

# The file that includes nothing but the interface, once more with every hole in a structure an error.
$(B)/tests/abi/padding.o: tests/abi/padding.c uapi/svma.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) -std=c99 -Wall -Wextra -Wpadded -Werror -I. -c $< -o $@

$(B)/tests/abi/layout.o: tests/abi/layout.c tests/abi/layout.h uapi/svma.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) -std=c99 -Wpedantic -Wall -Wextra -Werror -I. -c $< -o $@

$(B)/tests/abi/layout_cxx.o: tests/abi/layout_cxx.cc tests/abi/layout.h uapi/svma.h
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	$(Q)$(CXX) -std=c++20 -Wall -Wextra -Werror -I. -c $< -o $@

.PHONY: guest-test test-bugs load-unload-test layout-test abi-test lint

# One thread for all virtual CPUs, see tcg-single in vm-images/run-vm: tests attach and detach probes all the time.
guest-test: $(guest-test-dir)/guest-tests $(guest-test-dir)/ia32 $(KMOD) $(HARNESS) $(VM_READY) ## test the module in a guest
	$(Q)rm -rf $(guest-run-dir)/guest-payload $(guest-run-dir)/guest
	$(Q)mkdir -p $(guest-run-dir)/guest-payload/bin $(guest-run-dir)/guest
	$(Q)cp $(KMOD) $(addprefix tests/vm/,run.sh leaks.sh watched.sh) $(guest-run-dir)/guest-payload/
	$(Q)cp $(guest-test-dir)/guest-tests $(guest-test-dir)/ia32 $(HARNESS) $(guest-run-dir)/guest-payload/bin/
	$(Q)strip --strip-debug $(guest-run-dir)/guest-payload/bin/*
	@echo "  VM      guest-tests on $(KERNEL)"
	$(Q)$(RUN_VM) --smp $(SMP) --mem $(MEM) --timeout $(GUEST_TIMEOUT) --accel tcg-single $(VM_ARGS) \
		--payload $(guest-run-dir)/guest-payload --out $(guest-run-dir)/guest -- bash /opt/svma/run.sh $(GUEST_ARGS)

# Generator and stressors on a debug kernel: seeds, steps of each, seconds of each stressor.
DEBUG_RUN ?= 5 1000 2
# Of a soak: half an hour or more, and a million random calls of the interface.
SOAK_DEBUG_RUN ?= 40 2000 60
SOAK_DEBUG_ARGS ?= SVMA_BAD_CALLS=1000000

.PHONY: test-debug debug-run
test-debug: ## on a kernel with KASAN, lockdep, kmemleak, failslab (KERNEL=6.1 or 6.12): guest tests, generator, stress-ng
	+$(Q)$(SUBMAKE) KERNEL=$(KERNEL_VERSION)-debug guest-test debug-run

debug-run: $(VM_READY) $(PAYLOAD_FILES)
	$(Q)rm -rf $(guest-run-dir)/debug
	$(Q)mkdir -p $(guest-run-dir)/debug
	$(Q)cp tests/vm/debug.sh tests/vm/leaks.sh $(PAYLOAD)/
	@echo "  VM      generator and stressors on $(KERNEL)"
	$(Q)$(GUEST) --accel tcg-single --timeout $(GUEST_TIMEOUT) --out $(guest-run-dir)/debug -- \
		bash /opt/svma/debug.sh $(DEBUG_RUN)

# Seeds, steps of each, seconds of each stressor.
RACE_RUN ?= 5 2000 10
SOAK_RACE_RUN ?= 40 2000 60
# Where several threads or processes ask the module at once, and no probe is armed or disarmed meanwhile: see tcg-single in
# vm-images/run-vm. Here each virtual CPU has a thread, since what takes turns has no races.
RACE_TESTS ?= BadCallers*:Forked.*:Journal.*:Poll*:Queries*:Rmap.*:Scale*:Threads*:Track.*
.PHONY: test-races race-run
test-races: ## data races of the module, on a kernel with KCSAN (KERNEL=6.12): guest tests, generator's threads, stress-ng, readers
	+$(Q)$(SUBMAKE) KERNEL=$(KERNEL_VERSION)-kcsan guest-test race-run VM_ARGS='--accel tcg' \
		GUEST_ARGS='--gtest_filter=$(RACE_TESTS)'

race-run: $(VM_READY) $(PAYLOAD_FILES)
	$(Q)rm -rf $(guest-run-dir)/races
	$(Q)mkdir -p $(guest-run-dir)/races
	$(Q)cp tests/vm/races.sh tests/vm/watched.sh $(PAYLOAD)/
	@echo "  VM      data races on $(KERNEL)"
	$(Q)$(GUEST) --accel tcg --timeout $(GUEST_TIMEOUT) --out $(guest-run-dir)/races -- \
		bash /opt/svma/races.sh $(RACE_RUN)

# Known bugs: a module of its own that does them again, and the tests that look what svma says. Built like the kernel
# module, in a farm of links, with its version layer.
BUGS_DIR := $(B)/tests/$(KERNEL)/bugs-module
BUGS_KO := $(BUGS_DIR)/svma_bugs.ko
BUGS_SRCS := tests/bugs/Kbuild $(wildcard tests/bugs/*.[ch] kmod/compat/*.[ch] kmod/core/abi/*.h)
BUGS_ARGS ?=
bug-test-objs := $(patsubst tests/bugs/%.cc,$(guest-test-dir)/bugs/%.o,$(sort $(wildcard tests/bugs/*.cc))) \
	$(addprefix $(guest-test-dir)/,device.o puppet.o report.o stopped.o tracee.o)

$(BUGS_KO): $(KDIR_READY) $(BUGS_SRCS)
	@printf '  KMOD    %s\n' '$@'
	$(Q)mkdir -p $(BUGS_DIR)/compat && find $(BUGS_DIR) -type l -delete
	$(Q)cp -s $(addprefix $(abspath tests/bugs)/,Kbuild $(notdir $(wildcard tests/bugs/*.[ch]))) $(BUGS_DIR)/
	$(Q)cp -s $(abspath kmod/compat)/compat.[ch] $(abspath kmod/compat)/args.h $(BUGS_DIR)/compat/
	+$(Q)$(IN_TOOLCHAIN) $(MAKE) -C $(KDIR) M=$(abspath $(BUGS_DIR)) CC=$(KMOD_CC) CONFIG_DEBUG_INFO_BTF_MODULES= \
		SVMA_TOP=$(abspath .) modules >$(BUGS_DIR)/build.log 2>&1 || { cat $(BUGS_DIR)/build.log >&2; exit 1; }
	$(Q)! grep -E 'warning|WARNING' $(BUGS_DIR)/build.log >&2

$(guest-test-dir)/bugs/%.o: tests/bugs/%.cc
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	$(Q)$(CXX) -std=c++20 -O1 $(TEST_DEBUG) -Wall -Wextra -Werror -I. -Itests/vm -MMD -MP -c $< -o $@

$(guest-test-dir)/bug-tests: $(bug-test-objs)
	@echo "  LD      $@"
	$(Q)$(CXX) $^ -static-libstdc++ -static-libgcc -l:libgtest.a -l:libgtest_main.a -pthread -o $@

# All that the steps here are given, for whoever runs some of them at once.
.PHONY: guest-ready
guest-ready: $(guest-test-dir)/guest-tests $(guest-test-dir)/ia32 $(guest-test-dir)/bug-tests $(BUGS_KO) $(PAYLOAD_FILES) $(VM_READY)
	@:

test-bugs: $(guest-test-dir)/bug-tests $(BUGS_KO) $(KMOD) $(HARNESS) $(VM_READY) ## have a live kernel make bugs of the past again; svma must name each
	$(Q)rm -rf $(guest-run-dir)/bugs-payload $(guest-run-dir)/bugs
	$(Q)mkdir -p $(guest-run-dir)/bugs-payload/bin $(guest-run-dir)/bugs
	$(Q)cp $(KMOD) $(BUGS_KO) tests/bugs/run.sh $(guest-run-dir)/bugs-payload/
	$(Q)cp $(guest-test-dir)/bug-tests $(HARNESS) $(guest-run-dir)/bugs-payload/bin/
	$(Q)strip --strip-debug $(guest-run-dir)/bugs-payload/bin/*
	@echo "  VM      known bugs on $(KERNEL)"
	$(Q)$(RUN_VM) --smp $(SMP) --mem $(MEM) --timeout $(GUEST_TIMEOUT) --accel tcg-single $(VM_ARGS) \
		--payload $(guest-run-dir)/bugs-payload --out $(guest-run-dir)/bugs -- bash /opt/svma/run.sh $(BUGS_ARGS)

# One thread for all virtual CPUs: see tcg-single in vm-images/run-vm.
load-unload-test: $(KMOD) $(HARNESS) $(VM_READY) ## load and unload the module LOAD_ROUNDS (20) times, also under load
	$(Q)rm -rf $(guest-run-dir)/load-payload $(guest-run-dir)/load
	$(Q)mkdir -p $(guest-run-dir)/load-payload/bin $(guest-run-dir)/load
	$(Q)cp $(KMOD) tests/vm/load_unload.sh tests/vm/others.py $(guest-run-dir)/load-payload/
	$(Q)strip --strip-debug $(HARNESS) -o $(guest-run-dir)/load-payload/bin/svma
	@echo "  VM      load and unload on $(KERNEL)"
	$(Q)$(RUN_VM) --smp $(SMP) --mem $(MEM) --accel tcg-single --timeout $(GUEST_TIMEOUT) \
		--payload $(guest-run-dir)/load-payload --out $(guest-run-dir)/load -- \
		bash /opt/svma/load_unload.sh /opt/svma/svma.ko /results/load_unload.xml $(LOAD_ROUNDS)

# Of mm's own, and others with bit fields, large alignment and much that is nested.
LAYOUTS ?= task_struct mm_struct vm_area_struct anon_vma anon_vma_chain page address_space file inode dentry \
	vm_operations_struct vm_fault rq cgroup net_device sk_buff super_block pglist_data zone kmem_cache \
	signal_struct sighand_struct

layout-test: $(HARNESS) $(B)/kernels/$(KERNEL)/.ready ## svma layout against pahole, on the types of KERNEL
	@echo "  TEST    layouts of $(KERNEL)"
	$(Q)tests/layout/compare $(HARNESS) $(B)/kernels/$(KERNEL)/vmlinux $(LAYOUTS)

# Random sequences of all mm calls, by one thread and by four: SEEDS:STEPS-OF-EACH.
GENERATE_SEED ?= 1
# Seconds in the guest; less than TIMEOUT, so that what was counted until then is still reported.
GENERATE_TIMEOUT ?= 1500
GENERATE_SHORT ?= 20:2000
GENERATE_SHORT_THREADS ?= 6:2000
SOAK ?= 110:10000
SOAK_THREADS ?= 20:5000
# Seconds of each of stress-ng's memory stressors.
SOAK_STRESS ?= 10
# How often the module is loaded and unloaded; half as often under load.
SOAK_LOADS ?= 400

# $(call generate,folder,seeds:steps,more options)
generate = $(SUBMAKE) run-now OUT=$(guest-run-dir)/$(1) CMD='svma generate --seed $(GENERATE_SEED) \
	--seeds $(word 1,$(subst :, ,$(2))) --ops $(word 2,$(subst :, ,$(2))) --timeout $(GENERATE_TIMEOUT) $(3)'

.PHONY: generate-test soak
generate-test: $(VM_READY) ## random sequences of all mm calls, checked in a guest
	+$(Q)$(call generate,generate,$(GENERATE_SHORT))
	+$(Q)$(call generate,generate-threads,$(GENERATE_SHORT_THREADS),--threads 4)

soak: $(VM_READY) ## the long form: stress-ng, more than a million random steps, loads, the debug kernel (built if missing); GENERATE_TIMEOUT=7000 TIMEOUT=7200 for slow machines
	$(Q)rm -f $(guest-run-dir)/soak/verdict.json $(guest-run-dir)/soak-threads/verdict.json $(guest-run-dir)/soak-stress/verdict.json
	+$(Q)$(SUBMAKE) run-now OUT=$(guest-run-dir)/soak-stress CMD='bash /opt/svma/stress.sh $(SOAK_STRESS)' || true
	+$(Q)$(call generate,soak,$(SOAK)) || true # the figures below say what is wrong
	+$(Q)$(call generate,soak-threads,$(SOAK_THREADS),--threads 4) || true
	$(Q)tests/soak-figures $(guest-run-dir)/soak-stress/verdict.json $(guest-run-dir)/soak/verdict.json \
		$(guest-run-dir)/soak-threads/verdict.json
	+$(Q)$(SUBMAKE) load-unload-test LOAD_ROUNDS=$(SOAK_LOADS) GUEST_TIMEOUT=$(TIMEOUT)
	+$(if $(filter $(KERNEL_VERSION)-debug,$(DEBUG_KERNELS)),$(Q)$(SUBMAKE) test-debug GUEST_TIMEOUT=7200 \
		GUEST_ARGS='$(SOAK_DEBUG_ARGS)' DEBUG_RUN='$(SOAK_DEBUG_RUN)')
	+$(if $(filter $(KERNEL_VERSION)-kcsan,$(DEBUG_KERNELS)),$(Q)$(SUBMAKE) test-races GUEST_TIMEOUT=7200 \
		RACE_RUN='$(SOAK_RACE_RUN)')

abi-test: $(B)/tests/abi/padding.o $(B)/tests/abi/layout.o $(B)/tests/abi/layout_cxx.o ## check the frozen layout of uapi/svma.h
	@:

lint: ## check the tree's own rules
	@echo "  LINT    tests/lint/run"
	$(Q)tests/lint/run --self-test
	$(Q)tests/lint/run

-include $(guest-test-objs:.o=.d) $(bug-test-objs:.o=.d)
