"""What do policies, missing STARTTLS and broken handshakes lead to? Decision table of DANE, rows 12 … 40, and the other
policies of the configuration."""
import pytest

from world import pki, scenario, smtpd

pytestmark = pytest.mark.check_agrees        # DANE-130

NO_TLS = [
    ('absent',          dict(starttls='absent')),
    ('mangled',         dict(starttls='mangled')),
    ('answered_454',    dict(replies={'STARTTLS': '454 4.7.0 not now'})),
    ('answered_502',    dict(replies={'STARTTLS': '502 5.5.1 no'})),
    ('ehlo_refused',    dict(replies={'EHLO': '502 5.5.1 what'})),
]
NO_HANDSHAKE = ['close', 'reset', 'alert', 'garbage', 'plain-error', 'hang']


@pytest.mark.smoke
@pytest.mark.parametrize('script', [s for _, s in NO_TLS], ids=[n for n, _ in NO_TLS])
@pytest.mark.parametrize('records', [['3 1 1'], ['1 1 1']], ids=['usable', 'unusable'])
def test_no_starttls_under_tlsa_means_no_mail(world, relay, script, records):
    """DANE-064, DANE-121, DANE-122, DANE-A01, D-31: rows 27 and 33."""
    domain = world.domain()
    mx = domain.host(tlsa=records, **script)
    scenario.deferred(relay.send(domain.user()), 'starttls-not-supported')
    assert mx.silent


@pytest.mark.parametrize('handshake', NO_HANDSHAKE)
@pytest.mark.parametrize('records', [['3 1 1'], ['1 1 1']], ids=['usable', 'unusable'])
def test_broken_handshake_under_tlsa_means_no_mail(world, relay, handshake, records):
    """DANE-117, DANE-A10: rows 28 and 34, on the second attempt as on the first."""
    relay.configure(queue={'retry': ['1s']}, delivery={'handshake_timeout': '1s'})
    domain = world.domain()
    mx = domain.host(tlsa=records, handshake=handshake)
    mail = relay.send(domain.user())
    for attempt in (1, 2):
        outcome = mail.outcome(count=attempt)
        assert outcome['result'] == 'deferred'
        assert outcome['reason'] in ('tls-handshake-failed', 'timeout')
    assert mx.silent and mx.connections >= 2


@pytest.mark.parametrize('limits, kw', [(('1.0', '1.1'), {}), (('1.2', '1.2'), {'ciphers': 'aNULL:@SECLEVEL=0'})])
def test_too_weak_tls_is_a_failed_handshake(world, relay, limits, kw):
    """DANE-112, DANE-113, DANE-A19."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'], tls=limits, **kw)
    scenario.deferred(relay.send(domain.user()), 'tls-handshake-failed')
    assert mx.silent


@pytest.mark.parametrize('version', ['1.2', '1.3'])
def test_tls_versions(world, relay, version):
    """DANE-112."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'], tls=(version, version))
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level='dane-ee')
    assert mail.attempts[-1]['tls']['protocol'] == f'TLSv{version}'


def test_injected_replies_are_not_believed(world, relay):
    """DANE-116, DANE-A13: bytes between the STARTTLS reply and the handshake."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'], inject=b'250-injected\r\n250 XFORWARD\r\n')
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    if outcome['result'] == 'delivered':
        scenario.delivered(mail, by=mx, level='dane-ee')
    else:
        scenario.deferred(mail, outcome['reason'])
        assert mx.silent


def test_what_was_learnt_before_tls_is_forgotten(world, relay):
    """DANE-116, SC-024, SC-025: extensions offered in the clear only are not used inside."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'], capabilities_tls=('SIZE 1000000',))
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
    assert len(mx.commands('EHLO', tls=True)) == 1


def test_starttls_listed_inside_tls_is_ignored(world, relay):
    """SC-025."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'], capabilities_tls=('PIPELINING', 'STARTTLS'))
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
    assert len(mx.commands('STARTTLS')) == 1


UNUSABLE = ['0 0 1', '1 1 1', '3 1 9 ' + '00' * 32, '3 2 1 ' + '00' * 32, '4 1 1 ' + '00' * 32, '3 1 1 00', '3 1 2 ' + '00' * 32,
            '3 0 0 00', '255 255 255 00']


@pytest.mark.parametrize('record', UNUSABLE)
def test_only_unusable_records_encrypt_without_authentication(world, relay, record):
    """DANE-048, DANE-053, DANE-060, DANE-061, DANE-062, DANE-064, D-04: row 29."""
    domain = world.domain()
    mx = domain.host(tlsa=[record], credential=lambda host: pki.self_signed('other.test', valid='expired'))
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level='encrypted')


@pytest.mark.parametrize('records, level, reason', [
    (['3 1 1'],       'dane-ee', None),
    ([],              None, 'dane-required'),           # row 22
    (['1 1 1'],       None, 'tlsa-invalid'),            # row 26
    (['3 1 1 wrong'], None, 'tlsa-invalid'),            # row 35
])
def test_dane_only(world, relay, records, level, reason):
    """DANE-066, DANE-126."""
    relay.configure(tls={'policy': 'dane-only'})
    domain = world.domain()
    mx = domain.host(tlsa=records)
    mail = relay.send(domain.user())
    if level:
        scenario.delivered(mail, by=mx, level=level)
    else:
        scenario.deferred(mail, reason)
        assert mx.silent
        assert mx.untouched or records == ['3 1 1 wrong']


def test_dane_only_behind_an_insecure_mx(world, relay):
    """DANE-026: row 12."""
    relay.configure(tls={'policy': 'dane-only'})
    provider, customer = world.domain(), world.domain(insecure=True)
    mx = provider.host(preference=None, tlsa=['3 1 1'])
    customer.add('@', 'MX', f'10 {mx.fqdn}.')
    scenario.deferred(relay.send(customer.user()), 'dane-required')
    assert mx.untouched


@pytest.mark.parametrize('setting, right, level', [
    ('dane', True, 'dane-ee'), ('dane', False, None),           # rows 39, 35
    ('encrypt', True, 'encrypted'), ('encrypt', False, 'encrypted'),    # row 32
    ('may', True, 'encrypted'), ('may', False, 'encrypted'),    # row 16
])
def test_insecure_mx(world, relay, setting, right, level):
    """DANE-025, DANE-028, D-29: hosts with secure TLSA behind an insecure MX RRset."""
    relay.configure(tls={'insecure_mx': setting})
    provider, customer = world.domain(), world.domain(insecure=True)
    mx = provider.host(preference=None, tlsa=['3 1 1' if right else '3 1 1 wrong'])
    customer.add('@', 'MX', f'10 {mx.fqdn}.')
    mail = relay.send(customer.user())
    if level:
        scenario.delivered(mail, by=mx, level=level)
        attempt = mail.attempts[-1]
        assert attempt['dns']['mx'] == 'insecure'
        if level == 'dane-ee':
            assert attempt['tls']['secured'] is False
    else:
        scenario.deferred(mail, 'tlsa-invalid')
    if setting == 'may':
        assert not provider.queries('TLSA')


@pytest.mark.parametrize('setting, delivered', [('encrypt', False), ('may', True)])
def test_insecure_mx_without_starttls(world, relay, setting, delivered):
    """DANE-025: rows 14 and 30."""
    relay.configure(tls={'insecure_mx': setting})
    provider, customer = world.domain(), world.domain(insecure=True)
    mx = provider.host(preference=None, tlsa=['3 1 1'], starttls='absent')
    customer.add('@', 'MX', f'10 {mx.fqdn}.')
    mail = relay.send(customer.user())
    if delivered:
        scenario.delivered(mail, by=mx, level='none')
    else:
        scenario.deferred(mail, 'starttls-not-supported')


@pytest.mark.parametrize('signed', [True, False])
@pytest.mark.parametrize('script', [s for _, s in NO_TLS], ids=[n for n, _ in NO_TLS])
def test_without_tlsa_no_starttls_means_clear(world, relay, signed, script):
    """Rows 17 and 23."""
    domain = world.domain(insecure=not signed)
    mx = domain.host(**script)
    scenario.delivered(relay.send(domain.user()), by=mx, level='none')


@pytest.mark.parametrize('handshake', ['close', 'alert', 'garbage'])
def test_without_tlsa_a_broken_handshake_defers_at_first(world, relay, handshake):
    """DANE-125, D-30: no clear text on the first attempt."""
    domain = world.domain(insecure=True)
    mx = domain.host(handshake=handshake)
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    if outcome['result'] == 'deferred':
        scenario.deferred(mail, 'tls-handshake-failed')
        assert mx.silent


@pytest.mark.smoke
def test_fallback_to_the_next_host(world, relay):
    """DANE-123, DANE-124: mismatch, stripped, hanging, then a good one; in that order."""
    relay.configure(delivery={'handshake_timeout': '1s'})
    domain = world.domain()
    mismatch = domain.host('a', 10, tlsa=['3 1 1 wrong'])
    stripped = domain.host('b', 20, tlsa=['3 1 1'], starttls='mangled')
    hanging = domain.host('c', 30, tlsa=['3 1 1'], handshake='hang')
    good = domain.host('d', 40, tlsa=['3 1 1'])
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=good, level='dane-ee')
    assert [a['host'] for a in mail.attempts] == [h.fqdn for h in (mismatch, stripped, hanging, good)]
    assert [a['reason'] for a in mail.attempts][:2] == ['tlsa-invalid', 'starttls-not-supported']


def test_one_address_has_the_wrong_certificate(world, relay):
    """DANE-123: the host's other address is tried in the same attempt."""
    domain = world.domain()
    wrong = domain.host('mx', credential=pki.self_signed)
    right = domain.host('mx', preference=None)
    domain.add('_25._tcp.mx', 'TLSA', right.credential.tlsa('3 1 1'))
    mails = [relay.send(domain.user()) for _ in range(6)]
    for mail in mails:
        assert mail.outcome()['tls_level'] == 'dane-ee'
    assert wrong.silent and len(right.messages) == 6


def test_reason_is_the_gravest(world, relay):
    """DANE-124, D-32: a failed TLS policy outranks a refused connection."""
    domain = world.domain()
    domain.host('a', 10, server=False)
    domain.host('b', 20, tlsa=['3 1 1 wrong'])
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')


def test_preference_stands_above_security(world, relay):
    """DANE-022, DANE-023, DANE-A11: the better-preferred host without TLSA gets it."""
    domain = world.domain()
    plain = domain.host('a', 10)
    signed = domain.host('b', 20, tlsa=['3 1 1'])
    scenario.delivered(relay.send(domain.user()), by=plain, level='encrypted')
    assert signed.untouched


@pytest.mark.parametrize('policy, script, level, reason', [
    ('none',    {},                         'none', None),
    ('may',     {},                         'encrypted', None),
    ('may',     {'starttls': 'absent'},     'none', None),
    ('encrypt', {},                         'encrypted', None),
    ('encrypt', {'starttls': 'absent'},     None, 'starttls-not-supported'),
    ('encrypt', {'handshake': 'alert'},     None, 'tls-handshake-failed'),
])
def test_policies_without_authentication(world, relay, policy, script, level, reason):
    """Contract's policies none, may, encrypt: no TLSA is asked for, though a wrong one is published. DANE-127."""
    relay.configure(tls={'policy': policy})
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1 wrong'], **script)
    mail = relay.send(domain.user())
    if level:
        scenario.delivered(mail, by=mx, level=level)
    else:
        scenario.deferred(mail, reason)
    assert not domain.queries('TLSA')
    if policy == 'none':
        assert not mx.commands('STARTTLS')


VERIFY = [
    ('web',       lambda ca, h: ca.issue(h),                                          None),
    ('self',      lambda ca, h: pki.self_signed(h),                                   'certificate-not-trusted'),
    ('expired',   lambda ca, h: ca.issue(h, valid='expired'),                         'certificate-expired'),
    ('name',      lambda ca, h: ca.issue(h, names=['x.other.test']),                  'certificate-host-mismatch'),
    ('domain',    lambda ca, h: ca.issue(h, names=[h.split('.', 1)[1]]),              'certificate-host-mismatch'),
    ('wildcard',  lambda ca, h: ca.issue(h, names=['*.' + h.split('.', 1)[1]]),       None),
]


@pytest.mark.parametrize('credential, reason', [r[1:] for r in VERIFY], ids=[r[0] for r in VERIFY])
def test_verify(world, relay, credential, reason):
    """Contract: web PKI with the host's name."""
    relay.configure(tls={'policy': 'verify'})
    domain = world.domain()
    mx = domain.host(credential=lambda host: credential(world.web_ca, host))
    mail = relay.send(domain.user())
    if reason is None:
        scenario.delivered(mail, by=mx, level='pkix')
    else:
        scenario.deferred(mail, reason)


def test_policy_entries_first_match_wins(world, relay):
    """DANE-127: per destination, explicit; the leading dot means any sub-domain."""
    one, two = world.domain(), world.domain()
    a, b = one.host(tlsa=['3 1 1 wrong']), two.host()
    relay.configure(policies=[{'match': [one.name], 'tls': 'may', 'note': 'they know'},
                              {'match': ['.test'], 'tls': 'dane-only'}, {'match': [one.name], 'tls': 'dane'}])
    first, second = relay.send(one.user()), relay.send(two.user())
    scenario.delivered(first, by=a, level='encrypted')
    scenario.deferred(second, 'dane-required')
    assert b.untouched


def test_on_failure_bounce(world, relay):
    """DANE-124: TLS policy failures bounce where the operator wants it, with a 5.7.x status."""
    relay.configure(tls={'on_failure': 'bounce'})
    domain = world.domain()
    domain.host(tlsa=['3 1 1 wrong'])
    scenario.bounced(relay.send(domain.user()), 'tlsa-invalid', status='5.7.')


def test_on_failure_bounce_is_not_for_lookups(world, relay):
    """Contract: failed and bogus lookups always defer."""
    relay.configure(tls={'on_failure': 'bounce'})
    failed, bogus = world.domain(), world.domain()
    failed.host(tlsa=['3 1 1'])
    bogus.host(tlsa=['3 1 1'])
    failed.faults('_25._tcp.mx', 'TLSA', 'servfail')
    bogus.zone.fault('_25._tcp.mx', 'TLSA', 'corrupt')
    scenario.deferred(relay.send(failed.user()), 'dns-error')
    scenario.deferred(relay.send(bogus.user()), 'dnssec-invalid')


@pytest.mark.smoke
@pytest.mark.parametrize('brackets, port', [(True, 587), (True, 25), (False, 587), (True, 2526)])
def test_next_hop(world, relay, brackets, port):
    """DANE-032, DANE-033, DANE-049, D-10: the name is trusted, TLSA follows the port."""
    hop, customer = world.domain(), world.domain(insecure=True)
    never = customer.host()
    host = hop.host('mx', None if brackets else 10, tlsa=['3 1 1'], port=port)
    if port != 25:
        hop.add('_25._tcp.mx', 'TLSA', host.credential.tlsa('3 1 1 wrong'))
    target = f'[{host.fqdn}]:{port}' if brackets else f'{hop.name}:{port}'
    relay.configure(policies=[{'match': [customer.name], 'tls': 'dane-only', 'next_hop': target}])
    scenario.delivered(relay.send(customer.user()), by=host, level='dane-ee')
    assert never.untouched


def test_unbracketed_next_hop_in_an_unsigned_zone(world, relay):
    """DANE-032: a configured name does not make its MX RRset secure."""
    hop, customer = world.domain(insecure=True), world.domain()
    host = hop.host()
    relay.configure(policies=[{'match': [customer.name], 'tls': 'dane-only', 'next_hop': f'{hop.name}:25'}])
    scenario.deferred(relay.send(customer.user()), 'dane-required')
    assert host.untouched


def test_certificate_of_the_recipient_domain_does_not_serve_a_relay(world, relay):
    """DANE-033."""
    hop, customer = world.domain(), world.domain()
    host = hop.host('mx', None, credential=lambda h: pki.chain(h, names=[customer.name]), tlsa=['2 0 1'])
    relay.configure(policies=[{'match': [customer.name], 'next_hop': f'[{host.fqdn}]'}])
    scenario.deferred(relay.send(customer.user()), 'certificate-host-mismatch')


def test_address_literal(world, relay):
    """DANE-030, D-28: DANE does not apply; dane acts as may, and no SNI is sent (DANE-111)."""
    domain = world.domain()
    mx = domain.host()
    mail = relay.send(f'x@[{mx.addresses[0]}]')
    outcome = mail.outcome()
    assert (outcome['result'], outcome['tls_level']) == ('delivered', 'encrypted'), outcome
    assert mx.sni == [None]


def test_address_literal_under_dane_only(world, relay):
    """DANE-030: row 5."""
    relay.configure(tls={'policy': 'dane-only'})
    mx = world.domain().host()
    scenario.deferred(relay.send(f'x@[{mx.addresses[0]}]'), 'dane-required')
    assert mx.untouched


def test_sni_without_dane(world, relay):
    """DANE-111: the host name."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    assert mx.sni == [mx.fqdn]


def test_connection_is_shared_only_where_accepted(world, relay):
    """DANE-115, D-24: DANE-TA matched through one domain's name does not serve another domain."""
    provider, one, two = world.domain(), world.domain(), world.domain()
    mx = provider.host(preference=None, credential=lambda h: pki.chain(h, names=[one.name]), tlsa=['2 0 1'])
    for customer in (one, two):
        customer.add('@', 'MX', f'10 {mx.fqdn}.')
    first = relay.send(one.user())
    scenario.delivered(first, by=mx, level='dane-ta')
    scenario.deferred(relay.send(two.user()), 'certificate-host-mismatch')


@pytest.mark.parametrize('forged', ['name', 'greeting', 521, 556])
def test_clear_text_ends_nothing_for_good(world, relay, forged):
    """DANE-A10, D-14, SC-008: before TLS anybody on the path may speak for the host; the mail waits, or goes on, and never bounces."""
    domain = world.domain()
    if forged == 'name':
        replies = {'EHLO': ['250-relay.test\n250 STARTTLS', None]}
    elif forged == 'greeting':
        replies = {'banner': '220 relay.test ESMTP'}
    else:
        replies = {'banner': [f'{forged} no mail here', None]}
    mx = domain.host(tlsa=['3 1 1'], replies=replies)
    mail = relay.send(domain.user())
    if forged in ('name', 'greeting'):
        scenario.delivered(mail, by=mx, level='dane-ee')
    else:
        scenario.deferred(mail, 'smtp-reply')
        relay.queue('flush', '--all')
        assert mail.outcome(count=2)['result'] == 'delivered'


@pytest.mark.check_differs('the server has said its first reply')
def test_our_own_name_within_tls_is_a_loop(world, relay):
    """SC-008: said by the host that its TLSA record names."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'], replies={'EHLO': ['250-relay.test\n250 STARTTLS', '250 relay.test']})
    scenario.bounced(relay.send(domain.user()), 'mail-loop', '5.4.6')
    assert mx.silent


def test_flush_does_not_lower_anything(world, relay):
    """DANE-121, DQ-019: an operator's flush is one more attempt under the same requirement."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1 wrong'])
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'tlsa-invalid')
    assert relay.queue('flush', '--all').status == 0
    assert mail.outcome(count=2)['reason'] == 'tlsa-invalid'
    assert mx.silent


def test_starttls_refused_with_421_or_closed(world, relay):
    """DANE-122, SC-031."""
    domain = world.domain()
    closed = domain.host('a', 10, tlsa=['3 1 1'], replies={'STARTTLS': smtpd.CLOSE})
    leaving = domain.host('b', 20, tlsa=['3 1 1'], replies={'STARTTLS': smtpd.Reply('421 4.3.2 bye', then='close')})
    mail = relay.send(domain.user())
    assert mail.outcome()['result'] == 'deferred'
    assert closed.silent and leaving.silent and closed.connections and leaving.connections
