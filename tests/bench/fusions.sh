#!/bin/bash
# fusions.sh [PARE [MODEL_DIR]]: the speed of each fusion alone, and of all together, against the same model
# without any: prefill of 512 tokens and decode, i8, interleaved, medians. The model is a synthetic Llama of
# 130M parameters by default (make_llama.py). THREADS, ROUNDS and TYPE are environment variables.
set -euo pipefail
cd "$(dirname "$0")/../.."
pare=$(realpath "${1:-build/release/bin/pare}")
dir=${TMPDIR:-/tmp}/pare-fusions
model=${2:-$dir/model}
threads=${THREADS:-$(nproc)}
rounds=${ROUNDS:-7}
type=${TYPE:-i8}
passes="fuse_glu fuse_linear fuse_residual_norm fuse_norm_quant"

mkdir -p "$dir"
if [ ! -e "$model/config.json" ]; then
   python3 tests/bench/make_llama.py "$model" --dim 1024 --layers 10 --ffn 2816 --heads 16 --kv-heads 4 --no-tokenizer
fi
compress() { # NAME PASS...
   local name=$1 steps="{\"pass\": \"quant_rtn\", \"type\": \"$type\"}, {\"pass\": \"quant_kv\"}" pass
   shift
   for pass in "$@"; do steps+=", {\"pass\": \"$pass\"}"; done
   echo "{\"schema\": \"pare.recipe/1\", \"passes\": [$steps]}" > "$dir/recipe.json"
   "$pare" compress "$model" -o "$dir/$name.pare" --recipe "$dir/recipe.json" --no-check --quiet > "$dir/$name.txt"
}
compress none
for pass in $passes; do compress "$pass" "$pass"; done
# shellcheck disable=SC2086
compress all $passes

: > "$dir/times"
for ((round = 0; round < rounds; round++)); do
   for name in none $passes all; do
      "$pare" bench "$dir/$name.pare" --no-fuse -p 512 -n 32 -r 1 --threads "$threads" --quiet -o json |
         python3 -c 'import json, sys
print(sys.argv[1], *(test["avg_ts"] for test in json.load(sys.stdin)))' "$name" >> "$dir/times"
   done
done
python3 - "$dir/times" "$type" "$threads" << 'END'
import statistics
import sys

times = {}
for line in open(sys.argv[1]):
    name, *speeds = line.split()
    times.setdefault(name, []).append([float(speed) for speed in speeds])
print(f'| {sys.argv[2]}, {sys.argv[3]} threads | prefill 512, tokens/s | times unfused '
      '| decode, tokens/s | times unfused |')
print('|---|---|---|---|---|')
base = [statistics.median(column) for column in zip(*times['none'])]
for name, rows in times.items():
    prefill, decode = (statistics.median(column) for column in zip(*rows))
    print(f'| {name} | {prefill:.1f} | {prefill / base[0]:.3f} | {decode:.2f} | {decode / base[1]:.3f} |')
END
