#!/bin/bash
# compress_1b.sh [PARE [RUNS]]: compresses a synthetic Llama of 1.1 billion parameters (bf16, 2.2 GB) to i8
# and prints
#  - peak anonymous memory (RssAnon of /proc/PID/status, sampled every 20 ms; mapped files do not count),
#  - wall time with a cold page cache, against reading the source and writing and syncing as many bytes as
#    the artifact has, one after the other and in turns; medians of RUNS (default 3).
# The model is made on the first run. TMPDIR (default /tmp) needs 5 GB; what is written there stays:
# $TMPDIR/pare-1b. Needs a release build: meson setup build/release -Dbuildtype=release && meson compile -C
# build/release
set -euo pipefail
cd "$(dirname "$0")/../.."
pare=$(realpath "${1:-build/release/bin/pare}")
runs=${2:-3}
bandwidth=$(dirname "$(dirname "$pare")")/tests/bench/bandwidth
work=${TMPDIR:-/tmp}/pare-1b
model=$work/model
artifact=$work/model.pare
source=$model/model.safetensors

mkdir -p "$work"
[ -f "$model/done" ] || { python3 tests/bench/make_llama.py "$model" && touch "$model/done"; }

cold() {
   sync
   "$bandwidth" drop "$source"
   [ ! -w /proc/sys/vm/drop_caches ] || echo 3 > /proc/sys/vm/drop_caches 2>/dev/null || true
}

median() {
   sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# Anonymous memory of a process in kB; nothing once it ended.
anonymous() { awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2>/dev/null || true; }

# Prints the seconds, and leaves the peak in kB in $work/peak.
compress() {
   local start=$EPOCHREALTIME pid peak=0 now
   "$pare" compress "$model" -o "$artifact" --type i8 --no-check --quiet > /dev/null &
   pid=$!
   while now=$(anonymous $pid) && [ -n "$now" ]; do
      [ "$now" -le "$peak" ] || peak=$now
      sleep 0.02
   done
   wait $pid
   echo "$peak" >> "$work/peak"
   awk "BEGIN { print $EPOCHREALTIME - $start }"
}

rm -f "$work"/{peak,compress,separate,turns}
for run in $(seq "$runs"); do
   rm -f "$artifact" # freeing an old file's blocks is not part of writing a new one
   cold
   compress >> "$work/compress"
   bytes=$(stat -c %s "$artifact")
   cold
   a=$("$bandwidth" read "$source" | awk '{ print $NF }')
   rm -f "$work/copy"
   b=$("$bandwidth" write "$work/copy" "$bytes" | awk '{ print $NF }')
   awk "BEGIN { print $a + $b }" >> "$work/separate"
   rm -f "$work/copy"
   cold
   "$bandwidth" copy "$source" "$work/copy" "$bytes" | awk '{ print $NF }' >> "$work/turns"
   rm -f "$work/copy"
   echo "run $run: compress $(tail -n 1 "$work/compress") s; read $a s, write and fsync $b s; in turns" \
      "$(tail -n 1 "$work/turns") s; peak RssAnon $(tail -n 1 "$work/peak") kB"
done

c=$(median < "$work/compress")
r=$(median < "$work/separate")
t=$(median < "$work/turns")
echo "source $(stat -c %s "$source") bytes, artifact $bytes bytes, $(nproc) processors"
awk "BEGIN { printf \"compress, median: %.2f s; reading and writing those bytes: %.2f s (in turns %.2f s)\n\",
      $c, $r, $t
   printf \"ratio: %.2f (against turns %.2f)\n\", $c / $r, $c / $t }"
awk '$1 > max { max = $1 } END { printf "peak RssAnon: %.1f MB\n", max * 1024 / 1e6 }' "$work/peak"
