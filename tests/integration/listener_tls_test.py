"""Who is a client with a certificate, and which certificate do clients see? SS-076, SS-077."""
import signal
import smtplib
import socket
import ssl

import pytest
from cryptography import x509

from world import pki


@pytest.fixture
def domain(world):
    return world.domain(insecure=True)


def trusting_all():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def files(path, host, **made_as):
    made = pki.self_signed(host, **made_as)
    certificate, key = path / f'{host}.crt', path / f'{host}.key'
    certificate.write_text(made.chain_pem())
    key.write_text(pki.key_pem(made.key))
    key.chmod(0o600)
    return {'certificate': str(certificate), 'private_key': str(key)}


class Ca:
    """A private CA in a file, and certificates for its clients."""

    def __init__(self, path, name):
        self.path, self.key = path, pki.new_key()
        self.certificate = pki.make_cert(self.key, name, ca=True)
        self.file = path / f'{name}.pem'
        self.file.write_text(pki.pem(self.certificate))

    def client(self, name, **made_as):
        key = pki.new_key()
        certificate = pki.make_cert(key, name, issuer=(self.certificate, self.key), names=[name], **made_as)
        both = self.path / f'{name}.both'
        both.write_text(pki.pem(certificate) + pki.key_pem(key))
        context = trusting_all()
        context.load_cert_chain(both)
        return context


def relaying(relay, context, recipient):
    """The reply to RCPT after STARTTLS with that context."""
    with smtplib.SMTP(*relay.address, local_hostname='client.test', timeout=30) as client:
        client.starttls(context=context)
        client.ehlo()
        client.mail('a@sender.test')
        return client.rcpt(recipient)[0]


def test_client_certificates(world, relay, domain, tmp_path):
    """SS-076: asked for, optional, a right to relay only when verified; a bad one gives no rights and breaks nothing."""
    mx = domain.host()
    ours, strangers = Ca(tmp_path, 'ours'), Ca(tmp_path, 'strangers')
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'tls': 'starttls', **files(tmp_path, 'relay.test')}],
                    relay={'allow': [], 'client_ca': str(ours.file)})
    relay.start()
    for context, code in ((ours.client('good'), 250), (trusting_all(), 550), (strangers.client('other'), 550),
                          (ours.client('late', valid='expired'), 550)):
        got = relaying(relay, context, domain.user())
        assert got // 100 == code // 100, (got, code)
    with smtplib.SMTP(*relay.address, local_hostname='client.test', timeout=30) as client:
        client.starttls(context=ours.client('told'))
        client.ehlo()
        relay.send(domain.user(), connection=client).outcome()
    assert b'told' in mx.messages[0].header                         # noted in Received


def serial_seen(sock):
    with trusting_all().wrap_socket(sock) as tls:
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True)).serial_number


def test_certificates_reload(relay, domain, tmp_path):
    """SS-077: SIGHUP takes the new certificate; sessions under the old one go on; a broken file keeps the old one."""
    domain.host()
    listener = {'address': '127.0.0.1:2525', 'tls': 'implicit', **files(tmp_path, 'relay.test')}
    relay.configure(listeners=[listener])
    relay.start()
    with smtplib.SMTP_SSL(*relay.address, context=trusting_all(), local_hostname='client.test', timeout=30) as session:
        session.ehlo()
        before = serial_seen(socket.create_connection(relay.address, 10))
        files(tmp_path, 'relay.test')
        relay.reload()
        after = serial_seen(socket.create_connection(relay.address, 10))
        assert after != before
        relay.send(domain.user(), connection=session).outcome()     # the session from before
    with open(listener['certificate'], 'w') as f:
        f.write('no certificate')
    relay.process.send_signal(signal.SIGHUP)
    relay.events.wait_for(lambda e: e.get('level') in ('error', 'warn') and 'relay.test.crt' in str(e), what='a complaint')
    assert serial_seen(socket.create_connection(relay.address, 10)) == after
