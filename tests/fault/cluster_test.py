"""Is anything lost, stuck or needlessly doubled when relays on one PostgreSQL queue are killed, and the database restarts, is
full, slow, out of connections or gone? DQ-001, DQ-003, DQ-005, DQ-006, H127, H135.

A message is promised when the client has read the 250 to its final dot; every promised one arrives. It may arrive twice only
where something died between the next hop's 250 and our commit, or where the answer to that commit was lost for longer than a
lease.
"""
import collections
import itertools
import os
import random
import subprocess
import tempfile
import time

import pytest

from world import load, postgres, relay as world_relay, waiting

pytestmark = [pytest.mark.skipif(not postgres.available(), reason='PostgreSQL 15 is not installed'), pytest.mark.slow]

RELAYS, WIDTH, ROUNDS = 3, 8, 9


@pytest.fixture(scope='module')
def server(lab):
    made = postgres.Server()
    yield made
    made.close()


class Cluster:
    def __init__(self, lab, world, server):
        self.server, self.conninfo, self.relays = server, server.database(), []
        for n in range(1, RELAYS + 1):
            relay = world_relay.Relay(lab, before_action=world.publish)
            relay.address = (f'127.0.1.{n}', 2525)
            relay.configure(hostname=f'relay{n}.test', listeners=[{'address': f'127.0.1.{n}:2525'}],
                            queue={'store': 'postgres', 'postgres': self.conninfo, 'retry': ['1s']},
                            delivery={'connections_per_destination': WIDTH}, limits={'connections_per_client': 100})
            self.relays.append(relay)

    def start(self):
        for relay in self.relays:
            relay.start(wait=False)
        for relay in self.relays:
            relay.events.wait_for(lambda e: e.get('event') == 'ready', what='ready')
        return self

    def queued(self):
        return int(self.server.sql('SELECT count(*) FROM danelaw.message WHERE finished IS NULL'))

    def close(self):
        for relay in self.relays:
            if relay.running:
                relay.process.terminate()               # all at once; close() waits for each
        complaints = [c for relay in self.relays for c in relay.close()]
        for relay in self.relays:
            relay.clean()
        return complaints


@pytest.fixture
def cluster(lab, world, server):
    made = Cluster(lab, world, server)
    yield made
    if server.process.poll() is not None:
        server.start()
    server.thaw()
    assert not (complaints := made.close()), complaints


class Traffic:
    def __init__(self, cluster, addresses, clients=6):
        self.clients = [load.Load(f'c{i}', self._turns(cluster), addresses, timeout=100) for i in range(clients)]
        for client in self.clients:
            client.start()

    @staticmethod
    def _turns(cluster):
        """From any relay on, one after the other."""
        turns = itertools.count(random.randrange(RELAYS))
        return lambda: cluster.relays[next(turns) % RELAYS].address

    def promised(self):
        return sum(len(c.promised) for c in self.clients)

    def refused(self):
        return sum((c.refused for c in self.clients), collections.Counter())

    def more(self, count=1, timeout=30):
        """Waits for further promised messages."""
        before = self.promised()
        waiting.until(lambda: self.promised() >= before + count, timeout, f'{count} more promised messages')

    def stop(self):
        for client in self.clients:
            client.halt.set()
        for client in self.clients:
            client.join(100)
        return {n: to for c in self.clients for n, to in c.promised.items()}


def under_load(world, cluster, promised):
    """All relays at work for one host, and so many messages promised."""
    domain = world.domain(insecure=True)
    mx = domain.host()
    cluster.start()
    traffic = Traffic(cluster, [domain.user()])
    traffic.more(promised)
    return mx, traffic


def counts(hosts):
    numbers = (m.header.split(b'X-Number: ')[1].split(b'\r\n')[0].decode()
               for h in hosts for m in h.messages if b'X-Number: ' in m.header)
    return collections.Counter(numbers)


def settled(cluster, promised, hosts, timeout=60):
    """Everything promised arrived and nothing is left; returns how many came more than once."""
    waiting.until(lambda: not set(promised) - set(counts(hosts)), timeout, f'all {len(promised)} promised messages', 0.2)
    waiting.until(lambda: cluster.queued() == 0, timeout, 'an empty queue', 0.2)
    assert all(m.body == b'x' * 60 + b'\r\n' for h in hosts for m in h.messages)
    seen = counts(hosts)
    return {n: c for n, c in seen.items() if c > 1}


def test_relays_killed_and_the_database_restarted_under_load(world, cluster, server, request):
    fast, plain, greylisting = world.domain(), world.domain(insecure=True), world.domain(insecure=True)
    hosts = [fast.host(tlsa=['3 1 1']), plain.host(),
             greylisting.host(replies={'RCPT': lambda session, address: '450 4.2.0 later' if random.random() < 0.3 else None})]
    cluster.start()
    traffic = Traffic(cluster, [d.user() for d in (fast, plain, greylisting)])
    chance = random.Random(request.node.name)
    restarts = {3: 'fast', 6: 'immediate'}
    for turn in range(ROUNDS):
        traffic.more(10)
        time.sleep(chance.uniform(0.5, 2))              # the moment of the kill is the experiment, not a wait
        if turn in restarts:
            server.restart(restarts[turn])
            continue
        relay = cluster.relays[turn % RELAYS]
        relay.kill9()
        relay.start()
    promised = traffic.stop()
    doubled = settled(cluster, promised, hosts)
    kills = ROUNDS - len(restarts)
    print(f'\n{kills} kills, {len(restarts)} restarts of the database, {len(promised)} promised, {len(doubled)} doubled, '
          f'refused {dict(traffic.refused())}')
    assert len(promised) > 200
    assert not set(traffic.refused()) - {421, 451, 452}
    # DQ-005: what was in flight when something died.
    assert sum(c - 1 for c in doubled.values()) <= (kills + RELAYS * len(restarts)) * WIDTH * len(hosts)


def test_database_gone_and_back(world, cluster, server):
    """451 while it is away, /health says so; what was sent meanwhile is recorded, not sent again; delivery resumes by itself."""
    mx, traffic = under_load(world, cluster, 30)
    server.stop()
    waiting.until(lambda: traffic.refused()[451] > 5, what='451')
    before = traffic.promised()
    waiting.until(lambda: not cluster.relays[0].run('status', '--json').status == 0, what='status to fail')
    server.start()
    traffic.more(30)
    assert traffic.promised() > before
    doubled = settled(cluster, traffic.stop(), [mx])
    assert not doubled
    assert not set(traffic.refused()) - {421, 451, 452}


def test_database_out_of_connections(world, cluster, server):
    """A relay that is thrown out and can't come back loses and doubles nothing; it goes on when there is room for it."""
    mx, traffic = under_load(world, cluster, 10)
    name = cluster.conninfo.split('dbname=')[1]
    server.sql(f"UPDATE pg_database SET datallowconn = false WHERE datname = '{name}'", 'postgres')
    server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'", 'postgres')
    waiting.until(lambda: traffic.refused()[451] > 5, what='451')
    server.sql(f"UPDATE pg_database SET datallowconn = true WHERE datname = '{name}'", 'postgres')
    traffic.more(10)
    assert not settled(cluster, traffic.stop(), [mx])


def test_database_that_hangs(world, cluster, server):
    """Frozen for longer than a lease: nobody is told 250, and afterwards everybody goes on with what is theirs."""
    mx, traffic = under_load(world, cluster, 10)
    server.freeze()
    before = traffic.promised()
    frozen = time.monotonic()
    waiting.until(lambda: time.monotonic() - frozen > 5, what='five seconds')
    assert traffic.promised() - before <= len(traffic.clients)
    server.thaw()
    traffic.more(10)
    assert not settled(cluster, traffic.stop(), [mx])


@pytest.fixture
def small_disk(server):
    """A tablespace that is soon full; grow() helps."""
    mount = tempfile.mkdtemp(prefix='dl-full-', dir='/tmp')
    owner = f',uid={server.user.pw_uid}' if server.user else ''
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m,mode=700' + owner, 'none', mount], check=True)
    server.sql(f"CREATE TABLESPACE small LOCATION '{mount}'", 'postgres')
    yield lambda: subprocess.run(['mount', '-o', 'remount,size=400m', mount], check=True)
    server.sql(f'DROP DATABASE q{server.databases} WITH (FORCE)', 'postgres')
    server.sql('DROP TABLESPACE small', 'postgres')
    subprocess.run(['umount', mount], check=True)
    os.rmdir(mount)


def submit(relay, sender, to, size):
    with relay.connect() as client:
        client.ehlo()
        client.mail(sender)
        client.rcpt(to)
        return client.data(b'Subject: x\r\n\r\n' + b'x' * size + b'\r\n')[0]


def test_database_full(world, small_disk, cluster, server):
    """452 for new mail; what is queued stays, and is delivered and recorded when there is room again."""
    server.sql(f'ALTER DATABASE q{server.databases} SET TABLESPACE small', 'postgres')
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': '450 4.2.0 busy'})
    relay = cluster.relays[0].configure(queue={'retry': ['1h']})
    relay.start()
    codes = {}
    while list(codes.values()).count(452) < 3 and len(codes) < 60:
        sender = f'n{len(codes)}@sender.test'
        codes[sender] = submit(relay, sender, domain.user(), 900_000)
    promised = {sender for sender, code in codes.items() if code == 250}
    assert set(codes.values()) == {250, 452}
    assert {m['sender'] for m in relay.listed()} == promised
    small_disk()
    mx.script.replies.clear()
    relay.queue('release', '--all')
    waiting.until(lambda: {m.sender for m in mx.messages} == promised, what='all')
    waiting.until(lambda: relay.listed() == [], what='an empty queue')
    assert len(mx.messages) == len(promised)
    assert submit(relay, 'again@sender.test', domain.user(), 900_000) == 250
    relay.stop()
