"""What each command does on sound input: run, eval, bench, diff, inspect, tokenize, verify, compress."""
import csv
import io
import json
import os
import re

import clitool
from clitool import HELDOUT, ROOT, check, equal, fables, is_number, read, tiny, write

WINDOWS = ('--windows', '2', '--window', '64')
CHECK = ('--data', HELDOUT, *WINDOWS)
TINY_CASES = ('llama', 'llama_tied_head_only', 'llama_biases', 'llama_sharded', 'mistral_no_window', 'qwen2',
              'qwen3', 'phi3_longrope_partial', 'gpt2')


def case_compress_report(t):
    path = t.path('x.pare')
    result = t('compress', fables(), '-o', path, '--type', 'i8', *CHECK, '--json').exits(0)
    doc = result.document()
    for key in ('input', 'output', 'recipe', 'calibration', 'passes', 'fallbacks', 'eval', 'gates'):
        check(key in doc, f'no "{key}"')
    equal(doc['output']['bytes'], os.path.getsize(path))
    names = [p['name'] for p in doc['passes']]
    check('quant_rtn' in names, names)
    for entry in doc['passes']:
        check({'seconds', 'before', 'after', 'error', 'skipped', 'patterns'} <= set(entry), entry)
        for found in entry['patterns']:
            check(found['applied'] == (found['reason'] is None) and found['where'] and found['pattern'], found)
    check(any(p['applied'] for p in doc['passes'][names.index('fuse_glu')]['patterns']), doc['passes'])
    quantized = doc['passes'][names.index('quant_rtn')]
    check(0 < quantized['error'] < 0.05, quantized)
    check(quantized['after']['bytes'] < 0.6 * quantized['before']['bytes'], quantized)
    check(0 <= doc['eval']['metrics']['kl']['mean'] < 0.05, doc['eval'])


def case_compress_text(t):
    result = t('compress', fables(), '-o', t.path('x.pare'), '--type', 'i8', *CHECK).exits(0)
    out = result.out.decode()
    check('quant_rtn' in out and 'KL' in out, out)
    check('gate and up: 4 applied' in out and ': its input is no sum\n' in out, out)


def case_closing_check_without_data(t):
    doc = t('compress', tiny('llama'), '-o', t.path('x.pare'), '--type', 'i8', '--json').exits(0).document()
    check(doc['eval']['metrics']['kl']['mean'] >= 0 and doc['eval']['data']['path'] is None, doc['eval'])


def case_tiny_models(t):
    """Every family: inspect, compress, verify, run."""
    for name in TINY_CASES:
        model = tiny(name)
        before = t('inspect', model, '--json').exits(0).document()
        path = t.compress(model, name + '.pare')
        after = t('inspect', path, '--json').exits(0).document()
        equal(after['totals']['params'], before['totals']['params'], name)
        equal(after['totals']['macs_per_token'], before['totals']['macs_per_token'], name)
        t('verify', path).exits(0)
        result = t('run', path, '--ids', '-p', '5 6 7 8', '-n', '6', '--ignore-end', '--json')
        doc = result.exits(0).document()
        equal((doc['prompt_tokens'], doc['tokens'], len(doc['ids'])), (4, 6, 6), name)


def case_prune(t):
    recipe = write(t.path('r.json'), json.dumps({'schema': 'pare.recipe/1', 'passes': [
        {'pass': 'prune_magnitude', 'sparsity': 0.5}, {'pass': 'quant_rtn'}]}))
    result = t('compress', fables(), '-o', t.path('x.pare'), '--recipe', recipe, '--no-check', '--json')
    pruned = result.exits(0).document()['passes'][0]
    check(pruned['after']['zeros'] > 0.3 * pruned['after']['params'], pruned)


def case_run(t):
    text = t('run', fables(), '-p', 'Once upon a time', '-n', '20', '--quiet').exits(0).out.decode()
    check(len(text) > 20 and text.endswith('\n'), repr(text))
    doc = t('run', fables(), '-p', 'Once upon a time', '-n', '20', '--json').exits(0).document()
    check(text.startswith(doc['text']) or text == doc['text'] + '\n', doc['text'], text)
    check(doc['finish'] in ('length', 'end_token', 'context'), doc['finish'])
    prompt = write(t.path('prompt.txt'), 'Once upon a time')
    equal(t('run', fables(), '--file', prompt, '-n', '20', '--quiet').exits(0).out.decode(), text)
    t('run', fables(), '--file', prompt, '-p', 'x').fails(2, '--file')


def case_run_lengths(t):
    doc = t('run', fables(), '-p', 'Once', '-n', '0', '--json').exits(0).document()
    equal((doc['tokens'], doc['text'], doc['finish']), (0, '', 'length'))
    result = t('run', tiny('llama'), '--ids', '-p', '5', '-n', '1000', '--ignore-end', '--json').exits(0)
    equal(result.document()['finish'], 'context')
    t('run', tiny('llama'), '--ids', '-p', ' '.join(['5'] * 200), '-n', '1').fails(2, '--prompt')
    t('run', tiny('llama'), '--ids', '-p', '5 99999', '-n', '1').fails(3, '99999')
    t('run', tiny('llama'), '--ids', '-p', '5 x', '-n', '1').fails(3)


def case_run_sampling(t):
    run = ('run', fables(), '-p', 'Once upon a time', '-n', '30', '--quiet', '--temperature', '1.2')
    seeds = [t(*run, '--seed', str(seed)).exits(0).out for seed in (1, 1, 2, 3)]
    equal(seeds[0], seeds[1])
    check(len(set(seeds)) > 1, 'three seeds, one text')
    greedy = t('run', fables(), '-p', 'Once upon a time', '-n', '30', '--quiet').exits(0).out
    for narrow in (('--top-k', '1'), ('--top-p', '0.000001'), ('--min-p', '1')):
        equal(t(*run, *narrow).exits(0).out, greedy, narrow)


def case_eval(t):
    run = ('eval', fables(), '--data', HELDOUT, *WINDOWS)
    doc = t(*run, '--json').exits(0).document()
    metrics = doc['metrics']
    check(1 < metrics['ppl']['value'] < 60, metrics)
    for name in ('ppl', 'nll', 'bits_per_byte'):
        check(is_number(metrics[name]['value']) and is_number(metrics[name]['stderr']), name, metrics)
    equal((doc['protocol']['window'], doc['protocol']['stride'], doc['protocol']['score_from']), (64, 64, 32))
    equal(doc['data']['scored'], 2 * 31)
    text = t(*run).exits(0).out.decode()
    check('%.3f' % metrics['ppl']['value'] in text, text)
    same = t(*run, '--against', fables(), '--json').exits(0).document()['metrics']
    equal((same['kl']['mean'], same['kl']['max'], same['top1']['value']), (0, 0, 1))
    equal(same['ppl'], metrics['ppl'])


def case_eval_protocol(t):
    run = ('eval', fables(), '--data', HELDOUT, '--json')
    protocol = ('--window', '40', '--stride', '20', '--score-from', '10', '--windows', '3')
    doc = t(*run, *protocol).exits(0).document()
    equal((doc['protocol']['windows'], doc['data']['scored']), (3, 3 * 29))
    ids = t('tokenize', fables(), '--file', HELDOUT, '--no-special').exits(0).out
    numbers = list(map(int, ids.split()))[:400]
    raw = write(t.path('x.u16'), b''.join(n.to_bytes(2, 'little') for n in numbers))
    wide = write(t.path('x.u32'), b''.join(n.to_bytes(4, 'little') for n in numbers))
    results = [t('eval', fables(), '--data', path, *WINDOWS, '--json').exits(0).document()['metrics']['nll']
               for path in (raw, wide)]
    equal(results[0], results[1])
    lines = write(t.path('x.ids.txt'), '1 2 3 4\n5 6 7\n')
    doc = t('eval', fables(), '--data', lines, '--json').exits(0).document()
    equal((doc['protocol']['documents'], doc['protocol']['windows'], doc['data']['scored']), (True, 2, 5))


def case_bench(t):
    run = ('bench', tiny('llama'), '-p', '16', '-n', '8', '-r', '2')
    check('avg t/s' in t(*run).exits(0).out.decode())
    tests = json.loads(t(*run, '-o', 'json').exits(0).out)
    equal([(x['n_prompt'], x['n_gen']) for x in tests], [(16, 0), (0, 8)])
    for x in tests:
        check(x['avg_ts'] > 0 and len(x['samples_ts']) == 2, x)
    equal(len(t(*run, '--json').exits(0).document()['tests']), 2)


def case_bench_field_names(t):
    run = ('bench', tiny('llama'), '-p', '16', '-n', '8', '-r', '3', '-t', '1', '--quiet')
    tests = json.loads(t(*run, '-o', 'json').exits(0).out)
    rows = list(csv.DictReader(io.StringIO(t(*run, '-o', 'csv').exits(0).out.decode())))
    equal(len(rows), len(tests))
    for row, test in zip(rows, tests):
        equal(list(row), [key for key in test if not key.startswith('samples_')])
        equal((row['n_prompt'], row['model_filename']), (str(test['n_prompt']), tiny('llama')))
        tokens = test['n_prompt'] + test['n_gen']
        for rate, time in zip(test['samples_ts'], test['samples_ns']):
            check(abs(rate - tokens / time * 1e9) < 1e-3 * rate, rate, time)
        equal(test['median_ts'], sorted(test['samples_ts'])[1])
        check(abs(test['avg_ns'] - sum(test['samples_ns']) / 3) < 2, test)
        check(re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', test['test_time']), test['test_time'])
        for key in ('cpu_info', 'isa', 'model_type', 'type_k'):
            check(test[key], key)
    markdown = t(*run, '-o', 'md').exits(0).out.decode().split('\n')
    check(markdown[1].startswith('|---') and '| pp16 |' in markdown[2] and '| tg8 |' in markdown[3], markdown)


def case_bench_runs_every_combination(t):
    found = t('bench', tiny('llama'), '-p', '4,8', '-n', '2', '-n', '3,0', '--pg', '5,2', '-d', '0,6', '-b', '1,3',
              '-t', '1,2', '-r', '1', '-o', 'json', '--quiet').exits(0)
    got = [tuple(x[key] for key in ('n_threads', 'n_depth', 'n_prompt', 'n_gen', 'n_seqs'))
           for x in json.loads(found.out)]
    tests = [(4, 0, 1), (8, 0, 1), *((0, n, b) for n in (2, 3) for b in (1, 3)), (5, 2, 1), (5, 2, 3)]
    equal(got, [(threads, depth, *x) for threads in (1, 2) for depth in (0, 6) for x in tests])


def case_bench_refusals(t):
    t('bench', tiny('llama'), '-p', '0', '-n', '0,0').fails(2, '--n-gen', 'nothing to measure')
    t('bench', tiny('llama'), '--pg', '1,2,3').fails(2, '--pg', 'pairs')
    t('bench', tiny('llama'), '-d', '100000').fails(2, '--n-depth')
    t('bench', tiny('llama'), '-t', '1,x').fails(2, '--threads', 'x')
    t('bench', tiny('llama'), '-t', '').fails(2, '-t')
    t('bench', tiny('llama'), '-p', '1.5').fails(2, '--n-prompt', '1.5')
    t('bench', tiny('llama'), '-b', '513').fails(2, '--sequences', '[1, 512]')
    for wrong in ('', ',', '1,,2', '1,', ',1'):
        t('bench', tiny('llama'), '-p', wrong).fails(2, '-p', f'"{wrong}"', 'list')
    for wrong in (('-p', '1,x'), ('-p', '0', '-n', '0'), ('--pg', '1'), ('-d', '-1')):
        check('none.pare' not in t('bench', t.path('none.pare'), *wrong).fails(2), 'the model was opened first')


def case_inspect_plan(t):
    run = ('inspect', t.compress(fables(), 'x.pare'), '--plan', '--tokens', '32', '--context', '64', '--sequences',
           '3', '--threads', '2')
    plan = t(*run, '--json').exits(0).document()['plan']
    equal([plan[key] for key in ('tokens', 'context', 'sequences', 'threads')], [32, 64, 3, 2])
    memory = plan['memory']
    parts = ('activation', 'scratch', 'cache', 'table', 'vector', 'schedule')
    equal(memory['total_bytes'], sum(memory[f'{part}_bytes'] for part in parts))
    regions, ends = plan['regions'], [r['offset'] + r['bytes'] for r in plan['regions']]
    equal(max(ends), memory['activation_bytes'])
    equal(sum(r['bytes'] for r in regions), memory['unshared_activation_bytes'])
    check(memory['activation_bytes'] < memory['unshared_activation_bytes'] / 3, memory)
    check(plan['proof']['pairs_apart'] > 0 and plan['proof']['pairs_in_place'] > 0, plan['proof'])
    written = [n for stage in plan['stages'] for step in stage['steps'] for n in step['writes']]
    equal(sorted(written), list(range(len(regions))))
    kernels = {step['kernel'] for stage in plan['stages'] for step in stage['steps']}
    check({'linear_i8', 'quant_row', 'attention_i8'} <= kernels, kernels)
    text = t(*run).exits(0).out.decode()
    check('planned peak' in text and str(memory['total_bytes']) in text and 'stage 0, row by row' in text, text)
    t(*run[:3], '--context', '100000').fails(2, 'context')


def case_inspect_refusals(t):
    for option in (('--tokens', '8'), ('--context', '64'), ('--sequences', '1'), ('--no-fuse',), ('--fuse',)):
        t('inspect', tiny('llama'), *option).fails(2, option[0].replace('no-', ''), '--plan')
        t('inspect', tiny('llama'), '--graph', *option).fails(2, '--plan')
        t('inspect', tiny('llama'), '--plan', '--no-plan', *option).fails(2, '--plan')
        t('inspect', tiny('llama'), *option, '--plan').exits(0)
        t('inspect', tiny('llama'), *option, '--help').exits(0)
    ways = ('--tensors',), ('--graph',), ('--plan',), ('--tensor', '*')
    for i, way in enumerate(ways):
        t('inspect', tiny('llama'), *way, *ways[i - 1]).fails(2, 'at most one', way[0])


def case_inspect(t):
    doc = t('inspect', fables(), '--json').exits(0).document()
    shapes = doc['tensors']
    equal(sum(x['params'] for x in shapes), doc['totals']['params'])
    equal(sum(x['bytes'] for x in shapes), doc['totals']['bytes'])
    equal(doc['encodings']['f16']['bytes'], doc['totals']['bytes'])
    check(doc['provenance'] is None and doc['tokenizer'], doc['tokenizer'])
    one = shapes[0]['name']
    text = t('inspect', fables(), '--tensor', one).exits(0).out.decode()
    check(one in text, text)
    t('inspect', fables(), '--tensor', 'no.such.tensor').exits(2, 3)
    text = t('inspect', fables(), '--graph').exits(0).out.decode()
    check(text.startswith('graph '), text[:60])
    artifact = t.compress(fables(), 'x.pare')
    after = t('inspect', artifact, '--json').exits(0).document()
    made = after['provenance']
    check(made['recipe']['passes'] and made['sources'][0]['sha256'], made)
    check('i8' in after['encodings'], after['encodings'])
    t('inspect', artifact).exits(0)


def case_diff(t):
    first = t.compress(fables(), 'a.pare')
    equal(t('diff', first, first, '--json').exits(0).document()['differing'], 0)
    doc = t('diff', fables(), first, '--json').exits(1).document()
    check(doc['differing'] > 0 and doc['compared'] >= doc['differing'], doc)
    t('diff', fables(), first, '--tolerance', '0.1').exits(0)
    check('differ' in t('diff', fables(), first).exits(1).out.decode())
    t('diff', fables(), tiny('llama')).exits(1)


def case_tokenize(t):
    text = 'Once upon a time, Lily had a fox. "Ça va?" \U0001f98a\n\ttabs  and   spaces'
    ids = t('tokenize', fables(), text, '--no-special').exits(0).out.decode().split()
    equal(t('tokenize', fables(), '--decode', ' '.join(ids)).exits(0).out.decode('utf-8'), text + '\n')
    doc = t('tokenize', fables(), text, '--no-special', '--json').exits(0).document()
    equal(list(map(str, doc['ids'])), ids)
    artifact = t.compress(fables(), 'x.pare')
    equal(t('tokenize', artifact, text, '--no-special').exits(0).out.decode().split(), ids)
    result = t('tokenize', fables(), text, '--no-special', '--pieces').exits(0)
    lines = result.out.decode().strip('\n').split('\n')
    equal([line.split('\t')[0] for line in lines], ids)
    file = write(t.path('bad.txt'), b'\xff\xfe caf\xc3 \xed\xa0\x80 \x00 end')
    broken = t('tokenize', fables(), '--file', file, '--json').exits(0).document()['ids']
    check(t('tokenize', fables(), '--decode', ' '.join(map(str, broken))).exits(0).out.decode('utf-8'))
    equal(t('tokenize', fables(), '', '--no-special').exits(0).out, b'\n')
    t('tokenize', fables()).fails(2)


def case_verify(t):
    path = t.compress(fables(), 'x.pare')
    doc = t('verify', path, '--json').exits(0).document()
    check(doc['hashed_bytes'] > 0.9 * len(read(path)) * 0.9, doc)
    t('verify', fables()).fails(3, 'fables')


def case_quiet_and_progress(t):
    result = t('compress', fables(), '-o', t.path('x.pare'), '--type', 'i8', '--quiet', *CHECK)
    equal(result.exits(0).err, '')
    result = t('compress', fables(), '-o', t.path('x.pare'), '--type', 'i8', *CHECK).exits(0)
    check('\x1b' not in result.err + result.out.decode(), 'colours in a pipe', result)
    check('\r' not in result.err, 'a bar in a pipe', result)


def provenance(t, artifact):
    return t('inspect', artifact, '--no-measure', '--json').exits(0).document()['provenance']


def case_provenance_says_what_ran(t):
    """Of a recipe that was cut short, only what ran; of a compressed artifact, also where that came from."""
    recipe, first, second = f'{ROOT}/examples/recipes/prune50-int8.json', t.path('a.pare'), t.path('b.pare')
    t('compress', fables(), '-o', first, '--recipe', recipe, '--stop-after', 'prune_magnitude', '--no-check',
      '--quiet').exits(0)
    equal([p['pass'] for p in provenance(t, first)['recipe']['passes']], ['prune_magnitude'])
    t('compress', first, '-o', second, '--type', 'i8', '--deflate', '--no-check', '--quiet').exits(0)
    told = provenance(t, second)
    equal(told['recipe']['deflate'], True)
    equal(told['from'], provenance(t, first))


def case_broken_stdout(t):
    """A reader that goes away, or a full disk, ends the run with one line."""
    with open('/dev/full', 'wb') as full:
        t('run', fables(), '-p', 'One day', '-n', '50', '--quiet', stdout=full).fails(4, 'stdout', silent=False)


def case_bench_many_sequences(t):
    t('bench', fables(), '-p', '0', '-n', '4', '-b', '64', '-r', '1', '--quiet').exits(0)


def case_one_window_gives_no_bound(t):
    found = t('eval', fables(), '--against', fables(), '--data', HELDOUT, '--windows', '1', '--gate',
              'kl.mean<=5', '--quiet')
    found.fails(1, 'more data', silent=False)


if __name__ == '__main__':
    clitool.main(globals())
