"""What compress leaves on disk when something stops it: the old file as it was, and nothing else."""
import os
import resource
import signal
import subprocess
import sys
import time

import clitool
from clitool import ROOT, Skip, check, equal, fables, read, tiny, write

MAKE_MODEL = os.path.join(ROOT, 'tests', 'bench', 'make_llama.py')
OLD = b'what was here before\n'


def slow_model(t):
    """A model that takes long enough to compress to be stopped on the way: 100 MB."""
    path = t.path('slow')
    shape = '--dim 512 --layers 6 --ffn 1408 --heads 8 --kv-heads 4 --vocab 32000'.split()
    subprocess.run([sys.executable, MAKE_MODEL, path, *shape], check=True, stdout=subprocess.DEVNULL)
    return path


def wait_for_temporary(t, process):
    """Until the output's temporary file has some bytes; False when the process ended first."""
    while process.poll() is None:
        for name in os.listdir(t.folder):
            if name.endswith('.tmp') and os.path.getsize(t.path(name)) > 1 << 16:
                return True
        time.sleep(0.002)
    return False


def stopped(t, number, code):
    model, out = slow_model(t), write(t.path('out.pare'), OLD)
    command = ('compress', model, '-o', out, '--type', 'i8', '--no-check', '--json', '--threads', '1')
    for _ in range(3):
        process = t.start(*command)
        started = wait_for_temporary(t, process)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
        result = clitool.Result(command, process.returncode, stdout, stderr.decode())
        if started and result.code != 0:
            break
        write(out, OLD)
    else:
        raise Skip('it always was done before the signal came')
    equal(result.exits(code).document()['status'], 'interrupted')
    equal(read(out), OLD)
    t.nothing_left('out.pare', 'slow')


def case_interrupt(t):
    stopped(t, signal.SIGINT, 130)


def case_terminate(t):
    stopped(t, signal.SIGTERM, 143)


def case_source_shrinks(t):
    """The mapped source is cut short while it is read: an error, not a bus error."""
    model, out = slow_model(t), write(t.path('out.pare'), OLD)
    process = t.start('compress', model, '-o', out, '--type', 'i8', '--no-check', '--quiet', '--threads', '1')
    started = wait_for_temporary(t, process)
    os.truncate(os.path.join(model, 'model.safetensors'), 1 << 20)
    _, err = process.communicate(timeout=60)
    if not started or process.returncode == 0:
        raise Skip('it was done before the file shrank')
    equal(process.returncode, 3, err)
    equal(read(out), OLD)
    t.nothing_left('out.pare', 'slow')


def case_disk_full(t):
    for model, options in ((fables(), ()), (tiny('llama'), ('--threads', '1'))):
        out = write(t.path('out.pare'), OLD)
        for limit in (0, 64, 4096, 20000):
            def limited(limit=limit):
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            args = ('compress', model, '-o', out, '--type', 'i8', '--no-check', *options)
            t(*args, '--quiet', preexec_fn=limited).fails(4, 'out.pare')
            equal(read(out), OLD)
            t.nothing_left('out.pare')
    os.unlink(out)
    t(*args, '--quiet', preexec_fn=limited).fails(4, 'out.pare')
    t.nothing_left()


def case_disk_full_document(t):
    """The document goes to a pipe, which has no limit."""
    result = t('compress', fables(), '-o', t.path('x.pare'), '--type', 'i8', '--json',
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
    equal(result.exits(4).document()['error']['code'], 'no_resource')
    t.nothing_left()


def case_two_writers(t):
    model = fables()
    recipe = write(t.path('deflate.json'),
                   '{"schema": "pare.recipe/1", "deflate": true, "passes": [{"pass": "quant_rtn"}]}')
    ways = (['--type', 'i8'], ['--recipe', recipe])
    alone = []
    for n, way in enumerate(ways):
        t('compress', model, '-o', t.path(f'alone{n}'), *way, '--no-check', '--quiet').exits(0)
        alone.append(read(t.path(f'alone{n}')))
    check(alone[0] != alone[1], 'the two recipes give the same file')
    for _ in range(3):
        out = t.path('out.pare')
        both = [t.start('compress', model, '-o', out, *way, '--no-check', '--quiet') for way in ways]
        equal([p.wait(60) for p in both], [0, 0])
        for process in both:
            process.communicate()
        check(read(out) in alone, 'the file is neither of the two')
        t.nothing_left('alone0', 'alone1', 'deflate.json', 'out.pare')


def case_replaces_a_whole_file(t):
    out = write(t.path('out.pare'), OLD)
    held = open(out, 'rb')
    t.compress(tiny('llama'), 'out.pare')
    equal(held.read(), OLD, 'who had the old file open sees another')
    held.close()
    check(read(out).startswith(b'PARE\r\n'))
    t.nothing_left('out.pare')


def case_output_is_a_folder(t):
    os.mkdir(t.path('out.pare'))
    result = t('compress', tiny('llama'), '-o', t.path('out.pare'), '--type', 'i8', '--quiet', '--no-check')
    result.fails(2, 'out.pare', silent=False)
    t.nothing_left('out.pare')


def case_output_onto_its_input(t):
    """An artifact compressed onto itself: the input stays readable until the new file takes its name."""
    path = t.path('x.pare')
    recipe = write(t.path('r.json'), '{"schema": "pare.recipe/1", "passes": [{"pass": "opt_dce"}]}')
    t('compress', fables(), '-o', path, '--type', 'i8', '--no-check', '--quiet').exits(0)
    t('compress', path, '-o', path, '--recipe', recipe, '--no-check', '--quiet').exits(0)
    t('verify', path).exits(0)


def case_dry_run(t):
    for options in ((), ('--json',)):
        result = t('compress', fables(), '-o', t.path('x.pare'), '--type', 'i8', '--dry-run', *options)
        result.exits(0)
        t.nothing_left()
    result.document()


if __name__ == '__main__':
    clitool.main(globals())
