#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: load_unload.sh MODULE REPORT [ROUNDS [STEP]]. Each line it prints is one test; status 0 when all passed.
# Half as many rounds under load, and with the harness killed: those take longer.
# One symbol in STEP (8) is missing in turn; 1 takes all, which is a second and more for each.
# REPORT gets the numbers in GoogleTest's form.
set -u
module=$1
report=$2
rounds=${3:-20}
half=$(((rounds + 1) / 2))
step=${4:-8}
here=$(dirname "$module")
svma=$here/bin/svma
debugfs=/sys/kernel/debug/svma
tracing=/sys/kernel/tracing
passed=0
failed=0
cases=''

# check NAME FUNCTION [ARG...]: it passes when the function prints nothing.
check() {
  local name=$1 begin=$SECONDS message
  shift
  message=$("$@" 2>&1)
  if [ -z "$message" ]; then
    passed=$((passed + 1))
    echo "PASS $name ($((SECONDS - begin)) s)"
    cases+="<testcase classname=\"load_unload\" name=\"$name\"/>"
  else
    failed=$((failed + 1))
    echo "FAIL $name: $message"
    cases+="<testcase classname=\"load_unload\" name=\"$name\"><failure message=\"$(quoted "$message")\"/></testcase>"
  fi
}

# What may stand in an attribute of XML.
quoted() { tr -cd ' -~' <<<"${1//$'\n'/, }" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/"/\&quot;/g'; }

# forget_log [ALARM]: the kernel's log goes, which would hide its alarms from whoever looks at it in the end: they are told.
forget_log() {
  dmesg | grep -E "WARNING|BUG|KASAN|UBSAN|INFO: (task|rcu|suspicious)|Oops|stall|corruption|lockdep${1:+|$1}"
  dmesg -C
}

loaded() { grep -q '^svma ' /proc/modules; }

times() {
  local i
  for ((i = 0; i < rounds; i++)); do
    insmod "$module" || { echo "insmod failed in round $i"; return; }
    [ -c /dev/svma ] || { echo "no /dev/svma in round $i"; return; }
    rmmod svma || { echo "rmmod failed in round $i"; return; }
    [ -e /dev/svma ] && { echo "/dev/svma stayed in round $i"; return; }
    [ -e $debugfs ] && { echo "$debugfs stayed in round $i"; return; }
  done
}

times_under_load() {
  local i load tracked
  # Others go first, or loading waits for its turn most of the time.
  nice stress-ng --quiet --vm 1 --vm-bytes 4M --mmap 1 --mmap-bytes 2M --fork 1 --timeout 86400 &
  load=$!
  sleep 1
  for ((i = 0; i < half; i++)); do
    insmod "$module" || { echo "insmod failed in round $i"; break; }
    for tracked in $load $(pgrep -P $load); do
      # One that ended or was followed by fork already is no failure.
      echo "$tracked" 2>/dev/null >$debugfs/track || true
    done
    sleep 0.2
    grep -q '^tracked [1-9]' $debugfs/stats || { echo "nothing was tracked in round $i"; break; }
    grep -qE '^divergent 0$' $debugfs/stats || { echo "divergent in round $i: $(tr '\n' ' ' <$debugfs/stats)"; break; }
    rmmod svma || { echo "rmmod failed in round $i"; break; }
  done
  kill $load
  wait $load 2>/dev/null
  loaded && rmmod svma
}

twice() {
  local message
  insmod "$module" || { echo 'insmod failed'; return; }
  message=$(insmod "$module" 2>&1) && echo 'the second insmod succeeded'
  [[ $message == *'File exists'* ]] || echo "the second insmod said: $message"
  [ -c /dev/svma ] || echo '/dev/svma is gone'
  grep -q '^tracked 0$' $debugfs/stats || echo "$debugfs/stats is not right"
  rmmod svma || echo 'rmmod failed'
}

busy() {
  local message
  insmod "$module" || { echo 'insmod failed'; return; }
  exec 9<>/dev/svma
  message=$(rmmod svma 2>&1) && echo 'rmmod succeeded'
  [[ $message == *'in use'* ]] || echo "rmmod said: $message"
  exec 9>&-
  rmmod svma || echo 'rmmod failed after close'
}

# Journals of a process that runs and of one that has ended must not keep the module.
journals() {
  local pid
  insmod "$module" "$@" || { echo 'insmod failed'; return; }
  sleep 100 &
  pid=$!
  # Before its exec it is a shell, whose journal would not be the one looked at below.
  for _ in $(seq 100); do [ "$(cat /proc/$pid/comm)" = sleep ] && break; sleep 0.05; done
  sleep 0.5
  echo $pid >$debugfs/track
  echo $$ >$debugfs/track
  # The worker makes the directory when it comes to it.
  for _ in $(seq 100); do [ -e $debugfs/$pid/journal ] && break; sleep 0.1; done
  if [ $# = 0 ]; then
    grep -q '^1 seq 1 .* attach' $debugfs/$pid/journal || echo "journal says: $(head -n 3 $debugfs/$pid/journal)"
  else
    [ -z "$(cat $debugfs/$pid/journal)" ] || echo 'there are entries'
  fi
  kill $pid
  wait $pid 2>/dev/null
  sleep 0.2
  rmmod svma || echo 'rmmod failed'
}

# A module that asks for a symbol which this kernel has not must say which. What it asks for is in its read-only
# strings; the last letter of one is changed. (Its own imports are in another section.)
ask_for_another() {
  python3 - "$module" "$1" "$2" /tmp/other.ko <<'PY'
import struct, sys
source, wanted, other, target = sys.argv[1:]
image = bytearray(open(source, "rb").read())
table, = struct.unpack_from("<Q", image, 0x28)
size, count, names = struct.unpack_from("<HHH", image, 0x3A)
sections = [struct.unpack_from("<IIQQQQ", image, table + i * size) for i in range(count)]
text = lambda at: bytes(image[at:image.index(0, at)]).decode()
found = 0
for name, _, _, _, offset, length in sections:
    if not text(sections[names][4] + name).startswith(".rodata"):
        continue
    at = image.find(b"\0" + wanted.encode() + b"\0", offset - 1, offset + length)
    if at >= 0:
        image[at + 1:at + 1 + len(other)] = other.encode()
        found += 1
open(target, "wb").write(image)
sys.exit(0 if found else f"{wanted} is not in the module's strings")
PY
}

# missing SYMBOL PATTERN: what dmesg must say about it.
missing() {
  local other=${1%?}Q
  ask_for_another "$1" "$other" || return
  forget_log 'Call Trace'
  insmod /tmp/other.ko 2>/dev/null && { echo "$other: the module was loaded"; rmmod svma; return; }
  dmesg | grep -q "svma: $(printf "$2" "$other")" || echo "$other: $(dmesg | tail -n 2 | tr '\n' ' ')"
  loaded && echo "$other: the module stayed"
  [ -e /dev/svma ] && echo "$other: /dev/svma stayed"
}

missing_some() {
  local symbol required
  insmod "$module" || { echo 'insmod failed'; return; }
  # Without those that only tell sooner of a silence.
  required=$(awk 'NR > 1 && $NF != "switched" { print $1 }' $debugfs/probes)
  rmmod svma
  [ "$(wc -w <<<"$required")" -gt 30 ] || echo "few rows: $required"
  for symbol in $(awk "NR % $step == 0" <<<"$required"); do missing "$symbol" 'required symbol %s .* not in this kernel'; done
  missing stack_guard_gap '%s is not in kallsyms'
}

# The harness dies at any moment, while what it follows runs.
killed() {
  local i pid
  insmod "$module" || { echo 'insmod failed'; return; }
  for ((i = 0; i < half; i++)); do
    "$svma" check -- stress-ng --quiet --vm 1 --vm-bytes 2M --fork 1 --timeout 5 >/tmp/killed.log 2>&1 &
    pid=$!
    sleep "$((RANDOM % 3)).$((RANDOM % 10))"
    kill -KILL $pid 2>/dev/null || { echo "round $i: it had ended before: $(tail -n 1 /tmp/killed.log)"; break; }
    wait $pid 2>/dev/null
    pkill -KILL stress-ng
    # Its last descriptor is closed by a task of the kernel's, or by a child that was not its program yet.
    for _ in $(seq 100); do [ "$(cat /sys/module/svma/refcnt)" = 0 ] && break; sleep 0.1; done
    for _ in $(seq 100); do grep -q '^tracked 0$' $debugfs/stats && break; sleep 0.1; done
    grep -q '^tracked 0$' $debugfs/stats || { echo "round $i: still $(grep '^tracked' $debugfs/stats)"; break; }
    grep -q '^divergent 0$' $debugfs/stats || { echo "round $i: $(tr '\n' ' ' <$debugfs/stats)"; break; }
    rmmod svma || { echo "rmmod failed in round $i"; break; }
    insmod "$module" || { echo "insmod failed in round $i"; break; }
  done
  loaded && rmmod svma
}

files_open() {
  local pid name fd message fds=()
  insmod "$module" || { echo 'insmod failed'; return; }
  sleep 100 &
  pid=$!
  sleep 0.5
  echo $pid >$debugfs/track
  for _ in $(seq 100); do [ -e $debugfs/$pid/journal ] && break; sleep 0.1; done
  for name in $debugfs/stats $debugfs/$pid/{maps,tree,list,gaps,rmap,pgtable,journal}; do
    exec {fd}<"$name" || { echo "$name can't be opened"; continue; }
    fds+=("$fd")
    read -r -n 1 -u "$fd"
  done
  [ ${#fds[@]} -gt 5 ] || echo "only ${#fds[@]} files were open"
  message=$(rmmod svma 2>&1) && echo 'rmmod succeeded'
  [[ $message == *'in use'* ]] || echo "rmmod said: $message"
  for fd in "${fds[@]}"; do
    cat <&"$fd" >/dev/null || echo 'one can not be read any more'
    exec {fd}<&-
  done
  rmmod svma || echo 'rmmod failed after close'
  kill $pid
  wait $pid 2>/dev/null
}

unified_cgroups() { mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup; }

# Processes that can't do anything just then: stopped, traced, frozen, dead and not waited for.
still() {
  local stopped traced tracer frozen parent group=/sys/fs/cgroup/svma
  insmod "$module" || { echo 'insmod failed'; return; }
  unified_cgroups
  mkdir -p $group
  python3 -c 'while True: pass' &
  stopped=$!
  python3 -c 'while True: pass' &
  traced=$!
  python3 -c 'while True: pass' &
  frozen=$!
  # Its child is dead, and nobody asks.
  python3 -c 'import os, time; os.fork() or os._exit(0); time.sleep(100)' &
  parent=$!
  sleep 1
  for pid in $stopped $traced $frozen $parent; do echo "$pid" >$debugfs/track || echo "$pid can't be tracked"; done
  kill -STOP $stopped
  python3 -c 'import ctypes, time
ctypes.CDLL(None).ptrace(16, '$traced', None, None)  # PTRACE_ATTACH
time.sleep(100)' &
  tracer=$!
  for _ in $(seq 100); do grep -q '^State:.t' /proc/$traced/status && break; sleep 0.1; done
  grep -q '^State:.t' /proc/$traced/status || echo 'it is not stopped by its tracer'
  echo $frozen >$group/cgroup.procs && echo 1 >$group/cgroup.freeze || echo 'it can not be frozen'
  for _ in $(seq 100); do grep -q '^frozen 1$' $group/cgroup.events && break; sleep 0.1; done
  grep -q '^frozen 1$' $group/cgroup.events || echo 'it does not freeze'
  # Once more, now that they are.
  for pid in $stopped $traced $frozen $parent; do
    echo "-$pid" >$debugfs/track || echo "$pid can't be untracked"
    echo "$pid" >$debugfs/track || echo "$pid can't be tracked as it is"
  done
  timeout 30 rmmod svma || echo 'rmmod failed'
  echo 0 >$group/cgroup.freeze
  for pid in $tracer $stopped $traced $frozen $parent; do
    # Without its tracer one is stopped by the signal that its tracer sent.
    kill -CONT "$pid" || echo "$pid is gone"
    kill "$pid"
    wait "$pid" 2>/dev/null
  done
  rmdir $group
}

# The kernel kills what is tracked for want of memory, in the middle of its work. It shows a call trace each time, which
# is no alarm here: so the log is looked at for all else, and goes.
out_of_memory() {
  local i kills console group=/sys/fs/cgroup/svma
  console=$(cat /proc/sys/kernel/printk)
  echo 1 >/proc/sys/kernel/printk
  forget_log 'Call Trace'
  insmod "$module" || { echo 'insmod failed'; return; }
  unified_cgroups
  echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p $group && echo 24M >$group/memory.max &&
    echo 0 >$group/memory.swap.max || echo 'there are no limits for memory'
  for ((i = 0; i < 4; i++)); do
    "$svma" check --no-freeze --json-file /tmp/oom.json -- bash -c "echo 0 >$group/cgroup.procs
      exec python3 -c 'import mmap, os, threading
def work():
  kept = []
  while True:
    kept.append(mmap.mmap(-1, 1 << 20))
    kept[-1].write(bytes(1 << 20))
    mmap.mmap(-1, 1 << 16).close()
os.fork()
threading.Thread(target=work).start()
work()'" >/tmp/oom.log 2>&1 || { echo "round $i: $(tail -n 3 /tmp/oom.log)"; cat /tmp/oom.log >&2; }
    grep -q '"exit_signal": 9' /tmp/oom.json || echo "round $i: it was not killed: $(tail -n 3 /tmp/oom.log)"
  done
  kills=$(sed -n 's/^oom_kill //p' $group/memory.events)
  [ "${kills:-0}" -ge 4 ] || echo "${kills:-no} kills"
  rmmod svma || echo 'rmmod failed'
  forget_log 'svma:.*silent'
  echo "$console" >/proc/sys/kernel/printk
  for _ in $(seq 100); do rmdir $group 2>/dev/null && return; sleep 0.1; done
  echo 'its cgroup is not empty'
}

# others_on SYMBOLS: they get entry and return probes of somebody else, BPF programs, and a function tracer.
others_on() {
  local symbol i=0
  [ -e $tracing/kprobe_events ] || mount -t tracefs tracefs $tracing
  for symbol in $1; do
    # Some it refuses: two functions have that name, or it can't be traced.
    echo "p:others/p$i $symbol" >>$tracing/kprobe_events || continue
    echo "r:others/r$i $symbol" >>$tracing/kprobe_events || continue
    echo "$symbol" >>$tracing/set_ftrace_filter
    i=$((i + 1))
  done 2>/dev/null
  [ $i -gt 30 ] || echo "others probe $i functions only"
  echo 1 >$tracing/events/others/enable || echo 'the others are not enabled'
  echo function >$tracing/current_tracer || echo 'there is no function tracer'
  mkfifo /tmp/others.in
  python3 "$here/others.py" $1 </tmp/others.in >/tmp/others.out &
  programs=$!
  exec 8>/tmp/others.in
  for ((i = 0; i < 600; i++)); do [ -s /tmp/others.out ] && break; sleep 0.1; done
  i=$(head -n 1 /tmp/others.out)
  [ "${i:-0}" -gt 20 ] || echo "there are ${i:-no} BPF programs"
}

# Prints what is wrong if the others saw nothing.
others_off() {
  local ran
  awk '$1 ~ /^[pr]/ && $2 > 0 { seen++ } END { if (seen < 40) print seen + 0 " probes of others saw anything" }' \
    $tracing/kprobe_profile
  grep -q '<-' $tracing/trace || echo 'the function tracer saw nothing'
  exec 8>&-
  wait $programs || echo "BPF programs of others: status $?"
  ran=$(sed -n 2p /tmp/others.out)
  [ "${ran:-0}" -gt 10 ] || echo "${ran:-no} BPF programs of others were run"
  echo nop >$tracing/current_tracer
  echo 0 >$tracing/events/others/enable
  echo >$tracing/set_ftrace_filter
  echo >$tracing/kprobe_events
  echo >$tracing/trace
}

checked() {
  "$svma" check -- stress-ng --quiet --vm 1 --vm-bytes 2M --mmap 1 --mmap-bytes 2M --fork 1 --timeout 3 \
    >/tmp/others.log 2>&1 || { echo "$1: $(tail -n 3 /tmp/others.log | tr '\n' ' ')"; cat /tmp/others.log >&2; }
}

# Somebody else probes and traces the same functions: before the module does, after it, and no longer.
others() {
  local symbols programs
  insmod "$module" || { echo 'insmod failed'; return; }
  symbols="mmap_region $(awk 'NR > 1 && $3 == "yes" && $1 != "mmap_region" { print $1 }' $debugfs/probes | sort -u)"
  others_on "$symbols"
  checked 'others came after'
  rmmod svma || echo 'rmmod failed below others'
  insmod "$module" || echo 'insmod failed above others'
  checked 'others came before'
  others_off
  checked 'others went'
  rmmod svma || echo 'rmmod failed'
}

loaded && rmmod svma
check Load_SymbolMissing_SaysWhich missing_some
check LoadUnload_Often_Works times
check LoadUnload_OftenUnderTrackedStress_Works times_under_load
check Load_AlreadyLoaded_FailsCleanly twice
check Unload_DescriptorOpen_Busy busy
check Unload_HarnessKilled_Works killed
check Load_OthersProbeTheSame_Works others
check Unload_FilesOpen_Busy files_open
check Unload_TargetsStill_Works still
check Check_TargetsOutOfMemory_AllEqual out_of_memory
check Unload_JournalsHeld_Works journals
check Load_JournalOff_NoEntries journals journal_entries=0
printf '<testsuites tests="%d" failures="%d" disabled="0" errors="0" name="load_unload"><testsuite>%s</testsuite></testsuites>\n' \
  $((passed + failed)) $failed "$cases" >"$report"
echo "load_unload: $passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
