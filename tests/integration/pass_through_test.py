"""Does content leave as it came, octet for octet, whatever is in it and however it is cut, by DATA and by BDAT? SS-040, SS-044,
SS-050, SC-037, SC-038, SC-075."""
import itertools
import os
import random
import socket

import pytest

from world import smtpd, waiting

HEADER = b'From: <s@sender.test>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <%d@client.test>\r\nSubject: x\r\n'
LINES = [b'', b'.', b'..', b'...', b'.x', b'. ', b'RCPT TO:<x@y.test>', b'QUIT', b'BDAT 5 LAST', b'From here', b'>From', b'\t', b' ',
         b' trailing \t', b'=', b'=20', b'--', b'\xc3\xa9\xff\xfe', b'x' * 76, b'y' * 998, b'\xe2\x82\xac' * 300]


def body(rng):
    """Lines that mean something elsewhere, in any order, near the sizes of buffers too."""
    lines = [rng.choice(LINES) for _ in range(rng.randrange(12))]
    if rng.random() < 0.2:
        size = rng.choice((4096, 8192, 16384, 65536)) + rng.randrange(-3, 4)
        lines.insert(rng.randrange(len(lines) + 1), b'')
        filler = b''.join(bytes([rng.choice(b'abc.')]) * rng.randrange(1, 900) + b'\r\n' for _ in range(size // 400))
        return b'\r\n'.join(lines) + b'\r\n' + filler
    return b''.join(line + b'\r\n' for line in lines)


def stuffed(content):
    return b''.join(b'.' + line if line.startswith(b'.') else line for line in content.splitlines(keepends=True)) + b'.\r\n'


def chunks(rng, content):
    """BDAT commands over cuts anywhere, within CRLF and before a dot too."""
    cuts = sorted(rng.randrange(len(content) + 1) for _ in range(rng.randrange(4)))
    parts = [content[a:b] for a, b in itertools.pairwise([0, *cuts, len(content)])]
    out = [b'BDAT %d\r\n%s' % (len(part), part) for part in parts[:-1]]
    out.append(b'BDAT %d LAST\r\n%s' % (len(parts[-1]), parts[-1]))
    if rng.random() < 0.3:
        out[-1:] = [b'BDAT %d\r\n%s' % (len(parts[-1]), parts[-1]), b'BDAT 0 LAST\r\n']
    return out


def drip(rng, sock, data):
    """In pieces as a network makes them."""
    while data:
        size = rng.choice((1, 2, 3, 7, 100, 1460, 4096, 65536))
        sock.sendall(data[:size])
        data = data[size:]


class Dialogue:
    def __init__(self, address):
        self.sock = socket.create_connection(address, 30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile('rb')
        self.expect(b'220')

    def expect(self, code, count=1):
        for _ in range(count):
            line = self.file.readline()
            assert line.startswith(code), line

    def close(self):
        self.sock.close()


def submit(dialogue, rng, how, sender, recipient, content):
    envelope = b'MAIL FROM:<%s> BODY=8BITMIME\r\nRCPT TO:<%s>\r\n' % (sender.encode(), recipient.encode())
    if how == 'data':
        dialogue.sock.sendall(envelope + b'DATA\r\n')
        dialogue.expect(b'250', 2)
        dialogue.expect(b'354')
        drip(rng, dialogue.sock, stuffed(content))
        dialogue.expect(b'250')
    else:
        pieces = chunks(rng, content)
        drip(rng, dialogue.sock, envelope + b''.join(pieces))
        dialogue.expect(b'250', 2 + len(pieces))


CAPABILITIES = {'data': smtpd.HONEST_CAPABILITIES, 'chunk': ('8BITMIME', 'CHUNKING'), 'chunks': ('8BITMIME', 'CHUNKING', 'PIPELINING')}


@pytest.mark.parametrize('out', CAPABILITIES)
@pytest.mark.parametrize('how', ['data', 'bdat'])
def test_octet_for_octet(world, relay, how, out):
    rng = random.Random(how + out)
    domain = world.domain(insecure=True)
    mx = domain.host(capabilities=CAPABILITIES[out])
    relay.start()
    sent = {}
    for number in range(150 if out == 'chunks' else 1000):
        if number % 300 == 0:
            dialogue = Dialogue(relay.address)
            dialogue.sock.sendall(b'EHLO client.test\r\n')
            while dialogue.file.readline()[3:4] == b'-':
                pass
        sender = f'{how}-{number}-{os.getpid()}@sender.test'
        sent[sender] = HEADER % number + b'\r\n' + body(rng)
        while out == 'chunks' and len(sent[sender]) <= 65536:
            sent[sender] += body(rng) * 20
        submit(dialogue, rng, how, sender, domain.user(), sent[sender])
    dialogue.close()
    waiting.until(lambda: len(mx.messages) >= len(sent), timeout=60, what=f'{len(sent)} messages')
    assert not mx.faults
    by_bdat = {'data': 0, 'chunk': 800, 'chunks': 150}[out]         # what is large and not pipelined goes by DATA
    assert len([c for c in mx.commands('BDAT') if c.endswith(' LAST')]) >= by_bdat
    assert not mx.commands({'data': 'BDAT', 'chunks': 'DATA'}.get(out, 'none'))
    got = {m.sender: m for m in mx.messages}
    assert got.keys() == sent.keys()
    for sender, content in sent.items():
        assert got[sender].data.endswith(b'\r\n' + content), (sender, content, got[sender].data)
        added = got[sender].data[:-len(content)]
        assert added.startswith(b'Received: ') and added.count(b'\r\n') == len(added.splitlines())      # one field, no more
        assert all(line.startswith((b' ', b'\t')) for line in added.splitlines()[1:]), added
