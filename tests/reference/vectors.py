"""Expected vectors: what transformers computes in f32, written as README.md describes."""
import json
import struct

import numpy as np
import torch
import transformers

torch.set_num_threads(1)
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def load(path, **more):
   """A model in f32 whatever its storage, with plain (eager) attention."""
   model = transformers.AutoModelForCausalLM.from_pretrained(
      path, dtype=torch.float32, attn_implementation="eager", **more)
   return model.eval()


def logits_of(model, ids):
   """[len(ids), vocab] f32, one forward pass without a cache."""
   with torch.no_grad():
      return model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0].float().numpy()


def greedy(model, ids, count):
   """`count` tokens, each the argmax of a full forward pass, end tokens not minded. Also the smallest lead
   of the best logit over the second best, as a share of the logit range: near 0 a test would be a lottery."""
   ids, out, lead = list(ids), [], float("inf")
   for _ in range(count):
      last = logits_of(model, ids)[-1]
      second, best = np.partition(last, -2)[-2:]
      lead = min(lead, float(best - second) / float(last.max() - last.min()))
      out.append(int(last.argmax()))
      ids.append(out[-1])
   return out, lead


def one_by_one(model, ids, count):
   """What logits_of and greedy give when every token comes alone and earlier ones are in the cache: the two differ
   where frequencies of rotary positions hang on the length (dynamic, longrope)."""
   ids, rows, out, lead, cache = list(ids), [], [], float("inf"), None
   for at in range(len(ids) + count):
      with torch.no_grad():
         got = model(input_ids=torch.tensor([ids[at:at + 1]]), past_key_values=cache, use_cache=True)
      cache, last = got.past_key_values, got.logits[0, -1].float().numpy()
      rows.append(last)
      if at + 1 == len(ids) and len(out) < count:
         second, best = np.partition(last, -2)[-2:]
         lead = min(lead, float(best - second) / float(last.max() - last.min()))
         out.append(int(last.argmax()))
         ids.append(out[-1])
   return np.stack(rows), out, lead


def expect(model, ids, positions, count, prompt=None, alone=False):
   """One case: the last `positions` rows of logits, and `count` greedy tokens after `prompt` of the ids; `alone`:
   tokens come one by one, and the prompt is all ids."""
   prompt = len(ids) if prompt is None else prompt
   if alone:
      rows, tokens, lead = one_by_one(model, ids, count)
      rows = rows[len(ids) - positions:len(ids)]
   else:
      rows = logits_of(model, ids)[-positions:]
      tokens, lead = greedy(model, ids[:prompt], count)
   about = {
      "ids": len(ids), "positions": len(rows), "vocab": rows.shape[1], "prompt": prompt, "greedy": count,
      "logit_min": float(rows.min()), "logit_max": float(rows.max()), "greedy_lead": round(lead, 6),
      "made_by": f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}"}
   return {"about": about, "ids": ids, "rows": rows, "greedy": tokens}


def write(vectors, stem):
   """stem.bin: ids u32, logits f32, greedy u32, all little endian; stem.json: the counts."""
   with open(f"{stem}.bin", "wb") as f:
      f.write(struct.pack(f"<{len(vectors['ids'])}I", *vectors["ids"]))
      f.write(vectors["rows"].astype("<f4").tobytes())
      f.write(struct.pack(f"<{len(vectors['greedy'])}I", *vectors["greedy"]))
   with open(f"{stem}.json", "w") as f:
      f.write(json.dumps(vectors["about"], indent=1) + "\n")


def report(name, vectors):
   a = vectors["about"]
   print(f"{name:28} logits {a['logit_min']:8.3f} .. {a['logit_max']:7.3f}  lead {a['greedy_lead']:.5f}  "
         f"{len(set(vectors['greedy']))} kinds of {a['greedy']} greedy tokens", flush=True)
