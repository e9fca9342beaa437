#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: run.sh CHECK-OPTIONS CMD. Loads the module and checks CMD, or the default workload.
set -u
here=$(dirname "$0")
insmod "$here/svma.ko" || exit 2

read -ra options <<<"$1"
command=$2
if [ -z "$command" ]; then
  set -- bash "$here/default.sh"
elif [[ $command == *[\|\&\;\<\>\(\)\$\`]* ]]; then
  set -- bash -c "$command"
else
  eval "set -- $command" # quotes as in a shell, so that an argument may hold spaces
fi
if [ "${1-} ${2-}" = "svma generate" ]; then # it checks by itself
  shift
  svma "$@" --json-file /results/verdict.json
else
  svma check --json-file /results/verdict.json "${options[@]}" -- "$@"
fi
status=$?
svma probes >/results/probes.txt
svma stat >/results/stat.txt
exit $status
