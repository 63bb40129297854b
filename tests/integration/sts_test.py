"""MTA-STS where there is no DANE, and DANE above it. RFC 8461; MS-001 …, DANE-128, D-11."""
import pytest

from world import pki, scenario

pytestmark = pytest.mark.check_agrees        # DANE-130


def web(world):
    return world.web_ca.issue


@pytest.mark.smoke
def test_enforced_and_fulfilled(world, relay):
    """MS-001, MS-010."""
    domain = world.domain(insecure=True)
    mx = domain.host(credential=web(world))
    policy = domain.sts()
    scenario.delivered(relay.send(domain.user()), by=mx, level='mta-sts')
    request, = policy.requests
    assert (request.path, request.host, request.sni) == ('/.well-known/mta-sts.txt', policy.host, policy.host)


@pytest.mark.parametrize('credential, reason', [
    (lambda ca, h: pki.self_signed(h), 'certificate-not-trusted'),
    (lambda ca, h: ca.issue(h, names=['x.other.test']), 'certificate-host-mismatch'),
    (lambda ca, h: ca.issue(h, valid='expired'), 'certificate-expired'),
    (lambda ca, h: ca.issue(h, names=[]), 'certificate-host-mismatch'),
], ids=['untrusted', 'name', 'expired', 'common-name-alone'])
def test_enforced_and_not_fulfilled(world, relay, credential, reason):
    domain = world.domain(insecure=True)
    mx = domain.host(credential=lambda h: credential(world.web_ca, h))
    domain.sts()
    scenario.deferred(relay.send(domain.user()), reason)
    assert mx.silent


def test_enforced_without_starttls(world, relay):
    domain = world.domain(insecure=True)
    mx = domain.host(starttls='mangled')
    domain.sts()
    scenario.deferred(relay.send(domain.user()), 'starttls-not-supported')
    assert mx.silent


@pytest.mark.parametrize('pattern, fits', [('mx.{d}', True), ('*.{d}', True), ('*.mx.{d}', False), ('other.{d}', False),
                                           ('MX.{d}', True)])
def test_mx_patterns(world, relay, pattern, fits):
    """A host that no pattern names is not even dialled."""
    domain = world.domain(insecure=True)
    mx = domain.host(credential=web(world))
    domain.sts(mx=[pattern.format(d=domain.name)])
    mail = relay.send(domain.user())
    if fits:
        scenario.delivered(mail, by=mx, level='mta-sts')
    else:
        assert mail.outcome()['result'] == 'deferred'
        assert mx.untouched


@pytest.mark.parametrize('mode', ['testing', 'none'])
def test_modes_that_do_not_bind(world, relay, mode):
    """D-35."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    domain.sts(mode=mode)
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


@pytest.mark.parametrize('kw', [dict(status=404), dict(status=301, headers={'Location': 'https://mta-sts.test/'}),
                                dict(content_type='text/html'), dict(body='version: STSv1\r\nmode: enforce\r\n'),
                                dict(body='nonsense'), dict(credential=lambda h: pki.self_signed(h)),
                                'common name alone',
                                dict(body=b'version: STSv1\r\n' + b'x: y\r\n' * 200000)],
                         ids=['404', '301', 'html', 'incomplete', 'nonsense', 'untrusted', 'common-name-alone', 'huge'])
def test_policy_that_cannot_be_had_is_none(world, relay, kw):
    """MS-011, MS-012, MS-013, MS-014: delivered as without MTA-STS."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    if kw == 'common name alone':
        kw = {'credential': lambda h: world.web_ca.issue(h, names=[])}
    domain.sts(**kw)
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


@pytest.mark.parametrize('txt', ['', 'v=STSv1;', 'v=stsv1; id=1;', 'v=STSv1; id=' + 'a' * 33 + ';'])
def test_record_that_announces_nothing(world, relay, txt):
    """MS-003, MS-004."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    policy = domain.sts(txt=txt)
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    assert not policy.requests


def test_two_records_announce_nothing(world, relay):
    """MS-003."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    policy = domain.sts()
    domain.add('_mta-sts', 'TXT', '"v=STSv1; id=2;"')
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    assert not policy.requests


def test_line_ends_and_unknown_keys(world, relay):
    domain = world.domain(insecure=True)
    mx = domain.host(credential=web(world))
    domain.sts(body=f'version: STSv1\nmode: enforce\nmode: none\nextra: x\nmx: {mx.fqdn} \nmax_age: 86400\n',
               content_type='text/plain; charset=utf-8')
    scenario.delivered(relay.send(domain.user()), by=mx, level='mta-sts')


@pytest.mark.check_differs('the policy is in the cache of the daemon, which has ended')
def test_cached_policy_binds_after_the_record_is_gone(world, relay):
    """MS-005: also over a restart."""
    domain = world.domain(insecure=True, ttl=1)
    mx = domain.host(credential=web(world))
    policy = domain.sts()
    scenario.delivered(relay.send(domain.user()), by=mx, level='mta-sts')
    domain.zone.remove('_mta-sts')
    policy.close()
    mx.server.credential = pki.self_signed(mx.fqdn)
    relay.configure(delivery={'messages_per_connection': 1})
    relay.restart()
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'certificate-not-trusted')


def test_dane_decides_where_there_is_dane(world, relay):
    """DANE-128, D-11: DANE passes although STS would not, and fails although STS would pass."""
    passing, failing = world.domain(), world.domain()
    a = passing.host(tlsa=['3 1 1'])
    b = failing.host(tlsa=['3 1 1 wrong'], credential=web(world))
    passing.sts()
    failing.sts()
    scenario.delivered(relay.send(passing.user()), by=a, level='dane-ee')
    scenario.deferred(relay.send(failing.user()), 'tlsa-invalid')
    assert b.silent


def test_forged_mx_to_a_dane_host_does_not_defeat_sts(world, relay):
    """MS-062, DANE-A12, D-11."""
    provider, customer = world.domain(), world.domain(insecure=True)
    evil = provider.host(preference=None, tlsa=['3 1 1'])
    customer.add('@', 'MX', f'10 {evil.fqdn}.')
    customer.sts(mx=[f'mx.{customer.name}'])
    mail = relay.send(customer.user())
    assert mail.outcome()['result'] == 'deferred'
    assert evil.silent


def test_dead_policy_branch_costs_no_mail(world, relay):
    """MS-005, MS-006: the TXT lookup fails, nothing is cached."""
    relay.configure(dns={'timeout': '2s'})
    domain = world.domain(insecure=True)
    mx = domain.host()
    domain.faults('_mta-sts', '*', 'servfail')
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


def test_switched_off(world, relay):
    """Contract: mta_sts: off."""
    relay.configure(tls={'mta_sts': 'off'})
    domain = world.domain(insecure=True)
    mx = domain.host()
    policy = domain.sts()
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    assert not policy.requests and not domain.queries('TXT')


def test_policy_is_fetched_once(world, relay):
    """MS-006: same id, same policy."""
    domain = world.domain(insecure=True)
    mx = domain.host(credential=web(world))
    policy = domain.sts()
    for i in range(3):
        scenario.delivered(relay.send(domain.user(f'u{i}')), by=mx, level='mta-sts')
    assert len(policy.requests) == 1


def test_parent_domains_policy_is_not_inherited(world, relay):
    """MS-001."""
    domain = world.domain(insecure=True)
    mx = domain.host(preference=None)
    domain.add('sub', 'MX', '10 mx')
    domain.sts()
    scenario.delivered(relay.send(f'x@sub.{domain.name}'), by=mx, level='encrypted')
