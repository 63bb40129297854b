"""Broken destinations, and what their owners are told the day after. RFC 8460; TR-001 …, H147 … H150.

Every report is taken from a real mail server or web server and read by a parser of its own (world/tlsrpt.py).
"""
import collections
import datetime
import itertools
import re

import pytest

from world import https, pki, scenario, tlsrpt, waiting
from world.signing import Signing

_numbers = itertools.count(1)


class Reporting:
    """A relay that reports, its clock, and the host that takes the reports."""

    def __init__(self, relay, world):
        self.relay, self.world = relay, world
        self.clock = tlsrpt.Clock(relay)
        self.clock.to_noon()
        self.signing = Signing(relay.work, 'rsa', 'relay.test', 'tlsrpt')
        relay.configure(tlsrpt={'organization': 'The Relay', 'contact': 'tls-contact@relay.test', 'from': 'tls@relay.test',
                                'dkim': self.signing.config})
        self.sink = world.domain(insecure=True)
        self.taker = self.sink.host()

    def wanted(self, domain, rua=None):
        domain.add('_smtp._tls', 'TXT', f'"v=TLSRPTv1; rua={rua or "mailto:" + self.sink.user("reports")}"')
        return domain

    def mails(self):
        return [m for m in self.taker.messages if m.sender == 'tls@relay.test']

    def next_day(self):
        self.clock.to_report_time()

    def after_a_bad_day(self, rua=None):
        """The next day, when a domain with a wrong TLSA record is to be told of it."""
        domain = self.wanted(self.world.domain(), rua)
        domain.host(tlsa=['3 1 1 wrong'])
        scenario.deferred(self.relay.send(domain.user()), 'tlsa-invalid')
        self.next_day()
        return domain

    def received(self, domain, count=1, timeout=40):
        """The count-th report about that domain that came by mail."""
        def find():
            mine = [r for r in (tlsrpt.from_mail(m.data) for m in self.mails()) if r.domain == domain.name]
            return mine[count - 1] if len(mine) >= count else None
        found = []
        waiting.until(lambda: found.append(find()) or found[-1], timeout=timeout, what=f'report about {domain.name}')
        return found[-1]

    def told(self, domain, result, timeout=40):
        return self.relay.events.wait_for(lambda e: e.get('event') == 'tls-report' and e.get('domain') == domain.name and
                                          e.get('result') == result, timeout, what=f'{result} for {domain.name}')


@pytest.fixture
def reporting(relay, world):
    return Reporting(relay, world)


def count_of(relay, domain, day=None):
    done = relay.run('tlsrpt', 'show', '--json', *(['--day', day] if day else []))
    assert done.status == 0, done.err
    return [r for r in done.json if r['domain'] == domain.name]


# The three failures of DANE, and the others.

@pytest.mark.smoke
def test_tlsa_invalid(reporting, relay, world):
    """Row 35: deferred, told to the owner the next day, signed so that a stranger's verifier accepts it (TR-012, TR-044)."""
    domain = reporting.wanted(world.domain())
    mx = domain.host(tlsa=['3 1 1 wrong'])
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')
    day = reporting.clock.day
    reporting.next_day()
    report = reporting.received(domain)
    assert report.day == day and report.json['organization-name'] == 'The Relay'
    assert report.failures == {('tlsa', 'tlsa-invalid'): 1} and report.successes == 0
    policy = report.policy('tlsa', mx.fqdn)['policy']                       # TR-011: the TLSA base
    assert len(policy['policy-string']) == 1 and policy['policy-string'][0].startswith('3 1 1 ')
    detail, = report.details()
    assert detail['receiving-mx-hostname'] == mx.fqdn and detail['receiving-ip'] == mx.addresses[0]
    assert detail['sending-mta-ip'].startswith('127.')
    data = reporting.mails()[0].data
    now = reporting.clock.now.timestamp()
    assert reporting.signing.accepts(data, now) and not reporting.signing.accepts(data + b'x\r\n', now)
    signed = next(line for line in data.replace(b'\r\n\t', b'').split(b'\r\n') if line.startswith(b'DKIM-Signature'))
    signed = b''.join(signed.split()).lower()
    for name in (b'from', b'to', b'subject', b'date', b'tls-report-domain', b'tls-report-submitter', b'mime-version'):
        assert name in re.search(rb';h=([^;]*)', signed).group(1).split(b':'), name


def test_dnssec_invalid(reporting, relay, world):
    """Row 20, TR-014: a bogus TLSA RRset; no connection was made, so no address is named."""
    domain = reporting.wanted(world.domain())
    mx = domain.host(tlsa=['3 1 1'])
    domain.zone.fault('_25._tcp.mx', 'TLSA', 'corrupt')
    scenario.deferred(relay.send(domain.user()), 'dnssec-invalid')
    reporting.next_day()
    report = reporting.received(domain)
    assert report.failures == {('tlsa', 'dnssec-invalid'): 1}
    assert report.policy('tlsa', mx.fqdn)['policy']['policy-string'] == []
    detail, = report.details()
    assert 'receiving-ip' not in detail and 'sending-mta-ip' not in detail and mx.untouched


def test_dane_required(reporting, relay, world):
    """Row 22."""
    domain = reporting.wanted(world.domain())
    domain.host()
    relay.configure(policies=[{'match': [domain.name], 'tls': 'dane-only'}])
    scenario.deferred(relay.send(domain.user()), 'dane-required')
    reporting.next_day()
    report = reporting.received(domain)
    assert report.failures == {('no-policy-found', 'dane-required'): 1}
    assert report.policy('no-policy-found')['policy']['policy-domain'] == domain.name   # H147


def test_success_and_reuse(reporting, relay, world):
    """TR-010, TR-017: one session, whatever goes over it."""
    domain = reporting.wanted(world.domain())
    mx = domain.host(tlsa=['3 1 1'])
    for _ in range(3):
        scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
    sessions = len(mx.server.handshakes)
    reporting.next_day()
    report = reporting.received(domain)
    assert report.successes == sessions and report.failures == {}
    assert 'failure-details' not in report.policy('tlsa') or report.policy('tlsa')['failure-details'] == []


def test_starttls_not_supported(reporting, relay, world):
    """Row 33 with DANE; TR-021 without: delivered in the clear, and told."""
    dane = reporting.wanted(world.domain())
    dane.host(tlsa=['3 1 1'], starttls='absent')
    plain = reporting.wanted(world.domain(insecure=True))
    host = plain.host(starttls='absent')
    scenario.deferred(relay.send(dane.user()), 'starttls-not-supported')
    scenario.delivered(relay.send(plain.user()), by=host, level='none')
    reporting.next_day()
    assert reporting.received(dane).failures == {('tlsa', 'starttls-not-supported'): 1}
    assert reporting.received(plain).failures == {('no-policy-found', 'starttls-not-supported'): 1}


@pytest.mark.parametrize('credential, reason', [
    (lambda ca, h: pki.self_signed(h), 'certificate-not-trusted'),
    (lambda ca, h: ca.issue(h, names=['x.other.test']), 'certificate-host-mismatch'),
    (lambda ca, h: ca.issue(h, valid='expired'), 'certificate-expired'),
], ids=['untrusted', 'name', 'expired'])
def test_sts_enforced(reporting, relay, world, credential, reason):
    domain = reporting.wanted(world.domain(insecure=True))
    domain.host(credential=lambda h: credential(world.web_ca, h))
    domain.sts()
    scenario.deferred(relay.send(domain.user()), reason)
    reporting.next_day()
    report = reporting.received(domain)
    assert report.failures == {('sts', reason): 1}
    policy = report.policy('sts')['policy']
    assert policy['policy-domain'] == domain.name and policy['mx-host'] == [f'mx.{domain.name}']     # erratum 6241
    assert policy['policy-string'] == ['version: STSv1', 'mode: enforce', f'mx: mx.{domain.name}', 'max_age: 86400']


def test_sts_testing_is_delivered_and_told(reporting, relay, world):
    """H144, D-35."""
    domain = reporting.wanted(world.domain(insecure=True))
    mx = domain.host()
    domain.sts(mode='testing')
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    reporting.next_day()
    assert ('sts', 'certificate-not-trusted') in reporting.received(domain).failures


@pytest.mark.parametrize('kw, reason', [(dict(status=404), 'sts-policy-fetch-error'),
                                        (dict(body='nonsense'), 'sts-policy-invalid'),
                                        (dict(credential=lambda h: pki.self_signed(h)), 'sts-webpki-invalid')],
                         ids=['404', 'nonsense', 'untrusted'])
def test_sts_policy_cannot_be_had(reporting, relay, world, kw, reason):
    """TR-015: delivered as without, and told."""
    domain = reporting.wanted(world.domain(insecure=True))
    mx = domain.host()
    domain.sts(**kw)
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    reporting.next_day()
    assert reporting.received(domain).failures.get(('sts', reason)) == 1


def test_two_hosts_are_two_policies(reporting, relay, world):
    """TR-011."""
    domain = reporting.wanted(world.domain())
    first = domain.host('mx1', 10, tlsa=['3 1 1 wrong'])
    second = domain.host('mx2', 20, tlsa=['3 1 1'])
    scenario.delivered(relay.send(domain.user()), by=second, level='dane-ee')
    reporting.next_day()
    report = reporting.received(domain)
    assert report.policy('tlsa', first.fqdn)['summary']['total-failure-session-count'] == 1
    assert report.policy('tlsa', second.fqdn)['summary']['total-successful-session-count'] == 1


# Who is told, and who is not.

def test_without_record_nothing_is_kept(reporting, relay, world):
    """TR-004."""
    domain = world.domain()
    domain.host(tlsa=['3 1 1 wrong'])
    other = reporting.wanted(world.domain())
    other.host(tlsa=['3 1 1 wrong'])
    for d in (domain, other):
        scenario.deferred(relay.send(d.user()), 'tlsa-invalid')
    waiting.until(lambda: count_of(relay, other, reporting.clock.day), what='the other one is counted')
    reporting.next_day()
    reporting.received(other)
    assert len(reporting.mails()) == 1 and not count_of(relay, domain)


def test_reporting_off(relay, world):
    """TR-004."""
    relay.configure(tlsrpt={'enabled': 'off'})
    domain = world.domain()
    domain.host(tlsa=['3 1 1 wrong'])
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')
    assert relay.run('tlsrpt', 'show', '--json').status != 0


def test_tls_required_no_is_not_counted(reporting, relay, world):
    """TR-019."""
    domain = reporting.wanted(world.domain())
    mx = domain.host(tlsa=['3 1 1 wrong'])
    scenario.delivered(relay.send(domain.user(), header=b'TLS-Required: No\r\n'), by=mx, level='encrypted')
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid', tried=[mx])
    reporting.next_day()
    report = reporting.received(domain)
    assert (report.successes, report.failures) == (0, {('tlsa', 'tlsa-invalid'): 1})


# The way out.

def test_a_report_gets_out_though_tls_is_broken(reporting, relay, world):
    """TR-045, TR-018, H149: to the very domain whose TLSA is wrong, against dane-only; ordinary mail stays. It is counted
    in no report."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1 wrong'])
    reporting.wanted(domain, 'mailto:' + domain.user('reports'))
    relay.configure(policies=[{'match': [domain.name], 'tls': 'dane-only'}])
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'tlsa-invalid')
    reporting.next_day()
    waiting.until(lambda: [m for m in mx.messages if m.sender == 'tls@relay.test'], timeout=40, what='the report')
    arrived, = mx.messages
    assert arrived.tls and tlsrpt.from_mail(arrived.data).failures == {('tlsa', 'tlsa-invalid'): 1}
    today = count_of(relay, domain, reporting.clock.day)
    assert sum(p['summary']['total-successful-session-count'] for r in today for p in r['report']['policies']) == 0


class Collector(https.PolicyHost):
    """A web host that takes reports."""

    def __init__(self, reporting, status=201, credential=None, **kw):
        host = f'collect{next(_numbers)}.{reporting.sink.name}'
        address = reporting.world.lab.new_ipv4()
        reporting.sink.add(host.split('.')[0], 'A', address)
        super().__init__(host, address, credential(host) if credential else reporting.world.web_ca.issue(host), '', status, **kw)
        reporting.world.servers.append(self)
        self.uri = f'https://{host}/v1/reports?from=mta'

    @property
    def reports(self):
        return [tlsrpt.Report(r.body) for r in self.requests]


@pytest.mark.parametrize('status', [200, 201, 202])
def test_https(reporting, relay, world, status):
    """TR-041."""
    collector = Collector(reporting, status)
    domain = reporting.after_a_bad_day(collector.uri)
    reporting.told(domain, 'sent')
    request, = collector.requests
    assert (request.method, request.path, request.sni) == ('POST', '/v1/reports?from=mta', collector.host)
    assert request.headers['content-type'] == 'application/tlsrpt+gzip'
    assert collector.reports[0].failures == {('tlsa', 'tlsa-invalid'): 1} and not reporting.mails()


def test_https_with_a_bad_certificate(reporting, relay, world):
    """TR-041, H149: strict first, then whoever answers; said in the log."""
    collector = Collector(reporting, credential=lambda h: pki.self_signed(h))
    domain = reporting.after_a_bad_day(collector.uri)
    reporting.told(domain, 'sent')
    assert len(collector.requests) == 1
    assert any('certificate is not good' in e.get('text', '') for e in relay.events.all() if e.get('event') == 'tls-report')


def test_the_next_place_when_the_first_fails(reporting, relay, world):
    """TR-040."""
    broken = Collector(reporting, 500)
    domain = reporting.after_a_bad_day(f'{broken.uri},mailto:{reporting.sink.user("reports")}')
    reporting.received(domain)
    assert len(broken.requests) == 1


def test_redirection(reporting, relay, world):
    """TR-041: 308 to https is followed, the body goes along."""
    there = Collector(reporting)
    here = Collector(reporting, 308, headers={'Location': there.uri})
    domain = reporting.after_a_bad_day(here.uri)
    reporting.told(domain, 'sent')
    assert len(there.reports) == 1


def test_retries_carry_the_same_report_and_end_after_a_day(reporting, relay, world):
    """TR-046, TR-047."""
    collector = Collector(reporting, 503)
    domain = reporting.after_a_bad_day(collector.uri)
    reporting.told(domain, 'waiting')
    reporting.clock.move(hours=1)
    waiting.until(lambda: len(collector.requests) >= 2, timeout=40, what='a second try')
    first, second = collector.requests[:2]
    assert first.body == second.body
    reporting.clock.move(hours=24)
    reporting.told(domain, 'dropped')

    def tries():                                # the mail that still waits makes a report of another day due meanwhile
        return sum(r.body == first.body for r in collector.requests)
    seen = tries()
    reporting.clock.move(hours=8)
    relay.restart()
    assert relay.status() and tries() == seen


# By hand.

def test_dry_run_prints_what_then_goes(reporting, relay, world):
    """TR-047."""
    domain = reporting.wanted(world.domain())
    domain.host(tlsa=['3 1 1 wrong'])
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')
    day = reporting.clock.day
    refused = relay.run('tlsrpt', 'send', '--day', day, '--json')
    assert refused.status != 0 and 'not over' in refused.err
    reporting.clock.move(24 - reporting.clock.now.hour)     # just after midnight: before its time by itself
    shown, = relay.run('tlsrpt', 'send', '--day', day, '--dry-run', '--json').json
    assert shown['destinations'] == ['mailto:' + reporting.sink.user('reports')] and not reporting.mails()
    assert tlsrpt.from_mail(shown['mail'][0].encode()).json == shown['report']
    sent, = relay.run('tlsrpt', 'send', '--day', day, '--json').json
    report = reporting.received(domain)
    assert report.json == shown['report'] == sent['report'] and report.name == shown['file_name']
    assert count_of(relay, domain, day)[0]['report'] == report.json


@pytest.mark.parametrize('texts, places', [
    (['v=TLSRPTv1; rua=mailto:a@x.test', 'v=TLSRPTv1; rua=mailto:b@x.test'], []),
    (['v=TLSRPTv1; rua=mailto:a@x.test!10m'], ['mailto:a@x.test']),
    (['v=TLSRPTv1; rua=ftp://x.test/,mailto:a@x.test , https://x.test/y'], ['mailto:a@x.test', 'https://x.test/y']),
    (['v=TLSRPTv1 ; x=y; rua=mailto:a@x.test;'], ['mailto:a@x.test']),
], ids=['two', 'size', 'schemes', 'blanks'])
def test_record_forms(reporting, relay, world, texts, places):
    """TR-001, TR-002, H150."""
    domain = reporting.wanted(world.domain())
    domain.host(tlsa=['3 1 1 wrong'])
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')
    day = reporting.clock.day
    waiting.until(lambda: count_of(relay, domain, day), what='counted')
    domain.zone.set('_smtp._tls', 'TXT', *[f'"{t}"' for t in texts])    # TR-003: the one at report time decides
    assert relay.stop() == 0                                            # and no cache
    relay.start()
    shown, = relay.run('tlsrpt', 'send', '--day', day, '--dry-run', '--json').json
    assert shown['destinations'] == places


# Over days.

def test_counts_survive_kill_and_restart(reporting, relay, world):
    """TR-020."""
    domain = reporting.wanted(world.domain())
    mx = domain.host(tlsa=['3 1 1 wrong'])
    for end in ('restart', 'kill9', 'none'):
        scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')
        if end == 'restart':
            relay.restart()
        elif end == 'kill9':
            day = reporting.clock.day
            waiting.until(lambda: count_of(relay, domain, day)[0]['report']['policies'][0]['summary'][
                'total-failure-session-count'] == 2, what='both counted')
            relay.kill9()
            relay.start()
    failures = len([e for e in relay.events.all() if e.get('event') == 'attempt' and e.get('reason') == 'tlsa-invalid'])
    reporting.next_day()
    assert reporting.received(domain).failures == {('tlsa', 'tlsa-invalid'): failures} and mx.silent


def test_seven_days(reporting, relay, world):
    """TR-010, TR-018, TR-020, TR-030: a week of mail to four domains; every day's reports equal that day's log."""
    good, wrong, bogus, clear = (reporting.wanted(world.domain(insecure=i)) for i in (False, False, False, True))
    good.host(tlsa=['3 1 1'])
    wrong.host(tlsa=['3 1 1 wrong'])
    bogus.host(tlsa=['3 1 1'])
    bogus.zone.fault('_25._tcp.mx', 'TLSA', 'corrupt')
    clear.host(starttls='absent')
    relay.configure(queue={'retry': ['10d']}, delivery={'idle_reuse': '0s'})
    names = {d.name: d for d in (good, wrong, bogus, clear)}
    for number in range(7):
        assert relay.queue('flush', '--domain', good.name).status == 0      # who failed yesterday is not left alone today
        mails = [relay.send(d.user()) for d in names.values() for _ in range(1 + number % 3)]
        for mail in mails:
            mail.outcome()
        if number == 3:
            relay.restart()
        reporting.next_day()
        for name in names:
            reporting.received(names[name], count=number + 1)
        reporting.clock.to_noon()
    got = {}
    for mail in reporting.mails():
        report = tlsrpt.from_mail(mail.data)
        assert (report.day, report.domain) not in got, 'one report a day'
        got[report.day, report.domain] = [report.successes, sum(report.failures.values())]
    want = collections.defaultdict(lambda: [0, 0])
    for attempt in relay.events.all():
        if attempt.get('event') == 'attempt' and attempt['domain'] in names and not attempt.get('reused'):      # TR-017
            want[attempt['ts'][:10], attempt['domain']][0 if attempt['tls']['level'] == 'dane-ee' else 1] += 1
    assert got == want
    days = sorted({d for d, _ in got})
    assert len(days) == 7 and datetime.date.fromisoformat(days[-1]) - datetime.date.fromisoformat(days[0]) == \
        datetime.timedelta(days=6)
