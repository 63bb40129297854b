"""How does a peer's SMTP server behave, and what did it see?

A Server runs one Script: an honest one by default, changed keyword by keyword. Each connection has a thread. All that
happens goes into the server's journal as Facts, which tests read or wait for.

Replies: Script(replies={"RCPT": ...}) where the key is a step (banner EHLO HELO STARTTLS MAIL RCPT DATA DOT BDAT RSET
NOOP QUIT, or "RCPT user" / "RCPT user@domain" for one recipient) and the value one of
    "450 4.2.0 busy"          that reply; lines of a multi-line reply are separated by \\n and sent as given
    Reply("250 ok", ...)      with a delay, an event to wait for, or an end of the connection
    CLOSE RESET HANG          no reply at all
    [a, b, c]                 one after the other; the last one stays
    function(session, argument) -> any of these, or None for the honest reply
"""
import dataclasses
import socket
import ssl
import struct
import tempfile
import threading
import time

from . import waiting

HONEST_CAPABILITIES = ('PIPELINING', 'SIZE 52428800', '8BITMIME', 'ENHANCEDSTATUSCODES', 'DSN', 'SMTPUTF8')
DEFAULTS = {'MAIL': '250 2.1.0 sender ok', 'RCPT': '250 2.1.5 recipient ok', 'DATA': '354 go ahead',
            'DOT': '250 2.0.0 taken', 'BDAT': '250 2.0.0 chunk taken', 'RSET': '250 2.0.0 flushed', 'NOOP': '250 2.0.0 ok',
            'QUIT': '221 2.0.0 bye', 'STARTTLS': '220 2.0.0 ready', 'VRFY': '252 2.0.0 try it', 'HELP': '214 2.0.0 no'}


@dataclasses.dataclass(frozen=True)
class Reply:
    text: str = None            # None: the honest reply of that step
    delay: float = 0            # seconds before it
    wait: object = None         # a threading.Event to wait for before it
    then: str = None            # 'close' or 'reset' right after it
    raw: bytes = None           # sent as it is, instead of text


CLOSE, RESET, HANG = Reply(raw=b'', then='close'), Reply(raw=b'', then='reset'), Reply(raw=b'', then='hang')


@dataclasses.dataclass
class Script:
    """See the module's comment for replies. Everything else by keyword:

    starttls: 'offered' · 'absent' · 'mangled' (XXXXXXXA) · 'hidden' (works, though not listed).
    handshake: 'ok' · 'close' · 'reset' · 'hang' · 'alert' · 'garbage' · 'plain-error' (an SMTP reply instead of TLS).
    inject: bytes sent in one segment with the reply to STARTTLS.
    sni: {name: Credential}, the certificate by SNI; sni_unknown: 'default' or 'alert' for other names.
    capabilities: EHLO keywords; capabilities_tls: those after TLS (default: the same).
    tls: (minimum, maximum) version, "1.0"... "1.3"; ciphers: an OpenSSL cipher list.
    connections: how many at once; more are greeted with 421. trickle: seconds between the octets of every reply.
    """
    replies: dict = dataclasses.field(default_factory=dict)
    starttls: str = 'offered'
    handshake: str = 'ok'
    inject: bytes = b''
    sni: dict = dataclasses.field(default_factory=dict)
    sni_unknown: str = 'default'
    capabilities: tuple = HONEST_CAPABILITIES
    capabilities_tls: tuple = None
    tls: tuple = ('1.2', '1.3')
    ciphers: str = None
    connections: int = 1000
    trickle: float = 0
    name: str = None            # what the greeting calls itself; default: the host's name
    implicit_tls: bool = False


@dataclasses.dataclass(frozen=True)
class Fact:
    """kind: connected · command · reply · tls · tls-failed · message · cut · fault · closed."""
    time: float
    session: int
    kind: str
    tls: bool
    verb: str = ''
    text: str = ''
    data: object = None         # message: Message; tls: Tls


@dataclasses.dataclass(frozen=True)
class Tls:
    sni: str
    protocol: str
    cipher: str
    resumed: bool


@dataclasses.dataclass(frozen=True)
class Message:
    """A message the server answered with 2xx. data: as received, dots unstuffed."""
    session: int
    tls: bool
    sender: str
    parameters: str             # of MAIL
    recipients: tuple           # accepted ones
    recipient_parameters: tuple
    data: bytes

    @property
    def header(self):
        return self.data.split(b'\r\n\r\n', 1)[0]

    @property
    def body(self):
        return self.data.split(b'\r\n\r\n', 1)[-1]


class _Hangup(Exception):
    pass


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
        except (_Hangup, OSError, ssl.SSLError, ValueError) as e:
            session.note('closed', text='' if isinstance(e, _Hangup) else f'{type(e).__name__}: {e}')
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
                with tempfile.NamedTemporaryFile('w', suffix='.pem') as f:
                    f.write(credential.pem())
                    f.flush()
                    context.load_cert_chain(f.name)
                self._contexts[credential] = context
            return self._contexts[credential]


class Session:
    def __init__(self, server, sock, number):
        self.server, self.sock, self.number = server, sock, number
        self.raw = sock
        self.script = server.script
        self.tls = False
        self.buffer = b''
        self.greeted = ''
        self.code = 0
        self._reset()

    def _reset(self):
        self.sender, self.mail_parameters, self.recipients, self.recipient_parameters = None, '', [], []
        self.chunks = b''

    def note(self, kind, verb='', text='', data=None):
        self.server.journal.add(Fact(time.monotonic(), self.number, kind, self.tls, verb, text, data))

    def close(self):
        for s in (self.sock, self.raw):
            try:
                s.close()
            except OSError:
                pass

    # Bytes.

    def _receive(self):
        data = self.sock.recv(65536)
        if not data:
            raise _Hangup()
        self.buffer += data

    def _line(self):
        while b'\n' not in self.buffer:
            self._receive()
        line, self.buffer = self.buffer.split(b'\n', 1)
        if not line.endswith(b'\r'):
            self.note('fault', text='bare-lf in command')
        return line.rstrip(b'\r')

    def _exactly(self, size):
        while len(self.buffer) < size:
            self._receive()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def _send(self, data):
        if self.script.trickle:
            for i in range(len(data)):
                self.sock.sendall(data[i:i + 1])
                time.sleep(self.script.trickle)
        else:
            self.sock.sendall(data)

    def _ahead(self):
        """Has the client sent more than it may before our reply?"""
        if self.buffer:
            return True
        if self.tls and self.sock.pending():
            return True
        self.raw.setblocking(False)
        try:
            return not self.tls and bool(self.raw.recv(1, socket.MSG_PEEK))
        except (BlockingIOError, ssl.SSLError, ValueError):
            return False
        finally:
            self.raw.setblocking(True)

    # Replies.

    def _scripted(self, key, argument):
        """The script's reply for a step: a Reply or None."""
        keys = [key]
        if key == 'RCPT':
            address = argument.lower()
            keys = [f'RCPT {address}', f'RCPT {address.split("@")[0]}', 'RCPT']
        chosen = next((k for k in keys if k in self.script.replies), None)
        if chosen is None:
            return None
        value = self.script.replies[chosen]
        if isinstance(value, list):
            value = value[min(self.server.step(chosen), len(value) - 1)]
        if callable(value):
            value = value(self, argument)
        return Reply(value) if isinstance(value, str) else value

    def reply(self, key, argument='', honest=None):
        """Sends the reply of a step and returns its code (0 when nothing was sent)."""
        reply = self._scripted(key, argument) or Reply()
        if reply.delay:
            time.sleep(reply.delay)
        if reply.wait:
            reply.wait.wait()
        text = reply.text if reply.text is not None else honest or DEFAULTS.get(key, '250 ok')
        data = reply.raw if reply.raw is not None else text.replace('\n', '\r\n').encode('utf-8', 'surrogateescape') + b'\r\n'
        if data:
            self._send(data + (self.script.inject if key == 'STARTTLS' and text.startswith('2') else b''))
            self.note('reply', key, data.decode('utf-8', 'replace').rstrip('\r\n'))
        self.code = int(text[:3]) if reply.raw is None and text[:3].isdigit() else 0
        if reply.then:
            self._end(reply.then)
        return self.code

    def _end(self, how):
        if how == 'reset':
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        if how == 'hang':
            while self.raw.recv(65536):
                pass
        raise _Hangup()

    # The dialogue.

    def run(self, busy):
        name = self.script.name or self.server.host
        if self.script.implicit_tls:
            self._handshake()
        if busy:
            self._send(f'421 4.3.2 {name} too many connections\r\n'.encode())
            self.note('reply', 'banner', '421 too many connections')
            return
        if 'banner' in self.script.replies and self._ahead():
            self.note('fault', text='talked before the greeting')
        code = self.reply('banner', honest=f'220 {name} ESMTP ready')
        while True:
            line = self._line()
            verb, _, argument = line.decode('utf-8', 'surrogateescape').partition(' ')
            verb = verb.upper()
            self.note('command', verb, line.decode('utf-8', 'backslashreplace'))
            self._check_order(verb, code)
            handler = getattr(self, '_' + verb.lower(), None)
            if handler:
                handler(argument)
            else:
                self.reply(verb, argument, DEFAULTS.get(verb, '502 5.5.2 unknown command'))
            if verb == 'QUIT':
                return

    def _check_order(self, verb, banner_code):
        offered = self._capabilities() if self.greeted == 'EHLO' else ()
        pipelining = 'PIPELINING' in offered
        last_of_group = verb in ('EHLO', 'HELO', 'DATA', 'STARTTLS', 'QUIT', 'NOOP', 'AUTH')
        if verb != 'BDAT' and (not pipelining or last_of_group) and self._ahead():
            self.note('fault', verb, f'more was sent before the reply to {verb}')
        if banner_code >= 400 and verb != 'QUIT':
            self.note('fault', verb, f'{verb} after a refusing greeting')

    def _capabilities(self):
        if self.tls and self.script.capabilities_tls is not None:
            return self.script.capabilities_tls
        return self.script.capabilities

    def _ehlo(self, argument):
        words = [self.script.name or self.server.host, *self._capabilities()]
        if not self.tls and self.script.starttls in ('offered', 'mangled'):
            words.append('STARTTLS' if self.script.starttls == 'offered' else 'XXXXXXXA')
        self._reset()
        honest = '\n'.join('250%s%s' % ('-' if i < len(words) - 1 else ' ', w) for i, w in enumerate(words))
        if self.reply('EHLO', argument, honest) == 250:
            self.greeted = 'EHLO'

    def _helo(self, argument):
        self._reset()
        self.greeted = 'HELO'
        self.reply('HELO', argument, f'250 {self.server.host}')

    def _starttls(self, argument):
        if self.tls:
            self.note('fault', 'STARTTLS', 'STARTTLS inside TLS')
            self.reply('NOOP', honest='503 5.5.1 already in TLS')
            return
        honest = None if self.script.starttls in ('offered', 'hidden') else '502 5.5.1 not here'
        if self.script.starttls not in ('offered', 'hidden'):
            self.note('fault', 'STARTTLS', 'STARTTLS was not offered')
        if self.reply('STARTTLS', argument, honest) == 220:
            self._handshake()

    def _handshake(self):
        how = self.script.handshake
        if how in ('close', 'reset', 'hang'):
            self.note('tls-failed', text=how)
            if how != 'hang':
                self.raw.recv(1, socket.MSG_PEEK)      # not before the client's first flight
            self._end(how)
        if how in ('garbage', 'alert', 'plain-error'):
            self.raw.recv(1, socket.MSG_PEEK)
            self.raw.sendall({'garbage': b'\x00\xff' * 64, 'alert': b'\x15\x03\x03\x00\x02\x02\x28',
                              'plain-error': b'500 5.5.1 what is that\r\n'}[how])
            self.note('tls-failed', text=how)
            self.raw.recv(65536)
            raise _Hangup()
        def by_name(sock, name, _context):
            sock.asked_for = name       # not in a variable here: the context is shared with other handshakes
            if self.script.sni:
                if name in self.script.sni:
                    sock.context = self.server.context(self.script.sni[name])
                elif self.script.sni_unknown == 'alert':
                    return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            return None
        context = self.server.context(self.server.credential)
        context.sni_callback = by_name
        try:
            self.sock = context.wrap_socket(self.raw, server_side=True)
        except (ssl.SSLError, OSError) as e:
            self.note('tls-failed', text=str(e))
            raise _Hangup() from e
        self.raw = self.sock            # wrap_socket() took the descriptor over
        self.tls, self.buffer, self.greeted = True, b'', ''
        self._reset()
        name = getattr(self.sock, 'asked_for', None)
        self.note('tls', text=f'{self.sock.version()} sni={name}',
                  data=Tls(name, self.sock.version(), self.sock.cipher()[0], bool(self.sock.session_reused)))

    @staticmethod
    def _path(argument, word):
        """(address, parameters) of 'FROM:<a@b> SIZE=1', or None when it is not in strict form."""
        if not argument.upper().startswith(word + ':<'):
            return None
        end, quoted = len(word) + 2, False
        while end < len(argument) and (quoted or argument[end] != '>'):
            quoted ^= argument[end] == '"'
            end += 2 if quoted and argument[end] == '\\' else 1
        return argument[len(word) + 2:end], argument[end + 1:].strip()

    def _mail(self, argument):
        parsed = self._path(argument, 'FROM')
        if parsed is None:
            self.note('fault', 'MAIL', 'not in strict form: ' + argument)
            self.reply('NOOP', honest='501 5.5.4 syntax')
            return
        offered = ' '.join(self._capabilities()).upper() if self.greeted == 'EHLO' else ''
        for parameter in parsed[1].split():
            keyword = {'BODY': '8BITMIME', 'RET': 'DSN', 'ENVID': 'DSN'}.get(parameter.split('=')[0].upper(),
                                                                           parameter.split('=')[0].upper())
            if keyword not in offered and not ('BINARYMIME' in offered and keyword == '8BITMIME'):
                self.note('fault', 'MAIL', f'{parameter}: {keyword} was not offered')
        if self.reply('MAIL', parsed[0]) // 100 == 2:
            self._reset()
            self.sender, self.mail_parameters = parsed

    def _rcpt(self, argument):
        parsed = self._path(argument, 'TO')
        if parsed is None:
            self.note('fault', 'RCPT', 'not in strict form: ' + argument)
            self.reply('NOOP', honest='501 5.5.4 syntax')
            return
        if self.sender is None and 'MAIL' not in self.script.replies:
            self.note('fault', 'RCPT', 'RCPT without MAIL')
        honest = '503 5.5.1 MAIL first' if self.sender is None else None
        if self.reply('RCPT', parsed[0], honest) // 100 == 2:
            self.recipients.append(parsed[0])
            self.recipient_parameters.append(parsed[1])

    def _data(self, argument):
        if self.reply('DATA', argument, None if self.recipients else '503 5.5.1 RCPT first') != 354:
            return
        raw = self._until_dot()
        if not self.recipients and raw:
            self.note('fault', 'DATA', 'content although no recipient was accepted')
        lines = raw.split(b'\r\n')
        if any(b'\n' in line or b'\r' in line for line in lines):
            self.note('fault', 'DATA', 'bare CR or LF in the content')
        self._taken('DOT', b'\r\n'.join(line[1:] if line.startswith(b'.') else line for line in lines))

    def _until_dot(self):
        """Content up to the final dot, still stuffed, its last CRLF included."""
        seen = 0
        while True:
            if self.buffer.startswith(b'.\r\n'):
                self.buffer = self.buffer[3:]
                return b''
            at = self.buffer.find(b'\r\n.\r\n', max(0, seen - 5))
            if at >= 0:
                raw, self.buffer = self.buffer[:at + 2], self.buffer[at + 5:]
                return raw
            seen = len(self.buffer)
            self._receive()

    def _bdat(self, argument):
        size, _, last = argument.partition(' ')
        self.chunks += self._exactly(int(size))
        if last.strip().upper() == 'LAST':
            data, self.chunks = self.chunks, b''
            self._taken('BDAT', data)
        else:
            self.reply('BDAT', argument)

    def _taken(self, step, data):
        message = Message(self.number, self.tls, self.sender, self.mail_parameters, tuple(self.recipients),
                          tuple(self.recipient_parameters), data)
        # An honest 250 is noted before it leaves, so that nobody can see the reply and not find the message here.
        # A scripted reply is judged by its code.
        honest = step not in self.script.replies
        if honest:
            self._note_message(message)
        try:
            code = self.reply(step)
        except _Hangup:
            if self.code // 100 == 2:
                self._note_message(message)
            else:
                self.note('cut', step, 'content received, the connection ended without a reply', message)
            raise
        if not honest and code // 100 == 2:
            self._note_message(message)
        self._reset()

    def _note_message(self, message):
        if message.recipients:
            text = f'{message.sender} -> {" ".join(message.recipients)} ({len(message.data)} octets)'
            self.note('message', text=text, data=message)

    def _rset(self, argument):
        self._reset()
        self.reply('RSET', argument)

    def _quit(self, argument):
        self.reply('QUIT', argument)
