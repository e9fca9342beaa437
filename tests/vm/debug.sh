#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest, on a debug kernel: debug.sh SEEDS STEPS SECONDS. Loads the module without memory; then the generator and some
# stressors, SECONDS each, are checked; afterwards nothing of the module may be left. Verdicts go to /results.
set -u
here=/opt/svma
status=0

# failed WHAT STATUS: svma's is 2 when nothing was compared.
failed() {
  echo "debug: $1: status $2" >&2
  status=1
}

# No memory for the pools after so many bytes: the load is refused, and works later. Allocations of all else go well, since the
# kernel's own way to a module is not what is tested here (it warns in jump_label_module_notify(), v6.1).
load_without_memory() {
  local failslab=/sys/kernel/debug/failslab space bad=0
  echo N >$failslab/ignore-gfp-wait
  echo 0 >$failslab/verbose
  echo -1 >$failslab/times
  echo Y >$failslab/cache-filter
  for space in 0 10000 100000; do
    echo $space >$failslab/space
    echo 100 >$failslab/probability
    insmod $here/svma.ko pool_vmas=64 2>/tmp/insmod && { echo "debug: loaded with $space bytes" >&2; bad=1; }
    echo 0 >$failslab/probability
    grep -q 'Cannot allocate memory' /tmp/insmod || { echo "debug: insmod said $(cat /tmp/insmod)" >&2; bad=1; }
    insmod $here/svma.ko pool_vmas=64 || { echo "debug: no load after one without memory" >&2; bad=1; }
    rmmod svma
  done
  echo N >$failslab/cache-filter
  return $bad
}

[ -e /sys/kernel/debug/kmemleak ] || { echo 'debug: this is no debug kernel' >&2; exit 2; }
load_without_memory || status=1
insmod $here/svma.ko || exit 2
svma generate --seed 1 --seeds "$1" --ops "$2" --json-file /results/generate.json || failed generate $?
svma generate --seed 1 --ops "$2" --threads 4 --json-file /results/threads.json || failed 'generate with threads' $?
svma check --json-file /results/stress.json -- bash -c '
  for stressor in mmap mmapfixed munmap mprotect mremap brk stack fork mlock madvise; do
    stress-ng --quiet --$stressor 1 --timeout '"$3"'s
  done' || failed stress-ng $?
cp /sys/kernel/debug/svma/stats /results/stats
rmmod svma || { echo 'debug: the module does not unload' >&2; exit 1; }
bash $here/leaks.sh || status=1
exit $status
