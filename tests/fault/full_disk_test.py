"""What happens when the queue's disk is full, while mail comes in and while outcomes are to be written? DQ-001, DQ-004, DQ-005,
SS-024, H127. A client is told 452, nothing acknowledged is lost or sent twice, and all goes on when there is room again.
"""
import collections
import os
import threading

import pytest

from world import load, netns, smtpd, waiting

REFUSALS = {451, 452}


class Disk:
    """The file system that holds the queue, and a file that takes what is left of it."""

    def __init__(self, path):
        self.filler = os.path.join(path, 'filler')

    def fill(self):
        with open(self.filler, 'ab') as f:
            size = os.statvfs(self.filler).f_bavail * os.statvfs(self.filler).f_bsize
            while size >= 4096:
                try:
                    os.posix_fallocate(f.fileno(), os.fstat(f.fileno()).st_size, size)
                except OSError:
                    size //= 2

    def free(self):
        os.unlink(self.filler)


@pytest.fixture
def disk(relay, request):
    path = relay.config['queue']['path']
    os.makedirs(path)
    netns.small_disk(path, request.param)
    relay.configure(limits={'min_free_disk': '256KiB'}, queue={'retry': ['1s']})
    yield Disk(path)
    netns.unmount(path)


# With 64 MiB there is no room for the ballast that the store gives up to write outcomes, with 256 MiB there is.
with_and_without_ballast = pytest.mark.parametrize('disk', ['64m', '256m'], indirect=True)


def arrived(*hosts):
    return collections.Counter(m.sender for h in hosts for m in h.messages)


@with_and_without_ballast
def test_full_while_accepting(world, relay, disk):
    """Clients hear 4yz and nothing else; what was promised arrives once; new mail is taken as soon as there is room."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    relay.start()
    with load.running(relay, [domain.user()]) as clients:
        for _ in range(3):
            clients.wait_promises(20)
            mx.script.replies['RCPT'] = '450 4.2.0 busy'            # what leaves would make room
            refused = clients.refused.total()
            waiting.until(lambda: disk.fill() or clients.refused.total() > refused + 20, timeout=60, what='refusals')
            mx.script.replies.clear()
            disk.free()
        clients.wait_promises(20)
    assert set(clients.refused) <= REFUSALS
    waiting.until(lambda: relay.listed() == [], timeout=60, what='an empty queue')
    counts = arrived(mx)
    assert clients.promised <= set(counts)
    assert set(counts.values()) == {1}
    assert relay.running and relay.status()['health']['ok']


def test_full_between_data_and_the_dot(world, relay, tmp_path):
    """The room that was there at MAIL is gone at the dot: 452, and nothing of the message is ever delivered."""
    path = relay.config['queue']['path']
    os.makedirs(path)
    netns.small_disk(path, '64m')
    relay.configure(limits={'min_free_disk': '256KiB'})
    disk = Disk(path)
    domain = world.domain(insecure=True)
    mx = domain.host()
    body = b'y' * 70 + b'\r\n'
    with relay.connect() as client:
        client.ehlo()
        for step in (client.mail('large@sender.test'), client.rcpt(domain.user()), client.docmd('DATA')):
            assert step[0] in (250, 354)
        client.send(b'Subject: large\r\n\r\n' + body * 20000)
        disk.fill()
        client.send(body * 20000 + b'.\r\n')
        code, text = client.getreply()
        assert (code, text[:5]) == (452, b'4.3.1'), (code, text)
        disk.free()
        assert load.submit(client, 'small@sender.test', domain.user(), b'Subject: small\r\n\r\n' + body)[0] == 250
    mx.wait_messages()
    waiting.until(lambda: relay.listed() == [], what='an empty queue')
    assert [m.sender for m in mx.messages] == ['small@sender.test']
    netns.unmount(path)


@with_and_without_ballast
def test_full_while_outcomes_are_recorded(world, relay, disk):
    """DQ-004, DQ-005, H127: the next hop says yes, later or no, and there is no room to write it down. Later there is."""
    reached, go_on = [], threading.Event()

    def host(reply):
        def answer(session, argument):
            reached.append(reply)
            return smtpd.Reply(reply, wait=go_on)
        return world.domain(insecure=True).host(replies={'DOT': answer})
    taking, deferring, refusing = hosts = [host(r) for r in ('250 2.0.0 taken', '450 4.3.0 not now', '550 5.0.0 never')]
    mails = {h: [relay.send(h.domain.user(f'u{i}'), body=b'z' * 3000 + b'\r\n') for i in range(5)] for h in hosts}
    waiting.until(lambda: len(reached) == 15, what='deliveries at their dots')
    disk.fill()
    go_on.set()
    relay.events.wait_for(lambda e: e['event'] in ('store', 'removed'), what='an outcome, or why it is not written')
    disk.free()
    deferring.script.replies.clear()
    waiting.until(lambda: relay.listed() == [], timeout=60, what='an empty queue')
    assert arrived(*hosts) == {m.sender: 1 for m in mails[taking] + mails[deferring]}
    for mail in mails[refusing]:
        assert mail.report().actions == {mail.recipients[0]: 'failed'}
        assert len(mail.reports()) == 1
    for mail in sum(mails.values(), []):
        assert len(mail.events('removed')) == 1
    assert relay.status()['health']['ok']


@with_and_without_ballast
def test_killed_on_a_full_disk(world, relay, disk):
    """H127: started again while the disk is still full, it serves or says why not; with room, nothing is missing."""
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': '450 4.2.0 busy'})
    with relay.connect() as client:
        client.ehlo()
        mails = [relay.send(domain.user(), body=b'z' * 5000 + b'\r\n', connection=client) for _ in range(30)]
    for mail in mails:
        mail.wait('recipient', result='deferred')
    disk.fill()
    relay.kill9()
    mx.script.replies.clear()
    seen = len(relay.events)
    relay.start(wait=False)
    waiting.until(lambda: not relay.running or len(relay.events) > seen, what='a word')
    disk.free()

    def drained():
        if not relay.running:                   # it may have said why not a moment before it left
            relay.start()
        done = relay.queue('list', '--json')
        return done.status == 0 and done.json == []
    waiting.until(drained, timeout=60, what='an empty queue')
    counts = arrived(mx)
    assert counts == {m.sender: 1 for m in mails}
