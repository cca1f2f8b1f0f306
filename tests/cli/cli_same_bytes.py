"""The same inputs give the same bytes: from run to run, at any thread count, on any instruction set."""
import json

import clitool
from clitool import HELDOUT, check, equal, fables, read, tiny, write

WAYS = (('--threads', '1'), ('--threads', '2'), ('--threads', '7'), ('--cpu', 'scalar', '--threads', '1'),
        ('--cpu', 'native', '--threads', '2'))
PRUNE = ('{"schema": "pare.recipe/1", "deflate": true, "passes": ['
         '{"pass": "prune_magnitude", "sparsity": 0.5}, {"pass": "quant_rtn"}]}')


def case_artifacts(t):
    recipe = write(t.path('prune.json'), PRUNE)
    for model in (fables(), tiny('gpt2'), tiny('llama_odd_sizes'), tiny('qwen3'), tiny('phi3_longrope')):
        for options in (('--type', 'i8'), ('--recipe', recipe)):
            found = set()
            for way in WAYS:
                t('compress', model, '-o', t.path('x.pare'), *options, *way, '--no-check', '--quiet').exits(0)
                found.add(read(t.path('x.pare')))
            equal(len(found), 1, 'different artifacts of', model, options)


def case_artifact_does_not_name_the_folder(t):
    """A model compressed from two places gives one artifact."""
    first, second = t.copy_model(tiny('llama'), 'a'), t.copy_model(tiny('llama'), 'b')
    equal(read(t.compress(first, 'a.pare')), read(t.compress(second, 'b.pare')))


def measured(doc):
    """Without what may differ from run to run."""
    return json.dumps({key: doc[key] for key in ('protocol', 'metrics', 'data')}, sort_keys=True)


def case_metrics(t):
    artifact = t.compress(fables(), 'x.pare')
    run = ('eval', artifact, '--against', fables(), '--data', HELDOUT, '--windows', '1', '--window', '48',
           '--json')
    found = {measured(t(*run, *way).exits(0).document()) for way in WAYS}
    equal(len(found), 1, 'metrics that differ', found)


def case_text(t):
    artifact = t.compress(fables(), 'x.pare')
    for model in (artifact, fables()):
        for sampling in ((), ('--temperature', '0.9', '--top-k', '40', '--seed', '5')):
            run = ('run', model, '-p', 'Once upon a time', '-n', '24', '--quiet', *sampling)
            found = {t(*run, *way).exits(0).out for way in WAYS}
            equal(len(found), 1, 'texts that differ', found)


def case_fused_and_not(t):
    """Fusions change no bit: neither of a graph without them, nor written into an artifact or not."""
    steps = ('{"pass": "quant_rtn", "type": "TYPE"}, {"pass": "quant_kv"}, {"pass": "opt_dce"}')
    for model in (fables(), tiny('gpt2'), tiny('qwen3')):
        for kind in ('i8', 'i4'):
            recipe = write(t.path('plain.json'), '{"schema": "pare.recipe/1", "passes": [%s]}'
                           % steps.replace('TYPE', kind))
            t('compress', model, '-o', t.path('plain.pare'), '--recipe', recipe, '--no-check', '--quiet').exits(0)
            run = ('run', t.path('plain.pare'), '--ids', '-p', '1 2 3 4 5 6 7', '-n', '24', '--quiet')
            equal(t(*run).exits(0).out, t(*run, '--no-fuse').exits(0).out)
    artifact = t.compress(fables(), 'fused.pare')
    t('compress', fables(), '-o', t.path('plain.pare'), '--no-check', '--quiet', '--recipe',
      write(t.path('plain.json'), '{"schema": "pare.recipe/1", "passes": [%s]}' % steps.replace('TYPE', 'i8'))).exits(0)
    run = ('--data', HELDOUT, '--windows', '1', '--window', '48', '--json')
    found = {measured(t('eval', *way, *run).exits(0).document())
             for way in ((artifact,), (t.path('plain.pare'),), (t.path('plain.pare'), '--no-fuse'))}
    equal(len(found), 1, 'metrics that differ', found)


def case_recompressed_artifact(t):
    """Nothing is lost by a way through an artifact of floats."""
    there = t.path('f16.pare')
    t('compress', fables(), '-o', there, '--type', 'f16', '--no-check', '--quiet').exits(0)
    t('diff', fables(), there).exits(0)
    t('compress', there, '-o', t.path('i8.pare'), '--type', 'i8', '--no-check', '--quiet').exits(0)
    t.compress(fables(), 'direct.pare')
    t('diff', t.path('i8.pare'), t.path('direct.pare')).exits(0)


def case_deflated_and_raw(t):
    raw, small = t.path('raw.pare'), t.path('small.pare')
    t('compress', fables(), '-o', raw, '--type', 'i8', '--no-check', '--quiet').exits(0)
    t('compress', fables(), '-o', small, '--type', 'i8', '--deflate', '--no-check', '--quiet').exits(0)
    check(len(read(small)) < len(read(raw)), 'deflating made nothing smaller')
    t('diff', raw, small).exits(0)


if __name__ == '__main__':
    clitool.main(globals())
