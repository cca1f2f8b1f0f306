#!/usr/bin/env python3
"""Quantizes a GGUF with llama.cpp's own quantizer: `peer_quantize.py IN.gguf OUT.gguf TYPE`.

TYPE is a llama.cpp file type (Q8_0, Q4_0, Q4_K_M, ...). Token embedding and head get the tensor type of
that name too (for Q4_K_M and its like Q4_K), where llama.cpp would choose wider ones; --mixed leaves the
choice to llama.cpp. Prints the tensor types it really used, since llama.cpp replaces types that do not fit
a matrix, and the bytes of all tensors.
"""
import argparse
import ctypes
import sys

import llama_cpp
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader

from peer_llama import tensor_bytes, tensor_types


# What llama.cpp itself takes where a row is no multiple of the 256 weights of a K block.
NARROW = {'Q4_K': 'Q5_0', 'Q5_K': 'Q5_1', 'Q6_K': 'Q8_0'}


def file_type(name):
    number = getattr(llama_cpp, 'LLAMA_FTYPE_MOSTLY_' + name, None)
    if number is None:
        sys.exit(f'{name}: not a file type that this llama.cpp knows')
    return number


def embedding_width(path):
    return next(int(tensor.shape[0]) for tensor in GGUFReader(path).tensors
                if tensor.name == 'token_embd.weight')


def tensor_type(name, width):
    """Q8_0 -> Q8_0, Q4_K_M -> Q4_K, or the type that takes its place where rows of `width` do not fit."""
    for candidate in (name, name.rsplit('_', 1)[0]):
        if candidate in GGMLQuantizationType.__members__:
            fits = width % GGML_QUANT_SIZES[GGMLQuantizationType[candidate]][0] == 0
            return GGMLQuantizationType[candidate if fits else NARROW.get(candidate, candidate)]
    sys.exit(f'{name}: names no tensor type; use --mixed')


def quantize(source, out, name, mixed=False, threads=2):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread = file_type(name), threads
    if not mixed:
        params.token_embedding_type = params.output_tensor_type = tensor_type(
            name, embedding_width(source))
    if llama_cpp.llama_model_quantize(source.encode(), out.encode(), ctypes.byref(params)):
        sys.exit(f'{source}: llama.cpp failed to quantize it to {name}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('source')
    parser.add_argument('out')
    parser.add_argument('type')
    parser.add_argument('--mixed', action='store_true', help="llama.cpp's own choice for embedding and head")
    parser.add_argument('--threads', type=int, default=2)
    o = parser.parse_args()
    quantize(o.source, o.out, o.type, o.mixed, o.threads)
    print(f'{o.type}: {tensor_bytes(o.out):,} bytes of tensors')
    for used, kinds in sorted(tensor_types(o.out).items()):
        print(f'  {used}: ' + ', '.join(f'{count} {kind}' for kind, count in kinds.items()))


if __name__ == '__main__':
    main()
