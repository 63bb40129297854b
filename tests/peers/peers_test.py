"""Does Danelaw work with the software people run: Postfix, Exim, nullmailer, swaks, msmtp, Python, Node.js in front, Postfix
behind?"""
import os
import smtplib
import subprocess
import tempfile

import pytest

from peers import mtas
from world import pages, pki, scenario, waiting

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason='Postfix and Exim need real root')


@pytest.fixture
def destinations(world):
    """One domain with DANE, one with a wrong record, one that refuses the user."""
    good, wrong, refusing = world.domain(), world.domain(), world.domain(insecure=True)
    return (good, good.host(tlsa=['3 1 1'])), (wrong, wrong.host(tlsa=['3 1 1 wrong'])), (
        refusing, refusing.host(replies={'RCPT': '550 5.1.1 no such user'}))


@pytest.fixture
def work(lab, request):

    return tempfile.mkdtemp(prefix='peer-', dir=lab.work)


def check_three(relay, world, destinations, submit):
    """submit(sender, recipient) through the peer: delivered by DANE, deferred for DANE, bounced."""
    (good, mx), (wrong, never), (refusing, _) = destinations
    relay.start()
    for domain, local in ((good, 'a'), (wrong, 'b'), (refusing, 'c')):
        submit(f'{local}-{os.getpid()}@sender.test', domain.user(local))
    message = mx.wait_messages(timeout=40)[0]
    assert message.tls and message.recipients == (good.user('a'),)

    def event(recipient):
        return relay.events.wait_for(lambda e: e.get('event') == 'recipient' and e.get('recipient') == recipient, timeout=40)
    assert event(good.user('a'))['tls_level'] == 'dane-ee'
    assert event(wrong.user('b'))['reason'] == 'tlsa-invalid' and never.silent
    assert event(refusing.user('c'))['result'] == 'bounced'
    return message


def test_postfix_in_front(world, relay, work, destinations):
    """As docs/submitting.md says: envelope, DSN parameters and content pass through."""
    advised = pages.settings(pages.block('submitting.md', 'main.cf'))
    postfix = mtas.Postfix(work, '127.0.0.1:2526', smtp_dns_support_level='disabled', **advised)
    try:
        def submit(sender, recipient):
            with smtplib.SMTP('127.0.0.1', 2526, timeout=30) as client:
                client.ehlo()
                client.mail(sender, ['RET=HDRS', 'ENVID=from-postfix'])
                client.rcpt(recipient, ['NOTIFY=FAILURE', f'ORCPT=rfc822;{recipient}'])
                assert client.data(f'Subject: through Postfix\r\n\r\nHello {recipient}\r\n'.encode())[0] == 250
        message = check_three(relay, world, destinations, submit)
        assert b'through Postfix' in message.header and 'ENVID=from-postfix' in message.parameters
        report = relay.lab.sender.server.journal.wait_for(
            lambda f: f.kind == 'message' and f'c-{os.getpid()}@sender.test' in f.data.recipients, timeout=40)
        assert b'no such user' in report.data.data
        postfix.wait_log('status=sent', 'relay=127.0.0.1')
    finally:
        postfix.stop()


def test_exim_in_front(world, relay, work, destinations):
    """Exim sends BDAT; Danelaw is its smart host."""
    try:
        exim = mtas.Exim(work)
    except FileNotFoundError as e:
        pytest.skip(f'no Exim package to be had: {e}')
    try:
        waiting.until(lambda: exim.process.poll() is None and _answers('127.0.0.1', 2527), what='Exim')

        def submit(sender, recipient):
            with smtplib.SMTP('127.0.0.1', 2527, timeout=30) as client:
                client.sendmail(sender, [recipient], f'Subject: through Exim\r\n\r\nHello {recipient}\r\n')
        message = check_three(relay, world, destinations, submit)
        assert b'through Exim' in message.header
    finally:
        exim.stop()


def _answers(address, port):
    try:
        with smtplib.SMTP(address, port, timeout=5):
            return True
    except (OSError, smtplib.SMTPException):
        return False


@pytest.mark.parametrize('certificate_matches', [True, False])
def test_postfix_behind(world, relay, work, certificate_matches):
    """A real smtpd with STARTTLS as the destination: DANE holds on the wire between two independent implementations."""
    domain = world.domain()
    mx = domain.host(server=False)
    certificate, key, made = pki.write_files(work, mx.fqdn)
    domain.add('_25._tcp.mx', 'TLSA', made.tlsa('3 1 1' if certificate_matches else '3 1 1 wrong'))
    postfix = mtas.Postfix(work, f'{mx.addresses[0]}:25', smtpd_tls_security_level='may', smtpd_tls_cert_file=certificate,
                           smtpd_tls_key_file=key, smtpd_tls_received_header='yes', myhostname=mx.fqdn,
                           relay_domains=domain.name, default_transport='discard', relay_transport='discard:')
    try:
        mail = relay.send(domain.user(), body=b'.dots\r\n..\r\n' + b'z' * 300000 + b'\r\n')
        if certificate_matches:
            outcome = mail.outcome()
            assert (outcome['result'], outcome['tls_level']) == ('delivered', 'dane-ee'), outcome
            postfix.wait_log('discard', domain.user())
            relay.stop()
            assert 'data=' not in postfix.wait_log('disconnect from', 'bdat=5')     # SC-075
        else:
            scenario.deferred(mail, 'tlsa-invalid')
            assert not any('from=<' in line for line in postfix.lines())
    finally:
        postfix.stop()


def through(relay, receiver, beyond, domain):
    """A large message by BDAT to a real server, which passes it on to a host of ours: what came of it there."""
    body = b'.dots\r\n..\r\n\r\n' + b'.' * 900 + b'\r\n' + b'z.\r\n' * 60000
    mail = relay.send(domain.user(), body=body)
    outcome = mail.outcome()
    assert (outcome['result'], outcome['host']) == ('delivered', receiver.fqdn), outcome
    passed_on = beyond.wait_messages(timeout=40)[0]
    assert passed_on.data.endswith(mail.data)                                       # SC-038
    assert passed_on.data[:-len(mail.data)].count(b'Received:') == 2


def test_postfix_takes_chunks(world, relay, work):
    """SC-075: octet for octet through a real smtpd."""
    domain, elsewhere = world.domain(insecure=True), world.domain(insecure=True)
    mx, beyond = domain.host(server=False), elsewhere.host(starttls='absent')
    postfix = mtas.Postfix(work, f'{mx.addresses[0]}:25', myhostname=mx.fqdn, relay_domains=domain.name,
                           smtp_dns_support_level='disabled', relay_transport=f'smtp:[{beyond.addresses[0]}]')
    try:
        through(relay, mx, beyond, domain)
        relay.stop()
        assert 'data=' not in postfix.wait_log('disconnect from', 'bdat=')
    finally:
        postfix.stop()


def test_exim_takes_chunks(world, relay, work):
    """SC-075: the same through Exim."""
    domain, elsewhere = world.domain(insecure=True), world.domain(insecure=True)
    mx, beyond = domain.host(server=False), elsewhere.host(starttls='absent')
    router = f'on:\n  driver = manualroute\n  route_list = * {beyond.addresses[0]} byname\n  transport = out\n'
    transport = 'out:\n  driver = smtp\n  hosts_try_chunking =\n'
    try:
        exim = mtas.Exim(work, mx.addresses[0], 25, router, transport)
    except FileNotFoundError as e:
        pytest.skip(f'no Exim package to be had: {e}')
    try:
        waiting.until(lambda: exim.process.poll() is None and _answers(mx.addresses[0], 25), what='Exim')
        through(relay, mx, beyond, domain)
    finally:
        exim.stop()


def test_swaks(world, relay, destinations):
    def submit(sender, recipient):
        done = subprocess.run(['swaks', '--server', '127.0.0.1:2525', '--from', sender, '--to', recipient, '--helo', 'client.test',
                               '--header', 'Subject: swaks'], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout
    assert b'swaks' in check_three(relay, world, destinations, submit).header


def test_msmtp(world, relay, work, destinations):
    """With the file of docs/submitting.md."""
    settings = os.path.join(work, 'msmtprc')
    with open(settings, 'w') as f:
        f.write(pages.block('submitting.md', 'msmtprc'))

    def submit(sender, recipient):
        done = subprocess.run(['msmtp', '-C', settings, f'--from={sender}', recipient],
                              input='Subject: msmtp\n\nHello\n', capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert b'msmtp' in check_three(relay, world, destinations, submit).header


def test_python(world, relay, destinations):
    """The program of docs/submitting.md."""
    program = pages.block('submitting.md', 'python')

    def submit(sender, recipient):
        exec(program.replace('app@sender.example', sender).replace('you@example.com', recipient), {})
    assert b'Subject: Hello' in check_three(relay, world, destinations, submit).header


def test_nullmailer(world, relay, work, destinations):
    program = mtas.unpacked('nullmailer') / 'usr/lib/nullmailer/smtp'

    def submit(sender, recipient):
        path = os.path.join(work, 'queued')
        with open(path, 'w') as f:
            f.write(f'{sender}\n{recipient}\n\nSubject: nullmailer\n\nHello\n')
        done = subprocess.run(['sh', '-c', 'exec "$0" 3<"$1"', program, path], input='host=127.0.0.1\nport=2525\n\n',
                              capture_output=True, text=True, timeout=60, env={**os.environ, 'HELOHOST': 'client.test'})
        assert done.returncode == 0, done.stdout + done.stderr
    assert b'nullmailer' in check_three(relay, world, destinations, submit).header


NODE = '''
const [sender, recipient] = process.argv.slice(1);
require('nodemailer').createTransport({host: '127.0.0.1', port: 2525, name: 'client.test', ignoreTLS: true})
  .sendMail({from: sender, to: recipient, subject: 'nodemailer', text: 'Gr\u00fc\u00dfe \u2713',
             attachments: [{filename: 'a.bin', content: Buffer.alloc(100000, 7)}]})
  .then((info) => console.log(info.response), (error) => { console.error(error); process.exit(1); });
'''


def test_nodemailer(world, relay, destinations):
    def submit(sender, recipient):
        done = subprocess.run(['node', '-e', NODE, sender, recipient], capture_output=True, text=True, timeout=60,
                              env={**os.environ, 'NODE_PATH': '/usr/share/nodejs'})
        assert done.returncode == 0 and done.stdout.startswith('250 '), done.stderr
    assert b'nodemailer' in check_three(relay, world, destinations, submit).header


def test_openssl_sees_our_tls(relay, work):
    """A client's view of the submission listener."""
    certificate, key, _ = pki.write_files(work, 'relay.test')
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'tls': 'starttls', 'certificate': str(certificate),
                                'private_key': str(key)}])
    relay.start()
    done = subprocess.run(['openssl', 's_client', '-connect', '127.0.0.1:2525', '-starttls', 'smtp', '-CAfile', str(certificate),
                           '-verify_return_error', '-brief'], input='QUIT\r\n', capture_output=True, text=True, timeout=30)
    assert 'Verification: OK' in done.stderr and 'TLSv1.3' in done.stderr, done.stderr
    for old in ('-tls1', '-tls1_1'):
        done = subprocess.run(['openssl', 's_client', '-connect', '127.0.0.1:2525', '-starttls', 'smtp', old, '-cipher',
                               'DEFAULT:@SECLEVEL=0'], input='QUIT\r\n', capture_output=True, text=True, timeout=30)
        assert 'Protocol  : TLSv1' not in done.stdout or 'Cipher is (NONE)' in done.stdout
