"""A safetensors file as a header and bytes, and back: what tests damage."""
import json
import struct


class Tensors:
    def __init__(self, data):
        self.data = data
        self.header_size, = struct.unpack_from('<Q', data)
        self.header = json.loads(data[8:8 + self.header_size])
        self.body = data[8 + self.header_size:]

    def names(self):
        return [name for name in self.header if name != '__metadata__']

    def build(self, header=None, body=None):
        """The file with another header (a dict or bytes) or body."""
        header = self.header if header is None else header
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack('<Q', len(text)) + text + (self.body if body is None else body)

    def with_entry(self, name, **members):
        """One tensor's entry changed; None takes a member out."""
        entry = {k: v for k, v in (self.header[name] | members).items() if v is not None}
        return self.build(self.header | {name: entry})

    def filled(self, name, value, first_only=False):
        """One tensor's elements (or the first of them) set to a float."""
        entry = self.header[name]
        code = {'F32': '<f', 'F16': '<e'}.get(entry['dtype'])
        word = struct.pack('<f', value)[2:] if code is None else struct.pack(code, value)
        start, end = entry['data_offsets']
        count = 1 if first_only else (end - start) // len(word)
        return self.build(body=self.body[:start] + word * count + self.body[start + len(word) * count:])


def damaged(tensors):
    """(name, exit codes, bytes): ways a safetensors file can be wrong."""
    data, first = tensors.data, tensors.names()[0]
    entry = tensors.header[first]
    start, end = entry['data_offsets']
    for size in (0, 1, 7, 8, 9, 100, 8 + tensors.header_size, len(data) // 2, len(data) - 1):
        yield f'cut-to-{size}', (3,), data[:size]
    yield 'appended', (3,), data + b'\0\0'
    yield 'header-size-zero', (3,), struct.pack('<Q', 0) + data[8:]
    yield 'header-size-huge', (3,), struct.pack('<Q', 2**63 - 1) + data[8:]
    yield 'header-size-large', (3,), struct.pack('<Q', 99999999) + data[8:]
    yield 'header-not-json', (3,), tensors.build(b'{"a": ')
    yield 'header-array', (3,), tensors.build(b'[1, 2]')
    yield 'header-not-utf8', (3,), tensors.build(b'{"\xff": 1}')
    yield 'offset-past-end', (3,), tensors.with_entry(first, data_offsets=[start, len(tensors.body) + 8])
    yield 'offset-backwards', (3,), tensors.with_entry(first, data_offsets=[end, start])
    yield 'offset-negative', (3,), tensors.with_entry(first, data_offsets=[-8, end])
    yield 'offset-huge', (3,), tensors.with_entry(first, data_offsets=[0, 2**62])
    yield 'offset-missing', (3,), tensors.with_entry(first, data_offsets=None)
    yield 'shape-huge', (3,), tensors.with_entry(first, shape=[2**40, 2**40])
    yield 'shape-negative', (3,), tensors.with_entry(first, shape=[-1, -1])
    yield 'shape-deep', (3,), tensors.with_entry(first, shape=[1] * 1000)
    yield 'shape-other', (3,), tensors.with_entry(first, shape=[s + 1 for s in entry['shape']])
    yield 'shape-missing', (3,), tensors.with_entry(first, shape=None)
    yield 'dtype-unknown', (3, 6), tensors.with_entry(first, dtype='Q9')
    yield 'dtype-wider', (3,), tensors.with_entry(first, dtype='F64')
    yield 'tensor-missing', (3,), _without(tensors, first)


def _without(tensors, name):
    """Without one tensor, and with its bytes given to a tensor nobody asks for, so that there is no gap."""
    header = dict(tensors.header)
    header['somebody.else'] = header.pop(name)
    return tensors.build(header)
