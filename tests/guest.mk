# SPDX-License-Identifier: GPL-2.0-only
# Tests in a guest, of the interface, and of the tree's own rules. Included by the top-level Makefile.

GUEST_TIMEOUT ?= 900
GUEST_ARGS ?=

guest-test-dir := $(B)/tests/guest
guest-test-objs := $(patsubst tests/vm/%.cc,$(guest-test-dir)/%.o,$(sort $(wildcard tests/vm/*.cc)))

$(guest-test-dir)/%.o: tests/vm/%.cc
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	$(Q)$(CXX) -std=c++20 -O1 -g -Wall -Wextra -Werror -I. -Itests/vm -MMD -MP -c $< -o $@

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

.PHONY: guest-test load-unload-test abi-test lint

guest-test: $(guest-test-dir)/guest-tests $(guest-test-dir)/ia32 $(KMOD) $(HARNESS) $(VM_READY) ## test the module in a guest
	$(Q)rm -rf $(guest-test-dir)/payload $(guest-test-dir)/out
	$(Q)mkdir -p $(guest-test-dir)/payload/bin $(guest-test-dir)/out
	$(Q)cp $(KMOD) tests/vm/run.sh tests/vm/load_unload.sh $(guest-test-dir)/payload/
	$(Q)cp $(guest-test-dir)/guest-tests $(guest-test-dir)/ia32 $(HARNESS) $(guest-test-dir)/payload/bin/
	$(Q)strip --strip-debug $(guest-test-dir)/payload/bin/*
	@echo "  VM      guest-tests on $(KERNEL)"
	$(Q)$(RUN_VM) --smp $(SMP) --mem $(MEM) --timeout $(GUEST_TIMEOUT) --payload $(guest-test-dir)/payload \
		--out $(guest-test-dir)/out -- bash /opt/svma/run.sh $(GUEST_ARGS)

# One thread for all virtual CPUs: see tcg-single in vm-images/run-vm.
load-unload-test: $(guest-test-dir)/guest-tests $(KMOD) $(VM_READY) ## load and unload the module 20 times, also under load
	$(Q)rm -rf $(guest-test-dir)/load-payload $(guest-test-dir)/load
	$(Q)mkdir -p $(guest-test-dir)/load-payload $(guest-test-dir)/load
	$(Q)cp $(KMOD) tests/vm/load_unload.sh $(guest-test-dir)/load-payload/
	@echo "  VM      load and unload on $(KERNEL)"
	$(Q)$(RUN_VM) --smp $(SMP) --mem $(MEM) --accel tcg-single --timeout $(GUEST_TIMEOUT) \
		--payload $(guest-test-dir)/load-payload --out $(guest-test-dir)/load -- \
		bash /opt/svma/load_unload.sh /opt/svma/svma.ko /results/load_unload.xml

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

# $(call generate,folder,seeds:steps,more options)
generate = $(SUBMAKE) run-now OUT=$(B)/tests/$(1) CMD='svma generate --seed $(GENERATE_SEED) \
	--seeds $(word 1,$(subst :, ,$(2))) --ops $(word 2,$(subst :, ,$(2))) --timeout $(GENERATE_TIMEOUT) $(3)'

.PHONY: generate-test soak
generate-test: $(VM_READY) ## random sequences of all mm calls, checked in a guest
	+$(Q)$(call generate,generate,$(GENERATE_SHORT))
	+$(Q)$(call generate,generate-threads,$(GENERATE_SHORT_THREADS),--threads 4)

soak: $(VM_READY) ## the long form: stress-ng, and more than a million random steps; GENERATE_TIMEOUT=7000 TIMEOUT=7200 for slow machines
	$(Q)rm -f $(B)/tests/soak/verdict.json $(B)/tests/soak-threads/verdict.json $(B)/tests/soak-stress/verdict.json
	+$(Q)$(SUBMAKE) run-now OUT=$(B)/tests/soak-stress CMD='bash /opt/svma/stress.sh $(SOAK_STRESS)' || true
	+$(Q)$(call generate,soak,$(SOAK)) || true # the figures below say what is wrong
	+$(Q)$(call generate,soak-threads,$(SOAK_THREADS),--threads 4) || true
	$(Q)tests/soak-figures $(B)/tests/soak-stress/verdict.json $(B)/tests/soak/verdict.json \
		$(B)/tests/soak-threads/verdict.json

abi-test: $(B)/tests/abi/padding.o $(B)/tests/abi/layout.o $(B)/tests/abi/layout_cxx.o ## check the frozen layout of uapi/svma.h
	@:

lint: ## check the tree's own rules
	@echo "  LINT    tests/lint/run"
	$(Q)tests/lint/run --self-test
	$(Q)tests/lint/run

-include $(guest-test-objs:.o=.d)
