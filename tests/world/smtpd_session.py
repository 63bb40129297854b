"""One connection at a peer's SMTP server: its dialogue by the server's script, and what was seen. See smtpd.py."""
import socket
import ssl
import struct
import time

from .smtpd_script import DEFAULTS, Fact, Message, Reply, Tls


class Hangup(Exception):
    pass


class Session:
    def __init__(self, server, sock, number):
        self.server, self.sock, self.number = server, sock, number
        self.raw = sock
        self.script = server.script
        self.tls = False
        self.buffer = b''
        self.greeted = ''
        self.code = 0
        self.lost = False
        self._reset()

    def _reset(self):
        self.sender, self.mail_parameters, self.recipients, self.recipient_parameters = None, '', [], []
        self.chunks, self.chunked = b'', ''         # '' · 'begun' · 'refused'

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
            raise Hangup()
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
        return self._say(key, self._scripted(key, argument) or Reply(), honest)

    def _say(self, key, reply, honest=None):
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
        raise Hangup()

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
            if verb == 'BDAT' and self.script.bdat == 'unknown':
                self.lost = True                # what follows is content, and no command of the client's
                self.reply(verb, argument, '502 5.5.2 unknown command')
            elif handler:
                handler(argument)
            else:
                self.reply(verb, argument, DEFAULTS.get(verb, '502 5.5.2 unknown command'))
            if verb == 'QUIT':
                return

    def _check_order(self, verb, banner_code):
        offered = self._capabilities() if self.greeted == 'EHLO' else ()
        pipelining = 'PIPELINING' in offered
        last_of_group = verb in ('EHLO', 'HELO', 'DATA', 'STARTTLS', 'QUIT', 'NOOP', 'AUTH')
        if verb != 'BDAT' and not self.lost and (not pipelining or last_of_group) and self._ahead():
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
        how = how() if callable(how) else how
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
            raise Hangup()
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
            version, cipher = self.sock.version(), self.sock.cipher()
            if not (version and cipher):
                raise OSError('the client is gone')
        except (ssl.SSLError, OSError) as e:
            self.note('tls-failed', text=str(e))
            raise Hangup() from e
        self.raw = self.sock            # wrap_socket() took the descriptor over
        self.tls, self.buffer, self.greeted = True, b'', ''
        self._reset()
        name = getattr(self.sock, 'asked_for', None)
        self.note('tls', text=f'{version} sni={name}', data=Tls(name, version, cipher[0], bool(self.sock.session_reused)))

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
        if self.chunked or 'BODY=BINARYMIME' in self.mail_parameters.upper():
            self.note('fault', 'DATA', 'DATA after BDAT, or for binary content')
        if self.reply('DATA', argument, None if self.recipients else '503 5.5.1 RCPT first') != 354:
            return
        self._content_begins()
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

    def _content_begins(self):
        """Its first octets are here: the script may end it now."""
        if not self.buffer:
            self._receive()
        scripted = self._scripted('CONTENT', '')
        if scripted:
            self._say('CONTENT', scripted)

    def _bdat(self, argument):
        size, _, last = argument.partition(' ')
        self._check_chunk()
        if int(size):
            self._content_begins()
        self.chunks += self._exactly(int(size))
        if not self.recipients or self.chunked == 'refused':
            self.chunks = b''
            self.reply('NOOP', honest='503 5.5.1 RCPT first' if not self.chunked else '503 5.5.1 RSET first')
        elif last.strip().upper() == 'LAST':
            data, self.chunks = self.chunks, b''
            if b'\n' in data.replace(b'\r\n', b'') and 'BODY=BINARYMIME' not in self.mail_parameters.upper():
                self.note('fault', 'BDAT', 'bare LF in content that is not binary')
            self._taken('BDAT', data, argument)
        else:
            self.chunked = 'begun' if self.reply('BDAT', argument) // 100 == 2 else 'refused'

    def _check_chunk(self):
        offered = self._capabilities() if self.greeted == 'EHLO' else ()
        if 'CHUNKING' not in offered:
            self.note('fault', 'BDAT', 'CHUNKING was not offered')
        if not self.recipients:
            self.note('fault', 'BDAT', 'content although no recipient was accepted')

    def _taken(self, step, data, argument=''):
        message = Message(self.number, self.tls, self.sender, self.mail_parameters, tuple(self.recipients),
                          tuple(self.recipient_parameters), data)
        # An honest 250 is noted before it leaves, so that nobody can see the reply and not find the message here.
        # A scripted reply is judged by its code.
        honest = step not in self.script.replies
        if honest:
            self._note_message(message)
        try:
            code = self.reply(step, argument)
        except Hangup:
            if self.code // 100 == 2:
                self._note_message(message)
            elif self.code == 0:
                self.note('cut', step, 'content received, the connection ended without a reply', message)
            raise
        if not honest and code // 100 == 2:
            self._note_message(message)
        if code == 0:
            self.note('cut', step, 'content received, what was said is no reply', message)
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
