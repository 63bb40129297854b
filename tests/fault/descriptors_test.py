"""What happens when the relay may open few files only? SS-025: clients beyond what fits are told 421, those inside are served,
deliveries and lookups keep their share, and all goes on when the others have left.
"""
import contextlib
import os
import socket

import pytest

from world import load, scenario, waiting


def greeting(sock):
    """The first reply; 'silence' when there is none."""
    try:
        return sock.makefile('rb').readline().decode() or 'closed'
    except TimeoutError:
        return 'silence'


@contextlib.contextmanager
def crowd(relay, count):
    """That many connections at once, and what each was greeted with."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(relay.address, 10 * waiting.SLOW)) for _ in range(count)]
        yield [greeting(s) for s in socks]


def open_files(relay):
    return len(os.listdir(f'/proc/{relay.process.pid}/fd'))


@pytest.mark.parametrize('descriptors', [160, 256])
def test_more_clients_than_descriptors(world, relay, descriptors):
    relay.prefix = ['prlimit', f'--nofile={descriptors}:{descriptors}']
    relay.configure(limits={'connections': 1000, 'connections_per_client': 1000})
    domains = [world.domain(insecure=True) for _ in range(3)]
    hosts = [d.host() for d in domains]
    relay.start()
    assert any('LimitNOFILE' in e['text'] for e in relay.events.all() if e['event'] == 'limits')
    with relay.connect() as client:
        client.ehlo()
        for _ in range(2):
            with crowd(relay, descriptors * 2) as greetings:
                kinds = {g[:3] for g in greetings}
                assert kinds == {'220', '421'}, kinds
                assert open_files(relay) < descriptors
                mails = [relay.send(d.user(f'u{n}'), connection=client) for d in domains for n in range(5)]
                for mail in mails:
                    mail.gone()
            waiting.until(lambda: open_files(relay) < descriptors / 2, what='descriptors given back')
    scenario.delivered(relay.send(domains[0].user('after')), by=hosts[0], level='encrypted')
    assert not [e for e in relay.events.all() if e.get('result') == 'deferred']


def test_descriptors_run_out_all_the_same(world, relay):
    """Lowered under a running relay: what fails is deferred or refused, nothing is lost, and it mends itself."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    relay.configure(queue={'retry': ['1s']})
    relay.start()
    with load.running(relay, [domain.user()]) as clients:
        clients.wait_promises(10)
        for _ in range(3):
            os.system(f'prlimit --pid {relay.process.pid} --nofile={open_files(relay) - 3}:')
            before = len(relay.events)
            with contextlib.ExitStack() as stack:
                for _ in range(20):
                    stack.enter_context(socket.create_connection(relay.address, 10 * waiting.SLOW))
                waiting.until(lambda: len(relay.events) > before + 5, what='events while there are none left')
            os.system(f'prlimit --pid {relay.process.pid} --nofile=4096:')
            clients.wait_promises(10)
    clients.assert_kept_once(relay, mx)
    assert not [e for e in relay.events.all() if e.get('result') in ('bounced', 'expired')]
