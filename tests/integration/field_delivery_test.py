"""Peers and certificates as they are met in the field. Each test is a case of docs/field-cases.tsv."""
import hashlib

import pytest

from world import pki, scenario, smtpd

pytestmark = pytest.mark.check_agrees        # DANE-130


# Certificates and names.

def test_authority_rotated_its_intermediate(world, relay):
    """H69: records of the old and a spare issuer; the server now chains by a new one."""
    domain = world.domain(ttl=0)
    mx = domain.host(credential=pki.chain)
    others = [pki.chain(mx.fqdn).tlsa('2 1 1 intermediate') for _ in range(2)]
    domain.add('_25._tcp.mx', 'TLSA', *others)
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'tlsa-invalid')
    assert len(mail.attempts[-1]['tlsa']) == 2 and mx.silent
    domain.add('_25._tcp.mx', 'TLSA', mx.credential.tlsa('2 1 1 intermediate'))
    world.publish()
    relay.queue('flush', '--all')
    assert mail.wait('recipient', result='delivered')['tls_level'] == 'dane-ta'


@pytest.mark.parametrize('covered', ['rsa', 'both'])
def test_two_certificates_and_one_covered(world, relay, covered):
    """H74: what was negotiated counts; no other signature algorithms are tried."""
    domain = world.domain()
    mx = domain.host()
    rsa, ec = pki.self_signed(mx.fqdn, key='rsa'), pki.self_signed(mx.fqdn)
    mx.server.credential = ec
    mx.server.show_also(rsa)
    domain.add('_25._tcp.mx', 'TLSA', rsa.tlsa('3 1 1'), *([ec.tlsa('3 1 1')] if covered == 'both' else []))
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    if covered == 'both':
        assert outcome['tls_level'] == 'dane-ee'
    elif outcome['result'] == 'deferred':
        scenario.deferred(mail, 'tlsa-invalid')
        assert mx.silent
    else:
        assert outcome['tls_level'] == 'dane-ee'        # the server chose the covered one
    assert len(mx.handshakes) == 1


@pytest.mark.parametrize('unknown', ['default', 'alert'])
@pytest.mark.parametrize('known', [True, False])
def test_certificate_chosen_by_name(world, relay, known, unknown):
    """H73, DANE-110: the base is asked for by SNI; what the server shows is judged, be it its default one."""
    domain = world.domain()
    right = pki.self_signed('mx.' + domain.name)
    names = {'mx.' + domain.name: right} if known else {'another.test': right}
    mx = domain.host(credential=pki.self_signed('default.test'), sni=names, sni_unknown=unknown)
    domain.add('_25._tcp.mx', 'TLSA', right.tlsa('3 1 1'))
    mail = relay.send(domain.user())
    if known:
        scenario.delivered(mail, by=mx, level='dane-ee')
    else:
        scenario.deferred(mail, 'tlsa-invalid' if unknown == 'default' else 'tls-handshake-failed')
        assert mx.silent


@pytest.mark.parametrize('script', [
    dict(replies={'banner': '220-mx is busy and proud\n220 ESMTP'}, starttls='absent'),
    dict(replies={'STARTTLS': '501 5.5.4 no'}),
    dict(replies={'STARTTLS': '454 4.7.0 TLS not available'}),
], ids=['two_line_banner', '501', '454'])
def test_tls_promised_and_not_offered(world, relay, script):
    """H75, H76, DANE-122: the next host serves; the first hears QUIT at most."""
    domain = world.domain()
    first = domain.host('a', 10, tlsa=['3 1 1'], **script)
    second = domain.host('b', 20, tlsa=['3 1 1'])
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=second, level='dane-ee')
    assert first.silent and mail.attempts[0]['reason'] == 'starttls-not-supported'
    assert first.commands()[-1] in ('QUIT', 'STARTTLS')


def test_dane_certificate_of_another_provider(world, relay):
    """H45: a record left beside an alias to a mail giant whose certificate the web trusts. DANE-A07."""
    domain, giant = world.domain(), world.domain(insecure=True)
    host = giant.host('aspmx', preference=None, credential=world.web_ca.issue)
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', f'{host.fqdn}.')
    domain.add('_25._tcp.mx', 'TLSA', host.credential.tlsa('3 0 1 wrong'))
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')
    assert host.silent


# Hosts and their order.

def test_greylisting_on_the_primary_only(world, relay):
    """H91, SC-054, SC-057: each recipient by itself; no second copy; every new attempt begins at the best host."""
    relay.configure(queue={'retry': ['1s']})
    domain = world.domain(insecure=True)
    first = domain.host('a', 10, replies={'RCPT info': ['450 4.2.0 greylisted', '250 2.1.5 ok']})
    second = domain.host('b', 20, replies={'RCPT': '450 4.2.0 greylisted as well'})
    mail = relay.send([domain.user('info'), domain.user('postmaster')])
    mail.wait('recipient', recipient=domain.user('info'), result='delivered')
    mail.gone()
    assert [m.recipients for m in first.messages] == [(domain.user('postmaster'),), (domain.user('info'),)]
    assert not second.messages and all('postmaster' not in c for c in second.commands('RCPT'))
    assert mail.attempts[-1]['host'] == first.fqdn


@pytest.mark.parametrize('policy, script, result', [
    ('encrypt', {'starttls': 'mangled'}, 'starttls-not-supported'),
    ('may',     {'starttls': 'mangled'}, None),
    ('encrypt', {'replies': {'STARTTLS': '454 4.7.0 later'}}, 'starttls-not-supported'),
    ('may',     {'replies': {'STARTTLS': '454 4.7.0 later'}}, None),
])
def test_starttls_stripped_or_unavailable(world, relay, policy, script, result):
    """H95, H96: deferred, not bounced, where TLS is demanded; in the clear on the same connection where it is not."""
    relay.configure(tls={'policy': policy})
    domain = world.domain(insecure=True)
    mx = domain.host(**script)
    mail = relay.send(domain.user())
    if result:
        outcome = scenario.deferred(mail, result)
        assert mx.silent and outcome['enhanced'].startswith('4.7.')
    else:
        scenario.delivered(mail, by=mx, level='none')
        assert mx.connections == 1
    assert not mx.commands('STARTTLS') or 'replies' in script


# The dialogue.

@pytest.mark.parametrize('octets', [998, 999, 1000, 5000, 100_000])
def test_lines_near_the_limit(world, relay, octets):
    """H119, SC-039, D-17: unchanged, neither folded nor cut."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    body = b'before\r\n' + b'x' * octets + b'\r\n' + b'y' * octets + b'\r\nafter\r\n'
    mail = relay.send(domain.user(), body=body)
    scenario.delivered(mail, by=mx, level='encrypted')
    assert hashlib.sha256(mx.messages[0].body).digest() == hashlib.sha256(body).digest()


@pytest.mark.parametrize('notify, offered, reported', [
    ('SUCCESS,FAILURE', True, {}), ('SUCCESS,FAILURE', False, 'relayed'), ('FAILURE', False, {}), ('NEVER', False, {}),
])
def test_notify_to_a_hop_with_and_without_dsn(world, relay, notify, offered, reported):
    """H121, SC-079, SC-080, DQ-020, DQ-027."""
    domain = world.domain(insecure=True)
    mx = domain.host(capabilities=('PIPELINING', 'DSN') if offered else ('PIPELINING',))
    mail = relay.send((domain.user(), [f'NOTIFY={notify}', 'ORCPT=rfc822;x+2By@orig.test']), mail_options=['ENVID=QQ314'])
    scenario.delivered(mail, by=mx, level='encrypted')
    parameters = mx.messages[0].recipient_parameters[0]
    assert (f'NOTIFY={notify}' in parameters and 'ORCPT=rfc822;x+2By@orig.test' in parameters) if offered else not parameters
    if reported:
        report = mail.report()
        assert report.actions == {domain.user(): reported} and report.recipients[0]['original-recipient'].endswith('x+y@orig.test')
    mail.gone()
    assert len(mail.reports()) == int(bool(reported))


def test_never_and_refused_means_no_report(world, relay):
    """H121, DQ-020."""
    domain = world.domain(insecure=True)
    domain.host(replies={'RCPT': '550 5.1.1 no'})
    mail = relay.send((domain.user(), ['NOTIFY=NEVER']))
    assert mail.outcome()['result'] == 'bounced'
    mail.gone()
    assert not mail.reports()


@pytest.mark.parametrize('step', ['MAIL', 'RCPT', 'DOT'])
def test_temporary_code_at_any_step_follows_the_schedule(world, relay, step):
    """H133, SC-090: one attempt each time it is due, and success ends it."""
    relay.configure(queue={'retry': ['1s', '2s']})
    domain = world.domain(insecure=True)
    mx = domain.host(replies={step: ['450 4.2.0 a', '450 4.2.0 b', smtpd.Reply()]})
    mail = relay.send(domain.user())
    mail.wait('recipient', result='delivered', timeout=30)
    mail.gone()
    times = [f.time for f in mx.facts('command') if f.verb == 'MAIL']
    assert len(times) == 3 and times[1] - times[0] > 0.7 and times[2] - times[1] > 1.4
    assert relay.listed() == []


# MTA-STS and waivers.

@pytest.mark.parametrize('name', ['idn', 'smart_host'])
def test_policy_domain(world, relay, name):
    """H145, MS-001, MS-010: the A-label of an international domain; of a smart host the smart host's."""
    domain, customer = world.domain(insecure=True), world.domain(insecure=True)
    mx = domain.host(credential=pki.self_signed)        # refused by the policy: deferred where it is found
    domain.sts()
    if name == 'smart_host':
        relay.configure(policies=[{'match': [customer.name], 'next_hop': domain.name}])
        scenario.deferred(relay.send(customer.user()), 'certificate-not-trusted')
        assert not customer.queries()
    else:
        idn = world.domain('xn--bcher-kva', insecure=True)
        idn.add('@', 'MX', f'10 {mx.fqdn}.')
        idn.sts(mx=[mx.fqdn])
        scenario.deferred(relay.send('x@bücher.test', mail_options=['SMTPUTF8']), 'certificate-not-trusted')


@pytest.mark.parametrize('header, body, waived', [
    (b'TLS-Required: No\r\n', b'x\r\n', True),
    (b'tls-required:  no \r\n', b'x\r\n', True),
    (b'TLS-Required: Yes\r\n', b'x\r\n', False),
    (b'TLS-Required: Nope\r\n', b'x\r\n', False),
    (b'', b'TLS-Required: No\r\n', False),
    (b'TLS-Required: No\r\nTLS-Required: No\r\n', b'x\r\n', None),
])
@pytest.mark.check_differs('the message waives what the policy asks')
def test_waiver_in_the_header(world, relay, header, body, waived):
    """H152, SC-123, DANE-129: that header field alone, in the header alone; twice it may be either, but never in the clear."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1 wrong'])
    mail = relay.send(domain.user(), header=header, body=body)
    outcome = mail.outcome()
    if waived is None:
        waived = outcome['result'] == 'delivered'
    if waived:
        scenario.delivered(mail, by=mx, level='encrypted')
    else:
        scenario.deferred(mail, 'tlsa-invalid')
        assert mx.silent
