"""A signed DNS tree for the benchmark: test. and so many domains below it, each a zone of its own with its own DS, served
by Knot alone (the world's front answers in Python, and would be what is measured).

Two Knots, since a server of both parent and child would never send a referral: test. on 127.0.0.53, the rest on 127.0.0.54.
"""
import os
import pathlib
import subprocess

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rdatatype

from world import netns, waiting, zone

PARENT, CHILD = '127.0.0.53', '127.0.0.54'
TTL = 3600


def ask(address, name, rtype):
    """The answer, DNSSEC records and AD bit included; an empty one when nobody answers."""
    query = dns.message.make_query(name, rtype, want_dnssec=True)
    query.flags |= dns.flags.AD
    try:
        return dns.query.udp(query, address, 2)
    except (OSError, dns.exception.DNSException):
        return dns.message.make_response(query)


class Server:
    def __init__(self, work, address, zones):
        work.mkdir(parents=True)
        text = (f'server:\n  rundir: {work}\n  listen: {address}@53\n  udp-workers: 1\n  tcp-workers: 1\n'
                f'  background-workers: 1\n  automatic-acl: off\nlog:\n  - target: stdout\n    any: warning\n'
                f'database:\n  storage: {work}\n  journal-db-max-size: 64M\n  kasp-db-max-size: 16M\n  timer-db-max-size: 16M\n'
                f'template:\n  - id: default\n    storage: {work}\n    journal-content: none\n    zonefile-sync: -1\n'
                f'    zonefile-load: whole\nzone:\n')
        for made in zones:
            (work / f'{made.name}zone').write_text(made.build())
            text += f'  - domain: {made.name}\n    file: {made.name}zone\n'
        (work / 'knot.conf').write_text(text)
        with open(work / 'knot.log', 'w') as log:
            self.process = subprocess.Popen(['knotd', '-c', str(work / 'knot.conf')], stdout=log, stderr=subprocess.STDOUT,
                                            preexec_fn=netns.die_with_parent)
        last = zones[-1].name
        waiting.until(lambda: any(r.rdtype == dns.rdatatype.SOA for r in ask(address, zones[-1].name, 'SOA').answer), 60,
                      f'zone {zones[-1].name}', pause=0.05)


class Tree:
    """domains: how many; hosts: None for an MX host in each domain, or so many hosts that all of them share."""

    def __init__(self, work, credential, domains, hosts=None):
        work = pathlib.Path(work)
        tlsa = credential.tlsa('3 1 1')
        top = zone.Zone('test.', ttl=TTL)
        top.add('@', 'NS', 'ns.test.')
        top.add('ns', 'A', PARENT)
        children = [self._zone(top, f'd{n}.test.') for n in range(domains)]
        if hosts:
            shared = self._zone(top, 'hosts.test.')
            for n in range(hosts):
                self._host(shared, f'mx{n}', f'127.25.1.{n + 1}', tlsa)
        for n, child in enumerate(children):
            if hosts:
                child.add('@', 'MX', f'10 mx{n % hosts}.hosts.test.')
            else:
                child.add('@', 'MX', f'10 mx.{child.name}')
                self._host(child, 'mx', self.address(n), tlsa)
        if hosts:
            children.append(shared)
        for child in children:
            top.set(child.name, 'DS', *child.ds_records())
        Server(work / 'child', CHILD, children)
        Server(work / 'parent', PARENT, [top])
        self.anchor = 'test. IN DS ' + zone.ds_text('test.', 'ecdsa')

    @staticmethod
    def address(n):
        """Of the MX host of domain n, where each has its own."""
        return f'127.25.{2 + n // 250}.{1 + n % 250}'

    @staticmethod
    def _zone(top, name):
        made = zone.Zone(name, ttl=TTL)
        for holder in (made, top):
            holder.add(name, 'NS', f'ns.{name}')
            holder.add(f'ns.{name}', 'A', CHILD)
        return made

    @staticmethod
    def _host(made, name, address, tlsa):
        made.add(name, 'A', address)
        made.add(f'_25._tcp.{name}', 'TLSA', tlsa)
