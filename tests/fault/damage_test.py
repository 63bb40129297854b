"""What becomes of a queue whose file is damaged, or whose disk can't be read for a while? Damage is noticed and said, what is
whole is delivered, and nothing goes missing without a word. DQ-003, DQ-007, DQ-008, DQ-011, H126.
"""
import contextlib
import os
import shutil
import sqlite3
import subprocess

import pytest

from world import load, waiting

PAGE = 4096
SAYS_EIO = r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <stdio.h>
#include <unistd.h>
static int broken(int fd) {
    char link[64], path[512];
    if (access(getenv("BROKEN_WHILE"), F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return strstr(path, "/queue.db") != NULL;
}
#define WRAP(name, offset_t)                                                                   \
    ssize_t name(int fd, void *to, size_t size, offset_t at) {                                 \
        static ssize_t (*real)(int, void *, size_t, offset_t);                                 \
        if (!real) real = (ssize_t(*)(int, void *, size_t, offset_t))dlsym(RTLD_NEXT, #name);  \
        if (broken(fd)) { errno = EIO; return -1; }                                            \
        return real(fd, to, size, at);                                                         \
    }
WRAP(pread, off_t)
WRAP(pread64, off64_t)
'''


@pytest.fixture
def queue(world, relay):
    """Forty messages to one domain, deferred, in the file of a stopped relay: (mx, mails, the file)."""
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': '450 4.2.0 busy'})
    relay.start()
    with relay.connect() as client:
        client.ehlo()
        mails = [relay.send(domain.user(f'u{n}'), body=f'marker-{n}-'.encode() + b'y' * 6000 + b'\r\n', connection=client)
                 for n in range(40)]
    for mail in mails:
        mail.wait('recipient', result='deferred')
    assert relay.stop() == 0
    mx.script.replies.clear()
    return mx, mails, os.path.join(relay.config['queue']['path'], 'queue.db')


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def overwrite(path, at, octets):
    with open(path, 'r+b') as f:
        f.seek(at)
        f.write(octets)


def store_events(relay):
    return [e['text'] for e in relay.events.all() if e.get('event') == 'store']


def set_aside(relay):
    return [w for w in relay.status()['health']['warnings'] if 'set aside' in w]


def release_and_account(relay, mx, mails):
    """Every message is delivered whole, or named; returns the ids that were not delivered."""
    relay.start()
    relay.queue('release', '--all')
    waiting.until(lambda: relay.listed() == [], timeout=60, what='a drained queue')
    whole = {m.sender: m.data for m in mx.messages}
    for mail in mails:
        if mail.sender in whole:
            assert whole[mail.sender].endswith(mail.data), 'delivered, but not as it was sent'
    missing = [m.id for m in mails if m.sender not in whole]
    said = '\n'.join(store_events(relay) + set_aside(relay))
    assert all(identity in said for identity in missing), f'{missing} are gone and not named in: {said}'
    return missing


def test_rotten_content(relay, queue):
    """DQ-011: a checksum fails; that message alone is set aside, shown, and kept."""
    mx, mails, path = queue
    at = read(path).index(b'marker-7-') + 20
    overwrite(path, at, b'n')
    assert release_and_account(relay, mx, mails) == [mails[7].id]
    assert any('checksum' in w for w in set_aside(relay))
    assert b'marker-7-' in read(path)                           # still there for who can mend it
    relay.restart()
    assert any(mails[7].id in w for w in set_aside(relay))      # not forgotten
    assert len(mx.messages) == len(mails) - 1


def test_content_that_rots_while_the_relay_runs(relay, queue):
    """DQ-008, DQ-011: met in the middle of a transaction; the peer never sees an end of that message, the others go out."""
    mx, mails, path = queue
    relay.start()
    data = read(path)
    overwrite(path, data.index(b'marker-7-') + 20, b'n')
    relay.queue('release', '--all')
    waiting.until(lambda: relay.listed() == [], timeout=60, what='a drained queue')
    assert {m.sender for m in mx.messages} == {m.sender for m in mails} - {mails[7].sender}
    assert any(mails[7].id in w and 'checksum' in w for w in set_aside(relay))
    assert any(e.get('id') == mails[7].id and 'checksum' in e['text'] for e in relay.events.all() if e['event'] == 'store')
    relay.restart()
    assert any(mails[7].id in w for w in set_aside(relay))      # not forgotten
    assert len(mx.messages) == len(mails) - 1


def test_content_that_rots_while_it_goes_in_chunks(world, relay):
    """DQ-011, SC-075: the first chunks are on their way when a later piece can't be read: no LAST, and no reply to wait for."""
    domain = world.domain(insecure=True)
    mx = domain.host(capabilities=('CHUNKING', 'PIPELINING'), replies={'RCPT': '450 4.2.0 busy'})
    relay.start()
    whole, rotten = [relay.send(domain.user(name), body=b'y' * 70 + b'\r\n' + b'x' * 700000 + b'\r\nlast-of-' + name.encode() + b'\r\n')
                     for name in ('whole', 'rotten')]
    for mail in (whole, rotten):
        mail.wait('recipient', result='deferred')
    relay.restart()
    path = os.path.join(relay.config['queue']['path'], 'queue.db')
    overwrite(path, read(path).index(b'last-of-rotten'), b'n')
    mx.script.replies.clear()
    relay.queue('release', '--all')
    waiting.until(lambda: relay.listed() == [], timeout=60, what='a drained queue')
    assert [m.sender for m in mx.messages] == [whole.sender] and mx.messages[0].data.endswith(whole.data)
    chunks = mx.commands('BDAT')
    assert [c.endswith(' LAST') for c in chunks].count(True) == 1       # of the whole one
    assert len(chunks) > 12 and not mx.commands('DATA')                 # and the other had begun
    assert any(rotten.id in w and 'checksum' in w for w in set_aside(relay))


def test_a_part_of_it_is_never_converted_and_sent(world, relay):
    """DQ-011, SC-073: the last piece is gone, and the host wants 7 bit: nothing goes out, and the record says why."""
    domain = world.domain(insecure=True)
    mx = domain.host(capabilities=('PIPELINING',), replies={'RCPT': '450 4.2.0 busy'})
    mail = relay.send(domain.user(), body=('ü' * 400 + '\r\n').encode() * 120, mail_options=['BODY=8BITMIME'],
                      header=b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n')
    mail.wait('recipient', result='deferred')
    with contextlib.closing(sqlite3.connect(os.path.join(relay.config['queue']['path'], 'queue.db'))) as db, db:
        assert db.execute('DELETE FROM chunk WHERE key = (SELECT max(key) FROM chunk)').rowcount == 1
    mx.script.replies.clear()
    relay.queue('flush', '--all')
    outcome = mail.outcome(count=2)
    assert (outcome['result'], outcome['reason']) == ('deferred', '8bitmime-unsupported')
    assert 'octets are there' in outcome['text'] and not mx.messages


def test_zeroed_page(relay, queue):
    """H126: a broken structure is salvaged at the start; the broken file stays beside the new one."""
    mx, mails, path = queue
    data = read(path)
    at = data.index(b'marker-20-') // PAGE * PAGE
    overwrite(path, at, bytes(PAGE))
    lost = release_and_account(relay, mx, mails)
    assert 0 < len(lost) < 20, lost
    assert store_events(relay)
    directory = os.path.dirname(path)
    assert any(data[:100] == read(os.path.join(directory, name))[:100] for name in os.listdir(directory)
               if name != 'queue.db' and os.path.getsize(os.path.join(directory, name)) == len(data))


def test_cut_short(relay, queue):
    """A file that lost its end never passes for a shorter queue."""
    mx, mails, path = queue
    size = os.path.getsize(path)
    os.truncate(path, size // PAGE // 2 * PAGE)
    relay.start(wait=False)
    waiting.until(lambda: relay.process.poll() is not None or any(e.get('event') == 'ready' for e in relay.events.all()[-3:]),
                  what='ready, or the reason why not')
    assert store_events(relay) or relay.process.poll() not in (None, 0)
    if relay.running:
        said = '\n'.join(store_events(relay))
        relay.queue('release', '--all')
        waiting.until(lambda: relay.listed() == [], timeout=60, what='a drained queue')
        assert 'queue' in said and (len(mx.messages) == len(mails) or said)
        assert all(any(m.data.endswith(mail.data) for mail in mails) for m in mx.messages)


def test_not_a_queue(relay, queue):
    """Somebody else's file: refused, said, untouched."""
    mx, mails, path = queue
    shutil.copy(path, path + '.sound')
    overwrite(path, 0, os.urandom(200))
    before = read(path)
    relay.start(wait=False)
    assert relay.wait_exit() != 0
    assert any('queue.db' in line for line in relay.noise), relay.noise
    kept = [read(os.path.join(os.path.dirname(path), name)) for name in os.listdir(os.path.dirname(path))
            if name.startswith('queue.db')]
    assert before in kept
    os.rename(path + '.sound', path)
    assert release_and_account(relay, mx, mails) == []


def test_disk_that_can_not_be_read_for_a_while(relay, queue, tmp_path):
    """Errors of the disk are not damage: said, tried again, nothing set aside, nothing lost."""
    mx, mails, path = queue
    source, library, broken = tmp_path / 'eio.c', tmp_path / 'eio.so', tmp_path / 'broken'
    source.write_text(SAYS_EIO)
    compiler = shutil.which('clang-19') or shutil.which('cc')
    subprocess.run([compiler, '-shared', '-fPIC', '-O1', '-o', str(library), str(source), '-ldl'], check=True)
    relay.environment = {'LD_PRELOAD': str(library), 'BROKEN_WHILE': str(broken)}
    broken.touch()
    relay.start(wait=False)
    assert relay.wait_exit() != 0                               # what can't be read is not begun
    assert any('I/O' in line or 'i/o' in line for line in relay.noise), relay.noise
    broken.unlink()
    relay.start()
    broken.touch()
    relay.queue('release', '--all')
    with relay.connect() as client:
        client.ehlo()
        code, text = load.submit(client, 'later@sender.test', mails[0].recipients[0], b'Subject: later\r\n\r\nlater\r\n')
    assert code in (250, 451, 452), text
    broken.unlink()
    assert relay.stop() == 0
    missing = release_and_account(relay, mx, mails)
    assert missing == []
    assert not set_aside(relay)
    assert sum(m.sender == 'later@sender.test' for m in mx.messages) == (1 if code == 250 else 0)
