#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: watched.sh AT_LEAST. How many addresses KCSAN has watched while others went on, which only the module's accesses
# make it do. Prints that and fails when there were fewer; says and does nothing where the kernel has no KCSAN.
set -u
kcsan=/sys/kernel/debug/kcsan

[ -e $kcsan ] || exit 0
watched=$(sed -n 's/^setup_watchpoints: *//p' $kcsan)
echo "watched: $watched accesses of the module"
[ "$watched" -ge "$1" ] || { echo "watched: fewer than $1" >&2; exit 1; }
