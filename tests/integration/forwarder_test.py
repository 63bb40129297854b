"""What does a forwarder in dns.forwarders change? Nothing: what it says is validated here, and what it breaks defers."""
import dns.rrset
import pytest

from world import forwarder, scenario, waiting


@pytest.fixture
def through(lab, relay):
    made = forwarder.Forwarder(lab)
    made.configure(relay)
    yield made
    made.close()


@pytest.mark.smoke
def test_honest_forwarder(world, relay, through):
    """DANE-001: signatures come through it and are checked here."""
    domain, bare = world.domain(), world.domain(insecure=True)
    mx, plain = domain.host(tlsa=['3 1 1']), bare.host()
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
    scenario.delivered(relay.send(bare.user()), by=plain, level='encrypted')
    assert (f'_25._tcp.{mx.fqdn}.', 'TLSA') in through.asked


def test_forwarder_that_strips_signatures_defers_and_is_named(world, relay, through):
    """DANE-001, DANE-004, DANE-A05: signed zones come out bogus; the log names the forwarder once at the start."""
    through.edit = forwarder.strip
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    scenario.deferred(relay.send(domain.user()), 'dnssec-invalid')
    assert mx.untouched
    told = relay.events.wait_for(lambda e: e.get('event') == 'dns' and through.at.split('@')[0] in str(e), what='a dns event')
    assert told['level'] in ('warn', 'error')
    done = relay.check(domain.name)
    assert done.status == 1 and done.json['reason'] == 'dnssec-invalid'


def test_forwarder_that_sets_ad_on_a_forged_record(world, relay, through):
    """DANE-A17, DANE-001: AD is never read; an unsigned TLSA in a signed zone is bogus."""
    domain = world.domain()
    mx = domain.host()

    def lie(query, answer):
        question = query.question[0]
        if dns.rdatatype.to_text(question.rdtype) == 'TLSA':
            answer.set_rcode(0)
            answer.answer = [dns.rrset.from_text(question.name, 60, 'IN', 'TLSA', mx.credential.tlsa('3 1 1'))]
            answer.authority = []
        return forwarder.claim(query, answer)
    through.edit = lie
    scenario.deferred(relay.send(domain.user()), 'dnssec-invalid')
    assert mx.untouched


def test_forwarder_that_sets_ad_on_an_unsigned_zone(world, relay, through):
    """DANE-A17, DANE-003, DANE-051: insecure stays insecure; its TLSA is not believed."""
    through.edit = forwarder.claim
    domain = world.domain(insecure=True)
    mx = domain.host(tlsa=['3 1 1 wrong'])
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level='encrypted')
    assert mail.attempts[-1]['dns'] == {'mx': 'insecure', 'address': 'insecure', 'tlsa': 'not-queried'}


def test_forwarder_that_refuses_costs_no_mail(world, relay, through):
    """DANE-004, SC-092, DQ-024: refused answers defer, mail of the null sender too; healed, all of it goes out."""
    through.edit = forwarder.refuse
    relay.configure(queue={'retry': ['1s']})
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    mails = [relay.send(domain.user(f'u{i}')) for i in range(5)]
    nobody = relay.send(domain.user('null'), sender='')
    for mail in mails:
        scenario.deferred(mail, 'dns-error')
    assert len(relay.listed()) == 6
    through.edit = lambda query, answer: answer
    waiting.until(lambda: len(mx.messages) == 6, timeout=60, what='six messages')
    waiting.until(lambda: relay.listed() == [], what='an empty queue')
    assert sum(m.sender == '' for m in mx.messages) == 1 and nobody.recipients == [domain.user('null')]
    assert not relay.lab.sender.server.facts('message') or not any(m.reports() for m in mails)
