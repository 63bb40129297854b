"""Which certificates do the world's servers show, and which TLSA records fit them?

A Credential is a private key with the chain a server sends. Everything is made at run time with python3-cryptography.
"""
import datetime
import hashlib
import ipaddress
import os
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
SPANS = {                               # (start, end) relative to now
    'ok': (-DAY, 90 * DAY),
    'expired': (-90 * DAY, -DAY),
    'future': (30 * DAY, 90 * DAY),
}
_rsa_keys = {}


def new_key(kind='ec'):
    if kind == 'ec':
        return ec.generate_private_key(ec.SECP256R1())
    bits = {'rsa': 2048, 'rsa1024': 1024}[kind]
    if bits not in _rsa_keys:           # slow to make, and no test needs two different ones
        _rsa_keys[bits] = rsa.generate_private_key(65537, bits)
    return _rsa_keys[bits]


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def der(cert):
    return cert.public_bytes(serialization.Encoding.DER)


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def make_cert(key, cn, issuer=None, names=(), ips=(), ca=False, valid='ok', path_length=None, eku=None, signed_by=None):
    """issuer: (certificate, key) or None for self-signed. signed_by: a foreign key, for a signature that is wrong."""
    start, end = SPANS[valid] if isinstance(valid, str) else valid
    now = datetime.datetime.utcnow()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn[:64])] if cn else [])
    issuer_cert, issuer_key = issuer or (None, key)
    builder = (x509.CertificateBuilder().subject_name(subject)
               .issuer_name(issuer_cert.subject if issuer_cert else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now + start).not_valid_after(now + end)
               .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=ca)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False))
    if ca:
        builder = builder.add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
    if eku:
        usages = {'server': ExtendedKeyUsageOID.SERVER_AUTH, 'client': ExtendedKeyUsageOID.CLIENT_AUTH}
        builder = builder.add_extension(x509.ExtendedKeyUsage([usages[e] for e in eku]), False)
    alternatives = [x509.DNSName(n) for n in names] + [x509.IPAddress(ipaddress.ip_address(i)) for i in ips]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
    return builder.sign(signed_by or issuer_key, hashes.SHA256())


class Credential:
    """A key and a chain. `parts` names the certificates: leaf, intermediate, root; `send` those the server shows."""

    def __init__(self, key, parts, keys, send):
        self.key, self.parts, self.keys, self.send = key, parts, keys, send

    @property
    def leaf(self):
        return self.parts['leaf']

    def pem(self):
        return key_pem(self.key) + self.chain_pem()

    def chain_pem(self):
        return ''.join(pem(self.parts[name]) for name in self.send)

    def tlsa(self, text):
        """The rdata for "USAGE SELECTOR MATCHING [what]". what: leaf, intermediate or root (default: leaf, for usage 2
        root), `wrong` (fits nothing), or the data in hex."""
        fields = text.split()
        usage, selector, matching = (int(f) for f in fields[:3])
        what = fields[3] if len(fields) > 3 else ('root' if usage in (0, 2) and 'root' in self.parts else 'leaf')
        if what == 'wrong':
            data = os.urandom({0: 91, 1: 32, 2: 64}.get(matching, 32)).hex()
        elif what in self.parts:
            data = associate(self.parts[what], selector, matching)
        else:
            data = what
        return f'{usage} {selector} {matching} {data}'


def associate(cert, selector, matching):
    data = der(cert) if selector == 0 else cert.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if matching in (1, 2):
        data = (hashlib.sha256 if matching == 1 else hashlib.sha512)(data).digest()
    return data.hex()


def self_signed(host, names=None, **kw):
    key = new_key(kw.pop('key', 'ec'))
    cert = make_cert(key, kw.pop('cn', host), names=[host] if names is None else names, **kw)
    return Credential(key, {'leaf': cert}, {'leaf': key}, ['leaf'])


def write_files(folder, host, **made_as):
    """(certificate file, key file, Credential) of a self-signed server."""
    made = self_signed(host, **made_as)
    certificate, key = pathlib.Path(folder, f'{host}.crt'), pathlib.Path(folder, f'{host}.key')
    certificate.write_text(made.chain_pem())
    key.write_text(key_pem(made.key))
    key.chmod(0o600)
    return certificate, key, made


def listener(folder, host='relay.test'):
    """Two keys of a `listeners` entry."""
    certificate, key, _ = write_files(folder, host)
    return {'certificate': str(certificate), 'private_key': str(key)}


def unverified():
    """A client's context that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def chain(host, names=None, cn=None, send=('leaf', 'intermediate', 'root'), key='ec', leaf=None, intermediate=None, root=None,
          root_of=None):
    """root → intermediate → leaf. The last three arguments are further make_cert() arguments for each certificate;
    root_of: a Credential whose root and intermediate are taken over. send may leave some out or reorder them."""
    if root_of:
        keys, parts = dict(root_of.keys), dict(root_of.parts)
    else:
        keys = {'root': new_key(), 'intermediate': new_key()}
        parts = {'root': make_cert(keys['root'], 'Root of ' + host, ca=True, **(root or {}))}
        parts['intermediate'] = make_cert(keys['intermediate'], 'Intermediate of ' + host, (parts['root'], keys['root']),
                                          **{'ca': True, **(intermediate or {})})
    keys['leaf'] = new_key(key)
    parts['leaf'] = make_cert(keys['leaf'], host if cn is None else cn, (parts['intermediate'], keys['intermediate']),
                              names=[host] if names is None else names, **(leaf or {}))
    return Credential(keys['leaf'], parts, keys, list(send))


class WebCa:
    """The one authority that the relay's ca_file trusts: stands for the web PKI."""

    def __init__(self):
        self.key = new_key()
        self.cert = make_cert(self.key, 'World Web CA', ca=True)

    def issue(self, host, names=None, cn=None, key='ec', **kw):
        leaf_key = new_key(key)
        cert = make_cert(leaf_key, host if cn is None else cn, (self.cert, self.key), names=[host] if names is None else names,
                         **kw)
        return Credential(leaf_key, {'leaf': cert, 'root': self.cert}, {'leaf': leaf_key}, ['leaf'])
