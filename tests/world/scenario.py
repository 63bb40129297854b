"""What must hold when a message was delivered, deferred or bounced?

Each expectation also asserts what always holds: no host but the one named saw a mail transaction, what was delivered is
what was submitted, TLS where TLS is claimed, and servers noticed no breach of the protocol.
"""
from . import waiting


def hosts_of(mail):
    return mail.relay.scene.hosts()


def saw(server, mail):
    return [c for c in server.commands('MAIL') if f'<{mail.sender}>' in c]


def _nobody_else(mail, allowed):
    for host in hosts_of(mail):
        for server in host.servers:
            if host not in allowed and server not in allowed:
                assert not saw(server, mail), f'{host.fqdn} [{server.address}] saw MAIL:\n{server.transcript()}'
            assert not server.faults, f'{host.fqdn}: {server.faults}\n{server.transcript()}'


def delivered(mail, by, level, recipient=None, count=1, tried=(), timeout=30, altered=False):
    """by: the Host (or Server) that must have the message. tried: hosts that may have seen a transaction too."""
    outcome = mail.outcome(recipient, count, timeout)
    host = by.host if not hasattr(by, 'fqdn') else by.fqdn
    seen = (outcome['result'], outcome.get('tls_level'), outcome.get('host'))
    assert seen == ('delivered', level, host), f'{seen}, reason {outcome.get("reason")}: {outcome.get("text")}'
    server = by if not hasattr(by, 'servers') else None
    servers = [server] if server else by.servers
    to = recipient or mail.recipients[0]

    def copies(_):
        return [m for s in servers for m in s.messages if m.sender == mail.sender and
                any(r.lower() == to.lower() for r in m.recipients)]
    waiting.until(lambda: copies(None), what=f'message at {host}')
    got = copies(None)
    assert len(got) == 1, f'{len(got)} copies'
    assert got[0].tls == (level != 'none')
    if not altered:
        assert got[0].data.endswith(mail.data), (mail.data, got[0].data)
        assert got[0].data.startswith(b'Received: ')
    _nobody_else(mail, [by, *tried])
    return outcome


def deferred(mail, reason, recipient=None, count=1, tried=(), timeout=30):
    """Not delivered, still queued, and nobody but `tried` heard of it."""
    outcome = mail.outcome(recipient, count, timeout)
    seen = (outcome['result'], outcome.get('reason'))
    assert seen == ('deferred', reason), f'{seen}: {outcome.get("text")}'
    _nobody_else(mail, tried)
    queued = [m for m in mail.relay.listed() if m['id'] == mail.id]
    assert queued, 'deferred, but not in the queue'
    states = {r['address']: r['state'] for r in queued[0]['recipients']}
    assert states[recipient or mail.recipients[0]] == 'queued'
    return outcome


def bounced(mail, reason, status=None, recipient=None, tried=(), timeout=30, result='bounced'):
    """Given up, with a report at the sender's server."""
    outcome = mail.outcome(recipient, 1, timeout) if result == 'bounced' else mail.wait(
        'recipient', timeout=timeout, recipient=recipient or mail.recipients[0], result=result)
    seen = (outcome['result'], outcome.get('reason'))
    assert seen == (result, reason), f'{seen}: {outcome.get("text")}'
    _nobody_else(mail, tried)
    report = mail.report(timeout)
    to = recipient or mail.recipients[0]
    assert report.actions.get(to) == 'failed', report.actions
    if status:
        assert report.statuses[to].startswith(status), report.statuses
    return report
