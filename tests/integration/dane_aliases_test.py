"""Which name is the TLSA base when names are aliases? RFC 7672 2.2.2, 2.2.3."""
import pytest

from world import pki, scenario

pytestmark = pytest.mark.check_agrees        # DANE-130


@pytest.mark.smoke
@pytest.mark.parametrize('right_at, base', [('target', 'target'), ('alias', 'alias')])
def test_secure_alias_expanded_name_first_then_the_original(world, relay, right_at, base):
    """DANE-044, DANE-110: records at either name serve; SNI follows the base."""
    domain = world.domain()
    host = domain.host('node', preference=None)
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', 'node')
    host.tlsa('3 1 1', name='node' if right_at == 'target' else 'mx')
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert (outcome['result'], outcome['tls_level']) == ('delivered', 'dane-ee')
    want = f'{"node" if base == "target" else "mx"}.{domain.name}'
    assert host.sni == [want]
    asked = domain.queries('TLSA')
    assert asked[0] == f'_25._tcp.node.{domain.name}'
    assert (f'_25._tcp.mx.{domain.name}' in asked) == (right_at == 'alias')


def test_records_of_the_two_names_are_not_mixed(world, relay):
    """DANE-044, DANE-048: wrong at the expanded name, right at the original: the first found counts."""
    domain = world.domain()
    host = domain.host('node', preference=None, tlsa=['3 1 1 wrong'])
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', 'node')
    host.tlsa('3 1 1', name='mx')
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')


def test_failure_at_the_expanded_name_skips_the_host(world, relay):
    """DANE-047: no second candidate after a failed lookup."""
    domain = world.domain()
    host = domain.host('node', preference=None)
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', 'node')
    host.tlsa('3 1 1', name='mx')
    domain.faults('_25._tcp.node', 'TLSA', 'servfail')
    scenario.deferred(relay.send(domain.user()), 'dns-error')
    assert host.untouched


def test_unusable_at_the_expanded_name_encrypts(world, relay):
    """DANE-048: the base is found although nothing there is usable."""
    domain = world.domain()
    host = domain.host('node', preference=None)
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', 'node')
    domain.add('_25._tcp.node', 'TLSA', host.credential.tlsa('1 1 1'))
    host.tlsa('3 1 1 wrong', name='mx')
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert (outcome['result'], outcome['tls_level']) == ('delivered', 'encrypted')


@pytest.mark.parametrize('right', [True, False])
def test_alias_into_an_unsigned_zone(world, relay, right):
    """DANE-009, DANE-045: the first alias is secure, so its own name is the only candidate."""
    domain, plain = world.domain(), world.domain(insecure=True)
    host = plain.host('node', preference=None)
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', f'node.{plain.name}.')
    domain.add('_25._tcp.mx', 'TLSA', host.credential.tlsa('3 1 1' if right else '3 1 1 wrong'))
    mail = relay.send(domain.user())
    if right:
        outcome = mail.outcome()
        assert (outcome['result'], outcome['tls_level']) == ('delivered', 'dane-ee')
        assert host.sni == [f'mx.{domain.name}']
    else:
        scenario.deferred(mail, 'tlsa-invalid')
    assert not plain.queries('TLSA')


def test_alias_query_that_fails_skips_the_host(world, relay):
    """DANE-009: the status of the first alias cannot be told."""
    domain, plain = world.domain(), world.domain(insecure=True)
    host = plain.host('node', preference=None)
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', f'node.{plain.name}.')
    domain.faults('mx', 'CNAME', 'servfail')
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    # A resolver may already hold the signed alias from the address lookup; it must then be as good as asked for.
    if outcome['result'] == 'deferred':
        scenario.deferred(mail, 'dns-error')
        assert host.untouched
    else:
        assert outcome['tls_level'] == 'encrypted'


def test_insecure_first_link_to_a_signed_target(world, relay):
    """DANE-006: after one insecure alias all is insecure; TLSA at the target does not apply."""
    domain, plain = world.domain(), world.domain(insecure=True)
    host = domain.host('node', preference=None, tlsa=['3 1 1 wrong'])
    domain.add('@', 'MX', f'10 mx.{plain.name}.')
    plain.add('mx', 'CNAME', f'node.{domain.name}.')
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert (outcome['result'], outcome['tls_level']) == ('delivered', 'encrypted')
    assert host.messages and not domain.queries('TLSA')


def test_names_in_the_middle_are_no_candidates(world, relay):
    """DANE-046."""
    domain = world.domain()
    host = domain.host('node', preference=None)
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', 'middle').add('middle', 'CNAME', 'node')
    domain.add('_25._tcp.middle', 'TLSA', host.credential.tlsa('3 1 1 wrong'))
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert (outcome['result'], outcome['tls_level']) == ('delivered', 'encrypted')
    assert f'_25._tcp.middle.{domain.name}' not in domain.queries('TLSA')


@pytest.mark.parametrize('fault', ['servfail', 'corrupt'])
def test_failure_at_any_link_is_failure_of_the_whole(world, relay, fault):
    """DANE-007."""
    domain = world.domain()
    host = domain.host('node', preference=None, tlsa=['3 1 1'])
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', 'middle').add('middle', 'CNAME', 'node')
    if fault == 'servfail':
        domain.faults('mx', '*', 'servfail')
    else:
        domain.zone.fault('middle', 'CNAME', 'corrupt')
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    scenario.deferred(mail, outcome['reason'])
    assert outcome['reason'] == ('dns-error' if fault == 'servfail' else 'dnssec-invalid')
    assert host.untouched


@pytest.mark.parametrize('hops', [1, 3])
def test_tlsa_owner_may_be_an_alias(world, relay, hops):
    """DANE-050: the base, and with it SNI and names, stays the host's."""
    domain = world.domain()
    mx = domain.host(credential=pki.chain)
    names = ['_25._tcp.mx'] + [f'r{i}._dane' for i in range(hops)]
    for here, there in zip(names, names[1:]):
        domain.add(here, 'CNAME', there)
    domain.add(names[-1], 'TLSA', mx.credential.tlsa('2 1 1'))
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ta')
    assert mx.sni == [mx.fqdn]


def test_tlsa_alias_into_an_unsigned_zone_is_as_if_absent(world, relay):
    """DANE-050, DANE-051."""
    domain, plain = world.domain(), world.domain(insecure=True)
    mx = domain.host()
    domain.add('_25._tcp.mx', 'CNAME', f'tlsa.{plain.name}.')
    plain.add('tlsa', 'TLSA', mx.credential.tlsa('3 1 1 wrong'))
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level='encrypted')
    assert mail.attempts[-1]['dns']['tlsa'] == 'insecure'


def test_tlsa_alias_to_nowhere_is_a_denial(world, relay):
    """DANE-005, DANE-008."""
    domain = world.domain()
    mx = domain.host()
    domain.add('_25._tcp.mx', 'CNAME', 'gone')
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


def test_tlsa_alias_loop_is_a_failure(world, relay):
    """DANE-004, DANE-A18: bounded time, few questions."""
    domain = world.domain()
    mx = domain.host()
    domain.add('_25._tcp.mx', 'CNAME', '_25._tcp.alt').add('_25._tcp.alt', 'CNAME', '_25._tcp.mx')
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    scenario.deferred(mail, outcome['reason'])
    assert outcome['reason'] in ('dns-error', 'dnssec-invalid')
    assert mx.untouched and len(domain.queries()) < 100


def test_tlsa_in_an_unsigned_sub_zone_is_as_if_absent(world, relay):
    """DANE-051: _tcp below a secure host is delegated unsigned."""
    domain = world.domain()
    mx = domain.host()
    below = world.domain('_tcp.mx', parent=domain, insecure=True)
    below.add('_25', 'TLSA', mx.credential.tlsa('3 1 1 wrong'))
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


def test_dname(world, relay):
    """DANE-008: its synthesised CNAME is an alias like any other."""
    domain = world.domain()
    mx = domain.host('mx.inner', preference=None, tlsa=['3 1 1'])
    domain.add('outer', 'DNAME', f'inner.{domain.name}.').add('@', 'MX', '10 mx.outer')
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert (outcome['result'], outcome['tls_level']) == ('delivered', 'dane-ee'), outcome
    assert mx.sni == [f'mx.inner.{domain.name}']


@pytest.mark.parametrize('records', ['none', 'secure'])
def test_dname_into_an_unsigned_zone(world, relay, records):
    """DANE-008, DANE-009, DANE-045: the first link is secure, its target is not; records of the alias itself would count."""
    domain, unsigned = world.domain(), world.domain(insecure=True)
    mx = unsigned.host('mx.deep', preference=None)
    if records == 'secure':                     # beside the DNAME's names: an alias of its own
        domain.add('mx', 'CNAME', f'mx.outer.{domain.name}.').add('@', 'MX', '10 mx')
        domain.add('_25._tcp.mx', 'TLSA', mx.credential.tlsa('3 1 1'))
    else:
        domain.add('@', 'MX', '10 mx.deep.outer')
    domain.add('outer', 'DNAME', f'{unsigned.name}.' if records == 'none' else f'deep.{unsigned.name}.')
    outcome = relay.send(domain.user()).outcome()
    assert (outcome['result'], outcome['tls_level']) == ('delivered', 'encrypted' if records == 'none' else 'dane-ee'), outcome
    assert len(mx.messages) == 1


@pytest.mark.parametrize('secure', [True, False])
def test_recipient_domain_is_an_alias(world, relay, secure):
    """DANE-021, DANE-101: its own aliases count in the MX status; under a secure one the expanded name is a reference too."""
    real = world.domain()
    customer = world.domain(insecure=not secure)
    mx = real.host(credential=lambda host: pki.chain(host, names=[real.name]), tlsa=['2 0 1'])
    customer.add('www', 'CNAME', f'{real.name}.')
    mail = relay.send(f'x@www.{customer.name}')
    if secure:
        scenario.delivered(mail, by=mx, level='dane-ta')
    else:
        scenario.deferred(mail, 'certificate-host-mismatch')


@pytest.mark.parametrize('right', [True, False])
def test_domain_without_mx_is_its_own_host(world, relay, right):
    """DANE-029: absent MX does not mean insecure."""
    domain = world.domain()
    apex = domain.host('@', preference=None, tlsa=['3 1 1' if right else '3 1 1 wrong'])
    mail = relay.send(domain.user())
    if right:
        scenario.delivered(mail, by=apex, level='dane-ee')
        assert mail.attempts[-1]['dns']['mx'] == 'absent'
    else:
        scenario.deferred(mail, 'tlsa-invalid')


def test_alias_domain_without_mx(world, relay):
    """DANE-102: base is the expansion; the certificate names the domain as given."""
    domain = world.domain()
    alias = f'list.{domain.name}'
    host = domain.host('node', preference=None, credential=lambda h: pki.chain(h, names=[alias]), tlsa=['2 0 1'])
    domain.add('list', 'CNAME', 'node')
    mail = relay.send(f'x@{alias}')
    outcome = mail.outcome()
    assert (outcome['result'], outcome['tls_level']) == ('delivered', 'dane-ta'), outcome
    assert host.sni == [host.fqdn]
