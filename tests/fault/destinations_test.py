"""What does a destination in trouble cost, the relay and the others? DQ-015, DQ-016, SC-012, SC-061, H130, H131: few connections
whatever its queue, nobody else waits, and when it answers again what waited for that goes out at once.
"""
import collections
import datetime
import itertools
import os

import pytest

from world import scenario, smtpd, waiting

QUEUED = 600
WAVE = int(os.environ.get('DANELAW_TEST_WAVE', '500'))  # destinations that say 450 at once


def submit(relay, to, count):
    with relay.connect() as client:
        client.ehlo()
        return [relay.send(to(n), connection=client) for n in range(count)]


def wait_deferred(relay, domain, count, attempt=1):
    """Until count recipients of the domain have been deferred that often."""
    def enough(events):
        seen = collections.Counter(e['id'] for e in events if e.get('event') == 'recipient' and
                                   e['recipient'].endswith(f'@{domain.name}') and e['result'] == 'deferred')
        return sum(n >= attempt for n in seen.values()) >= count
    relay.events.wait_until(enough, 90, f'{count} recipients of {domain.name} deferred {attempt} times')


def most_at_once(server):
    open_now = most = 0
    for fact in server.facts():
        open_now += {'connected': 1, 'closed': -1}.get(fact.kind, 0)
        most = max(most, open_now)
    return most


@pytest.fixture
def dead(world, relay):
    """A provider whose host takes connections and ends them; its queue has been tried twice and rests for an hour."""
    relay.configure(queue={'retry': ['2s', '1h']})
    domain = world.domain(insecure=True)
    domain.mx = domain.host(replies={'banner': smtpd.CLOSE})
    domain.mails = submit(relay, lambda n: domain.user(f'u{n}'), QUEUED)
    wait_deferred(relay, domain, QUEUED, attempt=2)
    return domain


@pytest.mark.slow
def test_dead_provider_costs_few_connections(world, relay, dead):
    """1,200 attempts were due; whoever was not dialled for was told why."""
    assert dead.mx.connections <= 40
    told = [e for e in relay.events.all() if e.get('event') == 'recipient' and 'not tried' in e.get('text', '')]
    assert len(told) > QUEUED
    good = world.domain(insecure=True)
    mx = good.host()
    scenario.delivered(relay.send(good.user()), by=mx, level='encrypted', timeout=10)
    before = dead.mx.connections
    more = submit(relay, lambda n: dead.user(f'more{n}'), 50)
    wait_deferred(relay, dead, QUEUED + 50)
    assert dead.mx.connections - before <= 8                    # new mail does not hammer it either
    assert all(m.attempts == [] or m.attempts[0]['reason'] for m in more)


@pytest.mark.slow
def test_recovery_releases_what_waited_for_it(world, relay, dead):
    """One new message finds the host back: the others, due in an hour, leave now, no more at once than allowed."""
    dead.mx.script.replies.clear()
    seen = len(dead.mx.facts())
    one_more = relay.send(dead.user('new'))
    waiting.until(lambda: relay.queue('flush', one_more.id) and one_more.events('removed'), timeout=30, what='the new message')
    waiting.until(lambda: relay.listed('--limit', '1') == [], timeout=60, what='an empty queue')
    assert collections.Counter(m.sender for m in dead.mx.messages) == {m.sender: 1 for m in [*dead.mails, one_more]}
    recovered = [e for e in relay.events.all() if e.get('event') == 'recovered']
    assert len(recovered) == 1 and recovered[0]['domain'] == dead.name and recovered[0]['messages'] > QUEUED / 2
    assert most_at_once(dead.mx) <= 20 and len(dead.mx.facts()) > seen


@pytest.mark.slow
def test_recovery_after_a_restart(world, relay, dead):
    """The relay has forgotten how the host was; the messages have not."""
    relay.restart()
    dead.mx.script.replies.clear()
    relay.queue('flush', dead.mails[0].id)
    waiting.until(lambda: relay.listed('--limit', '1') == [], timeout=60, what='an empty queue')
    assert collections.Counter(m.sender for m in dead.mx.messages) == {m.sender: 1 for m in dead.mails}


def test_new_mail_is_tried_although_the_last_failed(world, relay):
    """DQ-013, DQ-016: the host may have been mended since."""
    relay.configure(queue={'retry': ['30m']})
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'banner': smtpd.CLOSE})
    for name in ('old', 'older'):
        scenario.deferred(relay.send(domain.user(name)), 'connection-lost', tried=[mx])
    del mx.script.replies['banner']
    scenario.delivered(relay.send(domain.user('new')), by=mx, level='encrypted')


@pytest.mark.parametrize('end', ['greylisted', 'unanswered'])
def test_flapping_host_is_not_hammered(world, relay, end):
    """SC-090, SC-058: a host that turns every other connection away brings nothing back before its time: neither what it put
    off itself, nor what it may have taken without saying so."""
    relay.configure(queue={'retry': ['1h']}, delivery={'idle_reuse': '0s'})
    domain = world.domain(insecure=True)
    turned_away = itertools.cycle([smtpd.Reply('421 4.3.2 busy', then='close') if end == 'greylisted' else smtpd.CLOSE, None])
    mx = domain.host(replies={'banner': lambda *_: next(turned_away),
                              **({'RCPT': '450 4.2.0 later'} if end == 'greylisted' else {'DOT': smtpd.CLOSE})})
    mails = [relay.send(domain.user(f'u{n}')) for n in range(4)]
    for mail in mails:
        mail.outcome()
    probe = relay.send(domain.user('probe'))                    # whatever was released has started by its end
    probe.outcome()
    relay.queue('flush', probe.id)
    probe.wait('recipient', count=2)
    assert [len(m.events('recipient')) for m in mails] == [1] * 4
    assert mx.connections == 6


def test_what_must_be_tried_starves_nobody(world, relay):
    """DQ-016, DQ-017: mail that is tried although its destination rests keeps to the same bounds as any other."""
    relay.configure(queue={'retry': ['1h']},
                    delivery={'connections': 10, 'connections_per_destination': 2, 'idle_reuse': '0s', 'command_timeout': '15s'})
    dead, good = world.domain(insecure=True), world.domain(insecure=True)
    hanging, mx = dead.host(replies={'banner': smtpd.CLOSE}), good.host()
    for _ in range(3):
        relay.send(dead.user()).outcome()
    hanging.script.replies['banner'] = smtpd.HANG
    connected = hanging.connections
    for _ in range(20):
        relay.send(dead.user(), header=b'TLS-Required: No\r\n')
    waiting.until(lambda: hanging.connections > connected, what='one of them to be tried')
    for _ in range(3):
        scenario.delivered(relay.send(good.user()), by=mx, level='encrypted', timeout=10)


def test_recovery_leaves_greylisted_mail_alone(world, relay):
    """What the server itself asked to come back later waits for its time."""
    relay.configure(queue={'retry': ['1h']}, delivery={'messages_per_connection': 1})
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT grey': '450 4.2.0 come back later'})
    grey = relay.send(domain.user('grey'))
    scenario.deferred(grey, 'smtp-reply', tried=[mx])
    mx.script.replies['banner'] = smtpd.CLOSE
    for name in ('a', 'b'):
        scenario.deferred(relay.send(domain.user(name)), 'connection-lost', tried=[mx])
    del mx.script.replies['banner']
    relay.queue('release', '--domain', domain.name)             # the way back in: everything, once
    waiting.until(lambda: len(mx.messages) == 2, timeout=30, what='both others')
    grey.wait('recipient', count=2)
    relay.send(domain.user('c')).gone()
    assert len(grey.events('recipient')) == 2


@pytest.mark.slow
def test_wave_of_temporary_refusals(world, relay):
    """Hundreds of destinations say 450 at once: none is lost, none is counted dead, and they do not come back together."""
    # The world's name server is slow where many ask at once; what is meant here is the mail servers' word.
    relay.configure(queue={'retry': ['10m']}, dns={'timeout': '60s'})
    domain = world.domain(insecure=True)
    mx = domain.host(preference=None, replies={'RCPT': '450 4.2.0 not now'})
    domain.add('*', 'MX', '10 mx')
    count, patience = WAVE, 90 + WAVE / 20
    mails = submit(relay, lambda n: f'u@d{n}.{domain.name}', count)
    wait_all = [m.wait('recipient', result='deferred', timeout=patience) for m in mails]
    assert {e['reason'] for e in wait_all} == {'smtp-reply'}
    times = [datetime.datetime.fromisoformat(e['next_attempt'].replace('Z', '+00:00')).timestamp() for e in wait_all]
    assert max(times) - min(times) > 120                        # H131: jittered by 15 % either way
    assert max(collections.Counter(int(t) for t in times).values()) <= count * 0.03 + 3
    mx.script.replies.clear()
    relay.queue('flush', '--all')
    waiting.until(lambda: relay.listed('--limit', '1') == [], timeout=patience, what='an empty queue')
    assert collections.Counter(m.sender for m in mx.messages) == {m.sender: 1 for m in mails}
