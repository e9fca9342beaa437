#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest, after rmmod: what kmemleak finds that nobody refers to. Prints it and fails; says and does nothing where the
# kernel has no kmemleak.
set -u
kmemleak=/sys/kernel/debug/kmemleak

[ -e $kmemleak ] || exit 0
# An object is reported when it is 5 s old, and its contents were the same in two scans (mm/kmemleak.c, v6.1).
sleep 6
for _ in 1 2; do
  echo scan >$kmemleak || { echo "leaks: kmemleak is off" >&2; exit 1; }
done
leaks=$(cat $kmemleak)
[ -z "$leaks" ] || { echo "leaks: $leaks" >&2; exit 1; }
echo 'leaks: kmemleak found none'
