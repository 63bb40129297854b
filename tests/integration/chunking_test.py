"""When does content go by BDAT, and what if the next hop doesn't keep its word? SC-051, SC-073, SC-075, SC-076, RFC 3030."""
import email
import os

import pytest

from world import scenario, smtpd, waiting

BINARY = b'\x00\x01\xff\n\r\r\n.\n.\r\n' * 20
HEADER = (b'From: <s@sender.test>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@client.test>\r\nMIME-Version: 1.0\r\n'
          b'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n')


@pytest.fixture
def domain(world):
    return world.domain(insecure=True)


def submit_binary(relay, to, content):
    """By BDAT; returns the sender's address."""
    sender = f'binary-{os.getpid()}-{to}'.replace('@', '-at-') + '@sender.test'
    replies = relay.talk('EHLO client.test', f'MAIL FROM:<{sender}> BODY=BINARYMIME', f'RCPT TO:<{to}>',
                         b'BDAT %d LAST\r\n%s' % (len(content), content), 'QUIT')
    assert replies[-2].startswith('250 '), replies
    return sender


def outcome_of(relay, recipient, count=1):
    def find(events):
        mine = [e for e in events if e.get('event') == 'recipient' and e.get('recipient') == recipient]
        return mine[count - 1] if len(mine) >= count else None
    return relay.events.wait_until(find, 30, f'outcome {count} of {recipient}')


@pytest.mark.parametrize('capabilities, size, chunks', [
    (('CHUNKING', 'PIPELINING'), 10, 0),            # 354 comes with the replies to RCPT
    (('CHUNKING', 'PIPELINING'), 300000, 5),        # in pieces of 64 KiB
    (('CHUNKING',), 10, 1),                         # 354 need not be waited for
    (('CHUNKING',), 300000, 0),                     # each chunk would be
    (('PIPELINING',), 10, 0),
    ((), 10, 0),
])
def test_where_it_saves_work(world, relay, domain, capabilities, size, chunks):
    """SC-075: never both in one transaction; dots stay single; no 354."""
    mx = domain.host(capabilities=capabilities)
    mail = relay.send(domain.user(), body=b'.' * 70 + b'\r\n' + b'.x\r\n' * (size // 4))
    scenario.delivered(mail, by=mx, level='encrypted')
    commands = mx.commands('BDAT')
    assert len(commands) == chunks and len(mx.commands('DATA')) == (0 if chunks else 1)
    assert [c.endswith(' LAST') for c in commands] == [False] * (chunks - 1) + [True] * (chunks > 0)


@pytest.mark.parametrize('how', [(('CHUNKING',), 40, 1), (('CHUNKING', 'PIPELINING'), 100000, 2)], ids=['stepwise', 'pipelined'])
def test_no_chunk_where_nobody_is_taken(world, relay, domain, how):
    """SC-052, SC-059: nothing of the content; the connection goes on."""
    capabilities, size, chunks = how
    mx = domain.host(capabilities=capabilities, replies={'RCPT no': '550 5.1.1 no'})
    body = b'x.\r\n' * (size // 4)
    scenario.bounced(relay.send(domain.user('no'), body=body), 'smtp-reply', '5.1.1', tried=[mx])
    scenario.delivered(relay.send(domain.user('yes'), body=body), by=mx, level='encrypted')
    assert len(mx.commands('BDAT')) == chunks and not mx.commands('DATA')


def test_a_refused_chunk(world, relay, domain):
    """SC-075: no more of them once the refusal is known, RSET, and the connection serves the next message."""
    mx = domain.host(capabilities=('CHUNKING', 'PIPELINING'),
                     replies={'BDAT': smtpd.Once('552 5.3.4 too large', lambda session, n: session.chunked == 'begun')})
    mail = relay.send(domain.user(), body=b'x' * 70 + b'\r\n' + b'y' * 9000000 + b'\r\n')
    scenario.bounced(mail, 'smtp-reply', '5.3.4', tried=[mx])
    sent = [f.verb for f in mx.facts('command')]
    assert 2 <= sent.count('BDAT') < 9000000 // 65536 and 'RSET' in sent and not mx.messages
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted', tried=[mx])


@pytest.mark.parametrize('offered', ['both', 'chunking', 'neither'])
@pytest.mark.parametrize('signed', [True, False], ids=['signed', 'plain'])
def test_binary_content(world, relay, domain, offered, signed):
    """SC-076: octet for octet where both are offered; else re-encoded, or refused where a signature would break."""
    capabilities = {'both': ('CHUNKING', 'BINARYMIME', '8BITMIME'), 'chunking': ('CHUNKING', '8BITMIME'),
                    'neither': ('PIPELINING', '8BITMIME')}[offered]
    mx = domain.host(capabilities=capabilities)
    content = (b'DKIM-Signature: v=1; a=rsa-sha256; d=x.test\r\n' if signed else b'') + HEADER + b'\r\n' + BINARY
    submit_binary(relay, domain.user(), content)
    outcome = outcome_of(relay, domain.user())
    if offered != 'both' and signed:
        assert (outcome['result'], outcome['reason'], outcome['enhanced']) == ('bounced', '8bitmime-unsupported', '5.6.3')
        assert mx.silent
        return
    assert outcome['result'] == 'delivered'
    message = mx.wait_messages()[0]
    assert ('BODY=BINARYMIME' in message.parameters) == (offered == 'both') and not mx.faults
    assert email.message_from_bytes(message.data).get_payload(decode=True) == BINARY or offered == 'both'
    assert message.data.endswith(b'\r\n' + content) == (offered == 'both')


@pytest.mark.parametrize('how', ['unknown', '500 5.5.2 what', '502 5.5.1 not here', '503 5.5.1 sequence'])
def test_a_host_that_lists_chunking_and_does_not_know_it(world, relay, how):
    """SC-075, DANE-121: at once again by DATA, over another connection, as well protected; and no BDAT to it after that."""
    domain = world.domain()
    script = {'bdat': 'unknown'} if how == 'unknown' else {'replies': {'BDAT': how}}
    mx = domain.host(tlsa=['3 1 1'], capabilities=('CHUNKING', '8BITMIME'), **script)
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level='dane-ee', tried=[mx])
    assert mx.connections == 2 and len(mx.commands('BDAT')) == 1
    refused, taken = mail.attempts
    assert refused['code'] in (500, 502, 503) and 'by DATA over another connection' in refused['text']
    assert refused['result'] == 'deferred' and taken['result'] == 'delivered'
    scenario.delivered(relay.send(domain.user('next')), by=mx, level='dane-ee', tried=[mx])
    assert len(mx.commands('BDAT')) == 1 and not mx.commands('MAIL', tls=False)


def test_a_host_that_does_not_know_chunking_and_hides_tls_from_then_on(world, relay):
    """DANE-121: what makes us come back must not make us come back in clear."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'], capabilities=('CHUNKING',))

    def refuse(session, argument):
        mx.server.script.starttls = 'absent'
        return '502 5.5.1 not here'
    mx.server.script.replies['BDAT'] = refuse
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert (outcome['result'], outcome['reason']) == ('deferred', 'starttls-not-supported')
    assert not mx.commands('MAIL', tls=False) and not mx.messages


def test_silence_after_bdat(world, relay, domain):
    """SC-058, SC-075: something on the path may not know it: the next attempt is by DATA."""
    relay.configure(delivery={'command_timeout': '2s', 'data_timeout': '2s'}, queue={'retry': ['1s']})
    mx = domain.host(capabilities=('CHUNKING',), replies={'BDAT': smtpd.HANG})
    mail = relay.send(domain.user())
    first = mail.outcome()
    assert (first['result'], first['reason']) == ('deferred', 'timeout') and mail.attempts[0]['possible_duplicate']
    scenario.delivered(mail, by=mx, level='encrypted', count=2, tried=[mx])
    assert len(mx.commands('BDAT')) == 1 and len(mx.commands('DATA')) == 1


def test_binary_content_is_offered_by_bdat_again(world, relay, domain):
    """SC-076: silence once is no reason to refuse what can't go otherwise."""
    relay.configure(delivery={'command_timeout': '2s', 'data_timeout': '2s'}, queue={'retry': ['1s']})
    mx = domain.host(capabilities=('CHUNKING', 'BINARYMIME'), replies={'BDAT': smtpd.Once(smtpd.HANG)})
    content = b'DKIM-Signature: v=1; a=rsa-sha256; d=x.test\r\n' + HEADER + b'\r\n' + BINARY
    submit_binary(relay, domain.user(), content)
    assert outcome_of(relay, domain.user())['result'] == 'deferred'
    assert outcome_of(relay, domain.user(), count=2)['result'] == 'delivered'
    assert waiting.until(lambda: mx.messages, what='the message')[0].data.endswith(content)
