"""Is the service as locked up as we say? systemd judges the unit itself, from 0 (safe) to 10."""
import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.smoke

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNIT = os.path.join(ROOT, 'systemd', 'danelaw.service')
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


def test_systemd_understands_every_line(unit, tmp_path):
    """With a program of that name in place; the manual page is installed by the package only."""
    runnable = tmp_path / 'danelaw.service'
    runnable.write_text(unit.replace('/usr/bin/danelaw', shutil.which('true')).replace('Documentation=man:danelaw(1)\n', ''))
    done = subprocess.run(['systemd-analyze', 'verify', '--man=no', str(runnable)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_unit_says_what_the_configuration_relies_on(unit):
    """The default paths of queue and admin socket, and ports below 1024."""
    lines = unit.splitlines()
    for line in ('Type=notify', 'User=danelaw', 'StateDirectory=danelaw danelaw/queue', 'RuntimeDirectory=danelaw',
                 'AmbientCapabilities=CAP_NET_BIND_SERVICE', 'ExecStart=/usr/bin/danelaw serve --config /etc/danelaw/danelaw.yaml',
                 'ExecReload=/bin/kill -HUP $MAINPID'):
        assert line in lines
