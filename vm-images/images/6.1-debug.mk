# SPDX-License-Identifier: GPL-2.0-only
# Linux 6.1 with everything that finds faults: KASAN, lockdep, kmemleak, fault injection; see config/kernel-debug.
# Built from Debian's source package, everything the guest needs built in. The form of this file is explained in 6.1.mk.

KERNEL_SUITES := bookworm bookworm-updates bookworm-security
KERNEL_SOURCE_PACKAGE := linux-source-6.1
# Files of config/ that together are the configuration.
KERNEL_CONFIG := kernel-debug
# What QEMU boots: its C code before the page tables are up is built with KASAN, too, and so does not survive PVH.
KERNEL_BOOT := vmlinuz
# Every limit of time in a guest is that many times as long: KASAN and lockdep make each instruction several.
KERNEL_PATIENCE := 6
# On its command line: failslab may fail the caches of the module alone. 6.1 takes that at boot only (mm/slub.c).
KERNEL_PARAMETERS := slub_debug=A,svma_*
