#!/bin/bash
# speed_1b.sh [PARE]: prefill of 512 tokens and decode of 64 of pare's i8 and i4, tier by tier, beside llama.cpp
# and ik_llama.cpp (Q8_0, Q4_0, Q4_K_M) and ONNX Runtime (D8, N8, N4: see peer_to_onnx.py), on synthetic Llamas of
# 1.1 billion and of 15 million parameters and on SmolLM2-135M-Instruct. All run in turn; prints a table a model,
# ratios to llama.cpp's and ik_llama.cpp's type of the same bits are for decode.sh and the reader. Settings: see
# models.sh, and
#   SHAPES   of llama-1b llama-15m smollm2 (all)
#   TIERS    values of --cpu (those of amx, avx512, avx2 that the machine has)
#   TYPES    pare's types ("i8 i4"); PEER_TYPES the peers' ("Q8_0 Q4_0 Q4_K_M")
#   ONNX_TYPES  ONNX Runtime's ("D8 N8 N4")
#   PEERS    0 leaves the peers out
set -euo pipefail
# shellcheck source=models.sh
source "$(dirname "$0")/models.sh"
use_pare "${1:-}"
read -ra shapes <<< "${SHAPES:-llama-1b llama-15m smollm2}"
read -ra types <<< "${TYPES:-i8 i4}"
read -ra peer_types <<< "${PEER_TYPES:-Q8_0 Q4_0 Q4_K_M}"
read -ra onnx_types <<< "${ONNX_TYPES:-D8 N8 N4}"
read -ra tiers <<< "${TIERS:-$(has_tiers amx avx512 avx2)}"
peers=()
[ "${PEERS:-1}" = 0 ] || find_peers
lengths=(-p 512 -n 64)

jobs_of() { # SHAPE
   local type tier
   for type in "${types[@]}"; do
      for tier in "${tiers[@]}"; do
         pare_job "pare $type, $tier" "$(artifact "$1" "$type")" --cpu "$tier" "${lengths[@]}"
      done
   done
   for type in "${peer_types[@]}"; do
      ! has_peer llama || llama_job "llama.cpp $type" "$(gguf "$1" "$type")" "${lengths[@]}"
      ! has_peer ik || ik_job "ik_llama.cpp $type" "$(gguf "$1" "$type")" "${lengths[@]}"
      ! has_peer avx2 || avx2_job "llama.cpp for AVX2, $type" "$(gguf "$1" "$type")" "${lengths[@]}"
   done
   for type in "${onnx_types[@]}"; do
      ! has_peer onnx || onnx_job "ONNX Runtime $type" "$(onnx_model "$1" "$type")" "${lengths[@]}"
   done
}

for shape in "${shapes[@]}"; do
   need_model "$shape" || { echo "SKIP $shape: it cannot be made here"; continue; }
   echo
   echo "$shape, tokens a second: median (least..most) of $rounds [ratio to llama.cpp Q8_0, Q4_0]"
   jobs_of "$shape" | interleave --base "llama.cpp ${peer_types[0]}" --base "llama.cpp ${peer_types[1]:-}"
done
