"""What does a lookup that failed, lied or came without signature lead to? Never to mail in the clear, never to a
connection where the TLSA lookup failed. DANE-004 … DANE-016, DANE-020 … DANE-024, DANE-052; attacks DANE-A02 … A05."""
import pytest

from world import netns, scenario, waiting

pytestmark = pytest.mark.check_agrees        # DANE-130

ERRORS = ['servfail', 'refused', 'notimp', 'formerr', 'drop', 'truncate', 'garbage']
LIES = ['nxdomain', 'nodata', 'strip']


def forged(rtype):
    return {'MX': 'forge 10 evil.test.', 'A': 'forge 127.0.0.66', 'TLSA': 'forge 3 1 1 ' + '00' * 32}[rtype]


@pytest.mark.parametrize('action', ERRORS)
@pytest.mark.parametrize('rtype, owner', [('MX', '@'), ('A', 'mx'), ('TLSA', '_25._tcp.mx')])
def test_failed_lookup_defers_without_connection(world, relay, rtype, owner, action):
    """DANE-004, DANE-020, DANE-024, DANE-052; D-05: dns-error."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    apex = domain.host('@', preference=None)            # would take the mail if the A record were used instead
    domain.faults(owner, rtype, action)
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert outcome['reason'] in ('dns-error', 'dnssec-invalid')
    scenario.deferred(mail, outcome['reason'])
    assert mx.untouched and apex.untouched


@pytest.mark.smoke
@pytest.mark.parametrize('action', LIES + ['forge'])
@pytest.mark.parametrize('rtype, owner', [('MX', '@'), ('A', 'mx'), ('TLSA', '_25._tcp.mx')])
def test_unsigned_answer_of_a_signed_zone_is_bogus(world, relay, rtype, owner, action):
    """DANE-A02, DANE-A03, DANE-A04, DANE-A05; DANE-002."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    apex = domain.host('@', preference=None)
    domain.faults(owner, rtype, forged(rtype) if action == 'forge' else action)
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert outcome['reason'] in ('dnssec-invalid', 'dns-error')
    scenario.deferred(mail, outcome['reason'])
    assert mx.untouched and apex.untouched


@pytest.mark.parametrize('how', ['expired', 'future', 'corrupt', 'strip'])
@pytest.mark.parametrize('rtype, owner', [('MX', '@'), ('A', 'mx'), ('TLSA', '_25._tcp.mx')])
def test_broken_signature_defers(world, relay, rtype, owner, how):
    """DANE-004, DANE-012, DANE-020; decision table rows 1, 9, 20."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    domain.zone.fault(owner, rtype, how)
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'dnssec-invalid')
    assert mx.untouched
    status = mail.attempts[-1]['dns'] if mail.attempts else {}
    field = {'MX': 'mx', 'A': 'address', 'TLSA': 'tlsa'}[rtype]
    assert status.get(field, 'bogus') == 'bogus'                        # DANE-140


@pytest.mark.parametrize('kw, reason', [
    ({'signed': False}, 'dnssec-invalid'),              # a DS, but the zone is unsigned: DANE-A05
    ({'ds': 'wrong'}, 'dnssec-invalid'),
])
def test_zone_that_does_not_fit_its_ds_defers(world, relay, kw, reason):
    domain = world.domain(**kw)
    mx = domain.host(tlsa=['3 1 1'])
    mail = relay.send(domain.user())
    scenario.deferred(mail, reason)
    assert mx.untouched


@pytest.mark.parametrize('kw', [{'ds': 'unknown-algorithm'}, {'ds': 'unknown-digest'}, {'ds': 'none'}])
def test_signed_zone_without_usable_ds_is_insecure(world, relay, kw):
    """DANE-003, DANE-051: RFC 4035 5.2; its TLSA is no more than a hint, and is not even asked for (DANE-042)."""
    domain = world.domain(**kw)
    mx = domain.host(tlsa=['3 1 1 wrong'])
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    assert not domain.queries('TLSA')


@pytest.mark.parametrize('kw', [{'algorithms': ('rsa',)}, {'algorithms': ('ed25519',)}, {'denial': 'nsec3'},
                                {'denial': 'optout'}, {'algorithms': ('ecdsa', 'rsa')}], ids=str)
def test_every_way_of_signing_is_secure(world, relay, kw):
    """DANE-002: algorithms and kinds of denial; both a host with and a domain without TLSA."""
    domain = world.domain(**kw)
    mx = domain.host(tlsa=['3 1 1'])
    other = world.domain(**kw)
    plain = other.host()
    with_tlsa, without = relay.send(domain.user()), relay.send(other.user())
    scenario.delivered(with_tlsa, by=mx, level='dane-ee')
    scenario.delivered(without, by=plain, level='encrypted')
    assert with_tlsa.attempts[-1]['dns']['tlsa'] == 'secure'


def test_algorithm_rollover_needs_one_valid_path(world, relay):
    """DANE-002: two keys, a DS for one, the TLSA signed by that one alone."""
    domain = world.domain(algorithms=('ecdsa', 'rsa'))
    domain.zone.ds_algorithms = ('rsa',)
    mx = domain.host(tlsa=['3 1 1'])
    domain.zone.signers[(domain.zone.owner('_25._tcp.mx'), 'TLSA')] = ('rsa',)
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')


@pytest.mark.smoke
def test_unsigned_zone_is_not_asked_for_tlsa(world, relay):
    """DANE-042: an unsigned zone whose server fails every TLSA query still gets its mail."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    domain.faults('*', 'TLSA', 'servfail')
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level='encrypted')
    assert not domain.queries('TLSA')
    assert mail.attempts[-1]['dns']['tlsa'] == 'not-queried'


def test_addresses_come_before_tlsa(world, relay):
    """DANE-040."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
    asked = [(q.name, q.type) for q in world.queries() if q.zone == domain.zone.name]
    first_tlsa = asked.index(('_25._tcp.' + mx.fqdn + '.', 'TLSA'))
    assert (mx.fqdn + '.', 'A') in asked[:first_tlsa] and (mx.fqdn + '.', 'AAAA') in asked[:first_tlsa]


def test_host_without_address_is_not_asked_for_tlsa(world, relay):
    """DANE-041: and the next host serves."""
    domain = world.domain()
    domain.add('@', 'MX', '5 gone')
    mx = domain.host(tlsa=['3 1 1'])
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
    assert f'_25._tcp.gone.{domain.name}' not in domain.queries('TLSA')


def test_host_with_failed_lookup_gives_way_to_the_next(world, relay):
    """DANE-024, DANE-023: bogus address, failed TLSA, good."""
    domain = world.domain()
    bad = domain.host('a', preference=10, tlsa=['3 1 1'])
    worse = domain.host('b', preference=20, tlsa=['3 1 1'])
    good = domain.host('c', preference=30, tlsa=['3 1 1'])
    domain.zone.fault('a', 'A', 'corrupt')
    domain.faults('_25._tcp.b', 'TLSA', 'servfail')
    scenario.delivered(relay.send(domain.user()), by=good, level='dane-ee')
    assert bad.untouched and worse.untouched


def test_big_answers_come_by_tcp(world, relay):
    """DANE-011: twenty records, and truncation that TCP cures."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'] + ['3 1 1 wrong'] * 20)
    domain.faults('*', 'MX', 'tc')
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')


@pytest.mark.parametrize('rtype, owner', [('MX', '@'), ('DNSKEY', '@'), ('A', 'mx'), ('AAAA', 'mx'), ('TLSA', '_25._tcp.mx')])
@pytest.mark.parametrize('late', ['0.3', '3', '5'])
def test_slow_answer_is_waited_for(world, relay, rtype, owner, late):
    """DANE-015: longer than a resolver likes to wait before it asks anew; only `dns.timeout` ends it."""
    relay.configure(dns={'timeout': '20s'})
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    domain.faults(owner, rtype, 'slow ' + late)
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')


def test_slow_denial_is_waited_for(world, relay):
    """DANE-015, DANE-005."""
    relay.configure(dns={'timeout': '20s'})
    domain = world.domain()
    mx = domain.host()
    domain.faults('_25._tcp.mx', 'TLSA', 'slow 3')
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


def test_silent_server_is_bounded_by_the_timeout(world, relay):
    """DANE-015: one lookup takes no longer than dns.timeout."""
    relay.configure(dns={'timeout': '2s'})
    domain = world.domain()
    domain.host(tlsa=['3 1 1'])
    domain.faults('*', '*', 'drop')
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'dns-error', timeout=8)


@pytest.mark.parametrize('failing, working', [('AAAA', 'A'), ('A', 'AAAA')])
def test_one_family_fails_the_other_serves(world, relay, failing, working):
    """DANE-016, DANE-A15; D-06."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'], ipv4=int(working == 'A'), ipv6=int(working == 'AAAA'))
    domain.faults('mx', failing, 'servfail')
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')


def test_secure_denial_is_an_answer(world, relay):
    """DANE-005: neither TLSA nor AAAA exist, provably."""
    domain = world.domain()
    mx = domain.host()
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level='encrypted')
    assert mail.attempts[-1]['dns']['tlsa'] == 'absent'


def test_failure_heals(world, relay):
    """DANE-013, DANE-014: the lookup failed, the server is mended, the next attempt succeeds."""
    relay.configure(queue={'retry': ['2s']})
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    domain.faults('_25._tcp.mx', 'TLSA', 'servfail')
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'dns-error')
    domain.heal()
    mail.wait('recipient', result='delivered', timeout=60)
    assert mx.wait_messages()[0].tls


def test_records_published_between_two_attempts_bind(world, relay):
    """DANE-014: deferred for another cause while there was no TLSA; the retry enforces the new one."""
    relay.configure(queue={'retry': ['1h']})
    domain = world.domain(ttl=0)
    mx = domain.host(replies={'RCPT': ['450 4.2.0 later', '250 ok']})
    mail = relay.send(domain.user())
    mail.wait('recipient', result='deferred', reason='smtp-reply')
    mx.tlsa('3 1 1 wrong')
    world.publish()
    relay.queue('flush', '--all')
    mail.wait('recipient', result='deferred', reason='tlsa-invalid', timeout=40)


def test_two_name_servers_one_dead(world, relay):
    """DANE-004: the healthy twin's proof of non-existence is enough; slowness is allowed, failure is not."""
    domain = world.domain(servers=2)
    mx = domain.host()
    domain.faults('*', 'TLSA', 'drop', server=domain.addresses[0])
    relay.configure(dns={'timeout': '20s'})
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted', timeout=40)


class TestDenialThatLies:
    """Signed, yet wrong, proofs of non-existence: bogus, so the host is skipped. DANE-004, DANE-A04."""

    @staticmethod
    def _no_tlsa(world, edit, **kw):
        domain = world.domain(**kw)
        domain.zone.edit_denial = edit(domain)
        return domain, domain.host()

    @staticmethod
    def _deferred(relay, domain, mx):
        mail = relay.send(domain.user())
        outcome = mail.outcome()
        assert outcome['reason'] in ('dnssec-invalid', 'dns-error')
        scenario.deferred(mail, outcome['reason'])
        assert mx.untouched

    def test_no_nsec_at_all(self, world, relay):
        def edit(domain):
            return lambda owner, following, types: None
        self._deferred(relay, *self._no_tlsa(world, edit))

    def test_no_nsec3_at_all(self, world, relay):
        def edit(domain):
            return lambda owner, following, types: None
        self._deferred(relay, *self._no_tlsa(world, edit, denial='nsec3'))

    def test_signature_of_the_denial_is_broken(self, world, relay):
        domain = world.domain()
        mx = domain.host()
        domain.zone.fault('mx', 'NSEC', 'corrupt')
        domain.zone.fault('@', 'NSEC', 'corrupt')
        self._deferred(relay, domain, mx)

    def test_chain_that_skips_the_wrap_around(self, world, relay):
        def edit(domain):
            last = domain.zone.owner('z')
            return lambda owner, following, types: (domain.zone.owner('a') if owner == last else following, types)
        domain, mx = self._no_tlsa(world, edit)
        domain.add('a', 'A', '127.0.0.1').add('z', 'A', '127.0.0.1')
        domain.zone.remove('@', 'MX')
        domain.add('@', 'MX', f'10 zz.{domain.name}.')
        mail = relay.send(domain.user())                # zz lies beyond the last NSEC: absent only if the lie is believed
        assert mail.outcome()['result'] == 'deferred'

    def test_delegation_without_the_ns_bit(self, world, relay):
        parent = world.domain()
        child = world.domain('sub', parent=parent, insecure=True)
        mx = child.host()
        cut = child.zone.origin
        parent.zone.edit_denial = lambda owner, following, types: (
            following, [t for t in types if owner != cut or t != 'NS'])
        self._deferred(relay, child, mx)

    def test_the_same_delegation_with_the_bit(self, world, relay):
        parent = world.domain()
        child = world.domain('sub', parent=parent, insecure=True)
        mx = child.host()
        scenario.delivered(relay.send(child.user()), by=mx, level='encrypted')


def test_opt_out_denial_is_insecure_denial(world, relay):
    """D-21, DANE-005: an insecure delegation in an opt-out span, and no TLSA in an opt-out zone."""
    parent = world.domain(denial='optout')
    child = world.domain('sub', parent=parent, insecure=True)
    mx, own = child.host(), parent.host()
    below, beside = relay.send(child.user()), relay.send(parent.user())
    scenario.delivered(below, by=mx, level='encrypted')
    scenario.delivered(beside, by=own, level='encrypted')


def test_too_many_nsec3_iterations(world, relay):
    """D-21: denials above the validator's limit are insecure; positive answers stay secure."""
    domain = world.domain(denial='nsec3', iterations=500)
    mx = domain.host('a', preference=None, tlsa=['3 1 1 wrong'])
    domain.add('bad', 'MX', '10 a')
    mail = relay.send(f'x@bad.{domain.name}')
    assert mail.outcome()['result'] == 'deferred'
    assert mx.silent


def test_mixed_case_names(world, relay):
    """DANE-054: names are one, whatever their case."""
    domain = world.domain()
    mx = domain.host('mx', preference=None, tlsa=['3 1 1'])
    domain.add('@', 'MX', f'10 MX.{domain.name.upper()}.')
    first, second = relay.send(f'a@{domain.name.upper()}'), relay.send(f'b@{domain.name}')
    scenario.delivered(first, by=mx, level='dane-ee')
    scenario.delivered(second, by=mx, level='dane-ee')
    assert set(mx.sni) == {mx.fqdn}


def test_wildcards_in_the_zone(world, relay):
    """DANE-021: a signed wildcard MX, and TLSA by wildcard."""
    domain = world.domain()
    mx = domain.host(preference=None)
    domain.add('*', 'MX', '10 mx').add('*._tcp.mx', 'TLSA', mx.credential.tlsa('3 1 1'))
    scenario.delivered(relay.send(f'x@any.{domain.name}'), by=mx, level='dane-ee')


def test_hosts_file_is_not_the_dns(world, relay, tmp_path):
    """DANE-001: an override in /etc/hosts changes nothing."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    hosts = tmp_path / 'hosts'
    hosts.write_text(f'127.0.0.1 localhost\n127.0.9.9 {mx.fqdn}\n127.0.1.1 box-24.localhost\n')
    netns.bind_mount(str(hosts), '/etc/hosts')
    try:
        scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
    finally:
        netns.unmount('/etc/hosts')


def test_heal_of_a_bogus_zone(world, relay):
    """DANE-013: what was bogus is asked for again within a minute."""
    relay.configure(queue={'retry': ['5s']})
    domain = world.domain(ttl=1)
    mx = domain.host(tlsa=['3 1 1'])
    domain.zone.fault('_25._tcp.mx', 'TLSA', 'expired')
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'dnssec-invalid')
    domain.zone.fault('_25._tcp.mx', 'TLSA', None)
    world.publish()
    mail.wait('recipient', result='delivered', timeout=90)
    assert waiting.until(lambda: mx.messages, what='message')
