"""Help texts, usage errors, and the documents and exit codes that go with them."""
import clitool
from clitool import COMMANDS, check, equal


def case_main_help(t):
    for option in ('--help', '-h', 'help'):
        text = t(option).exits(0).out.decode()
        for command in COMMANDS:
            check(f'\n  {command}' in text, f'{command} is not in the help text')
    check(t('--version').exits(0).out.startswith(b'pare '))


def case_no_command(t):
    result = t().exits(2)
    check('usage: pare' in result.err and not result.out, result)


def case_command_help(t):
    for command in COMMANDS:
        text = t(command, '--help').exits(0).out.decode()
        check(text.startswith(f'pare {command}:'), command, text[:80])
        for part in ('usage: pare ' + command, '--threads', '--cpu', '--json', '--quiet', 'examples:'):
            check(part in text, f'no "{part}" in the help of {command}')
        check(max(map(len, text.split('\n'))) <= 120, f'a line of the help of {command} is too long')
        equal(t(command, '-h', 'these', 'arguments', 'are', 'ignored').exits(0).out.decode(), text)


def case_unknown_command(t):
    t('comprss').fails(2, 'comprss', 'compress')
    t('zzzzzzzz').fails(2, 'zzzzzzzz', '--help')
    doc = t('comprss', '--json').exits(2).document()
    equal(doc['error']['code'], 'usage')


def case_unknown_option(t):
    for command in COMMANDS:
        t(command, '--thread', '2').fails(2, '--thread', '--threads')
        t(command, '-Z').fails(2, '-Z')


def case_bad_values(t):
    t('run', 'x', '--threads', 'many').fails(2, '--threads', 'many')
    t('run', 'x', '--threads', '-1').fails(2, '--threads')
    t('run', 'x', '--threads').fails(2, '--threads', 'value')
    t('run', 'x', '--cpu', 'z80').fails(2, '--cpu', 'z80')
    t('run', 'x', '--temperature', 'nan').fails(2, '--temperature')
    t('run', 'x', '--top-p', '1.5').fails(2, '--top-p', '1.5')
    t('run', 'x', '--json=maybe').exits(2)


def case_arguments(t):
    for command in ('compress', 'eval', 'run', 'bench', 'inspect', 'diff', 'tokenize', 'verify'):
        t(command).fails(2, command)
    t('diff', 'one').fails(2)
    t('verify', 'one', 'two').fails(2)
    t('passes', 'one', 'two').fails(2)


def case_usage_documents(t):
    for command in COMMANDS:
        doc = t(command, '--json', '--no-such-option').exits(2).document()
        equal((doc['command'], doc['status'], doc['error']['code']), (command, 'error', 'usage'))
        equal(doc['schema'], f'pare.{command}/1')
        check(doc['error']['message'] and '--no-such-option' in doc['error']['where'], doc['error'])


def case_missing_file(t):
    for command in ('inspect', 'run', 'bench', 'tokenize', 'verify'):
        extra = ['text'] if command == 'tokenize' else []
        t(command, 'no/such/model', *extra).fails(3, 'no/such/model')
        doc = t(command, 'no/such/model', *extra, '--json').exits(3).document()
        equal(doc['error']['code'], 'bad_input')
    t('diff', 'none', 'none').fails(3, 'none')
    t('compress', 'none', '-o', 'x.pare', '--type', 'i8').fails(3, 'none')
    t('eval', 'none', '--data', 'none').fails(3, 'none')
    t.nothing_left()


def case_passes(t):
    text = t('passes').exits(0).out.decode()
    doc = t('passes', '--json').exits(0).document()
    names = [p['name'] for p in doc['passes']]
    check({'quant_rtn', 'prune_magnitude', 'opt_dce'} <= set(names), names)
    for entry in doc['passes']:
        check(entry['name'] in text and entry['help'], entry['name'])
        one = t('passes', entry['name']).exits(0).out.decode()
        for option in entry['options']:
            check(option['name'] in one and option['help'], entry['name'], option)
    t('passes', 'quant_rt').fails(2, 'quant_rt')


def case_closed_stdout(t):
    with open('/dev/full', 'wb') as full:
        result = t('--help', stdout=full)
        check(result.code in (0, 4), result)
        t('passes', stdout=full).exits(4)


if __name__ == '__main__':
    clitool.main(globals())
