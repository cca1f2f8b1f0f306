#!/bin/bash
# ops.sh [PARE [SHAPE]]: int8 operations a second of prefill (512 tokens), i8 and i4, tier by tier, against what
# peak measures of each instruction set in the same minutes; and of single products, from checkkernels. Settings:
# see models.sh, and TYPES ("i8 i4"), TIERS (those that the machine has).
set -euo pipefail
# shellcheck source=models.sh
source "$(dirname "$0")/models.sh"
use_pare "${1:-}"
shape=${2:-llama-1b}
read -ra types <<< "${TYPES:-i8 i4}"
read -ra tiers <<< "${TIERS:-$(has_tiers amx avx512 avx2)}"
need_model "$shape"
shapes=()
for type in "${types[@]}"; do
   "$pare" inspect "$(artifact "$shape" "$type")" --no-measure --json > "$work/$shape-$type.json"
   shapes+=("pare $type=$work/$shape-$type.json")
done
{
   for type in "${types[@]}"; do
      for tier in "${tiers[@]}"; do
         pare_job "pare $type, $tier" "$(artifact "$shape" "$type")" --cpu "$tier" -p 512 -n 0
      done
   done
   job machine "$peak"
} | interleave --save "$work/ops.json"
python3 "$here/shares.py" "$work/ops.json" "${shapes[@]}"
"$(dirname "$(dirname "$pare")")/tests/kernels/checkkernels" --bench | grep -E 'linear|groups|int8'
