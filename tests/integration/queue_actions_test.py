"""Does an operator reach exactly the mail that is meant, see it before acting, and hold what is still to come? DQ-019."""
import pytest

from world import scenario, waiting


def deferred_at(world, relay, reply, name='mx', count=2):
    domain = world.domain(insecure=True)
    mx = domain.host(name, replies={'RCPT': reply})
    mails = [relay.send(domain.user(str(n))) for n in range(count)]
    for mail in mails:
        mail.wait('recipient', result='deferred')
    return domain, mx, mails


def counts(done):
    assert done.status == 0, done.err
    return done.json['messages'], done.json['recipients']


def ids(relay, *filter_):
    return {m['id'] for m in relay.listed(*filter_)}


def test_by_last_host_and_reason(world, relay):
    one, mx_one, first = deferred_at(world, relay, '450 4.2.0 busy')
    two, mx_two, second = deferred_at(world, relay, '450 4.2.0 busy', 'mx.far')
    closed = world.domain(insecure=True)
    closed.host(server=False)
    lost = relay.send(closed.user())
    lost.wait('recipient', result='deferred')
    first_ids, second_ids = {m.id for m in first}, {m.id for m in second}
    assert ids(relay, '--mx', mx_one.fqdn.upper()) == first_ids
    assert ids(relay, '--mx', '.' + two.name) == second_ids         # a provider's hosts
    assert ids(relay, '--mx', two.name) == set()
    assert ids(relay, '--reason', 'smtp-reply') == first_ids | second_ids
    assert ids(relay, '--reason', 'connect-failed') == {lost.id}
    assert ids(relay, '--older-than', '1h') == set() and len(ids(relay, '--older-than', '0s')) == 5
    # Seen before it is done, and nothing was done.
    assert counts(relay.queue('delete', '--mx', mx_one.fqdn, '--dry-run', '--json')) == (2, 2)
    assert relay.queue('delete', '--mx', mx_one.fqdn, '--dry-run').out == 'would delete: 2 messages, 2 recipients\n'
    assert len(relay.listed()) == 5
    assert counts(relay.queue('release', '--all', '--dry-run', '--json')) == (5, 5)
    assert relay.queue('hold', 'nosuchid', '--dry-run').status == 1
    assert counts(relay.queue('delete', '--mx', mx_one.fqdn, '--json')) == (2, 2)
    assert ids(relay) == second_ids | {lost.id}


def test_bounce_with_a_reason(world, relay):
    """DQ-019, DQ-049: the operator's words reach the sender."""
    domain, mx, mails = deferred_at(world, relay, '450 4.2.0 busy', count=1)
    assert relay.queue('bounce', mails[0].id, '--status', '4.1.1').status == 2
    done = relay.queue('bounce', mails[0].id, '--text', 'that company has closed', '--status', '5.1.6')
    assert done.status == 0, done.err
    report = mails[0].report()
    assert report.statuses[domain.user('0')] == '5.1.6'
    assert 'that company has closed' in report.text
    assert mails[0].outcome(count=2)['text'] == 'that company has closed'
    mails[0].gone()


@pytest.mark.parametrize('by', ['domain', 'sender'])
def test_hold_what_arrives(world, relay, by):
    """Rules outlive a restart; what was let go is not caught again; others' mail flows."""
    domain, other = world.domain(insecure=True), world.domain(insecure=True)
    mx, mx_other = domain.host(), other.host()
    words = ['--domain', domain.name.upper()] if by == 'domain' else ['--sender', 'News@sender.test']
    sender = 'news@sender.test' if by == 'sender' else None
    assert relay.queue('hold', '--new', '--all').status == 2
    assert counts(relay.queue('hold', '--new', *words, '--json')) == (0, 0)
    relay.restart()
    assert words[1].lower() in relay.queue('holds').out
    held = relay.send(domain.user(), sender=sender)
    free = relay.send((other if by == 'domain' else domain).user('free'))
    assert held.wait('recipient')['reason'] == 'policy-hold'
    free.gone()
    assert ids(relay, '--state', 'held') == {held.id}
    relay.queue('release', held.id)
    held.wait('recipient', result='delivered')
    again = relay.send(domain.user('again'), sender=sender and 'NEWS@sender.test')
    waiting.until(lambda: len(ids(relay, '--state', 'held')) == 1, what='the next one to be held')
    assert counts(relay.queue('release', '--new', *words, '--json')) == (1, 1)
    again.wait('recipient', result='delivered') if by == 'domain' else mx.wait_messages(3)
    assert relay.queue('holds', '--json').json == []
    relay.send(domain.user('last'), sender=sender and f'news2@sender.test').gone()


@pytest.mark.parametrize('named', ['ids', 'domain'])
def test_flush_waits_until_each_was_tried(relay, world, named):
    """`queue flush --wait` comes back when the retry is over, and says what still waits."""
    good, bad = world.domain(), world.domain()
    mx = good.host(tlsa=['3 1 1 wrong'])
    bad.host(tlsa=['3 1 1 wrong'])
    mine, other = relay.send(good.user()), relay.send(bad.user())
    scenario.deferred(mine, 'tlsa-invalid')
    scenario.deferred(other, 'tlsa-invalid')
    chosen = [mine.id] if named == 'ids' else ['--domain', good.name]
    done = relay.queue('flush', *chosen, '--wait')
    assert done.status == 0 and '1 recipient waits for another attempt' in done.out, done.out + done.err
    assert len(mine.events('recipient')) == 2 and len(other.events('recipient')) == 1
    assert not mx.messages
    both = relay.queue('flush', '--all', '--wait')
    assert both.status == 0 and '2 recipients wait' in both.out
    assert len(mine.events('recipient')) == 3 and len(other.events('recipient')) == 2


def test_status_is_one_screen(relay, world):
    """The most urgent first; at most a screen's lines whatever waits."""
    relay.configure(policies=[{'match': ['.many.test'], 'hold': True}])
    good, bad = world.domain(), world.domain()
    mx = good.host(tlsa=['3 1 1'])
    bad.host(tlsa=['3 1 1 wrong'])
    scenario.delivered(relay.send(good.user()), mx, 'dane-ee')
    relay.send([f'user@d{i}.many.test' for i in range(60)]).outcome('user@d59.many.test')
    scenario.deferred(relay.send(bad.user()), 'tlsa-invalid')
    lines = relay.run('status').out.splitlines()
    assert lines[0].startswith('danelaw ') and lines[0].endswith('healthy')
    assert len(lines) <= 50 and max(map(len, lines)) <= 160
    text = '\n'.join(lines)
    for words in ('2 messages, 61 recipients', '1 in the last minute', 'dane-ee', '100.0%', 'tlsa-invalid', 'policy-hold', 'last failures'):
        assert words in text, f'{words} in\n{text}'


def test_what_a_policy_holds_goes_when_it_is_released(world, relay):
    """DQ-019: though the policy stays, over attempts that fail and a restart; what was not released stays."""
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': ['450 4.2.0 later', '450 4.2.0 later', '250 2.1.5 ok']})
    relay.configure(policies=[{'match': [domain.name], 'hold': True}])
    first, second = relay.send(domain.user('first')), relay.send(domain.user('second'))
    for mail in (first, second):
        assert mail.outcome()['reason'] == 'policy-hold'
    assert mx.untouched
    relay.queue('release', first.id)
    assert first.outcome(count=2)['reason'] == 'smtp-reply'
    relay.queue('flush', '--all')
    assert first.outcome(count=3)['reason'] == 'smtp-reply'
    relay.restart()
    relay.queue('flush', '--all')
    assert mx.wait_messages()[0].recipients == (domain.user('first'),)
    assert [m['id'] for m in relay.listed()] == [second.id] and len(mx.messages) == 1
