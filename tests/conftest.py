"""Fixtures: a world for the session, a scene (`world`) and a relay for each test.

The session moves into a network namespace of its own before any test starts: see world/netns.py.
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from world import agreement  # noqa: E402
from world import lab as world_lab  # noqa: E402
from world import relay as world_relay  # noqa: E402


@pytest.fixture(scope='session')
def lab():
    made = world_lab.Lab()
    yield made
    made.close()


@pytest.fixture
def world(lab, request):
    scene = lab.scene(request.node.name)
    yield scene
    if getattr(request.node, 'failed', False):
        print('\n--- what the servers saw\n' + scene.report())
    scene.close()


@pytest.fixture
def relay(lab, world, request):
    """The daemon, not started yet: it starts with the first message or command."""
    if not os.access(world_relay.binary(), os.X_OK):
        pytest.fail(f'no binary at {world_relay.binary()}: build it, or set DANELAW')
    made = world_relay.Relay(lab, before_action=world.publish)
    made.scene = world
    yield made
    complaints = made.close()
    if getattr(request.node, 'failed', False):
        path = os.path.join(made.work, 'log')
        if os.path.exists(path):
            with open(path, errors='replace') as f:
                print('\n--- the relay\'s log\n' + f.read()[-20000:])
    try:
        assert not complaints, complaints
        held_to_it = request.node.get_closest_marker('check_agrees') and not request.node.get_closest_marker('check_differs')
        if held_to_it and not getattr(request.node, 'failed', False):
            agreement.compare(made)
    finally:
        made.clean()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.failed = True
