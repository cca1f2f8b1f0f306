#!/bin/bash
# peers.sh MODEL_DIR TEXT: pare beside llama.cpp, ik_llama.cpp and ONNX Runtime on one Llama-family Hugging Face
# directory and the same tokens (TEXT: text for the model's own tokenizer, or ids as .u16 or .u32). Converts the
# model for every peer that is installed and prints one table in Markdown: bytes of all tensors, perplexity, KL from the
# uncompressed model, tokens per second of prefill and decode, theirs and ours.
#
# Settings, as environment variables, beside those of models.sh (PYTHON, PYTHON_AVX2, IK_LLAMA, IK_FLAGS, ROUNDS,
# THREADS):
#   PARE         the binary (build/release/bin/pare)
#   TYPES        pare's types ("i8 i4"); PEER_TYPES the peers' ("Q8_0 Q4_0 Q4_K_M")
#   ONNX_TYPES   ONNX Runtime's ("D8 N8 N4": see peer_to_onnx.py)
#   TIERS        values of --cpu for pare ("native")
#   PREFILL, DECODE  tokens of the speed tests (512, 128)
#   WINDOWS      windows of 512 tokens that are scored (60)
#   WORK         a folder to keep the models in (none: a temporary one)
# Speeds mean something on an idle machine only: with more busy threads than processors, the threads of one
# program wait for each other's turn.
set -euo pipefail
model=$(realpath "${1:?usage: peers.sh MODEL_DIR TEXT}")
data=$(realpath "${2:?usage: peers.sh MODEL_DIR TEXT}")
kept=${WORK:-}
[ -n "$kept" ] || WORK=$(mktemp -d)
[ -n "$kept" ] || trap 'rm -rf "$WORK"' EXIT
THREADS=${THREADS:-$( (echo 1; nproc) | sort -un | paste -sd,)}
# shellcheck source=models.sh
source "$(dirname "$0")/models.sh"
use_pare "${PARE:-}"
find_peers
read -ra types <<< "${TYPES:-i8 i4}"
read -ra peer_types <<< "${PEER_TYPES:-Q8_0 Q4_0 Q4_K_M}"
read -ra onnx_types <<< "${ONNX_TYPES:-D8 N8 N4}"
read -ra tiers <<< "${TIERS:-native}"
lengths=(-p "${PREFILL:-512}" -n "${DECODE:-128}")
window=(--window 512 --windows "${WINDOWS:-60}")
name=$(basename "$model")
[ "$model" -ef "$work/$name" ] || ln -sfn "$model" "$work/$name"

echo "making the models in $work" >&2
for type in "${types[@]}"; do artifact "$name" "$type" > "$work/path-$type"; done
ggufs=()
if has_peer llama; then
   for type in "${peer_types[@]}"; do ggufs+=("$(gguf "$name" "$type")"); done
fi
onnxs=()
if has_peer onnx; then
   for type in F32 "${onnx_types[@]}"; do onnxs+=("$(onnx_model "$name" "$type")"); done
fi

echo "measuring quality" >&2
rm -f "$work"/quality*.json "$work"/eval-*.json
if has_peer llama; then
   "$python" "$here/peer_quality.py" "$work/gguf/$name-base.gguf" "$data" "${ggufs[@]}" --tokenizer "$model" \
      --windows "${WINDOWS:-60}" --json > "$work/quality.json"
fi
if has_peer onnx; then
   "$python" "$here/peer_quality.py" "${onnxs[0]}" "$data" "${onnxs[@]:1}" --tokenizer "$model" \
      --windows "${WINDOWS:-60}" --json > "$work/quality-onnx.json"
fi
for type in "${types[@]}"; do
   "$pare" eval "$(cat "$work/path-$type")" --against "$model" --data "$data" "${window[@]}" --quiet --json \
      > "$work/eval-$type.json"
done

jobs_of_all() {
   local type tier
   for type in "${peer_types[@]}"; do
      ! has_peer llama || llama_job "llama.cpp $type" "$work/gguf/$name-$type.gguf" "${lengths[@]}"
      ! has_peer avx2 || avx2_job "llama.cpp for AVX2 $type" "$work/gguf/$name-$type.gguf" "${lengths[@]}"
      ! { has_peer llama && has_peer ik; } ||
         ik_job "ik_llama.cpp $type" "$work/gguf/$name-$type.gguf" "${lengths[@]}"
   done
   for type in "${onnx_types[@]}"; do
      ! has_peer onnx || onnx_job "ONNX Runtime $type" "$work/onnx/$name-$type.onnx" "${lengths[@]}"
   done
   pare_job "pare uncompressed" "$model" "${lengths[@]}"
   for type in "${types[@]}"; do
      for tier in "${tiers[@]}"; do
         pare_job "pare $type${tiers[1]:+, $tier}" "$(cat "$work/path-$type")" --cpu "$tier" "${lengths[@]}"
      done
   done
}
jobs_of_all | interleave --save "$work/speed.json" > /dev/null
python3 "$here/peer_table.py" "$work"
