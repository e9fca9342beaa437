# SPDX-License-Identifier: GPL-2.0-only
# Linux 6.12 that looks for data races of the module; see config/kernel-kcsan. The form is explained in 6.1-debug.mk.

KERNEL_SUITES := bookworm bookworm-security
KERNEL_SOURCE_PACKAGE := linux-source-6.12
KERNEL_CONFIG := kernel-debug kernel-kcsan
# Variables of the make that builds it: the kernel itself is not watched, what is built against it is. A value that changes
# under a plain read of the module's is reported whoever changes it.
KERNEL_MAKE := KCSAN_SANITIZE=n
KERNEL_BOOT := vmlinuz
KERNEL_PATIENCE := 3
