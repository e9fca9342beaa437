# SPDX-License-Identifier: GPL-2.0-only
# The svma program. Everything but libc is linked in, so that one file runs in every guest.

HARNESS := $(B)/harness/svma
HARNESS_CXXFLAGS := -std=c++20 $(CXXFLAGS) -Wall -Wextra -Werror -I. -Iharness -I$(B)/bpf \
	-DSVMA_VERSION='"$(SVMA_VERSION)"' -DSVMA_ABI=1
HARNESS_SRCS := $(sort harness/main.cc $(wildcard harness/cmd/*.cc harness/lib/*.cc))
HARNESS_OBJS := $(HARNESS_SRCS:harness/%.cc=$(B)/harness/%.o)
# What unit tests are for: pure parts, and how a program is started.
HARNESS_LIB_SRCS := $(addprefix harness/lib/,answers.cc calls.cc compare.cc ddmin.cc error.cc family.cc fmt.cc \
	journal.cc json.cc names.cc oracle_proc.cc page_compare.cc page_entry.cc page_scan.cc page_table.cc pages.cc picture.cc picture_draw.cc \
	picture_svg.cc picture_text.cc program.cc render.cc rmap_graph.cc rmap_topology.cc sampler.cc sharers.cc sketch.cc \
	smaps.cc step_name.cc struct_layout.cc tally.cc tree.cc)
HARNESS_LIBS := -static-libstdc++ -static-libgcc \
	-Wl,-Bstatic -lbpf -lelf -lz -Wl,-Bdynamic

.PHONY: harness
harness: $(HARNESS) ## the svma program

# Who includes a skeleton has it in its .d file; before the first compilation they must be there.
$(B)/harness/%.o: harness/%.cc harness/rules.mk | $(BPF_SKELETONS)
	@mkdir -p $(@D)
	@printf '  CXX     %s\n' '$<'
	$(Q)$(CXX) $(HARNESS_CXXFLAGS) -MMD -MP -c $< -o $@

$(HARNESS): $(HARNESS_OBJS)
	@printf '  LD      %s\n' '$@'
	$(Q)$(CXX) $(CXXFLAGS) $^ $(HARNESS_LIBS) -o $@

-include $(HARNESS_OBJS:.o=.d)

# What a guest gets at /opt/svma.
PAYLOAD := $(B)/payload/$(KERNEL)
PAYLOAD_FILES := $(PAYLOAD)/svma.ko $(PAYLOAD)/bin/svma $(PAYLOAD)/bin/svma-threads \
	$(PAYLOAD)/bin/svma-generate $(PAYLOAD)/run.sh \
	$(PAYLOAD)/default.sh $(PAYLOAD)/stress.sh $(PAYLOAD)/guest/setup

$(B)/harness/svma-cost: harness/workload/cost.cc
	@mkdir -p $(@D)
	@printf '  CXX     %s\n' '$<'
	$(Q)$(CXX) -std=c++20 $(CXXFLAGS) -Wall -Wextra -Werror -static-libstdc++ -static-libgcc $< -o $@

$(B)/harness/svma-walk-cost: harness/workload/walk_cost.cc uapi/svma.h
	@mkdir -p $(@D)
	@printf '  CXX     %s\n' '$<'
	$(Q)$(CXX) -std=c++20 -I. $(CXXFLAGS) -Wall -Wextra -Werror -static-libstdc++ -static-libgcc $< -o $@

$(B)/harness/svma-threads: harness/workload/threads.cc
	@mkdir -p $(@D)
	@printf '  CXX     %s\n' '$<'
	$(Q)$(CXX) -std=c++20 $(CXXFLAGS) -Wall -Wextra -Werror -static-libstdc++ -static-libgcc -pthread $< -o $@

GENERATE_OBJS := $(patsubst harness/%.cc,$(B)/harness/%.o,harness/lib/fmt.cc harness/lib/step_name.cc harness/workload/generate.cc \
	$(sort $(wildcard harness/workload/generate/*.cc)))

$(B)/harness/svma-generate: $(GENERATE_OBJS)
	@printf '  LD      %s\n' '$@'
	$(Q)$(CXX) $(CXXFLAGS) $^ -static-libstdc++ -static-libgcc -pthread -Wl,-z,now -o $@

-include $(GENERATE_OBJS:.o=.d)

$(PAYLOAD)/svma.ko: $(KMOD)
	@mkdir -p $(@D)
	$(Q)strip --strip-debug $< -o $@

$(PAYLOAD)/bin/%: $(B)/harness/%
	@mkdir -p $(@D)
	$(Q)strip $< -o $@

$(PAYLOAD)/%.sh: harness/workload/%.sh
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(PAYLOAD)/guest/setup: harness/workload/setup
	@mkdir -p $(@D)
	$(Q)cp $< $@

GUEST = $(RUN_VM) --smp $(SMP) --mem $(MEM) --payload $(PAYLOAD) $(if $(SHARE),--share '$(SHARE)')

.PHONY: run-now shell-now
run-now: $(VM_READY) $(PAYLOAD_FILES)
	@printf '  VM      %s\n' '$(KERNEL)'
	$(Q)mkdir -p '$(OUT)'
	$(Q)$(GUEST) --out '$(OUT)' --timeout $(TIMEOUT) -- bash /opt/svma/run.sh '$(CHECK)' '$(subst ','\'',$(CMD))'

shell-now: $(VM_READY) $(PAYLOAD_FILES)
	$(Q)$(GUEST) --shell
