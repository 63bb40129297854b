"""Which TXT records announce an MTA-STS policy, and when is it asked for again? MS-002 … MS-004, MS-046; RFC 8461 3.1."""
import pytest

from world import pki, scenario

TXT = {
    # case                            records                                            announces a policy
    'three_strings':                (['"v=ST" "Sv1; id" "=1;"'],                         True),    # MS-002
    'cut_inside_the_version':       (['"v=STS" "v1; id=1;"'],                            True),
    'beside_a_foreign_one':         (['"v=STSv1; id=1;"', '"v=spf1 -all"'],              True),    # MS-003
    'two_of_them':                  (['"v=STSv1; id=1;"', '"v=STSv1; id=2;"'],           False),
    'blank_before_the_semicolon':   (['"v=STSv1 ; id=1;"'],                              True),    # D-20
    'blank_and_a_foreign_one':      (['"v=STSv1 ; id=1;"', '"v=spf1 -all"'],             False),   # D-20
    'no_id':                        (['"v=STSv1;"'],                                     False),   # MS-004
    'id_too_long':                  (['"v=STSv1; id=' + 'a' * 33 + ';"'],                False),
    'lower_case_version':           (['"v=stsv1; id=1;"'],                               False),
    'further_field':                (['"v=STSv1; id=1; x=y;"'],                          True),
}


def enforced(world, domain, **kw):
    """A host with a certificate that the policy refuses: deferred where the policy is found."""
    domain.host(credential=pki.self_signed)
    return domain.sts(txt=None, **kw)


@pytest.mark.parametrize('case', TXT)
def test_record(world, relay, case):
    """MS-002, MS-003, MS-004."""
    records, announced = TXT[case]
    domain = world.domain(insecure=True)
    enforced(world, domain)
    domain.add('_mta-sts', 'TXT', *records)
    mail = relay.send(domain.user())
    if announced:
        scenario.deferred(mail, 'certificate-not-trusted')
    else:
        scenario.delivered(mail, by=domain.hosts[0], level='encrypted')


@pytest.mark.parametrize('hops', [1, 2])
def test_record_behind_aliases(world, relay, hops):
    """MS-002: CNAMEs are followed."""
    domain, provider = world.domain(insecure=True), world.domain()
    enforced(world, domain)
    domain.add('_mta-sts', 'CNAME', f'a{hops}.{provider.name}.')
    if hops == 2:
        provider.add('a2', 'CNAME', 'a1')
    provider.add('a1', 'TXT', '"v=STSv1; id=1;"')
    scenario.deferred(relay.send(domain.user()), 'certificate-not-trusted')


@pytest.mark.parametrize('changed', [True, False])
def test_newer_policy_is_asked_for_before_a_bounce(world, relay, changed):
    """MS-046, SC-095: enforced and cached; it has become `none` meanwhile, or not."""
    relay.configure(tls={'on_failure': 'bounce'}, delivery={'messages_per_connection': 1})
    domain = world.domain(insecure=True, ttl=0)
    mx = domain.host(credential=lambda h: world.web_ca.issue(h))
    policy = domain.sts()
    scenario.delivered(relay.send(domain.user('a')), by=mx, level='mta-sts')
    mx.server.credential = pki.self_signed(mx.fqdn)
    if changed:
        domain.zone.set('_mta-sts', 'TXT', '"v=STSv1; id=2;"')
        policy.body = 'version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n'
    mail = relay.send(domain.user('b'))
    if changed:
        scenario.delivered(mail, by=mx, level='encrypted')
    else:
        scenario.bounced(mail, 'certificate-not-trusted', '5.7.5')


def test_newer_policy_is_asked_for_before_expiry(world, relay):
    """MS-046, SC-095: the policy is withdrawn just before the lifetime ends; the last attempt goes by the new one."""
    relay.configure(queue={'retry': ['2s'], 'lifetime': '3s'}, delivery={'messages_per_connection': 1})
    domain = world.domain(insecure=True, ttl=0)
    mx = domain.host(credential=lambda h: world.web_ca.issue(h))
    policy = domain.sts()
    scenario.delivered(relay.send(domain.user('a')), by=mx, level='mta-sts')
    mx.server.credential = pki.self_signed(mx.fqdn)
    mail = relay.send(domain.user('b'))
    scenario.deferred(mail, 'certificate-not-trusted')
    domain.zone.set('_mta-sts', 'TXT', '"v=STSv1; id=2;"')
    policy.body = 'version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n'
    world.publish()
    assert mail.wait('recipient', result='delivered')['tls_level'] == 'encrypted'


def test_level_of_a_delivery_under_a_policy(world, relay):
    """MS-016, MS-066: mta-sts where it was enforced; as without it where no policy could be had."""
    good, without = world.domain(insecure=True), world.domain(insecure=True)
    a, b = good.host(credential=lambda h: world.web_ca.issue(h)), without.host()
    good.sts()
    without.sts(status=500)
    scenario.delivered(relay.send(good.user()), by=a, level='mta-sts')
    scenario.delivered(relay.send(without.user()), by=b, level='encrypted')
    assert a.sni == [a.fqdn]                                            # MS-042
