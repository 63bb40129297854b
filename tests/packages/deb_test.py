"""Is what packaging/deb/build makes a good Debian package? Of the binary under test, so that nothing is compiled again."""
import os
import re
import shutil
import subprocess
import sys

import pytest

from world.relay import ROOT, binary

pytestmark = pytest.mark.skipif(not shutil.which('dh'), reason='debhelper is not installed')


def run(*command, **kw):
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, **kw)
    assert done.returncode == 0, f'{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}'
    return done.stdout


@pytest.fixture(scope='module')
def package(tmp_path_factory):
    out = tmp_path_factory.mktemp('deb')
    run(os.path.join(ROOT, 'packaging', 'deb', 'build'), '--binary', binary(), '--out', str(out))
    made, = [path for path in out.iterdir() if path.name.startswith('danelaw_') and path.suffix == '.deb']
    return str(made)


def dependencies(group):
    with open(os.path.join(ROOT, 'packaging', 'dependencies'), encoding='utf-8') as f:
        return {line.split()[1] for line in f if line.startswith(group + ' ')}


def test_it_holds_what_an_installation_needs(package):
    listed = {line.split()[5]: line.split()[:2] for line in run('dpkg-deb', '-c', package).splitlines()}
    for path in ('usr/bin/danelaw', 'etc/danelaw/danelaw.yaml', 'lib/systemd/system/danelaw.service', 'lib/systemd/system/danelaw.socket',
                 'usr/share/man/man1/danelaw.1.gz',
                 'usr/share/man/man5/danelaw.yaml.5.gz', 'usr/share/doc/danelaw/copyright', 'usr/share/doc/danelaw/runbook.md.gz'):
        assert './' + path in listed or './' + path.removesuffix('.gz') in listed, path
    assert listed['./usr/bin/danelaw'] == ['-rwxr-xr-x', 'root/root']
    assert not [path for path in listed if path.startswith(('./usr/local', './var', './build'))]


def test_it_asks_for_what_runs_beside_it(package):
    fields = run('dpkg-deb', '-f', package, 'Depends')
    named = {re.split(r'[ (]', part.strip())[0] for part in fields.split(',')}
    assert dependencies('run') <= named and 'adduser' in named
    assert {'libunbound8', 'libssl3', 'libsqlite3-0', 'libpq5'} <= named


def test_the_configuration_is_kept_at_upgrades(package, tmp_path):
    run('dpkg-deb', '-e', package, str(tmp_path / 'control'))
    assert (tmp_path / 'control' / 'conffiles').read_text().split() == ['/etc/danelaw/danelaw.yaml']


def test_the_socket_is_installed_and_not_enabled(package, tmp_path):
    """The service is enabled and started; the socket only ever stopped, when the package goes."""
    run('dpkg-deb', '-e', package, str(tmp_path / 'control'))
    scripts = {name: (tmp_path / 'control' / name).read_text() for name in ('postinst', 'prerm', 'postrm')}
    assert "deb-systemd-helper enable 'danelaw.service'" in scripts['postinst']
    # debhelper's way of leaving it as it is: enabled again at an upgrade when the operator had enabled it.
    assert "if deb-systemd-helper debian-installed 'danelaw.socket'" in scripts['postinst']
    assert not [line for line in scripts['postinst'].splitlines() if 'deb-systemd-invoke' in line and 'danelaw.socket' in line]
    assert scripts['prerm'].index('stop danelaw.socket') < scripts['prerm'].index("stop 'danelaw.service'")
    assert 'danelaw.socket' in scripts['postrm']
    assert not (tmp_path / 'control' / 'preinst').exists()              # an upgrade stops neither beforehand


def test_a_purge_keeps_mail(package, tmp_path):
    """The maintainer's script, run on a tree of its own: an empty queue goes, one with mail stays."""
    run('dpkg-deb', '-e', package, str(tmp_path / 'control'))
    script = (tmp_path / 'control' / 'postrm').read_text().replace('/var/lib', str(tmp_path / 'lib'))
    script = re.sub(r'(?m)^\s*(deb-systemd-helper|systemctl) .*$', 'true', script)
    queue = tmp_path / 'lib' / 'danelaw' / 'queue'
    for mail in (True, False):
        queue.mkdir(parents=True, exist_ok=True)
        if mail:
            (queue / 'queue.db').write_text('mail')
        run('sh', '-c', script, 'postrm', 'purge')
        assert queue.exists() is mail
        shutil.rmtree(tmp_path / 'lib', ignore_errors=True)


@pytest.mark.skipif(not shutil.which('lintian'), reason='lintian is not installed')
def test_lintian_finds_no_error(package):
    done = subprocess.run(['lintian', '--allow-root', '--fail-on', 'error', '--tag-display-limit', '0', package],
                          capture_output=True, text=True, timeout=600)
    print(done.stdout, file=sys.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
