"""Do the shipped configuration file and its page tell every key, with the default that is in force?

The schema is asked of the product itself: `config show` prints all keys in force, and of lists what a file gave them.
"""
import os
import re

import pytest
import yaml

from world import pki
from world.relay import ROOT

pytestmark = pytest.mark.smoke

SHIPPED = os.path.join(ROOT, 'config', 'danelaw.yaml')
PAGE = os.path.join(ROOT, 'docs', 'configuration.md')
FROM_SYSTEM = {'hostname', 'postmaster'}          # "" stands for the system's name
READ = re.compile(r'\b[a-z]\.(?:text|boolean|duration|size|number<[^>]*>|list|value|word(?:<\w+>)?|sections?)\("(\w+)"')


def text_of(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def uncommented():
    """The shipped file with every key set: one "#" less, explanations dropped."""
    lines = [line for line in text_of(SHIPPED).splitlines() if not line.startswith('##')]
    return '\n'.join(line.removeprefix('#') for line in lines)


def every_key(tmp_path):
    """A configuration that gives each list at least one entry, and each entry every key it may have."""
    key = tmp_path / 'dkim.pem'
    key.write_text(pki.key_pem(pki.new_key('rsa')))
    signing = {'domain': 'example.com', 'selector': 's', 'private_key': str(key)}
    return yaml.safe_dump({
        'hostname': 'relay.example.com',
        'dns': {'stub_zones': [{'zone': 'corp.example', 'servers': ['192.0.2.53']}]},
        'policies': [{'match': ['example.com'], 'tls': 'verify', 'insecure_mx': 'may', 'on_failure': 'bounce', 'min_protocol': '1.3',
                      'ca_file': '/etc/ssl/certs/ca-certificates.crt', 'mta_sts': False, 'next_hop': '[192.0.2.1]:587',
                      'hold': True, 'note': 'x', 'until': '2099-01-31'}],
        'dkim': [signing]})


def paths(node, at=''):
    """{'queue.path': value, 'listeners[].tls': value, …} of a parsed file."""
    if isinstance(node, dict):
        parts = [paths(value, f'{at}.{key}'.lstrip('.')) for key, value in node.items()]
    elif isinstance(node, list) and node and isinstance(node[0], dict):
        parts = [paths(item, at + '[]') for item in node]
    else:
        return {at: node}
    return {k: v for part in parts for k, v in part.items()}


@pytest.fixture
def shown(relay, tmp_path):
    """What `config show` makes of a file's text."""
    def show(text):
        path = tmp_path / 'danelaw.yaml'
        path.write_text(text)
        done = relay.run('config', 'show', '--config', str(path), config=False)
        assert done.status == 0, done.out + done.err
        return yaml.safe_load(done.out)
    return show


def test_the_shipped_file_is_valid_and_sets_nothing(relay, shown):
    assert relay.run('config', 'check', '--config', SHIPPED, config=False).status == 0
    assert shown(text_of(SHIPPED)) == shown('')


def test_the_shipped_file_uncommented_is_the_default(shown):
    text = uncommented()
    assert shown(text) == shown('')
    given, defaults = paths(yaml.safe_load(text)), paths(shown(''))
    assert set(given) == set(defaults)
    assert {k: v for k, v in given.items() if k not in FROM_SYSTEM} == {k: v for k, v in defaults.items() if k not in FROM_SYSTEM}


def test_the_shipped_file_explains_the_keys_of_every_entry(shown, tmp_path):
    """An entry of policies, dkim or stub_zones has no default: its keys stand in the explanations."""
    entries = {key.rsplit('.', 1)[1] for key in paths(shown(every_key(tmp_path))) if '[].' in key}
    missing = {key for key in entries if not re.search(rf'\b{key}\b', text_of(SHIPPED))}
    assert not missing


def test_nothing_is_shown_that_cannot_be_set_nor_set_that_is_not_shown(shown, tmp_path):
    read = set(READ.findall(text_of(os.path.join(ROOT, 'src', 'config', 'load.cpp'))))
    keys = {part for path in paths(shown(every_key(tmp_path))) for part in path.replace('[]', '').split('.')}
    assert read == keys


def test_config_show_can_be_read_again(shown, tmp_path):
    once = shown(every_key(tmp_path))
    assert shown(yaml.safe_dump(once)) == once


def documented():
    """{key: default} of the page's tables; no default: None."""
    rows = re.findall(r'^\| `([\w.\[\]]+)` \| (?:`(.*?)`)? *\| \S', text_of(PAGE), re.MULTILINE)
    keys = [key for key, _ in rows]
    assert sorted(keys) == sorted(set(keys)), 'a key stands twice'
    return {key: yaml.safe_load(default) if default else None for key, default in rows}


def test_the_page_tells_every_key(shown, tmp_path):
    full, plain = paths(shown(every_key(tmp_path))), paths(shown(''))
    assert set(documented()) - {'dkim', 'policies', 'dns.stub_zones'} == set(full)
    assert set(documented()) >= set(plain)


def test_the_page_tells_the_defaults(shown):
    plain = paths(shown('policies: [{match: example.com}]'))
    told = documented()
    wrong = {key: (told[key], value) for key, value in plain.items()
             if key not in FROM_SYSTEM | {'policies[].match'} and told[key] != value}
    assert not wrong
