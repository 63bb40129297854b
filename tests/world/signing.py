"""A DKIM key in a file, and a stranger's verifier (dkimpy) that finds its record. RFC 6376, RFC 8463."""
import base64
import os
import time
from unittest import mock

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa


def key_pair(kind):
    return rsa.generate_private_key(65537, 2048) if kind == 'rsa' else ed25519.Ed25519PrivateKey.generate()


class Signing:
    """A key in a file, and the record that a verifier finds for it."""

    def __init__(self, folder, kind='rsa', domain='sender.test', selector='s1'):
        key = key_pair(kind)
        self.domain, self.selector, self.file = domain, selector, os.path.join(folder, f'{selector}.{domain}.key')
        with open(self.file, 'wb') as f:
            f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()))
        public = key.public_key()
        if kind == 'rsa':
            octets = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        else:
            octets = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.record = f'v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}'
        self.config = {'domain': domain, 'selector': selector, 'private_key': self.file}

    def accepts(self, message, now=None):
        """now: the verifier's time in seconds, where that is another than ours."""
        def answer(name, timeout=5):
            return self.record.encode() if name.rstrip(b'.') == f'{self.selector}._domainkey.{self.domain}'.encode() else None
        with mock.patch.object(dkim, 'time', mock.Mock(time=lambda: now or time.time())):
            return dkim.verify(message, dnsfunc=answer)
