"""Broken DNS as it is met in the field: signers that prove the wrong thing, servers that disagree, clocks that are off.

Each test is a case of docs/field-cases.tsv. Unless a case says otherwise the proof is bogus, so the mail is deferred and the
host is not dialled: DANE-004, DANE-A04.
"""
import hashlib

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from world import clock, pki, scenario, waiting, zone

pytestmark = pytest.mark.check_agrees        # DANE-130


def ask(world, domain, name, rtype):
    """The signed answer of the domain's honest server."""
    query = dns.message.make_query(name, rtype, want_dnssec=True)
    return dns.query.tcp(query, '127.0.0.1', 5, world.lab.dns.front.backend[domain.zone.name])


def reply(query, rcode=dns.rcode.NOERROR, answer=(), authority=(), authoritative=True):
    out = dns.message.make_response(query)
    out.flags |= dns.flags.AA if authoritative else 0
    out.set_rcode(rcode)
    out.answer, out.authority = list(answer), list(authority)
    return out


def bogus(relay, domain, *hosts):
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'dnssec-invalid')
    assert all(h.untouched for h in hosts)
    return mail


# Denial of existence that proves something else.

def test_nodata_with_the_apex_nsec_alone(world, relay):
    """H14."""
    domain = world.domain()
    mx = domain.host()

    def lie(query, answer):
        apex = ask(world, domain, domain.zone.origin, 'NSEC')
        soa = [r for r in answer.authority if dns.rdatatype.SOA in (r.rdtype, r.covers)]
        return reply(query, authority=soa + list(apex.answer))
    domain.faults('_25._tcp.mx', 'TLSA', lie)
    bogus(relay, domain, mx)


def test_wildcard_whose_nsec_points_at_itself(world, relay):
    """H15."""
    domain = world.domain()
    apex = domain.host('@', 10)
    domain.add('*', 'CNAME', f'{domain.name}.')
    wild = domain.zone.owner('*')
    domain.zone.edit_denial = lambda owner, following, types: (owner if owner == wild else following, types)
    mail = relay.send(domain.user())
    assert mail.outcome()['result'] == 'deferred'
    assert apex.untouched


def test_nxdomain_without_proof_that_no_wildcard_fits(world, relay):
    """H16: fails with a libunbound that accepts it."""
    domain = world.domain()
    mx = domain.host()
    domain.add('-x.mx', 'A', '127.0.0.1')               # sorts between *.mx and _tcp.mx

    def lie(query, answer):
        answer.authority = [r for r in answer.authority if not (
            dns.rdatatype.NSEC in (r.rdtype, r.covers) and r.name == domain.zone.owner('mx'))]
        return answer
    domain.faults('_tcp.mx', '*', lie)
    domain.faults('_25._tcp.mx', 'TLSA', lie)
    bogus(relay, domain, mx)


def test_negative_answer_with_a_broken_soa(world, relay):
    """H19: negative answers are bogus, positive ones of the same zone are not."""
    domain = world.domain()
    bare, covered = domain.host('bare', None), domain.host('covered', None, tlsa=['3 1 1'])
    domain.add('one', 'MX', '10 bare').add('two', 'MX', '10 covered')
    domain.zone.fault('@', 'SOA', 'corrupt')
    mail, other = relay.send(f'x@one.{domain.name}'), relay.send(f'x@two.{domain.name}')
    scenario.deferred(mail, 'dnssec-invalid')
    scenario.delivered(other, by=covered, level='dane-ee')
    assert bare.untouched


@pytest.mark.parametrize('right', [True, False])
def test_ds_answered_by_a_referral_with_opt_out(world, relay, right):
    """H22: an insecure delegation proven without SOA. A libunbound that rejects it defers; nothing else may happen."""
    parent = world.domain(denial='optout')
    child = world.domain('sub', parent=parent, insecure=True)
    mx = child.host(tlsa=['3 1 1' if right else '3 1 1 wrong'])

    def refer(query, answer):
        proof = [r for r in answer.authority if dns.rdatatype.SOA not in (r.rdtype, r.covers)]
        ns = dns.rrset.from_text(child.zone.origin, 60, 'IN', 'NS', f'ns.{child.zone.name}')
        return reply(query, authority=[ns, *proof], authoritative=False)
    parent.faults('sub', 'DS', refer)
    mail = relay.send(child.user())
    outcome = mail.outcome()
    if outcome['result'] == 'delivered':
        scenario.delivered(mail, by=mx, level='encrypted')
    else:
        scenario.deferred(mail, outcome['reason'])
        assert outcome['reason'] in ('dnssec-invalid', 'dns-error') and mx.untouched


@pytest.mark.parametrize('right', [True, False])
def test_nxdomain_for_an_empty_non_terminal(world, relay, right):
    """H23: `_tcp.mx` is answered NXDOMAIN though a TLSA record lies below it; it must be found, never proven absent."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1' if right else '3 1 1 wrong'])

    def deny(query, answer):
        answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
    domain.faults('_tcp.mx', '*', deny)
    mail = relay.send(domain.user())
    if right:
        scenario.delivered(mail, by=mx, level='dane-ee')
    else:
        scenario.deferred(mail, mail.outcome()['reason'])
        assert mx.silent


def test_lying_nsec3_does_not_hide_the_address(world, relay):
    """H24: the denial of AAAA says that the name holds a TXT alone; A is still served, and used."""
    domain = world.domain(denial='nsec3')
    mx = domain.host(tlsa=['3 1 1'])
    world.publish()
    liar = zone.Zone(domain.zone.name, denial='nsec3')
    liar.records = dict(domain.zone.records)
    liar.serial = domain.zone.serial
    name = domain.zone.owner('mx')
    liar.edit_denial = lambda owner, following, types: (following, ['TXT', 'RRSIG'] if owner == name else types)
    hashed = dns.name.from_text(dns.dnssec.nsec3_hash(name, '', 0, 'SHA1'), domain.zone.origin)
    lines = [line.split(None, 4) for line in liar.build().splitlines()]
    forged = [dns.rrset.from_text(hashed, int(ttl), 'IN', rtype, data) for owner, ttl, _, rtype, data in lines
              if dns.name.from_text(owner) == hashed]

    def lie(query, answer):
        soa = [r for r in answer.authority if dns.rdatatype.SOA in (r.rdtype, r.covers)]
        return reply(query, authority=soa + forged)
    domain.faults('mx', 'AAAA', lie)
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')


# Keys, algorithms, servers, clocks.

def test_ds_with_digests_that_are_not_supported(world, relay):
    """H26: GOST and SHA-1 beside SHA-256, in every order."""
    domains = []
    for turn in range(3):
        domain = world.domain()
        good = domain.zone.ds_records()[0]
        tag, algorithm, _, _ = good.split()
        key = zone.key_pair('ecdsa')[1]
        sha1 = hashlib.sha1(domain.zone.origin.canonicalize().to_wire() + key.to_wire()).hexdigest()
        every = [f'{tag} {algorithm} 3 {"00" * 32}', f'{tag} {algorithm} 1 {sha1}', good]
        domain.zone.ds_records = lambda every=every, turn=turn: every[turn:] + every[:turn]
        domains.append((domain, domain.host(tlsa=['3 1 1'])))
    for domain, mx in domains:
        scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')


@pytest.mark.parametrize('ds, signers', [(('rsa',), ('ecdsa', 'rsa')), (('rsa',), ('rsa',)), (('rsa', 'ecdsa'), ('ecdsa',))])
def test_algorithm_rollover_at_every_step(world, relay, ds, signers):
    """H31, DANE-002: one valid path is enough."""
    domain = world.domain(algorithms=('ecdsa', 'rsa'))
    domain.zone.ds_algorithms = ds
    mx = domain.host(tlsa=['3 1 1'])
    domain.zone.signers[(domain.zone.owner('_25._tcp.mx'), 'TLSA')] = signers
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')


def test_name_servers_with_dead_ipv6_addresses(world, relay):
    """H33: found at the first lookup, cold."""
    domain = world.domain(servers=4)
    for i in range(4):
        label = 'ns' if i == 0 else f'ns{i + 1}'
        for holder in (domain.zone, world.lab.top):
            holder.add(f'{label}.{domain.zone.name}', 'AAAA', f'2001:db8::{i + 1}')
    mx = domain.host(tlsa=['3 1 1'])
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee', timeout=20)


def test_clock_two_weeks_behind_then_right(world, relay):
    """H37, DQ-012: deferred, not delivered in the clear; nothing expires by the jump; works again within two minutes."""
    behind = clock.Clock(relay, '-14d')
    relay.configure(queue={'retry': ['5s']})
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    mails = [relay.send(domain.user(f'u{i}')) for i in range(3)]
    for mail in mails:
        scenario.deferred(mail, mail.outcome()['reason'])
        assert mail.outcome()['reason'] in ('dnssec-invalid', 'dns-error')
    assert mx.untouched
    behind.set('+0')
    for mail in mails:
        assert mail.wait('recipient', result='delivered', timeout=120)['tls_level'] == 'dane-ee'
    assert not [e for e in relay.events.all() if e.get('result') == 'expired']


@pytest.mark.check_differs('forty lookups that time out, one after the other')
def test_dead_name_servers_hold_up_nobody_else(world, relay):
    """H39, DANE-015: forty dead domains; a good one's mail leaves at once, and a stop does not wait for lookups."""
    relay.configure(dns={'timeout': '20s'})
    dead = [world.domain() for _ in range(40)]
    for domain in dead:
        domain.host()
        domain.faults('*', '*', 'drop')
    good = world.domain()
    mx = good.host(tlsa=['3 1 1'])
    for domain in dead:
        relay.send(domain.user())
    scenario.delivered(relay.send(good.user()), by=mx, level='dane-ee', timeout=5)
    assert relay.stop(timeout=10) == 0


# Records of different age.

def test_rollover_window(world, relay):
    """H70, DANE-012, DANE-143: what the cache holds may fail one attempt; after the TTL the new key passes."""
    relay.configure(queue={'retry': ['1s']}, delivery={'messages_per_connection': 1})
    domain = world.domain(ttl=2)
    mx = domain.host(tlsa=['3 1 1'])
    scenario.delivered(relay.send(domain.user('a')), by=mx, level='dane-ee')
    old = mx.credential
    mx.server.credential = new = pki.self_signed(mx.fqdn)
    domain.zone.set('_25._tcp.mx', 'TLSA', old.tlsa('3 1 1'), new.tlsa('3 1 1'))
    mail = relay.send(domain.user('b'))
    assert mail.wait('recipient', result='delivered', timeout=20)['tls_level'] == 'dane-ee'


def test_name_servers_that_disagree(world, relay):
    """H71: each attempt goes by the answer it got, never by a mix; the attempt tells which records it used."""
    relay.configure(queue={'retry': ['1s']})
    domain = world.domain(servers=2, ttl=1)
    mx = domain.host(tlsa=['3 1 1 wrong'])
    world.publish()
    stale = ask(world, domain, f'_25._tcp.{mx.fqdn}.', 'TLSA')
    mx.tlsa('3 1 1')

    def replay(query, answer):
        return reply(query, answer=stale.answer)
    old, new = domain.addresses
    domain.faults('_25._tcp.mx', 'TLSA', replay, server=old)
    domain.faults('_25._tcp.mx', 'TLSA', 'drop', server=new)
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'tlsa-invalid')
    assert mx.silent and len(mail.attempts[-1]['tlsa']) == 1
    domain.heal()
    domain.faults('_25._tcp.mx', 'TLSA', 'drop', server=old)
    assert mail.wait('recipient', result='delivered', timeout=60)['tls_level'] == 'dane-ee'
    assert waiting.until(lambda: mx.messages, what='the message')
