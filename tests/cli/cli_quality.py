"""Quality figures that must not slip: perplexity of real models on real text, and what int8 costs. Need ../shared."""
import json
import os

from clitool import ROOT, check, main, need, write

SHARED = os.path.join(os.path.dirname(ROOT), 'shared')
STORIES, CHEMISTRY = f'{SHARED}/models/tinystories-656k', f'{SHARED}/models/chemts-gpt2_0.5m'
STORY_IDS, MOLECULES = f'{SHARED}/data/tinystories/valid.u16', f'{SHARED}/data/zinc/valid.ids.txt'
ROTATED = {'schema': 'pare.recipe/1', 'passes': [{'pass': 'quant_rtn'}, {'pass': 'quant_kv'}]}
PLAIN = {'schema': 'pare.recipe/1', 'passes': [{'pass': 'quant_rtn', 'rotate': 'off'}, {'pass': 'quant_kv'}]}


def metrics(t, model, data, windows, *options):
    found = t('eval', model, '--data', data, '--windows', str(windows), '--json', '--quiet', *options, timeout=600)
    return found.exits(0).document()['metrics']


def near(found, expected, tolerance):
    check(abs(found - expected) <= tolerance, f'{found}, expected {expected}')


def case_perplexity(t):
    need(os.path.isdir(STORIES), f'no {STORIES}')
    near(metrics(t, STORIES, STORY_IDS, 60)['ppl']['value'], 37.555, 0.001)


def case_documents(t):
    need(os.path.isdir(CHEMISTRY), f'no {CHEMISTRY}')
    near(metrics(t, CHEMISTRY, MOLECULES, 4000)['nll']['value'], 0.620, 0.001)


def kl_of(t, recipe, windows):
    path = t.path('x.pare')
    t('compress', STORIES, '-o', path, '--recipe', write(t.path('r.json'), json.dumps(recipe)), '--no-check',
      '--quiet').exits(0)
    return metrics(t, path, STORY_IDS, windows, '--against', STORIES)['kl']['mean']


def case_activations(t):
    """Of the loss at int8 two fifths are the activations'; of 16 bits they cost what f32 costs, weights alone."""
    need(os.path.isdir(STORIES), f'no {STORIES}')
    fuse = [{'pass': name} for name in ('fuse_glu', 'fuse_linear', 'fuse_residual_norm', 'fuse_norm_quant')]
    recipes = {act: {'schema': 'pare.recipe/1', 'passes': [{'pass': 'quant_rtn', 'act': act}] + fuse}
               for act in ('i8', 'i16', 'f32')}
    kl = {act: kl_of(t, recipe, 20) for act, recipe in recipes.items()}
    check(kl['i16'] < 0.7 * kl['i8'], f'{kl}')
    check(abs(kl['i16'] - kl['f32']) < 0.001 * kl['f32'], f'{kl}')


def case_int8(t):
    """The bounds are those of the issue that asked for int8; simulations of the schemes give 0.0020 and 0.0010."""
    need(os.path.isdir(STORIES), f'no {STORIES}')
    source = os.path.getsize(f'{STORIES}/model.safetensors')
    for recipe, bound in ((PLAIN, 0.0022), (ROTATED, 0.0011)):
        kl, size = kl_of(t, recipe, 60), os.path.getsize(t.path('x.pare'))
        check(kl < bound, f'KL {kl}, expected below {bound}')
        check(size < 0.27 * source, f'{size} bytes of {source}')


if __name__ == '__main__':
    main(globals())
