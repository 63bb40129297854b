"""Clients that submit under load, and what they were promised: a 250 read to the final dot."""
import collections
import contextlib
import smtplib
import threading
import time

from . import waiting


def submit(client, sender, to, data):
    """One message over an smtplib connection; the reply that decided: 250 means promised, and nothing is raised."""
    for step in (lambda: client.mail(sender), lambda: client.rcpt(to), lambda: client.docmd('DATA')):
        code, text = step()
        if code not in (250, 354):
            if code != 421:
                client.rset()
            return code, text
    client.send(data + b'.\r\n')
    return client.getreply()


class Load(threading.Thread):
    """Submits messages one after the other to the next of servers, over reconnects, and remembers which were promised."""

    def __init__(self, name, servers, addresses, timeout):
        """servers is called for the address of the one to go to next."""
        super().__init__(daemon=True)
        self.tag, self.servers, self.addresses, self.timeout = name, servers, addresses, timeout
        self.promised, self.refused, self.sent = {}, collections.Counter(), 0
        self.troubles = []                              # what ended connections before their time
        self.halt = threading.Event()

    def run(self):
        while not self.halt.is_set():
            try:
                with smtplib.SMTP(*self.servers(), local_hostname='client.test', timeout=self.timeout) as client:
                    code, text = client.ehlo()
                    if code != 250:
                        raise smtplib.SMTPResponseException(code, text)
                    while not self.halt.is_set():
                        self._one(client)
            except (OSError, smtplib.SMTPException) as trouble:
                self.troubles.append(trouble)
                time.sleep(0.02)                        # that server is down or refuses: knock again

    def _one(self, client):
        self.sent += 1
        number = f'{self.tag}-{self.sent}'
        to = self.addresses[self.sent % len(self.addresses)]
        body = f'X-Number: {number}\r\nSubject: {number}\r\n\r\n' + 'x' * 60 + '\r\n'
        code, text = submit(client, f'{number}@sender.test', to, body.encode())
        if code != 250:
            self.refused[code] += 1
            raise smtplib.SMTPResponseException(code, text)
        self.promised[number] = to


@contextlib.contextmanager
def running(relay, addresses, clients=4, timeout=20):
    """Several clients of one relay, from before the block to its end: yields their Together."""
    made = [Load(f'c{i}', lambda: relay.address, addresses, timeout) for i in range(clients)]
    for client in made:
        client.start()
    try:
        yield Together(made)
    finally:
        for client in made:
            client.halt.set()
        for client in made:
            client.join(timeout + 10)


class Together:
    def __init__(self, clients):
        self._clients = clients

    @property
    def promised(self):
        """Sender addresses of the messages answered 250."""
        return {f'{number}@sender.test' for c in self._clients for number in c.promised}

    @property
    def troubles(self):
        return [trouble for c in self._clients for trouble in c.troubles]

    @property
    def refused(self):
        return sum((c.refused for c in self._clients), collections.Counter())

    def wait_promises(self, more):
        before = len(self.promised)
        waiting.until(lambda: len(self.promised) >= before + more, timeout=60, what=f'{more} more promises')

    def assert_kept_once(self, relay, mx):
        """When the queue is empty, every promise has been kept, and nothing came twice."""
        waiting.until(lambda: relay.listed() == [], timeout=60, what='an empty queue')
        senders = [m.sender for m in mx.messages]
        assert self.promised <= set(senders)
        assert len(senders) == len(set(senders))
