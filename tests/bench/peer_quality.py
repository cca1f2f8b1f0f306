#!/usr/bin/env python3
"""What a peer's quantization costs: `peer_quality.py BASE DATA [OTHER ...]`.

Models are .gguf for llama.cpp or .onnx of peer_to_onnx.py for ONNX Runtime.

DATA is a file of token ids (.u16, .u32: little endian) or text, which --tokenizer DIR tokenizes with its
tokenizer.json and no token added. Windows of 512 tokens follow one another, each from an empty cache;
positions 256..510 are scored, each predicting the token after it: perplexity, mean KL(base ||
other) in nats with its standard error over windows, its 99th percentile over positions, and top-1
agreement. Sums are float64. These are the defaults of `pare eval`. With --transformers DIR the perplexity
of BASE is held against that of Hugging Face transformers in f32 on the same tokens; a difference of more
than 0.05% of it exits 1.
"""
import argparse
import json
import math
import os
import sys

import numpy

from peer_program import program_of

MAX_RATIO = 1.0005  # of perplexities: llama.cpp keeps its KV cache in f16


def read_ids(path, tokenizer):
    width = {'.u16': '<u2', '.u32': '<u4'}.get(os.path.splitext(path)[1])
    if width:
        return numpy.fromfile(path, width).astype(numpy.int64)
    if not tokenizer:
        sys.exit(f'{path}: text needs --tokenizer DIR')
    from tokenizers import Tokenizer
    with open(path, encoding='utf-8') as file:
        text = file.read()
    made = Tokenizer.from_file(os.path.join(tokenizer, 'tokenizer.json'))
    return numpy.array(made.encode(text, add_special_tokens=False).ids, numpy.int64)


def read_windows(o):
    ids = read_ids(o.data, o.tokenizer)
    count = min(o.windows, len(ids) // o.window)
    if not count:
        sys.exit(f'{o.data}: {len(ids)} tokens, expected at least {o.window}')
    return ids[:count * o.window].reshape(count, o.window)


def log_softmax(logits):
    logits = logits.astype(numpy.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return logits - numpy.log(numpy.exp(logits).sum(axis=1, keepdims=True))


def nll_of(logp, targets):
    return -logp[numpy.arange(len(targets)), targets]


def mean_and_error(values):
    """The mean of independent values and its standard error."""
    values = numpy.asarray(values, numpy.float64)
    return values.mean(), values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan


class Score:
    """Sums of one compressed model; its figures are per window of scored positions."""

    def __init__(self):
        self.nll, self.kl, self.agree = [], [], []

    def add(self, base, logp, targets):
        self.nll.append(nll_of(logp, targets))
        self.kl.append((numpy.exp(base) * (base - logp)).sum(axis=1))
        self.agree.append(base.argmax(axis=1) == logp.argmax(axis=1))

    def result(self):
        kl = numpy.array(self.kl)
        mean, error = mean_and_error(kl.mean(axis=1))
        return {'ppl': math.exp(numpy.mean(self.nll)), 'kl': mean, 'kl_stderr': error,
                'kl_p99': numpy.quantile(kl, 0.99), 'top1': float(numpy.mean(self.agree))}


def window_logp(model, window):
    model.clear()
    first, length = len(window) // 2, len(window)
    model.feed(window[:-1], 0, first)
    return log_softmax(model.logits(length - 1 - first))


def measure(o, windows):
    """[{path, tensor_bytes, ppl, kl...}] of the base and each other model, window by window."""
    paths = [o.base] + o.others
    models = [program_of(path).Model(path, o.window, o.threads) for path in paths]
    scores = [Score() for _ in paths]
    for window in windows:
        targets = window[o.window // 2 + 1:]
        base = window_logp(models[0], window)
        for model, score in zip(models, scores):
            score.add(base, base if model is models[0] else window_logp(model, window), targets)
    for model in models:
        model.close()
    return [{'path': path, 'tensor_bytes': program_of(path).tensor_bytes(path), **score.result()}
            for path, score in zip(paths, scores)]


def transformers_ppl(directory, windows, threads):
    import torch
    import transformers
    torch.set_num_threads(threads)
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    half, nll = windows.shape[1] // 2, []
    with torch.no_grad():
        for window in windows:
            logits = model(torch.from_numpy(window[None, :])).logits[0, half:-1].numpy()
            nll.append(nll_of(log_softmax(logits), window[half + 1:]))
    return math.exp(numpy.mean(nll))


def options():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('base')
    parser.add_argument('data')
    parser.add_argument('others', nargs='*')
    parser.add_argument('--tokenizer', metavar='DIR')
    parser.add_argument('--transformers', metavar='DIR', help='check the perplexity of BASE')
    for name, value in (('window', 512), ('windows', 60), ('threads', 2)):
        parser.add_argument('--' + name, type=int, default=value, metavar='N', help=f'default {value}')
    parser.add_argument('--json', action='store_true')
    return parser.parse_args()


def main():
    o = options()
    windows = read_windows(o)
    rows = measure(o, windows)
    if o.transformers:
        rows[0]['transformers_ppl'] = transformers_ppl(o.transformers, windows, o.threads)
    if o.json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print(f'{os.path.basename(row["path"])}: {row["tensor_bytes"]:,} bytes of tensors, '
                  f'perplexity {row["ppl"]:.4f}, KL {row["kl"]:.6f} +- {row["kl_stderr"]:.6f}, '
                  f'p99 {row["kl_p99"]:.5f}, top-1 {100 * row["top1"]:.2f}%')
    if not o.transformers:
        return
    expected, found = rows[0]['transformers_ppl'], rows[0]['ppl']
    print(f'perplexity {found:.4f} in the peer, {expected:.4f} in transformers', file=sys.stderr)
    if not 1 / MAX_RATIO < found / expected < MAX_RATIO:
        sys.exit('the two differ: the conversion is wrong')


if __name__ == '__main__':
    main()
