"""How does a peer's SMTP server behave, and what did it see?

A Server runs one Script (smtpd_script.py): an honest one by default, changed keyword by keyword. Each connection has a thread.
All that happens goes into the server's journal as Facts, which tests read or wait for.
"""
import socket
import ssl
import tempfile
import threading

from . import waiting
from .smtpd_script import CLOSE, HANG, HONEST_CAPABILITIES, RESET, Fact, Once, Reply, Script  # noqa: F401 (for tests)
from .smtpd_session import Hangup, Session


def _version(text):
    return {'1.0': ssl.TLSVersion.TLSv1, '1.1': ssl.TLSVersion.TLSv1_1, '1.2': ssl.TLSVersion.TLSv1_2,
            '1.3': ssl.TLSVersion.TLSv1_3}[text]


class Server:
    """Listens on address:port until closed. credential may be replaced while it runs."""

    def __init__(self, host, address, credential, script=None, port=25):
        self.host, self.address, self.port = host, address, port
        self.script = script or Script()
        self.journal = waiting.Journal()
        self.credential = credential
        self._sessions = 0
        self._open = set()
        self._counts = {}
        self._lock = threading.Lock()
        self._contexts = {}
        self._listener = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(512)
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    # What tests ask.

    def facts(self, kind=None):
        return [f for f in self.journal.all() if kind in (None, f.kind)]

    @property
    def connections(self):
        return len(self.facts('connected'))

    @property
    def untouched(self):
        return not self.connections

    def commands(self, verb=None, tls=None):
        """The command lines seen, in order."""
        return [f.text for f in self.facts('command') if verb in (None, f.verb) and tls in (None, f.tls)]

    @property
    def silent(self):
        """No mail transaction was even begun here."""
        return not any(self.commands(v) for v in ('MAIL', 'RCPT', 'DATA', 'BDAT'))

    @property
    def messages(self):
        return [f.data for f in self.facts('message')]

    @property
    def handshakes(self):
        return [f.data for f in self.facts('tls')]

    @property
    def sni(self):
        return [t.sni for t in self.handshakes]

    @property
    def faults(self):
        return [f.text for f in self.facts('fault')]

    def wait(self, kind, verb=None, text=None, timeout=20, count=1):
        """Waits until `count` such facts have been seen; returns the last of them."""
        def fits(f):
            return f.kind == kind and verb in (None, f.verb) and (text is None or text in f.text)

        def enough(items):
            found = [f for f in items if fits(f)]
            return found[count - 1] if len(found) >= count else None
        return self.journal.wait_until(enough, timeout, f'{self.host}: {kind} {verb or ""} {text or ""} x{count}')

    def wait_messages(self, count=1, timeout=20):
        return self.journal.wait_until(lambda items: (m := [f.data for f in items if f.kind == 'message']) and
                                       len(m) >= count and m, timeout, f'{self.host}: {count} messages')

    def transcript(self):
        return '\n'.join(f'  {f.session} {"tls " if f.tls else "    "}{f.kind:9} {f.verb} {f.text}' for f in self.facts())

    def close(self):
        """Stops listening and ends every session."""
        with self._lock:
            self._closing = True
            open_now = [s.raw for s in self._open]
        for sock in [self._listener] + open_now:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._listener.close()

    # How it works.

    def _accept(self):
        while True:
            try:
                sock, peer = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closing:
                    sock.close()
                    return
                self._sessions += 1
                session = Session(self, sock, self._sessions)
                self._open.add(session)
                busy = len(self._open) > self.script.connections
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(session, busy, peer), daemon=True).start()

    def _serve(self, session, busy, peer):
        try:
            session.note('connected', text=peer[0])
            session.run(busy)
        except (Hangup, OSError, ssl.SSLError, ValueError) as e:
            session.note('closed', text='' if isinstance(e, Hangup) else f'{type(e).__name__}: {e}')
        else:
            session.note('closed')
        finally:
            with self._lock:
                self._open.discard(session)
            session.close()

    def step(self, key):
        """How often this step has been reached, counting from 0."""
        with self._lock:
            n = self._counts.get(key, 0)
            self._counts[key] = n + 1
            return n

    def context(self, credential):
        with self._lock:
            if credential not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                low, high = self.script.tls
                context.set_ciphers(self.script.ciphers or ('DEFAULT:@SECLEVEL=0' if low < '1.2' else
                                                            'DEFAULT:@SECLEVEL=1'))
                context.minimum_version, context.maximum_version = _version(low), _version(high)
                _load(context, credential)
                self._contexts[credential] = context
            return self._contexts[credential]

    def show_also(self, credential):
        """A second certificate, of another kind of key: the handshake decides which one the client sees."""
        _load(self.context(self.credential), credential)


def _load(context, credential):
    with tempfile.NamedTemporaryFile('w', suffix='.pem') as f:
        f.write(credential.pem())
        f.flush()
        context.load_cert_chain(f.name)
