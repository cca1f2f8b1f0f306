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


def case_int8(t):
    """The bounds are those of the issue that asked for int8; simulations of the schemes give 0.0020 and 0.0010."""
    need(os.path.isdir(STORIES), f'no {STORIES}')
    source = os.path.getsize(f'{STORIES}/model.safetensors')
    for recipe, bound in ((PLAIN, 0.0022), (ROTATED, 0.0011)):
        path = t.path('x.pare')
        t('compress', STORIES, '-o', path, '--recipe', write(t.path('r.json'), json.dumps(recipe)), '--no-check',
          '--quiet').exits(0)
        kl = metrics(t, path, STORY_IDS, 60, '--against', STORIES)['kl']['mean']
        check(kl < bound, f'KL {kl}, expected below {bound}')
        check(os.path.getsize(path) < 0.27 * source, f'{os.path.getsize(path)} bytes of {source}')


if __name__ == '__main__':
    main(globals())
