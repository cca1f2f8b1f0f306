#!/usr/bin/env python3
"""Conformance cases of ONNX as graphs in our text form: `onnx_cases.py ONNX_NODE_DIR OUT_FILE`.

ONNX_NODE_DIR is onnx/backend/test/data/node of the onnx repository (here ../shared/data/onnx-node/node). Needs
the packages onnx and numpy. Each case becomes its inputs, its graph, and ONNX's own output; a case that our
operations cannot say (another element type, several axes, ...) is left out. The committed file needs nothing.
"""
import glob
import os
import sys

import numpy as np
import onnx
from onnx import numpy_helper

LARGEST = 400    # elements of all inputs and outputs of a case; of a Slice or Attention, 2000
UNARY = {'Sqrt': 'sqrt', 'Reciprocal': 'reciprocal', 'Neg': 'neg', 'Abs': 'abs', 'Exp': 'exp', 'Log': 'log',
         'Erf': 'erf', 'Tanh': 'tanh', 'Sigmoid': 'sigmoid', 'Sin': 'sin', 'Cos': 'cos'}
BINARY = {'Add': 'add', 'Sub': 'sub', 'Mul': 'mul', 'Div': 'div', 'Pow': 'pow', 'Max': 'max', 'Min': 'min',
          'MatMul': 'matmul'}
COMPARE = {'Less': 'lt', 'LessOrEqual': 'le', 'Greater': 'gt', 'GreaterOrEqual': 'ge', 'Equal': 'eq'}
REDUCE = {'ReduceMean': 'reduce_mean', 'ReduceSum': 'reduce_sum', 'ReduceMax': 'reduce_max'}


class Skip(Exception):
    pass


def want(condition):
    if not condition:
        raise Skip


def one_axis(attrs, arrays):
    axes = attrs.get('axes', arrays[1].tolist() if len(arrays) > 1 else None)
    want(axes is not None and len(axes) == 1)
    return axes[0]


def ints(values):
    return '[' + ','.join(str(int(v)) for v in values) + ']'


def slice_attrs(arrays):
    starts, ends = arrays[1], arrays[2]
    axes = arrays[3] if len(arrays) > 3 else range(len(starts))
    steps = arrays[4] if len(arrays) > 4 else [1] * len(starts)
    cuts = [(int(a), *slice(int(s), int(e), int(d)).indices(arrays[0].shape[int(a)]))
            for s, e, a, d in zip(starts, ends, axes, steps)]
    want(all(d > 0 and s < e for _, s, e, d in cuts))
    return [f'"from":{s},"to":{e},"step":{d},"axis":{a}' for a, s, e, d in cuts]


def attention_attrs(attrs, arrays):
    want(arrays[0].ndim == 3 and len(arrays) <= 4 and not attrs.get('softcap'))
    heads, kv_heads = attrs['q_num_heads'], attrs['kv_num_heads']
    dim = arrays[0].shape[2] // heads
    want(arrays[2].shape[2] == kv_heads * dim)
    scale = float(attrs.get('scale', dim ** -0.5))
    causal = 'true' if attrs.get('is_causal') else 'false'
    want(causal == 'false' or arrays[0].shape[1] == arrays[1].shape[1])
    return f'"heads":{heads},"kv_heads":{kv_heads},"head_dim":{dim},"scale":{scale!r},"causal":{causal}'


def translate(node, attrs, arrays):
    """Operations of ours as (op, inputs by number, attributes); inputs after the arrays are results."""
    op = node.op_type
    if op in UNARY:
        return [(UNARY[op], [0], '')]
    if op in BINARY:
        want(len(arrays) == 2 and all(a.dtype == np.float32 for a in arrays))
        want(op != 'MatMul' or min(a.ndim for a in arrays) >= 2)
        return [(BINARY[op], [0, 1], '')]
    if op in COMPARE:
        want(all(a.dtype in (np.float32, np.int32) for a in arrays))
        return [('compare', [0, 1], f'"kind":"{COMPARE[op]}"')]
    if op in REDUCE:
        want(arrays[0].dtype == np.float32)
        keep = 'true' if attrs.get('keepdims', 1) else 'false'
        return [(REDUCE[op], [0], f'"axis":{one_axis(attrs, arrays)},"keep":{keep}')]
    if op == 'Where':
        return [('where', [0, 1, 2], '')]
    if op == 'Gelu':
        kind = 'gelu_tanh' if attrs.get('approximate') == b'tanh' else 'gelu_erf'
        return [('activation', [0], f'"kind":"{kind}"')]
    if op == 'Softmax':
        return [('softmax', [0], f'"axis":{attrs.get("axis", -1)}')]
    if op == 'Transpose':
        return [('transpose', [0], f'"perm":{ints(attrs["perm"])}' if 'perm' in attrs else '')]
    if op == 'Reshape':
        want(not attrs.get('allowzero') and len(arrays[1]) <= 4)
        return [('reshape', [0], f'"shape":{ints(arrays[1])}')]
    if op == 'Expand':
        return [('expand', [0], f'"shape":{ints(arrays[1])}')]
    if op == 'Concat':
        return [('concat', list(range(len(arrays))), f'"axis":{attrs["axis"]}')]
    if op == 'Slice':
        cuts = slice_attrs(arrays)
        return [('slice', [0 if i == 0 else len(arrays) + i - 1], cut) for i, cut in enumerate(cuts)]
    if op == 'Attention':
        return [('attention', list(range(len(arrays))), attention_attrs(attrs, arrays))]
    raise Skip


def type_of(array):
    want(array.ndim >= 1 and array.ndim <= 4)
    dtype = 'f32' if array.dtype == np.float32 else 'i32'
    return f'{dtype}[{", ".join(str(d) for d in array.shape)}]'


def plain(array):
    """Booleans as i32; a scalar as one element; other types are not ours."""
    if array.dtype == bool:
        array = array.astype(np.int32)
    want(array.dtype in (np.float32, np.int32))
    return array.reshape(1) if array.ndim == 0 else array


def load(path):
    with open(path, 'rb') as file:
        return numpy_helper.to_array(onnx.TensorProto.FromString(file.read()))


def numbers(array):
    return ' '.join('%.9g' % v for v in array.astype(np.float64).ravel())


def shape_after(op, attrs, shape):
    """The shape of an inner slice."""
    found = dict(item.split(':') for item in attrs.replace('"', '').split(','))
    shape = list(shape)
    shape[int(found['axis'])] = len(range(int(found['from']), int(found['to']), int(found['step'])))
    return shape


def convert(folder):
    model = onnx.load(folder + '/model.onnx')
    want(len(model.graph.node) == 1)
    node = model.graph.node[0]
    attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    arrays = [load(f'{folder}/test_data_set_0/input_{i}.pb')
              for i in range(len(glob.glob(folder + '/test_data_set_0/input_*.pb')))]
    want(len(arrays) == len([i for i in node.input if i]))
    expected = plain(load(folder + '/test_data_set_0/output_0.pb'))
    ops = translate(node, attrs, arrays)
    used = sorted({i for _, inputs, _ in ops for i in inputs if i < len(arrays)})
    values = {i: plain(arrays[i]) for i in used}
    size = expected.size + sum(v.size for v in values.values())
    want(0 < min(v.size for v in values.values()))
    want(size <= (LARGEST if node.op_type not in ('Slice', 'Attention') else 5 * LARGEST))
    lines = [f'  input %x{i} : {type_of(v)}' for i, v in values.items()]
    shape = arrays[0].shape
    for number, (op, inputs, text) in enumerate(ops):
        names = ', '.join(f'%x{i}' if i < len(arrays) else f'%{i - len(arrays)}' for i in inputs)
        if op == 'slice':
            shape = shape_after(op, text, shape)
        last = number == len(ops) - 1
        type_text = type_of(expected) if last else f'f32[{", ".join(map(str, shape))}]'
        lines.append(f'  %{number} = {op} "n{number}" ({names}) {{{text}}} : {type_text}'.replace(' {}', ''))
    lines.append(f'  output %{len(ops) - 1}')
    data = [f'x{i} {numbers(v)}' for i, v in values.items()] + [f'result {numbers(expected)}']
    name = os.path.basename(folder)
    return '\n'.join([f'graph "{name}" {{', *lines, '}', *data, ''])


def main():
    cases = []
    for folder in sorted(glob.glob(sys.argv[1] + '/test_*')):
        try:
            cases.append(convert(folder))
        except (Skip, OSError, KeyError, TypeError, ValueError):
            continue
    with open(sys.argv[2], 'w') as file:
        file.write('\n'.join(cases))
    print(len(cases), 'cases')


if __name__ == '__main__':
    main()
