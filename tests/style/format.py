#!/usr/bin/env python3
"""The looks of the text: `format.py ROOT` exits 1 and names each line that breaks a rule.

Tabs, trailing blanks, long lines, long files, long functions, leftovers. Limits stand below.
"""
import re
import sys

import style

LINE_LIMIT, LINE_WARN = 120, 110
PROSE_LIMIT = 140      # lines of .md files, but for tables and links
FILE_LIMIT = 450       # lines of a .c file of the program
FUNCTION_LIMIT = 60    # lines between the braces
TEXT = ('.c', '.h', '.def', '.py', '.sh', '.md', 'meson.build', 'meson_options.txt')
PROGRAM = ('src/', 'passes/', 'formats/', 'bin/')
LEFTOVER = re.compile(r'\b(?:TODO|FIXME|XXX)\b|^\s*#\s*if\s+0\b')
SELF = 'tests/style/format.py'


def check_lines(path, text, problems, warnings):
    prose = path.endswith('.md')
    limit = PROSE_LIMIT if prose else LINE_LIMIT
    for number, line in enumerate(text.split('\n'), 1):
        where = f'{path}:{number}'
        if '\t' in line:
            problems.append(f'{where}: tab')
        if line != line.rstrip():
            problems.append(f'{where}: trailing blank')
        if len(line) > limit and not (prose and ('|' in line or '](' in line)):
            problems.append(f'{where}: {len(line)} columns, at most {limit}')
        elif len(line) > LINE_WARN and not prose:
            warnings.append(f'{where}: {len(line)} columns')
        if path != SELF and LEFTOVER.search(line):
            problems.append(f'{where}: leftover "{LEFTOVER.search(line).group().strip()}"')


def functions(text):
    """(name, first line, lines) of each function: its braces stand in the first column."""
    start, name = 0, ''
    for number, line in enumerate(style.bare(text).split('\n'), 1):
        called = re.match(r'[A-Za-z_].*?(\w+)\(', line)
        if called and not start:
            name = called.group(1)
        if line.rstrip() == '{':
            start = number
        elif line.startswith('}') and start:
            yield name, start, number - start - 1
            start = 0


def check_sizes(path, text, problems):
    lines = text.count('\n')
    if path.startswith(PROGRAM) and path.endswith('.c') and lines > FILE_LIMIT:
        problems.append(f'{path}: {lines} lines, at most {FILE_LIMIT}')
    if not path.endswith(('.c', '.h')):
        return
    for name, start, length in functions(text):
        if length > FUNCTION_LIMIT:
            problems.append(f'{path}:{start}: {name} has {length} lines, at most {FUNCTION_LIMIT}')


def main():
    root = sys.argv[1]
    problems, warnings = [], []
    for path in style.tree(root, *TEXT):
        text = style.read(root, path)
        check_lines(path, text, problems, warnings)
        check_sizes(path, text, problems)
        if text and not text.endswith('\n'):
            problems.append(f'{path}: no newline at the end')
    return style.report(problems, warnings)


if __name__ == '__main__':
    sys.exit(main())
