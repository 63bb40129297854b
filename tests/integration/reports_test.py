"""When is a delivery report sent, and what does it look like? DQ-020 … DQ-060; RFC 3461, 3464."""
import email

import pytest

from world import scenario
from world.signing import Signing


@pytest.fixture
def refusing(world):
    domain = world.domain(insecure=True)
    domain.host(capabilities=('PIPELINING', '8BITMIME'), replies={'RCPT': '550-5.1.1 no such user\n550 5.1.1 here'})
    return domain


@pytest.mark.smoke
def test_form(relay, refusing):
    """DQ-028, DQ-029, DQ-040 … DQ-050."""
    mail = relay.send((refusing.user(), ['ORCPT=rfc822;first+2Blast@orig.test']), mail_options=['ENVID=QQ+2B314'])
    report = scenario.bounced(mail, 'smtp-reply', '5.1.1', tried=refusing.hosts)
    message = report.message
    assert message.get_content_type() == 'multipart/report' and message.get_param('report-type') == 'delivery-status'
    assert [p.get_content_type() for p in message.iter_parts()][:2] == ['text/plain', 'message/delivery-status']
    assert message['to'] == mail.sender or mail.sender in str(message['to'])
    assert 'relay.test' in str(message['from']) and message['auto-submitted'] and message['message-id'] and message['date']
    assert report.per_message['reporting-mta'] == 'dns; relay.test' and report.per_message['arrival-date']
    assert report.per_message['original-envelope-id'] == 'QQ+314'
    recipient, = report.recipients
    assert recipient['original-recipient'] in ('rfc822;first+last@orig.test', 'rfc822; first+last@orig.test')
    assert recipient['final-recipient'] == f'rfc822; {refusing.user()}'
    assert recipient['remote-mta'] == f'dns; mx.{refusing.name}'
    assert recipient['diagnostic-code'].startswith('smtp; 550') and 'no such user' in recipient['diagnostic-code']
    for words in (refusing.user(), 'no such user'):
        assert words in report.text
    envelope = next(m for m in relay.lab.sender.messages if mail.sender in m.recipients)
    assert envelope.sender == '' and 'NOTIFY' not in ' '.join(envelope.recipient_parameters).replace('NOTIFY=NEVER', '')
    assert envelope.tls                                                 # DQ-061: sender.test has DANE


def test_no_orcpt_no_envid(relay, refusing):
    """DQ-044, DQ-045: only if they were given."""
    report = scenario.bounced(relay.send(refusing.user()), 'smtp-reply', tried=refusing.hosts)
    assert 'original-envelope-id' not in report.per_message and 'original-recipient' not in report.recipients[0]


@pytest.mark.parametrize('ret, kind', [('FULL', 'message/rfc822'), ('HDRS', 'text/rfc822-headers'), (None, 'message/rfc822')])
def test_what_is_returned(relay, refusing, ret, kind):
    """DQ-052."""
    mail = relay.send(refusing.user(), body=b'the body\r\n', mail_options=[f'RET={ret}'] if ret else [])
    report = scenario.bounced(mail, 'smtp-reply', tried=refusing.hosts)
    assert report.returned_type == kind
    assert (b'the body' in report.data) == (kind == 'message/rfc822')


@pytest.mark.parametrize('notify, reported', [('NEVER', False), ('SUCCESS', False), ('DELAY', False), ('FAILURE', True),
                                              ('SUCCESS,FAILURE', True)])
def test_notify_on_failure(relay, refusing, notify, reported):
    """DQ-020."""
    mail = relay.send((refusing.user(), [f'NOTIFY={notify}']))
    assert mail.outcome()['result'] == 'bounced'
    if reported:
        assert mail.report().actions == {refusing.user(): 'failed'}
    mail.gone()
    assert len(mail.reports()) == int(reported) and len(mail.events('bounce-sent')) == int(reported)


def test_no_report_about_a_null_sender(relay, refusing):
    """DQ-021, DQ-023."""
    mail = relay.send(refusing.user(), sender='')
    assert mail.outcome()['result'] == 'bounced'
    mail.gone()
    # DQ-022: a copy to the postmaster, and to nobody else.
    told = [e['to'] for e in relay.events.all() if e['event'] == 'bounce-sent']
    assert set(told) <= {'postmaster@sender.test'}
    assert all(r['address'] == 'postmaster@sender.test' for m in relay.listed() for r in m['recipients'])


def test_recipients_that_fail_together_share_a_report(relay, refusing):
    """DQ-025: those with NEVER are left out."""
    mail = relay.send([refusing.user('a'), (refusing.user('b'), ['NOTIFY=NEVER']), refusing.user('c')])
    report = mail.report()
    assert sorted(report.actions) == [refusing.user('a'), refusing.user('c')]
    mail.gone()
    assert len(mail.reports()) == 1


def test_two_domains_fail_apart(world, relay, refusing):
    """DQ-004: every recipient that failed is reported, once."""
    mail = relay.send([refusing.user('a'), 'b@no-such-domain.test'])
    mail.gone()
    told = [a for n in range(1, len(mail.events('bounce-sent')) + 1) for a in mail.report(count=n).actions]
    assert sorted(told) == sorted([refusing.user('a'), 'b@no-such-domain.test'])


def test_report_is_held_to_dane_as_well(world, relay, refusing):
    """DQ-061."""
    home = world.domain()
    mx = home.host(tlsa=['3 1 1 wrong'])
    mail = relay.send(refusing.user(), sender=home.user('author'))
    mail.wait('removed')
    event = relay.events.wait_for(lambda e: e.get('event') == 'recipient' and e.get('recipient') == home.user('author'))
    assert (event['result'], event['reason']) == ('deferred', 'tlsa-invalid') and mx.silent


def test_text_from_peers_is_data(world, relay):
    """DQ-056, DANE-A21."""
    domain = world.domain(insecure=True)
    mx = domain.host(replies={'RCPT': '550 5.1.1 evil\x1b[31m\x00 --boundary\x07'})
    mail = relay.send(domain.user())
    report = scenario.bounced(mail, 'smtp-reply', tried=[mx])
    assert not any(c in report.data for c in (b'\x1b', b'\x00', b'\x07'))
    assert '\x1b' not in mail.outcome()['text']


@pytest.fixture(params=[False, True], ids=['unsigned', 'signed'])
def signing(relay, request):
    """Are notices signed? Then the signature goes with what it covered (DQ-057)."""
    if request.param:
        relay.configure(dkim=[Signing(relay.work, 'rsa', 'relay.test').config])


def test_eight_bit_message_returned_to_a_seven_bit_host(world, relay, signing):
    """DQ-053: never re-encoded; its header alone."""
    domain, home = world.domain(insecure=True), world.domain(insecure=True)
    mx = domain.host(replies={'DOT': '554 5.7.1 no'})
    back = home.host(capabilities=('PIPELINING',))
    mail = relay.send(domain.user(), sender=home.user('author'), body='Grüße\r\n'.encode(), mail_options=['BODY=8BITMIME'])
    assert mail.outcome()['result'] == 'bounced'
    data = back.wait_messages()[0].data
    assert all(b < 128 for b in data) and b'DKIM-Signature' not in data
    returned = email.message_from_bytes(data).get_payload()[2]
    assert returned.get_content_type() == 'text/rfc822-headers' and mx.connections
    assert b'Subject: ' in returned.get_payload(decode=True) and b'Gr' not in data


def test_way_back_that_takes_less(world, relay, signing):
    """DQ-024, DQ-052: a SIZE below the notice's: the header alone comes back, rather than no notice."""
    domain, home = world.domain(insecure=True), world.domain(insecure=True)
    domain.host(replies={'RCPT': '550 5.1.1 no'})
    back = home.host(capabilities=('PIPELINING', '8BITMIME', 'SIZE 20000'))
    relay.send(domain.user(), sender=home.user('author'), body=b'many words\r\n' * 4000)
    data = back.wait_messages()[0].data
    text, status, returned = email.message_from_bytes(data).get_payload()
    assert returned.get_content_type() == 'text/rfc822-headers' and b'many words' not in data and len(data) < 20000
    assert b'DKIM-Signature' not in data
    assert b'Subject: ' in returned.get_payload(decode=True)
    assert text.get_content_type() == 'text/plain' and status.get_content_type() == 'message/delivery-status'


def test_utf8_message_and_a_way_back_that_takes_less(world, relay):
    """DQ-024, DQ-052: what is encoded whole (message/global) is left out, and the notice arrives."""
    domain, home = world.domain(insecure=True), world.domain(insecure=True)
    domain.host(replies={'RCPT': '550 5.1.1 no'})
    back = home.host(capabilities=('PIPELINING', '8BITMIME', 'SMTPUTF8', 'SIZE 20000'))
    relay.send(domain.user(), sender=home.user('author'), header='Subject: Grüße\r\n'.encode(), body=b'many words\r\n' * 4000,
               mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
    data = back.wait_messages()[0].data
    _text, status, returned = email.message_from_bytes(data).get_payload()
    assert len(data) < 20000 and 'delivery-status' in status.get_content_type()
    assert returned.get_content_type() == 'text/plain' and 'not returned' in returned.get_payload()


def test_long_header_comes_back_whole(relay, refusing):
    """DQ-052: never cut inside."""
    header = b''.join(b'X-Long-%d: %s\r\n' % (i, b'z' * 900) for i in range(14))
    mail = relay.send(refusing.user(), header=header, mail_options=['RET=HDRS'])
    report = scenario.bounced(mail, 'smtp-reply', tried=refusing.hosts)
    assert b'X-Long-13: ' + b'z' * 900 in report.data
