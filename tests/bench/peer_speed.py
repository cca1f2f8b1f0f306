#!/usr/bin/env python3
"""Tokens per second of llama.cpp: `peer_speed.py MODEL.gguf [-p 512] [-n 128] [-r 5] [--threads 2]`.

Prefill is one batch of p tokens into an empty cache, logits of the last one; decode is n tokens one by one
from an empty cache, logits of each: the tests of `pare bench` and llama-bench. Each test is warmed up once
and then measured r times. Prints JSON with the field names of `pare bench -o json`.
"""
import argparse
import json
import statistics
import sys
import time

import llama_cpp

from peer_llama import Model, tensor_bytes


def samples(model, parts, repeats):
    """Tokens per second of feeding all parts into an empty cache, after one unmeasured run. A part is a list
    of ids; the logits of its last one are asked for. Batches are made before the clock starts and point into
    `arrays`."""
    arrays = [(llama_cpp.llama_token * len(ids))(*ids) for ids in parts]
    batches = [llama_cpp.llama_batch_get_one(array, len(array)) for array in arrays]
    rates, count = [], sum(batch.n_tokens for batch in batches)
    for _ in range(repeats + 1):
        model.clear()
        start = time.perf_counter()
        failed = sum(llama_cpp.llama_decode(model.context, batch) for batch in batches)
        llama_cpp.llama_synchronize(model.context)
        rates.append(count / (time.perf_counter() - start))
        if failed:
            sys.exit('llama.cpp failed to decode')
    return rates[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('model')
    parser.add_argument('-p', type=int, default=512, metavar='N')
    parser.add_argument('-n', type=int, default=128, metavar='N')
    parser.add_argument('-r', type=int, default=5, metavar='N')
    parser.add_argument('--threads', type=int, default=2, metavar='N')
    o = parser.parse_args()
    model, rows = Model(o.model, max(o.p, o.n), o.threads), []
    for prompt, gen in ((o.p, 0), (0, o.n)):
        if prompt or gen:
            ids = [i * 2654435761 % model.vocab for i in range(prompt or gen)]
            rates = samples(model, [ids] if prompt else [[token] for token in ids], o.r)
            rows.append({'model_filename': o.model, 'model_size': tensor_bytes(o.model),
                         'n_threads': o.threads, 'n_prompt': prompt, 'n_gen': gen,
                         'avg_ts': statistics.mean(rates), 'median_ts': statistics.median(rates),
                         'samples_ts': rates})
    model.close()
    print(json.dumps(rows))


if __name__ == '__main__':
    main()
