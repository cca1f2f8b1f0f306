#!/bin/bash
# peers.sh MODEL_DIR DATA: pare's i8 beside llama.cpp's types on one Llama-family Hugging Face directory and
# the same tokens (DATA: ids as .u16 or .u32, or text for the model's own tokenizer): bytes of all tensors,
# perplexity, KL from the uncompressed model, tokens per second of prefill and decode. Prints one table in
# Markdown.
#
# Settings, as environment variables:
#   PARE     the binary (build/release/bin/pare)
#   PYTHON   one with the packages below (python3)
#   TYPES    llama.cpp's types; the first is compared with (Q8_0)
#   WINDOWS  windows of 512 tokens that are scored (60)
#   THREADS  thread counts of the speed tests ("1" and the number of processors)
#   ROUNDS   of the speed tests (5): each round runs every program once after a warm-up, so that what else the
#            machine does falls on all alike
#   WORK     a folder to keep the models in (none: a temporary one)
# Speeds mean something on an idle machine only: with more busy threads than processors, the threads of one
# program wait for each other's turn.
set -euo pipefail
model=$(realpath "${1:?usage: peers.sh MODEL_DIR DATA}")
data=$(realpath "${2:?usage: peers.sh MODEL_DIR DATA}")
cd "$(dirname "$0")/../.."
pare=$(realpath -m "${PARE:-build/release/bin/pare}")
python=${PYTHON:-python3}
bench=$PWD/tests/bench
read -ra types <<< "${TYPES:-Q8_0}"
read -ra threads <<< "${THREADS:-$( (echo 1; nproc) | sort -un | tr '\n' ' ')}"
export PYTHONDONTWRITEBYTECODE=1

if [ ! -x "$pare" ]; then
   echo "SKIP: no $pare; build a release or set PARE"
   exit 0
fi
if ! "$python" -c 'import llama_cpp, gguf, numpy, tokenizers' 2> /dev/null; then
   echo "SKIP: $python lacks llama_cpp, gguf, numpy or tokenizers; install them with" \
      "CMAKE_ARGS=-DGGML_NATIVE=on $python -m pip install --no-binary llama_cpp_python" \
      "llama_cpp_python gguf numpy tokenizers, or set PYTHON"
   exit 0
fi

work=${WORK:-$(mktemp -d)}
mkdir -p "$work"
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
rm -f "$work/speed.tsv"

echo "making the models in $work" >&2
"$python" "$bench/peer_to_gguf.py" --f32 "$model" "$work/base.gguf"
quantized=()
for type in "${types[@]}"; do
   "$python" "$bench/peer_quantize.py" "$work/base.gguf" "$work/$type.gguf" "$type" >&2
   quantized+=("$work/$type.gguf")
done
"$pare" compress "$model" -o "$work/i8.pare" --type i8 --no-check --quiet > /dev/null

echo "measuring quality" >&2
"$python" "$bench/peer_quality.py" "$work/base.gguf" "$data" "${quantized[@]}" --tokenizer "$model" \
   --windows "${WINDOWS:-60}" --json > "$work/quality.json"
"$pare" eval "$work/i8.pare" --against "$model" --data "$data" --window 512 --windows "${WINDOWS:-60}" \
   --quiet --json > "$work/eval.json"

speed() { # NAME COMMAND...: one line of samples
   printf '%s\t%s\n' "$1" "$("${@:2}" | tr -d '\n')" >> "$work/speed.tsv"
}

for ((round = 1; round <= ${ROUNDS:-5}; round++)); do
   echo "measuring speed, round $round" >&2
   for count in "${threads[@]}"; do
      speed "llama.cpp F32" "$python" "$bench/peer_speed.py" "$work/base.gguf" -r 1 --threads "$count"
      for type in "${types[@]}"; do
         speed "llama.cpp $type" "$python" "$bench/peer_speed.py" "$work/$type.gguf" -r 1 --threads "$count"
      done
      speed "pare uncompressed" "$pare" bench "$model" -p 512 -n 128 -r 1 -o json --threads "$count" --quiet
      speed "pare i8" "$pare" bench "$work/i8.pare" -p 512 -n 128 -r 1 -o json --threads "$count" --quiet
   done
done
"$python" "$bench/peer_table.py" "$work/quality.json" "$work/eval.json" "$work/speed.tsv"
