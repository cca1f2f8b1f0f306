"""`pare run` with many prompts, and with guesses: the output is that of one prompt, run plainly."""
import json

import clitool
from artifact_edit import Artifact
from clitool import check, equal, fables, is_number, read, tiny, write

REPEATS = 'The fox saw a lion. The fox saw a lion. The fox saw a'
PROMPTS = ['Once upon a time', 'The fox', 'One day the lion said', 'Once upon a time there was', 'x']
SAMPLED = ('--temperature', '0.9', '--top-p', '0.95', '--repeat-penalty', '1.1')


def alone(t, prompt, *options):
    return t('run', fables(), '-p', prompt, '-n', '20', '--json', *options).exits(0).document()


def case_prompts(t):
    """Any number at once: each text is that of the prompt alone, in the order of the file."""
    path = write(t.path('p.txt'), '\n'.join(PROMPTS[:2] + ['', '  '] + PROMPTS[2:]))
    for options in ((), SAMPLED):
        expected = [alone(t, prompt, *options) for prompt in PROMPTS]
        for parallel in ('0', '1', '3', '4096'):
            run = ('run', fables(), '--prompts', path, '-n', '20', '--parallel', parallel, *options)
            doc = t(*run, '--json').exits(0).document()
            equal([r['line'] for r in doc['results']], [1, 2, 5, 6, 7])
            for found, one in zip(doc['results'], expected):
                for key in ('text', 'ids', 'finish', 'prompt_tokens', 'tokens'):
                    equal(found[key], one[key], key, parallel, options)
            equal(doc['tokens'], sum(one['tokens'] for one in expected))
            equal(doc['prompt_tokens'], sum(one['prompt_tokens'] for one in expected))
            equal(doc['parallel'], {'0': 5, '1': 1, '3': 3, '4096': 5}[parallel])
            check(is_number(doc['generate_seconds']) and doc['steps'] >= 20, doc)
            text = t(*run, '--quiet').exits(0).out.decode()
            parts = [f'==> {path}:{r["line"]} <==\n{r["text"]}\n' for r in doc['results']]
            equal(text, '\n'.join(parts))


def case_prompts_json_lines(t):
    lines = [{'prompt': 'The fox\nsaw'}, {'prompt': 'Once', 'tokens': 3},
             {'prompt': 'Once', 'temperature': 1.5, 'seed': 5, 'top-k': 9}]
    path = write(t.path('p.jsonl'), '\n'.join(map(json.dumps, lines)) + '\n\n')
    results = t('run', fables(), '--prompts', path, '-n', '20', '--json').exits(0).document()['results']
    equal(results[0]['text'], alone(t, 'The fox\nsaw')['text'])
    equal(results[1]['ids'], alone(t, 'Once')['ids'][:3])
    options = ('--temperature', '1.5', '--seed', '5', '--top-k', '9')
    equal(results[2]['text'], alone(t, 'Once', *options)['text'])


def case_prompts_ids(t):
    path = write(t.path('p.ids'), '5 6 7\r\n8,9\n')
    run = ('run', tiny('llama'), '--ids', '-n', '6', '--ignore-end')
    doc = t(*run, '--prompts', path, '--json').exits(0).document()
    for ids, found in zip(('5 6 7', '8 9'), doc['results']):
        equal(found['ids'], t(*run, '-p', ids, '--json').exits(0).document()['ids'])


def case_prompts_share(t):
    """The common beginning is computed once."""
    start = ' '.join(['One day the lion and the fox met the duck.'] * 12)
    path = write(t.path('p.txt'), '\n'.join(f'{start} The {who}' for who in ('fox', 'lion', 'duck')))
    doc = t('run', fables(), '--prompts', path, '-n', '5', '--json').exits(0).document()
    reused = [r['reused_tokens'] for r in doc['results']]
    check(reused[0] == 0 and min(reused[1:]) > 60, reused)
    equal(doc['reused_tokens'], sum(reused))


def case_prompts_lookup(t):
    path = write(t.path('p.txt'), '\n'.join([REPEATS, *PROMPTS]))
    for options in (('--ignore-end', '-n', '60'), (*SAMPLED, '-n', '60')):
        run = ('run', fables(), '--prompts', path, '--parallel', '3', '--json', *options)
        plain, guessed = t(*run).exits(0).document(), t(*run, '--lookup', '--ngram', '3').exits(0).document()
        equal([r['ids'] for r in guessed['results']], [r['ids'] for r in plain['results']], options)
        figures = guessed['speculation']
        check(0 <= figures['accepted'] <= figures['guessed'] and 'speculation' not in plain, figures)
        if options[0] == '--ignore-end':
            check(figures['accepted'] > 0 and guessed['steps'] < plain['steps'], guessed['steps'], figures)


def case_prompts_refused(t):
    path = write(t.path('p.txt'), 'Once\n')
    run = ('run', fables(), '--prompts')
    t(*run, path, '-p', 'x').fails(2, '--prompts')
    t(*run, path, '-f', path).fails(2, '--prompts')
    t(*run, path, '--draft', fables()).fails(2, '--draft', '--prompts')
    t('run', fables(), '-p', 'x', '--parallel', '2').fails(2, '--parallel', '--prompts')
    t(*run, path, '--parallel', '5000').fails(2, '--parallel')
    t(*run, t.path('none.txt')).fails(3, 'none.txt')
    t(*run, write(t.path('empty.txt'), '\n \n')).fails(3, 'empty.txt', 'no prompts')
    t(*run, write(t.path('long.txt'), 'Once\n' + 'fox ' * 9000)).fails(3, 'long.txt:2', 'context')
    t(*run, path, '--context', '1').fails(3, 'p.txt:1', 'the context is 1')
    t('run', fables(), '-p', 'Once', '--context', '1').fails(2, '--prompt', 'the context is 1')
    for line, words in (('{"prompt":"x","token":3}', ('tokens',)), ('{"tokens":3}', ('no "prompt"',)),
                        ('{"prompt":"x","temperature":-1}', ('temperature',)), ('["x"]', ('object',)),
                        ('{"prompt":5}', ('prompt',)), ('{"prompt":"x"', ()), ('{"prompt":null}', ('prompt',))):
        bad = write(t.path('bad.jsonl'), '{"prompt":"Once"}\n' + line + '\n')
        t(*run, bad).fails(3, 'bad.jsonl:2', *words)
    ids = write(t.path('p.ids'), '5\n6 x\n')
    t('run', tiny('llama'), '--ids', '--prompts', ids).fails(3, 'p.ids:2', 'line 2')


def case_lookup(t):
    """The text is the same at any temperature, in fewer steps where it repeats."""
    for options in ((), SAMPLED, ('--ignore-end', '-n', '60')):
        for prompt in (REPEATS, 'Once upon a time'):
            plain = alone(t, prompt, *options)
            equal(plain['steps'], plain['tokens'] + (plain['finish'] == 'end_token'))
            check('speculation' not in plain, plain)
            for more in ((), ('--ngram', '1'), ('--draft-tokens', '1'), ('--draft-tokens', '256')):
                guessed = alone(t, prompt, *options, '--lookup', *more)
                equal(guessed['ids'], plain['ids'], prompt, options, more)
                equal(guessed['finish'], plain['finish'])
                figures = guessed['speculation']
                equal(figures['kind'], 'lookup')
                check(0 <= figures['accepted'] <= figures['guessed'] and 0 <= figures['acceptance'] <= 1, figures)
                check(figures['tokens_per_step'] >= 0.9, figures)
    check(alone(t, 'Once upon a time', '-n', '60', '--lookup')['speculation']['accepted'] > 0)


def case_lookup_text(t):
    result = t('run', fables(), '-p', REPEATS, '-n', '20', '--lookup').exits(0)
    equal(result.out.decode(), alone(t, REPEATS)['text'] + '\n')
    check('guesses accepted' in result.err and 'tokens a step' in result.err, result)


def case_draft(t):
    small = t.compress(fables(), 'small.pare')
    for options in ((), ('--repeat-penalty', '1.2')):
        plain = alone(t, 'Once upon a time', *options)
        guessed = alone(t, 'Once upon a time', *options, '--draft', small)
        equal(guessed['ids'], plain['ids'], options)
        figures = guessed['speculation']
        equal(figures['kind'], 'draft')
        check(figures['acceptance'] > 0.3 and figures['tokens_per_step'] > 1.2, figures)
    sampled = ('--draft', small, *SAMPLED, '--seed', '7')
    first = alone(t, 'Once upon a time', *sampled)
    equal(alone(t, 'Once upon a time', *sampled)['ids'], first['ids'])
    check(alone(t, 'Once upon a time', *sampled[:-1], '8')['ids'] != first['ids'], 'two seeds, one text')


def case_draft_refused(t):
    run = ('run', fables(), '-p', 'Once', '-n', '4')
    t(*run, '--draft', fables(), '--lookup').fails(2, '--draft', '--lookup')
    t(*run, '--draft', t.path('none.pare')).fails(3, 'none.pare')
    t(*run, '--draft', tiny('llama')).fails(3, 'vocabulary')
    t(*run, '--draft', fables(), '--draft-tokens', '0').fails(2, '--draft-tokens')
    t(*run, '--lookup', '--ngram', '65').fails(2, '--ngram')
    for other in ((), ('--draft', fables())):
        t(*run, '--ngram', '8', *other).fails(2, '--ngram', 'with --lookup')
    for other in ((), ('--lookup', '--no-lookup')):
        t(*run, '--draft-tokens', '15', *other).fails(2, '--draft-tokens', 'with --lookup or --draft')
    other = t.copy_model(fables())
    with open(t.path('model/tokenizer.json'), encoding='utf-8') as file:
        words = json.load(file)
    vocab = words['model']['vocab']
    a, b = [word for word, token in vocab.items() if token in (300, 301)]
    vocab[a], vocab[b] = vocab[b], vocab[a]
    write(t.path('model/tokenizer.json'), json.dumps(words))
    t(*run, '--draft', other).fails(3, 'token 300', 'a draft needs the vocabulary')


def case_draft_of_a_small_table(t):
    """An embedding with fewer rows than the vocabulary has tokens, though there are logits of all."""
    artifact = Artifact(read(t.compress(fables(), 'draft.pare')))
    table, product = '["model.embed_tokens.weight"]', '["model.layers.0.self_attn.q_proj.weight"]'
    header = artifact.copy_header()
    lines = header['graph'].split('\n')
    at = next(i for i, line in enumerate(lines) if ' = embed ' in line)
    check(table in lines[at], lines[at])
    lines[at] = lines[at].replace(table, product)
    header['graph'] = '\n'.join(lines)
    path = write(t.path('draft.pare'), artifact.with_header(header))
    t('run', fables(), '-p', 'Once', '-n', '4', '--draft', path).fails(3, 'draft.pare', '128 tokens', '1024')


if __name__ == '__main__':
    clitool.main(globals())
