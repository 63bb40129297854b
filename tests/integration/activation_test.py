"""Sockets that the service manager holds: which are taken for which listener, which are refused, and that they outlive us.
SS-027: a restart with them refuses nobody.
"""
import os
import signal
import smtplib
import socket

import pytest

from world import activation, waiting


@pytest.fixture
def hold(relay):
    """hold('127.0.0.1:25', ...): listens there for the relay, to the test's end."""
    made = []

    def listen(*addresses):
        made.append(activation.Sockets(relay, *addresses))
        return made[-1]
    yield listen
    for sockets in made:
        sockets.close()


def greeted(sock):
    sock.settimeout(20 * waiting.SLOW)
    with sock, sock.makefile('rb') as file:
        return file.readline().startswith(b'220 ')


def knock(address):
    if isinstance(address, str):
        made = socket.socket(socket.AF_UNIX)
        made.connect(address)
        return made
    return socket.create_connection(address, 20 * waiting.SLOW)


def ready(relay):
    return [e for e in relay.events.all() if e.get('event') == 'ready'][-1]


def test_each_socket_serves_its_listener(world, relay, hold, tmp_path):
    """TCP, a unix socket, the admin address; one listener is not passed and bound as ever."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    path = str(tmp_path / 'mail.sock')
    relay.configure(listeners=[{'address': '127.0.0.1:2525'}, {'address': f'unix:{path}'}, {'address': '127.0.0.1:2526'}])
    admin = relay.config['admin']['address']
    hold(admin, '127.0.0.1:2525', f'unix:{path}')
    relay.start()
    assert set(ready(relay)['inherited']) == {admin, '127.0.0.1:2525', f'unix:{path}'}
    assert ready(relay)['listeners'] == ['127.0.0.1:2525', f'unix:{path}', '127.0.0.1:2526']
    assert all(greeted(knock(a)) for a in (('127.0.0.1', 2525), path, ('127.0.0.1', 2526)))
    assert relay.status()['health']['ok'] in (True, False)                # the admin socket answers
    relay.send(domain.user()).gone()
    assert len(mx.messages) == 1
    # Ours, and nobody else's: a child would not get them.
    for number in (3, 4, 5):
        with open(f'/proc/{relay.process.pid}/fdinfo/{number}') as f:
            flags = next(line for line in f if line.startswith('flags:'))
        assert int(flags.split()[1], 8) & os.O_CLOEXEC
    assert relay.stop() == 0
    assert os.path.exists(path) and os.path.exists(admin[5:])             # the service manager's files


@pytest.mark.parametrize('how', [signal.SIGTERM, signal.SIGKILL])
def test_connections_wait_for_the_next_process(relay, hold, tmp_path, how):
    path = str(tmp_path / 'mail.sock')
    relay.configure(listeners=[{'address': '127.0.0.1:2525'}, {'address': f'unix:{path}'}])
    sockets = hold('127.0.0.1:2525', f'unix:{path}')
    early = knock(('127.0.0.1', 2525))                                    # before the first start: the service is started by it
    relay.start()
    assert greeted(early)
    for _ in range(2):
        relay.process.send_signal(how)
        relay.wait_exit()
        between = [knock(('127.0.0.1', 2525)), knock(path)]
        assert sockets.waiting() == 1
        relay.start()
        assert all(greeted(sock) for sock in between)


@pytest.mark.parametrize('passed, named', [
    ('127.0.0.1:2599', '127.0.0.1:2599'),                                 # a port that nobody configured
    ('[::1]:2525', '[::1]:2525'),                                         # the right port elsewhere
    ('unix:mail.sock', 'mail.sock'),
])
def test_a_socket_that_nobody_asked_for_is_refused(relay, hold, tmp_path, passed, named):
    hold('127.0.0.1:2525', passed.replace('unix:', f'unix:{tmp_path}/'))
    relay.start(wait=False)
    assert relay.wait_exit() == 2                                         # RestartPreventExitStatus of the unit
    failed, = [e for e in relay.events.all() if e.get('event') == 'start-failed']
    assert named in failed['text'] and 'danelaw.socket' in failed['text'] and '127.0.0.1:2525' in failed['text']


def test_sockets_meant_for_another_process_are_left_alone(relay):
    """LISTEN_PID of a parent that forgot to take it out of the environment."""
    relay.environment.update(LISTEN_PID='1', LISTEN_FDS='1', LISTEN_FDNAMES='other')
    relay.start()
    assert 'inherited' not in ready(relay)
    assert greeted(knock(relay.address))


def test_reload_keeps_the_sockets(relay, hold):
    """A listener that the new configuration still names goes on with its socket, under its new settings."""
    relay.configure(listeners=[{'address': '127.0.0.1:2525'}, {'address': '127.0.0.1:2526'}])
    sockets = hold('127.0.0.1:2525', '127.0.0.1:2526')
    relay.start()
    with smtplib.SMTP(*relay.address, local_hostname='client.test', timeout=30) as before:
        before.ehlo()
        relay.configure(listeners=[{'address': '127.0.0.1:2525'}], hostname='renamed.test')
        assert relay.reload()['restart_needed'] == ['listeners']          # the second stays until then, as it was
        assert before.noop()[0] == 250
    with knock(relay.address) as sock, sock.makefile('rb') as file:
        assert file.readline().startswith(b'220 renamed.test ')
    assert greeted(knock(('127.0.0.1', 2526)))
    assert relay.stop() == 0
    # Now a socket is passed that no configuration names any more.
    relay.start(wait=False)
    assert relay.wait_exit() == 2
    relay.configure(listeners=[{'address': '127.0.0.1:2525'}, {'address': '127.0.0.1:2526'}])
    waits = knock(('127.0.0.1', 2526))
    assert sockets.waiting(1) == 1
    relay.start()
    assert greeted(waits)
