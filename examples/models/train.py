#!/usr/bin/env python3
"""Train the tiny model: `train.py fables` writes tokenizer, weights and the held-out sample there.

Needs torch, transformers, tokenizers, safetensors. Everything follows from the seeds below; the weights are
reproducible on one machine with one thread, the text and the tokenizer everywhere.
"""
import argparse
import json
import math
import pathlib
import time

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM

from make_stories import END_OF_TEXT, take

TRAIN_SEED, HELDOUT_SEED, TORCH_SEED = 1, 2, 3
HELDOUT_BYTES = 100_000
CONTEXT, BATCH = 256, 16
PEAK_RATE, WARM_UP = 3e-3, 100


def make_tokenizer(texts, path):
   """Byte-level BPE of 1,024 entries; <|endoftext|> starts every encoded text."""
   tok = Tokenizer(models.BPE())
   tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
   tok.decoder = decoders.ByteLevel()
   tok.train_from_iterator(texts, trainers.BpeTrainer(
      vocab_size=1024, special_tokens=[END_OF_TEXT], show_progress=False,
      initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
   tok.post_processor = processors.TemplateProcessing(
      single=f"{END_OF_TEXT} $A", pair=f"{END_OF_TEXT} $A {END_OF_TEXT} $B",
      special_tokens=[(END_OF_TEXT, 0)])
   tok.save(str(path))
   return tok


def make_model(vocab):
   torch.manual_seed(TORCH_SEED)
   config = LlamaConfig(
      vocab_size=vocab, hidden_size=128, intermediate_size=352, num_hidden_layers=4, num_attention_heads=4,
      num_key_value_heads=2, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, tie_word_embeddings=True,
      initializer_range=0.05, bos_token_id=0, eos_token_id=0)
   return LlamaForCausalLM(config)


def learning_rate(step, steps):
   if step < WARM_UP:
      return PEAK_RATE * (step + 1) / WARM_UP
   return PEAK_RATE * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / (steps - WARM_UP))))


def train(model, ids, steps):
   """AdamW over random windows of `ids`, one batch a step; warm-up, then a cosine down to 2% of the rate."""
   decay = [p for p in model.parameters() if p.dim() > 1]
   plain = [p for p in model.parameters() if p.dim() == 1]
   adam = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
                            betas=(0.9, 0.98))
   draw = torch.Generator().manual_seed(TORCH_SEED)
   started = time.time()
   for step in range(steps):
      for group in adam.param_groups:
         group["lr"] = learning_rate(step, steps)
      at = torch.randint(len(ids) - CONTEXT, (BATCH,), generator=draw)
      batch = torch.stack([ids[i:i + CONTEXT] for i in at.tolist()])
      loss = model(input_ids=batch, labels=batch).loss
      loss.backward()
      torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
      adam.step()
      adam.zero_grad()
      if (step + 1) % 100 == 0:
         print(f"step {step + 1}/{steps} loss {loss.item():.4f} {time.time() - started:.0f} s", flush=True)


def perplexity(model, ids, window=CONTEXT):
   """(nll, count) over windows one after another; positions window/2 .. window-2 predict the next token."""
   total, count = 0.0, 0
   with torch.no_grad():
      for i in range(0, len(ids) - window + 1, window):
         w = ids[i:i + window]
         logits = model(input_ids=w[None]).logits[0, window // 2:window - 1].double()
         total += torch.nn.functional.cross_entropy(logits, w[window // 2 + 1:], reduction="sum").item()
         count += window - 1 - window // 2
   return total / count, count


def save(model, out):
   """Weights as f16 under the names of Llama checkpoints; config in the style most checkpoints have."""
   weights = {k: v.half().contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
   save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
   (out / "model.safetensors").chmod(0o644)
   c = model.config
   config = {
      "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": c.vocab_size,
      "hidden_size": c.hidden_size, "intermediate_size": c.intermediate_size,
      "num_hidden_layers": c.num_hidden_layers, "num_attention_heads": c.num_attention_heads,
      "num_key_value_heads": c.num_key_value_heads, "max_position_embeddings": CONTEXT, "hidden_act": "silu",
      "rms_norm_eps": c.rms_norm_eps, "rope_theta": 10000.0, "rope_scaling": None,
      "tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False, "bos_token_id": 0,
      "eos_token_id": 0, "torch_dtype": "float16"}
   generation = {"bos_token_id": 0, "eos_token_id": 0}
   tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": END_OF_TEXT,
                "eos_token": END_OF_TEXT, "model_max_length": CONTEXT, "clean_up_tokenization_spaces": False}
   files = {"config": config, "generation_config": generation, "tokenizer_config": tokenizer}
   for name, value in files.items():
      (out / f"{name}.json").write_text(json.dumps(value, indent=2) + "\n")


def main():
   parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
   parser.add_argument("out", type=pathlib.Path)
   parser.add_argument("--stories", type=int, default=60_000)
   parser.add_argument("--steps", type=int, default=1800)
   parser.add_argument("--threads", type=int, default=1)
   parser.add_argument("--check", action="store_true", help="only the perplexity of the model in OUT")
   args = parser.parse_args()
   torch.set_num_threads(args.threads)
   heldout = take(HELDOUT_SEED, size=HELDOUT_BYTES)
   if not args.check:
      args.out.mkdir(exist_ok=True)
      (args.out / "heldout.txt").write_text("".join(END_OF_TEXT + s for s in heldout))
      stories = take(TRAIN_SEED, count=args.stories, without=frozenset(heldout))
      tok = make_tokenizer(stories[:20_000], args.out / "tokenizer.json")
      encoded = tok.encode_batch(stories)
      ids = torch.tensor([i for e in encoded for i in e.ids])
      model = make_model(tok.get_vocab_size())
      count = sum(p.numel() for p in model.parameters())
      print(f"{count} parameters, {len(ids)} training tokens", flush=True)
      model.train()
      train(model, ids, args.steps)
      save(model, args.out)
   tok = Tokenizer.from_file(str(args.out / "tokenizer.json"))
   text = (args.out / "heldout.txt").read_text()
   ids = torch.tensor(tok.encode(text, add_special_tokens=False).ids)
   model = LlamaForCausalLM.from_pretrained(args.out, dtype=torch.float32).eval()
   nll, count = perplexity(model, ids)
   print(f"held-out: {len(ids)} tokens, {count} scored, {nll:.5f} nats, perplexity {math.exp(nll):.5f}")


if __name__ == "__main__":
   main()
