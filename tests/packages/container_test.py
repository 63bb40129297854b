"""Do the container's files agree with each other, with the image's recipe and with our own configuration check?

The image itself is built by packaging/container/build and run by packaging/container/try: that takes an engine, and minutes.
"""
import os
import re
import subprocess

import pytest
import yaml

from world.relay import ROOT, binary

pytestmark = pytest.mark.smoke

HERE = os.path.join(ROOT, 'packaging', 'container')


def text_of(name):
    with open(os.path.join(HERE, name), encoding='utf-8') as f:
        return f.read()


@pytest.fixture
def recipe():
    return text_of('build')


@pytest.fixture
def service():
    return yaml.safe_load(text_of('compose.yaml'))['services']['danelaw']


@pytest.fixture
def objects():
    return {o['kind']: o for o in yaml.safe_load_all(text_of('kubernetes.yaml'))}


def version():
    with open(os.path.join(ROOT, 'CMakeLists.txt'), encoding='utf-8') as f:
        return re.search(r'^project\(danelaw VERSION ([0-9.]+)', f.read(), re.MULTILINE)[1]


@pytest.mark.parametrize('program', ['build', 'try'])
def test_the_recipe_is_a_shell_program(program):
    assert subprocess.run(['sh', '-n', os.path.join(HERE, program)], timeout=60).returncode == 0


def test_the_trial_runs_it_as_the_examples_do(service):
    """What packaging/container/try shows holds for compose.yaml: the same restrictions, the same places to write."""
    trial = text_of('try')
    assert '--read-only ' in trial and '--cap-drop all' in trial and '--security-opt no-new-privileges' in trial
    for place in (t.split(':')[0] for t in service['tmpfs']):
        assert f'--tmpfs {place}' in trial
    assert ':/var/lib/danelaw' in trial and '/etc/danelaw/danelaw.yaml:ro' in trial


def test_all_name_the_version_that_is_built(service, objects):
    image = f'localhost/danelaw:{version()}'
    assert service['image'] == image
    assert objects['StatefulSet']['spec']['template']['spec']['containers'][0]['image'] == image


def configurations():
    yield 'danelaw.yaml', text_of('danelaw.yaml')
    kubernetes = {o['kind']: o for o in yaml.safe_load_all(text_of('kubernetes.yaml'))}
    yield 'kubernetes.yaml', kubernetes['ConfigMap']['data']['danelaw.yaml']


@pytest.mark.parametrize('configuration', [pytest.param(text, id=name) for name, text in configurations()])
def test_configurations_are_valid_and_can_be_reached(configuration, tmp_path):
    path = tmp_path / 'danelaw.yaml'
    path.write_text(configuration)
    done = subprocess.run([binary(), 'config', 'check', '--config', str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load(configuration)['listeners'][0]['address'] == '0.0.0.0:2525'


def test_no_root_and_a_read_only_root(recipe, service, objects):
    assert '--user 101:101 ' in recipe and '--uid 101 ' in recipe and '--healthcheck ' in recipe
    assert service['read_only'] and service['cap_drop'] == ['ALL']
    pod = objects['StatefulSet']['spec']['template']['spec']
    container = pod['containers'][0]
    assert pod['securityContext']['runAsNonRoot'] and pod['securityContext']['runAsUser'] == 101
    assert container['securityContext'] == {'readOnlyRootFilesystem': True, 'allowPrivilegeEscalation': False,
                                            'capabilities': {'drop': ['ALL']}}


def test_what_must_be_written_is_mounted(service, objects):
    """With a read-only root: the queue, the admin socket."""
    pod = objects['StatefulSet']['spec']['template']['spec']
    mounts = {m['mountPath'] for m in pod['containers'][0]['volumeMounts']}
    volumes = {v.split(':')[1] for v in service['volumes']} | {t.split(':')[0] for t in service['tmpfs']}
    for place in ('/var/lib/danelaw', '/run/danelaw', '/tmp'):
        assert place in mounts and place in volumes


def test_a_stop_waits_longer_than_a_drain(service, objects):
    """delivery.drain_timeout is 20s by default."""
    assert objects['StatefulSet']['spec']['template']['spec']['terminationGracePeriodSeconds'] > 20
    assert int(service['stop_grace_period'].removesuffix('s')) > 20
