"""A relay is told to stop while a client is in the middle of a message. DQ-001, DQ-002, SS-052: the message is taken whole and
answered 250, or the client knows that it was not taken; never half of it, never both.
"""
import socket

import pytest

from world import load, smtpd, waiting

PIECE = b'x' * 70 + b'\r\n'


class Client:
    """Speaks up to 354 and then as the test wants."""

    def __init__(self, relay, sender, to):
        self.sock = socket.create_connection(relay.address, 20 * waiting.SLOW)
        self.file = self.sock.makefile('rb')
        self.reply()
        for line in ('EHLO client.test', f'MAIL FROM:<{sender}>', f'RCPT TO:<{to}>'):
            self.say(line.encode() + b'\r\n')
            assert self.reply().startswith('250')
        self.sender = sender

    def say(self, octets):
        self.sock.sendall(octets)

    def reply(self):
        """The next reply; '' when the connection has ended."""
        line = b'-----'
        while line[3:4] == b'-':
            try:
                line = self.file.readline()
            except ConnectionError:
                return ''
        return line.decode()

    def close(self):
        self.sock.close()


@pytest.mark.parametrize('how', ['DATA', 'BDAT'])
@pytest.mark.parametrize('then', ['finishes', 'stalls', 'leaves'])
def test_sigterm_in_the_middle_of_a_message(world, relay, how, then):
    relay.configure(delivery={'drain_timeout': '2s'})
    domain = world.domain(insecure=True)
    mx = domain.host()
    relay.start()
    client = Client(relay, 'half@sender.test', domain.user())
    head = b'Subject: half\r\n\r\n' + PIECE * 1000
    rest = PIECE * 2000
    if how == 'DATA':
        client.say(b'DATA\r\n')
        assert client.reply().startswith('354')
        client.say(head)
    else:
        client.say(f'BDAT {len(head) + len(rest)} LAST\r\n'.encode() + head)
    relay.process.terminate()
    relay.events.wait_for(lambda e: e.get('event') == 'stopping', what='stopping')
    answer = ''
    if then == 'finishes':
        try:
            client.say(rest + (b'.\r\n' if how == 'DATA' else b''))
            answer = client.reply()
        except ConnectionError:
            pass
    elif then == 'stalls':
        answer = client.reply()
    client.close()
    assert relay.wait_exit() == 0
    assert answer == '' or answer[:3] in ('250', '421', '451'), answer
    if then != 'finishes':
        assert not answer.startswith('250')
    relay.start()
    after = relay.send(domain.user())
    after.gone()
    waiting.until(lambda: relay.listed() == [], what='an empty queue')
    got = {m.sender: m.data for m in mx.messages}
    assert set(got) == {after.sender} | ({'half@sender.test'} if answer.startswith('250') else set())
    if 'half@sender.test' in got:
        assert got['half@sender.test'].endswith(head + rest)


def test_sigterm_under_load_promises_are_kept(world, relay):
    """Ten stops while four clients submit: every 250 is kept, exactly once."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    relay.configure(queue={'retry': ['1s']})
    relay.start()
    with load.running(relay, [domain.user()]) as clients:
        for _ in range(10):
            clients.wait_promises(5)
            relay.restart()
    clients.assert_kept_once(relay, mx)
    assert set(clients.refused) <= {421}


def test_told_to_stop_again_and_again(relay):
    """A service manager or a second Ctrl-C repeats itself up to the process's last moment: it has still ended well."""
    for _ in range(5):
        relay.start()
        while relay.running:
            relay.process.terminate()
        assert relay.wait_exit() == 0


@pytest.mark.parametrize('lifetime', ['3s', '5d'])
def test_a_stop_is_no_attempt(world, relay, lifetime):
    """DQ-013, DQ-017: who waited for a connection, or for a greeting, when the relay stopped was not tried: he is not returned
    for it and does not wait for hours afterwards."""
    relay.configure(queue={'retry': ['4s', '1h'], 'lifetime': lifetime},
                    delivery={'connections_per_destination': 1, 'idle_reuse': '0s', 'drain_timeout': '1s'})
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': '450 4.2.0 later'})
    mails = [relay.send(domain.user()) for _ in range(3)]
    for mail in mails:
        mail.outcome()
    mx.script.replies['banner'] = smtpd.HANG
    connected = mx.connections
    waiting.until(lambda: mx.connections > connected, timeout=30, what='the second attempt')
    assert relay.stop() == 0
    assert [len(m.events('recipient')) for m in mails] == [1] * 3
    mx.script.replies.clear()
    relay.start()
    for mail in mails:
        mail.gone()
    assert sorted(m.sender for m in mx.messages) == sorted(m.sender for m in mails)
