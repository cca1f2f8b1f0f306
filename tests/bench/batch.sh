#!/bin/bash
# batch.sh [PARE]: decode with 8 sequences at once against one, i8 of the 1.1B shape, and the same of llama.cpp
# (Q8_0): tokens a second of all sequences together. Settings: see models.sh, and
#   SHAPE     llama-1b; SEQUENCES of the batch, by commas (1,8); TYPES ("i8")
set -euo pipefail
# shellcheck source=models.sh
source "$(dirname "$0")/models.sh"
use_pare "${1:-}"
shape=${SHAPE:-llama-1b}
sequences=${SEQUENCES:-1,8}
read -ra types <<< "${TYPES:-i8}"
find_peers
need_model "$shape"
{
   for type in "${types[@]}"; do
      pare_job "pare $type" "$(artifact "$shape" "$type")" -p 0 -n 32 -b "$sequences"
   done
   ! has_peer llama || llama_job "llama.cpp Q8_0" "$(gguf "$shape" Q8_0)" -p 0 -n 32 -b "$sequences"
} | interleave --save "$work/batch.json"
python3 "$here/ratios.py" "$work/batch.json" "x 8" ""
