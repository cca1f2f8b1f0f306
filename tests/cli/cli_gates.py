"""Gates: pass 0, fail 1 and no output file, unknown metric 2, NaN 1; one valid document each."""
import os

import clitool
from clitool import HELDOUT, check, equal, fables, read, write
from tensor_edit import Tensors

WINDOWS = ('--windows', '2', '--window', '64')
PASSING, FAILING = 'kl.mean<=0.5', 'kl.mean<=1e-12'


def compress(t, *options):
    return t('compress', fables(), '-o', t.path('x.pare'), '--type', 'i8', '--data', HELDOUT, *WINDOWS,
             '--quiet', *options)


def gates_of(result):
    return result.document()['gates']


def case_passing(t):
    doc = compress(t, '--gate', PASSING, '--json').exits(0).document()
    gate, = doc['gates']
    equal((gate['gate'], gate['metric'], gate['passed'], gate['limit']), (PASSING, 'kl.mean', True, 0.5))
    check(gate['value'] <= gate['bound'] <= 0.5, gate)
    t.nothing_left('x.pare')
    t('verify', t.path('x.pare')).exits(0)


def case_failing(t):
    old = write(t.path('x.pare'), b'old')
    doc = compress(t, '--gate', PASSING, '--gate', FAILING, '--json').exits(1).document()
    equal(doc['status'], 'gate_failed')
    equal([g['passed'] for g in doc['gates']], [True, False])
    equal(read(old), b'old')
    os.unlink(old)
    result = compress(t, '--gate', FAILING).exits(1)
    check('kl.mean' in result.err, result)
    t.nothing_left()


def case_keep_failed(t):
    compress(t, '--gate', FAILING, '--keep-failed').exits(1)
    t('verify', t.path('x.pare')).exits(0)
    t.nothing_left('x.pare')


def case_unknown(t):
    for gate in ('kl.men<=1', 'quality>=1'):
        compress(t, '--gate', gate).fails(2, gate.split('<')[0].split('>')[0])
        equal(compress(t, '--gate', gate, '--json').exits(2).document()['error']['code'], 'usage')
        doc = compress(t, '--gate', gate, '--dry-run', '--json').exits(2).document()
        equal(doc['error']['code'], 'usage')
    t.nothing_left()


def case_malformed(t):
    for gate in ('', 'kl.mean', 'kl.mean<=', '<=1', 'kl.mean=1',
                 'kl.mean<=nan', 'kl.mean<=x', 'kl.mean<=1 2'):
        compress(t, '--gate', gate).fails(2)
    t.nothing_left()


def case_metric_needs_a_check(t):
    """A metric that this run will not measure is unknown, never passed."""
    compress(t, '--no-check', '--gate', PASSING).fails(2, 'kl.mean')
    t('eval', fables(), '--data', HELDOUT, *WINDOWS, '--gate', PASSING, '--quiet').fails(2, 'kl.mean')
    compress(t, '--no-check', '--gate', 'output.bytes<=1e9').exits(0)


def case_output_size(t):
    doc = compress(t, '--gate', 'output.ratio<=0.9', '--gate', 'output.bytes>1', '--json').exits(0).document()
    equal(doc['output']['bytes'], os.path.getsize(t.path('x.pare')))
    equal([g['value'] for g in doc['gates']][1], doc['output']['bytes'])
    compress(t, '--gate', 'output.bytes<1000').exits(1)


def case_not_a_number(t):
    """Token ids have no bytes, so bits_per_byte is not a number: no gate on it passes."""
    ids = t('tokenize', fables(), '--file', HELDOUT, '--no-special').exits(0).out
    data = write(t.path('x.ids.txt'), ids)
    for relation in ('<=', '<', '>=', '>'):
        gate = f'bits_per_byte{relation}1'
        result = t('eval', fables(), '--data', data, '--windows', '1', '--gate', gate, '--json')
        doc = result.exits(1).document()
        equal(doc['status'], 'gate_failed')
        equal((doc['gates'][0]['value'], doc['gates'][0]['passed']), (None, False))


def case_infinite(t):
    """Finite weights, a perplexity past the range of a double: it passes no gate, no document holds it."""
    model = t.copy_model(fables())
    path = os.path.join(model, 'model.safetensors')
    write(path, Tensors(read(path)).filled('model.norm.weight', 60000.0))
    run = ('eval', model, '--data', HELDOUT, *WINDOWS)
    doc = t(*run, '--gate', 'ppl<=1e300', '--json').exits(1).document()
    equal((doc['status'], doc['metrics']['ppl']['value']), ('gate_failed', None))
    t(*run, '--json').exits(0).document()
    t(*run).exits(0)


def case_eval(t):
    run = ('eval', fables(), '--against', fables(), '--data', HELDOUT, *WINDOWS, '--json')
    doc = t(*run, '--gate', 'kl.mean<=0', '--gate', 'top1>=1').exits(0).document()
    equal([g['passed'] for g in doc['gates']], [True, True])
    equal(t(*run, '--gate', 'ppl<=1').exits(1).document()['status'], 'gate_failed')


def case_confidence(t):
    """The bound moves away from the value as the confidence rises."""
    bounds = []
    for confidence in ('0.5', '0.9', '0.999'):
        gate, = gates_of(compress(t, '--gate', PASSING, '--confidence', confidence, '--json').exits(0))
        bounds.append(gate['bound'] - gate['value'])
    check(abs(bounds[0]) < 1e-12 < bounds[1] < bounds[2], bounds)
    compress(t, '--gate', PASSING, '--confidence', '1.0').fails(2, 'confidence')


if __name__ == '__main__':
    clitool.main(globals())
