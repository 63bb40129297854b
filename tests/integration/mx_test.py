"""Where does mail go? RFC 5321 5.1, RFC 7505; SC-001 … SC-013."""
import collections

import pytest

from world import netns, scenario, smtpd

pytestmark = pytest.mark.check_agrees        # DANE-130


def plain(world, **kw):
    return world.domain(insecure=True, **kw)


def test_lower_preference_first(world, relay):
    """SC-005, SC-003: numerically, whatever the order in the answer; the worse are not even dialled."""
    domain = plain(world)
    hosts = [domain.host(f'h{p}', p) for p in (100, 20, 9)]
    for i in range(5):
        scenario.delivered(relay.send(domain.user(f'u{i}')), by=hosts[2], level='encrypted')
    assert hosts[0].untouched and hosts[1].untouched


def test_equal_preferences_are_spread(world, relay):
    """SC-005: every host of four gets its share of forty messages in separate connections."""
    relay.configure(delivery={'messages_per_connection': 1, 'idle_reuse': '0s'})
    domain = plain(world)
    hosts = [domain.host(f'h{i}', 10) for i in range(4)]
    mails = [relay.send(domain.user(f'u{i}')) for i in range(40)]
    for mail in mails:
        assert mail.outcome()['result'] == 'delivered'
    counts = [len(h.messages) for h in hosts]
    assert sum(counts) == 40 and min(counts) >= 1, counts


@pytest.mark.smoke
def test_refused_connection_gives_way(world, relay):
    """SC-057, DANE-123."""
    domain = plain(world)
    domain.host('a', 10, server=False)
    good = domain.host('b', 20)
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=good, level='encrypted')
    assert [(a['host'], a['reason']) for a in mail.attempts][0] == (f'a.{domain.name}', 'connect-failed')


def test_black_hole_is_bounded(world, relay):
    """SC-034: connect_timeout, then the next address."""
    relay.configure(delivery={'connect_timeout': '1s'})
    domain = plain(world)
    dead = domain.host('a', 10, server=False, addresses=['198.51.100.1'])
    netns.black_hole('198.51.100.1')
    good = domain.host('b', 20)
    scenario.delivered(relay.send(domain.user()), by=good, level='encrypted')
    assert dead.addresses


def test_mx_that_fails_is_no_reason_to_use_the_domains_address(world, relay):
    """SC-003."""
    domain = plain(world)
    domain.host('a', 10, server=False)
    apex = domain.host('@', None)
    scenario.deferred(relay.send(domain.user()), 'connect-failed')
    assert apex.untouched


@pytest.mark.parametrize('families', [(1, 0), (0, 1), (1, 1)])
def test_no_mx_means_the_domain_itself(world, relay, families):
    """SC-002."""
    domain = plain(world)
    apex = domain.host('@', None, ipv4=families[0], ipv6=families[1])
    scenario.delivered(relay.send(domain.user()), by=apex, level='encrypted')


@pytest.mark.smoke
def test_domain_that_does_not_exist(world, relay):
    """SC-002, SC-096: row 3."""
    mail = relay.send('x@no-such-domain.test')
    report = scenario.bounced(mail, 'domain-not-found', '5.1.2')
    assert report.recipients[0].get('remote-mta') is None               # DQ-049


@pytest.mark.parametrize('signed', [True, False])
def test_null_mx(world, relay, signed):
    """SC-004, D-12, D-38: row 4; no connection, though the domain has an address."""
    domain = world.domain(insecure=not signed)
    apex = domain.host('@', None)
    domain.add('@', 'MX', '0 .')
    scenario.bounced(relay.send(domain.user()), 'no-mail-service', '5.1.10')
    assert apex.untouched


def test_null_mx_with_another_preference(world, relay):
    """SC-004, D-12."""
    domain = plain(world)
    domain.add('@', 'MX', '10 .')
    scenario.bounced(relay.send(domain.user()), 'no-mail-service', '5.1.10')


def test_null_mx_beside_others_is_ignored(world, relay):
    """SC-004, D-12."""
    domain = plain(world)
    domain.add('@', 'MX', '0 .')
    mx = domain.host()
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


@pytest.mark.parametrize('signed', [True, False])
def test_no_host_has_an_address(world, relay, signed):
    """SC-009, D-13: row 11."""
    domain = world.domain(insecure=not signed)
    domain.add('@', 'MX', '10 gone', '20 gone-too')
    apex = domain.host('@', None)
    scenario.bounced(relay.send(domain.user()), 'no-usable-host', '5.4.4')
    assert apex.untouched


def test_no_address_and_a_failed_lookup_defers(world, relay):
    """SC-009, D-13: one of them might exist."""
    domain = plain(world)
    domain.add('@', 'MX', '10 gone', '20 unknown')
    domain.faults('unknown', '*', 'servfail')
    scenario.deferred(relay.send(domain.user()), 'dns-error')


def test_one_host_does_not_exist(world, relay):
    """SC-009."""
    domain = plain(world)
    domain.add('@', 'MX', '10 gone')
    mx = domain.host(preference=20)
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


def test_mx_that_looks_like_an_address(world, relay):
    """DANE-031."""
    domain = plain(world)
    target = plain(world).host()
    domain.add('@', 'MX', f'10 {target.addresses[0]}.')
    mail = relay.send(domain.user())
    assert mail.outcome()['reason'] in ('no-usable-host', 'dns-error')
    assert target.untouched


def test_both_families_are_tried(world, relay):
    """SC-006: an IPv6 address that cannot work costs no deferral."""
    domain = plain(world)
    mx = domain.host()
    domain.add('mx', 'AAAA', '2001:db8::1', 'fe80::1')
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


@pytest.mark.parametrize('family, index', [('ipv4', 0), ('ipv6', 1)])
def test_address_family(world, relay, family, index):
    """SC-013."""
    relay.configure(delivery={'address_family': family})
    domain = plain(world)
    mx = domain.host(ipv4=1, ipv6=1)
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    assert len(mx.servers[index].messages) == 1


def test_source_address(world, relay):
    """SC-013."""
    relay.configure(delivery={'source_addresses': ['127.0.0.77']})
    domain = plain(world)
    mx = domain.host()
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    assert [f.text for f in mx.facts('connected')] == ['127.0.0.77']


def test_this_relay_in_the_mx_list(world, relay):
    """SC-007: it and all worse hosts are dropped."""
    domain = plain(world)
    domain.host('a', 10, server=False)
    same, worse = domain.host('b', 20), domain.host('c', 30)
    domain.add('@', 'MX', '20 relay.test.')
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert outcome['result'] == 'deferred'
    assert same.untouched and worse.untouched


def test_this_relay_as_the_best_mx_is_a_loop(world, relay):
    """SC-007, D-23."""
    domain = plain(world)
    domain.add('@', 'MX', '10 relay.test.')
    scenario.bounced(relay.send(domain.user()), 'mail-loop', '5.4.6')


@pytest.mark.parametrize('reply', ['554 no service', '554-no\n554-really\n554 service', '421 4.3.2 busy', '521 no mail', 'ÿ garbage',
                                   smtpd.CLOSE, smtpd.RESET], ids=str)
def test_bad_greeting_leads_to_the_next_host(world, relay, reply):
    """SC-020, SC-031, D-14: and nothing but QUIT is said to the first."""
    domain = plain(world)
    first = domain.host('a', 10, replies={'banner': reply})
    second = domain.host('b', 20)
    scenario.delivered(relay.send(domain.user()), by=second, level='encrypted')
    assert set(c.upper() for c in first.commands()) <= {'QUIT'}


@pytest.mark.parametrize('code, result', [('521', 'bounced'), ('556', 'bounced'), ('554', 'deferred'), ('421', 'deferred')])
def test_every_host_refuses_in_its_greeting(world, relay, code, result):
    """D-14, SC-020: with the greeting's text."""
    domain = plain(world)
    domain.host('a', 10, replies={'banner': f'{code} go away please'})
    mail = relay.send(domain.user())
    if result == 'bounced':
        report = scenario.bounced(mail, 'smtp-reply', '5.')
        assert 'go away please' in report.text
    else:
        outcome = scenario.deferred(mail, 'smtp-reply')
        assert 'go away please' in outcome['text']


@pytest.mark.parametrize('address', ['x@xn--mnchen-3ya.{domain}', 'x@münchen.{domain}'])
def test_international_domain(world, relay, address):
    """DANE-054, SC-077: looked up as A-label; a U-label alone needs no SMTPUTF8 of the next hop."""
    domain = plain(world)
    mx = domain.host(preference=None, capabilities=('8BITMIME',))
    domain.add('xn--mnchen-3ya', 'MX', '10 mx')
    options = [] if address.isascii() else ['SMTPUTF8']
    mail = relay.send(address.format(domain=domain.name), mail_options=options)
    assert mail.outcome()['result'] == 'delivered'
    assert [m.recipients for m in mx.messages] == [(f'x@xn--mnchen-3ya.{domain.name}',)]


def test_many_hosts_are_bounded(world, relay):
    """DANE-055: the best-preferred ones are kept."""
    domain = plain(world)
    best = domain.host('best', 1)
    domain.add('@', 'MX', *[f'{100 + i} h{i}' for i in range(60)])
    scenario.delivered(relay.send(domain.user()), by=best, level='encrypted')


def test_next_attempt_begins_at_the_best_host_again(world, relay):
    """SC-057: a temporary refusal may go on to the next host; the retry starts anew."""
    relay.configure(queue={'retry': ['1s']})
    domain = plain(world)
    first = domain.host('a', 10, replies={'RCPT': ['450 4.2.0 greylisted', '250 ok']})
    second = domain.host('b', 20, replies={'RCPT': '450 4.2.0 full'})
    mail = relay.send(domain.user())
    mail.wait('recipient', result='delivered')
    assert collections.Counter(a['host'] for a in mail.attempts)[first.fqdn] == 2
    assert not second.messages
