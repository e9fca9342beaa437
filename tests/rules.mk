# SPDX-License-Identifier: GPL-2.0-only
# User-space tests of the core: unit tests, fuzzing, benchmarks. Included by the top-level Makefile.

B ?= build
CXX ?= g++-12
CLANGXX ?= clang++-14
PYTHON ?= python3
FUZZ_SECONDS ?= 60
# The fastest of some short runs counts: a busy machine only ever adds time.
BENCH_ARGS ?= --benchmark_min_time=0.05 --benchmark_repetitions=5
GTEST_ARGS ?=

core-test-warn := -Wall -Wextra -Werror -Wshadow
core-test-std := -std=c++20 -I. -Ikmod -Ikmod/core -Itests/support
# The core itself is built as strictly in user space as in the kernel.
core-test-core := -fno-exceptions -fno-rtti -fno-threadsafe-statics

# Line numbers, no more, in what is only run by `make`: with all of it, and optimised, compiling takes most of the time of
# the tests. Whoever has to look into one: make unit TEST_DEBUG=-g3
TEST_DEBUG ?= -g1
core-test-asan := $(core-test-std) $(TEST_DEBUG) -fno-omit-frame-pointer -DSVMA_DEBUG \
	-fsanitize=address,undefined -fno-sanitize-recover=all
core-test-fuzz := $(core-test-std) -O1 $(TEST_DEBUG) -fno-omit-frame-pointer -DSVMA_DEBUG \
	-fno-sanitize-recover=all
core-test-opt := $(core-test-std) -O2 -g
core-test-shim := -std=gnu11 -O1 $(TEST_DEBUG) -fno-omit-frame-pointer -I. -Ikmod -Wall -Wextra -Werror

# core.cc only includes the others, for kbuild.
core-test-srcs := $(filter-out kmod/core/core.cc,$(sort $(wildcard kmod/core/*.cc kmod/core/*/*.cc)))
# Of the shim, what needs nothing of the kernel but types and numbers.
core-test-shim-srcs := kmod/shim/request.c
# Fixtures need GoogleTest, the rest of the support serves fuzzer and benchmarks as well.
unit-fixtures := $(sort $(wildcard tests/support/*_fixture.cc))
core-test-support := $(filter-out $(unit-fixtures),$(sort $(wildcard tests/support/*.cc)))
unit-srcs := $(filter-out tests/unit/harness/%,$(sort $(wildcard tests/unit/*/*_test.cc))) $(unit-fixtures)

core-test-obj = $(addprefix $(B)/tests/$(1)/,$(addsuffix .o,$(basename $(2))))
core-test-lib-objs = $(call core-test-obj,$(1),$(core-test-srcs) $(core-test-shim-srcs) $(core-test-support))

# One pattern rule per flavour: sanitised (unit), fuzz (clang, coverage), opt (benchmarks).
$(B)/tests/asan/kmod/core/%.o: kmod/core/%.cc
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	$(Q)$(CXX) $(core-test-asan) -O1 $(core-test-warn) $(core-test-core) -MMD -MP -c $< -o $@

$(B)/tests/asan/kmod/shim/%.o: kmod/shim/%.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(core-test-shim) -fsanitize=address,undefined -fno-sanitize-recover=all -MMD -MP -c $< -o $@

$(B)/tests/asan/tests/support/%.o: tests/support/%.cc
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	$(Q)$(CXX) $(core-test-asan) -O1 $(core-test-warn) -MMD -MP -c $< -o $@

$(B)/tests/asan/tests/unit/%.o: tests/unit/%.cc
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	$(Q)$(CXX) $(core-test-asan) -O0 $(core-test-warn) -MMD -MP -c $< -o $@

$(B)/tests/fuzz/kmod/core/%.o: kmod/core/%.cc
	@mkdir -p $(@D)
	@echo "  CXX     $< (fuzz)"
	$(Q)$(CLANGXX) $(core-test-fuzz) -fsanitize=fuzzer-no-link,address,undefined $(core-test-warn) \
		$(core-test-core) -MMD -MP -c $< -o $@

$(B)/tests/fuzz/kmod/shim/%.o: kmod/shim/%.c
	@mkdir -p $(@D)
	@echo "  CC      $< (fuzz)"
	$(Q)$(CLANG) $(core-test-shim) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
		-MMD -MP -c $< -o $@

$(B)/tests/fuzz/tests/%.o: tests/%.cc
	@mkdir -p $(@D)
	@echo "  CXX     $< (fuzz)"
	$(Q)$(CLANGXX) $(core-test-fuzz) -fsanitize=fuzzer-no-link,address,undefined $(core-test-warn) \
		-MMD -MP -c $< -o $@

$(B)/tests/opt/kmod/core/%.o: kmod/core/%.cc
	@mkdir -p $(@D)
	@echo "  CXX     $< (opt)"
	$(Q)$(CXX) $(core-test-opt) $(core-test-warn) $(core-test-core) -MMD -MP -c $< -o $@

$(B)/tests/opt/kmod/shim/%.o: kmod/shim/%.c
	@mkdir -p $(@D)
	@echo "  CC      $< (opt)"
	$(Q)$(CC) $(core-test-shim) -O2 -MMD -MP -c $< -o $@

$(B)/tests/opt/tests/%.o: tests/%.cc
	@mkdir -p $(@D)
	@echo "  CXX     $< (opt)"
	$(Q)$(CXX) $(core-test-opt) $(core-test-warn) -MMD -MP -c $< -o $@

# Rebuilt from scratch: an object whose source is gone must not linger in the archive.
$(B)/tests/%/libcore.a:
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/tests/asan/libcore.a: $(call core-test-lib-objs,asan)
$(B)/tests/fuzz/libcore.a: $(call core-test-lib-objs,fuzz)
$(B)/tests/opt/libcore.a: $(call core-test-lib-objs,opt)

$(B)/tests/unit-tests: $(call core-test-obj,asan,$(unit-srcs)) $(B)/tests/asan/libcore.a
	@echo "  LD      $@"
	$(Q)$(CXX) $(core-test-asan) $^ -lgtest -lgtest_main -pthread -o $@

fuzz-targets := $(patsubst tests/fuzz/%.cc,$(B)/tests/%,$(wildcard tests/fuzz/*_fuzz.cc))

$(fuzz-targets): $(B)/tests/%: $(B)/tests/fuzz/tests/fuzz/%.o $(B)/tests/fuzz/libcore.a
	@echo "  LD      $@"
	$(Q)$(CLANGXX) $(core-test-fuzz) -fsanitize=fuzzer,address,undefined $^ -o $@

$(B)/tests/vma_bench: $(call core-test-obj,opt,tests/bench/vma_bench.cc) $(B)/tests/opt/libcore.a
	@echo "  LD      $@"
	$(Q)$(CXX) $(core-test-opt) $^ -lbenchmark -labsl_throw_delegate -labsl_raw_logging_internal \
		-pthread -o $@

$(B)/tests/rmap_bench: $(call core-test-obj,opt,tests/bench/rmap_bench.cc) $(B)/tests/opt/libcore.a
	@echo "  LD      $@"
	$(Q)$(CXX) $(core-test-opt) $^ -lbenchmark -pthread -o $@

# The harness's pure parts, with the harness's own flags.
harness-unit-objs := $(patsubst %.cc,$(B)/tests/harness/%.o,$(HARNESS_LIB_SRCS) \
	$(sort $(wildcard tests/unit/harness/*.cc)))

$(B)/tests/harness/%.o: %.cc
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	$(Q)$(CXX) $(HARNESS_CXXFLAGS) -O0 $(TEST_DEBUG) -fsanitize=address,undefined -fno-sanitize-recover=all -MMD -MP \
		-c $< -o $@

$(B)/tests/harness-unit-tests: $(harness-unit-objs)
	@echo "  LD      $@"
	$(Q)$(CXX) -fsanitize=address,undefined $^ -lgtest -lgtest_main -lbpf -lelf -lz -pthread -o $@

.PHONY: unit fuzz $(fuzz-names:%=fuzz-%) bench bench-containers bench-cost bench-walk

unit: $(B)/tests/unit-tests $(B)/tests/harness-unit-tests ## unit tests of core and harness, under ASan and UBSan
	@echo "  TEST    $<"
	$(Q)$< --gtest_output=xml:$(B)/tests/unit.xml --gtest_brief=1 $(GTEST_ARGS)
	@echo "  TEST    $(B)/tests/harness-unit-tests"
	$(Q)$(B)/tests/harness-unit-tests --gtest_output=xml:$(B)/tests/unit-harness.xml --gtest_brief=1 \
		$(GTEST_ARGS)

# The targets are tests/fuzz/*_fuzz.cc; each gets its share of the time.
fuzz-names := $(sort $(patsubst tests/fuzz/%_fuzz.cc,%,$(wildcard tests/fuzz/*_fuzz.cc)))
fuzz-share = $(shell expr $(FUZZ_SECONDS) / $(words $(fuzz-names)))

fuzz: $(fuzz-names:%=fuzz-%) ## fuzz the core against a naive model and a naive kernel for FUZZ_SECONDS (60)

$(fuzz-names:%=fuzz-%): fuzz-%: $(B)/tests/%_fuzz
	@mkdir -p $(B)/tests/corpus/$*
	$(Q)cp -n tests/fuzz/corpus/$*/* $(B)/tests/corpus/$*/ 2>/dev/null || true
	@echo "  FUZZ    $< ($(fuzz-share) s)"
	$(Q)$< -max_total_time=$(fuzz-share) -max_len=1024 -timeout=10 -print_final_stats=1 \
		-artifact_prefix=$(B)/tests/crash-$*- $(B)/tests/corpus/$* >$(B)/tests/fuzz-$*.log 2>&1 \
		|| { tail -n 60 $(B)/tests/fuzz-$*.log; exit 1; }
	$(Q)sed -n 's/^stat::\(number_of_executed_units\|average_exec_per_sec\|comparisons\): */  FUZZ    \1 /p' \
		$(B)/tests/fuzz-$*.log

bench: ## speed of the core against other containers, and what the module costs a guest
	+$(Q)$(SUBMAKE) bench-containers
	+$(Q)$(SUBMAKE) bench-cost
	+$(Q)$(SUBMAKE) bench-walk

bench-containers: $(B)/tests/vma_bench $(B)/tests/rmap_bench ## the core against containers of std, Boost and absl
	@mkdir -p $(B)/bench
	$(Q)set -e; for part in vma rmap; do \
		echo "  BENCH   $(B)/tests/$${part}_bench"; \
		$(B)/tests/$${part}_bench --benchmark_out=$(B)/bench/$$part.json --benchmark_out_format=json \
			$(BENCH_ARGS) >$(B)/bench/$$part.log 2>&1 || { cat $(B)/bench/$$part.log; exit 1; }; \
		$(PYTHON) tests/bench/ratios.py $(B)/bench/$$part.json; \
	done

# What the module costs: counted in a guest whose clock counts instructions, and timed in a normal one.
COST_UNIT ?= replay/predict.cc
COST_ROUNDS ?= 3
cost-payload := $(B)/bench/payload
cost-run = $(RUN_VM) --mem $(MEM) --timeout $(TIMEOUT) --payload $(cost-payload)

$(B)/bench/count-plugin.so: tests/bench/count_plugin.cc
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	$(Q)$(CXX) -std=c++20 -O2 -Wall -Wextra -Werror -fPIC -shared -static-libstdc++ -static-libgcc $< -o $@

bench-cost: $(B)/bench/count-plugin.so $(B)/harness/svma-cost $(KMOD) $(HARNESS) $(VM_READY) ## what the module costs operations and a compiler in a guest
	$(Q)rm -rf $(cost-payload) $(B)/bench/count $(B)/bench/time
	$(Q)mkdir -p $(cost-payload)/bin $(B)/bench/count
	$(Q)cp -r kmod/core tests/bench/cost.sh $(KMOD) $(cost-payload)/
	$(Q)cp $(HARNESS) $(B)/harness/svma-cost $(cost-payload)/bin/
	$(Q)strip --strip-debug $(cost-payload)/svma.ko $(cost-payload)/bin/*
	@echo "  VM      cost in instructions on $(KERNEL)"
	$(Q)$(cost-run) --icount --plugin $<,out=$(B)/bench/count/sections --out $(B)/bench/count -- \
		bash /opt/svma/cost.sh count '$(COST_UNIT)' $(COST_ROUNDS)
	@echo "  VM      cost in time on $(KERNEL)"
	$(Q)$(cost-run) --smp $(SMP) --out $(B)/bench/time -- bash /opt/svma/cost.sh time '$(COST_UNIT)' $(COST_ROUNDS)
	$(Q)$(PYTHON) tests/bench/cost_report.py $(B)/bench/count $(B)/bench/time $(B)/bench/cost.json

# Nobody else runs in that guest, so the lock is held for as long as it takes.
walk-payload := $(B)/bench/walk
bench-walk: $(B)/harness/svma-walk-cost $(KMOD) $(VM_READY) ## reading page tables against reading pagemap and smaps, in a guest
	$(Q)rm -rf $(walk-payload)
	$(Q)mkdir -p $(walk-payload)
	$(Q)cp $(KMOD) $(B)/harness/svma-walk-cost $(walk-payload)/
	$(Q)strip --strip-debug $(walk-payload)/*
	@echo "  VM      cost of a walk in instructions on $(KERNEL)"
	$(Q)$(RUN_VM) --mem $(MEM) --timeout $(TIMEOUT) --payload $(walk-payload) --icount --out $(B)/bench/walk-out -- \
		bash -c 'insmod /opt/svma/svma.ko && /opt/svma/svma-walk-cost | tee /results/walk.txt'

-include $(shell find $(B)/tests -name '*.d' 2>/dev/null)

# The harness in a guest, called wrongly.
.PHONY: bad-input-test
bad-input-test: $(VM_READY) $(PAYLOAD_FILES) ## what can't be checked ends with one clear line
	@mkdir -p $(B)/tests/bad-input
	$(Q)cp tests/vm/bad_input.sh $(PAYLOAD)/
	@echo "  VM      bad input on $(KERNEL)"
	$(Q)$(GUEST) --out $(B)/tests/bad-input --timeout 300 -- bash /opt/svma/bad_input.sh
