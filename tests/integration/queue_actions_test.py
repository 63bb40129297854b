"""Does an operator reach exactly the mail that is meant, see it before acting, and hold what is still to come? DQ-019."""
import pytest

from world import waiting


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
