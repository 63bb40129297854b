"""Is the service as locked up as we say? systemd judges the unit itself, from 0 (safe) to 10."""
import os
import shutil
import subprocess

import pytest
import yaml

pytestmark = pytest.mark.smoke

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNIT = os.path.join(ROOT, 'systemd', 'danelaw.service')
SOCKET = os.path.join(ROOT, 'systemd', 'danelaw.socket')
LIMIT = 2.0


def exposed(unit):
    """Is the unit more exposed than LIMIT? And what systemd says."""
    done = subprocess.run(['systemd-analyze', 'security', '--offline=yes', f'--threshold={LIMIT * 10:.0f}', '--no-pager', unit],
                          capture_output=True, text=True, timeout=60)
    assert 'Overall exposure level for danelaw.service' in done.stdout, done.stdout + done.stderr
    return done.returncode != 0, done.stdout


@pytest.fixture
def unit():
    with open(UNIT, encoding='utf-8') as f:
        return f.read()


def test_exposure_is_below_the_limit():
    too_exposed, said = exposed(UNIT)
    assert not too_exposed, said


@pytest.mark.parametrize('without', ['SystemCallFilter=', 'ProtectSystem=strict', 'NoNewPrivileges=yes'])
def test_the_judge_notices_what_is_missing(unit, tmp_path, without):
    weaker = tmp_path / 'danelaw.service'
    weaker.write_text('\n'.join(line for line in unit.splitlines() if not line.startswith((without, 'Protect', 'Restrict'))))
    assert exposed(str(weaker))[0]


def verified(*units):
    """What systemd says of files side by side."""
    done = subprocess.run(['systemd-analyze', 'verify', '--man=no', *map(str, units)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.fixture
def runnable(unit, tmp_path):
    """With a program of that name in place; the manual page is installed by the package only."""
    made = tmp_path / 'danelaw.service'
    made.write_text(unit.replace('/usr/bin/danelaw', shutil.which('true')).replace('Documentation=man:danelaw(1)\n', ''))
    return made


def test_systemd_understands_every_line(runnable):
    assert verified(runnable) == (0, '')


def test_systemd_understands_the_socket(runnable, tmp_path):
    """Beside its service; and the judge notices a wrong line."""
    with open(SOCKET, encoding='utf-8') as f:
        text = f.read().replace('Documentation=man:danelaw(1)\n', '')
    made = tmp_path / 'danelaw.socket'
    made.write_text(text)
    assert verified(made, runnable) == (0, '')
    made.write_text(text.replace('TriggerLimitBurst=10', 'TriggerLimitBurst=ten'))
    assert 'danelaw.socket' in verified(made, runnable)[1]


def test_the_socket_is_the_default_listener():
    """Enabled as it is shipped, it fits the configuration as it is shipped, and nothing is opened wider than by the service."""
    with open(SOCKET, encoding='utf-8') as f:
        lines = f.read().splitlines()
    with open(os.path.join(ROOT, 'config', 'danelaw.yaml'), encoding='utf-8') as f:
        listeners = (yaml.safe_load(f) or {}).get('listeners') or [{'address': '127.0.0.1:2525'}]
    assert [line for line in lines if line.startswith('Listen')] == [f'ListenStream={one["address"]}' for one in listeners]
    assert 'BindIPv6Only=ipv6-only' in lines


def test_the_unit_says_what_the_configuration_relies_on(unit):
    """The default paths of queue and admin socket, and ports below 1024."""
    lines = unit.splitlines()
    for line in ('Type=notify', 'User=danelaw', 'StateDirectory=danelaw danelaw/queue', 'RuntimeDirectory=danelaw',
                 'AmbientCapabilities=CAP_NET_BIND_SERVICE', 'ExecStart=/usr/bin/danelaw serve --config /etc/danelaw/danelaw.yaml',
                 "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'"):
        assert line in lines
