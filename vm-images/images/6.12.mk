# SPDX-License-Identifier: GPL-2.0-only
# Linux 6.12 (Debian bookworm-security): mm/vma.c, per-VMA locks, munmap in two phases.
# The form of this file is explained in 6.1.mk.

KERNEL_SUITES := bookworm bookworm-security
KERNEL_META := linux-image-6.12-amd64
KERNEL_META_DEPENDS := linux-image-@ABI@-amd64
KERNEL_IMAGE_PACKAGES := linux-image-@ABI@-amd64
KERNEL_HEADER_PACKAGES := linux-headers-@ABI@-amd64 linux-headers-@ABI@-common linux-kbuild-@ABI@
KERNEL_GUEST_MODULES := virtio_pci virtio_blk virtio_console ext4
KERNEL_SHARE_MODULES := 9pnet_virtio 9p
