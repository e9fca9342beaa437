# SPDX-License-Identifier: GPL-2.0-only
# Linux 5.10 (Debian bullseye, long-term support): VMAs in the kernel's own red-black tree and list.
# The form of this file is explained in 6.1.mk.

KERNEL_SUITES := bullseye bullseye-security
KERNEL_META := linux-image-amd64
KERNEL_META_DEPENDS := linux-image-@ABI@-amd64
KERNEL_IMAGE_PACKAGES := linux-image-@ABI@-amd64
KERNEL_HEADER_PACKAGES := linux-headers-@ABI@-amd64 linux-headers-@ABI@-common linux-kbuild-5.10
KERNEL_GUEST_MODULES := virtio_pci virtio_blk virtio_console ext4
KERNEL_SHARE_MODULES := 9pnet_virtio 9p
