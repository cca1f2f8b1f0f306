#!/usr/bin/env python3
"""A synthetic Llama as a Hugging Face directory, for measuring: `make_llama.py DIR [options]`.

The defaults have 1.1 billion parameters (2.2 GB of bf16). Weights are random, |w| < 0.063, with a root mean
square near 0.016; they are cut from one block of random bytes, so that two gigabytes take seconds. The same
options give the same bytes. The tokenizer is byte-level BPE without merges: 256 bytes and names for the
other ids.
"""
import argparse
import json
import os
import random
import struct

POOL = 1 << 24  # elements of the block that weights are cut from
CHUNK = 1 << 22


def options():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('dir')
    for name, value in (('dim', 2048), ('layers', 22), ('ffn', 5632), ('heads', 32), ('kv-heads', 4),
                        ('vocab', 32000), ('context', 2048), ('seed', 1)):
        parser.add_argument('--' + name, type=int, default=value, metavar='N', help=f'default {value}')
    parser.add_argument('--tied', action='store_true', help='the head shares the embedding')
    parser.add_argument('--no-tokenizer', action='store_true')
    return parser.parse_args()


def shapes(o):
    """(name, shape) of every tensor, in the order of the file."""
    kv = o.dim // o.heads * o.kv_heads
    yield 'model.embed_tokens.weight', (o.vocab, o.dim)
    for n in range(o.layers):
        layer = f'model.layers.{n}.'
        yield layer + 'input_layernorm.weight', (o.dim,)
        yield layer + 'self_attn.q_proj.weight', (o.dim, o.dim)
        yield layer + 'self_attn.k_proj.weight', (kv, o.dim)
        yield layer + 'self_attn.v_proj.weight', (kv, o.dim)
        yield layer + 'self_attn.o_proj.weight', (o.dim, o.dim)
        yield layer + 'post_attention_layernorm.weight', (o.dim,)
        yield layer + 'mlp.gate_proj.weight', (o.ffn, o.dim)
        yield layer + 'mlp.up_proj.weight', (o.ffn, o.dim)
        yield layer + 'mlp.down_proj.weight', (o.dim, o.ffn)
    yield 'model.norm.weight', (o.dim,)
    if not o.tied:
        yield 'lm_head.weight', (o.vocab, o.dim)


def random_block(rng):
    """POOL bf16 numbers. The high byte is the sign and seven bits of the exponent, the low byte the rest:
    both random, the high one with the odds that a normal distribution of 0.02 gives each factor of four, but
    for its tail."""
    odds = ((0x3d, 1), (0x3c, 85), (0x3b, 32), (0x3a, 10))  # up to 2^-4, 2^-5, 2^-7, 2^-9
    half = b''.join(bytes([high]) * count for high, count in odds)
    table = half + bytes(high | 0x80 for high in half)
    block = bytearray(2 * POOL)
    block[0::2] = rng.randbytes(POOL)
    block[1::2] = rng.randbytes(POOL).translate(table)
    return bytes(block)


def write_weights(o, path):
    rng = random.Random(o.seed)
    block, header, at = random_block(rng), {}, 0
    tensors = []
    for name, shape in shapes(o):
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        header[name] = {'dtype': 'BF16', 'shape': list(shape), 'data_offsets': [at, at + 2 * count]}
        tensors.append((count, len(shape)))
        at += 2 * count
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for count, rank in tensors:
            if rank == 1:
                file.write(b'\x80\x3f' * count)  # norms are ones
                continue
            while count:
                part = min(count, CHUNK)
                start = 2 * rng.randrange(POOL - CHUNK)
                file.write(memoryview(block)[start:start + 2 * part])
                count -= part


def byte_names():
    """The character that stands for each byte in byte-level vocabularies (GPT-2's table)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names, extra = {}, 0
    for byte in range(256):
        if byte in plain:
            names[byte] = chr(byte)
        else:
            names[byte] = chr(256 + extra)
            extra += 1
    return names


def tokenizer(o):
    vocab = {name: byte for byte, name in byte_names().items() if byte < o.vocab}
    vocab |= {f'<{n}>': n for n in range(256, o.vocab)}
    bytelevel = {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True}
    return {'version': '1.0', 'truncation': None, 'padding': None, 'added_tokens': [], 'normalizer': None,
            'pre_tokenizer': bytelevel, 'post_processor': None, 'decoder': bytelevel,
            'model': {'type': 'BPE', 'dropout': None, 'unk_token': None, 'continuing_subword_prefix': None,
                      'end_of_word_suffix': None, 'fuse_unk': False, 'byte_fallback': False, 'vocab': vocab,
                      'merges': []}}


def config(o):
    return {'architectures': ['LlamaForCausalLM'], 'model_type': 'llama', 'torch_dtype': 'bfloat16',
            'vocab_size': o.vocab, 'hidden_size': o.dim, 'intermediate_size': o.ffn,
            'num_hidden_layers': o.layers, 'num_attention_heads': o.heads, 'num_key_value_heads': o.kv_heads,
            'max_position_embeddings': o.context, 'hidden_act': 'silu', 'rms_norm_eps': 1e-5,
            'rope_theta': 10000.0, 'tie_word_embeddings': o.tied, 'bos_token_id': None, 'eos_token_id': None}


def save(path, value):
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(value, file, indent=1)
        file.write('\n')


def main():
    o = options()
    os.makedirs(o.dir, exist_ok=True)
    save(os.path.join(o.dir, 'config.json'), config(o))
    if not o.no_tokenizer:
        save(os.path.join(o.dir, 'tokenizer.json'), tokenizer(o))
    write_weights(o, os.path.join(o.dir, 'model.safetensors'))
    total = sum(a[0] * (a[1] if len(a) == 2 else 1) for _, a in shapes(o))
    print(f'{o.dir}: {total:,} parameters')


if __name__ == '__main__':
    main()
