#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest, as root: run.sh [SVMA_NAME=VALUE...] ARGS...: load the module, run guest-tests with ARGS. Fails also
# when no test ran.
set -u
here=$(dirname "$(readlink -f "$0")")
results=/results
status=0
while [[ ${1:-} == SVMA_*=* ]]; do
	export "$1"
	shift
done

mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
mkdir -p $results

# Where everything takes longer, a part of a load does.
insmod "$here/svma.ko" hold_us=$((500 * ${SVMA_PATIENCE:-1})) || exit 1
"$here/bin/guest-tests" --gtest_output=xml:$results/guest.xml --gtest_brief=1 "$@" || status=1
cp /sys/kernel/debug/svma/stats $results/stats
cp /sys/kernel/debug/svma/probes $results/probes
tests=$(sed -n 's/.*<testsuites tests="\([0-9]*\)".*/\1/p' $results/guest.xml 2>/dev/null)
[ "${tests:-0}" -gt 0 ] || { echo 'guest-tests: no test was executed' >&2; status=1; }
rmmod svma || { echo 'guest-tests: the module does not unload' >&2; exit 1; }
bash "$here/leaks.sh" || status=1
bash "$here/watched.sh" 1 || status=1 # that it watches the module at all
exit $status
