#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: everything that svma can't check ends with one clear line on stderr and exit status 2.
# Writes a GoogleTest-like report to /results/bad_input.xml.
set -u
here=/opt/svma
passed=0
failed=0
cases=""

# expect NAME PATTERN COMMAND...: exit status 2, one line on stderr, which matches PATTERN.
expect() {
  local name=$1 pattern=$2 out status lines
  shift 2
  out=$("$@" 2>&1 >/dev/null </dev/null)
  status=$?
  lines=$(printf '%s\n' "$out" | grep -c .)
  if [ "$status" = 2 ] && [ "$lines" = 1 ] && grep -qE "$pattern" <<<"$out"; then
    passed=$((passed + 1))
    cases+="<testcase name=\"$name\" classname=\"BadInput\"/>"
    echo "ok   $name: $out"
  else
    failed=$((failed + 1))
    cases+="<testcase name=\"$name\" classname=\"BadInput\"><failure/></testcase>"
    echo "FAIL $name: exit status $status, $lines lines: $out"
  fi
}

lsmod | grep -q '^svma ' && rmmod svma
expect Module_NotLoaded "not loaded; insmod" svma check -- true
expect Module_NotLoadedStat "not loaded; insmod" svma stat
insmod "$here/svma.ko"
expect Command_DoesNotExist "command not found" svma check -- no-such-program
expect Command_NotExecutable "not executable" svma check -- /etc/passwd
expect Command_Missing "either a command" svma check
expect Option_Unknown "see svma --help" svma check --no-such-option -- true
expect Subcommand_Unknown "see svma --help" svma no-such-subcommand
expect Pid_DoesNotExist "no such process" svma check -p 99999
expect Pid_KernelThread "kernel thread" svma check -p 2
expect Maps_PidDoesNotExist "no such process" svma maps 99999
expect Journal_NotTracked "no journal, since nobody tracks it" svma journal $$
expect Journal_MmUnknown "mm 999999: no journal" svma journal --mm 999999
expect Journal_NoProcess "give a process" svma journal
expect Journal_FileNotWritable "cannot be written" svma check --journal /no/such/dir/x -- true
expect Tree_KernelThread "kernel thread" svma tree 2
expect Stat_StructureOfNobody "requires --pid" svma stat --structure
expect Stat_StructureNoProcess "no such process" svma stat --structure -p 99999
expect Stat_LengthNoPages "whole pages" svma stat --structure -p $$ --len 5
expect Pid_NotANumber "see svma --help" svma maps abc
expect Pid_Negative "see svma --help" svma maps -- -5

# A zombie: its parent sleeps and never waits.
python3 -c 'import os, time
pid = os.fork()
if pid == 0: os._exit(0)
open("/tmp/zombie", "w").write(str(pid) + "\n")
time.sleep(60)' &
for _ in $(seq 300); do
  [ -s /tmp/zombie ] && grep -q '^State:.*Z' "/proc/$(cat /tmp/zombie)/status" && break
  sleep 0.1
done
expect Pid_Zombie "zombie" svma check -p "$(cat /tmp/zombie)"
kill %1

# A process that ends at once is either gone before it is tracked or before anything is compared.
true &
expect Pid_EndedAlready "no such process|ended|zombie|nothing was compared" svma check -p $!

expect Json_FileNotWritable "cannot be written" svma check --json-file /no/such/dir/x -- true
expect Gaps_BadAlignment "power of two" svma gaps $$ --len 4096 --align 3

cap=/sys/module/svma/parameters/memory_cap_mb
old=$(cat $cap)
echo 1 >$cap
sleep 60 &
expect Memory_CapReached "memory cap is reached" svma check -p $!
echo "$old" >$cap

svma check -p $! >/dev/null 2>&1 &
checker=$!
sleep 1
expect Pid_AlreadyTracked "somebody tracks it already" svma check -p "$(jobs -p | tail -n 2 | head -n 1)"
kill $checker

chmod 666 /dev/svma
expect User_Unprivileged "no permission" setpriv --reuid 65534 --regid 65534 --clear-groups "$here/bin/svma" stat
chmod 600 /dev/svma
expect User_NoAccess "no permission" setpriv --reuid 65534 --regid 65534 --clear-groups "$here/bin/svma" stat

out=$(insmod "$here/svma.ko" 2>&1)
if [ $? != 0 ] && grep -q "File exists" <<<"$out"; then
  passed=$((passed + 1))
  cases+='<testcase name="Module_AlreadyLoaded" classname="BadInput"/>'
else
  failed=$((failed + 1))
  cases+='<testcase name="Module_AlreadyLoaded" classname="BadInput"><failure/></testcase>'
  echo "FAIL Module_AlreadyLoaded: $out"
fi

printf '<?xml version="1.0"?><testsuites tests="%d" failures="%d">%s</testsuites>\n' \
  $((passed + failed)) $failed "$cases" >/results/bad_input.xml
echo "$passed passed, $failed failed"
[ $failed = 0 ]
