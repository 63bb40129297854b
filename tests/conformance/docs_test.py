"""Is what the pages for operators say still so? Links, commands and their options, reasons, configuration, manual pages."""
import glob
import os
import re
import subprocess

import pytest

from world import pages, pki
from world.relay import ROOT, binary

pytestmark = pytest.mark.smoke

DOCS = os.path.join(ROOT, 'docs')
PAGES = sorted(glob.glob(os.path.join(DOCS, '*.md')) + [os.path.join(ROOT, name) for name in ('README.md', 'CONTRIBUTING.md')])
MANUALS = {'danelaw.1': None, 'danelaw.yaml.5': 'make'}


def name(path):
    return os.path.relpath(path, ROOT)


def text_of(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_links_lead_somewhere(page):
    links = re.findall(r'\]\(([^)#]+)[^)]*\)', text_of(page))
    missing = [link for link in links if '://' not in link and not os.path.exists(os.path.join(os.path.dirname(page), link))]
    assert not missing


@pytest.mark.parametrize('page', [p for p in PAGES if not p.endswith('conformance.md')], ids=name)
def test_files_named_are_there(page):
    named = re.findall(r'`((?:docs|packaging|systemd|tests|src)/[\w./-]+)`', text_of(page))
    assert not [path for path in named if not os.path.exists(os.path.join(ROOT, path))]


def test_every_reason_is_explained():
    """And nothing that is no reason."""
    words = set(re.findall(r'ReasonRow\{Reason::\w+, "([\w-]+)"', text_of(os.path.join(ROOT, 'src', 'base', 'words.cpp'))))
    explained = re.findall(r'^\| `([\w-]+)` \|', text_of(os.path.join(DOCS, 'reasons.md')), re.MULTILINE)
    assert len(words) > 20 and sorted(explained) == sorted(words)


def test_every_level_is_explained():
    words = re.findall(r'Level::\w+, "([\w-]+)"', text_of(os.path.join(ROOT, 'src', 'base', 'words.cpp')))
    told = text_of(os.path.join(DOCS, 'reasons.md')).split('## TLS levels')[1]
    assert words and not [word for word in words if f'`{word}`' not in told]


@pytest.fixture
def files(tmp_path):
    """Certificates, keys and users under the names that pages use."""
    made = pki.self_signed('relay.example.com')
    for path, text in (('pem', pki.key_pem(pki.new_key('rsa'))), ('crt', made.chain_pem()), ('key', pki.key_pem(made.key)),
                       ('users', 'app:$6$saltsalt$x\n')):
        (tmp_path / path).write_text(text)

    def placed(text):
        text = re.sub(r'/etc/danelaw/[\w.-]+\.(pem|crt|key)\b', rf'{tmp_path}/\1', text)
        return text.replace('/etc/danelaw/users', f'{tmp_path}/users')
    return placed


def examples():
    for page in PAGES:
        for number, block in enumerate(pages.blocks(text_of(page), 'yaml')):
            yield pytest.param(block, id=f'{name(page)}-{number}')


@pytest.mark.parametrize('example', list(examples()))
def test_configuration_in_the_pages_is_valid(example, files, tmp_path):
    path = tmp_path / 'danelaw.yaml'
    path.write_text(files(example))
    done = subprocess.run([binary(), 'config', 'check', '--config', str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def commands(text):
    """Every command line with our program in it: in running text between backquotes, or a line of a block."""
    found = re.findall(r'`danelaw ([^`]+)`', text) + re.findall(r'^\s*(?:\$ )?(?:sudo )?danelaw ([^\n]+)$', text, re.MULTILINE)
    return [f.strip() for f in found]


def help_of(words):
    done = subprocess.run([binary(), *words, '--help'], capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else None


def command_complaint(line, helps):
    """helps: of the words of a command, its help or None."""
    words = re.split(r'[\s|]+', line)
    command = []
    for word in words:
        if not re.fullmatch(r'[a-z]+', word) or len(command) == 2 or (command and helps(command + [word]) is None):
            break
        command.append(word)
    if not command or helps(command) is None:
        return f'danelaw {line}: no such command'
    told = helps(command)
    if 'SUBCOMMAND' in told and len(words) > len(command) and not words[len(command)].startswith('-'):
        return f'danelaw {line}: no such command'
    unknown = [word for word in words if word.startswith('--') and not re.search(rf'{re.escape(word.split("=")[0])}\b', told)]
    return f'danelaw {line}: unknown {unknown[0]}' if unknown else None


def test_commands_in_the_pages_are_there():
    known = {}

    def helps(words):
        key = ' '.join(words)
        if key not in known:
            known[key] = help_of(words)
        return known[key]
    wrong = {}
    for page in [*PAGES, os.path.join(DOCS, 'man', 'danelaw.1')]:
        text = text_of(page)
        if page.endswith('.1'):
            text = re.sub(r'\\f[BRI]', '', text.split('.SH SYNOPSIS')[1]).replace('\\-', '-')
        bad = [c for c in (command_complaint(line, helps) for line in commands(text)) if c]
        if bad:
            wrong[name(page)] = bad
    assert not wrong


@pytest.mark.parametrize('line, word', [
    ('queue trace ID', None), ('queue flush --domain example.com', None), ('queue', None), ('queue shred ID', 'no such command'),
    ('cheque example.com', 'no such command'), ('queue flush --now', 'unknown --now'), ('check example.com --mx h', None)])
def test_what_is_wrong_with_a_command(line, word):
    helps = {'queue': 'SUBCOMMAND', 'queue trace': 'ID', 'queue flush': '--domain TEXT', 'check': 'DOMAIN --mx HOST'}
    said = command_complaint(line, lambda words: helps.get(' '.join(words)))
    assert (said is None) if word is None else (said and word in said)


def test_the_manual_lists_every_command():
    manual = re.sub(r'\\f[BRI]', '', text_of(os.path.join(DOCS, 'man', 'danelaw.1')).replace('\\-', '-'))
    done = subprocess.run([binary(), '--help'], capture_output=True, text=True, timeout=60)
    listed = re.findall(r'^  ([a-z]+) {2,}', done.stdout.split('ubcommands:')[1], re.MULTILINE)
    assert len(listed) > 5
    for command in listed:
        assert re.search(rf'^(\.B[IR]? "?)?{command}\b', manual, re.MULTILINE), command


@pytest.fixture(params=MANUALS)
def manual(request, tmp_path):
    source = os.path.join(DOCS, 'man', request.param)
    if MANUALS[request.param]:
        made = subprocess.run(['/usr/bin/python3', os.path.join(DOCS, 'man', MANUALS[request.param])], capture_output=True, text=True, timeout=60)
        assert made.returncode == 0, made.stderr
        source = tmp_path / request.param
        source.write_text(made.stdout)
    return str(source)


def test_manual_pages_are_clean(manual):
    """As lintian asks: man finds nothing to warn about."""
    environment = {**os.environ, 'LC_ALL': 'C.UTF-8', 'MANROFFSEQ': '', 'MANWIDTH': '80'}
    done = subprocess.run(['man', '--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', manual], capture_output=True, text=True,
                          timeout=60, env=environment)
    assert done.returncode == 0 and not done.stderr, done.stderr
    shown = subprocess.run(['man', '-l', manual], capture_output=True, text=True, timeout=60, env={**environment, 'MANPAGER': 'cat'})
    assert 'danelaw' in shown.stdout and len(shown.stdout.splitlines()) > 50


def test_the_manual_of_the_configuration_has_every_key_of_the_page():
    made = subprocess.run(['/usr/bin/python3', os.path.join(DOCS, 'man', 'make')], capture_output=True, text=True, timeout=60).stdout
    keys = re.findall(r'^\| `([\w.\[\]]+)` \|', text_of(os.path.join(DOCS, 'configuration.md')), re.MULTILINE)
    assert len(keys) > 60
    for key in keys:
        assert f'\n.B {key}' in made
