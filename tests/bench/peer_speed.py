#!/usr/bin/env python3
"""Tokens per second of a peer: `peer_speed.py MODEL [-p 512] [-n 128] [-d 0] [-b 1] [-r 5] [-t 1,2]`.

MODEL is a .gguf for llama.cpp or an .onnx of peer_to_onnx.py for ONNX Runtime, which takes no more than -b 1.

The tests of `pare bench` and llama-bench: a prompt of p tokens, logits of the last one; n tokens one by one, or
one by one of each of b sequences, logits of each; both after d tokens in the context of every sequence, which
do not count. Batches hold at most 512 tokens. Each test is warmed up once and then measured r times. -b, -d and
-t take several numbers, by commas. Prints JSON with the field names of `pare bench -o json`.
"""
import argparse
import json
import statistics
import time

from peer_program import program_of

BATCH = 512


def token(model, i):
    return i * 2654435761 % model.vocab


def prompt(model, sequence, start, count, wanted):
    """Batches of count tokens of a sequence from position `start` on."""
    for first in range(0, count, BATCH):
        yield [(token(model, start + i), start + i, sequence, wanted and i == count - 1)
               for i in range(first, min(first + BATCH, count))]


def steps(model, start, count, sequences):
    for i in range(count):
        yield [(token(model, i * sequences + s), start + i, s, True) for s in range(sequences)]


def measure(model, o, threads, depth, prompt_length, gen, sequences):
    parts = [*prompt(model, 0, depth, prompt_length, True), *steps(model, depth, gen, sequences)]
    before = [part for s in range(sequences) for part in prompt(model, s, 0, depth, False)]
    model.open(threads)
    batches = [model.prepare(part) for part in parts]
    for part in before:
        batches.append(model.prepare(part))
        model.run(batches[-1])
    timed, rates = batches[:len(parts)], []
    for _ in range(o.r + 1):
        model.go_back(depth, sequences)
        start = time.perf_counter()
        model.run(*timed)
        rates.append(sum(map(len, parts)) / (time.perf_counter() - start))
    rates = rates[1:]
    model.free(batches)
    return {'model_filename': o.model, 'model_size': program_of(o.model).tensor_bytes(o.model), 'n_threads': threads,
            'n_prompt': prompt_length, 'n_gen': gen, 'n_depth': depth, 'n_seqs': sequences,
            'avg_ts': statistics.mean(rates), 'median_ts': statistics.median(rates), 'samples_ts': rates}


def numbers(text):
    return [int(part) for part in text.split(',')]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('model')
    parser.add_argument('-p', type=int, default=512, metavar='N')
    parser.add_argument('-n', type=int, default=128, metavar='N')
    parser.add_argument('-d', type=numbers, default=[0], metavar='N,...')
    parser.add_argument('-b', type=numbers, default=[1], metavar='N,...')
    parser.add_argument('-r', type=int, default=5, metavar='N')
    parser.add_argument('-t', '--threads', type=numbers, default=[2], metavar='N,...')
    o = parser.parse_args()
    length = max(o.d) + max(o.p, o.n)
    model = program_of(o.model).Model(o.model, length, o.threads[0], max(o.b), min(max(length, max(o.b)), BATCH))
    tests = []
    for threads in o.threads:
        for depth in o.d:
            if o.p:
                tests.append(measure(model, o, threads, depth, o.p, 0, 1))
            if o.n:
                tests += [measure(model, o, threads, depth, 0, o.n, sequences) for sequences in o.b]
    model.close()
    print(json.dumps(tests))


if __name__ == '__main__':
    main()
