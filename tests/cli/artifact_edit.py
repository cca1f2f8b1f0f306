"""An artifact's head, header and footer as Python values, and back: what tests damage, field by field.

Written from formats/ARTIFACT.md: 64 bytes of head, aligned sections, the deflated JSON header, 64 bytes of
footer.
"""
import hashlib
import json
import struct
import zlib

HEAD, FOOT = 64, 64


class Artifact:
    def __init__(self, data):
        self.data = data
        self.at, self.stored, self.size = struct.unpack_from('<QQQ', data, len(data) - FOOT)
        self.header = json.loads(zlib.decompress(data[self.at:self.at + self.stored]))

    def with_header(self, header, **foot):
        """The artifact with another header (a dict or bytes of its text) under a hash that fits."""
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return self.with_stored(zlib.compress(text), size=len(text), **foot)

    def with_stored(self, packed, **foot):
        """With these bytes in place of the deflated header; foot overrides fields of the footer."""
        values = {'offset': self.at, 'stored': len(packed), 'size': self.size,
                  'hash': hashlib.sha256(packed).digest()} | foot
        return self.data[:self.at] + packed + struct.pack(
            '<QQQ', values['offset'], values['stored'], values['size']) + values['hash'] + b'pare end'

    def with_foot(self, **foot):
        """With fields of the footer changed."""
        return self.with_stored(self.data[self.at:self.at + self.stored], **foot)

    def copy_header(self):
        return json.loads(json.dumps(self.header))

    def flip(self, at):
        """With the byte at this offset (negative: from the end) changed."""
        changed = bytearray(self.data)
        changed[at] ^= 0x41
        return bytes(changed)


def damaged_heads(art):
    """(name, bytes) for each field of head and footer."""
    yield 'head-magic', art.flip(0)
    yield 'head-magic-end', art.flip(7)
    yield 'head-version', art.flip(8)
    yield 'head-zeros', art.flip(40)
    yield 'foot-offset', art.flip(-64)
    yield 'foot-offset-huge', art.with_foot(offset=2**64 - 64)
    yield 'foot-stored', art.flip(-56)
    yield 'foot-stored-huge', art.with_foot(stored=2**63)
    yield 'foot-size', art.flip(-48)
    yield 'foot-size-huge', art.with_foot(size=2**62)
    yield 'foot-hash', art.flip(-40)
    yield 'foot-magic', art.flip(-1)
    yield 'header-byte', art.flip(art.at + art.stored // 2)
    yield 'header-not-deflated', art.with_stored(b'{}' * 40)
    yield 'header-not-json', art.with_header(b'{"schema": ')
    yield 'header-array', art.with_header(b'[]')
    yield 'truncated-half', art.data[:len(art.data) // 2]
    yield 'truncated-head', art.data[:70]
    yield 'truncated-one', art.data[:-1]
    yield 'appended', art.data + b'\0'


# Values that no field of the header may take without notice; a list or an object fits some, and is left out
# there.
WRONG = [None, -1, 2**53, 1.5, '', 'x' * 2000, True, [], {}, [[]]]
# Free text and facts that change nothing about how the weights are read.
FREE = {'licence', 'base_model', 'config', 'generation_config', 'chat_template', 'provenance', 'arch', 'bos',
        'add_bos', 'end', 'context'}


def damaged_headers(art):
    """(name, must_fail, bytes): each member of header and section taken out or given another value."""
    for key in art.header:
        header = art.copy_header()
        del header[key]
        yield f'no-{key}', key not in FREE, art.with_header(header)
        for n, wrong in enumerate(WRONG):
            header = art.copy_header()
            header[key] = wrong
            yield f'{key}-{n}', False, art.with_header(header)
    vocab = art.header['vocab']
    for n, wrong in enumerate((1, vocab - 1, vocab + 1, 2 * vocab, 2**31 - 1)):
        yield f'vocab-wrong-{n}', True, art.with_header(art.header | {'vocab': wrong})
    yield 'bos-outside', True, art.with_header(art.header | {'bos': vocab})
    yield 'end-outside', True, art.with_header(art.header | {'end': [0, vocab]})
    yield from damaged_sections(art)


def damaged_sections(art):
    def changed(index, **members):
        header = art.copy_header()
        header['sections'][index] |= members
        return art.with_header(header)

    section = art.header['sections'][0]
    for key in section:
        header = art.copy_header()
        del header['sections'][0][key]
        yield f'section-no-{key}', True, art.with_header(header)
        for n, wrong in enumerate(WRONG):
            yield f'section-{key}-{n}', False, changed(0, **{key: wrong})
    yield 'section-offset-odd', True, changed(0, offset=section['offset'] + 1)
    yield 'section-offset-outside', True, changed(0, offset=art.at + 64)
    yield 'section-offset-in-head', True, changed(0, offset=0)
    yield 'section-stored-long', True, changed(0, stored=len(art.data), size=len(art.data))
    yield 'section-size-short', True, changed(0, stored=section['stored'] - 1, size=section['size'] - 1)
    yield 'section-bomb', True, changed(0, encoding='deflate', size=2**50)
    yield 'section-encoding', True, changed(0, encoding='zstd')
    yield 'section-not-deflated', True, changed(0, encoding='deflate')
    yield 'section-renamed', True, changed(0, name='weights/none')
    header = art.copy_header()
    header['sections'].append(header['sections'][0])
    yield 'section-twice', True, art.with_header(header)
    header = art.copy_header()
    del header['sections'][0]
    yield 'section-missing', True, art.with_header(header)
