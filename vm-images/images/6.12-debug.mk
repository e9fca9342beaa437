# SPDX-License-Identifier: GPL-2.0-only
# Linux 6.12 with everything that finds faults; explained in 6.1-debug.mk.

KERNEL_SUITES := bookworm bookworm-security
KERNEL_SOURCE_PACKAGE := linux-source-6.12
KERNEL_CONFIG := kernel-debug
KERNEL_BOOT := vmlinuz
KERNEL_PATIENCE := 6
KERNEL_PARAMETERS := slub_debug=A,svma_*
