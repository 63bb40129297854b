"""Does the tag of a REQUIRETLS message outlive queue, restart and the splitting of recipients? SC-120 … SC-127; RFC 8689."""
import json
import smtplib

import pytest

from world import pki, scenario

PLAIN = ('PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES', 'DSN')
WITH = PLAIN + ('REQUIRETLS',)


@pytest.fixture
def tagged(relay):
    """Sends a message tagged REQUIRETLS."""
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'tls': 'starttls', **pki.listener(relay.work)}])

    def send(to, **kw):
        with relay.connect() as client:
            client.starttls(context=pki.unverified())
            client.ehlo()
            return relay.send(to, mail_options=['REQUIRETLS'], connection=client, **kw)
    return send


def test_tag_survives_restart_and_splitting(world, relay, tagged):
    """SC-127: each part of the message, after a restart, still demands it."""
    one, two = world.domain(), world.domain()
    later = {'RCPT': ['450 4.2.0 later', '250 2.1.5 ok']}
    hosts = [d.host(tlsa=['3 1 1'], capabilities=PLAIN, capabilities_tls=WITH, replies=later) for d in (one, two)]
    mail = tagged([one.user(), two.user()])
    for domain in (one, two):
        scenario.deferred(mail, 'smtp-reply', recipient=domain.user(), tried=hosts)
    assert json.loads(relay.queue('show', mail.id, '--json').out)['requiretls'] is True
    relay.restart()
    relay.queue('flush', '--all')
    for host in hosts:
        host.server.wait('message')
        assert all('REQUIRETLS' in c for c in host.commands('MAIL')) and len(host.commands('MAIL')) == 2


@pytest.mark.parametrize('second', ['good', 'without'])
def test_host_without_it_gives_way(world, relay, tagged, second):
    """SC-121, SC-122: the next host serves; with none left the mail bounces, headers only."""
    domain = world.domain()
    first = domain.host('a', 10, tlsa=['3 1 1'], capabilities=PLAIN)
    other = domain.host('b', 20, tlsa=['3 1 1'], capabilities=PLAIN, capabilities_tls=WITH if second == 'good' else PLAIN)
    mail = tagged(domain.user(), body=b'secret words\r\n')
    if second == 'good':
        scenario.delivered(mail, by=other, level='dane-ee')
    else:
        report = scenario.bounced(mail, 'requiretls-unsupported', '5.7.30')
        assert b'secret words' not in report.data                       # DQ-030
    assert first.silent


@pytest.mark.parametrize('how, reason', [
    ({'tlsa': ['3 1 1 wrong']}, 'tlsa-invalid'),
    ({'tlsa': ['2 0 1'], 'credential': lambda h: pki.chain(h, names=['x.other.test'])}, 'certificate-host-mismatch')])
def test_host_that_is_not_authenticated_is_a_definite_no(world, relay, tagged, how, reason):
    """SC-122: it bounces; and a message without the tag waits."""
    domain = world.domain()
    mx = domain.host(capabilities=PLAIN, capabilities_tls=WITH, **how)
    scenario.deferred(relay.send(domain.user()), reason)
    relay.queue('delete', '--all')
    scenario.bounced(tagged(domain.user()), reason, '5.7.10')
    assert mx.silent


def test_configured_relay_that_is_not_authenticated_keeps_it(world, relay, tagged):
    """SC-092: the operator's relay is his to mend."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1 wrong'], capabilities=PLAIN, capabilities_tls=WITH)
    relay.configure(policies=[{'match': [domain.name], 'next_hop': f'[{mx.fqdn}]'}])
    scenario.deferred(tagged(domain.user()), 'tlsa-invalid')


@pytest.mark.parametrize('how', [{'starttls': 'absent'}, {'replies': {'STARTTLS': '502 5.5.1 no'}}, {'handshake': 'reset'}])
def test_tls_that_may_come_back_is_no_definite_no(world, relay, tagged, how):
    """SC-122, DANE-A10: anybody on the path can make it look so."""
    domain = world.domain()
    domain.host(tlsa=['3 1 1'], capabilities=PLAIN, capabilities_tls=WITH, **how)
    assert tagged(domain.user()).outcome()['result'] == 'deferred'


def test_trouble_that_may_pass_does_not_bounce_it(world, relay, tagged):
    """SC-122: a refused connection and a failed lookup are no definite no."""
    down, failing = world.domain(), world.domain()
    down.host(tlsa=['3 1 1'], server=False)
    failing.host(tlsa=['3 1 1'], capabilities=PLAIN, capabilities_tls=WITH)
    failing.faults('_25._tcp.mx', 'TLSA', 'servfail')
    assert tagged(down.user()).outcome()['result'] == 'deferred'
    assert tagged(failing.user()).outcome()['result'] == 'deferred'


def test_unauthenticated_tls_is_not_enough(world, relay, tagged):
    """SC-120, SC-121: neither opportunistic TLS nor unusable TLSA."""
    bare, unusable = world.domain(), world.domain()
    hosts = [bare.host(capabilities=PLAIN, capabilities_tls=WITH),
             unusable.host(tlsa=['1 1 1'], capabilities=PLAIN, capabilities_tls=WITH)]
    for domain in (bare, unusable):
        scenario.bounced(tagged(domain.user()), 'requiretls-unsupported', '5.7.')
    assert all(h.silent for h in hosts)


@pytest.mark.parametrize('first', ['insecure', 'secure'])
def test_a_shared_connection_knows_no_better(world, relay, tagged, first):
    """SC-120, D-24: over the connection that another domain's message opened, this one's own MX decides."""
    provider, secure, insecure = world.domain(), world.domain(), world.domain(insecure=True)
    mx = provider.host(preference=None, tlsa=['3 1 1'], capabilities=PLAIN, capabilities_tls=WITH)
    for customer in (secure, insecure):
        customer.add('@', 'MX', f'10 {mx.fqdn}.')
    relay.configure(delivery={'idle_reuse': '1m'})
    opener, follower = (insecure, secure) if first == 'insecure' else (secure, insecure)
    scenario.delivered(relay.send(opener.user()), by=mx, level='dane-ee')
    mail = tagged(follower.user())
    if follower is secure:
        scenario.delivered(mail, by=mx, level='dane-ee')
        assert mx.connections == 1 and 'REQUIRETLS' in mx.commands('MAIL')[-1]
    else:
        scenario.bounced(mail, 'requiretls-unsupported', '5.7.10')
        assert len(mx.messages) == 1


def test_envelope_wins_over_the_header(world, relay, tagged):
    """SC-124."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1 wrong'], capabilities=PLAIN, capabilities_tls=WITH)
    mail = tagged(domain.user(), header=b'TLS-Required: No\r\n')
    assert mail.outcome()['result'] in ('bounced', 'deferred') and mx.silent


def test_not_offered_without_tls(relay):
    """SS-078."""
    with smtplib.SMTP(*relay.start().address, local_hostname='client.test') as client:
        client.ehlo()
        assert not client.has_extn('requiretls')
        assert client.mail('a@sender.test', ['REQUIRETLS'])[0] in (530, 555)


@pytest.mark.parametrize('trouble', ['txt', 'policy'])
def test_policy_that_can_not_be_read_now(world, relay, tagged, trouble):
    """SC-122: whether MTA-STS makes the host known securely is not known: no definite no."""
    relay.configure(dns={'timeout': '3s'}, queue={'retry': ['1h']})
    domain = world.domain(insecure=True)
    mx = domain.host(credential=world.web_ca.issue, capabilities_tls=WITH)
    domain.sts(**({'status': 503} if trouble == 'policy' else {}))
    if trouble == 'txt':
        domain.faults('_mta-sts', 'TXT', 'SERVFAIL')
    mail = tagged(domain.user())
    assert mail.outcome(timeout=30)['reason'] == ('dns-error' if trouble == 'txt' else 'sts-policy-fetch-error')
    assert mail.events('recipient')[0]['result'] == 'deferred' and not mx.messages
