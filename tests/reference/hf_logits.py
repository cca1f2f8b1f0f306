#!/usr/bin/env python3
"""Expected vectors of the real models: `hf_logits.py MODEL_DIR ...` writes real/NAME.json and real/NAME.bin.

The prompts are fixed: the first tokens of the data each model goes with, found beside the models
(MODEL_DIR/../../data). `--ppl MODEL_DIR` instead prints the perplexity over the windows that the project's
default protocol scores.
"""
import argparse
import math
import pathlib
import struct

import torch
from tokenizers import Tokenizer

import vectors

OUT = pathlib.Path(__file__).resolve().parent / "real"


def tinystories_ids(data, model_dir):
   raw = (data / "tinystories" / "valid.u16").read_bytes()
   return list(struct.unpack(f"<{len(raw) // 2}H", raw))


def novels_ids(data, model_dir):
   text = (data / "novels" / "valid.txt").read_bytes()
   tok = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
   return tok.encode(text.decode(), add_special_tokens=False).ids


def zinc_ids(data, model_dir):
   with open(data / "zinc" / "valid.ids.txt") as f:
      return [int(x) for x in f.readline().split()]


# reader of all ids; ids in the case; rows of logits; ids before the greedy tokens (all, unless said)
MODELS = {"tinystories-656k": (tinystories_ids, 64, 8, None), "novels-8m": (novels_ids, 64, 4, None),
          "chemts-gpt2_0.5m": (zinc_ids, 36, 8, 10), "chemts-gpt2_0.2m": (zinc_ids, 36, 8, 10)}


def perplexity(model, ids, windows, size=512):
   """(mean nats, tokens scored) where positions size/2 .. size-2 of each window predict the next token."""
   total, count = 0.0, 0
   for i in range(min(windows, len(ids) // size)):
      window = ids[i * size:(i + 1) * size]
      rows = torch.tensor(vectors.logits_of(model, window)[size // 2:size - 1]).double()
      target = torch.tensor(window[size // 2 + 1:])
      total += torch.nn.functional.cross_entropy(rows, target, reduction="sum").item()
      count += len(target)
   return total / count, count


def line_nats(model, path, lines):
   """Mean nats over every predicted token of the first lines of an ids file, one document a line."""
   total, count = 0.0, 0
   with open(path) as f:
      for _, line in zip(range(lines), f):
         ids = [int(x) for x in line.split()]
         rows = torch.tensor(vectors.logits_of(model, ids)[:-1]).double()
         total += torch.nn.functional.cross_entropy(rows, torch.tensor(ids[1:]), reduction="sum").item()
         count += len(ids) - 1
   return total / count, count


def main():
   parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
   parser.add_argument("models", nargs="+", type=pathlib.Path)
   parser.add_argument("--ppl", action="store_true", help="print perplexities, write nothing")
   args = parser.parse_args()
   OUT.mkdir(exist_ok=True)
   for path in (m.resolve() for m in args.models):
      read, length, rows, prompt = MODELS[path.name]
      data, model = path.parent.parent / "data", vectors.load(path)
      if args.ppl and read is zinc_ids:
         nats, count = line_nats(model, data / "zinc" / "valid.ids.txt", 4000)
         print(f"{path.name}: {nats:.5f} nats a token over {count} tokens of 4000 lines", flush=True)
      elif args.ppl:
         nats, count = perplexity(model, read(data, path), 60)
         print(f"{path.name}: perplexity {math.exp(nats):.4f}, {nats:.5f} nats, {count} tokens", flush=True)
      else:
         got = vectors.expect(model, read(data, path)[:length], rows, 64, prompt)
         vectors.write(got, OUT / path.name)
         vectors.report(path.name, got)


if __name__ == "__main__":
   main()
