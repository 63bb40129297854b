"""Is every failure after acceptance told to the sender, whatever its cause? DQ-024; RFC 5321 4.1.1.4, 6.1."""
import pytest

from world import scenario

pytestmark = pytest.mark.check_agrees        # DANE-130

REFUSALS = [('MAIL', '550 5.7.1 no'), ('RCPT', '550 5.1.1 no'), ('DATA', '554 5.6.0 no'), ('DOT', '552 5.3.4 no')]


@pytest.mark.parametrize('step, reply', REFUSALS)
def test_refused_by_the_next_hop(world, relay, step, reply):
    """DQ-024, DQ-046, DQ-047, DQ-049."""
    domain = world.domain(insecure=True)
    mx = domain.host(replies={step: reply})
    report = scenario.bounced(relay.send(domain.user('Case.Kept')), 'smtp-reply', reply[4:9], tried=[mx])
    recipient, = report.recipients
    assert recipient['final-recipient'] == f'rfc822; {domain.user("Case.Kept")}' and recipient['action'] == 'failed'
    assert recipient['diagnostic-code'] == f'smtp; {reply}'


CAUSES = {
    # zone's records                        reason               status
    'no such domain':   (None,               'domain-not-found',  '5.1.2'),
    'null MX':          ([('@', 'MX', '0 .')], 'no-mail-service', '5.1.10'),
    'no address':       ([('@', 'MX', '10 gone')], 'no-usable-host', '5.4.4'),
    'ourselves':        ([('@', 'MX', '10 relay.test.')], 'mail-loop', '5.4.6'),
}


@pytest.mark.parametrize('cause', CAUSES)
def test_refused_by_the_dns(world, relay, cause):
    """DQ-024, SC-096."""
    records, reason, status = CAUSES[cause]
    domain = world.domain()
    for record in records or ():
        domain.add(*record)
    to = domain.user() if records else f'x@gone.{domain.name}'
    report = scenario.bounced(relay.send(to), reason, status)
    assert 'remote-mta' not in report.recipients[0]                     # DQ-049: no server spoke


@pytest.mark.parametrize('records, script, reason, status', [
    (['3 1 1 wrong'], {}, 'tlsa-invalid', '5.7.5'),
    (['3 1 1'], {'starttls': 'absent'}, 'starttls-not-supported', '5.7.4'),
    (['3 1 1'], {'handshake': 'alert'}, 'tls-handshake-failed', '5.7.5'),
])
def test_tls_policy_where_failure_bounces(world, relay, records, script, reason, status):
    """DQ-024, DANE-124, SC-096: on_failure: bounce."""
    relay.configure(tls={'on_failure': 'bounce'})
    domain = world.domain()
    mx = domain.host(tlsa=records, **script)
    scenario.bounced(relay.send(domain.user()), reason, status)
    assert mx.silent


@pytest.mark.parametrize('fault', ['servfail', 'corrupt'])
def test_failed_lookups_never_bounce(world, relay, fault):
    """SC-092, DANE-124: even under on_failure: bounce."""
    relay.configure(tls={'on_failure': 'bounce'})
    domain = world.domain()
    domain.host(tlsa=['3 1 1'])
    if fault == 'corrupt':
        domain.zone.fault('_25._tcp.mx', 'TLSA', 'corrupt')
    else:
        domain.faults('_25._tcp.mx', 'TLSA', 'servfail')
    scenario.deferred(relay.send(domain.user()), 'dnssec-invalid' if fault == 'corrupt' else 'dns-error')


@pytest.mark.check_differs('an operator ends the mail, not the destination')
def test_given_up_by_the_operator(world, relay):
    """DQ-019, DQ-024."""
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': '450 4.2.0 busy'})
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'smtp-reply', tried=[mx])
    assert relay.queue('bounce', mail.id).status == 0
    assert mail.report().actions == {domain.user(): 'failed'}
