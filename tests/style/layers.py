#!/usr/bin/env python3
"""Who may include whom: `layers.py ROOT` exits 1 and names each line that breaks a rule.

The table below is the architecture; the text of src/README.md explains it. Also: no cycle of includes, no
two source files of one name, no printing or exiting in a library, each third-party header in one place.
"""
import os
import re
import sys

import style

ALL_SRC = 'base kernels ir ops quant run text eval pipeline'
MAY_INCLUDE = {
    'base': '',
    'kernels': 'base',
    'ir': 'base',
    'ops': 'base ir',
    'quant': 'base ir kernels',
    'run': 'base ir ops kernels quant',
    'text': 'base',
    'eval': 'base ir ops kernels quant run text',
    'pipeline': ALL_SRC,
    'passes': 'base ir ops quant kernels eval pipeline',
    'formats': 'base ir ops quant text',
    'bin': ALL_SRC + ' passes formats',
    'tests': ALL_SRC + ' passes formats bin examples',
    'examples': ALL_SRC + ' passes formats',
}
# Files of formats/ by the start of their names; a family includes only itself and format.*, which sees
# nothing of them.
FORMAT_FAMILIES = {'hf': 'hf', 'safetensors': 'hf', 'arch/': 'hf', 'pare': 'pare', 'format': None}
# Third-party headers: the only files that may include them.
OWNERS = {
    'cjson/cJSON.h': r'src/base/json\w*\.c',
    'cJSON.h': r'src/base/json\w*\.c',
    'pcre2.h': r'src/text/regex\w*\.c',
    'utf8proc.h': r'src/text/unicode\.c',
    'zlib.h': r'src/base/deflate\.c|examples/read_artifact\.c',
    'cblas.h': r'src/ops/\w+\.c',
}
SHARED_BY_PASSES = ('passes/passes.h', 'passes/passes.def')
LOUD = re.compile(r'\b(?:exit|_exit|quick_exit|abort|printf|vprintf|puts|putchar|perror)\s*\('
                  r'|\b(?:stdout|stderr)\b')
MAY_BE_LOUD = ('bin', 'tests', 'examples')
MAY_REPEAT = ('meson.build', 'README.md')
SOURCES = ('.c', '.h', '.def', '.py', '.sh', '.md', 'meson.build')
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)


def module(path):
    parts = path.split('/')
    return parts[1] if parts[0] == 'src' else parts[0]


def resolve(files, path, name):
    """The file that `#include "name"` in path means: from src/, from the top, or, in tests, beside it."""
    places = ['src/' + name, name]
    if module(path) in ('tests', 'examples'):
        places.append(os.path.normpath(os.path.join(os.path.dirname(path), name)))
    return next((place for place in places if place in files), None)


def family(path):
    name = path.split('/', 1)[1]
    return next((fam for start, fam in FORMAT_FAMILIES.items() if name.startswith(start)), name)


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def check_include(path, target):
    """What is wrong with path including target, or None."""
    own, other = module(path), module(target)
    if other != own and other not in MAY_INCLUDE.get(own, '').split():
        return f'{own} may not include {other}'
    if own == other == 'passes' and target not in SHARED_BY_PASSES and stem(path) != stem(target):
        return 'a pass may not include another pass'
    if own == other == 'formats' and family(target) and family(path) != family(target):
        return 'a format may not include another format'
    return None


def owner_problem(path, name):
    pattern = OWNERS.get(name)
    if pattern and not re.fullmatch(pattern, path):
        return f'<{name}> belongs to {pattern}'
    return None


def includes(root, files, problems):
    """Checks every include; gives {file: [included files]}."""
    edges = {}
    for path in files:
        text = style.read(root, path)
        edges[path] = []
        for match in INCLUDE.finditer(text):
            where = f'{path}:{text.count(chr(10), 0, match.start()) + 1}'
            name = match.group(2)
            target = resolve(files, path, name) if match.group(1) == '"' else None
            wrong = owner_problem(path, name)
            if match.group(1) == '"' and not target and not wrong:
                wrong = f'"{name}" is neither under src/ nor at the top'
            wrong = wrong or (target and check_include(path, target))
            if wrong:
                problems.append(f'{where}: {wrong}')
            if target:
                edges[path].append(target)
    return edges


def find_cycle(edges):
    """A list of names that ends where it starts, or None."""
    state = {}

    def visit(node, trail):
        state[node] = 1
        for target in edges.get(node, ()):
            if state.get(target) == 1:
                return trail[trail.index(target):] + [target]
            found = None if target in state else visit(target, trail + [target])
            if found:
                return found
        state[node] = 2
        return None

    for node in sorted(edges):
        found = None if node in state else visit(node, [node])
        if found:
            return found
    return None


def module_edges(edges):
    result = {}
    for path, targets in edges.items():
        own = result.setdefault(module(path), set())
        own.update(module(t) for t in targets if module(t) != module(path))
    return result


def loud_lines(root, files):
    for path in files:
        if module(path) in MAY_BE_LOUD:
            continue
        for number, line in enumerate(style.bare(style.read(root, path)).split('\n'), 1):
            match = LOUD.search(line)
            if match:
                yield f'{path}:{number}: {match.group().strip(" (")} in a library: give a status instead'


def repeated_names(root):
    seen = {}
    for path in style.tree(root, *SOURCES):
        name = path.rsplit('/', 1)[-1]
        if name in MAY_REPEAT:
            continue
        if name in seen:
            yield f'{path}: has the name of {seen[name]}'
        seen[name] = path


def main():
    root = sys.argv[1]
    files = set(style.tree(root, '.c', '.h', '.def'))
    problems = []
    edges = includes(root, files, problems)
    for graph in (edges, module_edges(edges)):
        cycle = find_cycle(graph)
        if cycle:
            problems.append('include cycle: ' + ' -> '.join(cycle))
    problems += loud_lines(root, sorted(files))
    problems += repeated_names(root)
    return style.report(sorted(problems))


if __name__ == '__main__':
    sys.exit(main())
