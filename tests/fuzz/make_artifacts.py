#!/usr/bin/env python3
"""Makes corpus/artifact anew: `make_artifacts.py PARE`.

Sound artifacts of tiny models, written by the given program; the smallest of them with one field of head,
header, section table or footer changed at a time; and both kinds in the plain form that fuzz_artifact.c
describes.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(os.path.dirname(HERE), 'reference', 'tiny')
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'cli'))
import artifact_edit  # noqa: E402  (found through the line above)

CORPUS = os.path.join(HERE, 'corpus', 'artifact')
MAKE_LLAMA = os.path.join(os.path.dirname(HERE), 'bench', 'make_llama.py')
SMALL = '--dim 32 --layers 1 --ffn 32 --heads 2 --kv-heads 1 --vocab 32 --context 64 --no-tokenizer'.split()
QUANTIZE, FLOATS = '{"pass": "quant_rtn"}', '{"pass": "opt_dce"}'
FINE = '{"pass": "quant_rtn", "type": "i4", "act": "i16"}, {"pass": "quant_kv"}, {"pass": "fuse_glu"}'


def compress(pare, model, step, deflate):
    with tempfile.TemporaryDirectory() as folder:
        recipe, out = os.path.join(folder, 'recipe.json'), os.path.join(folder, 'out.pare')
        with open(recipe, 'w', encoding='utf-8') as file:
            file.write('{"schema": "pare.recipe/1", "deflate": %s, "passes": [%s]}' % (deflate, step))
        subprocess.run([pare, 'compress', model, '-o', out, '--recipe', recipe, '--no-check', '--quiet'],
                       check=True, cwd=folder, stdout=subprocess.DEVNULL)
        with open(out, 'rb') as file:
            return file.read()


def sound_artifacts(pare):
    with tempfile.TemporaryDirectory() as folder:
        small = os.path.join(folder, 'small')
        subprocess.run([sys.executable, MAKE_LLAMA, small, *SMALL], check=True, stdout=subprocess.DEVNULL)
        yield 'small', compress(pare, small, QUANTIZE, 'false')
        yield 'small_deflated', compress(pare, small, QUANTIZE, 'true')
        yield 'small_floats', compress(pare, small, FLOATS, 'true')
        yield 'small_i16', compress(pare, small, FINE, 'true')
    yield 'gpt2', compress(pare, os.path.join(TINY, 'gpt2'), QUANTIZE, 'true')


def plain(art):
    """The form whose header needs no hash: size of the sections, the sections, the header's text."""
    body = art.data[artifact_edit.HEAD:art.at]
    return struct.pack('<I', len(body)) + body + json.dumps(art.header).encode()


def save(name, data):
    with open(os.path.join(CORPUS, name + '.pare'), 'wb') as file:
        file.write(data)


def main():
    os.makedirs(CORPUS, exist_ok=True)
    for name in os.listdir(CORPUS):
        os.unlink(os.path.join(CORPUS, name))
    sound = dict(sound_artifacts(os.path.abspath(sys.argv[1])))
    for name, data in sound.items():
        save(name, data)
        save(name + '_plain', plain(artifact_edit.Artifact(data)))
    art = artifact_edit.Artifact(sound['small'])
    for name, data in artifact_edit.damaged_heads(art):
        save('bad-' + name, data)
    for name, must_fail, data in artifact_edit.damaged_headers(art):
        if must_fail:
            save('bad-' + name, plain(artifact_edit.Artifact(data)))


if __name__ == '__main__':
    main()
