"""Restarts under load, the service manager holding the sockets: does any client notice more than a 421? SS-027, SS-052, DQ-001.

Four clients connect and send without a pause while the daemon is stopped and started again. No connection is refused or
reset, each session ends as its client wants or with 421, and every 250 is kept.
"""
import pytest

from world import activation, load, waiting

RESTARTS = 3
CLIENTS = 4


@pytest.fixture
def sockets(relay):
    held = activation.Sockets(relay, '127.0.0.1:2525')
    yield held
    held.close()


@pytest.mark.slow
def test_restarts_lose_no_connection(world, relay, sockets):
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    relay.configure(queue={'retry': ['1s']})
    relay.start()
    with load.running(relay, [domain.user()], CLIENTS, timeout=60 * waiting.SLOW) as clients:
        for _ in range(RESTARTS):
            clients.wait_promises(20)
            assert relay.stop() == 0
            waiting.until(lambda: sockets.waiting() == CLIENTS, what='all clients before the closed door')
            relay.start()
        clients.wait_promises(20)
    assert {getattr(trouble, 'smtp_code', repr(trouble)) for trouble in clients.troubles} <= {421}
    assert len(clients.troubles) >= RESTARTS
    assert set(clients.refused) <= {421}
    clients.assert_kept_once(relay, mx)
