"""How do tests run the real danelaw binary and see what it does?

Relay writes a configuration, starts and stops the daemon, submits mail, reads its JSON events and runs its commands.
It starts by itself with the first message or command, so that a test publishes its zones first.
"""
import copy
import dataclasses
import email.utils
import itertools
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import threading

from . import dsn, netns, waiting

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SANITIZER_WORDS = ('ERROR: AddressSanitizer', 'ERROR: LeakSanitizer', 'WARNING: ThreadSanitizer', 'runtime error:')
_numbers = itertools.count(1)


def binary():
    return os.environ.get('DANELAW') or os.path.join(ROOT, 'build', 'release', 'danelaw')


def merge(into, changes):
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
    return into


def default_config(lab, work):
    return {
        'hostname': 'relay.test',
        'postmaster': 'postmaster@sender.test',
        'listeners': [{'address': '127.0.0.1:2525'}],
        'limits': {'min_free_disk': '1MiB'},
        'queue': {'path': os.path.join(work, 'queue'), 'retry': ['1h'], 'delay_warning': 'off'},
        'delivery': {'connect_timeout': '3s', 'handshake_timeout': '3s', 'command_timeout': '4s', 'data_timeout': '4s',
                     'drain_timeout': '5s'},
        'dns': {'trust_anchors_file': '', 'trust_anchors': [lab.anchor],
                'stub_zones': [{'zone': 'test', 'servers': ['127.0.0.53@53']}], 'timeout': '6s'},
        'tls': {'ca_file': lab.ca_file},
        'admin': {'address': 'unix:' + os.path.join(work, 'admin.sock')},
        'log': {'level': 'info', 'format': 'json', 'target': 'stderr'},
    }


@dataclasses.dataclass
class Done:
    """A finished command."""
    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Mail:
    """A submitted message, and what became of it."""

    def __init__(self, relay, sender, recipients, data, refused):
        self.relay, self.sender, self.recipients, self.data, self.refused = relay, sender, recipients, data, refused
        self._id = None

    @property
    def id(self):
        if self._id is None:
            event = self.relay.events.wait_for(
                lambda e: e.get('event') == 'accepted' and e.get('sender') == self.sender, what=f'accepted {self.sender}')
            self._id = event['id']
        return self._id

    def events(self, name):
        return [e for e in self.relay.events.all() if e.get('event') == name and e.get('id') == self.id]

    @property
    def attempts(self):
        return self.events('attempt')

    def wait(self, name, count=1, timeout=30, **fields):
        """The count-th event of that name with those fields."""
        identity = self.id

        def find(events):
            mine = [e for e in events if e.get('event') == name and e.get('id') == identity and
                    all(e.get(k) == v for k, v in fields.items())]
            return mine[count - 1] if len(mine) >= count else None
        return self.relay.events.wait_until(find, timeout, f'{name} {fields} of {identity}')

    def outcome(self, recipient=None, count=1, timeout=30):
        """The count-th 'recipient' event of that recipient (default: the only one)."""
        return self.wait('recipient', count, timeout, recipient=recipient or self.recipients[0])

    def gone(self, timeout=30):
        return self.wait('removed', timeout=timeout)

    def report(self, timeout=30, count=1):
        """The count-th delivery report that arrived at the sender's server for this message."""
        server = self.relay.lab.sender.server

        def find(facts):
            mine = [f.data for f in facts if f.kind == 'message' and self.sender in f.data.recipients and not f.data.sender]
            return mine[count - 1] if len(mine) >= count else None
        return dsn.parse(server.journal.wait_until(find, timeout, f'report to {self.sender}').data)

    def reports(self):
        return [dsn.parse(m.data) for m in self.relay.lab.sender.messages if self.sender in m.recipients and not m.sender]


class Relay:
    def __init__(self, lab, work=None, before_action=None):
        """before_action is called before anything that may use the DNS: the scene's publish()."""
        self.lab = lab
        self.work = work or tempfile.mkdtemp(prefix='danelaw-relay-', dir=lab.work)
        self.config = default_config(lab, self.work)
        self.config_file = os.path.join(self.work, 'danelaw.yaml')
        self.address = ('127.0.0.1', 2525)
        self.events = waiting.Journal()
        self.noise = []                 # what it printed that is no event
        self.process = None
        self.before_action = before_action or (lambda: None)
        self.environment = {}
        self.prefix = []                # e.g. ['faketime', ...]
        self.descriptors = ()           # left open for it

    # Its life.

    def configure(self, **changes):
        """Merges changes into the configuration: configure(tls={'policy': 'dane-only'})."""
        merge(self.config, copy.deepcopy(changes))
        return self

    def write_config(self):
        with open(self.config_file, 'w') as f:          # JSON is YAML
            json.dump(self.config, f, indent=2, ensure_ascii=False)

    def start(self, wait=True):
        self.before_action()
        self.write_config()
        already = len(self.events)
        environment = {**os.environ, 'ASAN_OPTIONS': 'detect_stack_use_after_return=1', 'UBSAN_OPTIONS': 'print_stacktrace=1',
                       **self.environment}
        self.process = subprocess.Popen([*self.prefix, binary(), 'serve', '--config', self.config_file], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        preexec_fn=netns.die_with_parent, pass_fds=self.descriptors)
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()
        if wait:
            def up(events):
                if self.process.poll() is not None:
                    raise AssertionError(f'danelaw ended with {self.process.returncode}:\n' + '\n'.join(self.noise[-20:]))
                return any(e.get('event') == 'ready' for e in events[already:])
            self.events.wait_until(up, 20, 'ready')
        return self

    def _read(self, pipe):
        with open(os.path.join(self.work, 'log'), 'ab') as copy_file:
            for line in pipe:
                copy_file.write(line)
                copy_file.flush()
                try:
                    event = json.loads(line)
                except ValueError:
                    self.noise.append(line.decode('utf-8', 'replace').rstrip())
                    self.events.notify()
                else:
                    self.events.add(event)
        self.events.notify()

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def _up(self):
        if not self.running:
            self.start()
        else:
            self.before_action()

    def stop(self, timeout=30):
        """SIGTERM; returns the exit status."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(timeout)

    def wait_exit(self, timeout=30):
        try:
            status = self.process.wait(timeout * waiting.SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise waiting.Timeout('danelaw did not stop') from None
        self._reader.join(10)
        return status

    def kill9(self):
        self.process.kill()
        self.process.wait()
        self._reader.join(10)

    def restart(self):
        if self.running:
            assert self.stop() == 0
        return self.start()

    def reload(self):
        """SIGHUP with the configuration as it now stands; waits for the event."""
        self.write_config()
        seen = len(self.events)
        self.process.send_signal(signal.SIGHUP)
        return self.events.wait_for(lambda e: e.get('event') == 'reloaded', start=seen, what='reloaded')

    def close(self):
        """Ends the daemon and tells whether it ended well: [] or complaints."""
        complaints = []
        if self.running:
            try:
                status = self.stop()
                if status != 0:
                    complaints.append(f'exit status {status} after SIGTERM')
            except waiting.Timeout as e:
                complaints.append(str(e))
        found = [n for n in self.noise if any(w in n for w in SANITIZER_WORDS)]
        if found:
            print('\n'.join(self.noise))        # the report, whole
        complaints += found
        return complaints

    def clean(self):
        shutil.rmtree(self.work, ignore_errors=True)

    # Mail.

    def connect(self, address=None, timeout=30):
        self._up()
        return smtplib.SMTP(*(address or self.address), local_hostname='client.test', timeout=timeout * waiting.SLOW)

    def send(self, to, sender=None, data=None, body=b'Hello.\r\n', header=b'', mail_options=(), recipient_options=(),
             connection=None):
        """Submits one message and expects it to be accepted for at least one recipient. to: an address or several, each a
        string or (address, [RCPT options]). Every message gets a sender address of its own unless one is given."""
        recipients = [to] if isinstance(to, (str, tuple)) else list(to)
        recipients = [r if isinstance(r, tuple) else (r, list(recipient_options)) for r in recipients]
        number = next(_numbers)
        sender = f's{number}-{os.getpid()}@sender.test' if sender is None else sender
        if data is None:
            data = (f'From: <{sender or "postmaster@sender.test"}>\r\nTo: undisclosed-recipients:;\r\n'
                    f'Subject: message {number}\r\nDate: {email.utils.formatdate()}\r\n'
                    f'Message-ID: <{number}.{os.getpid()}@client.test>\r\n').encode() + header + b'\r\n' + body
        client = connection or self.connect()
        client.ehlo_or_helo_if_needed()
        refused = {}
        code, text = client.mail(sender, list(mail_options))
        assert code == 250, (code, text)
        for address, options in recipients:
            code, text = client.rcpt(address, options)
            if code not in (250, 251):
                refused[address] = (code, text)
        if len(refused) < len(recipients):
            code, text = client.data(data)
            assert code == 250, (code, text)
        if connection is None:
            client.quit()
        return Mail(self, sender, [r for r, _ in recipients], data, refused)

    def talk(self, *lines, timeout=10):
        """A raw dialogue: sends each item (bytes as they are, or a line) and returns the replies, one for each and one for the
        greeting."""
        self._up()
        replies = []
        with socket.create_connection(self.address, timeout * waiting.SLOW) as sock:
            file = sock.makefile('rb')
            replies.append(self._reply(file))
            for line in lines:
                sock.sendall(line if isinstance(line, bytes) else line.encode() + b'\r\n')
                replies.append(self._reply(file))
        return replies

    @staticmethod
    def _reply(file):
        out = b''
        while True:
            line = file.readline()
            out += line
            if not line or line[3:4] != b'-':
                return out.decode('utf-8', 'replace').replace('\r\n', '\n').rstrip('\n')

    # Commands.

    def run(self, *arguments, config=True, timeout=60, input=None):
        self.before_action()
        if config and not os.path.exists(self.config_file):
            self.write_config()
        command = [binary(), *arguments] + (['--config', self.config_file] if config else [])
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout * waiting.SLOW, input=input)
        return Done(done.returncode, done.stdout, done.stderr)

    def queue(self, *arguments):
        self._up()
        return self.run('queue', *arguments)

    def listed(self, *arguments):
        done = self.queue('list', '--json', *arguments)
        assert done.status == 0, done.err
        return done.json

    def check(self, domain, *arguments):
        return self.run('check', domain, '--json', *arguments)

    def status(self):
        self._up()
        done = self.run('status', '--json')
        assert done.status == 0, done.err
        return done.json
