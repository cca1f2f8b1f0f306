#!/usr/bin/env python3
"""A Llama-family Hugging Face directory as GGUF for llama.cpp: `peer_to_gguf.py HF_DIR OUT.gguf`.

Matrices keep the type they are stored in (F32, F16, BF16), or are widened with --f32, which is what a base
to measure from should be: llama.cpp rounds activations to the type of 16-bit matrices. Vectors become F32.
The rows of the query and key projections are reordered, since llama.cpp's llama architecture rotates
neighbouring pairs where Hugging Face rotates halves. A tied weight is taken under either of its names and
written once. The vocabulary carries the texts of tokenizer.json under their ids, so that ids mean the same,
but llama.cpp must not tokenize with it: feed it ids.
"""
import argparse
import json
import os
import struct
import sys

import numpy
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType

ARCHITECTURES = ('llama', 'mistral')
DTYPES = {'F32': numpy.dtype('<f4'), 'F16': numpy.dtype('<f2'), 'BF16': numpy.dtype('<u2')}
FILE_TYPES = {'F32': LlamaFileType.ALL_F32, 'F16': LlamaFileType.MOSTLY_F16,
              'BF16': LlamaFileType.MOSTLY_BF16}
LAYER_NAMES = {
    'input_layernorm': 'attn_norm', 'self_attn.q_proj': 'attn_q', 'self_attn.k_proj': 'attn_k',
    'self_attn.v_proj': 'attn_v', 'self_attn.o_proj': 'attn_output', 'post_attention_layernorm': 'ffn_norm',
    'mlp.gate_proj': 'ffn_gate', 'mlp.up_proj': 'ffn_up', 'mlp.down_proj': 'ffn_down',
}
EMBEDDING, HEAD = 'model.embed_tokens.weight', 'lm_head.weight'


def read_safetensors(path):
    """{name: (stored dtype, mapped array)}; BF16 is mapped as 16-bit integers."""
    with open(path, 'rb') as file:
        length = struct.unpack('<Q', file.read(8))[0]
        header = json.loads(file.read(length))
    tensors = {}
    for name, entry in header.items():
        if name == '__metadata__':
            continue
        if entry['dtype'] not in DTYPES:
            sys.exit(f'{path}: {name} is {entry["dtype"]}, expected one of {", ".join(DTYPES)}')
        array = numpy.memmap(path, DTYPES[entry['dtype']], 'r', 8 + length + entry['data_offsets'][0],
                             tuple(entry['shape']))
        tensors[name] = entry['dtype'], array
    return tensors


def read_weights(directory):
    index = os.path.join(directory, 'model.safetensors.index.json')
    if not os.path.exists(index):
        return read_safetensors(os.path.join(directory, 'model.safetensors'))
    with open(index, encoding='utf-8') as file:
        shards = sorted(set(json.load(file)['weight_map'].values()))
    tensors = {}
    for shard in shards:
        tensors.update(read_safetensors(os.path.join(directory, shard)))
    return tensors


def read_config(directory):
    """config.json with what it may leave out; values that would need more than plain Llama are refused."""
    with open(os.path.join(directory, 'config.json'), encoding='utf-8') as file:
        config = json.load(file)
    if config['model_type'] not in ARCHITECTURES:
        known = ', '.join(ARCHITECTURES)
        sys.exit(f'{directory}: model_type {config["model_type"]}, expected one of {known}')
    rope = config.get('rope_parameters') or config.get('rope_scaling') or {}
    if rope.get('rope_type', rope.get('type', 'default')) != 'default':
        sys.exit(f'{directory}: RoPE scaling {json.dumps(rope)} is not supported')
    context = config['max_position_embeddings']
    if (config.get('sliding_window') or context) < context:
        sys.exit(f'{directory}: a sliding window of {config["sliding_window"]} tokens is not supported')
    config['rope_theta'] = rope.get('rope_theta', config.get('rope_theta', 10000.0))
    config['num_key_value_heads'] = config.get('num_key_value_heads') or config['num_attention_heads']
    config['head_dim'] = config.get('head_dim') or config['hidden_size'] // config['num_attention_heads']
    config.setdefault('tie_word_embeddings', False)
    return config


def add_config(writer, config):
    writer.add_context_length(config['max_position_embeddings'])
    writer.add_embedding_length(config['hidden_size'])
    writer.add_block_count(config['num_hidden_layers'])
    writer.add_feed_forward_length(config['intermediate_size'])
    writer.add_head_count(config['num_attention_heads'])
    writer.add_head_count_kv(config['num_key_value_heads'])
    writer.add_key_length(config['head_dim'])
    writer.add_value_length(config['head_dim'])
    writer.add_rope_dimension_count(config['head_dim'])
    writer.add_rope_freq_base(config['rope_theta'])
    writer.add_layer_norm_rms_eps(config['rms_norm_eps'])
    writer.add_vocab_size(config['vocab_size'])


def token_texts(directory, count):
    """The text of each id; an id without one gets a name of its own."""
    texts = [None] * count
    path = os.path.join(directory, 'tokenizer.json')
    if os.path.exists(path):
        with open(path, encoding='utf-8') as file:
            tokenizer = json.load(file)
        vocabulary = tokenizer['model'].get('vocab', {})
        if isinstance(vocabulary, list):
            vocabulary = {text: token for token, (text, _) in enumerate(vocabulary)}
        added = {token['content']: token['id'] for token in tokenizer.get('added_tokens', [])}
        vocabulary = {**vocabulary, **added}
        for text, token in vocabulary.items():
            if token < count:
                texts[token] = text
    return [f'[id {token}]' if text is None else text for token, text in enumerate(texts)]


def add_vocabulary(writer, directory, count):
    writer.add_tokenizer_model('llama')
    writer.add_token_list(token_texts(directory, count))
    writer.add_token_scores([0.0] * count)
    writer.add_token_types([TokenType.NORMAL] * count)


def interleave(array, heads):
    """Rows of each head from halves (0, 1, ... | d/2, d/2+1, ...) to pairs (0, d/2, 1, d/2+1, ...)."""
    half = array.shape[0] // heads // 2
    return array.reshape(heads, 2, half, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def gguf_name(name):
    """GGUF's name of a tensor, or None for a buffer that is not a weight."""
    fixed = {EMBEDDING: 'token_embd.weight', 'model.norm.weight': 'output_norm.weight', HEAD: 'output.weight'}
    if name in fixed:
        return fixed[name]
    if name.endswith('rotary_emb.inv_freq'):
        return None
    parts = name.split('.')
    middle, kind = '.'.join(parts[3:-1]), parts[-1]
    if parts[:2] != ['model', 'layers'] or middle not in LAYER_NAMES:
        sys.exit(f'no place in the llama architecture for tensor {name}')
    return f'blk.{parts[2]}.{LAYER_NAMES[middle]}.{kind}'


def widen(dtype, array):
    return (array.astype('<u4') << 16).view('<f4') if dtype == 'BF16' else array.astype(numpy.float32)


def add_tensor(writer, name, dtype, array, f32):
    if f32 or array.ndim == 1:
        writer.add_tensor(name, widen(dtype, array))
    elif dtype == 'BF16':
        raw = numpy.ascontiguousarray(array).view(numpy.uint8)
        writer.add_tensor(name, raw, raw_dtype=GGMLQuantizationType.BF16)
    else:
        writer.add_tensor(name, numpy.ascontiguousarray(array))


def convert(directory, out, f32=False):
    config, weights = read_config(directory), read_weights(directory)
    if config['tie_word_embeddings']:
        head = weights.pop(HEAD, None)
        weights.setdefault(EMBEDDING, head)
    writer = GGUFWriter(out, 'llama')
    writer.add_file_type(FILE_TYPES['F32' if f32 else weights[EMBEDDING][0]])
    add_config(writer, config)
    add_vocabulary(writer, directory, config['vocab_size'])
    for name, (dtype, array) in weights.items():
        if '.q_proj.' in name:
            array = interleave(array, config['num_attention_heads'])
        elif '.k_proj.' in name:
            array = interleave(array, config['num_key_value_heads'])
        if gguf_name(name):
            add_tensor(writer, gguf_name(name), dtype, array, f32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('directory')
    parser.add_argument('out')
    parser.add_argument('--f32', action='store_true', help='widen every tensor to F32')
    o = parser.parse_args()
    convert(o.directory, o.out, o.f32)


if __name__ == '__main__':
    main()
