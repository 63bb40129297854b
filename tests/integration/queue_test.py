"""Is what was answered 250 kept, retried, reported and shown to the operator? DQ-001 … DQ-019, DQ-063."""
import signal
import time

import pytest

from world import scenario, smtpd, waiting


def test_retry_schedule(world, relay):
    """DQ-013, SC-090: 1 s, then 2 s, the last value repeats; with jitter."""
    relay.configure(queue={'retry': ['1s', '2s']})
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': ['450 4.2.0 a', '450 4.2.0 b', '450 4.2.0 c', '250 ok']})
    mail = relay.send(domain.user())
    mail.wait('recipient', result='delivered', timeout=40)
    times = [f.time for f in mx.facts('command') if f.verb == 'RCPT']
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert 0.7 <= gaps[0] <= 1.9 and all(1.5 <= g <= 3.4 for g in gaps[1:]), gaps


@pytest.mark.parametrize('policy_failure', [True, False])
def test_expiry(world, relay, policy_failure):
    """DQ-017, D-36, SC-096: one last attempt past the lifetime, then a report with the last cause."""
    relay.configure(queue={'retry': ['1s'], 'lifetime': '3s'})
    domain = world.domain()
    if policy_failure:
        mx = domain.host(tlsa=['3 1 1 wrong'])
    else:
        mx = domain.host(replies={'RCPT': '450 4.2.0 mailbox busy today'})
    mail = relay.send(domain.user())
    report = scenario.bounced(mail, 'tlsa-invalid' if policy_failure else 'smtp-reply', '4.4.7', result='expired', tried=[mx])
    assert ('tlsa' if policy_failure else 'mailbox busy today') in report.text.lower()
    mail.gone()
    assert not mx.messages
    assert mx.silent or not policy_failure                              # DANE-121


def test_delay_warning(world, relay):
    """DQ-026: once per recipient."""
    relay.configure(queue={'retry': ['1s'], 'delay_warning': '2s'})
    domain = world.domain(insecure=True)
    domain.host(replies={'RCPT': '450 4.2.0 busy'})
    mail = relay.send(domain.user())
    report = mail.report()
    assert report.actions == {domain.user(): 'delayed'}
    assert report.recipients[0].get('will-retry-until')                 # DQ-050
    seen = len(mail.events('recipient'))
    mail.wait('recipient', count=seen + 2)
    assert len(mail.reports()) == 1 and len(mail.events('delay-sent')) == 1


def test_deferred_mail_survives_a_restart(world, relay):
    """DQ-001, DQ-007: with its identity and envelope."""
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': ['450 4.2.0 busy', '250 ok']})
    mail = relay.send((domain.user(), ['NOTIFY=FAILURE']), mail_options=['ENVID=keep'])
    before = scenario.deferred(mail, 'smtp-reply', tried=[mx])
    relay.restart()
    listed = relay.listed()
    assert [(m['id'], m['sender']) for m in listed] == [(mail.id, mail.sender)]
    relay.queue('flush', mail.id)
    mail.wait('recipient', result='delivered', timeout=40)
    assert 'ENVID=keep' in mx.messages[0].parameters and before['result'] == 'deferred'
    mail.gone()
    assert relay.listed() == []


@pytest.mark.smoke
def test_kill_and_start_again(world, relay):
    """DQ-001: SIGKILL right after the 250."""
    domain = world.domain(insecure=True)
    mx = domain.host(server=False)
    mail = relay.send(domain.user())
    assert mail.id
    relay.kill9()
    mx.servers.append(smtpd.Server(mx.fqdn, mx.addresses[0], mx.credential))
    world.servers += mx.servers
    relay.start()
    relay.queue('flush', '--all')
    assert mx.wait_messages()[0].data.endswith(mail.data)


@pytest.mark.smoke
def test_sigterm_ends_deliveries_in_flight(world, relay):
    """Contract: no new connections, deliveries in flight end, exactly once, then exit 0."""
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'DOT': smtpd.Reply(delay=1)})
    mail = relay.send(domain.user())
    mx.wait('command', 'DATA')
    assert relay.stop() == 0
    assert len(mx.messages) == 1
    relay.start()
    assert relay.listed() == []
    assert mail.events('removed') and len(mx.messages) == 1


def test_sigterm_does_not_wait_for_ever(world, relay):
    """Contract: at most drain_timeout; the message stays."""
    relay.configure(delivery={'drain_timeout': '1s', 'command_timeout': '60s'})
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'MAIL': smtpd.HANG})
    mail = relay.send(domain.user())
    mx.wait('command', 'MAIL')
    begin = time.monotonic()
    assert relay.stop() == 0
    assert time.monotonic() - begin < 5 * waiting.SLOW
    mx.script.replies.clear()
    relay.start()
    relay.queue('flush', '--all')
    assert mx.wait_messages()[0].sender == mail.sender


@pytest.fixture
def stuck(world, relay):
    """Three messages to two domains, deferred."""
    one, two = world.domain(insecure=True), world.domain(insecure=True)
    for domain in (one, two):
        domain.host(replies={'RCPT': '450 4.2.0 busy'})
    mails = [relay.send(one.user('a')), relay.send(one.user('b')), relay.send(two.user('c'))]
    for mail in mails:
        mail.outcome()
    return one, two, mails


@pytest.mark.smoke
def test_queue_list(relay, stuck):
    """Contract: the JSON of queue list and its filters."""
    one, two, mails = stuck
    listed = {m['id']: m for m in relay.listed()}
    assert set(listed) == {m.id for m in mails}
    entry = listed[mails[0].id]
    assert entry['sender'] == mails[0].sender and entry['state'] == 'deferred' and entry['size'] >= len(mails[0].data)
    recipient, = entry['recipients']
    assert (recipient['address'], recipient['state'], recipient['attempts']) == (one.user('a'), 'queued', 1)
    assert recipient['next_attempt'].endswith('Z') and entry['received_at'].endswith('Z')
    last = recipient['last']
    assert (last['result'], last['reason'], last['code'], last['enhanced']) == ('deferred', 'smtp-reply', 450, '4.2.0')
    assert {m['id'] for m in relay.listed('--domain', one.name)} == {mails[0].id, mails[1].id}
    assert {m['id'] for m in relay.listed('--sender', mails[2].sender)} == {mails[2].id}
    assert len(relay.listed('--limit', '2')) == 2 and relay.listed('--state', 'held') == []


def test_queue_show_and_trace(relay, stuck):
    """Contract; DANE-140: every attempt with its facts."""
    _, _, mails = stuck
    shown = relay.queue('show', mails[0].id)
    assert shown.status == 0 and mails[0].sender in shown.out
    assert b'Hello.' in relay.queue('show', mails[0].id, '--body').out.encode()
    assert 'Subject: ' in relay.queue('show', mails[0].id, '--headers').out
    trace = relay.queue('trace', mails[0].id)
    assert trace.status == 0
    for word in ('450', 'busy', 'mx.'):
        assert word in trace.out
    assert '450 4.' in trace.out and '450 4.' not in trace.out.split('450 4.', 1)[1].splitlines()[0]  # its reply, once
    assert relay.queue('show', 'no-such-id').status == 1
    assert relay.queue('trace', 'no-such-id').status == 1


@pytest.mark.parametrize('tlsa, behind', [(['3 1 1'], True), (['3 1 1 wrong'], False)])
def test_trace_names_an_insecure_mx_only_where_dane_held(world, relay, tlsa, behind):
    """DANE-028: authenticated, yet behind an MX that could be forged. A failed handshake says nothing about the MX."""
    domain, provider = world.domain(insecure=behind), world.domain()
    host = provider.host(preference=None, tlsa=tlsa) if behind else domain.host(tlsa=tlsa)
    if behind:
        domain.add('@', 'MX', f'10 {host.fqdn}.')
    mail = relay.send(domain.user())
    mail.outcome()
    assert ('behind an MX that is not secure' in relay.queue('trace', mail.id).out) is behind


def test_hold_and_release(world, relay, stuck):
    """DQ-019: held mail is not tried, also after a restart and a flush; release makes it due at once."""
    one, _, mails = stuck
    assert relay.queue('hold', mails[0].id).status == 0
    relay.restart()
    assert [m['state'] for m in relay.listed() if m['id'] == mails[0].id] == ['held']
    relay.queue('flush', '--all')
    mails[1].outcome(count=2)
    assert len(mails[0].events('recipient')) == 1
    assert relay.queue('release', mails[0].id).status == 0
    mails[0].outcome(count=2)


def test_flush_by_domain(relay, stuck):
    """DQ-019."""
    one, two, mails = stuck
    done = relay.queue('flush', '--domain', two.name)
    assert done.status == 0 and '1' in done.out
    mails[2].outcome(count=2)
    assert len(mails[0].events('recipient')) == 1


def test_delete_sends_no_report_bounce_does(relay, stuck):
    """DQ-019."""
    _, two, mails = stuck
    assert relay.queue('delete', mails[0].id).status == 0
    assert relay.queue('bounce', mails[2].id).status == 0
    report = mails[2].report()
    assert report.actions == {two.user('c'): 'failed'}
    assert {m['id'] for m in relay.listed() if m['sender']} == {mails[1].id}
    assert not mails[0].reports()


def test_actions_on_nothing(relay, stuck):
    """Contract: unknown ids 1, filters that match nothing 0, no selection 2."""
    assert relay.queue('hold', 'nothing').status == 1
    assert relay.queue('hold', '--domain', 'nothing.test').status == 0
    assert relay.queue('hold').status == 2
    for action in ('hold', 'release', 'delete'):
        assert relay.queue(action, '--all').status == 0
    assert relay.listed() == []


def test_status(relay, stuck):
    """Contract: one screen, and its JSON."""
    status = relay.status()
    assert (status['queue']['messages'], status['queue']['recipients'], status['queue']['deferred']) == (3, 3, 3)
    assert status['queue']['destinations'] == 2 and status['deferred_reasons']['smtp-reply'] >= 3
    assert status['health']['ok'] in (True, False)
    assert relay.run('status').status == 0


def test_daemon_that_cannot_be_reached(relay):
    """Contract: exit status 3."""
    relay.write_config()
    for command in (['queue', 'list'], ['queue', 'list', '--json'], ['status'], ['queue', 'flush', '--all']):
        told = relay.run(*command)
        assert (told.status, told.out) == (3, '')


def test_events_in_order(world, relay):
    """DQ-063: accepted, attempt, recipient, removed, once each."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level='dane-ee')
    mail.gone()
    names = [e['event'] for e in relay.events.all() if e.get('id') == mail.id]
    assert names == ['accepted', 'attempt', 'recipient', 'removed']


def test_one_dead_destination_does_not_hold_up_another(world, relay):
    """DQ-016: with every connection of the dead one occupied."""
    relay.configure(delivery={'command_timeout': '30s'})
    dead, good = world.domain(insecure=True), world.domain(insecure=True)
    stuck_host, mx = dead.host(replies={'banner': smtpd.HANG}), good.host()
    for i in range(60):
        relay.send(dead.user(f'u{i}'))
    stuck_host.wait('connected')
    mail = relay.send(good.user())
    scenario.delivered(mail, by=mx, level='encrypted', timeout=5)
    relay.kill9()


def test_lifetime_is_the_one_configured_now(world, relay):
    """Contract: SIGHUP; a changed lifetime applies to queued mail."""
    relay.configure(queue={'retry': ['1s'], 'lifetime': '5d'})
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': '450 4.2.0 busy'})
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'smtp-reply', tried=[mx])
    relay.configure(queue={'lifetime': '1s'})
    relay.reload()
    mail.wait('recipient', result='expired', timeout=30)


def test_reload_keeps_the_old_configuration_when_the_new_is_wrong(world, relay):
    """Contract: SIGHUP."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    relay.start()
    relay.config['nonsense'] = 1
    relay.write_config()

    relay.process.send_signal(signal.SIGHUP)
    relay.events.wait_for(lambda e: e.get('level') in ('error', 'warn') and 'nonsense' in str(e), what='a complaint')
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


def test_minimum_of_free_disk(relay):
    """SS-024."""
    relay.configure(limits={'min_free_disk': '900000GiB'})
    replies = relay.talk('EHLO client.test', 'MAIL FROM:<a@sender.test>', 'QUIT')
    assert replies[2].startswith('452 4.3.1')
