#!/usr/bin/env python3
"""Tiny random models, one for every architecture and config switch that matters: `make_tiny.py [CASE ...]`.

Each becomes a Hugging Face directory tiny/CASE with the vectors transformers expects (expected.bin and
expected.json; see README.md). Weights are drawn large enough that the logits spread over a few units; a seed
is taken whose greedy continuation has clear winners, so that the test does not hang on a rounding. Expected
values are always computed from the stored files, loaded back and upcast to f32.
"""
import json
import pathlib
import shutil
import sys
import zlib

import torch
from safetensors.torch import load_file, save_file
from transformers import (GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, Phi3Config, Phi3ForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM)

import vectors

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = {"llama": (LlamaConfig, LlamaForCausalLM), "mistral": (MistralConfig, MistralForCausalLM),
           "qwen2": (Qwen2Config, Qwen2ForCausalLM), "qwen3": (Qwen3Config, Qwen3ForCausalLM),
           "phi3": (Phi3Config, Phi3ForCausalLM), "gpt2": (GPT2Config, GPT2LMHeadModel)}
ROPE_BASE = dict(vocab_size=96, hidden_size=32, intermediate_size=40, num_hidden_layers=2,
                 num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
                 bos_token_id=1, eos_token_id=2, rms_norm_eps=1e-5, tie_word_embeddings=False)
GPT2_BASE = dict(vocab_size=96, n_embd=24, n_layer=2, n_head=3, n_inner=56, n_positions=128, bos_token_id=1,
                 eos_token_id=2)


# --- edits of a saved directory, for what real checkpoints have and save_pretrained does not write

def edit_config(path, change):
   config = json.loads((path / "config.json").read_text())
   change(config)
   (path / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def edit_weights(path, change):
   weights = load_file(path / "model.safetensors")
   save_file(change(weights), path / "model.safetensors", metadata={"format": "pt"})


def old_config(path):
   """rope_theta and rope_scaling at the top level, torch_dtype: what transformers 4 wrote."""
   def change(c):
      rope = c.pop("rope_parameters")
      c["rope_theta"], kind = rope.pop("rope_theta"), rope.pop("rope_type")
      if "partial_rotary_factor" in rope:
         c["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
      c["rope_scaling"] = None if kind == "default" else {"type": kind, **rope}
      c["torch_dtype"] = c.pop("dtype")
      c.pop("layer_types", None)
   edit_config(path, change)


def bare_config(path):
   """Only what has no default: the first Llama checkpoints have no more."""
   old_config(path)
   keep = ("architectures", "model_type", "vocab_size", "hidden_size", "intermediate_size",
           "num_hidden_layers", "num_attention_heads", "max_position_embeddings", "torch_dtype")
   edit_config(path, lambda c: [c.pop(k) for k in list(c) if k not in keep])


def head_only(path):
   """The tied weight under the head's name alone."""
   old_config(path)
   edit_weights(path, lambda w: {k.replace("model.embed_tokens", "lm_head"): v for k, v in w.items()})


def both_names(path):
   """The tied weight stored twice."""
   edit_weights(path, lambda w: {**w, "lm_head.weight": w["model.embed_tokens.weight"].clone()})


def unused_window(path):
   """A sliding window that use_sliding_window switches off."""
   old_config(path)
   edit_config(path, lambda c: c.update(sliding_window=16, use_sliding_window=False, max_window_layers=1))


def su_config(path):
   """The first name of longrope."""
   old_config(path)
   edit_config(path, lambda c: c["rope_scaling"].update(type="su"))


def length_outside(path):
   """The original length at the top level alone: Phi-3 checkpoints."""
   old_config(path)
   edit_config(path, lambda c: c["rope_scaling"].pop("original_max_position_embeddings"))


def no_prefix(path):
   """The names of the first GPT-2 checkpoints: no "transformer.", and the causal mask stored as a weight."""
   def change(weights):
      out = {k.removeprefix("transformer."): v for k, v in weights.items()}
      for layer in range(2):
         out[f"h.{layer}.attn.bias"] = torch.tril(torch.ones(64, 64)).view(1, 1, 64, 64)
      return out
   edit_weights(path, change)


# --- cases: family, changes to the base config, storage, edit of the saved directory

F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16
LINEAR = {"rope_type": "linear", "factor": 4.0}
DYNAMIC = {"rope_type": "dynamic", "factor": 3.5}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 36}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 36}
LONGROPE = {"rope_type": "longrope", "short_factor": [1.0, 1.05, 1.2, 1.5], "long_factor": [1.1, 1.6, 2.9, 7.25],
            "original_max_position_embeddings": 36}
LONGROPE_6 = {"rope_type": "longrope", "short_factor": [1.0, 1.02, 1.05, 1.1, 1.3, 1.5],
              "long_factor": [1.08, 1.3, 1.9, 2.8, 4.5, 9.0], "original_max_position_embeddings": 36}
CASES = {
   "llama": ("llama", {}, F32, None),
   "llama_mha_bare_config": ("llama", dict(num_key_value_heads=4, rms_norm_eps=1e-6), BF16, bare_config),
   "llama_tied_head_only": ("llama", dict(tie_word_embeddings=True), F16, head_only),
   "llama_tied_embed_only": ("llama", dict(tie_word_embeddings=True), F16, old_config),
   "llama_tied_both_names": ("llama", dict(tie_word_embeddings=True), BF16, both_names),
   "llama_biases": ("llama", dict(attention_bias=True, mlp_bias=True), F16, None),
   "llama_head_dim": ("llama", dict(head_dim=12), F16, None),
   "llama_one_kv_head": ("llama", dict(num_key_value_heads=1, rope_theta=500000.0), BF16, old_config),
   "llama_bf16": ("llama", {}, BF16, None),
   "llama_f16": ("llama", {}, F16, old_config),
   "llama_sharded": ("llama", {}, F16, None),
   "llama_rope_theta": ("llama", dict(rope_theta=500000.0), F16, None),
   "llama_odd_sizes": ("llama", dict(vocab_size=97, hidden_size=40, intermediate_size=72), F16, None),
   "llama_gelu": ("llama", dict(hidden_act="gelu"), BF16, None),
   "mistral_no_window": ("mistral", dict(sliding_window=None), BF16, old_config),
   "mistral_wide_window": ("mistral", dict(sliding_window=128), F16, None),
   "qwen2": ("qwen2", dict(tie_word_embeddings=True, rope_theta=1e6), BF16, unused_window),
   "qwen2_untied": ("qwen2", {}, F16, None),
   "qwen3": ("qwen3", dict(head_dim=16, tie_word_embeddings=True, rope_theta=1e6), BF16, None),
   "qwen3_untied_old": ("qwen3", dict(head_dim=16), F16, old_config),
   "llama_rope_linear": ("llama", dict(rope=LINEAR, max_position_embeddings=36), F16, old_config),
   "llama_rope_dynamic": ("llama", dict(rope=DYNAMIC, max_position_embeddings=36), F16, None),
   "llama_rope_llama3": ("llama", dict(rope=LLAMA3, rope_theta=5e3, head_dim=24), F16, None),
   "llama_rope_llama3_old": ("llama", dict(rope=LLAMA3, rope_theta=5e3, head_dim=24), F16, old_config),
   "llama_rope_longrope": ("llama", dict(rope=LONGROPE), F16, None),
   "mistral_rope_yarn": ("mistral", dict(rope=dict(YARN, attention_factor=1.2, beta_fast=2, beta_slow=0.25),
                                         sliding_window=None), F16, None),
   "qwen2_rope_yarn": ("qwen2", dict(rope=YARN, max_position_embeddings=36), F16, old_config),
   "qwen3_rope_yarn": ("qwen3", dict(rope=dict(YARN, mscale=0.8, mscale_all_dim=0.5, truncate=False,
                                               beta_fast=4), head_dim=16), F16, None),
   "qwen3_rope_dynamic_old": ("qwen3", dict(rope=DYNAMIC, max_position_embeddings=36, head_dim=16), F16,
                              old_config),
   "phi3": ("phi3", {}, F16, None),
   "phi3_old": ("phi3", dict(num_key_value_heads=4), BF16, old_config),
   "phi3_longrope": ("phi3", dict(rope=LONGROPE, original_max_position_embeddings=36), F16, None),
   "phi3_longrope_su": ("phi3", dict(rope=LONGROPE, original_max_position_embeddings=36), F16, su_config),
   "phi3_longrope_partial": ("phi3", dict(rope=dict(LONGROPE_6, partial_rotary_factor=0.75), hidden_size=64,
                                          original_max_position_embeddings=36,
                                          tie_word_embeddings=True), F16, length_outside),
   "phi3_partial_old": ("phi3", dict(rope={"rope_type": "default", "partial_rotary_factor": 0.5}), F16,
                        old_config),
   "gpt2": ("gpt2", dict(n_embd=32, n_head=4, n_inner=None), F32, None),
   "gpt2_no_prefix": ("gpt2", dict(n_positions=64), F16, no_prefix),
   "gpt2_untied": ("gpt2", dict(tie_word_embeddings=False), F16, None),
   "gpt2_default_inner": ("gpt2", dict(n_inner=None), F16, None),
   "gpt2_unscaled": ("gpt2", dict(scale_attn_weights=False), F16, None),
   "gpt2_layer_scaled": ("gpt2", dict(scale_attn_by_inverse_layer_idx=True), BF16, None),
   "gpt2_gelu": ("gpt2", dict(activation_function="gelu"), F16, None),
   "gpt2_relu": ("gpt2", dict(activation_function="relu"), BF16, None),
}


def make_config(family, changes):
   changes = dict(changes)
   if family == "gpt2":
      return GPT2Config(**{**GPT2_BASE, **changes})
   rope = {"rope_type": "default", "rope_theta": changes.pop("rope_theta", 10000.0), **changes.pop("rope", {})}
   more = {"pad_token_id": None} if family == "phi3" else {}
   return CLASSES[family][0](**{**ROPE_BASE, **more, "rope_parameters": rope, **changes})


def randomize(model, seed):
   """Weights of a spread that makes every part matter: norms near one, biases far from zero."""
   draw = torch.Generator().manual_seed(seed)
   with torch.no_grad():
      for name, p in model.named_parameters():
         noise = torch.randn(p.shape, generator=draw)
         if p.dim() == 1:
            norm = name.endswith("weight")
            p.copy_(1 + 0.2 * noise if norm else 0.15 * noise)
         else:
            table = "embed" in name or "wte" in name or "lm_head" in name
            p.copy_(noise * (0.3 if table else 0.2))


def build(name, path, seed):
   family, changes, storage, edit = CASES[name]
   config = make_config(family, changes)
   model = CLASSES[family][1](config)
   randomize(model, seed)
   shutil.rmtree(path, ignore_errors=True)
   path.mkdir(parents=True)
   model.to(storage).save_pretrained(path, max_shard_size="12KB" if name == "llama_sharded" else "1GB")
   trusted = vectors.load(path)
   before = vectors.logits_of(trusted, [3, 1, 4])
   if edit:
      edit(path)
      trusted = vectors.load(path)
      if abs(vectors.logits_of(trusted, [3, 1, 4]) - before).max() != 0:
         raise SystemExit(f"{name}: the edited directory does not load as the same model")
   for file in path.iterdir():
      file.chmod(0o644)
   kind = getattr(config, "rope_parameters", None) or {"rope_type": "default"}
   scaled = kind["rope_type"] != "default"  # context beyond max_position_embeddings
   count, prompt = (64, 40) if scaled or config.max_position_embeddings >= 104 else (40, 24)
   draw = torch.Generator().manual_seed(1000 + seed)
   ids = torch.randint(config.vocab_size, (prompt,), generator=draw).tolist()
   return vectors.expect(trusted, ids, 8, count, alone=kind["rope_type"] in ("dynamic", "longrope"))


def make(name):
   """Takes the first seed whose greedy continuation has clear winners and does not just repeat itself."""
   path = HERE / "tiny" / name
   first = zlib.crc32(name.encode()) % 1_000_000
   for seed in range(first, first + 200):
      got = build(name, path, seed)
      if got["about"]["greedy_lead"] > 1e-3 and len(set(got["greedy"])) >= 10:
         vectors.write(got, path / "expected")
         vectors.report(name, got)
         return
   raise SystemExit(f"{name}: no seed gives a clear greedy continuation")


if __name__ == "__main__":
   for case in sys.argv[1:] or CASES:
      make(case)
