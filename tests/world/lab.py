"""The world as tests see it: domains with hosts, a few lines each.

    d = world.domain()                          a signed zone of its own below test.
    mx = d.host('mx', tlsa=['3 1 1'])           MX 10 mx, its address, its TLSA record, and its SMTP server
    d.faults('mx', 'TLSA', 'servfail')          from now on
    d.heal()
Changes reach the name servers with world.publish(), which the relay's driver calls before it acts.
"""
import ipaddress
import os
import re
import shutil
import tempfile

from . import https, nameserver, netns, pki, smtpd, zone


class Host:
    """A mail host of a domain: a name, addresses, a server (unless server=False) and TLSA records."""

    def __init__(self, domain, name, fqdn, addresses, credential, servers):
        self.domain, self.name, self.fqdn = domain, name, fqdn
        self.addresses, self.credential = addresses, credential
        self.servers = servers

    @property
    def server(self):
        return self.servers[0]

    def __getattr__(self, attribute):       # the (first) server's facts read as the host's
        if attribute.startswith('_') or not self.__dict__.get('servers'):
            raise AttributeError(attribute)
        return getattr(self.servers[0], attribute)

    @property
    def messages(self):
        return [m for s in self.servers for m in s.messages]

    @property
    def silent(self):
        return all(s.silent for s in self.servers)

    @property
    def untouched(self):
        return all(s.untouched for s in self.servers)

    def tlsa(self, *texts, port=25, name=None):
        """Replaces the TLSA records; see Credential.tlsa() for the texts. None at all removes them."""
        owner = f'_{port}._tcp.{name or self.name}' if (name or self.name) != '@' else f'_{port}._tcp'
        self.domain.zone.set(owner, 'TLSA', *[self.credential.tlsa(t) for t in texts])

    def restart(self):
        """The (only) server comes back after close(); its journal starts anew."""
        old = self.servers[0]
        self.servers[0] = smtpd.Server(old.host, old.address, old.credential, old.script, old.port)
        self.domain.scene.servers.append(self.servers[0])


class Domain:
    def __init__(self, scene, made, servers):
        self.scene, self.zone = scene, made
        self.name = made.name.rstrip('.')
        self.addresses = scene.lab.dns.add(made, servers)
        self.hosts = []

    def user(self, local='rcpt'):
        return f'{local}@{self.name}'

    def fqdn(self, name):
        return self.name if name == '@' else name[:-1] if name.endswith('.') else f'{name}.{self.name}'

    def add(self, owner, rtype, *rdata):
        self.zone.add(owner, rtype, *rdata)
        return self

    def host(self, name='mx', preference=10, tlsa=(), credential=None, server=True, ipv4=1, ipv6=0, port=25, addresses=None,
             fqdn=None, **script):
        """preference None: no MX record. credential: a pki.Credential, or a function of the host's name that makes one
        (default: self-signed). addresses: given ones instead of fresh ones. fqdn: the server's and certificate's name, when
        it differs. Further keywords are smtpd.Script's."""
        lab = self.scene.lab
        if addresses is None:
            addresses = [lab.new_ipv4() for _ in range(ipv4)] + [lab.new_ipv6() for _ in range(ipv6)]
        full = fqdn or self.fqdn(name)
        credential = credential or pki.self_signed
        made = credential(full) if callable(credential) else credential
        running = [smtpd.Server(full, a, made, smtpd.Script(**script), port) for a in addresses] if server else []
        self.scene.servers += running
        host = Host(self, name, full, addresses, made, running)
        if preference is not None:
            self.zone.add('@', 'MX', f'{preference} {name if name != "@" else self.zone.name}')
        for address in addresses:
            self.zone.add(name, 'AAAA' if ':' in address else 'A', address)
        if tlsa:
            host.tlsa(*tlsa, port=port)
        self.hosts.append(host)
        return host

    def sts(self, mode='enforce', mx=('mx',), max_age=86400, body=None, txt='v=STSv1; id=1;', credential=None, **kw):
        """Announces an MTA-STS policy and serves it. mx: host names of this domain, or patterns. Further keywords are
        https.PolicyHost's. Returns the PolicyHost."""
        if body is None:
            names = [m if '.' in m else self.fqdn(m) for m in mx]
            body = '\r\n'.join(['version: STSv1', f'mode: {mode}', *[f'mx: {n}' for n in names], f'max_age: {max_age}', ''])
        host, address = f'mta-sts.{self.name}', self.scene.lab.new_ipv4()
        made = credential(host) if credential else self.scene.web_ca.issue(host)
        if txt:
            self.add('_mta-sts', 'TXT', f'"{txt}"')
        self.add('mta-sts', 'A', address)
        server = https.PolicyHost(host, address, made, body, **kw)
        self.scene.servers.append(server)
        return server

    def faults(self, name, rtype, action, server='*'):
        """See nameserver.Fault for actions. name is relative, or '*'."""
        full = '*' if name == '*' else self.fqdn(name).lower() + '.'
        self.scene.lab.dns.front.faults.setdefault(self.zone.name, []).insert(0, nameserver.Fault(full, rtype, action, server))

    def heal(self):
        self.scene.lab.dns.front.faults.pop(self.zone.name, None)

    def queries(self, rtype=None):
        """Names asked at this domain's servers, in order."""
        return [q.name.rstrip('.') for q in self.scene.lab.dns.front.log.all()
                if q.zone == self.zone.name and rtype in (None, q.type)]


class Scene:
    """What one test has made: closed and taken out of the DNS afterwards."""

    def __init__(self, lab, name):
        self.lab, self.servers, self.domains = lab, [], []
        self._slug = re.sub(r'[^a-z0-9]+', '-', name.lower().removeprefix('test_')).strip('-')[:28].strip('-')
        self.start = len(lab.dns.front.log)
        self.web_ca, self.sender = lab.web_ca, lab.sender
        self.ca_file, self.anchor = lab.ca_file, lab.anchor

    def domain(self, label=None, servers=1, parent=None, insecure=False, **kw):
        """A new zone, signed unless insecure. label: below parent (a Domain) or test.; default: after the test's name.
        Further keywords are zone.Zone's."""
        if label is None:
            n = self.lab.number()
            label = f'{self._slug}-{n}'
        if insecure:
            kw.update(signed=False, ds='none')
        made = zone.Zone(f'{label}.{parent.zone.name if parent else "test."}', **kw)
        domain = Domain(self, made, servers)
        self.domains.append(domain)
        return domain

    def publish(self):
        self.lab.dns.publish()

    def hosts(self):
        return [h for d in self.domains for h in d.hosts]

    def queries(self, rtype=None):
        """All DNS questions of this test, as nameserver.Query."""
        return [q for q in self.lab.dns.front.log.all()[self.start:] if rtype in (None, q.type)]

    def close(self):
        for server in self.servers:
            server.close()
        for domain in reversed(self.domains):
            self.lab.dns.remove(domain.zone)

    def report(self):
        """For a failing test: what every server saw."""
        out = []
        for host in self.hosts():
            for server in host.servers:
                out.append(f'{host.fqdn} [{server.address}]:{server.port}\n{server.transcript()}')
        return '\n'.join(out)


class Lab:
    """One for a session: name servers, the web CA, and the sender's domain sender.test, whose server takes every report."""

    def __init__(self, work=None):
        netns.enter()
        self.work = work or tempfile.mkdtemp(prefix='danelaw-world-')
        self._count = 0
        self._v4 = int(ipaddress.ip_address('127.25.0.0'))
        self._v6 = int(ipaddress.ip_address('fd00:da4e::'))
        self.top = zone.Zone('test.')
        self.dns = nameserver.NameServers(os.path.join(self.work, 'dns'), self.top)
        self.anchor = 'test. IN DS ' + zone.ds_text('test.', 'ecdsa')
        self.web_ca = pki.WebCa()
        self.ca_file = os.path.join(self.work, 'web-ca.pem')
        with open(self.ca_file, 'w') as f:
            f.write(pki.pem(self.web_ca.cert))
        self.sender = None
        self._own = Scene(self, 'sender')
        self.sender_domain = self._own.domain('sender')
        self.sender = self._own.sender = self.sender_domain.host('mx', tlsa=['3 1 1'])
        self.top.add('relay', 'A', '127.0.0.25')

    def number(self):
        self._count += 1
        return self._count

    def new_ipv4(self):
        self._v4 += 1
        return str(ipaddress.ip_address(self._v4))

    def new_ipv6(self):
        self._v6 += 1
        address = str(ipaddress.ip_address(self._v6))
        netns.add_ipv6(address)
        return address

    def scene(self, name):
        return Scene(self, name)

    def close(self):
        self._own.close()
        self.dns.stop()
        shutil.rmtree(self.work, ignore_errors=True)
