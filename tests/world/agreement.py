"""Does `danelaw check` say of every destination of a scenario what delivery has just done? DANE-130.

A module (or test) marked `check_agrees` is held to it by the relay's fixture when the test has ended: for each domain
the last outcome that the log tells is compared with what the pre-flight says then, with the same configuration and the
same world. A scenario in which they can't be compared is marked `check_differs` with the reason.
"""

VERDICTS = {'delivered': 'deliver', 'deferred': 'defer', 'expired': 'defer', 'bounced': 'bounce'}
# What a server says to a message, and what a message asks for, is beyond a conversation that ends after EHLO.
OF_THE_MESSAGE = {'smtp-reply', 'connection-lost', 'timeout', 'message-too-large', 'smtputf8-unsupported',
                  '8bitmime-unsupported', 'requiretls-unsupported'}


# A reset may come before or after connect() returns: two runs of one program can tell it differently.
OF_THE_MOMENT = {'connect-failed', 'connection-lost'}


def domain_of(recipient):
    return recipient.rsplit('@', 1)[1].lower()


def assert_agrees(facts, status, outcome):
    """facts and status: of `check --json`; outcome: the 'recipient' event."""
    seen = (facts['verdict'], facts['level'] if facts['verdict'] == 'deliver' else facts['reason'])
    wanted = (VERDICTS[outcome['result']], outcome['tls_level'] if outcome['result'] == 'delivered' else outcome['reason'])
    assert seen == wanted, f'check says {seen} ({facts["text"]}), delivery said {wanted} ({outcome.get("text")})'
    assert status == (0 if seen[0] == 'deliver' else 1)


def last_outcomes(relay):
    """domain -> the last 'recipient' event; reports to the sender are none of the scenario's."""
    return {domain_of(e['recipient']): e for e in relay.events.all()
            if e.get('event') == 'recipient' and domain_of(e['recipient']) != 'sender.test'}


def compare(relay):
    """The relay has stopped; its world still stands. Under a moved clock (relay.environment) commands can't be compared."""
    if relay.environment or relay.prefix:
        return
    for domain, outcome in last_outcomes(relay).items():
        done = relay.check(domain)
        assert done.out, done.err
        if outcome.get('reason') in OF_THE_MESSAGE and done.json['verdict'] == 'deliver':
            continue
        facts = done.json
        if {facts['reason'], outcome.get('reason')} == OF_THE_MOMENT:
            facts['reason'] = outcome['reason']
        assert_agrees(facts, done.status, outcome)
