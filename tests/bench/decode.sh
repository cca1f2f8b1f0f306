#!/bin/bash
# decode.sh [PARE [ARTIFACT]]: bytes of weights that decoding reads per second, against this machine's
# measured memory bandwidth. The artifact is compress_1b.sh's by default. Every tensor but the embedding's
# other rows is read once a token, so bytes = tensor bytes - embedding (unless it is tied to the head, which
# reads it all).
set -euo pipefail
cd "$(dirname "$0")/../.."
pare=$(realpath "${1:-build/release/bin/pare}")
artifact=${2:-${TMPDIR:-/tmp}/pare-1b/model.pare}
bandwidth=$(dirname "$(dirname "$pare")")/tests/bench/bandwidth

"$bandwidth" 1024 | tee /dev/stderr | sort -t: -k2 -g | tail -n 1 > "${TMPDIR:-/tmp}/pare-bandwidth"
"$pare" inspect "$artifact" --no-measure --json > "${TMPDIR:-/tmp}/pare-inspect.json"
for threads in 1 "$(nproc)"; do
   "$pare" bench "$artifact" -p 0 -n 64 -r 5 --threads "$threads" --quiet --json | python3 -c '
import json, sys
tmp = sys.argv[1]
test = json.load(sys.stdin)["tests"][0]
shape = json.load(open(tmp + "/pare-inspect.json"))
best = float(open(tmp + "/pare-bandwidth").read().split()[-1])
tensors = {t["name"]: t["bytes"] for t in shape["tensors"]}
tied = not any("lm_head" in name for name in tensors)
tables = ("embed_tokens", "wte", "wpe")
read = sum(size for name, size in tensors.items() if tied or not any(t in name for t in tables))
rate = read * test["median_ts"] / 1e9
print("decode, %d threads: %.2f tokens/s (median), %.3f GB of weights a token, %.2f GB/s, %.1f%% of %.2f GB/s"
      % (test["n_threads"], test["median_ts"], read / 1e9, rate, 100 * rate / best, best))' "${TMPDIR:-/tmp}"
done
