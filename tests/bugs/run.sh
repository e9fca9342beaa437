#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest, as root: load both modules, run bug-tests. Fails also when no test ran.
set -u
here=$(dirname "$(readlink -f "$0")")
results=/results
status=0

mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
mkdir -p $results

insmod "$here/svma_bugs.ko" || exit 1 # before svma: see bugs.h
insmod "$here/svma.ko" || exit 1
"$here/bin/bug-tests" --gtest_output=xml:$results/bugs.xml --gtest_brief=1 "$@" || status=1
tests=$(sed -n 's/.*<testsuites tests="\([0-9]*\)".*/\1/p' $results/bugs.xml 2>/dev/null)
[ "${tests:-0}" -gt 0 ] || { echo 'bug-tests: no test was executed' >&2; status=1; }
rmmod svma || { echo 'bug-tests: svma does not unload' >&2; exit 1; }
rmmod svma_bugs || { echo 'bug-tests: svma_bugs does not unload' >&2; exit 1; }
exit $status
