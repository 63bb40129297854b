"""How does the conversation with the next hop run, and whose fate is what? SC-020 … SC-093."""
import email
import hashlib

import pytest

from world import scenario, smtpd

pytestmark = pytest.mark.check_agrees        # DANE-130


@pytest.fixture
def domain(world):
    return world.domain(insecure=True)


@pytest.mark.smoke
def test_message_arrives_as_submitted(world, relay, domain):
    """SC-036, SC-037, SC-038, SC-039: dots, long lines, empty lines, all octets but NUL, CR and LF."""
    body = b'.\r\n..\r\n.x\r\n\r\n' + b'y' * 2500 + b'\r\n' + bytes(b for b in range(1, 256) if b not in (10, 13)) + b'\r\n.\r\n'[:3]
    mx = domain.host()
    mail = relay.send(domain.user(), body=body + b'\r\nend\r\n', mail_options=['BODY=8BITMIME'])
    scenario.delivered(mail, by=mx, level='encrypted')
    assert hashlib.sha256(mx.messages[0].body).digest() == hashlib.sha256(body + b'\r\nend\r\n').digest()
    assert 'BODY=8BITMIME' in mx.messages[0].parameters.upper()        # SC-074


def test_received_line(world, relay, domain):
    """SS-049: exactly one, on top."""
    mx = domain.host()
    mail = relay.send(domain.user())
    scenario.delivered(mail, by=mx, level='encrypted')
    added = mx.messages[0].data[:-len(mail.data)]
    assert added.count(b'Received:') == 1
    for part in (b'from client.test', b'by relay.test', b'with ESMTP', f'id {mail.id}'.encode(), b'for <'):
        assert part in added, added


@pytest.mark.parametrize('code', ['500', '502', '504', '550'])
def test_helo_when_ehlo_is_unknown(world, relay, domain, code):
    """SC-021."""
    mx = domain.host(replies={'EHLO': f'{code} 5.5.1 what'})
    scenario.delivered(relay.send(domain.user()), by=mx, level='none')
    assert mx.commands('HELO')


def test_no_helo_after_421(world, relay, domain):
    """SC-021, SC-031."""
    mx = domain.host(replies={'EHLO': smtpd.Reply('421 4.3.2 later', then='close')})
    mail = relay.send(domain.user())
    outcome = scenario.deferred(mail, mail.outcome()['reason'])
    assert outcome['reason'] == 'smtp-reply' and not mx.commands('HELO')


@pytest.mark.smoke
@pytest.mark.parametrize('pipelining', [True, False])
def test_four_recipients_four_fates(world, relay, domain, pipelining):
    """SC-052, SC-054, DQ-025: one delivered, one bounced, one deferred, one 251."""
    relay.configure(queue={'retry': ['1s']})
    capabilities = ('PIPELINING', '8BITMIME') if pipelining else ('8BITMIME',)
    mx = domain.host(capabilities=capabilities, replies={
        'RCPT two': '550 5.1.1 no such user', 'RCPT three': ['450 4.2.0 busy', '250 ok'], 'RCPT four': '251 will forward'})
    mail = relay.send([domain.user(n) for n in ('one', 'two', 'three', 'four')])
    for name in ('one', 'four'):
        assert mail.outcome(domain.user(name))['result'] == 'delivered'
    report = scenario.bounced(mail, 'smtp-reply', '5.1.1', domain.user('two'), tried=[mx])
    assert list(report.statuses) == [domain.user('two')] and '550 5.1.1 no such user' in report.recipients[0]['diagnostic-code']
    mail.wait('recipient', recipient=domain.user('three'), result='delivered')
    mail.gone()
    got = [sorted(r.split('@')[0] for r in m.recipients) for m in mx.messages]
    assert got == [['four', 'one'], ['three']]
    assert not mx.faults


@pytest.mark.parametrize('step, reply, result', [
    ('MAIL', '450 4.3.0 later', 'deferred'),            # SC-056
    ('MAIL', '550 5.7.1 not you', 'bounced'),
    ('RCPT', '450 4.2.0 busy', 'deferred'),
    ('RCPT', '452 4.5.3 too many', 'deferred'),
    ('RCPT', '552 5.2.2 full', 'deferred'),             # D-37
    ('RCPT', '550 5.1.1 unknown', 'bounced'),
    ('RCPT', '551 5.1.6 moved', 'bounced'),
    ('DATA', '451 4.3.0 later', 'deferred'),
    ('DATA', '554 5.6.0 no', 'bounced'),
    ('DOT',  '451 4.3.0 later', 'deferred'),
    ('DOT',  '554 5.7.1 spam', 'bounced'),
    ('DOT',  '599 odd', 'bounced'),                     # SC-028
    ('DOT',  '499 odd', 'deferred'),
])
def test_class_of_the_reply_decides(world, relay, domain, step, reply, result):
    """SC-054, SC-056, SC-092, SC-030."""
    mx = domain.host(replies={step: reply})
    mail = relay.send(domain.user())
    if result == 'deferred':
        outcome = scenario.deferred(mail, 'smtp-reply', tried=[mx])
    else:
        scenario.bounced(mail, 'smtp-reply', '5.', tried=[mx])
        outcome = mail.outcome()
    assert outcome['code'] == int(reply[:3])
    assert not mx.messages
    if reply[4].isdigit():
        # A code in words of the class that the outcome has: 552 to RCPT is taken as 452 (D-37).
        assert outcome['enhanced'] == ('4' if result == 'deferred' else '5') + reply.split()[1][1:]


@pytest.mark.parametrize('step', ['MAIL', 'RCPT', 'DATA'])
@pytest.mark.parametrize('configured', [True, False])
def test_relay_that_wants_to_know_who_we_are(world, relay, domain, step, configured):
    """SC-092: one that the operator configured is his to mend; of an MX host it is a refusal like any other."""
    mx = domain.host(replies={step: '530 5.7.0 Authentication required'})
    if configured:
        relay.configure(policies=[{'match': [domain.name], 'next_hop': f'[{mx.fqdn}]'}])
    mail = relay.send(domain.user())
    if configured:
        assert scenario.deferred(mail, 'smtp-reply', tried=[mx])['enhanced'] == '4.3.5'
    else:
        scenario.bounced(mail, 'smtp-reply', '5.7.0', tried=[mx])


@pytest.mark.parametrize('step', ['banner', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'DOT'])
@pytest.mark.parametrize('how', ['close', 'reset', '421'])
def test_session_ends_early(world, relay, domain, step, how):
    """SC-031, SC-032, SC-058: temporary, whatever the step."""
    reply = {'close': smtpd.CLOSE, 'reset': smtpd.RESET, '421': smtpd.Reply('421 4.3.2 bye', then='close')}[how]
    mx = domain.host(replies={step: reply})
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert outcome['result'] == 'deferred'
    assert outcome['reason'] in (('smtp-reply', 'connection-lost') if how == '421' else ('connection-lost', 'connect-failed'))
    assert not mx.messages


@pytest.mark.parametrize('step', ['banner', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'DOT'])
def test_peer_that_falls_silent(world, relay, domain, step):
    """SC-034."""
    relay.configure(delivery={'command_timeout': '1s', 'data_timeout': '1s'})
    domain.host(replies={step: smtpd.HANG})
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert (outcome['result'], outcome['reason']) == ('deferred', 'timeout')


def test_trickling_peer_cannot_stretch_a_step(world, relay, domain):
    """SC-035."""
    relay.configure(delivery={'command_timeout': '1s'})
    domain.host(trickle=0.2)
    mail = relay.send(domain.user())
    assert mail.outcome(timeout=15)['reason'] == 'timeout'


def test_patience_with_the_final_dot(world, relay, domain):
    """SC-034, D-22: data_timeout, not command_timeout, bounds the reply to the dot."""
    relay.configure(delivery={'command_timeout': '1s', 'data_timeout': '10s'})
    mx = domain.host(replies={'DOT': smtpd.Reply(delay=2)})
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


@pytest.mark.parametrize('step, reply', [
    ('banner', '220-first\n220 second'), ('STARTTLS', '220-two\n220 lines'), ('MAIL', '250'), ('RCPT', '250-one\n250 2.1.5 two'),
    ('DOT', '250 2.0.0 ' + 'x' * 1500), ('MAIL', '299 unheard of'), ('RCPT', '250 2.1.5 caf\udce9')])
def test_odd_but_lawful_replies(world, relay, domain, step, reply):
    """SC-028, SC-029."""
    mx = domain.host(replies={step: reply})
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')


@pytest.mark.parametrize('raw', [b'250-a\r\n251 b\r\n', b'250-x\r\n' * 6000 + b'250 x\r\n', b'250 ' + b'x' * 100000 + b'\r\n',
                                 b'150 x\r\n', b'abc\r\n', b'\r\n', b'\x00\xff\r\n'],
                         ids=['mixed', 'lines', 'long', '1yz', 'letters', 'empty', 'binary'])
def test_replies_beyond_reason(world, relay, domain, raw):
    """SC-029: deferred, the connection ended, memory bounded."""
    mx = domain.host(replies={'MAIL': smtpd.Reply(raw=raw)})
    mail = relay.send(domain.user())
    assert mail.outcome()['result'] == 'deferred'
    assert not mx.messages


def test_no_pipelining_unless_offered(world, relay, domain):
    """SC-050: strict ping-pong; the server notes anything sent ahead."""
    slow = smtpd.Reply(delay=0.2)
    mx = domain.host(capabilities=(), replies={'MAIL': slow, 'RCPT': slow})
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    assert not mx.faults


def test_every_recipient_refused_but_data_accepted(world, relay, domain):
    """SC-052: 354 all the same: nothing but the dot is sent, nothing counts as delivered."""
    mx = domain.host(replies={'RCPT': '550 5.1.1 no', 'DATA': '354 go on'})
    mail = relay.send(domain.user())
    scenario.bounced(mail, 'smtp-reply', '5.1.1', tried=[mx])
    assert not mx.messages and not mx.faults


def test_connection_is_reused(world, relay, domain):
    """SC-060: several messages, one connection, RSET or nothing between."""
    mx = domain.host()
    for i in range(4):
        scenario.delivered(relay.send(domain.user(f'u{i}')), by=mx, level='encrypted')
    assert mx.connections == 1


def test_connection_that_closed_between_messages_is_a_free_retry(world, relay, domain):
    """SC-060."""
    mx = domain.host(replies={'DOT': [smtpd.Reply('250 ok', then='close'), '250 ok']})
    first = relay.send(domain.user())
    scenario.delivered(first, by=mx, level='encrypted')
    second = relay.send(domain.user())
    scenario.delivered(second, by=mx, level='encrypted')


@pytest.mark.parametrize('then', ['close', 'reset'])
def test_accepted_and_gone_is_delivered_once(world, relay, domain, then):
    """SC-058: 250 and the end of the connection in one breath."""
    mx = domain.host(replies={'DOT': smtpd.Reply('250 ok', then=then)})
    mails = [relay.send(domain.user(f'u{i}')) for i in range(5)]
    for mail in mails:
        mail.gone()
    assert sorted(m.recipients for m in mx.messages) == sorted((domain.user(f'u{i}'),) for i in range(5))


def test_one_reply_too_many(world, relay, domain):
    """SC-052: an unasked reply after the first message is not taken for the next one's."""
    mx = domain.host(replies={'DOT': smtpd.Reply(raw=b'250 2.0.0 ok\r\n250 2.0.0 ok again\r\n'), 'RCPT bad': '550 5.1.1 no'})
    relay.send(domain.user('good')).outcome()
    bad = relay.send(domain.user('bad'))
    outcome = bad.outcome()
    assert (outcome['result'], outcome['code']) == ('bounced', 550)
    assert mx.connections >= 2


def test_one_reply_too_many_before_the_first_message(world, relay, domain):
    """SC-052, SC-058: it would be taken for that to MAIL, and the recipient's 250 for that to the content, which is refused."""
    capabilities = b'250-CHUNKING\r\n250 SIZE\r\n250 2.0.0 ok again\r\n'
    mx = domain.host(starttls='absent', replies={'EHLO': smtpd.Reply(raw=b'250-mx\r\n' + capabilities),
                                                 'BDAT': smtpd.Reply('554 5.7.1 no', delay=0.5)})
    assert relay.send(domain.user()).outcome()['result'] == 'deferred'
    assert not mx.messages


@pytest.mark.parametrize('pipelining', [True, False])
def test_goodbye_behind_a_reply(world, relay, domain, pipelining):
    """SC-031: a 421 that nothing has asked for is still the server's word, and the reason."""
    capabilities = ('SIZE', '8BITMIME') + (('PIPELINING',) if pipelining else ())
    domain.host(starttls='absent', capabilities=capabilities,
                replies={'RCPT': smtpd.Reply(raw=b'250 2.1.5 ok\r\n421 4.3.2 going down\r\n', then='close')})
    outcome = relay.send(domain.user()).outcome()
    assert (outcome['result'], outcome['reason'], outcome['code']) == ('deferred', 'smtp-reply', 421)


def test_after_a_failed_transaction(world, relay, domain):
    """SC-059: RSET, or a new connection, before the next MAIL."""
    mx = domain.host(replies={'RCPT bad': '550 5.1.1 no'})
    relay.send(domain.user('bad')).outcome()
    scenario.delivered(relay.send(domain.user('good')), by=mx, level='encrypted')


def test_last_quit_is_not_waited_for(world, relay, domain):
    """SC-033."""
    relay.configure(delivery={'idle_reuse': '0s'})
    mx = domain.host(replies={'QUIT': smtpd.HANG})
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted', timeout=5)


def test_size_is_told(world, relay, domain):
    """SC-070."""
    mx = domain.host()
    scenario.delivered(relay.send(domain.user()), by=mx, level='encrypted')
    size = [p for p in mx.messages[0].parameters.split() if p.startswith('SIZE=')]
    assert size == [f'SIZE={len(mx.messages[0].data)}']


def test_too_large_for_the_next_hop(world, relay, domain):
    """SC-071."""
    mx = domain.host(capabilities=('SIZE 1000',))
    mail = relay.send(domain.user(), body=b'x' * 70 + b'\r\n' + b'y' * 2000 + b'\r\n')
    scenario.bounced(mail, 'message-too-large', '5.3.4')
    assert mx.silent


@pytest.mark.parametrize('capabilities', [('SIZE',), ('SIZE 0',), ('SIZE huge',)])
def test_size_without_a_limit(world, relay, domain, capabilities):
    """SC-071."""
    mx = domain.host(capabilities=capabilities)
    scenario.delivered(relay.send(domain.user(), body=b'y' * 2000 + b'\r\n'), by=mx, level='encrypted')


@pytest.mark.parametrize('lines', [1, 30000], ids=['small', 'large'])
def test_eight_bit_body_to_a_seven_bit_host(world, relay, domain, lines):
    """SC-073: converted, and announced by what it has become; a large one is never whole in memory."""
    mx = domain.host(capabilities=('SIZE',))
    mail = relay.send(domain.user(), body='Grüße\r\n'.encode() * lines, mail_options=['BODY=8BITMIME'],
                      header=b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n')
    assert mail.outcome()['result'] == 'delivered'
    message = mx.messages[0]
    assert all(b < 128 for b in message.data) and f'SIZE={len(message.data)}' in message.parameters
    assert email.message_from_bytes(message.data).get_payload(decode=True).decode() == 'Grüße\r\n' * lines


def test_size_counts_after_conversion(world, relay, domain):
    """SC-071, SC-073: what grows beyond the limit by it goes to a host that takes it as it is."""
    small = domain.host(preference=10, capabilities=('SIZE 8000',))
    large = domain.host('b', 20, capabilities=('SIZE 80000', '8BITMIME'))
    mail = relay.send(domain.user(), body=('ü' * 300 + '\r\n').encode() * 11, mail_options=['BODY=8BITMIME'],
                      header=b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n')
    scenario.delivered(mail, by=large, level='encrypted')
    assert small.silent and [a['reason'] for a in mail.attempts] == ['message-too-large', '']


@pytest.mark.parametrize('what, needed', [('flag', False), ('header', True), ('recipient', True)])
@pytest.mark.parametrize('offered', [True, False])
def test_smtputf8(world, relay, domain, what, needed, offered):
    """SC-077, SC-078, D-16."""
    mx = domain.host(capabilities=('8BITMIME', 'SMTPUTF8') if offered else ('8BITMIME',))
    header = 'X-Who: Jürgen\r\n'.encode() if what == 'header' else b''
    to = domain.user('jürgen' if what == 'recipient' else 'rcpt')
    mail = relay.send(to, header=header, mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
    if needed and not offered:
        scenario.bounced(mail, 'smtputf8-unsupported', '5.6.7')
        assert not mx.messages
    else:
        scenario.delivered(mail, by=mx, level='encrypted')
        assert ('SMTPUTF8' in mx.messages[0].parameters) == needed


def test_one_utf8_recipient_costs_the_others_nothing(world, relay, domain):
    """SC-077: they need no more than the host offers."""
    mx = domain.host(capabilities=('8BITMIME',))
    plain, utf8 = domain.user('plain'), domain.user('jürgen')
    mail = relay.send([utf8, plain], mail_options=['SMTPUTF8'])
    scenario.delivered(mail, by=mx, level='encrypted', recipient=plain)
    outcome = mail.outcome(recipient=utf8)
    assert (outcome['result'], outcome['reason'], outcome['enhanced']) == ('bounced', 'smtputf8-unsupported', '5.6.7')
    assert [m.recipients for m in mx.messages] == [(plain,)]


def test_null_sender(world, relay, domain):
    """SC-083, DQ-021."""
    mx = domain.host()
    mail = relay.send(domain.user(), sender='')
    mx.wait_messages()
    assert mx.commands('MAIL')[0].startswith('MAIL FROM:<>')
    assert mail.relay.events.wait_for(lambda e: e.get('event') == 'removed')


@pytest.mark.parametrize('address', ['"a b"@{d}', 'UPPER.Case@{d}', 'a+b=c@{d}', '"quo\\"te"@{d}', "o'brien@{d}"])
def test_addresses_leave_as_they_came(world, relay, domain, address):
    """SC-084."""
    mx = domain.host()
    to = address.format(d=domain.name)
    relay.talk('EHLO client.test', 'MAIL FROM:<s@sender.test>', f'RCPT TO:<{to}>', 'DATA', b'Subject: x\r\n\r\nx\r\n.\r\n', 'QUIT')
    assert mx.wait_messages()[0].recipients == (to,)


def test_recipients_of_one_destination_share_a_transaction(world, relay, domain):
    """SC-011."""
    mx = domain.host()
    mail = relay.send([domain.user(f'u{i}') for i in range(10)])
    for i in range(10):
        assert mail.outcome(domain.user(f'u{i}'))['result'] == 'delivered'
    assert [len(m.recipients) for m in mx.messages] == [10]


def test_soft_reason_prevails(world, relay, domain):
    """SC-093, SC-057: a permanent refusal at one host, a temporary one before it at another: 5yz to RCPT is final."""
    first = domain.host('a', 10, replies={'banner': '421 4.3.2 busy'})
    second = domain.host('b', 20, replies={'RCPT': '550 5.1.1 no'})
    mail = relay.send(domain.user())
    outcome = mail.outcome()
    assert outcome['result'] in ('bounced', 'deferred')
    assert first.silent and not second.messages


def test_loop_guard(world, relay, domain):
    """SC-094, SS-051."""
    relay.start()
    domain.host()
    header = b''.join(b'Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n' for _ in range(120))
    with relay.connect() as client:
        client.ehlo()
        client.mail('s@sender.test')
        client.rcpt(domain.user())
        code, text = client.data(header + b'Subject: x\r\n\r\nx\r\n')
    assert code == 554 and text.startswith(b'5.4.6')


@pytest.mark.parametrize('where', ['banner', 'EHLO'])
def test_peer_that_greets_with_our_name(world, relay, domain, where):
    """SC-008: greets, or answers EHLO."""
    said = {'banner': '220 Relay.test ESMTP', 'EHLO': '250-relay.test\n250 STARTTLS'}[where]
    mx = domain.host(name='mx', replies={where: said})
    scenario.bounced(relay.send(domain.user()), 'mail-loop', '5.4.6')
    assert mx.silent


def test_dsn_parameters_keep_their_form(world, relay, domain):
    """SC-079, SS-097: order and case as received, over a restart."""
    mx = domain.host(replies={'RCPT': ['450 4.2.0 later', '250 2.1.5 ok']})
    mail = relay.send((domain.user(), ['NOTIFY=Delay,failure,SUCCESS', 'ORCPT=Rfc822;x+2By@orig.test']),
                      mail_options=['RET=Full', 'ENVID=aB+2B'])
    mail.wait('recipient', result='deferred')
    relay.restart()
    relay.queue('flush', '--all')
    message = mx.wait_messages()[0]
    assert 'RET=Full' in message.parameters and 'ENVID=aB+2B' in message.parameters
    assert message.recipient_parameters[0].split() == ['NOTIFY=Delay,failure,SUCCESS', 'ORCPT=Rfc822;x+2By@orig.test']


def test_dsn_parameters_are_passed_on(world, relay, domain):
    """SC-079, DQ-027."""
    mx = domain.host()
    mail = relay.send((domain.user(), ['NOTIFY=SUCCESS,FAILURE', 'ORCPT=rfc822;x+2By@orig.test']),
                      mail_options=['RET=HDRS', 'ENVID=QQ+2B314'])
    scenario.delivered(mail, by=mx, level='encrypted')
    message = mx.messages[0]
    assert 'RET=HDRS' in message.parameters and 'ENVID=QQ+2B314' in message.parameters
    assert 'NOTIFY=SUCCESS,FAILURE' in message.recipient_parameters[0]
    assert 'ORCPT=rfc822;x+2By@orig.test' in message.recipient_parameters[0]
    mail.gone()
    assert not mail.reports()


def test_dsn_parameters_are_kept_from_hosts_without_dsn(world, relay, domain):
    """SC-080: and NOTIFY=SUCCESS yields our "relayed" notice."""
    mx = domain.host(capabilities=('PIPELINING',))
    mail = relay.send((domain.user(), ['NOTIFY=SUCCESS']), mail_options=['RET=HDRS', 'ENVID=QQ314'])
    scenario.delivered(mail, by=mx, level='encrypted')
    report = mail.report()
    assert report.actions == {domain.user(): 'relayed'}
    assert report.per_message.get('original-envelope-id') == 'QQ314'


@pytest.mark.parametrize('limit', [1, 3])
def test_messages_per_connection(world, relay, domain, limit):
    """SC-060."""
    relay.configure(delivery={'messages_per_connection': limit, 'connections_per_destination': 1})
    mx = domain.host()
    mails = [relay.send(domain.user(f'u{i}')) for i in range(6)]
    for mail in mails:
        assert mail.outcome()['result'] == 'delivered'
    sessions = [m.session for m in mx.messages]
    assert max(sessions.count(s) for s in set(sessions)) <= limit


def test_concurrency_per_destination_is_bounded(world, relay, domain):
    """SC-061: never more than connections_per_destination; a server that allows fewer still gets everything."""
    relay.configure(delivery={'connections_per_destination': 4}, queue={'retry': ['1s']})
    mx = domain.host(connections=2)
    mails = [relay.send(domain.user(f'u{i}')) for i in range(30)]
    for mail in mails:
        mail.wait('recipient', result='delivered', timeout=60)
    assert len(mx.messages) == 30
