"""What becomes of mail when a dialogue with the next hop fails, once, at any of its steps and in any way? H108, SC-020, SC-031,
SC-032, SC-034, SC-054, SC-056 … SC-059, DANE-121.

Each step of a dialogue fails at a server of its own, all at the same time; the next attempt meets an honest server. Nothing is
lost, nothing arrives twice but where the last reply was, and nothing goes in clear where policy forbids it.
"""
import dataclasses

import pytest

from world import smtpd

LARGE = b'.line that is more than a dot\r\n' * 5000        # three chunks


@dataclasses.dataclass(frozen=True)
class Dialogue:
    capabilities: tuple
    tls: str = 'absent'                 # absent · may · dane
    body: bytes = b'.dot\r\n'
    options: tuple = ()                 # of MAIL
    recipient_options: tuple = ()

    @property
    def chunks(self):
        return 'CHUNKING' in self.capabilities

    def steps(self, kind):
        """Those that can fail so."""
        secured = ['STARTTLS', 'handshake', 'EHLO in TLS'] if self.tls != 'absent' else []
        content = ['BDAT'] * (len(self.body) > 65536) + ['LAST'] if self.chunks else ['DATA', 'DOT']
        if kind not in ('4yz', '5yz'):      # such a reply in the midst of content is the reply to its end
            content.append('CONTENT')
        return ['banner', 'EHLO', *secured, 'MAIL', 'RCPT', *content, 'RSET', 'QUIT']


DIALOGUES = {
    'stepwise': Dialogue(()),
    'pipelined': Dialogue(('PIPELINING', 'SIZE', '8BITMIME'), body=LARGE),
    'dsn': Dialogue(('PIPELINING', 'DSN'), options=('RET=HDRS', 'ENVID=x1'), recipient_options=('NOTIFY=FAILURE',)),
    'chunk': Dialogue(('CHUNKING',)),
    'chunks': Dialogue(('CHUNKING', 'PIPELINING', '8BITMIME'), body=LARGE),
    'may': Dialogue(('PIPELINING', 'SIZE'), tls='may'),
    'dane': Dialogue(('8BITMIME',), tls='dane'),
    'dane-chunks': Dialogue(('CHUNKING', 'PIPELINING', 'DSN'), tls='dane', body=LARGE),
}

KINDS = {
    '4yz': smtpd.Reply('450 4.7.1 not now'),
    '5yz': smtpd.Reply('554 5.7.1 no'),
    '421': smtpd.Reply('421 4.3.2 going', then='close'),
    'close': smtpd.CLOSE,
    'garbage': smtpd.Reply(raw=b'\x16\x03 what?\r\n'),
    'stall': smtpd.HANG,
}
HANDSHAKES = {'4yz': 'plain-error', '5yz': 'alert', '421': 'reset', 'close': 'close', 'garbage': 'garbage', 'stall': 'hang'}


class Case:
    """One step that fails at a host of its own."""

    def __init__(self, world, dialogue, step, kind):
        self.dialogue, self.step, self.kind = dialogue, step, kind
        self.domain = world.domain(insecure=dialogue.tls != 'dane')
        script = {'starttls': 'absent' if dialogue.tls == 'absent' else 'offered'}
        if step == 'handshake':
            self.failing = smtpd.Once(HANDSHAKES[kind])
            script['handshake'] = lambda: self.failing(None, '') or 'ok'
        else:
            reply = KINDS[kind]
            if step == 'CONTENT' and kind == 'garbage':
                reply = dataclasses.replace(reply, then='close')
            self.failing = smtpd.Once(reply, self._fits)
            key = {'EHLO in TLS': 'EHLO', 'LAST': 'BDAT'}.get(step, step)
            script['replies'] = {key: self.failing}
        if step == 'RSET':                  # follows what was refused
            script['replies']['RCPT'] = smtpd.Once('450 4.2.0 busy')
        self.host = self.domain.host(capabilities=dialogue.capabilities, tlsa=['3 1 1'] if dialogue.tls == 'dane' else (), **script)

    def _fits(self, session, argument):
        if self.step in ('BDAT', 'LAST'):
            return argument.upper().endswith('LAST') == (self.step == 'LAST')
        return session.tls or self.step != 'EHLO in TLS'

    @property
    def clear_text_will_do(self):
        """RFC 3207 4: the server's no to STARTTLS, and no policy that asks for it."""
        return self.dialogue.tls == 'may' and self.step == 'STARTTLS' and self.kind in ('4yz', '5yz')

    @property
    def first_outcome(self):
        if self.step == 'QUIT' or self.clear_text_will_do:
            return 'delivered'
        refused = self.kind == '5yz' and self.step in ('MAIL', 'RCPT', 'DATA', 'DOT', 'BDAT', 'LAST')
        return 'bounced' if refused else 'deferred'

    @property
    def reply_lost(self):
        """The server had it all, and nobody heard what it said."""
        return self.step in ('DOT', 'LAST') and self.kind in ('close', 'garbage', 'stall')

    def check(self, mail):
        to = self.domain.user()
        assert mail.outcome(to)['result'] == self.first_outcome, mail.outcome(to)
        assert self.failing.given or self.step == 'QUIT'
        if self.first_outcome == 'bounced':
            assert mail.report().actions == {to: 'failed'}
        else:
            mail.wait('recipient', recipient=to, result='delivered')
        mail.gone()
        self._check_copies(mail)
        self._check_way(mail)

    def _check_copies(self, mail):
        wanted = 0 if self.first_outcome == 'bounced' else 2 if self.reply_lost else 1
        if wanted:
            self.host.wait('message')       # a server may note it just after its reply
        copies = self.host.facts('message') + self.host.facts('cut')
        assert len(copies) == wanted
        assert all(c.data.data.endswith(mail.data) for c in copies)
        assert any(a.get('possible_duplicate') for a in mail.attempts) or not self.reply_lost

    def _check_way(self, mail):
        transactions = [f for f in self.host.facts('command') if f.verb in ('MAIL', 'RCPT', 'DATA', 'BDAT')]
        if self.dialogue.tls != 'absent' and not self.clear_text_will_do:
            assert all(f.tls for f in transactions)
        for parameter in self.dialogue.options:
            assert all(parameter in c for c in self.host.commands('MAIL'))
        other = 'DATA' if self.dialogue.chunks else 'BDAT'
        # Silence after a BDAT: the next attempt is by DATA.
        silent = self.dialogue.chunks and self.step in ('BDAT', 'LAST', 'CONTENT')
        assert not self.host.commands(other) or silent
        assert not self.host.faults
        if self.step == 'QUIT':
            self.host.wait('command', 'QUIT')


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('name', DIALOGUES)
def test_every_step_may_fail(world, relay, name, kind):
    dialogue = DIALOGUES[name]
    relay.configure(queue={'retry': ['1s']}, delivery={'idle_reuse': '100ms'})
    if kind == 'stall':
        relay.configure(delivery={k: '2s' for k in ('handshake_timeout', 'command_timeout', 'data_timeout')})
    cases = [Case(world, dialogue, step, kind) for step in dialogue.steps(kind)]
    with relay.connect() as client:
        mails = [relay.send(case.domain.user(), body=dialogue.body, mail_options=dialogue.options, connection=client,
                            recipient_options=dialogue.recipient_options) for case in cases]
    problems = []
    for case, mail in zip(cases, mails, strict=True):
        try:
            case.check(mail)
        except AssertionError as e:
            problems.append(f'{case.step}: {e}\n{case.host.server.transcript()}')
    assert not problems, '\n\n'.join(problems)
