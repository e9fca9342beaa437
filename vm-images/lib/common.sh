# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
# Shared by the scripts of vm-images/; sourced, never run.

VM_IMAGES=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# Callers name themselves in messages: several of these run in one `make`.
PROG=${0##*/}

# Where nobody listens (2>&-), a message must not become the failure: bash then has its script open there.
say() {
	printf '%s: %s\n' "$PROG" "$*" >&2 || true
}

die() {
	say "$*"
	exit 2
}

# need TOOL PACKAGE: stop unless TOOL can be run. Some of them are in sbin, which a user's PATH may lack.
PATH=$PATH:/usr/sbin:/sbin
need() {
	command -v "$1" >/dev/null || die "$1 not found: run vm-images/setup-host (or: apt-get install $2)"
}

# The build directory as an absolute path; make hands it down as B.
build_dir() {
	local dir=${1:-${VM_IMAGES%/*}/build}
	mkdir -p "$dir" || die "cannot create build directory $dir"
	(cd "$dir" && pwd -P)
}

# images_with VARIABLE: the kernels whose image file has it.
images_with() {
	grep -lE "^$1[[:space:]]*:=" "$VM_IMAGES"/images/*.mk | sed 's#.*/##; s#\.mk$##' | sort -V | paste -sd' '
}

# Debian's own, and those that build-kernel makes.
supported_kernels() { images_with KERNEL_IMAGE_PACKAGES; }
built_kernels() { images_with KERNEL_SOURCE_PACKAGE; }

# load_image KERNEL: set the KERNEL_* variables of images/KERNEL.mk.
load_image() {
	local mk=$VM_IMAGES/images/$1.mk name value
	[[ -n $1 && $1 != */* && -f $mk ]] || die "no kernel '$1': supported are $(supported_kernels) $(built_kernels)"
	# Left unset by an older or smaller image file: still defined.
	KERNEL_SUITES='' KERNEL_META='' KERNEL_META_DEPENDS='' KERNEL_IMAGE_PACKAGES='' KERNEL_HEADER_PACKAGES=''
	KERNEL_GUEST_MODULES='' KERNEL_SHARE_MODULES='' KERNEL_TOOLCHAIN='' KERNEL_CC=''
	KERNEL_SOURCE_PACKAGE='' KERNEL_CONFIG='' KERNEL_MAKE='' KERNEL_BOOT='' KERNEL_PATIENCE='' KERNEL_PARAMETERS=''
	while read -r name value; do
		printf -v "$name" '%s' "$value"
	done < <(sed -n 's/^\(KERNEL_[A-Z_]*\)[[:space:]]*:=[[:space:]]*\(.*[^[:space:]]\)[[:space:]]*$/\1 \2/p' "$mk")
	[[ -n $KERNEL_SUITES && -n $KERNEL_IMAGE_PACKAGES$KERNEL_SOURCE_PACKAGE ]] ||
		die "$mk: KERNEL_SUITES is missing, or KERNEL_IMAGE_PACKAGES and KERNEL_SOURCE_PACKAGE both"
}
