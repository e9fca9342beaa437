#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: cost.sh count|time UNIT ROUNDS. What the module costs operations and a compilation of kmod/core/UNIT: in
# instructions (run-vm --icount), or in seconds. Results for cost_report.py go to /results.
#
#   plain       the module is not loaded
#   untracked   it is, and tracks nothing
#   tracked     it tracks the program and its descendants, asked to through debugfs: nobody else looks on
#   checked     it does so for `svma check`, which compares by itself every now and then
set -eu
here=$(dirname "$0")
mode=$1 unit=$2 rounds=$3
debugfs=/sys/kernel/debug/svma
compile=(g++ -std=c++20 -O2 -fno-exceptions -fno-rtti "-I$here/core" -c "$here/core/$unit" -o /tmp/unit.o)

# measure NAME ARGS...: one run of svma-cost; `order` says which came when.
measure() {
	local name=$1
	shift
	"${wrapper[@]}" svma-cost --out "/results/$name.json" "$@"
	echo "$name" >>/results/order
}
wrapper=()

# Every process the same addresses: a layout that differs costs a little more or less.
echo 0 >/proc/sys/kernel/randomize_va_space
load() {
	insmod "$here/svma.ko"
	sleep 2 # kprobes rewrites what it can optimise a moment later
}

# What a module costs that is not in step means nothing.
unload() {
	cat $debugfs/stats >/results/stats
	if ! grep -qx 'divergent 0' /results/stats || ! grep -qx 'missed 0' /results/stats; then
		echo "cost.sh: the module was not in step" >&2
		cat /results/stats >&2
		exit 1
	fi
	rmmod svma
}

# compile_all NUMBER MODE...: one compilation in each of these ways, in turns, so that a busy host is busy for all.
compile_all() {
	local number=$1 how
	shift
	for how; do
		case $how in
		tracked) measure "compile-$how-$number" --track -- compile "${compile[@]}" ;;
		checked)
			wrapper=(svma check --json-file "/results/verdict-$number.json" --)
			measure "compile-$how-$number" -- compile "${compile[@]}" >/dev/null
			wrapper=()
			;;
		*) measure "compile-$how-$number" -- compile "${compile[@]}" ;;
		esac
	done
}

# From here on the compiler is in the page cache.
for i in 1 2; do
	"${compile[@]}"
done
case $mode in
count)
	measure cost-plain
	for ((i = 0; i < rounds; i++)); do
		compile_all $i plain
	done
	load
	measure cost-untracked
	measure cost-tracked --track
	for ((i = 0; i < rounds; i++)); do
		compile_all $i untracked tracked checked
	done
	cat /proc/kallsyms >/results/kallsyms # of this very load
	unload
	;;
time)
	for ((i = 0; i < rounds; i++)); do
		compile_all $i plain
		load
		compile_all $i untracked tracked checked
		unload
	done
	;;
*)
	echo "cost.sh: $mode: want count or time" >&2
	exit 2
	;;
esac
