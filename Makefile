# SPDX-License-Identifier: GPL-2.0-only
# svma. `make help` lists the targets; each folder brings its own rules.mk.

KERNEL ?= 6.1
SMP ?= 2
MEM ?= 2G
CMD ?=
SHARE ?=
B ?= build
OUT ?= $(B)/results
CHECK ?=
CXX := $(if $(filter default,$(origin CXX)),g++-12,$(CXX))
CXXFLAGS ?= -O2 -g
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

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'

all: $(KMOD) $(B)/harness/svma ## build the module and the harness

clean: ## remove what was built; kernels and images stay
	$(Q)rm -rf $(B)/kmod $(B)/bpf $(B)/harness $(B)/tests $(B)/payload $(B)/results $(B)/bench
