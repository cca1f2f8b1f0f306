#!/usr/bin/env python3
"""Runs programs in turn and prints one table of what they measured: `interleave.py [options] < JOBS`.

A line of JOBS is a name, a tab and a shell command. Each round starts every command once, so that what else
the machine does falls on all alike; a name may have several lines. A command prints the array of `pare bench
-o json` or llama-bench, or lines "what, unit: number". A command that fails is left out, with its last words
on stderr.

Prints the processor's name, then Markdown: a row a name, a column a test, cells "median (least..most)" over
all samples, and, for each --base NAME, the median's ratio to that row in brackets. --save FILE keeps
{name: {test: [samples]}} as JSON.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys


def test_name(test):
    """"prefill 512, 2 threads", "decode 128 at 8192 x 8, 2 threads"; figures are tokens a second."""
    parts = [f'prefill {test["n_prompt"]}'] if test['n_prompt'] else []
    parts += [f'decode {test["n_gen"]}'] if test['n_gen'] else []
    name = ' + '.join(parts)
    name += f' at {test["n_depth"]}' if test.get('n_depth') else ''
    name += f' x {test["n_seqs"]}' if test.get('n_seqs', 1) > 1 else ''
    return f'{name}, {test["n_threads"]} thread{"s"[:test["n_threads"] > 1]}'


def samples_of(output):
    """(test, samples) of what a command printed."""
    if output.lstrip().startswith('['):
        for test in json.loads(output):
            yield test_name(test), test['samples_ts']
        return
    for line in output.splitlines():
        what, colon, figure = line.rpartition(':')
        if colon:
            yield what.strip(), [float(figure)]


def run(name, command, found):
    done = subprocess.run(['bash', '-c', command], capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or '(nothing)').splitlines()
        print(f'SKIP {name}: exit {done.returncode}: {words[-1]}', file=sys.stderr)
        return
    for test, samples in samples_of(done.stdout):
        found.setdefault(name, {}).setdefault(test, []).extend(samples)


def number(x):
    return f'{x:,.0f}' if x >= 1000 else f'{x:.1f}' if x >= 10 else f'{x:.3f}'


def cell(samples, bases):
    if not samples:
        return ''
    median = statistics.median(samples)
    ratios = ', '.join(f'{median / statistics.median(base):.2f}' for base in bases if base)
    text = f'{number(median)} ({number(min(samples))}..{number(max(samples))})'
    return text + (f' [{ratios}]' if ratios else '')


def processor():
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        lines = dict(line.split(':', 1) for line in file if ':' in line)
    lines = {key.strip(): value.strip() for key, value in lines.items()}
    flags = lines.get('flags', '').split()
    known = [flag for flag in ('avx2', 'avx_vnni', 'avx512_vnni', 'avx512vbmi', 'amx_int8') if flag in flags]
    return f'{lines.get("model name", "unknown processor")} ({", ".join(known)})'


def print_table(found, bases):
    tests = []
    for row in found.values():
        tests += [test for test in row if test not in tests]
    load = ' '.join(f'{x:.1f}' for x in os.getloadavg())
    print(f'{processor()}, {len(os.sched_getaffinity(0))} processors; load of the last 1, 5, 15 minutes: {load}')
    print('\n| | ' + ' | '.join(tests) + ' |')
    print('|---|' + '---|' * len(tests))
    for name, row in found.items():
        cells = [cell(row.get(test), [found.get(base, {}).get(test) for base in bases]) for test in tests]
        print(f'| {name} | ' + ' | '.join(cells) + ' |')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--rounds', type=int, default=5, metavar='N')
    parser.add_argument('--base', action='append', default=[], metavar='NAME')
    parser.add_argument('--save', metavar='FILE')
    o = parser.parse_args()
    jobs = [line.rstrip('\n').split('\t', 1) for line in sys.stdin if line.strip()]
    found = {}
    for turn in range(o.rounds):
        print(f'round {turn + 1} of {o.rounds}', file=sys.stderr)
        for name, command in jobs:
            run(name, command, found)
    print_table(found, o.base)
    if o.save:
        with open(o.save, 'w', encoding='utf-8') as file:
            json.dump(found, file)


if __name__ == '__main__':
    main()
