"""README.md is true: the commands in its first listing print what it says, its recipe is the one shipped, and
every recipe of examples/ runs."""
import glob
import os
import re
import shlex

from clitool import ROOT, equal, fables, main, read

README = read(f'{ROOT}/README.md').decode('utf-8')
PROGRAM, ARTIFACT = 'build/quickstart/bin/pare', 'build/quickstart/fables.pare'
# Wall times vary from run to run; everything else is determined.
SECONDS = re.compile(r'\d+\.\d\d s$', re.MULTILINE)


def listing(kind):
    """The text of the first fenced block of a kind."""
    return re.search(rf'^```{kind}\n(.*?)^```', README, re.MULTILINE | re.DOTALL).group(1)


def case_quickstart(t):
    fables()
    blocks = re.split(r'^\$ ', listing('').replace('\\\n', ''), flags=re.MULTILINE)[1:]
    equal(len(blocks), 3)
    artifact = t.path('fables.pare')
    for block in blocks:
        line, said = block.split('\n', 1)
        words = shlex.split(line)
        equal(words[0], PROGRAM)
        args = [artifact if word == ARTIFACT else word for word in words[1:]]
        found = t(*args, cwd=ROOT).exits(0).out.decode('utf-8').replace(artifact, ARTIFACT)
        equal(SECONDS.sub('', found).strip(), SECONDS.sub('', said).strip(), line)


def case_recipe(t):
    equal(listing('json'), read(f'{ROOT}/examples/recipes/prune50-int8.json').decode('utf-8'))


def case_every_recipe(t):
    for path in sorted(glob.glob(f'{ROOT}/examples/recipes/*.json')):
        out = t.path(os.path.basename(path) + '.pare')
        t('compress', fables(), '-o', out, '--recipe', path, '--no-check', '--quiet').exits(0)
        t('verify', out).exits(0)


if __name__ == '__main__':
    main(globals())
