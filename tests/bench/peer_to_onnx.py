#!/usr/bin/env python3
"""A Llama-family Hugging Face directory as a model of ONNX Runtime: `peer_to_onnx.py HF_DIR OUT.onnx TYPE`.

The graph is built node by node of the operators that ONNX Runtime has for decoders on the processor:
GroupQueryAttention on joined query, key and value, with rotation and a KV cache that may be updated in place;
(Skip)SimplifiedLayerNormalization; QuickGelu. TYPE says how matrices are stored and multiplied:
  F32  as they are
  D8   int8 with a scale a row, DynamicQuantizeMatMul: activations get one scale for all tokens of a call
  N8   int8 with a scale for every block of a row (--block), MatMulNBits, activations int8 with one as well
  N4   the same with 4 bits; embedding and head with 8, as llama.cpp and pare have them wider
All but F32 keep the embedding as N8 does. What is the same bytes, as tied weights are, is stored once; D8 stores a
tied one twice, since its products want columns.

Inputs: input_ids [1][n], seqlens_k [1] and total_sequence_length [] (int32: tokens after this call, less one and
as they are), rows [m] (which of the n tokens get logits; -1 is the last), past.L.key, past.L.value
[1][kv heads][room][head]. Outputs: logits [1][m][vocabulary], present.L.key, present.L.value. Weights go to
OUT.onnx.data, one matrix at a time. --check holds the logits of a forward pass in numpy, in f64 on the weights of
HF_DIR, against those of the model: a prompt, then tokens one by one; F32 has to agree to 1e-4 of the largest.
"""
import argparse
import hashlib
import os
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from peer_to_gguf import EMBEDDING, HEAD, read_config, read_weights, widen

BITS = {'N8': 8, 'N4': 4}
INT8_COMPUTE = 4  # MatMulNBits' accuracy_level
ALIGN = 4096
OPSETS = (('', 21), ('com.microsoft', 1))
TOLERANCE = 1e-4


class Graph:
    """Nodes and tensors of a model in the making; weights go to its data file at once."""

    def __init__(self, path):
        self.path, self.nodes, self.tensors, self.places = path, [], [], {}
        self.data = open(path + '.data', 'wb')

    def weight(self, name, array):
        """A tensor in the data file, where the same bytes stand once."""
        array = numpy.ascontiguousarray(array)
        tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape,
                             data_location=TensorProto.EXTERNAL)
        digest = hashlib.sha256(array.data).digest()
        if digest not in self.places:
            self.places[digest] = -(-self.data.tell() // ALIGN) * ALIGN
            self.data.seek(self.places[digest])
            self.data.write(array.data)
        place = {'location': os.path.basename(self.data.name), 'offset': self.places[digest], 'length': array.nbytes}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self.tensors.append(tensor)
        return name

    def table(self, name, array):
        """A tensor that is no weight, in the model itself."""
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op, inputs, outputs, domain='com.microsoft', **attributes):
        self.nodes.append(helper.make_node(op, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def save(self, inputs, outputs):
        self.data.close()
        values = [[helper.make_tensor_value_info(*value) for value in values] for values in (inputs, outputs)]
        graph = helper.make_graph(self.nodes, 'llama', *values, self.tensors)
        opsets = [helper.make_opsetid(*opset) for opset in OPSETS]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), self.path)


def quantize_blocks(array, bits, block):
    """(codes with the middle at 2^(bits-1), scales), per block of a row; the largest weight gets the least code."""
    rows, width = array.shape
    array = numpy.pad(array, ((0, 0), (0, -width % block))).reshape(rows, -1, block)
    largest = numpy.take_along_axis(array, numpy.abs(array).argmax(axis=2, keepdims=True), 2)
    half = 1 << (bits - 1)
    scales = largest / -half
    codes = numpy.rint(array / numpy.where(scales, scales, 1)) + half
    return numpy.clip(codes, 0, 2 * half - 1).astype(numpy.uint8), scales[..., 0]


def linear_f32(graph, x, name, array, _bits, _block):
    weight = graph.weight(name + '.weight', array)
    return graph.node('FusedMatMul', [x, weight], [name], transB=1)


def linear_dynamic(graph, x, name, array, _bits, _block):
    scales = numpy.abs(array).max(axis=1) / 127
    codes = numpy.rint(array / numpy.where(scales, scales, 1)[:, None]).astype(numpy.int8)
    tensors = [graph.weight(name + '.weight', codes.T), graph.weight(name + '.scales', scales)]
    return graph.node('DynamicQuantizeMatMul', [x, *tensors], [name])


def linear_blocks(graph, x, name, array, bits, block):
    codes, scales = quantize_blocks(array, bits, block)
    if bits == 4:
        codes = codes[..., ::2] | codes[..., 1::2] << 4
    tensors = [graph.weight(name + '.weight', codes), graph.weight(name + '.scales', scales)]
    return graph.node('MatMulNBits', [x, *tensors], [name], N=array.shape[0], K=array.shape[1], bits=bits,
                      block_size=block, accuracy_level=INT8_COMPUTE)


LINEAR = {'F32': linear_f32, 'D8': linear_dynamic, 'N8': linear_blocks, 'N4': linear_blocks}


class Builder:
    """The layers of one model."""

    def __init__(self, config, weights, graph, kind, block):
        self.config, self.weights, self.graph, self.kind, self.block = config, weights, graph, kind, block
        self.heads = {'num_heads': config['num_attention_heads'], 'kv_num_heads': config['num_key_value_heads']}

    def array(self, name):
        return widen(*self.weights[name])

    def linear(self, x, name, parts, bits=None):
        """One product with the rows of several matrices."""
        array = numpy.concatenate([self.array(part + '.weight') for part in parts])
        return LINEAR[self.kind](self.graph, x, name, array, bits or BITS.get(self.kind), self.block)

    def embed(self):
        array = self.array(EMBEDDING)
        if self.kind == 'F32':
            return self.graph.node('Gather', [self.graph.weight('embed.weight', array), 'input_ids'], ['embed'], '')
        codes, scales = quantize_blocks(array, 8, self.block)
        codes = codes.reshape(len(array), -1)[:, :array.shape[1]]
        tensors = [self.graph.weight('embed.weight', codes),
                   self.graph.weight('embed.scales', scales)]
        return self.graph.node('GatherBlockQuantized', [tensors[0], 'input_ids', tensors[1]], ['embed'], bits=8,
                               block_size=self.block, gather_axis=0, quantize_axis=1)

    def rotation(self):
        """Cosines and sines [position][head / 2] in f32, the angles in f64."""
        half = self.config['head_dim'] // 2
        frequencies = self.config['rope_theta'] ** (-numpy.arange(half) / half)
        angles = numpy.outer(numpy.arange(self.config['max_position_embeddings']), frequencies)
        self.graph.table('cos', numpy.cos(angles).astype(numpy.float32))
        self.graph.table('sin', numpy.sin(angles).astype(numpy.float32))

    def norm(self, x, added, name, weight):
        """(normed, sum) of x and what is added to it, None for nothing."""
        gain, epsilon = self.graph.weight(name + '.weight', self.array(weight)), self.config['rms_norm_eps']
        if added is None:
            self.graph.node('SimplifiedLayerNormalization', [x, gain], [name], '', axis=-1, epsilon=epsilon)
            return name, x
        self.graph.node('SkipSimplifiedLayerNormalization', [x, added, gain], [name, '', '', name + '.sum'],
                        epsilon=epsilon)
        return name, name + '.sum'

    def attention(self, x, at, n):
        joined = self.linear(x, f'{n}.qkv', [f'{at}.self_attn.{part}_proj' for part in 'qkv'])
        past, present = ([f'{time}.{n}.{part}' for part in ('key', 'value')] for time in ('past', 'present'))
        out = self.graph.node('GroupQueryAttention', [joined, '', '', *past, 'seqlens_k', 'total_sequence_length',
                                                      'cos', 'sin'],
                              [f'{n}.attention', *present], do_rotary=1, **self.heads)
        return self.linear(out, f'{n}.o', [f'{at}.self_attn.o_proj'])

    def feed_forward(self, x, at, n):
        gate = self.linear(x, f'{n}.gate', [f'{at}.mlp.gate_proj'])
        up = self.linear(x, f'{n}.up', [f'{at}.mlp.up_proj'])
        silu = self.graph.node('QuickGelu', [gate], [f'{n}.silu'], alpha=1.0)
        product = self.graph.node('Mul', [silu, up], [f'{n}.glu'], '')
        return self.linear(product, f'{n}.down', [f'{at}.mlp.down_proj'])

    def head(self, x):
        tied = self.config['tie_word_embeddings'] or HEAD not in self.weights
        part = (EMBEDDING if tied else HEAD).removesuffix('.weight')
        last = self.graph.node('Gather', [x, 'rows'], ['last'], '', axis=1)
        return self.linear(last, 'logits', [part], BITS.get(self.kind) and 8)

    def build(self):
        self.rotation()
        x, added = self.embed(), None
        for n in range(self.config['num_hidden_layers']):
            at = f'model.layers.{n}'
            normed, x = self.norm(x, added, f'{n}.norm1', f'{at}.input_layernorm.weight')
            normed, x = self.norm(x, self.attention(normed, at, n), f'{n}.norm2',
                                  f'{at}.post_attention_layernorm.weight')
            added = self.feed_forward(normed, at, n)
        normed, _ = self.norm(x, added, 'norm', 'model.norm.weight')
        self.head(normed)

    def values(self):
        """(inputs, outputs) as name, type and shape."""
        inputs = [('input_ids', TensorProto.INT64, [1, 'n']), ('seqlens_k', TensorProto.INT32, [1]),
                  ('total_sequence_length', TensorProto.INT32, []), ('rows', TensorProto.INT64, ['m'])]
        outputs = [('logits', TensorProto.FLOAT, [1, 'm', self.config['vocab_size']])]
        for n in range(self.config['num_hidden_layers']):
            for part in ('key', 'value'):
                shape = [1, self.config['num_key_value_heads'], 'room', self.config['head_dim']]
                inputs.append((f'past.{n}.{part}', TensorProto.FLOAT, shape))
                outputs.append((f'present.{n}.{part}', TensorProto.FLOAT, shape))
        return inputs, outputs


def refuse_others(config, weights):
    known = ('layernorm.weight', 'norm.weight', '_proj.weight', 'rotary_emb.inv_freq', EMBEDDING, HEAD)
    for name in weights:
        if not name.endswith(known):
            sys.exit(f'no place in a plain Llama for tensor {name}')
    if config.get('hidden_act', 'silu') != 'silu':
        sys.exit(f'hidden_act {config["hidden_act"]}, expected silu')


def read_model(directory):
    """(config, weights) of a plain Llama; a tied weight is taken under either of its names."""
    config, weights = read_config(directory), read_weights(directory)
    refuse_others(config, weights)
    if EMBEDDING not in weights:
        weights[EMBEDDING] = weights[HEAD]
    return config, weights


def convert(directory, out, kind, block):
    config, weights = read_model(directory)
    builder = Builder(config, weights, Graph(out), kind, block)
    builder.build()
    builder.graph.save(*builder.values())


def check(directory, out, kind):
    """Prints how far the logits are from those of numpy's forward pass; ends the program when F32 is too far."""
    from peer_forward import forward
    from peer_onnx import Model
    config, weights = read_model(directory)
    ids = numpy.arange(24) * 2654435761 % config['vocab_size']
    prompt = len(ids) - 6
    expected = forward(config, weights, ids)
    model = Model(out, len(ids), 1)
    model.feed(ids[:prompt], 0, 0)
    found = [model.logits(prompt).copy()]
    for position in range(prompt, len(ids)):
        model.feed(ids[position:position + 1], position, 0)
        found.append(model.logits(1).copy())
    error = numpy.abs(numpy.concatenate(found) - expected).max() / numpy.abs(expected).max()
    print(f'{kind}: logits of {len(ids)} tokens differ from numpy by at most {error:.2e} of the largest')
    if kind == 'F32' and not error < TOLERANCE:
        sys.exit('the two differ: the conversion is wrong')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('directory')
    parser.add_argument('out')
    parser.add_argument('type', choices=LINEAR)
    parser.add_argument('--block', type=int, default=32, metavar='N', help='weights that share a scale (32)')
    parser.add_argument('--check', action='store_true', help='against a forward pass in numpy')
    o = parser.parse_args()
    convert(o.directory, o.out, o.type, o.block)
    if o.check:
        check(o.directory, o.out, o.type)


if __name__ == '__main__':
    main()
