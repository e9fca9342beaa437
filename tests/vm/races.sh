#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest, on a kernel with KCSAN: races.sh SEEDS STEPS SECONDS. What the module does on several processors at once: the generator's
# threads, stressors of SECONDS each, and readers of all that it shows. A data race is an alarm in the kernel's log.
set -u
here=/opt/svma
kcsan=/sys/kernel/debug/kcsan
status=0

failed() {
  echo "races: $1: status $2" >&2
  status=1
}

read_all() {
  while :; do
    cat /sys/kernel/debug/svma/{stats,probes,semantics} /sys/kernel/debug/svma/[0-9]*/* >/dev/null 2>&1
  done
}

[ -e $kcsan ] || { echo 'races: this kernel has no KCSAN' >&2; exit 2; }
insmod $here/svma.ko || exit 2
read_all &
reader=$!
svma generate --seed 1 --seeds "$1" --ops "$2" --threads 4 --json-file /results/threads.json || failed generate $?
svma check --pages --json-file /results/stress.json -- bash -c '
  for stressor in mmap munmap mprotect mremap brk stack fork vm madvise; do
    stress-ng --quiet --$stressor 2 --timeout '"$3"'s
  done' || failed stress-ng $?
kill $reader
wait $reader
rmmod svma || { echo 'races: the module does not unload' >&2; exit 1; }
cat $kcsan >/results/kcsan
bash $here/watched.sh 10000 || status=1
exit $status
