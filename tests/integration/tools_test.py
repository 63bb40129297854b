"""Do the commands tell the truth, and does `check` agree with delivery? Contract; DANE-130, DANE-144 … DANE-147."""
import datetime
import json
import re
import time

import pytest

from world import agreement, forwarder, pki, scenario, zone


def checked(relay, domain, *arguments):
    done = relay.check(domain.name, *arguments)
    return done.status, done.json


@pytest.mark.smoke
def test_check_a_good_domain(world, relay):
    """DANE-130: the JSON of the contract, from the code of delivery."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1', '1 1 1'])
    status, facts = checked(relay, domain)
    assert status == 0
    assert (facts['domain'], facts['policy'], facts['verdict'], facts['level']) == (domain.name, 'dane', 'deliver', 'dane-ee')
    assert facts['mx']['status'] == 'secure' and facts['mx']['null_mx'] is False
    host, = facts['hosts']
    assert (host['name'], host['preference'], host['address_status'], host['tlsa_status']) == (mx.fqdn, 10, 'secure', 'secure')
    assert host['tlsa_base'] == mx.fqdn and host['requirement'] == 'dane' and host['addresses'] == mx.addresses
    assert sorted((r['usage'], r['usable']) for r in host['tlsa']) == [(1, False), (3, True)]
    probe, = host['probes']
    assert (probe['address'], probe['starttls'], probe['level'], probe['verdict']) == (mx.addresses[0], True, 'dane-ee', 'ok')
    assert mx.silent and mx.commands('QUIT')


def test_check_without_probe(world, relay):
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1 wrong'])
    status, facts = checked(relay, domain, '--no-probe')
    assert status == 0 and facts['hosts'][0]['requirement'] == 'dane' and mx.untouched


def test_check_for_people(world, relay):
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1 wrong'])
    done = relay.run('check', domain.name)
    assert done.status == 1 and mx.fqdn in done.out and 'tlsa-invalid' in done.out


CASES = {
    # name: (domain arguments, host arguments, what to break)
    'good':               ({}, dict(tlsa=['3 1 1']), None),
    'wrong':              ({}, dict(tlsa=['3 1 1 wrong']), None),
    'unusable':           ({}, dict(tlsa=['1 1 1']), None),
    'no_tlsa':            ({}, {}, None),
    'insecure':           (dict(insecure=True), {}, None),
    'insecure_clear':     (dict(insecure=True), dict(starttls='absent'), None),
    'stripped':           ({}, dict(tlsa=['3 1 1'], starttls='mangled'), None),
    'alert':              ({}, dict(tlsa=['3 1 1'], handshake='alert'), None),
    'ta_name':            ({}, dict(tlsa=['2 0 1'], credential=lambda h: pki.chain(h, names=['x.other.test'])), None),
    'ta_expired':         ({}, dict(tlsa=['2 0 1'], credential=lambda h: pki.chain(h, leaf={'valid': 'expired'})), None),
    'mx_bogus':           ({}, dict(tlsa=['3 1 1']), ('@', 'MX', 'bogus')),
    'mx_servfail':        ({}, dict(tlsa=['3 1 1']), ('@', 'MX', 'servfail')),
    'address_bogus':      ({}, dict(tlsa=['3 1 1']), ('mx', 'A', 'bogus')),
    'tlsa_bogus':         ({}, dict(tlsa=['3 1 1']), ('_25._tcp.mx', 'TLSA', 'bogus')),
    'tlsa_servfail':      ({}, dict(tlsa=['3 1 1']), ('_25._tcp.mx', 'TLSA', 'servfail')),
    'refused_connection': ({}, dict(server=False), None),
}


@pytest.mark.parametrize('policy', ['dane', 'dane-only', 'encrypt', 'may'])
@pytest.mark.parametrize('case', CASES)
def test_check_agrees_with_delivery(world, relay, case, policy):
    """DANE-130: verdict, level and reason are those of the delivery that follows."""
    relay.configure(tls={'policy': policy})
    domain_arguments, host_arguments, fault = CASES[case]
    domain = world.domain(**domain_arguments)
    domain.host(**host_arguments)
    if fault and fault[2] == 'bogus':
        domain.zone.fault(fault[0], fault[1], 'corrupt')
    elif fault:
        domain.faults(*fault)
    status, facts = checked(relay, domain)
    agreement.assert_agrees(facts, status, relay.send(domain.user()).outcome())


@pytest.mark.parametrize('kind, verdict, mx', [('null', 'bounce', 'secure'), ('gone', 'bounce', 'absent')])
def test_check_of_domains_without_mail(world, relay, kind, verdict, mx):
    domain = world.domain()
    if kind == 'null':
        domain.add('@', 'MX', '0 .')
    name = domain.name if kind == 'null' else f'gone.{domain.name}'
    done = relay.check(name)
    assert done.status == 1
    assert done.json['verdict'] == verdict and done.json['mx']['null_mx'] == (kind == 'null') and done.json['mx']['status'] == mx


def write(path, text):
    path.write_text(text)
    return str(path)


def test_tlsa_generate(relay, tmp_path):
    """DANE-146: fits what the world's own code computes."""
    made = pki.self_signed('mx.example.test')
    cert, key = write(tmp_path / 'cert.pem', made.chain_pem()), write(tmp_path / 'key.pem', pki.key_pem(made.key))
    for options, wanted in ((['--cert', cert], '3 1 1'), (['--key', key], '3 1 1'),
                            (['--cert', cert, '--selector', '0', '--matching', '2'], '3 0 2')):
        done = relay.run('tlsa', 'generate', *options, '--host', 'mx.example.test', config=False)
        assert done.status == 0, done.err
        fields = re.search(r'_25\._tcp\.mx\.example\.test\.\s.*TLSA\s+(\d) (\d) (\d) ([0-9A-Fa-f ]+)', done.out)
        assert fields, done.out
        assert f'{fields[1]} {fields[2]} {fields[3]} {fields[4].strip().lower()}' == made.tlsa(wanted)
    done = relay.run('tlsa', 'generate', '--cert', cert, '--host', 'mx.example.test', '--port', '587', config=False)
    assert '_587._tcp.mx.example.test.' in done.out


def test_tlsa_generate_from_a_chain(relay, tmp_path):
    """DANE-146: under usage 2 the record is about the CA in the file, and the whole file is put before the verifier."""
    made = pki.chain('mx.example.test')
    chain = write(tmp_path / 'chain.pem', made.chain_pem())
    arguments = ['tlsa', 'generate', '--cert', chain, '--usage', '2', '--host']
    done = relay.run(*arguments, 'mx.example.test', config=False)
    assert done.status == 0 and f'IN TLSA {made.tlsa("2 0 1 intermediate")}' in done.out, done.out + done.err
    assert 'would not pass' not in done.err
    elsewhere = relay.run(*arguments, 'mx.other.test', config=False)
    assert elsewhere.status == 0 and 'the chain given would not pass by this record' in elsewhere.err


VERIFY = [
    # credential                                        records               names             verdict, reason
    (lambda: pki.self_signed('mx.a.test'),              ['3 1 1'],            ['mx.a.test'],    'dane-ee', None),
    (lambda: pki.self_signed('mx.a.test', valid='expired'), ['3 1 1'],        ['other.test'],   'dane-ee', None),
    (lambda: pki.self_signed('mx.a.test'),              ['3 1 1 wrong'],      ['mx.a.test'],    'fail', 'tlsa-invalid'),
    (lambda: pki.self_signed('mx.a.test'),              ['1 1 1'],            ['mx.a.test'],    'encrypted', None),
    (lambda: pki.self_signed('mx.a.test'),              ['2 0 1 leaf'],       ['mx.a.test'],    'fail', 'tlsa-invalid'),
    (lambda: pki.chain('mx.a.test'),                    ['2 0 1'],            ['mx.a.test'],    'dane-ta', None),
    (lambda: pki.chain('mx.a.test', names=['a.test']),  ['2 0 1'],            ['mx.a.test', 'a.test'], 'dane-ta', None),
    (lambda: pki.chain('mx.a.test', names=['a.test']),  ['2 0 1'],            ['mx.a.test'],    'fail', 'certificate-host-mismatch'),
    (lambda: pki.chain('mx.a.test', leaf={'valid': 'expired'}), ['2 0 1'],    ['mx.a.test'],    'fail', 'certificate-expired'),
    (lambda: pki.chain('mx.a.test', intermediate={'ca': False}), ['2 0 1'],   ['mx.a.test'],    'fail', 'certificate-not-trusted'),
]


@pytest.mark.parametrize('credential, records, names, verdict, reason', VERIFY)
def test_tlsa_verify(relay, tmp_path, credential, records, names, verdict, reason):
    """DANE-147: offline, the verifier of delivery."""
    made = credential()
    options = [o for n in names for o in ('--name', n)] + [o for r in records for o in ('--tlsa', made.tlsa(r))]
    done = relay.run('tlsa', 'verify', *options, '--chain', write(tmp_path / 'chain.pem', made.chain_pem()), '--json',
                     config=False)
    facts = json.loads(done.out)
    assert facts['verdict'] == verdict and done.status == int(verdict == 'fail')
    if reason:
        assert facts['reason'] == reason


def test_tlsa_verify_at_another_time(relay, tmp_path):
    made = pki.chain('mx.a.test')
    chain = write(tmp_path / 'chain.pem', made.chain_pem())
    for at, status in ((int(time.time()), 0), (int(time.time()) + 400 * 86400, 1)):
        done = relay.run('tlsa', 'verify', '--name', 'mx.a.test', '--tlsa', made.tlsa('2 0 1'), '--chain', chain, '--at', str(at),
                         config=False)
        assert done.status == status


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp()


def test_tlsa_rollover(world, relay, tmp_path):
    """DANE-144, DANE-145: covered or not, what to publish, and when, from the live TTL."""
    domain = world.domain(ttl=300)
    mx = domain.host(tlsa=['3 1 1'])
    relay.write_config()
    new = pki.self_signed(mx.fqdn)
    arguments = ['tlsa', 'rollover', '--host', mx.fqdn, '--json']
    current = relay.run(*arguments, '--new-key', write(tmp_path / 'old.pem', pki.key_pem(mx.credential.key)))
    before = int(time.time())
    planned = relay.run(*arguments, '--new-cert', write(tmp_path / 'new.pem', new.chain_pem()), '--current-cert',
                        write(tmp_path / 'current.pem', mx.credential.chain_pem()))
    assert current.status == 0, current.out + current.err
    assert current.json['coverage'] == 'covered' and current.json['add'] == []
    assert planned.status == 1
    owner = f'_25._tcp.{mx.fqdn}. IN TLSA '
    old_line, new_line = owner + mx.credential.tlsa('3 1 1'), owner + new.tlsa('3 1 1')
    plan = planned.json
    assert (plan['coverage'], plan['order'], plan['ttl_s']) == ('not-covered', 'publish-first', 300)
    assert (plan['published'], plan['current'], plan['next']) == ([old_line], [old_line], [new_line])
    assert (plan['add'], plan['remove']) == ([new_line], [old_line])
    for moment in (plan['install_from'], plan['remove_from']):
        assert before + 600 <= seconds(moment) <= int(time.time()) + 601


def test_tlsa_rollover_step_by_step(world, relay, tmp_path):
    """DANE-144, DANE-143: each step as printed is done, and mail goes through before and after each."""
    relay.configure(queue={'retry': ['1s']}, delivery={'messages_per_connection': 1})
    domain = world.domain(ttl=1)
    mx = domain.host(tlsa=['3 1 1', '1 1 1'])
    new = pki.self_signed(mx.fqdn)
    arguments = ['tlsa', 'rollover', '--host', mx.fqdn, '--new-cert', write(tmp_path / 'new.pem', new.chain_pem())]

    def passes(user):
        assert relay.send(domain.user(user)).wait('recipient', result='delivered', timeout=20)['tls_level'] == 'dane-ee'
    passes('before')
    page = relay.run(*arguments).out
    publish = re.search(r'1\. publish now.*?IN TLSA (3 1 1 [0-9a-f]{64})', page, re.S)
    assert publish, page
    assert re.search(r'2\. install the planned certificate from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC on: two TTLs, 2 s', page), page
    remove = re.search(r'3\. remove, once every address.*?IN TLSA (3 1 1 [0-9a-f]{64})', page, re.S)
    useless = re.search(r'4\. remove at any time; senders ignore:\s+\S+ IN TLSA (1 1 1 [0-9a-f]{64})', page)
    assert remove and useless, page
    assert publish[1] == new.tlsa('3 1 1') and remove[1] == mx.credential.tlsa('3 1 1')
    domain.zone.set('_25._tcp.mx', 'TLSA', remove[1], publish[1])
    passes('both-published')
    covered = relay.run(*arguments)
    assert covered.status == 0 and 'at any time' in covered.out, covered.out
    mx.server.credential = new
    passes('installed')
    domain.zone.set('_25._tcp.mx', 'TLSA', publish[1])
    passes('removed')
    assert relay.run(*arguments).status == 0


def test_tlsa_rollover_of_a_trust_anchor(world, relay, tmp_path):
    """DANE-093, DANE-144: under usage 2 the anchor must be sent; a chain without it can't be planned for."""
    domain = world.domain()
    mx = domain.host(tlsa=['2 0 1'], credential=pki.chain)
    renewed = pki.chain(mx.fqdn, root_of=mx.credential)
    other = pki.chain(mx.fqdn, send=('leaf',))
    same = relay.run('tlsa', 'rollover', '--host', mx.fqdn, '--new-cert', write(tmp_path / 'same.pem', renewed.chain_pem()))
    assert same.status == 0 and 'must send the trust anchor' in same.err, same.out + same.err
    bare = relay.run('tlsa', 'rollover', '--host', mx.fqdn, '--new-cert', write(tmp_path / 'bare.pem', other.chain_pem()))
    assert bare.status == 1 and 'give the whole chain' in bare.err, bare.out + bare.err


def test_tlsa_rollover_where_nothing_is_published(world, relay, tmp_path):
    """A record for a certificate that is not in place yet would break mail: it comes second, or beside today's."""
    domain = world.domain()
    mx = domain.host()
    new = pki.self_signed(mx.fqdn)
    arguments = ['tlsa', 'rollover', '--host', mx.fqdn, '--new-cert', write(tmp_path / 'new.pem', new.chain_pem())]
    blind = relay.run(*arguments)
    assert re.search(r'1\. install .*2\. then, and not before, publish', blind.out, re.S), blind.out
    assert relay.run(*arguments, '--json').json['order'] == 'install-first'
    current = write(tmp_path / 'current.pem', mx.credential.chain_pem())
    known = relay.run(*arguments, '--current-cert', current, '--json').json
    assert known['order'] == 'publish-first'
    assert [line.split(' IN TLSA ')[1] for line in known['add']] == [mx.credential.tlsa('3 1 1'), new.tlsa('3 1 1')]


def test_tlsa_rollover_through_a_forwarder(world, relay, lab, tmp_path):
    """A cache counts TTLs down: said, so that nobody computes from what is left."""
    through = forwarder.Forwarder(lab, '127.0.0.57')
    through.configure(relay)
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    key = write(tmp_path / 'key.pem', pki.key_pem(mx.credential.key))
    done = relay.run('tlsa', 'rollover', '--host', mx.fqdn, '--new-key', key)
    through.close()
    assert done.status == 0 and 'through a forwarder' in done.err


def test_config_check(relay, tmp_path):
    """Contract: every problem on its own line, with a place and, for unknown keys, a suggestion."""
    relay.write_config()
    assert relay.run('config', 'check').status == 0
    bad = tmp_path / 'bad.yaml'
    bad.write_text('hostnam: x\nqueue:\n  retry: [soon]\ntls:\n  policy: dain\n')
    done = relay.run('config', 'check', '--config', str(bad), config=False)
    assert done.status == 1
    lines = [line for line in (done.out + done.err).splitlines() if re.match(re.escape(str(bad)) + r':\d+:\d+: ', line)]
    errors = [line for line in lines if ': warning: ' not in line]
    assert [line.split(':')[1] for line in errors] == ['1', '3', '5'] and 'hostname' in errors[0]
    assert relay.run('serve', '--config', str(bad), config=False).status == 2


def test_empty_configuration_is_valid(relay, tmp_path):
    """Contract: every key has a default."""
    empty = tmp_path / 'empty.yaml'
    empty.write_text('')
    assert relay.run('config', 'check', '--config', str(empty), config=False).status == 0
    shown = relay.run('config', 'show', '--config', str(empty), config=False)
    assert shown.status == 0 and 'policy: dane' in shown.out and 'data_timeout: 10m' in shown.out


@pytest.mark.parametrize('anchors', [{'trust_anchors_file': '/nonexistent'}, {'trust_anchors_file': ''}, {'trust_anchors': ['nonsense']}])
def test_no_trust_anchor_no_start(relay, anchors):
    """DANE-010."""
    relay.config['dns'] = anchors
    relay.write_config()
    assert relay.run('config', 'check').status == 1
    assert relay.run('serve').status == 2


def test_wrong_trust_anchor_fails_closed(world, relay):
    """DANE-010, DANE-003: an anchor that fits no key defers everything, loudly."""

    relay.configure(dns={'trust_anchors': ['test. IN DS ' + zone.ds_text('test.', 'ecdsa', 'wrong')]})
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'dnssec-invalid')
    assert mx.untouched
    relay.events.wait_for(lambda e: e.get('event') == 'dns' and e.get('level') in ('warn', 'error'), what='a dns event')


def test_version(relay):
    done = relay.run('version', config=False)
    assert done.status == 0 and 'openssl' in done.out.lower() and 'unbound' in done.out.lower()


def test_usage_errors(relay):
    """Contract: exit status 2."""
    for command in (['frobnicate'], ['check'], ['tlsa', 'verify'], ['queue', 'eat']):
        assert relay.run(*command, config=False).status == 2
    assert relay.run('--help', config=False).status == 0
