#!/usr/bin/env python3
"""The table of peers.sh from what it left in a folder: `peer_table.py DIR`.

quality.json and quality-onnx.json are peer_quality.py's (base first; absent without the peer), eval-TYPE.json are
`pare eval --json`, speed.json is interleave.py's --save, whose rows are the programs. ik_llama.cpp runs the files of
llama.cpp, so its bytes and quality are theirs. Speeds are medians, with least and most in brackets; behind
pare's stand the ratios to the fastest of the peers' types in SAME_BITS.
"""
import json
import os
import re
import statistics
import sys

from interleave import number, processor

SAME_BITS = {'i8': ('Q8_0', 'D8', 'N8'), 'i4': ('Q4_0', 'N4')}
HEAD = ('bytes of all tensors', 'perplexity', 'KL +- error', 'KL p99', 'top-1 %')


def read_json(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def quality_cells(size, ppl, kl=None, error=None, p99=None, top1=None):
    cells = [f'{size:,}', f'{ppl:.4f}']
    return cells + (['', '', ''] if kl is None else [f'{kl:.6f} +- {error:.6f}', f'{p99:.5f}', f'{100 * top1:.2f}'])


def peers_quality(folder):
    """{type: cells} of the peers' files."""
    paths = [os.path.join(folder, name) for name in ('quality.json', 'quality-onnx.json')]
    rows = {}
    for row in [row for path in paths if os.path.exists(path) for row in read_json(path)[1:]]:
        kind = re.search(r'-([A-Z0-9_]+)\.(gguf|onnx)$', row['path']).group(1)
        rows[kind] = quality_cells(row['tensor_bytes'], row['ppl'], row['kl'], row['kl_stderr'], row['kl_p99'],
                                   row['top1'])
    return rows


def our_quality(folder):
    rows = {}
    for name in sorted(os.listdir(folder)):
        found = re.fullmatch(r'eval-(\w+)\.json', name)
        if not found:
            continue
        doc = read_json(os.path.join(folder, name))
        m = doc['metrics']
        rows[found.group(1)] = quality_cells(doc['model']['tensor_bytes'], m['ppl']['value'], m['kl']['mean'],
                                             m['kl']['stderr'], m['kl']['p99'], m['top1']['value'])
        rows['uncompressed'] = quality_cells(doc['reference']['tensor_bytes'], m['reference_ppl']['value'])
    return rows


def kind_of(name):
    """"pare i8, amx" -> "i8"; "llama.cpp for AVX2 Q8_0" -> "Q8_0"."""
    return name.split(', ')[0].split(' ')[-1]


def fastest(speeds, kinds, test):
    """The median of the fastest peer of those types; nothing that was built for less than this machine."""
    medians = [statistics.median(row[test]) for name, row in speeds.items()
               if not name.startswith('pare') and 'AVX2' not in name and kind_of(name) in kinds and test in row]
    return max(medians, default=None)


def speed_cell(speeds, name, test):
    samples = speeds[name].get(test)
    if not samples:
        return ''
    median = statistics.median(samples)
    text = f'{number(median)} ({number(min(samples))}..{number(max(samples))})'
    peer = fastest(speeds, SAME_BITS.get(kind_of(name), ()), test) if name.startswith('pare') else None
    return text + (f' [{median / peer:.2f}]' if peer else '')


def main():
    folder = sys.argv[1]
    speeds = read_json(os.path.join(folder, 'speed.json'))
    quality = {**peers_quality(folder), **our_quality(folder)}
    tests = []
    for row in speeds.values():
        tests += [test for test in row if test not in tests]
    print(f'{processor()}, {len(os.sched_getaffinity(0))} processors; speeds in tokens a second\n')
    print('| | ' + ' | '.join([*HEAD, *tests]) + ' |')
    print('|---|' + '---|' * (len(HEAD) + len(tests)))
    for name in speeds:
        cells = quality.get(kind_of(name), [''] * len(HEAD)) + [speed_cell(speeds, name, test) for test in tests]
        print(f'| {name} | ' + ' | '.join(cells) + ' |')


if __name__ == '__main__':
    main()
