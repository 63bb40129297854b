"""Is DANE ever off in silence? Whatever stops validation is named in the log, turns /health and the metric red, and holds
mail back; healed, all three come right by themselves. DANE-010, DANE-001, H34, H36, H37.
"""
import http.client
import json
import re
import socket

import pytest

from world import clock, forwarder, scenario, waiting, zone


class _Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('localhost')
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def get(relay, path):
    """(status, text) from the admin socket, as a probe or Prometheus asks."""
    connection = _Unix(relay.config['admin']['address'].removeprefix('unix:'))
    connection.request('GET', path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def healthy(relay):
    """The two colours, which must always be the same: /health and the metric."""
    while True:
        status, text = get(relay, '/health')
        metric = re.search(r'^danelaw_healthy (\d)$', get(relay, '/metrics')[1], re.M)[1]
        if get(relay, '/health')[0] != status:
            continue                        # it changed in between
        assert (status == 200) == (metric == '1') == json.loads(text)['ok'], (status, text, metric)
        return status == 200


def told(relay):
    return relay.events.wait_for(lambda e: e.get('event') == 'dns' and 'trust' in e, what='what start-up found')


def stays_away(relay, world):
    """Under `dane` nothing leaves, and nobody is even dialled."""
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    mail = relay.send(domain.user())
    assert mail.outcome()['result'] == 'deferred' and mail.outcome()['reason'] in ('dnssec-invalid', 'dns-error')
    assert mx.untouched
    return domain, mx, mail


def test_proven_at_start_up(world, relay):
    """Said once, and green."""
    relay.start()
    event = told(relay)
    assert (event['level'], event['trust']) == ('info', 'proven') and 'the trust anchor of test' in event['text']
    waiting.until(lambda: healthy(relay), what='green')
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
    assert healthy(relay)


BROKEN = {
    # what is wrong: (trust, words in the log that lead to it)
    'anchor': ('bogus', ['the anchor may be outdated']),
    'forwarder': ('bogus', ['127.0.0.58', 'may remove DNSSEC data']),
    'unreachable': ('unreachable', ['do not answer']),
}


@pytest.mark.parametrize('what', ['anchor', 'forwarder', 'unreachable'])
def test_named_red_and_deferred(world, relay, lab, what):
    blind = None
    if what == 'anchor':
        relay.configure(dns={'trust_anchors': ['test. IN DS ' + zone.ds_text('test.', 'ecdsa', 'wrong')]})
    elif what == 'forwarder':
        blind = forwarder.Forwarder(lab, '127.0.0.58')
        blind.edit = forwarder.strip
        blind.configure(relay)
    else:
        relay.configure(dns={'stub_zones': [{'zone': 'test', 'servers': ['127.0.0.59@53']}], 'timeout': '2s'})
    trust, words = BROKEN[what]
    relay.start()
    event = told(relay)
    assert (event['level'], event['trust']) == ('error', trust)
    assert all(w in event['text'] for w in words), event['text']
    stays_away(relay, world)
    assert not healthy(relay)
    assert any(words[0] in p for p in relay.status()['health']['problems'])
    assert len([e for e in relay.events.all() if e.get('event') == 'dns' and 'trust' in e]) == 1      # not a line a message
    if blind:
        blind.close()


@pytest.mark.slow
@pytest.mark.parametrize('offset', ['-14d', '+400d'])
def test_clock_far_off(world, relay, offset):
    """H37, DANE-012: the log hints at the clock; put right while running, mail leaves and all is green again. What was kept
    under a clock that ran ahead is not kept for as long as it did."""
    wrong = clock.Clock(relay, offset)
    relay.configure(queue={'retry': ['5s'], 'lifetime': '5000d'})
    relay.start()
    event = told(relay)
    assert (event['level'], event['trust']) == ('error', 'bogus') and 'the clock may be wrong' in event['text'], event
    domain, mx, mail = stays_away(relay, world)
    assert not healthy(relay)
    wrong.set('+0')
    relay.queue('flush', '--all')
    waiting.until(lambda: healthy(relay), timeout=150, what='green again')
    relay.events.wait_for(lambda e: e.get('event') == 'dns' and e.get('trust') == 'proven', what='the proof in the log')
    relay.queue('flush', '--all')
    assert mail.wait('recipient', result='delivered', timeout=120)['tls_level'] == 'dane-ee'


def test_other_policies_need_no_anchor(world, relay):
    """Who asks for no DANE is not told of its absence."""
    relay.configure(tls={'policy': 'encrypt'}, dns={'trust_anchors': ['test. IN DS ' + zone.ds_text('test.', 'ecdsa', 'wrong')]})
    relay.start()
    assert healthy(relay)


def test_anchors_unreadable_at_a_reload(world, relay, tmp_path):
    """H36: a reload that would lose the anchors is refused by name; the old ones stay in force."""
    anchors = tmp_path / 'anchors'
    anchors.write_text(world.anchor + '\n')
    relay.configure(dns={'trust_anchors_file': str(anchors), 'trust_anchors': []})
    relay.start()
    anchors.write_text('')
    relay.write_config()
    seen = len(relay.events)
    relay.process.send_signal(1)
    failed = relay.events.wait_for(lambda e: e.get('event') == 'reload-failed', start=seen, what='reload-failed')
    assert str(anchors) in ' '.join(failed['problems'])
    domain = world.domain()
    mx = domain.host(tlsa=['3 1 1'])
    scenario.delivered(relay.send(domain.user()), by=mx, level='dane-ee')
