# SPDX-License-Identifier: GPL-2.0-only
# Linux 7.3 (Debian trixie-backports): flags of VMAs and mms as bitmaps, VMAs locked one by one.
# The form of this file is explained in 6.1.mk. Of trixie only the backports, since both have a linux-image-amd64.

KERNEL_SUITES := trixie-backports
KERNEL_META := linux-image-amd64
KERNEL_META_DEPENDS := linux-image-@ABI@-amd64
KERNEL_IMAGE_PACKAGES := linux-binary-@ABI@-amd64 linux-modules-@ABI@-amd64 linux-base-@ABI@-amd64
KERNEL_HEADER_PACKAGES := linux-headers-@ABI@-amd64 linux-headers-@ABI@-common linux-kbuild-@ABI@
KERNEL_TOOLCHAIN := trixie
KERNEL_CC := gcc-14
KERNEL_GUEST_MODULES := virtio_pci virtio_blk virtio_console ext4
KERNEL_SHARE_MODULES := 9pnet_virtio 9p
