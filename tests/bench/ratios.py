#!/usr/bin/env python3
"""Ratios within each row of interleave.py's --save: `ratios.py FILE MARK REST`.

For every test whose name holds MARK: its median over that of the test named the same without it (REST in its
place).
"""
import json
import statistics
import sys


def main():
    path, mark, rest = sys.argv[1:]
    with open(path, encoding='utf-8') as file:
        found = json.load(file)
    for name, row in found.items():
        for test, samples in row.items():
            plain = ' '.join(test.replace(mark, rest).split()).replace(' ,', ',')
            if mark in test and plain in row:
                ratio = statistics.median(samples) / statistics.median(row[plain])
                print(f'{name}: {test} over {plain}: {ratio:.2f}')


if __name__ == '__main__':
    main()
