#!/usr/bin/env python3
"""The table of peers.sh from what it measured: `peer_table.py QUALITY.json EVAL.json SPEED.tsv`.

QUALITY is peer_quality.py's (base first), EVAL one of `pare eval --json`; SPEED has lines of a name, a tab
and the array of `pare bench -o json` or peer_speed.py, one line a round. Columns: llama.cpp's models, then
pare's; the last is pare's i8 as a ratio to llama.cpp's first compressed one. Speeds are medians over
rounds.
"""
import json
import statistics
import sys


def read_json(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def read_speeds(path):
    """{name: {(tokens of prompt, tokens generated, threads): median tokens per second}}"""
    samples = {}
    with open(path, encoding='utf-8') as file:
        for line in file:
            name, tests = line.split('\t', 1)
            for test in json.loads(tests):
                key = test['n_prompt'], test['n_gen'], test['n_threads']
                samples.setdefault(name, {}).setdefault(key, []).extend(test['samples_ts'])
    return {name: {key: statistics.median(rates) for key, rates in tests.items()}
            for name, tests in samples.items()}


def theirs(row):
    return {'bytes of all tensors': row['tensor_bytes'], 'perplexity': row['ppl'], 'KL': row['kl'],
            'KL +-': row['kl_stderr'], 'KL p99': row['kl_p99'], 'top-1 %': 100 * row['top1']}


def ours(model, ppl):
    return {'bytes of all tensors': model['tensor_bytes'], 'perplexity': ppl}


def ours_compressed(doc):
    metrics = doc['metrics']
    kl = metrics['kl']
    return {**ours(doc['model'], metrics['ppl']['value']), 'KL': kl['mean'], 'KL +-': kl['stderr'],
            'KL p99': kl['p99'], 'top-1 %': 100 * metrics['top1']['value']}


def add_speeds(figures, tests):
    for (prompt, gen, threads), rate in tests.items():
        label = f'prefill {prompt}' if prompt else f'decode {gen}'
        figures[f'{label} t/s, {threads} thread{"s"[:threads > 1]}'] = rate


def number(label, value):
    if value is None:
        return ''
    if 'KL' in label:
        return f'{value:.6f}'
    return f'{value:,.0f}' if 'bytes' in label or 't/s' in label and value >= 1000 else f'{value:.4f}'[:8]


def main():
    quality, doc, speeds = read_json(sys.argv[1]), read_json(sys.argv[2]), read_speeds(sys.argv[3])
    names = list(speeds)
    if len(names) != len(quality) + 2:
        sys.exit(f'{sys.argv[3]}: {len(names)} names, expected {len(quality) + 2}')
    figures = [theirs(row) for row in quality]
    figures[0] = {key: figures[0][key] for key in ('bytes of all tensors', 'perplexity')}
    figures += [ours(doc['reference'], doc['metrics']['reference_ppl']['value']), ours_compressed(doc)]
    for name, column in zip(names, figures):
        add_speeds(column, speeds[name])
    print('| | ' + ' | '.join(names) + f' | {names[-1]} / {names[1]} |')
    print('|---|' + '---|' * (len(names) + 1))
    for label in figures[-1]:
        mine, peer = figures[-1][label], figures[1][label]
        ratio = f'{mine / peer:.3f}' if label not in ('KL +-', 'KL p99', 'top-1 %') and peer else ''
        cells = [label] + [number(label, column.get(label)) for column in figures] + [ratio]
        print('| ' + ' | '.join(cells) + ' |')


if __name__ == '__main__':
    main()
