"""Does every row of the DANE decision table hold end to end, and does `check` say the same as delivery?

TABLE is the table: policy, insecure_mx, MX, address, TLSA, STARTTLS, handshake, and what follows; the first row that fits
wins. CASES are concrete worlds, each named after the row it must reach; each runs alone and with a second, good host
behind it. DANE-120, DANE-126, DANE-130, DANE-140; the rows' own ids stand beside them.
"""
import dataclasses
import fnmatch

import pytest

from world import agreement, clock, pki, scenario

ANY = '*'
# action: defer · bounce · next (without a connection) · left (dialled, then left without MAIL) · deliver
TABLE = [
    # row  policy       insecure_mx MX          address              TLSA                S      handshake   action     level        reason
    (1,   ANY,         ANY,       'bogus',     ANY,                 ANY,                ANY,   ANY,        'defer',   None,        'dnssec-invalid'),
    (2,   ANY,         ANY,       'error',     ANY,                 ANY,                ANY,   ANY,        'defer',   None,        'dns-error'),
    (3,   ANY,         ANY,       'nxdomain',  ANY,                 ANY,                ANY,   ANY,        'bounce',  None,        'domain-not-found'),
    (4,   ANY,         ANY,       'nullmx',    ANY,                 ANY,                ANY,   ANY,        'bounce',  None,        'no-mail-service'),
    (5,   'dane-only', ANY,       'literal',   ANY,                 ANY,                ANY,   ANY,        'defer',   None,        'dane-required'),
    (6,   'dane',      ANY,       'literal',   ANY,                 ANY,                'no',  ANY,        'deliver', 'none',      None),
    (7,   'dane',      ANY,       'literal',   ANY,                 ANY,                'yes', 'fail',     'left',    None,        'tls-handshake-failed'),
    (8,   'dane',      ANY,       'literal',   ANY,                 ANY,                'yes', ANY,        'deliver', 'encrypted', None),
    (9,   ANY,         ANY,       ANY,         'bogus',             ANY,                ANY,   ANY,        'next',    None,        'dnssec-invalid'),
    (10,  ANY,         ANY,       ANY,         'error',             ANY,                ANY,   ANY,        'next',    None,        'dns-error'),
    (11,  ANY,         ANY,       ANY,         'absent',            ANY,                ANY,   ANY,        'next',    None,        'no-usable-host'),
    (12,  'dane-only', ANY,       'insecure',  ANY,                 ANY,                ANY,   ANY,        'next',    None,        'dane-required'),
    (13,  'dane-only', ANY,       ANY,         'insecure',          ANY,                ANY,   ANY,        'next',    None,        'dane-required'),
    (14,  'dane',      'may',     'insecure',  ANY,                 ANY,                'no',  ANY,        'deliver', 'none',      None),
    (15,  'dane',      'may',     'insecure',  ANY,                 ANY,                'yes', 'fail',     'left',    None,        'tls-handshake-failed'),
    (16,  'dane',      'may',     'insecure',  ANY,                 ANY,                'yes', ANY,        'deliver', 'encrypted', None),
    (17,  'dane',      ANY,       ANY,         'insecure',          ANY,                'no',  ANY,        'deliver', 'none',      None),
    (18,  'dane',      ANY,       ANY,         'insecure',          ANY,                'yes', 'fail',     'left',    None,        'tls-handshake-failed'),
    (19,  'dane',      ANY,       ANY,         'insecure',          ANY,                'yes', ANY,        'deliver', 'encrypted', None),
    (20,  ANY,         ANY,       ANY,         ANY,                 'bogus',            ANY,   ANY,        'next',    None,        'dnssec-invalid'),
    (21,  ANY,         ANY,       ANY,         ANY,                 'error',            ANY,   ANY,        'next',    None,        'dns-error'),
    (22,  'dane-only', ANY,       ANY,         ANY,                 'absent|insecure',  ANY,   ANY,        'next',    None,        'dane-required'),
    (23,  'dane',      ANY,       ANY,         ANY,                 'absent|insecure',  'no',  ANY,        'deliver', 'none',      None),
    (24,  'dane',      ANY,       ANY,         ANY,                 'absent|insecure',  'yes', 'fail',     'left',    None,        'tls-handshake-failed'),
    (25,  'dane',      ANY,       ANY,         ANY,                 'absent|insecure',  'yes', ANY,        'deliver', 'encrypted', None),
    (26,  'dane-only', ANY,       ANY,         ANY,                 'unusable',         ANY,   ANY,        'next',    None,        'tlsa-invalid'),
    (27,  'dane',      ANY,       ANY,         ANY,                 'unusable',         'no',  ANY,        'left',    None,        'starttls-not-supported'),
    (28,  'dane',      ANY,       ANY,         ANY,                 'unusable',         'yes', 'fail',     'left',    None,        'tls-handshake-failed'),
    (29,  'dane',      ANY,       ANY,         ANY,                 'unusable',         'yes', ANY,        'deliver', 'encrypted', None),
    (30,  'dane',      'encrypt', 'insecure',  ANY,                 'usable',           'no',  ANY,        'left',    None,        'starttls-not-supported'),
    (31,  'dane',      'encrypt', 'insecure',  ANY,                 'usable',           'yes', 'fail',     'left',    None,        'tls-handshake-failed'),
    (32,  'dane',      'encrypt', 'insecure',  ANY,                 'usable',           'yes', ANY,        'deliver', 'encrypted', None),
    (33,  ANY,         ANY,       ANY,         ANY,                 'usable',           'no',  ANY,        'left',    None,        'starttls-not-supported'),
    (34,  ANY,         ANY,       ANY,         ANY,                 'usable',           'yes', 'fail',     'left',    None,        'tls-handshake-failed'),
    (35,  ANY,         ANY,       ANY,         ANY,                 'usable',           'yes', 'nomatch',  'left',    None,        'tlsa-invalid'),
    (36,  ANY,         ANY,       ANY,         ANY,                 'usable',           'yes', 'chain',    'left',    None,        'certificate-not-trusted'),
    (37,  ANY,         ANY,       ANY,         ANY,                 'usable',           'yes', 'name',     'left',    None,        'certificate-host-mismatch'),
    (38,  ANY,         ANY,       ANY,         ANY,                 'usable',           'yes', 'expired',  'left',    None,        'certificate-expired'),
    (39,  'dane',      ANY,       'insecure',  ANY,                 'usable',           'yes', 'ok|ok-ta', 'deliver', 'dane',      None),
    (40,  ANY,         ANY,       ANY,         ANY,                 'usable',           'yes', 'ok|ok-ta', 'deliver', 'dane',      None),
]


@dataclasses.dataclass(frozen=True)
class Case:
    row: int
    policy: str = 'dane'
    mx: str = 'secure'
    address: str = 'secure'
    tlsa: str = 'usable'
    starttls: str = 'yes'
    handshake: str = 'ok'
    insecure_mx: str = 'dane'

    @property
    def facts(self):
        return (self.policy, self.insecure_mx, self.mx, self.address, self.tlsa, self.starttls, self.handshake)

    def __str__(self):
        changed = [getattr(self, f.name) for f in dataclasses.fields(self)[1:] if getattr(self, f.name) != f.default]
        return '-'.join([f'row{self.row:02}', *changed])


def fitting(case):
    return next(r for r in TABLE if all(any(fnmatch.fnmatchcase(fact, one) for one in pattern.split('|'))
                                        for fact, pattern in zip(case.facts, r[1:8])))


CASES = [
    Case(1, mx='bogus'), Case(1, 'dane-only', mx='bogus'),                      # DANE-020, DANE-A03
    Case(2, mx='error'), Case(2, 'dane-only', mx='error'),                      # DANE-020
    Case(3, mx='nxdomain'), Case(3, 'dane-only', mx='nxdomain'),                # SC-002
    Case(4, mx='nullmx'), Case(4, 'dane-only', mx='nullmx'),                    # SC-004
    Case(5, 'dane-only', mx='literal'),                                         # DANE-030, D-28
    Case(6, mx='literal', starttls='no'),
    Case(7, mx='literal', handshake='fail'),
    Case(8, mx='literal'),
    Case(9, address='bogus'), Case(9, 'dane-only', address='bogus'), Case(9, mx='insecure', address='bogus'),       # DANE-024
    Case(10, address='error'), Case(10, 'dane-only', address='error'), Case(10, mx='insecure', address='error'),
    Case(11, address='absent'), Case(11, 'dane-only', address='absent'),        # DANE-041, D-13
    Case(12, 'dane-only', mx='insecure'),                                       # DANE-026
    Case(13, 'dane-only', address='insecure'),                                  # DANE-042
    Case(14, mx='insecure', insecure_mx='may', starttls='no'),                  # DANE-025
    Case(15, mx='insecure', insecure_mx='may', handshake='fail'),
    Case(16, mx='insecure', insecure_mx='may'), Case(16, mx='insecure', insecure_mx='may', handshake='nomatch'),
    Case(17, address='insecure', starttls='no'), Case(17, mx='insecure', address='insecure', starttls='no'),
    Case(18, address='insecure', handshake='fail'), Case(18, mx='insecure', address='insecure', handshake='fail'),
    Case(19, address='insecure', handshake='nomatch'), Case(19, mx='insecure', address='insecure', handshake='nomatch'),
    Case(20, tlsa='bogus'), Case(20, 'dane-only', tlsa='bogus'), Case(20, mx='insecure', tlsa='bogus'),     # DANE-052
    Case(20, address='alias', tlsa='bogus'),
    Case(21, tlsa='error'), Case(21, 'dane-only', tlsa='error'), Case(21, mx='insecure', tlsa='error'),
    Case(21, address='alias', tlsa='error'), Case(21, mx='absent', tlsa='error'), Case(21, mx='direct', tlsa='error'),
    Case(22, 'dane-only', tlsa='absent'), Case(22, 'dane-only', tlsa='insecure'), Case(22, 'dane-only', mx='absent', tlsa='absent'),
    Case(23, tlsa='absent', starttls='no'), Case(23, tlsa='insecure', starttls='no'),       # DANE-051
    Case(24, tlsa='absent', handshake='fail'), Case(24, tlsa='insecure', handshake='fail'),
    Case(25, tlsa='absent'), Case(25, tlsa='insecure'), Case(25, address='alias', tlsa='absent'), Case(25, mx='absent', tlsa='absent'),
    Case(26, 'dane-only', tlsa='unusable'),                                     # DANE-066
    Case(27, tlsa='unusable', starttls='no'), Case(27, mx='insecure', tlsa='unusable', starttls='no'),      # DANE-064
    Case(28, tlsa='unusable', handshake='fail'),
    Case(29, tlsa='unusable'), Case(29, mx='direct', tlsa='unusable'),
    Case(30, mx='insecure', insecure_mx='encrypt', starttls='no'),              # DANE-025
    Case(31, mx='insecure', insecure_mx='encrypt', handshake='fail'),
    Case(32, mx='insecure', insecure_mx='encrypt'), Case(32, mx='insecure', insecure_mx='encrypt', handshake='nomatch'),
    Case(33, starttls='no'), Case(33, 'dane-only', starttls='no'), Case(33, mx='insecure', starttls='no'),  # DANE-121, DANE-122
    Case(34, handshake='fail'), Case(34, 'dane-only', handshake='fail'), Case(34, mx='absent', handshake='fail'),   # DANE-117
    Case(35, handshake='nomatch'), Case(35, 'dane-only', handshake='nomatch'), Case(35, address='alias', handshake='nomatch'),
    Case(35, mx='insecure', handshake='nomatch'), Case(35, mx='absent', handshake='nomatch'),       # D-01
    Case(36, handshake='chain'), Case(36, 'dane-only', handshake='chain'),      # D-03
    Case(37, handshake='name'), Case(37, mx='insecure', handshake='name'),      # D-02
    Case(38, handshake='expired'), Case(38, 'dane-only', handshake='expired'),  # D-02, DANE-095
    Case(39, mx='insecure'), Case(39, mx='insecure', handshake='ok-ta'),        # DANE-028, D-29
    Case(40), Case(40, 'dane-only'), Case(40, handshake='ok-ta'), Case(40, address='alias'), Case(40, 'dane-only', address='alias'),
    Case(40, mx='absent'), Case(40, mx='direct'), Case(40, 'dane-only', mx='direct'), Case(40, 'dane-only', mx='absent'),
]


@pytest.mark.smoke
def test_every_row_has_a_case_and_every_case_its_row():
    assert {c.row for c in CASES} == {r[0] for r in TABLE} == set(range(1, 41))
    assert all(fitting(c)[0] == c.row for c in CASES), [(str(c), fitting(c)[0]) for c in CASES if fitting(c)[0] != c.row]


CREDENTIALS = {
    'chain': lambda host: pki.chain(host, intermediate={'ca': False}),
    'name': lambda host: pki.chain(host, names=['x.other.test']),
    'expired': lambda host: pki.chain(host, leaf={'valid': 'expired'}),
    'ok-ta': pki.chain,
}


class Made:
    """The case as zones and servers. host is the one the row is about; base is the name its TLSA record stands at."""

    def __init__(self, world, relay, case, followed):
        self.world, self.case = world, case
        self.customer = world.domain(insecure=case.mx == 'insecure')
        self.plain = world.domain(insecure=True)
        relay.configure(tls={'policy': case.policy, 'insecure_mx': case.insecure_mx})
        self.to = self.customer.user()
        self.host = self.second = None
        if case.mx == 'nullmx':
            self.customer.add('@', 'MX', '0 .')
        elif case.mx == 'nxdomain':
            self.to = f'x@gone.{self.customer.name}'
        else:
            self._host(relay)
        if followed:
            self.second = world.domain().host('second', preference=None, tlsa=['3 1 1'])
            self.customer.add('@', 'MX', f'20 {self.second.fqdn}.')

    def _script(self):
        case = self.case
        out = {'starttls': 'absent' if case.starttls == 'no' else 'offered'}
        out['handshake'] = 'alert' if case.handshake == 'fail' else 'ok'
        if case.handshake in CREDENTIALS:
            out['credential'] = CREDENTIALS[case.handshake]
        return out

    def _host(self, relay):
        case, world = self.case, self.world
        apex = case.mx == 'absent'
        self.zone = zone = self.customer if apex else world.domain()
        name = '@' if apex else 'mx'
        holder = self.plain if case.address in ('insecure', 'alias') else zone
        self.host = holder.host('node' if case.address == 'alias' else name, preference=None, **self._script())
        if case.address == 'alias':
            zone.add(name, 'CNAME', f'{self.host.fqdn}.')
        self.base = self.plain.fqdn(name) if case.address == 'insecure' else zone.fqdn(name)
        self._address(zone, name)
        self._tlsa(self.plain if case.address == 'insecure' else zone, '_25._tcp' + ('' if apex else f'.{name}'))
        if case.mx == 'direct':
            relay.configure(policies=[{'match': [self.customer.name], 'tls': case.policy, 'next_hop': f'[{self.base}]'}])
        elif case.mx == 'literal':
            self.to, self.base = f'x@[{self.host.addresses[0]}]', None
        elif not apex:
            self.customer.add('@', 'MX', f'10 {self.base}.')
        if case.mx == 'bogus':
            self.customer.zone.fault('@', 'MX', 'corrupt')
        elif case.mx == 'error':
            self.customer.faults('@', 'MX', 'servfail')

    def _address(self, zone, name):
        if self.case.address == 'bogus':
            zone.zone.fault(name, 'A', 'corrupt')
        elif self.case.address == 'error':
            zone.faults(name, 'A', 'servfail')
        elif self.case.address == 'absent':
            zone.zone.remove(name, 'A')

    def _tlsa(self, zone, owner):
        kind, certificate = self.case.tlsa, self.host.credential
        right = '2 0 1' if self.case.handshake in CREDENTIALS else '3 1 1 wrong' if self.case.handshake == 'nomatch' else '3 1 1'
        if kind == 'absent':
            return
        if kind == 'insecure':          # an alias out of signed space
            zone.add(owner, 'CNAME', f'tlsa.{self.plain.name}.')
            self.plain.add('tlsa', 'TLSA', certificate.tlsa('3 1 1 wrong'))
            return
        zone.add(owner, 'TLSA', certificate.tlsa('1 1 1' if kind == 'unusable' else right))
        if kind == 'bogus':
            zone.zone.fault(owner, 'TLSA', 'corrupt')
        elif kind == 'error':
            zone.faults(owner, 'TLSA', 'servfail')

    def dialled(self):
        """Hosts in the order of their first connection."""
        first = [(h.server.facts('connected')[0].time, h) for h in (self.host, self.second) if h and h.connections]
        return [h for _, h in sorted(first, key=lambda pair: pair[0])]

    def asked(self, start):
        """TLSA owner names that the wire saw for the row's host, in order, since that many queries."""
        mine = {f'_25._tcp.{n}' for n in (self.base, self.host and self.host.fqdn) if n} if self.host else set()
        names = [q.name.rstrip('.') for q in self.world.queries()[start:] if q.type == 'TLSA']
        return [n for n in dict.fromkeys(names) if n in mine]


def expected_questions(made):
    """DANE-040 … DANE-045: the base alone is asked for, and only where the address came out secure or by a secure alias."""
    case = made.case
    unasked = (case.row <= 13 or case.address == 'insecure' or (case.insecure_mx == 'may' and case.mx == 'insecure'))
    return [] if unasked else [f'_25._tcp.{made.base}']


def second_level(case):
    """What the good host behind the row's one is worth: nothing where the domain's MX bars it."""
    if case.mx != 'insecure':
        return 'dane-ee'
    return None if case.policy == 'dane-only' else 'dane-ee' if case.insecure_mx == 'dane' else 'encrypted'


def assert_check_agrees(made, relay, outcome):
    """DANE-130: verdict, level and reason are those of the delivery."""
    done = relay.check(made.to.split('@')[1])
    agreement.assert_agrees(done.json, done.status, outcome)


def assert_level(case, level, mail):
    want = 'dane-ta' if case.handshake == 'ok-ta' else 'dane-ee'
    tls = mail.attempts[-1]['tls']
    assert tls.get('secured', False) is (level == 'dane' and case.mx != 'insecure')     # DANE-028
    return want if level == 'dane' else level


RUNS = [(c, followed) for c in CASES for followed in (False, True) if not followed or c.mx in ('secure', 'insecure')]


@pytest.mark.parametrize('case, followed', RUNS, ids=[f'{c}-{"followed" if f else "alone"}' for c, f in RUNS])
def test_row(world, relay, case, followed):
    made = Made(world, relay, case, followed)
    _, *_, action, level, reason = fitting(case)
    relay.start()
    start = len(world.queries())
    mail = relay.send(made.to)
    wanted = level
    if action == 'deliver':
        outcome = mail.outcome()
        assert outcome['result'] == 'delivered', outcome
        wanted = assert_level(case, level, mail)
        assert outcome['tls_level'] == wanted and len(made.host.messages) == 1
        assert made.dialled() == [made.host]
    elif followed and second_level(case):
        outcome = scenario.delivered(mail, by=made.second, level=second_level(case))
        assert made.dialled() == ([made.host] if action == 'left' else []) + [made.second]      # DANE-123
    elif action == 'bounce' or (case.row == 11 and not followed):
        scenario.bounced(mail, reason)
        outcome = mail.outcome()
        assert made.dialled() == []
    else:
        outcome = scenario.deferred(mail, reason)
        assert made.dialled() == ([made.host] if action == 'left' else [])                     # DANE-052
    assert made.asked(start) == expected_questions(made)
    if made.host:
        assert made.host.sni == ([made.base] if wanted not in (None, 'none') or case.handshake in
                                 ('nomatch', 'chain', 'name', 'expired') and action == 'left' else [])      # DANE-110, DANE-111
        if action != 'deliver':
            assert made.host.silent                                                             # DANE-120
    assert_check_agrees(made, relay, outcome)


LATER = [(c, 'none') for c in CASES if c.row in (7, 15, 18, 24)] + [(c, None) for c in CASES if c.row in (28, 31, 34)]


@pytest.mark.parametrize('case, level', LATER, ids=[str(c) for c, _ in LATER])
def test_second_attempt_after_a_broken_handshake(world, relay, case, level):
    """DANE-125, D-30: in the clear only where TLS is not required. DANE-121, DANE-A10: never under a TLSA record."""
    made = Made(world, relay, case, False)
    mail = relay.send(made.to)
    assert mail.outcome()['reason'] == 'tls-handshake-failed'
    assert made.host.silent
    assert relay.stop() == 0
    clock.Clock(relay, '+6m')       # a message older than five minutes
    relay.start()
    relay.queue('flush', '--all')
    outcome = mail.outcome(count=2)
    if level:
        assert (outcome['result'], outcome['tls_level']) == ('delivered', level)
        assert len(made.host.messages) == 1 and not made.host.messages[0].tls
    else:
        assert (outcome['result'], outcome['reason']) == ('deferred', 'tls-handshake-failed')
        assert made.host.silent and made.host.connections == 2
