"""Clients that submit under load, and what they were promised: a 250 read to the final dot."""
import collections
import smtplib
import threading
import time


class Load(threading.Thread):
    """Submits messages one after the other to the next of servers, over reconnects, and remembers which were promised."""

    def __init__(self, name, servers, addresses, timeout):
        """servers is called for the address of the one to go to next."""
        super().__init__(daemon=True)
        self.tag, self.servers, self.addresses, self.timeout = name, servers, addresses, timeout
        self.promised, self.refused, self.sent = {}, collections.Counter(), 0
        self.halt = threading.Event()

    def run(self):
        while not self.halt.is_set():
            try:
                with smtplib.SMTP(*self.servers(), local_hostname='client.test', timeout=self.timeout) as client:
                    client.ehlo()
                    while not self.halt.is_set():
                        self._one(client)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)                        # that server is down or refuses: knock again

    def _one(self, client):
        self.sent += 1
        number = f'{self.tag}-{self.sent}'
        to = self.addresses[self.sent % len(self.addresses)]
        body = f'X-Number: {number}\r\nSubject: {number}\r\n\r\n' + 'x' * 60 + '\r\n'
        for step in (lambda: client.mail(f'{number}@sender.test'), lambda: client.rcpt(to), lambda: client.data(body.encode())):
            code = step()[0]
            if code != 250:
                self.refused[code] += 1
                raise smtplib.SMTPException(f'{code}')
        self.promised[number] = to
