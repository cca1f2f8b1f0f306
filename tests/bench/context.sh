#!/bin/bash
# context.sh [PARE]: decode with 8,192 tokens in the context against an empty one, i8 of the 1.1B shape, and the
# same of llama.cpp (Q8_0); then what a plan takes for activations at contexts of 2k, 8k and 16k, which shows that
# attention keeps no scores. Filling the context is not timed. Settings: see models.sh, and
#   SHAPE     llama-1b; DEPTHS, by commas (0,8192); CONTEXTS of the plans ("2048 8192 16384")
set -euo pipefail
# shellcheck source=models.sh
source "$(dirname "$0")/models.sh"
use_pare "${1:-}"
shape=${SHAPE:-llama-1b}
depths=${DEPTHS:-0,8192}
find_peers
need_model "$shape"
{
   pare_job "pare i8" "$(artifact "$shape" i8)" -p 0 -n 32 -d "$depths"
   ! has_peer llama || llama_job "llama.cpp Q8_0" "$(gguf "$shape" Q8_0)" -p 0 -n 32 -d "$depths"
} | interleave --save "$work/context.json"
python3 "$here/ratios.py" "$work/context.json" "at ${depths##*,}" ""
for context in ${CONTEXTS:-2048 8192 16384}; do
   "$pare" inspect "$(artifact "$shape" i8)" --plan --context "$context" --quiet |
      awk -v context="$context" '/^  (activations|scratch)/ { print "context " context ": " $0 }'
done
