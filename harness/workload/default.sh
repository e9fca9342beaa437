#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What `make run` checks when CMD says nothing: real programs, then stress-ng's memory stressors. Some 30 s.
set -eu
cd "$(mktemp -d)"

# A shell with a pipeline.
seq 1 2000 | sort -rn | awk '{ s += $1 } END { print s }' | tee sum >/dev/null
for _ in 1 2 3 4 5; do ls -l /usr/bin | grep -c ' ' >/dev/null; done

# An interpreter that imports, allocates and starts threads and processes.
python3 - <<'PY'
import json, mmap, re, subprocess, threading
kept = [bytearray(1 << 20) for _ in range(64)]
maps = [mmap.mmap(-1, 1 << 16) for _ in range(200)]
threads = [threading.Thread(target=lambda: json.dumps([{"n": i} for i in range(20000)])) for _ in range(4)]
for t in threads: t.start()
for m in maps[::2]: m.close()
for t in threads: t.join()
subprocess.run(["true"], check=True)
print(len(kept), len(re.findall("a", "banana")))
PY

# Threads that map, unmap and protect on one address space at the same time.
svma-threads 4 3

for stressor in mmap mmapfixed munmap mprotect mremap brk stack fork mlock madvise; do
  stress-ng --quiet --"$stressor" 1 --timeout 2s
done
