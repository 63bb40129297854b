"""What can a peer's SMTP server be told to do, and what does it tell?

Replies: Script(replies={"RCPT": ...}) where the key is a step (banner EHLO HELO STARTTLS MAIL RCPT DATA DOT BDAT RSET
NOOP QUIT, or "RCPT user" / "RCPT user@domain" for one recipient; CONTENT: when its first octets are there, where the
honest reply is none; the argument of a BDAT's reply is "n" or "n LAST") and the value one of
    "450 4.2.0 busy"          that reply; lines of a multi-line reply are separated by \\n and sent as given
    Reply("250 ok", ...)      with a delay, an event to wait for, or an end of the connection
    CLOSE RESET HANG          no reply at all
    [a, b, c]                 one after the other; the last one stays
    function(session, argument) -> any of these, or None for the honest reply
"""
import dataclasses

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


class Once:
    """A reply that is given the first time only, when `fits` says so of session and argument; then honest ones."""

    def __init__(self, reply, fits=lambda session, argument: True):
        self.reply, self.fits, self.given = reply, fits, False

    def __call__(self, session, argument):
        if self.given or not self.fits(session, argument):
            return None
        self.given = True
        return self.reply


CLOSE, RESET, HANG = Reply(raw=b'', then='close'), Reply(raw=b'', then='reset'), Reply(raw=b'', then='hang')


@dataclasses.dataclass
class Script:
    """See the module's comment for replies. Everything else by keyword:

    starttls: 'offered' · 'absent' · 'mangled' (XXXXXXXA) · 'hidden' (works, though not listed).
    handshake: 'ok' · 'close' · 'reset' · 'hang' · 'alert' · 'garbage' · 'plain-error' (an SMTP reply instead of TLS);
        or a function() -> one of these.
    bdat: 'known' · 'unknown' (refused, and its octets read as commands, whatever EHLO lists).
    inject: bytes sent in one segment with the reply to STARTTLS.
    sni: {name: Credential}, the certificate by SNI; sni_unknown: 'default' or 'alert' for other names.
    capabilities: EHLO keywords; capabilities_tls: those after TLS (default: the same).
    tls: (minimum, maximum) version, "1.0"... "1.3"; ciphers: an OpenSSL cipher list.
    connections: how many at once; more are greeted with 421. trickle: seconds between the octets of every reply.
    """
    replies: dict = dataclasses.field(default_factory=dict)
    starttls: str = 'offered'
    handshake: object = 'ok'
    bdat: str = 'known'
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
