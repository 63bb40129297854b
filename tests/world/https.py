"""The web hosts of the world: policy files for MTA-STS, as right or as wrong as a test wants. RFC 8461 3.2, 3.3."""
import dataclasses
import http.server
import ssl
import tempfile
import threading
import time

from . import waiting


@dataclasses.dataclass(frozen=True)
class Request:
    time: float
    method: str
    path: str
    host: str
    sni: str
    headers: dict = dataclasses.field(default_factory=dict)     # names in lower case
    body: bytes = b''


class PolicyHost:
    """https://host/.well-known/mta-sts.txt. body, status, content_type, headers and delay may be changed while it runs."""

    def __init__(self, host, address, credential, body, status=200, content_type='text/plain', headers=None, delay=0):
        self.host, self.address, self.body, self.status = host, address, body, status
        self.content_type, self.headers, self.delay = content_type, headers or {}, delay
        self.journal = waiting.Journal()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile('w', suffix='.pem') as f:
            f.write(credential.pem())
            f.flush()
            context.load_cert_chain(f.name)
        self._names = {}
        context.sni_callback = lambda sock, name, _: self._names.__setitem__(threading.get_ident(), name)
        self._server = http.server.ThreadingHTTPServer((address, 443), self._handler(context))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _handler(self, context):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 20

            def setup(self):
                self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def do_GET(self):
                content = self.rfile.read(int(self.headers.get('Content-Length') or 0))
                outer.journal.add(Request(time.monotonic(), self.command, self.path, self.headers.get('Host', ''),
                                          outer._names.get(threading.get_ident()),
                                          {k.lower(): v for k, v in self.headers.items()}, content))
                time.sleep(outer.delay)
                body = outer.body if isinstance(outer.body, bytes) else outer.body.encode()
                self.send_response(outer.status)
                self.send_header('Content-Type', outer.content_type)
                self.send_header('Content-Length', str(len(body)))
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *arguments):
                pass

        return Handler

    @property
    def requests(self):
        return self.journal.all()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
