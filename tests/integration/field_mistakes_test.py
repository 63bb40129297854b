"""Mistakes that other mail servers made with DANE, each a test of its own: a sender that repeats one of them fails here.

The name tells the mistake; the docstring tells the public report (project#number) and the requirement.
"""
import pytest

from world import forwarder, pki, scenario, waiting

pytestmark = pytest.mark.check_agrees        # DANE-130


# What a failed, missing or insecure lookup means.

@pytest.mark.smoke
def test_servfail_of_tlsa_taken_for_no_tlsa(world, relay):
    """KumoCorp/kumomta#543, #545. DANE-004, DANE-047, DANE-052; healed, the mail goes out."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    domain.faults('*', 'TLSA', 'servfail')
    facts = relay.check(domain.name).json
    assert (facts['hosts'][0]['requirement'], facts['hosts'][0]['tlsa_status']) == ('skip', 'error')
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'dns-error')
    assert mx.untouched
    domain.heal()

    def delivered():
        relay.queue('flush', '--all')
        return [e for e in mail.events('recipient') if e['result'] == 'delivered']
    assert waiting.until(delivered, timeout=90, pause=0.5, what='delivery after healing')[0]['tls_level'] == 'dane-ee'


def test_both_hosts_fail_their_tlsa_lookup_and_mail_goes_in_the_clear(world, relay):
    """Exim's own test 5820 has two such hosts. DANE-024, DANE-121, DANE-124."""
    domain = world.domain()
    hosts = [domain.host(name, preference, tlsa=['3 1 1']) for name, preference in (('a', 10), ('b', 20))]
    domain.faults('*', 'TLSA', 'servfail')
    scenario.deferred(relay.send(domain.user()), 'dns-error')
    assert all(h.untouched for h in hosts)


@pytest.mark.parametrize('policy', ['dane', 'dane-only'])
def test_unsigned_tlsa_believed(world, relay, policy):
    """foxcpp/maddy#292, KumoCorp/kumomta#543: a host in an unsigned zone with a wrong record. DANE-042, DANE-051, row 13."""
    relay.configure(tls={'policy': policy})
    domain, plain = world.domain(), world.domain(insecure=True)
    mx = plain.host(preference=None, tlsa=['3 1 1 wrong'])
    domain.add('@', 'MX', f'10 {mx.fqdn}.')
    mail = relay.send(domain.user())
    if policy == 'dane':
        scenario.delivered(mail, by=mx, level='encrypted')
    else:
        scenario.deferred(mail, 'dane-required')
        assert mx.untouched


def test_mx_taken_from_a_path_that_does_not_validate(world, relay):
    """stalwartlabs/stalwart#2328: a bogus MX RRset went unnoticed. DANE-020, DANE-A03; the domain's address is no way out."""
    domain = world.domain()
    mx, apex = domain.host(tlsa=['3 1 1']), domain.host('@', preference=None)
    domain.zone.fault('@', 'MX', 'corrupt')
    scenario.deferred(relay.send(domain.user()), 'dnssec-invalid')
    assert mx.untouched and apex.untouched
    done = relay.check(domain.name)
    assert (done.status, done.json['mx']['status']) == (1, 'bogus')


def test_failed_lookup_kept_as_a_verdict(world, relay):
    """stalwartlabs/stalwart#1578: transient failures ran messages into their limits. DANE-013: at most a minute."""
    relay.configure(queue={'retry': ['1s']})
    domain = world.domain(ttl=1)
    mx = domain.host(tlsa=['3 1 1'])
    for owner, rtype in (('@', 'DNSKEY'), ('_25._tcp.mx', 'TLSA')):
        domain.faults(owner, rtype, 'servfail')
    mail = relay.send(domain.user())
    assert mail.outcome()['result'] == 'deferred' and mx.untouched
    domain.heal()
    mail.wait('recipient', result='delivered', timeout=75)


@pytest.mark.parametrize('anchors', ['missing', 'empty', 'unparsable'])
def test_no_trust_anchor_and_dane_quietly_off(relay, tmp_path, anchors):
    """KumoCorp/kumomta's page on enable_dane tells of it. DANE-010: told by config check, refused by serve."""
    path = tmp_path / 'anchors'
    if anchors != 'missing':
        path.write_text('' if anchors == 'empty' else 'test. IN DS this is none\n')
    relay.configure(dns={'trust_anchors_file': str(path), 'trust_anchors': []})
    done = relay.run('config', 'check')
    assert done.status in (1, 2) and str(path) in done.out + done.err
    with pytest.raises(AssertionError, match='ended with'):
        relay.start()


@pytest.mark.check_differs('the forwarder has gone')
def test_forwarder_that_strips_signatures_bounces_or_delivers(world, relay, lab):
    """stalwartlabs/stalwart#1255, #1582: operators switched DANE off. DANE-001, DANE-A05: deferred, and the log says why."""
    blind = forwarder.Forwarder(lab, '127.0.0.56')
    blind.edit = forwarder.strip
    blind.configure(relay)
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    scenario.deferred(relay.send(domain.user()), 'dnssec-invalid')
    assert mx.untouched
    relay.events.wait_for(lambda e: e.get('event') == 'dns' and '127.0.0.56' in str(e), what='the forwarder named')
    assert not relay.status()['health']['ok']
    blind.close()


def test_stale_ds_after_a_move_loses_the_mail_or_drops_the_proof(world, relay):
    """foxcpp/maddy#563: DS in the parent, zone unsigned. DANE-A05; warned of once, expired with a notice that says DNSSEC."""
    relay.configure(queue={'retry': ['1s'], 'delay_warning': '2s', 'lifetime': '5s'})
    domain = world.domain(signed=False)
    mx = domain.host()
    mail = relay.send(domain.user())
    mail.wait('delay-sent')
    mail.wait('recipient', result='expired', reason='dnssec-invalid')
    report = mail.report(count=2)
    assert report.actions == {domain.user(): 'failed'} and 'DNSSEC' in report.text
    assert mx.untouched and len(mail.events('delay-sent')) == 1


def test_stale_ds_removed_and_mail_still_stuck(world, relay):
    """foxcpp/maddy#563. DANE-013: once the parent is right, delivery follows within the time a failure is kept."""
    relay.configure(queue={'retry': ['2s']})
    domain = world.domain(signed=False, ttl=1)
    mx = domain.host()
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'dnssec-invalid')
    domain.zone.ds = 'none'
    world.publish()
    assert mail.wait('recipient', result='delivered', timeout=90)['tls_level'] == 'encrypted'
    assert mx.messages


# Which name, which host.

@pytest.mark.parametrize('right', [True, False])
def test_only_the_last_address_status_looked_at(world, relay, right):
    """KumoCorp/kumomta#545, foxcpp/maddy#292: a secure alias into an unsigned zone lost its DANE. DANE-009, DANE-045."""
    domain, plain = world.domain(), world.domain(insecure=True)
    host = plain.host('node', preference=None)
    domain.add('@', 'MX', '10 mx').add('mx', 'CNAME', f'{host.fqdn}.')
    domain.add('_25._tcp.mx', 'TLSA', host.credential.tlsa('3 1 1' if right else '3 1 1 wrong'))
    mail = relay.send(domain.user())
    if right:
        assert mail.outcome()['tls_level'] == 'dane-ee' and host.sni == [f'mx.{domain.name}']
    else:
        scenario.deferred(mail, 'tlsa-invalid')
        assert host.silent


def test_dane_claimed_behind_an_insecure_alias(world, relay):
    """Discussed on exim-dev (msg12652): an insecure first link to a signed target. DANE-006."""
    domain, plain = world.domain(), world.domain(insecure=True)
    host = domain.host('node', preference=None, tlsa=['3 1 1 wrong'])
    plain.add('mx', 'CNAME', f'{host.fqdn}.')
    domain.add('@', 'MX', f'10 mx.{plain.name}.')
    assert relay.send(domain.user()).outcome()['tls_level'] == 'encrypted'
    assert not domain.queries('TLSA') and host.messages


@pytest.mark.parametrize('right', [True, False])
def test_implicit_mx_left_without_dane(world, relay, right):
    """stalwartlabs/stalwart#2328. DANE-029."""
    domain = world.domain()
    apex = domain.host('@', preference=None, tlsa=['3 1 1' if right else '3 1 1 wrong'])
    mail = relay.send(domain.user())
    if right:
        scenario.delivered(mail, by=apex, level='dane-ee')
    else:
        scenario.deferred(mail, 'tlsa-invalid')
        assert apex.silent


# Matching certificates.

def test_dane_ta_judged_by_the_web_trust_store(world, relay, tmp_path):
    """foxcpp/maddy#292, stalwartlabs/stalwart#2287: a private root, and a store that knows nobody. DANE-090, DANE-091."""
    stranger = tmp_path / 'ca.pem'
    stranger.write_text(pki.pem(pki.WebCa().cert))
    relay.configure(tls={'ca_file': str(stranger)})
    domain = world.domain()
    mx = domain.host(credential=pki.chain, tlsa=['2 0 1 root'])
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level='dane-ta')
    assert mail.attempts[-1]['tls']['matched']


@pytest.mark.parametrize('root', ['not_sent', 'expired_and_sent'])
def test_anchor_must_be_a_root(world, relay, root):
    """stalwartlabs/stalwart#2328: an intermediate is anchor enough, and what lies above it does not matter. DANE-092."""
    kw = dict(send=['leaf', 'intermediate']) if root == 'not_sent' else dict(root={'valid': 'expired'})
    domain = world.domain()
    mx = domain.host(credential=lambda h: pki.chain(h, **kw), tlsa=['2 1 1 intermediate'])
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ta')


@pytest.mark.parametrize('variant, reason', [('good', None), ('expired', 'certificate-expired'), ('forged', None)])
def test_bare_anchor_key_checked_against_the_wrong_certificate(world, relay, variant, reason):
    """stalwartlabs/stalwart#2328, review notes: `2 1 0` of a root that is not sent. DANE-094, DANE-095."""
    stranger = pki.new_key()
    kw = {'good': {}, 'expired': dict(intermediate={'valid': 'expired'}), 'forged': dict(leaf={'signed_by': stranger})}[variant]
    domain = world.domain()
    mx = domain.host(credential=lambda h: pki.chain(h, send=['leaf', 'intermediate'], **kw), tlsa=['2 1 0 root'])
    mail = relay.send(domain.user())
    if variant == 'good':
        scenario.delivered(mail, by=mx, level='dane-ta')
    elif reason:
        scenario.deferred(mail, reason)
    else:
        assert mail.outcome()['reason'] in ('certificate-not-trusted', 'tlsa-invalid')
        assert mail.outcome()['result'] == 'deferred'
    assert variant == 'good' or mx.silent


@pytest.mark.parametrize('record', [
    '2 1 1 leaf',                       # a leaf that is no authority, named as anchor
    'crossed selector 0',               # 3 0 1 with the key's digest
    'crossed selector 1',               # 3 1 1 with the certificate's digest
    '3 1 1 intermediate',               # the issuer named as end entity
])
def test_leaf_satisfies_a_record_it_should_not(world, relay, record):
    """stalwartlabs/stalwart#2328: a leaf must not satisfy a TA record, nor one digest stand for another. DANE-098, DANE-080."""
    domain = world.domain()
    mx = domain.host(credential=pki.chain)
    if record.startswith('crossed'):
        selector = int(record[-1])
        record = f'3 {selector} 1 ' + pki.associate(mx.credential.leaf, 1 - selector, 1)
    mx.tlsa(record)
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')
    assert mx.silent


@pytest.mark.parametrize('version', ['1.2', '1.3'])
def test_resumed_session_outlives_its_records(world, relay, version):
    """KumoCorp/kumomta#484. DANE-114, DANE-A14, D-39: no resumption, so the new records are met by a new verification."""
    relay.configure(delivery={'messages_per_connection': 1})
    domain = world.domain(ttl=0)
    mx = domain.host(tlsa=['3 1 1'], tls=(version, version))
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
    mx.tlsa('3 1 1 wrong')
    world.publish()

    def second_fails():
        mail = relay.send(domain.user())
        return mail.outcome()['reason'] == 'tlsa-invalid'
    waiting.until(second_fails, what='the new records', pause=0.2)
    assert not any(t.resumed for t in mx.handshakes)


@pytest.mark.parametrize('version', ['1.2', '1.3'])
def test_mail_said_before_the_verdict(world, relay, version):
    """KumoCorp/kumomta#543 reviews. DANE-120: the decrypted dialogue holds nothing of the mail, nor does early data."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1 wrong'], tls=(version, version))
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')
    assert mx.handshakes and [c.split()[0] for c in mx.commands(tls=True)] in ([], ['QUIT'])
