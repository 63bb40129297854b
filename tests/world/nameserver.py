"""Who answers DNS queries in the world, what does he answer, and what was he asked?

Knot serves the zones as they are signed; a front on port 53 of every loopback address stands before it, keeps the
query log and, where a test says so, lies: per zone, name, type and server address. Each zone has server addresses of
its own, so that a resolver's memory of one bad server harms no other test. One Knot per depth of the zone tree,
because a server of both parent and child would never send a referral.
"""
import asyncio
import dataclasses
import ipaddress
import os
import socket
import struct
import subprocess
import threading
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

from . import netns, waiting

IP_PKTINFO = 8
RCODES = {'servfail': dns.rcode.SERVFAIL, 'refused': dns.rcode.REFUSED, 'notimp': dns.rcode.NOTIMP,
          'formerr': dns.rcode.FORMERR, 'nxdomain': dns.rcode.NXDOMAIN, 'nodata': dns.rcode.NOERROR}


@dataclasses.dataclass(frozen=True)
class Query:
    time: float
    server: str
    zone: str
    name: str           # lower case, with the final dot
    type: str
    protocol: str
    action: str         # what the front did to it; '-' for nothing


@dataclasses.dataclass
class Fault:
    """name and type may be '*'. action: a word of RCODES (unsigned answers), or
    drop · garbage · tc (truncated, TCP works) · truncate (truncated, TCP closes) · slow SECONDS · strip (no RRSIGs) ·
    forge RDATA (an unsigned answer) · function(query, answer) -> message to send, or None for silence."""
    name: str
    type: str
    action: object
    server: str = '*'

    def fits(self, name, rtype, server):
        return self.name in ('*', name) and self.type in ('*', rtype) and self.server in ('*', server)


class Knot:
    """One knotd with zones from files."""

    def __init__(self, work, port):
        self.dir, self.port = work, port
        os.makedirs(work)
        self.zones = {}
        self._configure()
        self._start()

    def _start(self):
        self.process = subprocess.Popen(['knotd', '-c', self._path('knot.conf')], preexec_fn=netns.die_with_parent,
                                        stdout=open(self._path('knot.log'), 'a'), stderr=subprocess.STDOUT)
        waiting.until(lambda: self._control('status'), what='knotd')

    def _path(self, name):
        return os.path.join(self.dir, name)

    def _configure(self):
        text = (f'server:\n  rundir: {self.dir}\n  listen: 127.0.0.1@{self.port}\n  udp-workers: 1\n  tcp-workers: 1\n'
                f'  background-workers: 1\n  automatic-acl: off\nlog:\n  - target: stdout\n    any: warning\n'
                f'database:\n  storage: {self.dir}\n  journal-db-max-size: 64M\n  kasp-db-max-size: 16M\n'
                f'  timer-db-max-size: 16M\ncontrol:\n  listen: {self._path("knot.sock")}\n'
                f'template:\n  - id: default\n    storage: {self.dir}\n    journal-content: none\n'
                f'    zonefile-sync: -1\n    zonefile-load: whole\nzone:\n')
        for name in self.zones:
            text += f'  - domain: {name}\n    file: {name}zone\n'
        with open(self._path('knot.conf'), 'w') as f:
            f.write(text)

    def _control(self, *command):
        return subprocess.run(['knotc', '-s', self._path('knot.sock'), *command], capture_output=True).returncode == 0

    def publish(self, zones):
        """Makes zones (name -> (serial, text)) the ones served, and returns when they are."""
        changed = [n for n, z in zones.items() if self.zones.get(n) != z[0]]
        same_set = set(zones) == set(self.zones)
        for name in changed:
            with open(self._path(name + 'zone'), 'w') as f:
                f.write(zones[name][1])
        known = [n for n in changed if n in self.zones]
        self.zones = {n: z[0] for n, z in zones.items()}
        if not same_set:
            self._configure()
        # knotd 3.2 dies of a segmentation fault once in some thousand reloads: a new one reads the same files.
        if self.process.poll() is not None or not self._reload(same_set, known):
            self.process.kill()
            self.process.wait()
            print(f'knotd ended with {self.process.returncode}, started again')
            self._start()
        for name in changed:
            waiting.until(lambda: self._serial(name) == zones[name][0], what=f'zone {name} in Knot', pause=0.002)

    def _reload(self, same_set, known):
        done = same_set or self._control('reload')
        return done and (not known or self._control('zone-reload', *known))

    def _serial(self, name):
        try:
            answer = dns.query.udp(dns.message.make_query(name, 'SOA'), '127.0.0.1', 1, self.port).answer
        except Exception:
            return None
        return answer[0][0].serial if answer else None

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Front:
    """Answers on port 53 of every address, in a thread of its own."""

    def __init__(self):
        self.log = waiting.Journal()
        self.zone_of = {}               # server address -> Zone name
        self.backend = {}               # zone name -> Knot port
        self.faults = {}                # zone name -> [Fault]
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready):
        asyncio.set_event_loop(self._loop)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._udp.bind(('0.0.0.0', 53))
        self._udp.setblocking(False)
        self._loop.add_reader(self._udp, self._readable)
        self._loop.run_until_complete(asyncio.start_server(self._tcp, '0.0.0.0', 53))
        ready.set()
        self._loop.run_forever()

    def _readable(self):
        while True:
            try:
                data, ancillary, _, peer = self._udp.recvmsg(4096, 64)
            except BlockingIOError:
                return
            local = next(socket.inet_ntoa(c[8:12]) for level, kind, c in ancillary if kind == IP_PKTINFO)
            self._loop.create_task(self._answer_udp(data, peer, local))

    async def _answer_udp(self, data, peer, local):
        answer = await self._answer(data, local, 'udp')
        if answer:
            source = struct.pack('=i4s4s', 0, socket.inet_aton(local), b'\0' * 4)
            self._udp.sendmsg([answer], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, peer)

    async def _tcp(self, reader, writer):
        local = writer.get_extra_info('sockname')[0]
        try:
            while True:
                size = struct.unpack('>H', await reader.readexactly(2))[0]
                answer = await self._answer(await reader.readexactly(size), local, 'tcp')
                if answer is None:
                    await asyncio.sleep(30)
                    break
                if answer == b'':
                    break
                writer.write(struct.pack('>H', len(answer)) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, data, local, protocol):
        """The reply; None for silence; b'' to close a TCP connection."""
        try:
            query = dns.message.from_wire(data)
            question = query.question[0]
        except Exception:
            return None
        name, rtype = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        zone = self.zone_of.get(local)
        fault = next((f for f in self.faults.get(zone, []) if f.fits(name, rtype, local)), None)
        action = fault.action if fault else None
        self.log.add(Query(time.monotonic(), local, zone or '', name, rtype, protocol,
                           '-' if action is None else action if isinstance(action, str) else 'script'))
        if zone is None:
            return self._bare(query, dns.rcode.REFUSED)
        if callable(action):
            made = action(query, dns.message.from_wire(await self._ask(data, zone, 'tcp')))
            return made if made is None or isinstance(made, bytes) else made.to_wire()
        word, _, argument = (action or '').partition(' ')
        if word == 'slow':
            await asyncio.sleep(float(argument))
        elif word:
            return await self._lie(word, argument, query, data, zone, protocol)
        return await self._ask(data, zone, protocol)

    async def _lie(self, word, argument, query, data, zone, protocol):
        if word == 'drop':
            return None
        if word in RCODES:
            return self._bare(query, RCODES[word])
        if word == 'garbage':
            return data[:2] + b'\x84\0\0\1\0\7' + b'\xc0\xff' * 20
        if word in ('tc', 'truncate'):
            if protocol == 'tcp':
                return await self._ask(data, zone, 'tcp') if word == 'tc' else b''
            answer = dns.message.from_wire(self._bare(query, dns.rcode.NOERROR))
            answer.flags |= dns.flags.TC
            return answer.to_wire()
        if word == 'forge':
            answer = dns.message.from_wire(self._bare(query, dns.rcode.NOERROR))
            question = query.question[0]
            answer.answer.append(dns.rrset.from_text(question.name, 60, 'IN', question.rdtype, argument))
            return answer.to_wire()
        if word == 'strip':
            answer = dns.message.from_wire(await self._ask(data, zone, 'tcp'))
            for section in (answer.answer, answer.authority, answer.additional):
                section[:] = [r for r in section if r.rdtype != dns.rdatatype.RRSIG]
            return answer.to_wire()
        raise ValueError(f'unknown fault {word}')

    @staticmethod
    def _bare(query, rcode):
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        answer.set_rcode(rcode)
        return answer.to_wire()

    async def _ask(self, data, zone, protocol):
        port = self.backend[zone]
        if protocol == 'tcp':
            reader, writer = await asyncio.open_connection('127.0.0.1', port)
            writer.write(struct.pack('>H', len(data)) + data)
            answer = await reader.readexactly(struct.unpack('>H', await reader.readexactly(2))[0])
            writer.close()
            return answer
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            s.connect(('127.0.0.1', port))
            s.send(data)
            return await asyncio.wait_for(self._loop.sock_recv(s, 65535), 5)


class NameServers:
    """The front with its Knots, and the tree of zones below test."""

    ROOT_ADDRESS = '127.0.0.53'

    def __init__(self, work, top):
        self.work, self.top = work, top
        self.front = Front()
        self.knots = {}
        self.zones = {top.name: top}
        self.addresses = {top.name: [self.ROOT_ADDRESS]}
        self._next = int(ipaddress.ip_address('127.53.0.1'))
        top.add('@', 'NS', 'ns.' + top.name)
        top.add('ns', 'A', self.ROOT_ADDRESS)

    def parent(self, zone):
        name = zone.name.split('.', 1)[1]
        while name not in self.zones:
            name = name.split('.', 1)[1]
        return self.zones[name]

    def depth(self, zone):
        return 0 if zone is self.top else 1 + self.depth(self.parent(zone))

    def add(self, zone, servers=1):
        """Delegates zone from its parent, with so many name servers. Returns their addresses."""
        addresses = []
        parent = self.parent(zone)
        for i in range(servers):
            address = str(ipaddress.ip_address(self._next))
            self._next += 1
            label = 'ns' if i == 0 else f'ns{i + 1}'
            for holder in (zone, parent):
                holder.add(zone.name, 'NS', f'{label}.{zone.name}')
                holder.add(f'{label}.{zone.name}', 'A', address)
            addresses.append(address)
        self.zones[zone.name] = zone
        self.addresses[zone.name] = addresses
        return addresses

    def remove(self, zone):
        parent = self.parent(zone)
        for key in [k for k in parent.records if k[0].is_subdomain(zone.origin)]:
            del parent.records[key]
        for address in self.addresses.pop(zone.name):
            self.front.zone_of.pop(address, None)
        self.front.faults.pop(zone.name, None)
        del self.zones[zone.name]

    def publish(self):
        """Signs and loads what changed; returns when it is served."""
        tiers = {}
        for zone in self.zones.values():
            if zone is not self.top:
                self.parent(zone).set(zone.name, 'DS', *zone.ds_records())
        for zone in self.zones.values():
            text = zone.build()
            tiers.setdefault(self.depth(zone), {})[zone.name] = (zone.serial, text)
        for depth in set(self.knots) | set(tiers):
            if depth not in self.knots:
                self.knots[depth] = Knot(os.path.join(self.work, f'knot{depth}'), 5300 + depth)
            self.knots[depth].publish(tiers.get(depth, {}))
        for depth, served in tiers.items():
            for name in served:
                self.front.backend[name] = 5300 + depth
                for address in self.addresses[name]:
                    self.front.zone_of[address] = name

    def stop(self):
        for knot in self.knots.values():
            knot.stop()
