#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# stress-ng's memory stressors, one after the other: stress.sh [SECONDS-EACH]. One that can't run here (no swap, no room)
# is named; at least as many as SVMA_STRESSORS must have run.
set -u
seconds=${1:-10}
least=${SVMA_STRESSORS:-40}
ran=0
cd "$(mktemp -d)" || exit 1
for stressor in bad-altstack bigheap brk dev-shm env madvise malloc mlock mlockmany mmap mmapaddr mmapfixed mmapfork \
  mmaphuge mmapmany mprotect mremap msync msyncmany munmap pagemove pageswap physpage shm shm-sysv stack stackmmap swap \
  tmpfs userfaultfd vm vm-addr vm-rw vm-segv vm-splice fork vfork vforkmany clone exec daemon numa remap secretmem pkey \
  mincore resources rmap tlb-shootdown; do
  if stress-ng --quiet "--$stressor" 1 --timeout "${seconds}s" >/dev/null 2>&1; then
    ran=$((ran + 1))
  else
    echo "stress-ng $stressor: did not run to its end here (status $?)"
  fi
done
echo "$ran stressors ran"
[ "$ran" -ge "$least" ]
