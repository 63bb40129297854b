"""A DNS forwarder that stands between the relay and the world's name servers, honest or not.

It asks the server of the zone that holds the name, and hands the answer through `edit`. Forwarders in the field strip
signatures, claim to have validated, or refuse: RFC 4035 3.2, RFC 7672 2.1.3.
"""
import contextlib
import socket
import threading

import dns.flags
import dns.message
import dns.query
import dns.rdatatype


class Forwarder:
    """edit: function(query, answer) -> message, None (silence); replaced while it runs."""

    def __init__(self, lab, address='127.0.0.54', port=5354):
        self.lab, self.at = lab, f'{address}@{port}'
        self.edit = lambda query, answer: answer
        self.asked = []
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((address, port))
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def configure(self, relay):
        return relay.configure(dns={'stub_zones': [], 'forwarders': [self.at]})

    def _zone(self, question):
        """The zone to ask: of a cut's DS the parent."""
        names = [z for z in self.lab.dns.zones.values() if question.name.is_subdomain(z.origin)]
        if question.rdtype == dns.rdatatype.DS:
            names = [z for z in names if z.origin != question.name]
        return max(names, key=lambda z: len(z.origin), default=None)

    def _serve(self):
        while True:
            try:
                data, peer = self._sock.recvfrom(4096)
            except OSError:
                return
            if not data:
                return
            threading.Thread(target=self._answer, args=(data, peer), daemon=True).start()

    def _answer(self, data, peer):
        query = dns.message.from_wire(data)
        self.asked.append((query.question[0].name.to_text().lower(), dns.rdatatype.to_text(query.question[0].rdtype)))
        zone = self._zone(query.question[0])
        if zone is None:
            answer = dns.message.make_response(query)
            answer.set_rcode(5)
        else:
            answer = dns.query.tcp(query, '127.0.0.1', 5, self.lab.dns.front.backend[zone.name])
        answer.flags = (answer.flags | dns.flags.RA) & ~dns.flags.AA
        answer = self.edit(query, answer)
        if answer is not None:
            with contextlib.suppress(OSError):      # closed meanwhile
                self._sock.sendto(answer.to_wire(max_size=65535), peer)

    def close(self):
        with contextlib.suppress(OSError):          # it is not connected, but whoever waits for a packet is woken
            self._sock.shutdown(socket.SHUT_RDWR)
        self._server.join()                         # until then the address is taken
        self._sock.close()


def strip(query, answer):
    """A forwarder blind to DNSSEC: no signatures, no proofs, no keys."""
    blind = {dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3, dns.rdatatype.DNSKEY, dns.rdatatype.DS}
    for section in (answer.answer, answer.authority, answer.additional):
        section[:] = [r for r in section if r.rdtype not in blind]
    return answer


def claim(query, answer):
    """One that says it validated all of it."""
    answer.flags |= dns.flags.AD
    return answer


def refuse(query, answer):
    out = dns.message.make_response(query)
    out.set_rcode(5)
    return out
