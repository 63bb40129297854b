"""What is said to a next hop, in which order, and what is never said again in the clear? SC-022 … SC-027, SC-051, SC-082."""
import json
import socket

import pytest

from world import scenario, smtpd, waiting

pytestmark = pytest.mark.check_agrees        # DANE-130

ALL = ('PIPELINING', 'SIZE 52428800', '8BITMIME', 'ENHANCEDSTATUSCODES', 'DSN', 'AUTH PLAIN')


@pytest.mark.smoke
@pytest.mark.parametrize('starttls', ['offered', 'absent'])
@pytest.mark.parametrize('content', ['DATA', 'BDAT'])
def test_order_of_commands(world, relay, starttls, content):
    """SC-022, SC-025, SC-026, SC-050, SC-051: our name in EHLO, STARTTLS alone in flight, EHLO anew, groups end where they must.

    The server calls it a fault when more arrives before its reply to EHLO, STARTTLS, DATA or QUIT; its replies are slow."""
    domain = world.domain(insecure=True)
    slow = {v: smtpd.Reply(delay=0.1) for v in ('EHLO', 'STARTTLS', 'DATA', 'DOT', 'BDAT', 'RSET')}
    mx = domain.host(starttls=starttls, capabilities=ALL + (('CHUNKING',) if content == 'BDAT' else ()),
                     replies={**slow, 'RCPT no': '550 5.1.1 no'})
    relay.configure(delivery={'idle_reuse': '1s'})
    body = b'x.\r\n' * (10 if content == 'DATA' else 25000)         # one chunk more than one
    mail = relay.send([domain.user('no'), domain.user('yes')], body=body)
    scenario.delivered(mail, by=mx, level='encrypted' if starttls == 'offered' else 'none', recipient=domain.user('yes'))
    mx.wait('command', 'QUIT')
    verbs = [f.verb for f in mx.facts('command')]
    hello = ['EHLO', 'STARTTLS', 'EHLO'] if starttls == 'offered' else ['EHLO']
    assert verbs == [*hello, 'MAIL', 'RCPT', 'RCPT', *[content] * (1 if content == 'DATA' else 2), 'QUIT'], verbs
    assert set(mx.commands('EHLO')) == {'EHLO relay.test'}
    assert not mx.faults
    assert not any('AUTH=' in c for c in mx.commands('MAIL'))           # SC-082


def test_without_pipelining_each_command_waits(world, relay):
    """SC-050: and nothing follows a refused MAIL."""
    domain = world.domain(insecure=True)
    mx = domain.host(starttls='absent', capabilities=('8BITMIME',), replies={'MAIL': smtpd.Reply(delay=0.2)})
    other = domain.host('b', 20, starttls='absent', capabilities=('8BITMIME',))
    scenario.delivered(relay.send(domain.user()), by=mx, level='none')
    refusing = world.domain(insecure=True)
    never = refusing.host(starttls='absent', capabilities=('8BITMIME',), replies={'MAIL': '450 4.2.0 later'})
    scenario.deferred(relay.send(refusing.user()), 'smtp-reply', tried=[never])
    assert not mx.faults and not never.commands('RCPT') and other.untouched


@pytest.mark.parametrize('end', ['says so', 'closes', '421'])
def test_a_host_that_takes_one_message_a_connection(world, relay, end):
    """SC-060, RFC 9422: recipients of many transactions all get it, whichever way the host puts it."""
    def second(session, _argument):
        session.mails = getattr(session, 'mails', 0) + 1
        return smtpd.Reply('421 4.7.0 enough', then='close') if session.mails > 1 else None
    domain = world.domain(insecure=True)
    limits = 'LIMITS RCPTMAX=1' + (' MAILMAX=1' if end == 'says so' else '')
    ends = {'says so': {}, 'closes': {'DOT': smtpd.Reply(then='close')}, '421': {'MAIL': second}}
    mx = domain.host(starttls='absent', capabilities=(*ALL, limits), replies=ends[end])
    other = domain.host('b', 20, starttls='absent')
    mail = relay.send([domain.user(f'u{i}') for i in range(6)])
    for i in range(6):
        scenario.delivered(mail, by=mx, level='none', recipient=domain.user(f'u{i}'))
    assert sorted(m.recipients for m in mx.messages) == [(domain.user(f'u{i}'),) for i in range(6)]
    assert len({m.session for m in mx.messages}) == 6 and other.untouched
    if end == 'says so':
        assert len(mx.commands('MAIL')) == 6
        scenario.delivered(relay.send(domain.user('next')), by=mx, level='none')
        assert len({m.session for m in mx.messages}) == 7          # not lent out again either


def test_whoever_was_put_off_is_not_asked_twice_at_one_host(world, relay):
    """SC-055: though the host wants a connection for each message."""
    domain = world.domain(insecure=True)
    mx = domain.host(starttls='absent', capabilities=(*ALL, 'LIMITS RCPTMAX=1 MAILMAX=1'))
    refusing = domain.host('b', 20, starttls='absent', capabilities=('SIZE 10',))          # must not have the last word on anybody
    mx.script.replies.update({f'RCPT busy{i}': '450 4.2.0 later' for i in range(4)})
    busy = [domain.user(f'busy{i}') for i in range(4)]
    mail = relay.send([*busy, domain.user('a'), domain.user('b')])
    for who in 'ab':
        scenario.delivered(mail, by=mx, level='none', recipient=domain.user(who))
    for who in busy:
        assert (mail.outcome(recipient=who)['result'], mail.outcome(recipient=who)['reason']) == ('deferred', 'smtp-reply')
    assert len([c for c in mx.commands('RCPT') if 'busy' in c]) == 4 and refusing.silent


def test_failed_verification_ends_with_quit(world, relay):
    """SC-027, DANE-120: inside TLS nothing but QUIT is said."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1 wrong'])
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'tlsa-invalid')
    assert [f.verb for f in mx.facts('command')] in (['EHLO', 'STARTTLS', 'QUIT'], ['EHLO', 'STARTTLS'])
    assert mx.silent
    told = mail.wait('policy-failure')
    assert (told['level'], told['domain'], told['reason']) == ('warn', domain.name, 'tlsa-invalid')


@pytest.mark.parametrize('step', ['MAIL', 'RCPT', 'DATA', 'DOT'])
def test_break_after_mail_does_not_lower_the_next_attempt(world, relay, step):
    """DANE-A22, DANE-121: the peer breaks the TLS session, then hides STARTTLS: no clear text."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'], replies={step: smtpd.RESET})
    mail = relay.send(domain.user())
    assert mail.outcome()['reason'] == 'connection-lost'
    mx.server.script.starttls = 'absent'
    relay.queue('flush', '--all')
    assert mail.outcome(count=2)['reason'] == 'starttls-not-supported'
    assert not mx.commands('MAIL', tls=False) and not mx.messages


def test_host_behind_an_insecure_mx_is_named_as_the_mx_names_it(world, relay):
    """DANE-027: the alias, not its expansion."""
    provider, customer = world.domain(), world.domain(insecure=True)
    host = provider.host('node', preference=None, tlsa=['3 1 1'])
    provider.add('mx', 'CNAME', 'node')
    customer.add('@', 'MX', f'10 mx.{provider.name}.')
    mail = relay.send(customer.user())
    outcome = mail.outcome()
    assert (outcome['result'], outcome['tls_level'], outcome['host']) == ('delivered', 'dane-ee', f'mx.{provider.name}')
    assert mail.attempts[-1]['host'] == f'mx.{provider.name}' and len(host.messages) == 1


def test_failures_are_counted_by_reason_and_seen_by_destination(world, relay):
    """DANE-141: the metrics count reasons, the queue's list shows the destinations."""
    broken, gone = world.domain(), world.domain()
    broken.host(tlsa=['3 1 1 wrong'])
    gone.host(tlsa=['3 1 1'])
    gone.faults('_25._tcp.mx', 'TLSA', 'servfail')
    mails = [relay.send(broken.user()), relay.send(broken.user()), relay.send(gone.user())]
    for mail in mails:
        mail.outcome()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(relay.config['admin']['address'].removeprefix('unix:'))
        sock.sendall(b'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        page = waiting.until(lambda: b''.join(iter(lambda: sock.recv(65536), b'')), what='the metrics').decode()
    assert 'danelaw_deferred_total{reason="tlsa-invalid"} 2' in page
    assert 'danelaw_deferred_total{reason="dns-error"} 1' in page
    assert {m['recipients'][0]['last']['reason'] for m in relay.listed('--domain', broken.name)} == {'tlsa-invalid'}
    assert relay.status()['deferred_reasons'] == {'tlsa-invalid': 2, 'dns-error': 1}, json.dumps(relay.status())
