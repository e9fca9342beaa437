# SPDX-License-Identifier: GPL-2.0-only
# Linux 6.1 (Debian bookworm): the first kernel whose VMAs live in a maple tree.
#
# Read by make and by the shell scripts, so: one `NAME := value` a line, no expansion, no continuation.
# @ABI@ stands for what Debian puts into the package name, here something like 6.1.0-56.

KERNEL_SUITES := bookworm bookworm-updates bookworm-security
# The package whose Depends names the current ABI, and the shape of that name.
KERNEL_META := linux-image-amd64
KERNEL_META_DEPENDS := linux-image-@ABI@-amd64
# First come the packages with the kernel and its modules, then what modules are built against.
KERNEL_IMAGE_PACKAGES := linux-image-@ABI@-amd64
KERNEL_HEADER_PACKAGES := linux-headers-@ABI@-amd64 linux-headers-@ABI@-common linux-kbuild-6.1
# Modules stage 1 loads (their dependencies are found with modprobe): always, and only with run-vm --share.
KERNEL_GUEST_MODULES := virtio_pci virtio_blk virtio_console ext4
KERNEL_SHARE_MODULES := 9pnet_virtio 9p
# What modules are built with, by default this machine's gcc-12: KERNEL_CC := a compiler, KERNEL_TOOLCHAIN := a Debian
# release, in whose root it and kbuild's own programs run.
