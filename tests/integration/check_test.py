"""Does the pre-flight tell an operator all that counts: each step of the DNS, each address, both kinds of certificate, and
what the remote should fix? DANE-130; docs/check.md."""
import threading

import pytest

from world import pki, smtpd, waiting

pytestmark = pytest.mark.check_agrees        # DANE-130


def checked(relay, domain, *arguments):
    done = relay.check(domain.name, *arguments)
    return done.json


def page(relay, domain, *arguments):
    return relay.run('check', domain.name, *arguments).out


def two_certificates(domain, records, **script):
    """A host with an ECDSA and an RSA certificate. records: which of them TLSA covers."""
    mx = domain.host(**script)
    both = {'ecdsa': mx.credential, 'rsa': pki.self_signed(mx.fqdn, key='rsa')}
    mx.server.show_also(both['rsa'])
    for which in records:
        domain.add('_25._tcp.mx', 'TLSA', both[which].tlsa('3 1 1'))
    return mx, both


@pytest.mark.parametrize('versions', [('1.2', '1.2'), ('1.3', '1.3'), ('1.2', '1.3')], ids=lambda v: '-'.join(v))
@pytest.mark.parametrize('records, covered', [(['ecdsa'], 'ecdsa'), (['rsa'], 'rsa'), (['ecdsa', 'rsa'], 'both'), (['none'], 'none')],
                         ids=['ecdsa', 'rsa', 'both', 'none'])
def test_both_kinds_of_certificate(world, relay, records, covered, versions):
    """H74, RFC 7671 8: what some senders negotiate and the records don't cover is flagged; the verdict is delivery's."""
    domain = world.domain()
    mx, both = two_certificates(domain, [r for r in records if r != 'none'], tls=versions)
    if records == ['none']:
        domain.add('_25._tcp.mx', 'TLSA', both['ecdsa'].tlsa('3 1 1 wrong'))
    facts = checked(relay, domain)
    probe, = facts['hosts'][0]['probes']
    assert probe['covered'] == covered
    for kind, credential in both.items():
        key = probe['keys'][kind]
        assert key['result'] == probe[kind] == ('passes' if kind in records else 'fails')
        assert key['reason'] == ('' if kind in records else 'tlsa-invalid')
        assert key['certificate']['spki_sha256'] == credential.tlsa('3 1 1').split()[3]
        assert key['certificate']['key'] == {'ecdsa': 'EC P-256', 'rsa': 'RSA 2048'}[kind]
    warned = [a for a in facts['advice'] if 'certificate only, not the' in a]
    assert len(warned) == (covered in both)
    if warned:
        missing = both['rsa' if covered == 'ecdsa' else 'ecdsa']
        assert f'_25._tcp.{mx.fqdn}. IN TLSA {missing.tlsa("3 1 1")}' in warned[0]
    assert mx.silent and len(mx.handshakes) == 2       # the one that was negotiated is not asked for again
    relay.send(domain.user()).outcome()                # compared with the verdict when the test has ended


@pytest.mark.parametrize('key', ['ec', 'rsa'])
def test_one_kind_of_certificate_is_no_fault(world, relay, key):
    domain = world.domain()
    domain.host(tlsa=['3 1 1'], credential=lambda host: pki.self_signed(host, key=key))
    facts = checked(relay, domain)
    probe, = facts['hosts'][0]['probes']
    assert (probe['ecdsa'], probe['rsa']) == (('passes', 'absent') if key == 'ec' else ('absent', 'passes'))
    assert 'covered' not in probe and 'keys' not in probe and facts['advice'] == []


def test_other_kind_that_can_not_be_asked_for(world, relay):
    """A server that takes one connection and then turns clients away says nothing about its second certificate."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'], replies={'banner': [smtpd.Reply('220 mx ESMTP'), smtpd.Reply('421 4.7.0 too often')]})
    facts = checked(relay, domain)
    probe, = facts['hosts'][0]['probes']
    assert (probe['ecdsa'], probe['rsa'], facts['verdict']) == ('passes', 'unknown', 'deliver')
    assert mx.connections == 2


def test_two_certificates_under_a_web_policy(world, relay):
    """The same for MTA-STS: a second certificate that the web PKI does not know."""
    domain = world.domain(insecure=True)
    domain.sts()
    mx = domain.host(credential=world.web_ca.issue)
    mx.server.show_also(pki.self_signed(mx.fqdn, key='rsa'))
    facts = checked(relay, domain)
    assert (facts['verdict'], facts['level']) == ('deliver', 'mta-sts')
    assert facts['hosts'][0]['probes'][0]['covered'] == 'ecdsa'
    assert any('the RSA one, which other senders negotiate, does not (certificate-not-trusted)' in a for a in facts['advice'])


def test_every_step_of_the_dns(world, relay):
    """DANE-043, DANE-045: the lookups one by one, with their status and TTL; the alias; the order in which TLSA was asked."""
    domain, far = world.domain(ttl=300), world.domain(ttl=120)
    node = far.host('node', preference=None)
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', f'{node.fqdn}.')
    domain.add('_25._tcp.mx', 'TLSA', node.credential.tlsa('3 1 1'))
    facts = checked(relay, domain)
    assert facts['mx']['records'] == [{'preference': 10, 'exchange': f'mx.{domain.name}'}] and facts['mx']['ttl_s'] <= 300
    host, = facts['hosts']
    assert (host['a_status'], host['aaaa_status'], host['canonical']) == ('secure', 'absent', node.fqdn)
    asked = [(one['base'], one['status']) for one in host['tlsa_lookups']]
    assert asked == [(node.fqdn, 'absent'), (f'mx.{domain.name}', 'secure')]
    denial, found = (one['ttl_s'] for one in host['tlsa_lookups'])
    assert 0 < host['address_ttl_s'] <= 120 and 0 < found <= 300 and denial in (0, 1)       # the zone's denials live a second


def test_bogus_records_are_told_with_the_cause(world, relay):
    domain = world.domain()
    domain.host(tlsa=['3 1 1'])
    domain.zone.fault('_25._tcp.mx', 'TLSA', 'corrupt')
    facts = checked(relay, domain)
    lookup, = facts['hosts'][0]['tlsa_lookups']
    assert lookup['status'] == 'bogus' and lookup['why']
    assert len(facts['advice']) == 1 and 'sign the zone anew' in facts['advice'][0]
    text = page(relay, domain)
    assert lookup['why'] in text and 'not to be used, dnssec-invalid' in text


def test_page_of_a_broken_and_a_good_host(world, relay):
    """All of it on one page: table, records with their use, probes by address, names and dates, what to fix."""
    domain = world.domain()
    bad = domain.host('bad', tlsa=['3 1 1 wrong', '1 1 1'])
    good = domain.host('good', preference=20, tlsa=['2 0 1'], credential=pki.chain, ipv4=2)
    good.servers[1].close()
    text = page(relay, domain)
    lines = text.splitlines()
    assert lines[0] == f'{domain.name}: mail would be delivered, dane-ta'
    assert lines[1].startswith(f'  mail would go to {good.fqdn} at ')
    row = next(line for line in lines if line.split()[:2] == ['10', bad.fqdn])
    assert row.split()[2:] == ['secure', 'secure', 'secure,', '1', 'of', '2', 'usable', 'dane', 'tlsa-invalid']
    row = next(line for line in lines if line.split()[:2] == ['20', good.fqdn])
    assert row.endswith('ok, dane-ta; connect-failed') or row.endswith('connect-failed; ok, dane-ta')
    assert 'not usable: ' in text
    leaf = good.credential.leaf
    assert f'{leaf.not_valid_before:%Y-%m-%d} to {leaf.not_valid_after:%Y-%m-%d} (89 days left)' in text
    assert f'names {good.fqdn}' in text and f'above it CN=Root of {good.fqdn}'[:70] in text
    assert f'2 0 1 {good.credential.tlsa("2 0 1").split()[3]}' in text
    fixes = text[text.index('What the remote should fix'):]
    assert f'- {bad.fqdn}: the certificate matches no TLSA record' in fixes
    assert f'IN TLSA {bad.credential.tlsa("3 1 1")}' in fixes
    assert f'- {good.fqdn} at {good.addresses[1]}: port 25 can\'t be used' in fixes
    assert bad.silent and good.silent
    relay.send(domain.user()).outcome()


def test_domain_one_record_away(world, relay):
    """A signed domain without TLSA is told the record that its present key needs."""
    domain = world.domain()
    mx = domain.host()
    facts = checked(relay, domain)
    assert facts['advice'] == []
    assert facts['hints'] == [f'{mx.fqdn}: one record away from DANE: _25._tcp.{mx.fqdn}. IN TLSA {mx.credential.tlsa("3 1 1")}']
    domain.add('_25._tcp.mx', 'TLSA', facts['hints'][0].split(' IN TLSA ')[1])
    assert checked(relay, domain)['level'] == 'dane-ee'


def test_servers_are_probed_side_by_side(world, relay):
    """A dead server costs its time-out once: six that greet only when all six were dialled are all met."""
    everybody = threading.Barrier(6)

    def together(session, _):
        if session.server.connections == 1:
            everybody.wait(3 * waiting.SLOW)
    domain = world.domain()
    domain.host(tlsa=['3 1 1'], ipv4=6, replies={'banner': together})
    facts = checked(relay, domain)
    assert [p['verdict'] for p in facts['hosts'][0]['probes']] == ['ok'] * 6
    assert facts['advice'] == []


def test_host_that_is_none_of_the_domains(world, relay):
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    other = relay.check(domain.name, '--mx', 'mx.elsewhere.test')
    assert other.status == 1 and other.json['text'] == 'mx.elsewhere.test is not among the hosts that mail would go to'
    assert mx.untouched
    assert relay.check(domain.name, '--mx', mx.fqdn).status == 0


@pytest.mark.parametrize('greeting, reason, result', [
    ('521 5.3.2 no mail here', 'smtp-reply', 'bounce'),
    ('421 4.3.2 later', 'smtp-reply', 'defer'),
    ('554 5.7.1 not you', 'smtp-reply', 'defer'),
], ids=['for-good', 'for-now', 'not-us'])
def test_greeting_that_refuses(world, relay, greeting, reason, result):
    """D-14, SC-021: for good when every host says so; check concludes as delivery does."""
    domain = world.domain(insecure=True)        # where TLS is demanded, a word in clear text ends nothing (DANE-A10)
    domain.host(replies={'banner': smtpd.Reply(greeting)})
    facts = checked(relay, domain)
    assert (facts['verdict'], facts['reason']) == (result, reason)
    outcome = relay.send(domain.user()).outcome()
    assert (outcome['result'], outcome['reason']) == ({'bounce': 'bounced', 'defer': 'deferred'}[result], reason)


def test_host_that_calls_itself_by_our_name(world, relay):
    """SC-008: a loop bounces, in check too."""
    domain = world.domain()
    domain.host(tlsa=['3 1 1'], name='mx')
    domain.hosts[0].server.script.name = 'relay.test'
    facts = checked(relay, domain)
    assert (facts['verdict'], facts['reason']) == ('bounce', 'mail-loop')
    relay.send(domain.user()).outcome()
