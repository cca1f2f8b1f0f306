"""What the command-line tests share: running pare, judging what it printed, small models to damage.

A test file defines functions `case_*(t)` and ends with `clitool.main(globals())`. Run as

   cli_NAME.py PARE [CASE ...]

each case runs in a folder of its own (t.path), and prints "ok", "SKIP reason" or "FAIL reason". Exits 1
when one failed, 77 when all were skipped.
"""
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FABLES = os.path.join(ROOT, 'examples', 'models', 'fables')
HELDOUT = os.path.join(FABLES, 'heldout.txt')
TINY = os.path.join(ROOT, 'tests', 'reference', 'tiny')
COMMANDS = 'compress eval run bench inspect diff tokenize passes verify'.split()
ENVELOPE = 'schema version command status exit_code seconds peak_rss_bytes host warnings'.split()


class Skip(Exception):
    """The case cannot run here."""


def need(condition, why):
    if not condition:
        raise Skip(why)


def check(condition, *what):
    if not condition:
        raise AssertionError(' '.join(str(w) for w in what) or 'is false')


def equal(found, expected, *what):
    check(found == expected, *what, f'expected {expected!r}, found {found!r}')


def _no_constant(word):
    raise ValueError(f'{word} is not JSON')


class Result:
    """What one run of pare left: code, out (bytes), err (text)."""

    def __init__(self, args, process_code, out, err):
        self.args, self.code, self.out, self.err = args, process_code, out, err

    def __str__(self):
        command = ' '.join(('pare', *self.args))
        return f'{command} -> {self.code}\n  stdout: {self.out[:600]!r}\n  stderr: {self.err[:900]!r}'

    def exits(self, *codes):
        check(self.code in codes, f'expected exit code {" or ".join(map(str, codes))}:', self)
        return self

    def document(self):
        """The one JSON document of stdout, its envelope checked."""
        try:
            doc = json.loads(self.out.decode('utf-8'), parse_constant=_no_constant)
        except ValueError as error:
            raise AssertionError(f'stdout is not one JSON document ({error}): {self}') from None
        for key in ENVELOPE:
            check(key in doc, f'no "{key}" in the document of', self)
        equal(doc['exit_code'], self.code, 'exit_code in the document of', self)
        equal(doc['status'] == 'ok', self.code == 0, 'status in the document of', self)
        return doc

    def fails(self, code, *words, silent=True):
        """One clear line on stderr that holds all the words; nothing on stdout, unless work had begun."""
        self.exits(code)
        lines = [line for line in self.err.split('\n') if line]
        errors = [line for line in lines if line.startswith('error:')]
        equal(len(errors), 1, 'number of error lines of', self)
        equal(lines[-1], errors[0], 'the last line of', self)
        check(not silent or not self.out, 'stdout is not empty:', self)
        for word in words:
            check(word in errors[0], f'no "{word}" in the error of', self)
        check('Sanitizer' not in self.err and 'runtime error' not in self.err, self)
        return errors[0]


class Tool:
    """Handed to each case."""

    def __init__(self, pare, folder):
        self.pare, self.folder = pare, folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *args, **options):
        options.setdefault('stdout', subprocess.PIPE)
        options.setdefault('stderr', subprocess.PIPE)
        options.setdefault('cwd', self.folder)
        return subprocess.Popen([self.pare, *args], stdin=subprocess.DEVNULL, **options)

    def __call__(self, *args, timeout=120, **options):
        process = self.start(*args, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError(f'pare {" ".join(args)} ran past {timeout} s') from None
        result = Result(args, process.returncode, out or b'', (err or b'').decode('utf-8', 'replace'))
        check(result.code >= 0, f'killed by signal {-result.code}:', result)
        check('Sanitizer' not in result.err and 'runtime error' not in result.err, result)
        return result

    def compress(self, model, name, *options):
        """An i8 artifact of the model; gives its path."""
        path = self.path(name)
        self('compress', model, '-o', path, '--type', 'i8', '--no-check', '--quiet', *options).exits(0)
        return path

    def copy_model(self, source, name='model'):
        """A writable copy of a model's folder, without the files that only tests of other kinds need."""
        path = self.path(name)
        shutil.copytree(source, path, ignore=shutil.ignore_patterns('expected.*', 'heldout.txt'))
        for folder, _, files in os.walk(path):
            for file in files:
                os.chmod(os.path.join(folder, file), 0o644)
        return path

    def nothing_left(self, *expected):
        """The folder holds exactly these files: no output, no temporary file."""
        equal(sorted(os.listdir(self.folder)), sorted(expected), 'files left behind')


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def write(path, content):
    with open(path, 'wb') as file:
        file.write(content if isinstance(content, bytes) else content.encode('utf-8'))
    return path


def edit_json(path, **changes):
    """Changes members of a JSON file; None takes one out."""
    with open(path, encoding='utf-8') as file:
        doc = json.load(file)
    for key, value in changes.items():
        doc.pop(key, None)
        if value is not None:
            doc[key] = value
    return write(path, json.dumps(doc))


def fables():
    need(os.path.exists(os.path.join(FABLES, 'model.safetensors')), 'examples/models/fables is not there')
    return FABLES


def tiny(name):
    path = os.path.join(TINY, name)
    need(os.path.exists(os.path.join(path, 'config.json')), f'tests/reference/tiny/{name} is not there')
    return path


def _run_case(pare, name, function):
    folder = tempfile.mkdtemp(prefix=f'pare-{name}-')
    start = time.monotonic()
    try:
        function(Tool(pare, folder))
        result, text = 'ok', ''
    except Skip as why:
        result, text = 'SKIP', str(why)
    except AssertionError as why:
        result, text = 'FAIL', str(why)
    except Exception:  # a broken test is a failed one, and the others still run
        result, text = 'FAIL', traceback.format_exc()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f'{result:4} {name} ({time.monotonic() - start:.1f} s) {text}', flush=True)
    return result


def main(names):
    if len(sys.argv) < 2:
        sys.exit(f'usage: {sys.argv[0]} PARE [CASE ...]')
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.environ.setdefault('ASAN_OPTIONS', 'detect_leaks=1:abort_on_error=0:exitcode=99')
    os.environ.setdefault('UBSAN_OPTIONS', 'halt_on_error=1:exitcode=99')
    os.environ['NO_COLOR'] = '1'
    cases = {name: f for name, f in names.items() if name.startswith('case_')}
    wanted = sys.argv[2:] or list(cases)
    results = [_run_case(os.path.abspath(sys.argv[1]), name, cases[name]) for name in wanted]
    print(f'{results.count("ok")} passed, {results.count("FAIL")} failed, {results.count("SKIP")} skipped')
    sys.exit(1 if 'FAIL' in results else 77 if set(results) == {'SKIP'} else 0)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
