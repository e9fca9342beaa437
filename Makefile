# SPDX-License-Identifier: GPL-2.0-only
# svma. `make help` lists the targets; each folder brings its own rules.mk.

KERNEL ?= 6.1
SMP ?= 2
MEM ?= 2G
CMD ?=
SHARE ?=
B ?= build
TIMEOUT ?= 1800
OUT ?= $(B)/results
CHECK ?=
CXX := $(if $(filter default,$(origin CXX)),g++-12,$(CXX))
CXXFLAGS ?= -O2 -g1
SVMA_VERSION := 0.1
Q := $(if $(V),,@)


.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help all clean check test run shell
.DEFAULT_GOAL := help

include vm-images/rules.mk
include kmod/rules.mk
include bpf/rules.mk
include harness/rules.mk
include tests/rules.mk
include tests/guest.mk

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'

all: $(KMOD) $(HARNESS) ## build the module and the harness

# Missing packages are installed before anything else is looked at, hence the second make.
SUBMAKE = $(MAKE) --no-print-directory

run: setup-host ## check CMD (default: a workload of real programs) in a guest, from exec to exit
	+$(Q)$(SUBMAKE) run-now

shell: setup-host ## an interactive guest with the module loaded
	+$(Q)$(SUBMAKE) shell-now

check: setup-host ## fast: lint, interface, unit tests; no guest
	+$(Q)$(SUBMAKE) lint abi-test unit

test: setup-host ## all tests; the last line says N passed, N failed
	$(Q)tests/run-all --make '$(SUBMAKE)' --build '$(B)'

clean: ## remove what was built; kernels and images stay
	$(Q)rm -rf $(B)/kmod $(B)/bpf $(B)/harness $(B)/tests $(B)/payload $(B)/results $(B)/bench
