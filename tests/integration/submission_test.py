"""What does Danelaw accept from local MTAs and applications, and how does it answer? SS-001 … SS-098."""
import base64
import itertools
import os
import smtplib
import socket
import subprocess

import pytest

from world import pki, scenario, waiting

HELLO = ['EHLO client.test', 'MAIL FROM:<s@sender.test>']


@pytest.fixture
def domain(world):
    return world.domain(insecure=True)


@pytest.mark.smoke
def test_greeting_and_extensions(relay):
    """SS-001, SS-005: what is really on, and no more."""
    banner, ehlo, helo = relay.talk('EHLO client.test', 'HELO client.test')
    assert banner.startswith('220 relay.test ')
    words = {line[4:].split()[0] for line in ehlo.split('\n')[1:]}
    assert {'PIPELINING', 'SIZE', '8BITMIME', 'ENHANCEDSTATUSCODES', 'DSN', 'SMTPUTF8', 'CHUNKING'} <= words
    assert not {'STARTTLS', 'AUTH', 'REQUIRETLS'} & words
    assert f'SIZE {50 << 20}' in ehlo and '\n' not in helo


SEQUENCES = [
    # what is said after the greeting                                           the last reply begins with
    (['MAIL FROM:<a@b.test>'],                                                  '503 5.5.1'),    # SS-003
    (['EHLO'],                                                                  '501'),
    (['EHLO x', 'RCPT TO:<a@b.test>'],                                          '503 5.5.1'),    # SS-011
    (['EHLO x', 'DATA'],                                                        '503 5.5.1'),
    (HELLO + ['DATA'],                                                          '5'),
    (HELLO + ['MAIL FROM:<b@c.test>'],                                          '503 5.5.1'),
    (HELLO + ['RSET', 'RCPT TO:<a@b.test>'],                                    '503 5.5.1'),    # SS-012
    (HELLO + ['EHLO x', 'RCPT TO:<a@b.test>'],                                  '503 5.5.1'),    # SS-003
    (['NOOP'],                                                                  '250 2.0.0'),
    (['EHLO x', 'VRFY a@b.test'],                                               '252 2.0.0'),    # SS-013
    (['EHLO x', 'EXPN list'],                                                   '502 5.5.1'),
    (['EHLO x', 'JUNK'],                                                        '500 5.5.'),     # SS-002
    (['ehlo x', 'mail from:<a@b.test>', 'rcpt to:<a@b.test>'],                  '250 2.1.5'),
    (['EHLO x', 'QUIT now'],                                                    '501'),          # SS-012
    (['EHLO x', 'QUIT'],                                                        '221 2.0.0'),    # SS-014
    (['EHLO [127.0.0.1]', 'MAIL FROM:<>'],                                      '250 2.1.0'),    # SS-004, SS-096
    (['EHLO a_b', 'MAIL FROM:<a@localhost>'],                                   '250 2.1.0'),
    (['EHLO x', 'MAIL FROM:<a@b.test> SIZE=99999999999'],                       '552 5.3.4'),    # SS-023
    (['EHLO x', 'MAIL FROM:<a@b.test> WHAT=1'],                                 '555 5.5.4'),    # SS-006
    (['EHLO x', 'MAIL FROM:<a@b.test> SIZE=1 SIZE=1'],                          '501 5.5.4'),
    (['EHLO x', 'MAIL FROM:<a@b.test> REQUIRETLS'],                             '5'),            # SS-078
    (['EHLO x', 'MAIL FROM:<a@b.test> ENVID=a+'],                               '501 5.5.4'),    # SS-097
    (['EHLO x', 'MAIL FROM:<a@b.test> RET=SOME'],                               '501 5.5.4'),
    (HELLO + ['RCPT TO:<a@b.test> NOTIFY=NEVER,SUCCESS'],                       '501 5.5.4'),
    (HELLO + ['RCPT TO:<a@b.test> NOTIFY=FAILURE NOTIFY=FAILURE'],              '501 5.5.4'),
    (HELLO + ['RCPT TO:<a@b.test> ORCPT=rfc822;a+40b.test NOTIFY=SUCCESS'],     '250 2.1.5'),
    (HELLO + ['RCPT TO:<>'],                                                    '501 5.1.3'),    # SS-006
    (HELLO + ['RCPT TO:<a@b.test.>'],                                           '501 5.1.3'),    # SS-008
    (HELLO + ['RCPT TO:<a@[IPv6:::1]>'],                                        '250 2.1.5'),
    (HELLO + ['RCPT TO:<a@[nonsense]>'],                                        '501 5.1.3'),
    (HELLO + ['RCPT TO:<"a b"@b.test>'],                                        '250 2.1.5'),    # SS-007
    (HELLO + ['RCPT TO:<Postmaster>'],                                          '250 2.1.5'),    # SS-010
    (HELLO + ['RCPT TO:<jürgen@b.test>'],                                       '553 5.6.7'),    # SS-048
    (['EHLO x', 'MAIL FROM:<jürgen@b.test>'],                                   '550 5.6.7'),
    (['EHLO x', 'MAIL FROM:<jürgen@b.test> SMTPUTF8'],                          '250 2.1.0'),
    (HELLO + ['RCPT TO:<a@b.test>', 'BDAT -1'],                                 '501'),          # SS-045
    (HELLO + ['RCPT TO:<a@b.test>', 'BDAT 123456789012345678901234567890'],     '501'),
]


@pytest.mark.parametrize('lines, wanted', SEQUENCES, ids=[' / '.join(s[0][-2:])[:60] for s in SEQUENCES])
def test_sequences(relay, lines, wanted):
    """SS-002 … SS-013, SS-045, SS-048, SS-097."""
    last = relay.talk(*lines)[-1]
    assert last.startswith(wanted), last


@pytest.mark.parametrize('sender, recipient, leaves_as', [
    ('MAIL FROM: <a@sender.test>', 'RCPT TO: c@{d}', 'c@{d}'),
    ('MAIL FROM:a@sender.test', 'RCPT TO:<@relay.test,@b.test:c@{d}>', 'c@{d}'),
    ('MAIL FROM:<ilo.@sender.test>', 'RCPT TO:<c..d@{d}>', '"c..d"@{d}'),
    ('MAIL FROM:<a@sender.test> ', 'RCPT TO:<c@{d}>  ', 'c@{d}'),
])
def test_sloppy_syntax_leaves_in_strict_form(relay, domain, sender, recipient, leaves_as):
    """SS-006, SS-009, D-18."""
    mx = domain.host()
    relay.talk('EHLO x', sender, recipient.format(d=domain.name), 'DATA', b'Subject: x\r\n\r\nx\r\n.\r\n', 'QUIT')
    assert mx.wait_messages()[0].recipients == (leaves_as.format(d=domain.name),)
    assert not mx.faults


def test_mail_to_the_postmaster(relay):
    """SS-010: sent to the configured address."""
    replies = relay.talk(*HELLO, 'RCPT TO:<postMASTER>', 'DATA', b'Subject: to the postmaster\r\n\r\nx\r\n.\r\n', 'QUIT')
    assert replies[-2].startswith('250 2.0.0')
    server = relay.lab.sender.server
    assert server.journal.wait_for(lambda f: f.kind == 'message' and 'postmaster@sender.test' in f.data.recipients and
                                   b'to the postmaster' in f.data.data)


ENDINGS = [b'\n.\n', b'\n.\r\n', b'\r\n.\n', b'\r.\r', b'\r\n.\r', b'\r\n.\x00\r\n', b'\r.\r\n']


@pytest.mark.parametrize('ending', ENDINGS, ids=repr)
def test_only_crlf_dot_crlf_ends_the_content(relay, domain, ending):
    """SS-040, SS-041, SC-036: in any split; what follows a false end is content, never a command."""
    mx = domain.host()
    body = b'Subject: x\r\n\r\nbefore' + ending + b'MAIL FROM:<smuggled@sender.test>\r\nafter\r\n.\r\n'
    relay.start()
    for cut in range(22, 32):
        with socket.create_connection(relay.address, 10) as sock:
            file = sock.makefile('rb')
            file.readline()
            sock.sendall(b'HELO x\r\nMAIL FROM:<s@sender.test>\r\nRCPT TO:<' + domain.user(f'c{cut}').encode() + b'>\r\nDATA\r\n')
            for _ in range(4):
                file.readline()
            sock.sendall(body[:cut])
            sock.sendall(body[cut:])
            assert file.readline().startswith(b'250 2.0.0')
            sock.sendall(b'QUIT\r\n')
            assert file.readline().startswith(b'221')
    for message in mx.wait_messages(10):
        assert b'smuggled' in message.body and b'after' in message.body
        assert b'\n' not in message.data.replace(b'\r\n', b'') and b'\r' not in message.data.replace(b'\r\n', b'')
    assert len(mx.messages) == 10 and not mx.faults


def test_bare_newline_rejected_where_configured(relay, domain):
    """SS-041, D-15."""
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'bare_newline': 'reject'}])
    mx = domain.host()
    replies = relay.talk(*HELLO, f'RCPT TO:<{domain.user()}>', 'DATA', b'Subject: x\r\n\r\na\nb\r\n.\r\n', 'QUIT')
    assert replies[-2].startswith('550 5.6.11') and replies[-1].startswith('221')
    assert relay.listed() == [] and mx.untouched


def test_bdat_in_every_split(relay, domain):
    """SS-044, SC-037: chunk borders anywhere; bytes intact."""
    mx = domain.host()
    content = b'Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <b@client.test>\r\nSubject: x\r\n\r\n.\r\n..\r\n.x\r\nlast\r\n'
    relay.start()
    for cut in range(len(content) - 22, len(content), 3):
        with socket.create_connection(relay.address, 10) as sock:
            file = sock.makefile('rb')
            file.readline()
            first, rest = content[:cut], content[cut:]
            sock.sendall(b'HELO x\r\nMAIL FROM:<s@sender.test>\r\nRCPT TO:<' + domain.user().encode() + b'>\r\n'
                         b'BDAT %d\r\n%s' % (len(first), first) + b'BDAT %d LAST\r\n%sQUIT\r\n' % (len(rest), rest))
            replies = [file.readline() for _ in range(6)]
            assert all(r.startswith(b'250') for r in replies[:5]) and replies[5].startswith(b'221'), replies
    count = len(range(len(content) - 22, len(content), 3))
    assert all(m.data.endswith(content) for m in mx.wait_messages(count))


def test_bdat_without_a_recipient_swallows_its_octets(relay):
    """SS-044: the chunk is never run as commands."""
    replies = relay.talk('EHLO x', 'MAIL FROM:<a@sender.test>', b'BDAT 12 LAST\r\nQUIT\r\nQUIT\r\n', 'NOOP')
    assert replies[3][:3] in ('503', '554') and replies[4].startswith('250')


def test_too_long_command_is_one_error(relay):
    """SS-021."""
    replies = relay.talk(b'NOOP ' + b'x' * (1 << 20) + b'\r\n', 'NOOP')
    assert replies[1].startswith('500') and replies[2].startswith('250')


def test_too_many_recipients(relay, domain):
    """SS-020, SS-022: the excess is refused, the accepted stay."""
    relay.configure(limits={'recipients_per_message': 100})
    mx = domain.host()
    mail = relay.send([domain.user(f'u{i}') for i in range(103)])
    assert [code for code, _ in mail.refused.values()] == [452] * 3
    waiting.until(lambda: sum(len(m.recipients) for m in mx.messages) == 100, what='100 recipients')


@pytest.mark.parametrize('how', ['data', 'bdat'])
def test_actual_size_over_the_limit(relay, how):
    """SS-023: swallowed to its end, then 552."""
    relay.configure(limits={'message_size': '64KiB'})
    content = b'Subject: x\r\n\r\n' + b'y' * 100 * 1000 + b'\r\n'
    tail = [b'DATA\r\n', content + b'.\r\n'] if how == 'data' else [b'BDAT %d LAST\r\n' % len(content) + content]
    replies = relay.talk(*HELLO, 'RCPT TO:<a@b.test>', *tail, 'NOOP')
    assert replies[-2].startswith('552 5.3.4') and replies[-1].startswith('250')
    assert relay.listed() == []


def test_connections_per_client(relay):
    """SS-025: told so, never met with silence; counted again on close."""
    relay.configure(limits={'connections_per_client': 3})
    relay.start()
    socks = [socket.create_connection(relay.address, 10) for _ in range(4)]
    greetings = [s.makefile('rb').readline() for s in socks]
    assert [g[:3] for g in greetings] == [b'220'] * 3 + [b'421']
    for s in socks:
        s.close()
    waiting.until(lambda: relay.talk('QUIT')[0].startswith('220'), what='a free place')


def test_command_timeout(relay):
    """SS-026."""
    relay.configure(limits={'command_timeout': '1s'})
    relay.start()
    with socket.create_connection(relay.address, 20) as sock:
        file = sock.makefile('rb')
        assert file.readline().startswith(b'220')
        assert file.readline().startswith(b'421 4.4.2') and file.read() == b''


def test_pipelined_flood(relay):
    """SS-060: replies in order, none lost."""
    relay.start()
    with socket.create_connection(relay.address, 20) as sock:
        file = sock.makefile('rb')
        file.readline()
        sock.sendall(b'EHLO x\r\n' + b'MAIL FROM:<a@b.test>\r\nRSET\r\n' * 2000 + b'QUIT\r\n')
        replies = [line for line in file if line[3:4] == b' ']
    assert len(replies) == 4002 and replies[-1].startswith(b'221') and all(r.startswith(b'250') for r in replies[:-1])


def test_broken_off_in_the_middle(relay, domain):
    """SS-014, DQ-002: nothing half-received is queued, wherever the client breaks off."""
    mx = domain.host()
    dialogue = (b'HELO x\r\nMAIL FROM:<s@sender.test>\r\nRCPT TO:<' + domain.user().encode() +
                b'>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n')
    relay.start()
    for cut in range(len(dialogue) - 40, len(dialogue), 4):
        sock = socket.create_connection(relay.address, 10)
        sock.sendall(dialogue[:cut])
        sock.close()
    assert relay.talk('QUIT')[0].startswith('220') and relay.listed() == [] and mx.untouched


@pytest.mark.parametrize('present, added', [([], ['Date', 'Message-ID']), (['Date: x'], ['Message-ID']),
                                            (['message-id: <x@y>'], ['Date']), (['Received: by x; y'], [])], ids=str)
def test_missing_headers(relay, domain, present, added):
    """SS-050, D-19: added once, never to relayed mail."""
    mx = domain.host()
    head = ''.join(h + '\r\n' for h in present + ['Subject: x']).encode()
    relay.send(domain.user(), data=head + b'\r\nx\r\n')
    got = mx.wait_messages()[0].header.lower()
    for name in ('Date', 'Message-ID'):
        count = sum(line.startswith(name.lower().encode() + b':') for line in got.split(b'\r\n'))
        want = name in added or any(h.lower().startswith(name.lower() + ':') for h in present)
        assert count == int(want), got


def test_stranger_may_not_relay(relay):
    """SS-090, SS-094, SS-098."""
    relay.configure(relay={'allow': ['192.0.2.0/24']})
    tricks = ['a@b.test', '"a@b.test"@relay.test', 'a%b.test@relay.test', '@relay.test:a@b.test', 'b.test!a@relay.test', 'a@[127.0.0.1]']
    replies = relay.talk('EHLO x', 'MAIL FROM:<s@sender.test>', *[f'RCPT TO:<{t}>' for t in tricks], 'RCPT TO:<postmaster>')
    assert all(r.startswith('550 5.7.1') for r in replies[3:-1]), replies
    assert replies[-1].startswith('250')
    relay.events.wait_for(lambda e: e.get('event') == 'rejected', what='rejected')


@pytest.fixture
def tls_files(tmp_path):
    return pki.listener(tmp_path)


@pytest.mark.smoke
def test_starttls(relay, domain, tls_files):
    """SS-070, SS-072, SS-049: everything anew after TLS, and Received tells."""
    mx = domain.host()
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'tls': 'starttls', **tls_files}])
    with relay.connect() as client:
        client.ehlo()
        assert client.has_extn('starttls')
        client.mail('early@sender.test')
        client.starttls(context=pki.unverified())
        assert client.rcpt(domain.user())[0] == 503
        client.ehlo()
        assert not client.has_extn('starttls') and client.has_extn('requiretls')
        mail = relay.send(domain.user(), connection=client)
    scenario.delivered(mail, by=mx, level='encrypted')
    assert b'with ESMTPS' in mx.messages[0].header


def test_command_injected_before_tls_is_not_run(relay, tls_files):
    """SS-071."""
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'tls': 'starttls', **tls_files}])
    relay.start()
    with socket.create_connection(relay.address, 10) as sock:
        sock.sendall(b'EHLO x\r\n')
        file = sock.makefile('rb', buffering=0)
        assert file.readline().startswith(b'220')
        while file.readline()[3:4] == b'-':
            pass
        sock.sendall(b'STARTTLS\r\nMAIL FROM:<injected@sender.test>\r\n')
        sock.settimeout(10)
        rest = b''
        try:
            while chunk := sock.recv(4096):
                rest += chunk
                if b'220 2.0.0' in rest:
                    break
        except OSError:
            pass
        if b'220 2.0.0' in rest:
            with pki.unverified().wrap_socket(sock) as tls:
                tls.settimeout(10)
                tls.sendall(b'EHLO x\r\nRCPT TO:<a@b.test>\r\n')
                seen = b''
                while b'503' not in seen and (chunk := tls.recv(4096)):
                    seen += chunk
                assert b'503' in seen
        else:
            assert rest[:1] in (b'4', b'5', b'')                         # refused, or dropped without a word


def test_tls_required(relay, tls_files):
    """SS-073."""
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'tls': 'required', **tls_files}])
    replies = relay.talk('EHLO x', 'MAIL FROM:<a@b.test>', 'NOOP', 'QUIT')
    assert [r[:9] for r in replies[2:]] == ['530 5.7.0', '250 2.0.0', '221 2.0.0']


def test_implicit_tls(relay, domain, tls_files):
    """SS-074."""
    mx = domain.host()
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'tls': 'implicit', **tls_files}])
    relay.start()
    with smtplib.SMTP_SSL(*relay.address, context=pki.unverified(), timeout=20, local_hostname='client.test') as client:
        mail = relay.send(domain.user(), connection=client)
    scenario.delivered(mail, by=mx, level='encrypted')
    with socket.create_connection(relay.address, 10) as sock:
        sock.sendall(b'EHLO x\r\n')
        assert not sock.recv(100).startswith(b'2')


def test_auth(relay, domain, tls_files, tmp_path):
    """SS-080, SS-082, SS-083, SS-085, SS-090."""
    domain.host()
    hashed = subprocess.run(['openssl', 'passwd', '-6', 'correct horse'], capture_output=True, text=True, check=True).stdout
    (tmp_path / 'users').write_text(f'alice:{hashed}')
    relay.configure(relay={'allow': [], 'users_file': str(tmp_path / 'users')},
                    listeners=[{'address': '127.0.0.1:2525', 'tls': 'starttls', 'auth': 'required', **tls_files}])
    plain = base64.b64encode(b'\0alice\0correct horse').decode()
    assert relay.talk('EHLO x', f'AUTH PLAIN {plain}')[-1].startswith('538 5.7.11')
    for method, password in itertools.product(('PLAIN', 'LOGIN'), ('correct horse', 'wrong')):
        with relay.connect() as client:
            client.starttls(context=pki.unverified())
            client.ehlo()
            assert {'PLAIN', 'LOGIN'} <= set(client.esmtp_features['auth'].split())
            assert client.docmd('MAIL FROM:<a@sender.test>')[0] == 530
            client.user, client.password = 'alice', password
            try:
                client.auth(method, getattr(client, 'auth_' + method.lower()))
                ok = True
            except smtplib.SMTPAuthenticationError as e:
                assert e.smtp_code == 535
                ok = False
            assert ok == (password == 'correct horse')
            if ok:
                relay.send(domain.user(), connection=client).outcome()
    with open(os.path.join(relay.work, 'log'), 'rb') as f:
        log = f.read()
    assert b'correct horse' not in log and plain.encode() not in log


@pytest.mark.parametrize('version', [1, 2])
def test_proxy_protocol(relay, domain, version):
    """SS-093: the claimed address counts, and is told."""
    mx = domain.host()
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'proxy_protocol': 'required'}], relay={'allow': ['192.0.2.9/32']})
    relay.start()
    v1 = b'PROXY TCP4 192.0.2.9 192.0.2.1 4000 25\r\n'
    v2 = (b'\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c' + socket.inet_aton('192.0.2.9') + socket.inet_aton('192.0.2.1') +
          b'\x0f\xa0\x00\x19')
    with socket.create_connection(relay.address, 10) as sock:
        sock.sendall((v1 if version == 1 else v2) + b'EHLO x\r\nMAIL FROM:<s@sender.test>\r\nRCPT TO:<' + domain.user().encode() +
                     b'>\r\nDATA\r\n')
        file = sock.makefile('rb')
        while not file.readline().startswith(b'354'):
            pass
        sock.sendall(b'Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n')
        assert file.readline().startswith(b'250')
    assert b'[192.0.2.9]' in mx.wait_messages()[0].header
    with socket.create_connection(relay.address, 10) as sock:
        sock.sendall(b'EHLO x\r\n')
        sock.settimeout(10)
        assert sock.recv(100) == b''


def test_unix_socket(relay, domain):
    """SS-090: always may relay."""
    path = os.path.join(relay.work, 'smtp.sock')
    relay.configure(listeners=[{'address': '127.0.0.1:2525'}, {'address': f'unix:{path}'}], relay={'allow': []})
    mx = domain.host()
    relay.start()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        file = sock.makefile('rb')
        assert file.readline().startswith(b'220')
        sock.sendall(b'HELO x\r\nMAIL FROM:<s@sender.test>\r\nRCPT TO:<' + domain.user().encode() + b'>\r\nDATA\r\n')
        assert [file.readline()[:3] for _ in range(4)] == [b'250', b'250', b'250', b'354']
        sock.sendall(b'Subject: x\r\n\r\nx\r\n.\r\n')
        assert file.readline().startswith(b'250')
    assert mx.wait_messages()


def test_requiretls(world, relay, tls_files):
    """SS-078, SC-120, SC-121, SC-122: only over authenticated TLS to hosts that offer it; else bounced."""
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'tls': 'starttls', **tls_files}])
    capabilities = ('PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES', 'DSN')
    good, lacking, weak = world.domain(), world.domain(), world.domain()
    a = good.host(tlsa=['3 1 1'], capabilities=capabilities, capabilities_tls=capabilities + ('REQUIRETLS',))
    b = lacking.host(tlsa=['3 1 1'])
    c = weak.host(capabilities_tls=capabilities + ('REQUIRETLS',))
    mails = []
    for domain in (good, lacking, weak):
        with relay.connect() as client:
            client.starttls(context=pki.unverified())
            client.ehlo()
            mails.append(relay.send(domain.user(), mail_options=['REQUIRETLS'], connection=client))
    scenario.delivered(mails[0], by=a, level='dane-ee')
    assert 'REQUIRETLS' in a.messages[0].parameters
    assert [m.outcome()['result'] for m in mails[1:]] == ['bounced', 'bounced']
    assert mails[1].outcome()['reason'] == 'requiretls-unsupported' and b.silent and c.silent


def test_tls_required_no(world, relay):
    """DANE-129, SC-123: the header lifts opportunistic DANE, not an operator's dane-only."""
    domain, strict = world.domain(), world.domain()
    mx, never = domain.host(tlsa=['3 1 1 wrong']), strict.host(tlsa=['3 1 1 wrong'])
    relay.configure(policies=[{'match': [strict.name], 'tls': 'dane-only'}])
    waived = relay.send(domain.user(), header=b'TLS-Required: No\r\n')
    other = relay.send(domain.user(), header=b'TLS-Required: Yes\r\n')
    kept = relay.send(strict.user(), header=b'TLS-Required: No\r\n')
    outcome = waived.outcome()
    assert (outcome['result'], outcome['tls_level']) == ('delivered', 'encrypted')
    assert other.outcome()['reason'] == 'tlsa-invalid'
    assert kept.outcome()['result'] == 'deferred' and never.silent and len(mx.messages) == 1
