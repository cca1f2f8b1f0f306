"""What the style checks share: which files they look at, and C text without comments and literals."""
import os
import re

FOLDERS = ('src', 'passes', 'formats', 'bin', 'tests', 'examples')


def tree(root, *suffixes):
    """Paths relative to root, sorted, with '/', of files under FOLDERS and of those at the top."""
    found = [name for name in os.listdir(root) if os.path.isfile(os.path.join(root, name))]
    for folder in FOLDERS:
        for where, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = [f for f in folders if f != '__pycache__']
            found += [os.path.relpath(os.path.join(where, name), root) for name in names]
    return sorted(path.replace(os.sep, '/') for path in found if not suffixes or path.endswith(suffixes))


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8', newline='') as file:
        return file.read()


TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def bare(text):
    """C text with comments and literals blanked; lines keep their numbers."""
    def blank(match):
        word = match.group()
        if word.startswith('/'):
            return re.sub(r'[^\n]', ' ', word)
        return word[0] + ' ' * (len(word) - 2) + word[-1]
    return TOKENS.sub(blank, text)


def report(problems, warnings=()):
    """Prints all, and gives the exit status."""
    for line in warnings:
        print('warning:', line)
    for line in problems:
        print(line)
    print(f'{len(problems)} problems, {len(warnings)} warnings')
    return 1 if problems else 0
