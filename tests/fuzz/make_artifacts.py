#!/usr/bin/env python3
"""Makes corpus/artifact anew: `make_artifacts.py PARE`.

Three sound artifacts of tiny models, written by the given program, and the first with one field changed at a time. Only
the head and the header matter to the reader, so the damaged ones stay small enough to commit: one file a field.
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(os.path.dirname(HERE), 'reference', 'tiny')
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'cli'))
import artifact_edit  # noqa: E402  (found through the line above)

CORPUS = os.path.join(HERE, 'corpus', 'artifact')
SOUND = {'llama_i8': ('llama_odd_sizes', '{"pass": "quant_rtn"}', False),
         'gpt2_deflated': ('gpt2', '{"pass": "quant_rtn"}', True),
         'qwen3_float': ('qwen3', '{"pass": "opt_dce"}', True)}
KEPT = ('-0', '-1', '-2', '-5', '-7')  # of the values a header field is given


def compress(pare, model, step, deflate):
    with tempfile.TemporaryDirectory() as folder:
        recipe, out = os.path.join(folder, 'recipe.json'), os.path.join(folder, 'out.pare')
        with open(recipe, 'w', encoding='utf-8') as file:
            file.write('{"schema": "pare.recipe/1", "deflate": %s, "passes": [%s]}' % (str(deflate).lower(), step))
        subprocess.run([pare, 'compress', os.path.join(TINY, model), '-o', out, '--recipe', recipe, '--no-check',
                        '--quiet'], check=True, cwd=folder)
        with open(out, 'rb') as file:
            return file.read()


def save(name, data):
    with open(os.path.join(CORPUS, name + '.pare'), 'wb') as file:
        file.write(data)


def main():
    os.makedirs(CORPUS, exist_ok=True)
    for name in os.listdir(CORPUS):
        os.unlink(os.path.join(CORPUS, name))
    sound = {name: compress(os.path.abspath(sys.argv[1]), *what) for name, what in SOUND.items()}
    for name, data in sound.items():
        save(name, data)
    art = artifact_edit.Artifact(sound['gpt2_deflated'])
    for name, data in artifact_edit.damaged_heads(art):
        save('bad-' + name, data)
    for name, must_fail, data in artifact_edit.damaged_headers(art):
        if must_fail or name.endswith(KEPT):
            save('bad-' + name, data)


if __name__ == '__main__':
    main()
