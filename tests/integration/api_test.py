"""Is the admin API what docs/openapi.yaml says, does it keep strangers and foreign web pages out, and are the metrics such
that Prometheus likes them? Contract: admin.address, admin.token_file.
"""
import datetime
import os
import shutil
import subprocess
import threading

import pytest
import yaml

from world import adminapi, postgres, scenario, waiting
from world.signing import Signing

ADMIN, READER = 'an-admin-token-0123456789', 'a-reading-token-9876543210'


def over_tcp(relay, tokens=f'# the team\n{ADMIN}\n{READER} read-only  # the dashboard\n', judge=None):
    """The relay with its API on TCP; a client with the admin token."""
    admin = {'address': '127.0.0.1:8025'}
    if tokens:
        admin['token_file'] = os.path.join(relay.work, 'tokens')
        with open(admin['token_file'], 'w') as f:
            f.write(tokens)
    relay.configure(admin=admin)
    if not relay.running:
        relay.start()
    return adminapi.Client('127.0.0.1:8025', ADMIN if tokens else None, judge)


# The description.

def ask_around(api, paths):
    """Every GET without a token, and every POST with one that may not, and as something else than JSON."""
    for path, method, operation, _ in api.judge.operations():
        target = path.replace('{id}', '0000000000000000')
        if '401' in operation['responses']:
            assert api.as_(None).ask(method, target, {'all': True} if method == 'POST' else None).status == 401, target
        if '403' in operation['responses'] and path not in ('/health', '/api'):
            body = {'domain': 'x.test'} if method == 'POST' else None
            assert api.as_(READER).ask(method, target, body).status == 403, target
        if '415' in operation['responses']:
            assert api.ask(method, target, b'all=1', {'Content-Type': 'text/plain'}).status == 415


def look_at_the_queue(api, mail, domain, mx):
    page = api.get('/api/queue?limit=1').json
    assert len(page) == 1
    brief = api.get('/api/queue?limit=1&recipients=0').json[0]
    assert brief == {**page[0], 'recipients': [], 'recipient_count': len(page[0]['recipients'])}
    for most in (1, 65536, 10**9):                              # any number, also one that no message reaches
        assert api.get(f'/api/queue?limit=1&recipients={most}').json[0]['recipient_count'] == brief['recipient_count']
    assert api.get('/api/queue?recipients=few').status == 400
    assert api.get(f'/api/queue?after={page[0]["id"]}').json[0]['id'] > page[0]['id']
    narrowed = f'/api/queue?domain={domain}&sender={mail.sender}&state=deferred&reason=tlsa-invalid&host={mx}&older_than=0s'
    assert [m['id'] for m in api.get(narrowed).json] == [mail.id]
    assert api.get('/api/queue?state=lost').status == 400
    assert api.get(f'/api/queue/{mail.id}').json['client']['protocol'] == 'ESMTP'
    attempt, = api.get(f'/api/queue/{mail.id}/trace').json['attempts']
    assert attempt['reason'] == 'tlsa-invalid'
    assert b'Subject: ' in api.get(f'/api/queue/{mail.id}/content?chunk=0').body
    assert api.get(f'/api/queue/{mail.id}/content?chunk=x').status == 400
    for part in ('', '/trace', '/content'):
        assert api.get('/api/queue/0000000000000000' + part).status == 404


def act_on_the_queue(api, mail, domain, mx):
    for action in ('flush', 'hold', 'release', 'bounce', 'delete'):
        assert api.post(f'/api/queue/{action}', {}).status == 400
        narrowed = {'ids': [mail.id, '0' * 16], 'domain': domain, 'sender': mail.sender, 'state': 'deferred', 'reason': 'tlsa-invalid',
                    'host': mx, 'older_than': '0s', 'dry_run': True}
        assert api.post(f'/api/queue/{action}', narrowed).json == {'messages': 1, 'recipients': 1, 'missing': ['0' * 16]}
    assert api.post('/api/queue/hold', {'domain': domain, 'new': True}).json['messages'] == 2
    assert [h['domain'] for h in api.get('/api/holds').json] == [domain]
    assert api.post('/api/queue/release', {'domain': domain, 'new': True}).status == 200
    assert api.get('/api/holds').json == []
    waiting.until(lambda: api.get(f'/api/queue/{mail.id}').json['state'] == 'deferred', what='deferred again')
    assert api.post('/api/queue/bounce', {'ids': [mail.id], 'text': 'No such project', 'status': '5.1.6'}).json['messages'] == 1
    assert api.post('/api/queue/delete', {'all': True}).status == 200


def check_domains(api, good, stalled):
    report = api.post('/api/check', {'domain': good.user(), 'mx': good.hosts[0].fqdn, 'probe': True}).json
    assert (report['verdict'], report['level']) == ('deliver', 'dane-ee')
    assert api.post('/api/check', {'domain': ''}).status == 400
    assert api.post('/api/check', {'domain': good.name, 'extra': 1}).status == 400
    assert api.post('/api/check', {'domain': good.name, 'probe': 'no'}).status == 400
    # As many at once as the relay wants, and one more.
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(api.post('/api/check', {'domain': stalled.name}).status)) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(answers) == [200] * 4 + [429] * 2


def tls_reports(api, relay):
    today = datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d')
    waiting.until(lambda: api.get(f'/api/tlsrpt?day={today}').json, what='a report of today')
    rehearsed = api.post(f'/api/tlsrpt?day={today}&dry_run=1', {}).json
    assert rehearsed[0]['mail'] and rehearsed[0]['destinations']
    assert api.get('/api/tlsrpt?day=tomorrow').status == 400
    assert api.post('/api/tlsrpt?day=tomorrow', {}).status == 400


def the_rest(api):
    with open(adminapi.DESCRIPTION) as f:
        assert yaml.safe_load(api.get('/api/openapi.yaml').text) == yaml.safe_load(f)
    api.get('/')
    script = api.get('/page/app.js')
    assert api.get('/page/app.js', **{'If-None-Match': script.headers['ETag']}).status == 304
    assert api.get('/page/openapi.yaml').status == 404
    assert api.get('/metrics').status == 200
    for span in ('15m', '24h'):
        assert api.get(f'/api/history?span={span}').json['step_s'] in (5, 300)
    assert api.get('/api/history?span=1y').status == 400
    assert api.get('/api/failures?limit=5').status == 200
    assert api.get('/api/failures?limit=few').status == 400
    assert api.get('/api/destinations?contains=x&reason=timeout&limit=1&offset=0').status == 200
    assert api.get('/api/destinations?limit=few').status == 400
    assert api.get('/api/policies').json['policies'][0]['until'] == '2099-01-31'
    assert api.ask('PUT', '/api').status == 405
    assert api.ask('DELETE', '/api').headers['Allow'] == 'GET'
    assert api.get('/api/nothing').status == 404


@pytest.mark.skipif(not postgres.available(), reason='PostgreSQL 15 is not installed')
def test_the_description_is_true(relay, world):
    """Every path, method, status, parameter and field of docs/openapi.yaml is met, and the server has no path besides."""
    judge = adminapi.Judge()
    signing = Signing(relay.work, 'rsa', 'relay.test', 'tlsrpt')
    relay.configure(
        policies=[{'match': ['later.test'], 'tls': 'may', 'insecure_mx': 'dane', 'on_failure': 'bounce', 'min_protocol': '1.3', 'mta_sts': 'off',
                   'next_hop': '[127.0.0.9]:26', 'note': 'until they mend it', 'until': '2099-01-31'}],
        tlsrpt={'organization': 'The Relay', 'contact': 'c@relay.test', 'from': 'tls@relay.test', 'dkim': signing.config})
    reports = world.domain(insecure=True)
    reports.host()
    bad, good, stalled = world.domain(), world.domain(), world.domain()
    bad.add('_smtp._tls', 'TXT', f'"v=TLSRPTv1; rua=mailto:{reports.user()}"')
    mx = bad.host(tlsa=['3 1 1 wrong'])
    good.host(tlsa=['3 1 1'])
    stalled.host()
    stalled.faults('@', 'MX', 'drop')
    api = over_tcp(relay, judge=judge)

    index = api.get('/api').json
    assert index['access'] == 'admin' and api.as_(READER).get('/api').json['access'] == 'read-only'
    described = {(m, p) for p, m, _, _ in judge.operations()}
    assert {(e['method'], e['path']) for e in index['endpoints']} == described
    ask_around(api, described)

    mail = relay.send(bad.user())
    scenario.deferred(mail, 'tlsa-invalid')
    again = relay.send(bad.user())
    scenario.deferred(again, 'tlsa-invalid')
    scenario.delivered(relay.send(good.user()), good.hosts[0], 'dane-ee')
    status = api.get('/api/status').json
    assert status['queue']['messages'] == 2 and status['failures'][0]['remedy']
    assert api.get('/api/destinations').json['destinations'][0]['domain'] == bad.name
    the_rest(api)
    tls_reports(api, relay)
    look_at_the_queue(api, mail, bad.name, mx.fqdn)
    act_on_the_queue(api, mail, bad.name, mx.fqdn)
    check_domains(api, good, stalled)

    # Not well, reports off, no token: what the API says then. And a queue that is shared.
    server = postgres.Server()
    try:
        relay.configure(limits={'min_free_disk': '900TiB'}, tlsrpt={'enabled': False}, queue={'retry': ['1h']})
        relay.restart()
        assert api.get('/health').status == 503 and api.get('/health').json['problems']
        assert api.as_(None).get('/health').json == {'ok': False, 'problems': []}
        assert api.get('/api/tlsrpt').status == 503 and api.post('/api/tlsrpt', {}).status == 503
        relay.configure(limits={'min_free_disk': '1MiB'}, queue={'store': 'postgres', 'postgres': server.database()}, admin={'token_file': ''})
        relay.restart()
        api = api.as_(None)
        waiting.until(lambda: api.get('/health').json == {'ok': True, 'problems': []}, what='trust proven, all well')
        assert api.get('/health', Host='evil.example').status == 403
        assert api.get('/api', Host='evil.example').status == 403
        stuck = world.domain()
        stuck.host(handshake='hang')
        held = relay.send(stuck.user())
        waiting.until(lambda: api.get('/api/queue').json[0]['recipients'][0].get('relay'), what='a relay works on it')
        assert api.get('/api/queue').json[0]['id'] == held.id
        assert api.get('/api/status').json['relays'][0]['name'].startswith(relay.config.get('hostname', ''))
    finally:
        relay.close()
        server.close()
    assert judge.unseen() == []


# Who gets in.

@pytest.mark.smoke
def test_tokens_and_what_they_allow(relay, world):
    domain = world.domain()
    domain.host(tlsa=['3 1 1 wrong'])
    api = over_tcp(relay)
    mail = relay.send(domain.user())
    scenario.deferred(mail, 'tlsa-invalid')
    for stranger in (api.as_(None), api.as_('guess'), api.as_(ADMIN + 'x'), api.as_(ADMIN[:-1])):
        answer = stranger.get('/api/status')
        assert answer.status == 401 and answer.headers['WWW-Authenticate'] == 'Bearer' and mail.id not in answer.text
        assert stranger.get('/api/nothing').status == 401          # not even which paths there are
        assert stranger.post('/api/queue/delete', {'all': True}).status == 401
        assert stranger.get('/health').status == 200
        assert stranger.get('/').status == 200                     # the page holds no data
    reader = api.as_(READER)
    assert reader.get(f'/api/queue/{mail.id}/trace').status == 200
    assert reader.get('/metrics').status == 200
    assert reader.get(f'/api/queue/{mail.id}/content').status == 403   # somebody's mail
    for action in ('flush', 'hold', 'release', 'delete', 'bounce'):
        assert reader.post(f'/api/queue/{action}', {'all': True}).status == 403
    assert len(api.get('/api/queue').json) == 1
    # The command line finds the stronger one in the same file.
    assert relay.run('queue', 'hold', mail.id).status == 0
    # A reload takes a new file over.
    with open(relay.config['admin']['token_file'], 'w') as f:
        f.write('another-token-entirely\n')
    relay.reload()
    assert api.get('/api').status == 401 and api.as_('another-token-entirely').get('/api').json['access'] == 'admin'


def test_a_file_of_tokens_that_is_wrong(relay):
    relay.configure(admin={'address': '127.0.0.1:8025', 'token_file': os.path.join(relay.work, 'tokens')})
    with open(relay.config['admin']['token_file'], 'w') as f:
        f.write('good\nsecret-token reader\n')
    done = relay.run('config', 'check')
    assert done.status == 1 and 'line 2' in done.out + done.err and 'secret-token' not in done.out + done.err


def test_a_foreign_page_cannot_use_the_operators_browser(relay, world):
    """Without a token, on loopback: no foreign name leads here, and no form or script of another site acts."""
    domain = world.domain()
    domain.host(tlsa=['3 1 1 wrong'])
    api = over_tcp(relay, tokens=None)
    scenario.deferred(relay.send(domain.user()), 'tlsa-invalid')
    delete = ('POST', '/api/queue/delete')
    for headers in ({'Host': 'evil.example:8025'}, {'Origin': 'https://evil.example'}, {'Origin': 'null'}, {'Sec-Fetch-Site': 'cross-site'}):
        assert api.ask(*delete, {'all': True}, headers).status == 403, headers
        assert api.get('/api/queue', **headers).status == 403, headers
    for kind in ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', None):
        assert api.ask(*delete, b'{"all": true}', {'Content-Type': kind}).status == 415, kind
    preflight = api.ask('OPTIONS', '/api/queue/delete', headers={'Origin': 'https://evil.example', 'Access-Control-Request-Method': 'POST'})
    assert preflight.status == 403 and 'Access-Control-Allow-Origin' not in preflight.headers
    assert len(api.get('/api/queue').json) == 1
    same = {'Origin': 'http://127.0.0.1:8025', 'Host': '127.0.0.1:8025', 'Sec-Fetch-Site': 'same-origin'}
    assert api.ask(*delete, {'all': True}, same).json['messages'] == 1


def test_every_answer_tells_browsers_to_be_careful(relay):
    api = over_tcp(relay)
    for path in ('/', '/page/app.js', '/api', '/metrics', '/health', '/api/nothing'):
        headers = api.get(path).headers
        assert headers['X-Content-Type-Options'] == 'nosniff' and headers['X-Frame-Options'] == 'DENY', path
        policy = headers['Content-Security-Policy']
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and 'unsafe' not in policy, path
    assert "script-src 'self'" in api.get('/').headers['Content-Security-Policy']
    page = api.get('/').text
    assert '<script>' not in page and ' on' not in page.replace(' on the terminal', '').lower() and 'style=' not in page


# Metrics.

def value_of(text, sample):
    line, = [l for l in text.splitlines() if l.startswith(sample + ' ')]
    return float(line.rpartition(' ')[2])


@pytest.mark.skipif(not shutil.which('promtool'), reason='promtool (Debian: prometheus) is not installed')
def test_prometheus_likes_the_metrics(relay, world):
    good, bad, slow = world.domain(), world.domain(), world.domain()
    good.host(tlsa=['3 1 1'])
    bad.host(tlsa=['3 1 1 wrong'])
    slow.host(server=False)
    relay.configure(policies=[{'match': ['sooner.test', 'later.test'], 'tls': 'may', 'until': '2099-01-31'}])
    api = over_tcp(relay)
    mail = relay.send([good.user(), good.user('other')])
    mail.outcome(mail.recipients[0])
    mail.outcome(mail.recipients[1])
    scenario.deferred(relay.send(bad.user()), 'tlsa-invalid')
    scenario.deferred(relay.send(slow.user()), 'connect-failed')
    text = api.get('/metrics').text
    told = subprocess.run(['promtool', 'check', 'metrics'], input=text, capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, ''), told.stderr
    assert value_of(text, 'danelaw_outcomes_total{result="delivered",reason="none",tls_level="dane-ee"}') == 2
    assert value_of(text, 'danelaw_outcomes_total{result="deferred",reason="tlsa-invalid",tls_level="none"}') == 1
    assert value_of(text, 'danelaw_queue_waiting{reason="tlsa-invalid"}') == 1
    assert value_of(text, 'danelaw_queue_recipients{state="deferred"}') == 2
    assert value_of(text, 'danelaw_handshakes_total') >= 1
    assert value_of(text, 'danelaw_store_commit_seconds_count') == value_of(text, 'danelaw_store_commit_operations_count') > 0
    assert value_of(text, 'danelaw_dns_answers_total{status="secure"}') > 0
    assert 'danelaw_policy_end_timestamp_seconds{entry="0",match="' in text
    labels = [l for l in text.splitlines() if not l.startswith('#')]
    assert not any(mail.sender in l or good.name in l for l in labels)     # bounded: no label from outside
