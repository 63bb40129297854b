"""Is a queue on PostgreSQL one queue for all its relays, and does it outlive them, the server's absence, and a move from
one store to the other? DQ-001, DQ-006, DQ-064, H135.
"""
import os
import shutil
import signal
import socket
import threading
import time

import pytest

from world import postgres, relay as world_relay, scenario, smtpd, waiting

pytestmark = pytest.mark.skipif(not postgres.available(), reason='PostgreSQL 15 is not installed')


@pytest.fixture(scope='module')
def server(lab):
    made = postgres.Server()
    yield made
    made.close()


def on_postgres(relay, conninfo, number=1):
    relay.address = ('127.0.0.1', 2524 + number)
    return relay.configure(hostname=f'relay{number}.test', queue={'store': 'postgres', 'postgres': conninfo, 'retry': ['1h']},
                           listeners=[{'address': f'127.0.0.1:{2524 + number}'}])


@pytest.fixture
def shared(relay, server):
    return on_postgres(relay, server.database())


@pytest.fixture
def second(lab, world, shared):
    """Another relay on the same queue."""
    made = on_postgres(world_relay.Relay(lab, before_action=world.publish), shared.config['queue']['postgres'], 2)
    yield made
    complaints = made.close()
    made.clean()
    assert not complaints, complaints


def holders(relay, identity=None):
    return {r.get('relay') for m in relay.listed() if identity in (None, m['id']) for r in m['recipients']}


@pytest.mark.smoke
def test_delivers_and_keeps(world, shared):
    """DQ-001, DQ-004: content of any size, deferral, restart, trace."""
    one, two = world.domain(insecure=True), world.domain()
    slow = one.host(replies={'RCPT': ['450 4.2.0 busy', '250 ok']})
    good = two.host(tlsa=['3 1 1'])
    large = shared.send(two.user(), body=b'0123456789abcde\r\n' * 40000)
    scenario.delivered(large, good, 'dane-ee')
    mail = shared.send(one.user())
    scenario.deferred(mail, 'smtp-reply', tried=[slow])
    shared.restart()
    assert [m['id'] for m in shared.listed()] == [mail.id]
    assert shared.run('queue', 'trace', mail.id, '--json').json['attempts'][0]['code'] == 450
    shared.queue('release', mail.id)
    mail.wait('recipient', result='delivered')
    mail.gone()
    assert shared.listed() == []


def test_every_relay_shows_the_whole_queue_and_who_holds_what(world, shared, second):
    reached, go_on = [], threading.Event()
    domain, stuck = world.domain(insecure=True), world.domain(insecure=True)

    def hold_back(session, argument):
        reached.append(argument)
        go_on.wait(20)
    domain.host(replies={'DOT': hold_back})
    stuck.host(replies={'RCPT': '450 4.2.0 busy'})
    shared.start()
    second.start()
    here, there, waits = shared.send(domain.user('a')), second.send(domain.user('b')), shared.send(stuck.user())
    waits.wait('recipient', result='deferred')
    waiting.until(lambda: len(reached) == 2, what='two deliveries under way')
    for relay in (shared, second):
        assert {m['id'] for m in relay.listed()} == {here.id, there.id, waits.id}
        assert {h.split('/')[0] for h in holders(relay, here.id)} == {'relay1.test'}
        assert {h.split('/')[0] for h in holders(relay, there.id)} == {'relay2.test'}
        assert holders(relay, waits.id) == {None}
        assert [(r['name'].split('/')[0], r['recipients']) for r in relay.status()['relays']] == [('relay1.test', 1),
                                                                                                  ('relay2.test', 1)]
    assert 'relay2.test/' in shared.run('status').out
    go_on.set()
    here.gone()
    there.gone()
    # An action on one acts on the whole queue, also on what another relay took.
    assert second.run('queue', 'delete', waits.id).status == 0
    assert shared.listed() == []


def test_two_relays_deliver_each_message_once(world, shared, second):
    """DQ-006."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    shared.start()
    second.start()
    mails = [r.send(domain.user(str(n))) for n in range(20) for r in (shared, second)]
    waiting.until(lambda: len(mx.messages) >= len(mails), what='all messages')
    waiting.until(lambda: shared.listed() == [], what='an empty queue')
    assert sorted(m.sender for m in mx.messages) == sorted(m.sender for m in mails)


def test_a_killed_relays_mail_is_taken_over(world, shared, second):
    """H135: no message stays longer than the lease and a minute; here the lease is all it takes."""
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'MAIL': [smtpd.HANG, smtpd.Reply()]})
    shared.start()
    second.start()
    mail = shared.send(domain.user())
    mx.wait('command', 'MAIL')
    shared.kill9()
    begin = time.monotonic()
    assert mx.wait_messages(timeout=40)[0].sender == mail.sender
    assert time.monotonic() - begin < 30 * waiting.SLOW
    waiting.until(lambda: second.listed() == [], what='an empty queue')
    assert len(mx.messages) == 1


@pytest.mark.slow
def test_a_paused_relay_does_not_go_on_with_what_it_lost(world, shared, second):
    """DQ-006, H135: stopped in DATA for longer than the lease, then woken: at most one duplicate, and none of what waited."""
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'DATA': [smtpd.Reply(delay=1), smtpd.Reply()]})
    shared.configure(delivery={'connections_per_destination': 1})
    shared.start()
    second.start()
    mails = [shared.send(domain.user(str(n))) for n in range(5)]
    mx.wait('command', 'DATA')
    shared.process.send_signal(signal.SIGSTOP)
    waiting.until(lambda: len({m.sender for m in mx.messages}) == len(mails), timeout=60, what='the others to take over')
    shared.process.send_signal(signal.SIGCONT)
    waiting.until(lambda: shared.listed() == [], what='an empty queue')
    waiting.until(lambda: shared.status()['relays'][0]['recipients'] == 0, what='nothing held')
    assert {m.sender for m in mx.messages} == {m.sender for m in mails}
    assert len(mx.messages) <= len(mails) + 1


def test_start_waits_for_the_database(world, shared, server):
    """Said, and nothing accepted meanwhile; then it goes on by itself."""
    server.stop()
    shared.start(wait=False)
    event = shared.events.wait_for(lambda e: e.get('event') == 'store', what='store')
    assert 'waiting for the database' in event['text'] and 'PostgreSQL' in event['text']
    with pytest.raises(OSError):
        socket.create_connection(shared.address, 1)
    server.start()
    shared.events.wait_for(lambda e: e.get('event') == 'ready', what='ready')
    mx = world.domain(insecure=True)
    mx.host()
    shared.send(mx.user()).gone()


def test_a_signal_while_it_waits(shared, server):
    """Contract: SIGHUP ends nothing; SIGTERM is a clean end at any time."""
    server.stop()
    shared.start(wait=False)
    shared.events.wait_for(lambda e: e.get('event') == 'store', what='store')
    shared.process.send_signal(signal.SIGHUP)
    server.start()
    shared.events.wait_for(lambda e: e.get('event') == 'ready', what='ready')
    shared.stop()
    server.stop()
    seen = len(shared.events)
    shared.start(wait=False)
    shared.events.wait_for(lambda e: e.get('event') == 'store', start=seen, what='store')
    assert shared.stop() == 0
    server.start()


def test_a_newer_queue_is_left_alone(shared, server):
    """DQ-064."""
    shared.restart()
    assert shared.stop() == 0
    server.sql('UPDATE danelaw.meta SET version = 99')
    shared.start(wait=False)
    assert shared.wait_exit() == 2
    assert any('version 99' in line for line in shared.noise)
    assert server.sql('SELECT version FROM danelaw.meta') == '99'


def test_wrong_connection_string(shared):
    shared.configure(queue={'postgres': 'hots=nowhere'})
    shared.start(wait=False)
    assert shared.wait_exit() == 2
    assert any('hots' in line for line in shared.noise)


@pytest.fixture
def moving(world, relay, server):
    """A queue of three on SQLite, and a database to move to."""
    relay.configure(queue={'postgres': server.database()})
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': '450 4.2.0 busy'})
    mails = [relay.send(domain.user(str(n)), body=b'x' * 70 * 1000 + b'\r\n') for n in range(3)]
    for mail in mails:
        mail.wait('recipient', result='deferred')
    relay.queue('hold', mails[0].id)
    return mx, mails


def test_migrate_there_and_back(relay, moving):
    mx, mails = moving
    before = relay.listed()
    refused = relay.run('queue', 'migrate', '--from', 'sqlite', '--to', 'postgres')
    assert refused.status == 1 and refused.err                 # the daemon runs
    assert relay.stop() == 0
    done = relay.run('queue', 'migrate', '--from', 'sqlite', '--to', 'postgres')
    assert (done.status, done.out) == (0, 'moved 3 messages from sqlite to postgres\n'), done.err
    relay.configure(queue={'store': 'postgres'})
    relay.start()
    strip = [{**m, 'recipients': [{k: v for k, v in r.items() if k != 'relay'} for r in m['recipients']]} for m in relay.listed()]
    assert strip == before
    assert relay.run('queue', 'trace', mails[1].id, '--json').json['attempts']
    busy = relay.run('queue', 'migrate', '--from', 'postgres', '--to', 'sqlite')
    assert busy.status == 1 and 'stop' in busy.err
    assert relay.stop() == 0
    assert relay.run('queue', 'migrate', '--from', 'postgres', '--to', 'sqlite', '--json').json == {'moved': 3, 'damaged': 0}
    relay.configure(queue={'store': 'sqlite'})
    mx.script.replies.clear()
    relay.start()
    relay.queue('release', '--all')
    waiting.until(lambda: relay.listed() == [], what='an empty queue')
    assert sorted(m.data for m in mx.messages) == sorted(m.data for m in mx.messages if m.data.endswith(b'x\r\n'))
    assert sorted(m.sender for m in mx.messages) == sorted(m.sender for m in mails)


def test_migrate_goes_on_after_an_interruption(relay, moving, server, tmp_path):
    """What is in both queues, since the move was killed in between, is in one afterwards."""
    mx, mails = moving
    assert relay.stop() == 0
    copy = tmp_path / 'queue'
    shutil.copytree(relay.config['queue']['path'], copy)
    assert relay.run('queue', 'migrate', '--from', 'sqlite', '--to', 'postgres').status == 0
    shutil.rmtree(relay.config['queue']['path'])
    os.rename(copy, relay.config['queue']['path'])
    again = relay.run('queue', 'migrate', '--from', 'sqlite', '--to', 'postgres')
    assert again.status == 0, again.err
    assert server.sql('SELECT count(*), count(DISTINCT id) FROM danelaw.message') == '3|3'
    wrong = relay.run('queue', 'migrate', '--from', 'sqlite', '--to', 'sqlite')
    assert wrong.status == 2
