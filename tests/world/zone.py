"""What stands in a zone, and how is it signed, rightly or wrongly?

Zones are signed here rather than by the name server, so that every kind of fault can be made: one signature expired,
a denial that lies, a DS that fits no key. RFC 4034, 4035, 5155.
"""
import struct
import time

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from dns.rdtypes.ANY.RRSIG import RRSIG

DAY = 86400
ALGORITHMS = {'ecdsa': 13, 'rsa': 8, 'ed25519': 15}
_START = time.time()
WINDOWS = {                             # signature (inception, expiration), seconds from the session's start
    None: (-3 * DAY, 30 * DAY),
    'expired': (-30 * DAY, -2 * DAY),    # validators forgive a day of clock skew
    'future': (10 * DAY, 30 * DAY),
    'corrupt': (-3 * DAY, 30 * DAY),
}
_keys = {}
_signatures = {}


def key_pair(algorithm):
    """One key per algorithm serves every zone: a DS binds owner name and key, so zones stay distinct."""
    if algorithm not in _keys:
        private = {'ecdsa': lambda: ec.generate_private_key(ec.SECP256R1()),
                   'rsa': lambda: rsa.generate_private_key(65537, 2048),
                   'ed25519': ed25519.Ed25519PrivateKey.generate}[algorithm]()
        _keys[algorithm] = (private, dns.dnssec.make_dnskey(private.public_key(), ALGORITHMS[algorithm], flags=257))
    return _keys[algorithm]


def sign_bytes(private, data):
    """RFC 5702, 6605, 8080."""
    if isinstance(private, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, 'big') + s.to_bytes(32, 'big')
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return private.sign(data)


def ds_text(zone_name, algorithm, fault=None):
    """fault: None, 'wrong' (fits no key), 'unknown-algorithm' or 'unknown-digest' (both: as if unsigned)."""
    owner = dns.name.from_text('wrong.' + zone_name if fault == 'wrong' else zone_name)
    ds = dns.dnssec.make_ds(owner, key_pair(algorithm)[1], 'SHA256')
    number = 200 if fault == 'unknown-algorithm' else int(ds.algorithm)
    digest = 200 if fault == 'unknown-digest' else int(ds.digest_type)
    return f'{ds.key_tag} {number} {digest} {ds.digest.hex()}'


class Zone:
    """Records by owner and type, with the faults to put into the signed zone.

    denial: nsec | nsec3 | optout.   ds: right | none | wrong | unknown-algorithm | unknown-digest.
    fault(owner, type, how): how the signature of that RRset is broken: expired, future, corrupt, strip.
    edit_denial: function(owner, next, types) -> (next, types) | None (leave the record out), before it is signed.
    """

    def __init__(self, name, signed=True, algorithms=('ecdsa',), denial='nsec', ds='right', ttl=60, iterations=0):
        self.name = name if name.endswith('.') else name + '.'
        self.origin = dns.name.from_text(self.name)
        self.signed, self.algorithms, self.denial, self.ds = signed, tuple(algorithms), denial, ds
        self.ds_algorithms = self.algorithms
        self.ttl, self.iterations = ttl, iterations
        self.serial = 0
        self.records = {}               # (owner name, type) -> list of rdata texts
        self.faults = {}
        self.signers = {}               # (owner name, type) -> algorithms, where not all of them sign
        self.edit_denial = None
        self.text = None

    def owner(self, text):
        return self.origin if text == '@' else dns.name.from_text(text, self.origin)

    def add(self, owner, rtype, *rdata):
        """Adds records; owner is relative to the zone ('@' its apex)."""
        key = (self.owner(owner), rtype)
        have = self.records.setdefault(key, [])
        have += [r for r in rdata if r not in have]

    def set(self, owner, rtype, *rdata):
        self.remove(owner, rtype)
        if rdata:
            self.add(owner, rtype, *rdata)

    def remove(self, owner, rtype=None):
        name = self.owner(owner)
        for key in [k for k in self.records if k[0] == name and rtype in (None, k[1])]:
            del self.records[key]

    def fault(self, owner, rtype, how):
        if how is None:
            self.faults.pop((self.owner(owner), rtype), None)
        else:
            self.faults[(self.owner(owner), rtype)] = how

    def ds_records(self):
        if self.ds == 'none':
            return []
        fault = None if self.ds == 'right' else self.ds
        return [ds_text(self.name, a, fault) for a in self.ds_algorithms]

    def build(self):
        """The zone file's text. The serial grows when, and only when, something changed."""
        for attempt in (0, 1):
            rrsets = self._data()
            lines = [line for rrset in rrsets for line in rrset.to_text().split('\n')]
            if self.signed:
                lines += self._sign(rrsets)
            text = '\n'.join(lines) + '\n'
            if text == self.text:
                return text
            if attempt == 0:
                self.serial += 1
        self.text = text
        return text

    def _data(self):
        out = [self._rrset(self.origin, 'SOA', [f'ns.{self.name} hostmaster.{self.name} {self.serial} 3600 900 86400 1'])]
        if self.signed:
            keys = [key_pair(a)[1].to_text() for a in self.algorithms]
            out.append(self._rrset(self.origin, 'DNSKEY', keys))
            if self.denial != 'nsec':
                out.append(self._rrset(self.origin, 'NSEC3PARAM', [f'1 0 {self.iterations} -']))
        for (owner, rtype), rdata in self.records.items():
            out.append(self._rrset(owner, rtype, rdata))
        return out

    def _rrset(self, owner, rtype, rdata):
        return dns.rrset.from_text_list(owner, self.ttl, 'IN', rtype, rdata, origin=self.origin, relativize=False)

    def _sign(self, rrsets):
        cuts = {r.name for r in rrsets if r.rdtype == dns.rdatatype.NS and r.name != self.origin}

        def below_cut(name):
            return any(name != cut and name.is_subdomain(cut) for cut in cuts)

        types = {}
        for r in rrsets:
            if not below_cut(r.name) and not (r.name in cuts and r.rdtype not in (dns.rdatatype.NS, dns.rdatatype.DS)):
                types.setdefault(r.name, []).append(dns.rdatatype.to_text(r.rdtype))
        signed = [r for r in rrsets if not below_cut(r.name) and not (r.name in cuts and r.rdtype != dns.rdatatype.DS)]
        denials = self._nsec(types) if self.denial == 'nsec' else self._nsec3(types, cuts)
        lines = [d.to_text() for d in denials]
        for rrset in signed + denials:
            lines += self._rrsigs(rrset)
        return lines

    def _rrsigs(self, rrset):
        key = (rrset.name, dns.rdatatype.to_text(rrset.rdtype))
        how = self.faults.get(key)
        if how == 'strip':
            return []
        out = []
        for algorithm in self.signers.get(key, self.algorithms):
            cached = (self.name, rrset.to_text(), algorithm, how)
            if cached not in _signatures:
                _signatures[cached] = self._rrsig(rrset, algorithm, how)
            out.append(f'{rrset.name} {rrset.ttl} IN RRSIG {_signatures[cached]}')
        return out

    def _rrsig(self, rrset, algorithm, how):
        private, dnskey = key_pair(algorithm)
        begin, end = (int(_START + t) for t in WINDOWS[how])
        blank = RRSIG(dns.rdataclass.IN, dns.rdatatype.RRSIG, rrset.rdtype, dnskey.algorithm,
                      len(rrset.name) - 1 - rrset.name.is_wild(), rrset.ttl, end, begin, dns.dnssec.key_id(dnskey),
                      self.origin, b'')
        fixed = struct.pack('!HHI', rrset.rdtype, rrset.rdclass, rrset.ttl)
        signed = blank.to_digestable()
        for rdata in sorted(r.to_digestable() for r in rrset):         # RFC 4034 3.1.8.1
            signed += rrset.name.to_digestable() + fixed + struct.pack('!H', len(rdata)) + rdata
        signature = sign_bytes(private, signed)
        if how == 'corrupt':
            signature = signature[:10] + bytes([signature[10] ^ 1]) + signature[11:]
        return blank.replace(signature=signature).to_text()

    def _edited(self, owner, following, types):
        return self.edit_denial(owner, following, types) if self.edit_denial else (following, types)

    def _nsec(self, types):
        names = sorted(types)
        out = []
        for i, name in enumerate(names):
            edited = self._edited(name, names[(i + 1) % len(names)], types[name] + ['RRSIG', 'NSEC'])
            if edited:
                out.append(self._rrset(name, 'NSEC', [f'{edited[0]} {" ".join(edited[1])}']))
        return [self._minimum(r) for r in out]

    def _nsec3(self, types, cuts):
        optout = self.denial == 'optout'
        every = {}
        for name, have in types.items():
            insecure_cut = name in cuts and 'DS' not in have
            if optout and insecure_cut:
                continue
            every[name] = have if insecure_cut else have + ['RRSIG']
            parent = name.parent()
            while parent != self.origin and parent.is_subdomain(self.origin):
                every.setdefault(parent, types.get(parent, []))      # an empty non-terminal has a record too
                parent = parent.parent()
        hashes = {dns.dnssec.nsec3_hash(n, '', self.iterations, 'SHA1'): n for n in every}
        order = sorted(hashes)
        out = []
        for i, hashed in enumerate(order):
            edited = self._edited(hashes[hashed], order[(i + 1) % len(order)], every[hashes[hashed]])
            if edited:
                rdata = f'1 {int(optout)} {self.iterations} - {edited[0]} {" ".join(edited[1])}'
                out.append(self._rrset(dns.name.from_text(hashed, self.origin), 'NSEC3', [rdata]))
        return [self._minimum(r) for r in out]

    @staticmethod
    def _minimum(rrset):
        rrset.ttl = 1                   # RFC 9077: as the SOA minimum, so that tests can add what was denied
        return rrset
