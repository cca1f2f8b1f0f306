#!/bin/bash
# speculate.sh PARE MODEL: decoding with guesses against plain decoding, on a prompt whose answer repeats it.
# Runs are interleaved; the table has medians over rounds. Exits 1 when a looked-up text is not the plain one.
# Environment:
#   PROMPT=FILE    what to continue (default: an edit of a short text, in plain words); a chat model wants the
#                  marks of its template in it
#   DRAFT=MODEL    also guess with this smaller model
#   TOKENS=160     most tokens to generate
#   ROUNDS=5       times each way is run
#   OPTIONS=...    more options of pare run, such as "--threads 2 --temperature 0.8"
set -euo pipefail
pare=$(realpath "${1:-build/release/bin/pare}")
model=${2:?usage: speculate.sh PARE MODEL}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/prompt.txt" << 'END'
Copy the following text exactly, but change the name "Tom" to "Tim".

Text:
Tom lived in a small house at the edge of the forest. Every morning he walked to the river to fetch water, and every
evening he sat by the fire and told stories to his sister. One day a stranger came to the door and asked for bread.
Tom gave him half of what he had, and the stranger thanked him and told him about a hidden garden behind the mountains.

Copy:
Tim lived in a small house at
END
prompt=${PROMPT:-$work/prompt.txt}

run() { # NAME [OPTION...]
   # shellcheck disable=SC2086 # OPTIONS holds several words
   "$pare" run "$model" -f "$prompt" -n "${TOKENS:-160}" --json --quiet ${OPTIONS:-} "${@:2}" >> "$work/$1.jsonl"
}

for _ in $(seq "${ROUNDS:-5}"); do
   run plain
   run lookup --lookup
   if [ -n "${DRAFT:-}" ]; then run draft --draft "$DRAFT"; fi
done

python3 - "$work" << 'END'
import json
import os
import statistics
import sys


def documents(name):
    """The documents of one way, one after another in its file."""
    path = os.path.join(sys.argv[1], name + '.jsonl')
    text = open(path, encoding='utf-8').read().strip() if os.path.exists(path) else ''
    decoder, found = json.JSONDecoder(), []
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


plain = documents('plain')
base = statistics.median(d['tokens'] / d['generate_seconds'] for d in plain)
wrong = False
print('| way | tokens | tokens/s | times plain | guesses accepted | tokens a step | text |')
print('|---|---|---|---|---|---|---|')
for name in ('plain', 'lookup', 'draft'):
    runs = documents(name)
    if not runs:
        continue
    speed = statistics.median(d['tokens'] / d['generate_seconds'] for d in runs)
    same = all(d['ids'] == plain[0]['ids'] for d in runs)
    wrong = wrong or (name != 'draft' and not same)
    figures = runs[0].get('speculation', {'acceptance': 0, 'tokens_per_step': 1})
    print(f"| {name} | {runs[0]['tokens']} | {speed:.1f} | {speed / base:.2f} | {figures['acceptance']:.0%} | "
          f"{figures['tokens_per_step']:.2f} | {'identical' if same else 'another'} |")
sys.exit(wrong)
END
