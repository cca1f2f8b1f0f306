#!/usr/bin/env python3
"""What share of the machine pare uses: `shares.py SAVED NAME=INSPECT.json ...`.

SAVED is interleave.py's --save with rows of pare and a row "machine" of what bandwidth and peak print, and perhaps
a row "NAME, pages" of what bandwidth says of the pages that the artifact of the row NAME lies in;
INSPECT.json is `pare inspect --no-measure --json` of the artifact that rows whose name starts with NAME ran.
Decode reads every tensor but the embedding's other rows once a token (a tied one whole, for the head);
prefill multiplies with every matrix but embedding and head. Both are counted as weight bytes and int8
multiplications and additions alone, and held against the best read rate and the best peak, at the same
number of threads.
"""
import json
import re
import statistics
import sys

TABLES = ('embed_tokens', 'wte', 'wpe')
PEAKS = {'avx2': ('AVX-VNNI', 'AVX2 maddubs'), 'avx512': ('AVX-512 VNNI',),
         'amx': ('AMX from L2 panels', 'AMX from registers')}


def read_json(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def weights(path):
    """(bytes read for a token of decode, int8 operations of a token of prefill)"""
    tensors = read_json(path)['tensors']
    tied = not any('lm_head' in t['name'] for t in tensors)
    table = [any(part in t['name'] for part in TABLES) for t in tensors]
    read = sum(t['bytes'] for t, skip in zip(tensors, table) if tied or not skip)
    inner = [t for t, skip in zip(tensors, table) if len(t['shape']) == 2 and not skip and 'lm_head' not in t['name']]
    return read, 2 * sum(t['params'] for t in inner)


def best(machine, test, what):
    """The machine's best figure of that kind at the test's thread count, and what it is called."""
    threads = re.search(r', \d+ thread', test).group()
    found = [(max(samples), name) for name, samples in machine.items() if what in name and threads in name]
    return max(found, default=(0, ''))


def print_share(name, test, figure, unit, machine, what):
    most, called = best(machine, test, what)
    share = f', {100 * figure / most:.0f}% of {most:.2f} ({called})' if most else ''
    print(f'{name}: {test}: {figure:.2f} {unit}{share}')


def main():
    found, shapes = read_json(sys.argv[1]), dict(item.split('=', 1) for item in sys.argv[2:])
    machine = found.pop('machine', {})
    for name, row in found.items():
        shape = next((path for start, path in shapes.items() if name.startswith(start)), None)
        if not shape or name.endswith(', pages'):
            continue
        read, operations = weights(shape)
        for test, samples in row.items():
            rate = statistics.median(samples)
            if test.startswith('decode'):
                print_share(name, test, rate * read / 1e9, 'GB/s', machine, 'GB/s')
                if f'{name}, pages' in found:
                    print_share(name, test, rate * read / 1e9, 'GB/s', found[f'{name}, pages'], 'GB/s')
            for peak in PEAKS.get(name.rsplit(', ', 1)[-1], ('',)) if test.startswith('prefill') else ():
                print_share(name, test, rate * operations / 1e12, 'T op/s', machine, peak)


if __name__ == '__main__':
    main()
