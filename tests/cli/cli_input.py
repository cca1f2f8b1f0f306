"""Bad input: one clear line, the right exit code, nothing written."""
import json
import os

import clitool
from artifact_edit import Artifact, damaged_heads, damaged_headers
from clitool import HELDOUT, check, edit_json, equal, fables, read, tiny, write
from tensor_edit import Tensors, damaged

LONG = 180


def refuse(t, codes, *args):
    """One error line, one of these exit codes; gives the line."""
    result = t(*args).exits(*codes)
    return result.fails(result.code)


def case_safetensors(t):
    model = t.copy_model(tiny('llama'))
    path = os.path.join(model, 'model.safetensors')
    tensors = Tensors(read(path))
    for name, codes, data in damaged(tensors):
        write(path, data)
        line = refuse(t, codes, 'compress', model, '-o', t.path('x.pare'), '--type', 'i8', '--quiet')
        check('model.safetensors' in line or tensors.names()[0] in line, name, line)
        equal(os.listdir(t.folder), ['model'], name)


def case_safetensors_flipped_bits(t):
    """Bits of the header turned over: refused or, where nothing depends on them, accepted; never a crash."""
    model = t.copy_model(tiny('llama'))
    path = os.path.join(model, 'model.safetensors')
    data = read(path)
    for at in range(0, 8 + Tensors(data).header_size, 67):
        write(path, data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1:])
        result = t('inspect', model, '--json').exits(0, 3, 6)
        result.document()


def case_not_finite(t):
    model = t.copy_model(tiny('llama'))
    path = os.path.join(model, 'model.safetensors')
    tensors = Tensors(read(path))
    name = next(n for n in tensors.names() if 'up_proj' in n)
    for value in (float('nan'), float('inf')):
        write(path, tensors.filled(name, value, first_only=True))
        t('compress', model, '-o', t.path('x.pare'), '--type', 'i8', '--quiet', '--no-check').fails(3, name)
    t.nothing_left('model')


def case_shards(t):
    model = t.copy_model(tiny('llama_sharded'))
    index = os.path.join(model, 'model.safetensors.index.json')
    doc = json.loads(read(index))
    name, shard = next(iter(doc['weight_map'].items()))
    for wrong in ('none.safetensors', '../model/' + shard, '/etc/passwd', 7):
        write(index, json.dumps(doc | {'weight_map': doc['weight_map'] | {name: wrong}}))
        refuse(t, (3,), 'inspect', model)
    write(index, '{"weight_map": {}}')
    refuse(t, (3,), 'inspect', model)
    write(index, json.dumps(doc))
    os.unlink(os.path.join(model, shard))
    check(shard in refuse(t, (3,), 'inspect', model))


def case_config_sizes(t):
    model = t.copy_model(tiny('llama'))
    path = os.path.join(model, 'config.json')
    config = read(path)
    keys = ('hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads',
            'num_key_value_heads', 'vocab_size', 'max_position_embeddings', 'head_dim')
    for key in keys:
        for wrong in (0, -1, 2**31, 2**53, 1e300, 1.5, 'many', [], True):
            write(path, config)
            edit_json(path, **{key: wrong})
            large_context = key == 'max_position_embeddings' and wrong == 2**31
            result = t('inspect', model, '--json')
            check(large_context or result.code in (3, 6), key, wrong, result)
            result.document()
    for key in ('rms_norm_eps', 'rope_theta'):
        for wrong in (-1, 'x', 1e999):
            write(path, config)
            write(path, json.dumps(json.loads(config) | {key: wrong}))
            t('inspect', model).exits(0 if key not in config.decode() else 3, 3, 6)


def case_config_text(t):
    model = t.copy_model(tiny('llama'))
    path = os.path.join(model, 'config.json')
    config = read(path)
    for wrong in (b'', b'{', b'[]', b'null', b'{"model_type": 7}', b'{}', b'\xff\xfe', b'[' * 100000):
        write(path, wrong)
        refuse(t, (3, 6), 'inspect', model)
    write(path, config)
    edit_json(path, model_type='mamba', architectures=['MambaForCausalLM'])
    check('mamba' in refuse(t, (6,), 'inspect', model).lower())
    write(path, config)
    edit_json(path, rope_parameters=None, rope_scaling={'rope_type': 'mrope', 'factor': 4.0})
    check('rope_scaling of type "mrope"' in refuse(t, (6,), 'inspect', model))
    edit_json(path, rope_parameters=None, rope_scaling={'rope_type': 'yarn', 'factor': 0.0})
    check('"factor"' in refuse(t, (3,), 'inspect', model))
    write(path, config)
    edit_json(path, hidden_act='snake')
    check('snake' in refuse(t, (6,), 'inspect', model))


def case_tokenizer(t):
    model = t.copy_model(fables())
    path = os.path.join(model, 'tokenizer.json')
    tokenizer = read(path)
    for wrong in (b'', b'{}', b'[]', b'{"model": {"type": "BPE"}}', tokenizer[:len(tokenizer) // 2]):
        write(path, wrong)
        refuse(t, (3, 6), 'tokenize', model, 'Once')
    os.unlink(path)
    for args in (('tokenize', model, 'Once'), ('run', model, '-p', 'Once', '-n', '2'),
                 ('eval', model, '--data', HELDOUT, '--windows', '1')):
        check('tokenizer' in refuse(t, (3,), *args))
    t('run', model, '--ids', '-p', '5 6 7', '-n', '2', '--quiet').exits(0)
    t('compress', model, '-o', t.path('x.pare'), '--type', 'i8', '--quiet').exits(0)


def case_recipes(t):
    path, model, out = t.path('recipe.json'), tiny('llama'), t.path('x.pare')
    steps = '{"schema": "pare.recipe/1", "passes": [%s]}'
    step, prune = steps % '{"pass": "quant_rtn"%s}', steps % '{"pass": "prune_magnitude", "sparsity": %s}'
    bad = {
        '': ('recipe.json',),
        '{': ('recipe.json',),
        '[]': ('recipe.json',),
        '{"schema": "pare.recipe/9", "passes": []}': ('pare.recipe/9',),
        '{"schema": "pare.recipe/1", "passes": [], "pases": []}': ('pases', 'passes'),
        steps % '{"pass": "quant_rnt"}': ('passes[0]', 'quant_rnt', 'quant_rtn'),
        steps % '{}': ('passes[0]', 'pass'),
        steps % '7': ('passes[0]',),
        step % ', "rotat": true': ('passes[0]', 'rotat'),
        step % ', "targets": ["no.such.weight"]': ('passes[0]', 'no.such.weight'),
        prune % '2': ('sparsity', '2'),
        prune % '"x"': ('sparsity',),
    }
    for text, words in bad.items():
        write(path, text)
        code = 3 if text in ('', '{') else 2  # not JSON at all; not a recipe
        for extra in ([], ['--dry-run']):
            t('compress', model, '-o', out, '--recipe', path, '--quiet', *extra).fails(code, *words)
        doc = t('compress', model, '-o', out, '--recipe', path, '--json').exits(code).document()
        equal(doc['error']['code'], 'usage' if code == 2 else 'bad_input')
    t('compress', model, '-o', out, '--recipe', t.path('none.json')).fails(3, 'none.json')
    t.nothing_left('recipe.json')


def case_compress_usage(t):
    model, out = tiny('llama'), t.path('x.pare')
    t('compress', model, '--type', 'i8').fails(2, 'out')
    t('compress', model, '-o', out).fails(2)
    t('compress', model, '-o', out, '--type', 'i9').fails(2, 'i9')
    recipe = write(t.path('r.json'), '{"schema": "pare.recipe/1", "passes": [{"pass": "quant_rtn"}]}')
    t('compress', model, '-o', out, '--type', 'i8', '--recipe', recipe).fails(2)
    t('compress', model, '-o', t.path('no/such/folder/x.pare'), '--type', 'i8', '--quiet').fails(4, 'x.pare')
    t.nothing_left('r.json')


def case_artifact_heads(t):
    art = Artifact(read(t.compress(tiny('llama'), 'good.pare')))
    bad = t.path('bad.pare')
    for name, data in damaged_heads(art):
        write(bad, data)
        codes = (6,) if name == 'head-version' else (3, 6) if name == 'head-magic' else (3,)
        for command in ('inspect', 'verify'):
            line = refuse(t, codes, command, bad)
            check('bad.pare' in line, name, line)


def case_artifact_header_fields(t):
    """Every member of the header changed under a hash that fits: refused where it matters, never a crash. What
    inspect accepts runs and is evaluated too."""
    art = Artifact(read(t.compress(tiny('llama'), 'good.pare')))
    bad = t.path('bad.pare')
    data_file = write(t.path('ids.u16'), bytes(b for i in range(64) for b in (i, 0)))
    uses = (('run', bad, '--ids', '-p', '5 6 7', '-n', '2', '--json'),
            ('eval', bad, '--data', data_file, '--window', '16', '--windows', '1', '--json'))
    for use in uses:
        write(bad, art.data)
        t(*use).exits(0)
    for name, must_fail, data in damaged_headers(art):
        write(bad, data)
        result = t('inspect', bad, '--json')
        check(result.code in ((3, 6) if must_fail else (0, 3, 4, 6)), name, result)
        result.document()
        for use in uses if result.code == 0 else ():
            used = t(*use)
            check(used.code in (0, 2, 3, 4, 6), name, used)
            used.document()


def case_artifact_graph(t):
    """The graph's text against the sections it needs."""
    art = Artifact(read(t.compress(tiny('llama'), 'good.pare')))
    bad = t.path('bad.pare')
    graph = art.header['graph']
    lines = graph.split('\n')
    for n in range(len(lines)):
        write(bad, art.with_header(art.header | {'graph': '\n'.join(lines[:n] + lines[n + 1:])}))
        t('inspect', bad, '--json').exits(0, 3, 6).document()
    changes = (('[', '[9999999999, '), ('32', '33'), ('i8', 'f32'), ('rms_norm', 'no_op'), ('linear', 'add'))
    for old, new in changes:
        write(bad, art.with_header(art.header | {'graph': graph.replace(old, new)}))
        refuse(t, (3, 6), 'inspect', bad)


def case_verify_finds_a_changed_byte(t):
    path = t.compress(tiny('llama'), 'x.pare')
    art = Artifact(read(path))
    t('verify', path).exits(0)
    section = max(art.header['sections'], key=lambda s: s['stored'])
    write(path, art.flip(section['offset'] + section['stored'] // 2))
    t('verify', path).fails(1, section['name'])
    equal(t('verify', path, '--json').exits(1).document()['status'], 'error')


def case_other_files(t):
    files = {'empty': b'', 'text': b'hello\n', 'gguf': b'GGUF\3\0\0\0' + bytes(64), 'zero': bytes(4096)}
    for name, data in files.items():
        line = refuse(t, (3, 6), 'inspect', write(t.path(name), data))
        check(name in line and len(line) < LONG + len(t.folder), line)
    os.mkdir(t.path('folder'))
    refuse(t, (3,), 'inspect', t.path('folder'))
    refuse(t, (3, 6), 'inspect', '/dev/null')


def case_data(t):
    model = fables()
    run = ('eval', model, '--quiet', '--data')
    refuse(t, (3,), *run, t.path('none.txt'))
    refuse(t, (3,), *run, write(t.path('empty.txt'), b''))
    refuse(t, (3,), *run, write(t.path('short.txt'), b'One word.'))
    refuse(t, (3,), *run, write(t.path('odd.u16'), b'\1\0\2'))
    refuse(t, (3,), *run, write(t.path('large.u16'), b'\xff\xff' * 600))
    refuse(t, (3,), *run, write(t.path('x.ids.txt'), b'1 2 three\n'))
    check('--data' in refuse(t, (2,), 'eval', model))
    refuse(t, (2, 3), *run, HELDOUT, '--against', tiny('llama'))
    refuse(t, (2, 3), *run, HELDOUT, '--window', '100000')


if __name__ == '__main__':
    clitool.main(globals())
