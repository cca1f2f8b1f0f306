#!/bin/bash
# quality.sh [PARE]: what i8 costs on real weights: perplexity, KL from f32 in nats, top-1 agreement, bytes;
# without and with rotation, with activations of 16 bits and of f32, everything quantized, embedding and head
# too. Models and texts lie in ../shared (SHARED overrides); what is not there is skipped. The protocols:
# tinystories and novels, the first 60 windows of 512 tokens, positions 256..510; chemts, the first 4,000 lines
# of token ids, every predicted token.
set -euo pipefail
cd "$(dirname "$0")/../.."
pare=$(realpath "${1:-build/release/bin/pare}")
shared=$(realpath "${SHARED:-../shared}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

declare -A recipes
recipes[plain]='{"schema": "pare.recipe/1", "passes": [{"pass": "quant_rtn", "rotate": "off"}]}'
recipes[rotated]='{"schema": "pare.recipe/1", "passes": [{"pass": "quant_rtn"}]}'
recipes[act-i16]='{"schema": "pare.recipe/1", "passes": [{"pass": "quant_rtn", "act": "i16"}]}'
recipes[act-f32]='{"schema": "pare.recipe/1", "passes": [{"pass": "quant_rtn", "act": "f32"}]}'

figures() {
   python3 -c '
import json, os, sys
doc, label, source = json.load(sys.stdin), sys.argv[1], sys.argv[2]
m, size = doc["metrics"], os.path.getsize(sys.argv[3])
kl = " | "
if "kl" in m:
    kl = "%.6f +- %.6f | %.2f" % (m["kl"]["mean"], m["kl"]["stderr"], 100 * m["top1"]["value"])
print("| %s | %.4f | %.5f | %s | %s | %.2f |" % (label, m["ppl"]["value"], m["nll"]["value"], kl,
      format(size, ","), 100 * size / os.path.getsize(source)))' "$@"
}

measure() { # MODEL DATA WINDOWS
   local model=$shared/models/$1 data=$shared/data/$2 windows=$3 way
   if [ ! -e "$model" ] || [ ! -e "$data" ]; then
      echo "| $1: SKIP, not in $shared |"
      return
   fi
   local weights=$model/model.safetensors
   "$pare" eval "$model" --data "$data" --windows "$windows" --quiet --json |
      figures "$1 f32" "$weights" "$weights"
   for way in plain rotated act-i16 act-f32; do
      echo "${recipes[$way]}" > "$work/recipe.json"
      "$pare" compress "$model" -o "$work/x.pare" --recipe "$work/recipe.json" --no-check --quiet > /dev/null
      "$pare" eval "$work/x.pare" --against "$model" --data "$data" --windows "$windows" --quiet --json |
         figures "$1 i8 $way" "$weights" "$work/x.pare"
   done
}

echo "| model | perplexity | nats/token | KL | top-1 % | bytes | % of f32 file |"
echo "|---|---|---|---|---|---|---|"
measure tinystories-656k tinystories/valid.u16 60
measure novels-8m novels/valid.txt 60
measure chemts-gpt2_0.5m zinc/valid.ids.txt 4000
