"""Who is a client with a certificate, and which certificate do clients see? SS-076, SS-077."""
import signal
import smtplib
import socket

import pytest
from cryptography import x509

from world import pki


@pytest.fixture
def domain(world):
    return world.domain(insecure=True)


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
        context = pki.unverified()
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
    relay.configure(listeners=[{'address': '127.0.0.1:2525', 'tls': 'starttls', **pki.listener(tmp_path)}],
                    relay={'allow': [], 'client_ca': str(ours.file)})
    relay.start()
    for context, code in ((ours.client('good'), 250), (pki.unverified(), 550), (strangers.client('other'), 550),
                          (ours.client('late', valid='expired'), 550)):
        got = relaying(relay, context, domain.user())
        assert got // 100 == code // 100, (got, code)
    with smtplib.SMTP(*relay.address, local_hostname='client.test', timeout=30) as client:
        client.starttls(context=ours.client('told'))
        client.ehlo()
        relay.send(domain.user(), connection=client).outcome()
    assert b'told' in mx.messages[0].header                         # noted in Received


def serial_seen(sock):
    with pki.unverified().wrap_socket(sock) as tls:
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True)).serial_number


def test_certificates_reload(relay, domain, tmp_path):
    """SS-077: SIGHUP takes the new certificate; sessions under the old one go on; a broken file keeps the old one."""
    domain.host()
    listener = {'address': '127.0.0.1:2525', 'tls': 'implicit', **pki.listener(tmp_path)}
    relay.configure(listeners=[listener])
    relay.start()
    with smtplib.SMTP_SSL(*relay.address, context=pki.unverified(), local_hostname='client.test', timeout=30) as session:
        session.ehlo()
        before = serial_seen(socket.create_connection(relay.address, 10))
        pki.listener(tmp_path)
        relay.reload()
        after = serial_seen(socket.create_connection(relay.address, 10))
        assert after != before
        relay.send(domain.user(), connection=session).outcome()     # the session from before
    with open(listener['certificate'], 'w') as f:
        f.write('no certificate')
    relay.process.send_signal(signal.SIGHUP)
    relay.events.wait_for(lambda e: e.get('level') in ('error', 'warn') and 'relay.test.crt' in str(e), what='a complaint')
    assert serial_seen(socket.create_connection(relay.address, 10)) == after
