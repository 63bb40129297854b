"""Does a stranger's verifier accept what we sign? RFC 6376, RFC 8463; TR-044, DQ-057. The verifier is dkimpy."""
import dkim
import pytest

from world import scenario
from world.signing import Signing


@pytest.fixture(params=['rsa', 'ed25519'])
def signing(relay, request):
    made = Signing(relay.work, request.param)
    relay.configure(dkim=[made.config])
    return made


@pytest.fixture
def there(world):
    domain = world.domain(insecure=True)
    domain.host()
    return domain


def received(domain, mail):
    return next(m.data for m in domain.hosts[0].messages if m.sender == mail.sender)


def test_relayed_mail(relay, there, signing):
    mail = relay.send(there.user(), body=b'Hello  there. \r\n\r\n.dots\r\n\r\n\r\n')
    scenario.delivered(mail, by=there.hosts[0], level='encrypted', altered=True)
    data = received(there, mail)
    assert signing.accepts(data)
    assert not signing.accepts(data + b'appended\r\n')                       # no l=
    assert not signing.accepts(data.replace(b'Subject: ', b'Subject: no '))
    assert not signing.accepts(b'From: <other@sender.test>\r\n' + data)      # From is sealed


def test_missing_fields_are_signed_as_added(relay, there, signing):
    """D-19: Date and Message-ID are there before the signature."""
    data = b'From: <a@sender.test>\r\nTo: <b@x.test>\r\n\r\nbody\r\n'
    mail = relay.send(there.user(), data=data)
    mail.outcome()
    got = received(there, mail)
    assert b'\r\nDate: ' in got and signing.accepts(got)
    assert not signing.accepts(got.replace(b'\r\nDate: ', b'\r\nDate: Mon, '))


def test_a_large_message(relay, there, signing):
    """Signed while it streams through in pieces."""
    body = b''.join(b'line %d of a long text\r\n' % i for i in range(40000))
    mail = relay.send(there.user(), body=body)
    mail.outcome()
    assert signing.accepts(received(there, mail))


@pytest.mark.parametrize('header', [
    b'To: <b@x.test>\r\nTo: <c@x.test>\r\nSUBJECT:\t a  b \r\n\t c\r\n', b'Subject:\r\nCc: \r\n <c@x.test>\r\n',
    b'References: ' + b'\r\n '.join(b'<%d@a-long-name.sender.test>' % i for i in range(60)) + b'\r\n'])
def test_odd_headers(relay, there, signing, header):
    """RFC 6376 3.4.2, 5.4.2: folded, empty, said twice."""
    mail = relay.send(there.user(), data=b'From: <a@sender.test>\r\n' + header + b'\r\nbody\r\n')
    mail.outcome()
    assert signing.accepts(received(there, mail))


@pytest.mark.parametrize('offered', [('CHUNKING', 'PIPELINING'), ('PIPELINING',)])
def test_a_last_line_without_end(relay, there, signing, offered):
    """By BDAT it comes and goes so; DATA ends it. Both are what was signed (RFC 6376 3.4.4)."""
    there.hosts[0].script.capabilities = offered
    content = b'From: <a@sender.test>\r\nSubject: x\r\n\r\nno end'
    relay.talk('EHLO client.test', 'MAIL FROM:<a@sender.test>', f'RCPT TO:<{there.user()}>',
               b'BDAT %d LAST\r\n%s' % (len(content), content), 'QUIT')
    assert signing.accepts(there.hosts[0].wait_messages()[0].data)


@pytest.mark.parametrize('address, signed', [('a@sender.test', True), ('a@sub.sender.test', True), ('a@other.test', False)])
def test_whose_mail(relay, there, signing, address, signed):
    data = f'From: <{address}>\r\nTo: <b@x.test>\r\nSubject: x\r\n\r\nbody\r\n'.encode()
    mail = relay.send(there.user(), data=data)
    assert mail.outcome()['result'] == 'delivered'
    got = received(there, mail)
    assert (b'DKIM-Signature' in got) == signed and (not signed or signing.accepts(got))


def test_mail_that_was_signed_before(relay, there, signing):
    """A first signature stays whole, ours stands above it."""
    first = Signing(relay.work, 'rsa', 'author.test', 'old')
    text = b'From: <a@sender.test>\r\nTo: <b@x.test>\r\nSubject: x\r\nDate: Wed, 25 Nov 2026 00:00:00 +0000\r\n' \
           b'Message-ID: <1@sender.test>\r\n\r\nbody\r\n'
    with open(first.file, 'rb') as f:
        old = dkim.sign(text, b'old', b'author.test', f.read())
    mail = relay.send(there.user(), data=old + text)
    mail.outcome()
    got = received(there, mail)
    assert got.count(b'DKIM-Signature:') == 2 and signing.accepts(got)
    assert first.accepts(got[got.index(b'DKIM-Signature:', got.index(b'DKIM-Signature:') + 5):])


def test_notices(relay, world):
    """DQ-057."""
    made = Signing(relay.work, 'rsa', 'relay.test')
    relay.configure(dkim=[made.config])
    domain = world.domain(insecure=True)
    domain.host(replies={'RCPT': '550 5.1.1 no'})
    mail = relay.send(domain.user())
    report = mail.report()
    assert made.accepts(report.data)


def test_a_reload_takes_the_new_key(relay, there, signing):
    relay.start()
    new = Signing(relay.work, 'rsa', 'sender.test', 's2')
    relay.configure(dkim=[new.config])
    relay.reload()
    mail = relay.send(there.user())
    mail.outcome()
    got = received(there, mail)
    assert new.accepts(got) and not signing.accepts(got)
