#!/bin/bash
# first_token.sh [PARE]: from the start of the program to the end of the first token of a one-token prompt, raw
# artifact, warm page cache; and the most anonymous memory (RssAnon of /proc/PID/status, read as fast as it goes)
# against the plan of such a session: of that run, which touches little of the cache and of the activations, and of
# one whose prompt fills the context. Settings: see models.sh, and SHAPE (llama-1b), TYPES ("i8 i4"), CONTEXT (2048).
set -euo pipefail
# shellcheck source=models.sh
source "$(dirname "$0")/models.sh"
use_pare "${1:-}"
shape=${SHAPE:-llama-1b}
read -ra types <<< "${TYPES:-i8 i4}"
need_model "$shape"
for type in "${types[@]}"; do
   path=$(artifact "$shape" "$type")
   python3 - "$pare" "$path" "$rounds" "${CONTEXT:-2048}" << 'PYTHON'
import json
import statistics
import subprocess
import sys
import time

pare, path, rounds, context = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]


def once(length):
    start, peak = time.perf_counter(), 0
    prompt = ' '.join(str(65 + i % 900) for i in range(length))
    done = subprocess.Popen([pare, 'run', path, '--ids', '--no-special', '--prompt', prompt, '--tokens', '1',
                             '--context', context, '--quiet'], stdout=subprocess.DEVNULL)
    while done.poll() is None:
        try:
            with open(f'/proc/{done.pid}/status', encoding='utf-8') as file:
                text = file.read()
        except OSError:
            break
        peak = max([peak] + [int(line.split()[1]) for line in text.splitlines() if line.startswith('RssAnon')])
    if done.wait():
        sys.exit('pare run failed')
    return time.perf_counter() - start, peak * 1024


once(1)
samples = [once(1) for _ in range(rounds)]
seconds = [s for s, _ in samples]
plan = json.loads(subprocess.run([pare, 'inspect', path, '--plan', '--context', context, '--json'],
                                 capture_output=True, check=True).stdout)['plan']['memory']
print(f'{path}: first token after {statistics.median(seconds):.3f} s ({min(seconds):.3f}..{max(seconds):.3f})')
parts = {key: size / 1e6 for key, size in plan.items()}
print(f'  planned {parts["total_bytes"]:.1f} MB, of which cache {parts["cache_bytes"]:.1f} MB and activations '
      f'{parts["activation_bytes"]:.1f} MB')
for what, most in (('one token', max(p for _, p in samples)), ('the context full', once(int(context) - 1)[1])):
    print(f'  RssAnon with {what}: {most / 1e6:.1f} MB, {most / plan["total_bytes"]:.2f} of the plan')
PYTHON
done
