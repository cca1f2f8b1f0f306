#!/usr/bin/env python3
"""Token ids as the `tokenizers` package makes them.

   tokenizers_ref.py text OUT.txt [--bytes N] [--seed S] [--shared DIR]   mixed text, about 2 MB
   tokenizers_ref.py ids TEXT OUT_DIR TOKENIZER.json ...                  ids of one text for each tokenizer
   tokenizers_ref.py make                                                 everything in tok/ (committed)

`ids` writes NAME.ids.u32 (no template tokens), NAME.special.u32 (with them) and NAME.decoded.txt for each;
NAME is that of the file, or of its folder when the file is called tokenizer.json. A tokenizer that refuses
the text is named and passed over. README.md describes what `make` writes.
"""
import argparse
import collections
import json
import pathlib
import struct

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)

from mixed_text import SPECIALS, WORDS, mixed_text

TOK = pathlib.Path(__file__).resolve().parent / "tok"
LLAMA3_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SHARED_TEXTS = ["tinystories/valid.txt", "novels/valid.txt", "wikitext-2/valid.txt", "zinc/valid.txt"]


def pack(ids):
   return struct.pack(f"<{len(ids)}I", *ids)


# --- the tokenizers of tok/

def train(model, pre, texts, vocab, **more):
   """A model trained on the texts: its vocabulary and merges as JSON."""
   tok = Tokenizer(model)
   tok.pre_tokenizer = pre
   trainer = trainers.WordLevelTrainer if isinstance(model, models.WordLevel) else trainers.BpeTrainer
   tok.train_from_iterator(texts, trainer(vocab_size=vocab, show_progress=False, **more))
   return json.loads(tok.to_str())["model"]


def added(content, **flags):
   return AddedToken(content, **{"normalized": False, **flags})


def bpe_llama3(texts):
   """Byte-level BPE as Llama 3 has it. No merges lead to two words of its vocabulary: ignore_merges."""
   split = pre_tokenizers.Sequence([
      pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated"),
      pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
   got = train(models.BPE(), split, texts, 700, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
   vocab = got["vocab"]
   for word in ("ĠMississippi", "zyzzyva"):
      vocab.setdefault(word, len(vocab))
   tok = Tokenizer(models.BPE(vocab, [tuple(m) for m in got["merges"]], ignore_merges=True))
   tok.normalizer, tok.pre_tokenizer, tok.decoder = normalizers.NFC(), split, decoders.ByteLevel()
   tok.add_special_tokens([added("<|begin_of_text|>"), added("<|end_of_text|>"),
                           added("<|tool|>", lstrip=True), added("<|endoftext|>", rstrip=True),
                           added("<pad>", lstrip=True, rstrip=True)])
   tok.add_tokens([added("word", single_word=True), added("Caf\u00e9", normalized=True), added("<s>"),
                   added("[MASK]", lstrip=True, single_word=True), added("   "),
                   added("<<s>>", normalized=True)])
   bos = "<|begin_of_text|>"
   tok.post_processor = processors.Sequence([
      processors.ByteLevel(trim_offsets=True),
      processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B",
                                    special_tokens=[(bos, tok.token_to_id(bos))])])
   return json.loads(tok.to_str())


def bpe_metaspace(texts):
   """BPE as converters of SentencePiece models write it: metaspace, byte fallback, merges as strings."""
   pre = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
   counts = collections.Counter("".join(texts).replace(" ", ""))
   common = {c for c, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:140]} | {" "}
   got = train(models.BPE(), pre, ["".join(c for c in t if c in common) for t in texts], 500)
   names = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
   names += [t for t, _ in sorted(got["vocab"].items(), key=lambda item: item[1])]
   vocab = {name: i for i, name in enumerate(names)}
   tok = Tokenizer(models.BPE(vocab, [tuple(m) for m in got["merges"]], unk_token="<unk>", fuse_unk=True,
                              byte_fallback=True))
   tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
   tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                    decoders.Strip(" ", 1, 0)])
   tok.add_special_tokens([added(t) for t in names[:3]])
   tok.add_tokens([added("<mask>", lstrip=True), added("<|tool|>", normalized=True)])
   tok.post_processor = processors.TemplateProcessing(
      single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 1)])
   out = json.loads(tok.to_str())
   out["model"]["merges"] = [" ".join(m) for m in got["merges"]]
   return out


def wordlevel(texts):
   """Whole words after decomposition, lower case and the loss of accents."""
   norm = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])
   special = ["[UNK]", "[CLS]", "[SEP]"]
   got = train(models.WordLevel(unk_token="[UNK]"), pre_tokenizers.Whitespace(),
               [norm.normalize_str(t) for t in texts], 600, special_tokens=special)
   tok = Tokenizer(models.WordLevel(got["vocab"], unk_token="[UNK]"))
   tok.normalizer, tok.pre_tokenizer = norm, pre_tokenizers.Whitespace()
   tok.add_special_tokens([added(t) for t in special])
   tok.add_tokens([added("Caf\u00e9", normalized=True), added("Mississippi", single_word=True)])
   tok.post_processor = processors.TemplateProcessing(
      single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
      special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
   return json.loads(tok.to_str())


KINDS = {"bpe_llama3": bpe_llama3, "bpe_metaspace": bpe_metaspace, "wordlevel": wordlevel}


def edge_lines():
   """Short texts where the start, the end or a neighbour decides; encoded one by one."""
   lines = ["", " ", "  ", "   ", "    ", "a", " a", "  a", "a ", "a  ", "▁", "▁a", " ▁a", "word", " word",
            "word ", "sword", "words", "word.", "(word)", "_word", "word word", "\u00e9word", "word\u0301",
            "\u5b57word", "1word"]
   for s in SPECIALS:
      lines += [s, f" {s} ", f"a{s}b", f"a  {s}  b", f"{s}{s}", f"{s} word"]
   lines += ["".join(SPECIALS), "<|tool|><|tool|>  <|tool|> x", "a <pad> b", "  <mask>word", "x   y",
             "x    y", "x      y", " Mississippi", "Mississippi", "aMississippi", "zyzzyva zyzzyvas",
             "CAFÉ café cafe\u0301", "it's IT'S it\u2019s 'Sx 'ſ 'LLama", "123 1234 12345678 1a2b", "a \t b",
             "\u0130 \u0131 \u017f \u03c2", "\U0001F469\u200D\U0001F4BB", "\u212b \u2126 \u1e9b\u0323",
             "\uac00\u11a8 \u1100\u1161\u11a8", "\t\tx", "\x01\x7f"]
   return lines + WORDS


def make():
   TOK.mkdir(exist_ok=True)
   texts = mixed_text(300_000, 11).split("\n")
   mixed, lines = mixed_text(40_000, 12), edge_lines()
   (TOK / "mixed.txt").write_bytes(mixed.encode())
   (TOK / "lines.txt").write_bytes("".join(line + "\n" for line in lines).encode())
   for name, kind in KINDS.items():
      path = TOK / f"{name}.json"
      text = json.dumps(kind(texts), ensure_ascii=False, separators=(",", ":")) + "\n"
      path.write_text(text, encoding="utf-8")
      tok = Tokenizer.from_file(str(path))
      ids = tok.encode(mixed).ids
      (TOK / f"{name}.ids.u32").write_bytes(pack(ids))
      (TOK / f"{name}.decoded.txt").write_bytes(tok.decode(ids).encode())
      each, texts_back = b"", b""
      for line in lines:
         ids = tok.encode(line, add_special_tokens=False).ids
         back = tok.decode(ids).encode()
         each += pack([len(ids), *ids])
         texts_back += pack([len(back)]) + back
      (TOK / f"{name}.lines.u32").write_bytes(each)
      (TOK / f"{name}.lines_decoded.bin").write_bytes(texts_back)
      print(f"{name}: {tok.get_vocab_size()} entries, {path.stat().st_size} bytes", flush=True)


def write_text(args):
   extra = [args.shared / t for t in SHARED_TEXTS] if args.shared else []
   extra = [p.read_text(encoding="utf-8") for p in extra if p.is_file()]
   args.out.write_bytes(mixed_text(args.bytes, args.seed, extra).encode())


def write_ids(args):
   args.out.mkdir(parents=True, exist_ok=True)
   text = args.text.read_bytes().decode()
   for path in args.tokenizers:
      name = path.resolve().parent.name if path.name == "tokenizer.json" else path.stem
      tok = Tokenizer.from_file(str(path))
      try:
         plain, special = (tok.encode(text, add_special_tokens=s).ids for s in (False, True))
      except Exception as error:  # a vocabulary without the unknown token it names
         print(f"{name}: refused: {error}", flush=True)
         continue
      (args.out / f"{name}.ids.u32").write_bytes(pack(plain))
      (args.out / f"{name}.special.u32").write_bytes(pack(special))
      (args.out / f"{name}.decoded.txt").write_bytes(tok.decode(special).encode())
      print(f"{name}: {len(plain)} ids, {len(special)} with template", flush=True)


def main():
   parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
   sub = parser.add_subparsers(dest="what", required=True)
   text = sub.add_parser("text")
   text.add_argument("out", type=pathlib.Path)
   text.add_argument("--bytes", type=int, default=2_000_000)
   text.add_argument("--seed", type=int, default=7)
   text.add_argument("--shared", type=pathlib.Path, help="the shared data folder, for slices of real text")
   ids = sub.add_parser("ids")
   ids.add_argument("text", type=pathlib.Path)
   ids.add_argument("out", type=pathlib.Path)
   ids.add_argument("tokenizers", nargs="+", type=pathlib.Path)
   sub.add_parser("make")
   args = parser.parse_args()
   if args.what == "make":
      make()
   else:
      (write_text if args.what == "text" else write_ids)(args)


if __name__ == "__main__":
   main()
