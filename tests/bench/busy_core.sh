#!/bin/bash
# busy_core.sh [PARE]: decode while one core is taken by a busy process, against free cores, pare's i8 and
# llama.cpp's and ik_llama.cpp's Q8_0. With N processors and one of them shared evenly with the busy process,
# (N - 1/2) / N of the machine is left; a pool whose threads wait for the slowest falls to less. Settings: see
# models.sh, and SHAPE (llama-1b).
set -euo pipefail
# shellcheck source=models.sh
source "$(dirname "$0")/models.sh"
use_pare "${1:-}"
shape=${SHAPE:-llama-1b}
find_peers
need_model "$shape"
core=$(taskset -pc $$ | sed 's/.*[ ,-]//')

# Every job, and after it the same beside a loop on that core which never sleeps and ends with the job.
both() { # NAME JOB-LINE...
   local line name
   while IFS= read -r line; do
      name=${line%%$'\t'*}
      printf '%s\n' "$line"
      printf '%s, one core busy\ttaskset -c %s %s & busy=$!; %s; code=$?; kill $busy; exit $code\n' \
         "$name" "$core" 'bash -c "while :; do :; done"' "${line#*$'\t'}"
   done
}

{
   pare_job "pare i8" "$(artifact "$shape" i8)" -p 0 -n 32
   ! has_peer llama || llama_job "llama.cpp Q8_0" "$(gguf "$shape" Q8_0)" -p 0 -n 32
   ! has_peer ik || ik_job "ik_llama.cpp Q8_0" "$(gguf "$shape" Q8_0)" -p 0 -n 32
} | both | interleave --save "$work/busy.json"
python3 - "$work/busy.json" << 'PYTHON'
import json
import os
import statistics
import sys

with open(sys.argv[1], encoding='utf-8') as file:
    found = json.load(file)
cores = len(os.sched_getaffinity(0))
print(f'left of {cores} processors when one is shared evenly: {(cores - 0.5) / cores:.2f}')
for name, row in found.items():
    busy = found.get(f'{name}, one core busy', {})
    for test in row:
        if test in busy:
            print(f'{name}: {test}, busy over free: {statistics.median(busy[test]) / statistics.median(row[test]):.2f}')
PYTHON
