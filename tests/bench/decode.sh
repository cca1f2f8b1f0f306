#!/bin/bash
# decode.sh [PARE [SHAPE]]: weight bytes that decoding i8 and i4 reads a second, against the memory bandwidth that
# this machine gives in the same minutes (four streams a thread): of memory that a program asked for, and of the
# very pages of the artifact, which may lie elsewhere. Settings: see models.sh, and TYPES ("i8 i4").
set -euo pipefail
# shellcheck source=models.sh
source "$(dirname "$0")/models.sh"
use_pare "${1:-}"
shape=${2:-llama-1b}
read -ra types <<< "${TYPES:-i8 i4}"
need_model "$shape"
shapes=()
for type in "${types[@]}"; do
   "$pare" inspect "$(artifact "$shape" "$type")" --no-measure --json > "$work/$shape-$type.json"
   shapes+=("pare $type=$work/$shape-$type.json")
done
{
   for type in "${types[@]}"; do
      pare_job "pare $type" "$(artifact "$shape" "$type")" -p 0 -n 64
      job "pare $type, pages" "$bandwidth" map "$(artifact "$shape" "$type")"
   done
   job machine "$bandwidth" 1024
} | interleave --save "$work/decode.json"
python3 "$here/shares.py" "$work/decode.json" "${shapes[@]}"
