#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: load_unload.sh MODULE REPORT. Each line it prints is one test; status 0 when all passed.
# REPORT gets the numbers in GoogleTest's form.
set -u
module=$1
report=$2
debugfs=/sys/kernel/debug/svma
rounds=20
passed=0
failed=0

# verdict NAME MESSAGE: an empty message is a pass.
verdict() {
  if [ -z "$2" ]; then
    passed=$((passed + 1))
    echo "PASS $1"
  else
    failed=$((failed + 1))
    echo "FAIL $1: $2"
  fi
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
  stress-ng --quiet --vm 1 --vm-bytes 4M --mmap 1 --mmap-bytes 2M --fork 1 --timeout 300 &
  load=$!
  sleep 1
  for ((i = 0; i < rounds; i++)); do
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

loaded && rmmod svma
verdict LoadUnload_TwentyTimes_Works "$(times 2>&1)"
verdict LoadUnload_TwentyTimesUnderTrackedStress_Works "$(times_under_load 2>&1)"
verdict Load_AlreadyLoaded_FailsCleanly "$(twice 2>&1)"
verdict Unload_DescriptorOpen_Busy "$(busy 2>&1)"
verdict Unload_JournalsHeld_Works "$(journals 2>&1)"
verdict Load_JournalOff_NoEntries "$(journals journal_entries=0 2>&1)"
printf '<testsuites tests="%d" failures="%d" disabled="0" errors="0" name="load_unload"></testsuites>\n' \
  $((passed + failed)) $failed >"$report"
echo "load_unload: $passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
