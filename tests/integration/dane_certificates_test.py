"""Which certificates pass under which TLSA records, on the wire and end to end? Signed domain, one host."""
import pytest

from world import pki, scenario, waiting

pytestmark = pytest.mark.check_agrees        # DANE-130


def self_signed(**kw):
    return lambda host: pki.self_signed(host, **kw)


def chain(**kw):
    return lambda host: pki.chain(host, **kw)


def domain_name(host):
    return pki.chain(host, names=[host.split('.', 1)[1]])


PASS = [
    # id                              requirement  records                             credential                            level
    ('ee_spki_sha256',                'DANE-080', ['3 1 1'],                          self_signed(),                        'dane-ee'),
    ('ee_cert_sha256',                'DANE-080', ['3 0 1'],                          self_signed(),                        'dane-ee'),
    ('ee_spki_full',                  'DANE-080', ['3 1 0'],                          self_signed(),                        'dane-ee'),
    ('ee_cert_full',                  'DANE-080', ['3 0 0'],                          self_signed(),                        'dane-ee'),
    ('ee_sha512',                     'DANE-080', ['3 1 2'],                          self_signed(),                        'dane-ee'),
    ('ee_rsa',                        'DANE-080', ['3 1 1'],                          self_signed(key='rsa'),               'dane-ee'),
    ('ee_rsa_1024',                   'DANE-082', ['3 1 1'],                          self_signed(key='rsa1024'),           'dane-ee'),
    ('ee_in_a_chain',                 'DANE-080', ['3 1 1'],                          chain(),                              'dane-ee'),
    ('ee_expired',                    'DANE-081', ['3 1 1'],                          self_signed(valid='expired'),         'dane-ee'),
    ('ee_not_yet_valid',              'DANE-081', ['3 1 1'],                          self_signed(valid='future'),          'dane-ee'),
    ('ee_wrong_name',                 'DANE-081', ['3 1 1'],                          self_signed(names=['x.other.test']),  'dane-ee'),
    ('ee_client_auth_only',           'DANE-081', ['3 1 1'],                          self_signed(eku=['client']),          'dane-ee'),
    ('ee_and_a_wrong_one',            'DANE-143', ['3 1 1 wrong', '3 1 1'],           self_signed(),                        'dane-ee'),
    ('ee_agility_other_selector',     'DANE-067', ['3 1 1', '3 0 2 wrong'],           self_signed(),                        'dane-ee'),
    ('ee_agility_bad_length_dropped', 'DANE-068', ['3 1 1', '3 1 2 00ff'],            self_signed(),                        'dane-ee'),
    ('ee_agility_full_stays',         'DANE-069', ['3 1 0', '3 1 2 wrong'],           self_signed(),                        'dane-ee'),
    ('ee_beside_unknown_matching',    'DANE-065', ['3 1 9 ' + '00' * 32, '3 1 1'],    self_signed(),                        'dane-ee'),
    ('ee_beside_private_use',         'DANE-072', ['3 1 255 ' + '00' * 32, '3 1 1'],  self_signed(),                        'dane-ee'),
    ('ta_root_cert',                  'DANE-090', ['2 0 1'],                          chain(),                              'dane-ta'),
    ('ta_root_spki',                  'DANE-090', ['2 1 1'],                          chain(),                              'dane-ta'),
    ('ta_root_full',                  'DANE-090', ['2 0 0'],                          chain(),                              'dane-ta'),
    ('ta_intermediate',               'DANE-092', ['2 1 1 intermediate'],             chain(send=['leaf', 'intermediate']), 'dane-ta'),
    ('ta_full_not_sent',              'DANE-094', ['2 0 0'],                          chain(send=['leaf', 'intermediate']), 'dane-ta'),
    ('ta_bare_key_not_sent',          'DANE-094', ['2 1 0'],                          chain(send=['leaf', 'intermediate']), 'dane-ta'),
    ('ta_shuffled_chain',             'DANE-099', ['2 0 1'],                          chain(send=['leaf', 'root', 'intermediate']), 'dane-ta'),
    ('ta_names_the_mail_domain',      'DANE-101', ['2 0 1'],                          domain_name,                          'dane-ta'),
    ('ta_common_name_only',           'DANE-104', ['2 0 1'],                          chain(names=[]),                      'dane-ta'),
    ('ta_beside_a_wrong_ee',          'DANE-071', ['3 1 1 wrong', '2 0 1'],           chain(),                              'dane-ta'),
    ('ee_beside_a_ta_of_wrong_name',  'DANE-071', ['2 0 1', '3 1 1'],                 chain(names=['x.other.test']),        'dane-ee'),
    ('ta_expired_root_bare_key',      'DANE-096', ['2 1 0'],
     chain(root={'valid': 'expired'}, send=['leaf', 'intermediate']), 'dane-ta'),
]

FAIL = [
    # id                              requirement  records                             credential                            reason
    ('ee_no_match',                   'DANE-080', ['3 1 1 wrong'],                    self_signed(),                        'tlsa-invalid'),
    ('ee_matches_the_issuer_only',    'DANE-080', ['3 1 1 intermediate'],             chain(),                              'tlsa-invalid'),
    ('ee_weaker_digest_only',         'DANE-067', ['3 1 1', '3 1 2 wrong'],           self_signed(),                        'tlsa-invalid'),
    ('ee_wrong_beside_pkix_usages',   'DANE-061', ['1 1 1', '3 1 1 wrong'],           self_signed(),                        'tlsa-invalid'),
    ('ta_not_sent',                   'DANE-093', ['2 0 1'],                          chain(send=['leaf', 'intermediate']), 'tlsa-invalid'),
    ('ta_naming_the_leaf',            'DANE-098', ['2 0 1 leaf'],                     self_signed(),                        'tlsa-invalid'),
    ('ta_wrong_name',                 'DANE-101', ['2 0 1'],                          chain(names=['x.other.test']),        'certificate-host-mismatch'),
    ('ta_san_beats_common_name',      'DANE-104', ['2 0 1'],                          chain(names=['x.other.test']),        'certificate-host-mismatch'),
    ('ta_ip_san_only',                'DANE-107', ['2 0 1'],
     chain(names=[], cn='', leaf={'ips': ['127.0.0.1']}), 'certificate-host-mismatch'),
    ('ta_expired_leaf',               'DANE-095', ['2 0 1'],                          chain(leaf={'valid': 'expired'}),     'certificate-expired'),
    ('ta_future_leaf',                'DANE-095', ['2 0 1'],                          chain(leaf={'valid': 'future'}),      'certificate-expired'),
    ('ta_expired_intermediate',       'DANE-095', ['2 0 1'],                          chain(intermediate={'valid': 'expired'}), 'certificate-expired'),
    ('ta_expired_root',               'DANE-096', ['2 0 1'],                          chain(root={'valid': 'expired'}),     'certificate-expired'),
    ('ta_expired_intermediate_is_anchor', 'DANE-096', ['2 1 1 intermediate'], chain(intermediate={'valid': 'expired'}), 'certificate-expired'),
    ('ta_issuer_is_no_ca',            'DANE-090', ['2 0 1'],                          chain(intermediate={'ca': False}),    'certificate-not-trusted'),
]


def ids(table):
    return [f'{row[0]}-{row[1]}' for row in table]


@pytest.mark.parametrize('name, requirement, records, credential, level', PASS, ids=ids(PASS))
def test_passes(world, relay, name, requirement, records, credential, level):
    domain = world.domain()
    mx = domain.host(credential=credential, tlsa=records)
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level=level)
    assert mx.sni == [mx.fqdn]                                          # DANE-110
    attempt = mail.attempts[-1]
    assert attempt['dns'] == {'mx': 'secure', 'address': 'secure', 'tlsa': 'secure'}    # DANE-140
    assert attempt['tls']['secured'] is True


@pytest.mark.parametrize('name, requirement, records, credential, reason', FAIL, ids=ids(FAIL))
def test_fails_and_sends_nothing(world, relay, name, requirement, records, credential, reason):
    """DANE-120: no octet of mail precedes verification; DANE-A07, DANE-A09, DANE-A16."""
    domain = world.domain()
    mx = domain.host(credential=credential, tlsa=records)
    mail = relay.send(domain.user())
    scenario.deferred(mail, reason)
    assert mx.connections >= 1 and mx.silent


WILDCARDS = [
    # host name, SAN, passes
    ('mx',   '*.{domain}',  True),
    ('a.mx', '*.{domain}',  False),
    ('mx',   'm*.{domain}', False),
    ('mx',   '*.*.test',    False),
]


@pytest.mark.parametrize('name, san, passes', WILDCARDS)
def test_wildcard_is_one_whole_label(world, relay, name, san, passes):
    """DANE-105: '*' is one whole label, the first."""
    domain = world.domain()
    mx = domain.host(name, credential=lambda host: pki.chain(host, names=[san.format(domain=domain.name)], cn='x'),
                     tlsa=['2 0 1'])
    mail = relay.send(domain.user())
    if passes:
        scenario.delivered(mail, by=mx, level='dane-ta')
    else:
        scenario.deferred(mail, 'certificate-host-mismatch')


def test_name_given_by_an_insecure_mx_is_no_reference(world, relay):
    """DANE-101, D-09: behind an insecure MX RRset only the TLSA base counts, not the mail domain."""
    provider = world.domain()
    customer = world.domain(insecure=True)
    mx = provider.host(preference=None, credential=lambda host: pki.chain(host, names=[customer.name]), tlsa=['2 0 1'])
    customer.add('@', 'MX', f'10 {mx.fqdn}.')
    mail = relay.send(customer.user())
    scenario.deferred(mail, 'certificate-host-mismatch')


def test_ca_store_plays_no_part(world, relay):
    """DANE-091, D-07: the anchor is in ca_file, but neither sent nor in the DNS."""
    domain = world.domain()
    domain.host(credential=world.web_ca.issue, tlsa=['2 0 1'])
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')


def test_path_length_of_the_anchor_counts(world, relay):
    """DANE-097: pathlen 0 at the root forbids the intermediate CA below it."""
    domain = world.domain()
    domain.host(credential=chain(root={'path_length': 0}), tlsa=['2 0 1'])
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert outcome['result'] == 'deferred'
    scenario.deferred(mail, outcome['reason'])


@pytest.mark.smoke
def test_certificate_chosen_by_sni(world, relay):
    """DANE-110: the default certificate differs; SNI brings the one that matches."""
    domain = world.domain()
    right = pki.self_signed('mx.' + domain.name)
    mx = domain.host(credential=pki.self_signed('default.test'), sni={'mx.' + domain.name: right}, sni_unknown='alert')
    domain.add('_25._tcp.mx', 'TLSA', right.tlsa('3 1 1'))
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')


@pytest.mark.smoke
def test_change_of_records_ends_trust(world, relay):
    """DANE-114, DANE-A14, DANE-A06, DANE-012, DANE-014: the second message is judged by the new TLSA RRset, tickets or not."""
    relay.configure(delivery={'messages_per_connection': 1})
    domain = world.domain(ttl=1)
    mx = domain.host(tlsa=['3 1 1'])
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
    mx.tlsa('3 1 1 wrong')
    world.publish()

    def second_fails():
        mail = relay.send(domain.user())
        return mail.outcome()['reason'] == 'tlsa-invalid' and mail
    mail = waiting.until(second_fails, what='the new records', pause=0.3)
    scenario.deferred(mail, 'tlsa-invalid')
    assert not any(t.resumed for t in mx.handshakes)                    # D-39
