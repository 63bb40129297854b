"""What does a clock do to the queue that jumps by a day, either way, while the relay runs or before it starts? DQ-012, H37, H128:
nothing expires that is not old, nothing waits longer than its schedule says.
"""
import datetime

import pytest

from world import clock, scenario, waiting

JUMPS = ['+1d', '-1d']


def results(mail):
    return {e['result'] for e in mail.events('recipient')}


@pytest.fixture
def two(world, relay):
    """A greylisting domain and a plain one: (greylisting host, plain host)."""
    relay.configure(queue={'retry': ['3s'], 'lifetime': '5h', 'delay_warning': '4h'})
    return world.domain(insecure=True).host(replies={'RCPT': '450 4.2.0 later'}), world.domain(insecure=True).host()


@pytest.mark.parametrize('jump', JUMPS)
def test_jump_and_back_while_it_runs(relay, two, jump):
    """H128: mail deferred before, during and after the jump is tried on; none expires, none is warned about."""
    grey, plain = two
    if jump == '-1d':       # mail taken meanwhile bears a date of yesterday
        relay.configure(queue={'lifetime': '2d', 'delay_warning': '26h'})
    time = clock.Clock(relay)
    mails = [relay.send(grey.domain.user('before'))]
    mails[0].wait('recipient', result='deferred')
    for offset, name in ((jump, 'during'), ('+0', 'after')):
        time.set(offset)
        counts = [len(m.events('recipient')) for m in mails]
        mails.append(relay.send(grey.domain.user(name)))
        mails[-1].wait('recipient', result='deferred')
        for mail, count in zip(mails, counts):
            mail.wait('recipient', count=count + 2, timeout=40)
        scenario.delivered(relay.send(plain.domain.user(name)), by=plain, level='encrypted')
    assert all(results(m) == {'deferred'} for m in mails)
    grey.script.replies.clear()
    for mail in mails:
        mail.gone()
    assert sorted(m.sender for m in grey.messages) == sorted(m.sender for m in mails)
    assert not [m for m in relay.lab.sender.messages if any(m.recipients[0] == mail.sender for mail in mails)]


@pytest.mark.parametrize('jump', ['+3d', '-3d'])
def test_clock_corrected_between_two_runs(relay, two, jump):
    """A relay that lived days off, and starts with the right time: what is due in days is due now. And the other way."""
    grey, plain = two
    relay.configure(queue={'lifetime': '5d'})
    time = clock.Clock(relay, jump)
    mail = relay.send(grey.domain.user('wrong'))
    mail.wait('recipient', result='deferred')
    assert relay.stop() == 0
    time.set('+0')
    relay.start()
    mail.wait('recipient', count=3, timeout=40)
    assert results(mail) == {'deferred'}
    grey.script.replies.clear()
    mail.gone()
    scenario.delivered(relay.send(plain.domain.user()), by=plain, level='encrypted')


def test_schedule_stays_near_after_a_jump_forward_and_back(world, relay):
    """H128: an attempt made while the clock was a day ahead is not repeated a day from now but when the schedule says."""
    relay.configure(queue={'retry': ['1m']})
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': '450 4.2.0 later'})
    time = clock.Clock(relay, '+0')
    relay.start()
    time.set('+1d')
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'smtp-reply', tried=[mx])
    time.set('+0')

    def soon():
        at = relay.listed()[0]['recipients'][0]['next_attempt']
        left = datetime.datetime.fromisoformat(at.replace('Z', '+00:00')) - datetime.datetime.now(datetime.timezone.utc)
        return left < datetime.timedelta(minutes=2)
    waiting.until(soon, timeout=30, what='an attempt planned within minutes')
