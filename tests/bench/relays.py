"""The relays that are compared: Danelaw, and Postfix tuned for this work. Each has its own directory, listens on
127.0.0.1:2525, and runs in an accounting group of its own, so that what it costs is what all of its processes used.
"""
import collections
import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import dns.flags

from peers import mtas
from world import netns, waiting

from . import dnsworld

GROUPS = pathlib.Path('/sys/fs/cgroup/cpuacct')
PORT = 2525


class Account:
    """CPU time and memory of a group of processes. Control groups count exactly, also short-lived processes."""

    def __init__(self, name):
        self.group = GROUPS / f'danelaw-bench-{os.getpid()}-{name}'
        self.group.mkdir()
        self.peak = 0
        self._halt = threading.Event()
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()

    def enter(self):
        """For preexec_fn."""
        (self.group / 'cgroup.procs').write_text(str(os.getpid()))
        netns.die_with_parent()

    def cpu(self):
        return int((self.group / 'cpuacct.usage').read_text()) / 1e9

    def pids(self):
        return [int(p) for p in (self.group / 'cgroup.procs').read_text().split()]

    def memory(self):
        """Octets, each shared page counted in shares (PSS)."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError, StopIteration):
                with open(f'/proc/{pid}/smaps_rollup') as f:
                    total += int(next(line for line in f if line.startswith('Pss:')).split()[1]) * 1024
        return total

    def _sample(self):
        while not self._halt.wait(0.25):
            with contextlib.suppress(OSError):
                self.peak = max(self.peak, self.memory())

    def close(self):
        self._halt.set()
        self._watch.join()
        for _ in range(100):
            try:
                return self.group.rmdir()
            except OSError:
                time.sleep(0.05)


def counting_syncs(work, command):
    """The command under perf, which counts fsync and its kin of all its descendants; as it is where perf may not."""
    probe = ['perf', 'stat', '-x,', '-e', 'syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync']
    if subprocess.run([*probe, 'true'], capture_output=True).returncode != 0:
        return command
    return [*probe, '-o', str(work / 'syncs'), '--', *command]


def syncs(work):
    with contextlib.suppress(OSError):
        counts = re.findall(r'^(\d+),', (work / 'syncs').read_text(), re.M)
        return sum(int(n) for n in counts) if counts else None
    return None


class Relay:
    def __init__(self, work, tree, policy):
        self.work, self.tree, self.policy = pathlib.Path(work), tree, policy
        self.work.mkdir(parents=True)
        self.account = Account(self.name)

    def _run(self, command, **options):
        return subprocess.Popen(command, preexec_fn=self.account.enter, stdin=subprocess.DEVNULL, **options)

    def _listening(self):
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', PORT), 1) as s:
            return s.recv(3) == b'220'
        return False

    def syncs(self):
        return syncs(self.work)


class Danelaw(Relay):
    name = 'danelaw'

    def start(self, settings):
        self.log = self.work / 'log'
        config = {
            'hostname': 'relay.test', 'listeners': [{'address': f'127.0.0.1:{PORT}'}],
            'limits': {'connections_per_client': 5000, 'connections': 5000, 'min_free_disk': '1MiB'},
            'queue': {'path': str(self.work / 'queue'), 'retry': ['2s'], 'delay_warning': 'off'},
            'dns': {'trust_anchors_file': '', 'trust_anchors': [self.tree.anchor],
                    'stub_zones': [{'zone': 'test', 'servers': [f'{dnsworld.PARENT}@53']}]},
            'tls': {'policy': self.policy},
            'admin': {'address': f'unix:{self.work}/admin.sock'},
            'log': {'format': 'json', 'target': str(self.log)},
        }
        for section, values in settings.get('danelaw', {}).items():
            config.setdefault(section, {}).update(values)
        (self.work / 'danelaw.yaml').write_text(json.dumps(config))
        binary = settings['binary']
        command = [binary, 'serve', '--config', str(self.work / 'danelaw.yaml')]
        with open(self.work / 'stderr', 'w') as err:
            self.process = self._run(counting_syncs(self.work, command), stdout=err, stderr=err)
        waiting.until(self._listening, 20, 'Danelaw')

    def pid(self):
        return next(p for p in self.account.pids()
                    if os.path.basename(os.readlink(f'/proc/{p}/exe')).startswith('danelaw'))

    def stop(self):
        os.kill(self.pid(), signal.SIGTERM)
        self.process.wait(60)

    def levels(self):
        """How the relay says that it delivered: level -> messages."""
        out = collections.Counter()
        with open(self.log) as f:
            for line in f:
                if '"recipient"' in line:
                    event = json.loads(line)
                    if event['event'] == 'recipient' and event['result'] == 'delivered':
                        out[event['tls_level']] += 1
        return out

    def verified(self):
        levels = self.levels()
        return levels['dane-ee'] + levels['dane-ta']


UNBOUND = '''server:
 interface: 127.0.0.1
 port: 53
 username: ""
 chroot: ""
 directory: "{work}"
 pidfile: "{work}/pid"
 use-syslog: no
 do-ip6: no
 do-daemonize: no
 num-threads: 1
 msg-cache-size: 32m
 rrset-cache-size: 64m
 do-not-query-localhost: no
 local-zone: "test." nodefault
 trust-anchor: "{anchor}"
remote-control:
 control-enable: no
stub-zone:
 name: "test."
 stub-addr: {parent}@53
'''


class Postfix(Relay):
    """With DANE on, a validating resolver of its own, TLS connection reuse, and the limits raised that would slow it."""
    name = 'postfix'
    TUNING = {
        'myhostname': 'relay.test', 'mydestination': '', 'mynetworks': '127.0.0.0/8',
        'inet_protocols': 'ipv4', 'alias_maps': '', 'local_recipient_maps': '', 'biff': 'no',
        'smtpd_recipient_restrictions': 'permit_mynetworks, reject', 'smtpd_peername_lookup': 'no',
        'smtpd_client_connection_count_limit': '0', 'smtpd_client_event_limit_exceptions': 'static:all',
        'smtpd_tls_security_level': 'none', 'message_size_limit': '104857600', 'in_flow_delay': '0',
        'default_process_limit': '300', 'qmgr_message_active_limit': '100000', 'qmgr_message_recipient_limit': '100000',
        'initial_destination_concurrency': '20', 'default_destination_concurrency_limit': '20',
        'minimal_backoff_time': '2s', 'maximal_backoff_time': '2s', 'queue_run_delay': '2s',
        'smtp_dns_support_level': 'dnssec', 'smtp_host_lookup': 'dns', 'smtp_tls_loglevel': '1',
        'smtp_tls_connection_reuse': 'yes', 'smtp_connection_cache_time_limit': '5s', 'smtp_connection_cache_on_demand': 'yes',
        'connection_cache_ttl_limit': '5s',
    }

    def start(self, settings):
        self.log = self.work / 'postfix.log'
        etc, spool, data = (self.work / n for n in ('etc', 'spool', 'data'))
        for path in (etc, spool, data):
            path.mkdir()
        mtas.reachable(data)
        owner = pwd.getpwnam('postfix')
        os.chown(data, owner.pw_uid, owner.pw_gid)
        main = {'compatibility_level': '3.6', 'queue_directory': spool, 'data_directory': data,
                'daemon_directory': '/usr/lib/postfix/sbin', 'command_directory': '/usr/sbin', 'mail_owner': 'postfix',
                'setgid_group': 'postdrop', 'maillog_file': self.log, 'maillog_file_prefixes': self.work,
                'smtp_tls_security_level': self.policy, **self.TUNING, **settings.get('postfix', {})}
        (etc / 'main.cf').write_text(''.join(f'{k} = {v}\n' for k, v in main.items()))
        (etc / 'master.cf').write_text(mtas.MASTER.format(listen=f'127.0.0.1:{PORT}') +
                                       'tlsproxy unix - - n - 0 tlsproxy\n')
        self._resolver()
        with open(self.work / 'stderr', 'w') as err:
            self.process = self._run(counting_syncs(self.work, ['postfix', '-c', str(etc), 'start-fg']), stdout=err, stderr=err)
        waiting.until(self._listening, 30, 'Postfix')
        self.etc = etc

    def _resolver(self):
        work = self.work / 'unbound'
        work.mkdir()
        anchor = self.tree.anchor.replace('IN ', '')
        (work / 'unbound.conf').write_text(UNBOUND.format(work=work, anchor=anchor, parent=dnsworld.PARENT))
        (work / 'resolv.conf').write_text('nameserver 127.0.0.1\noptions edns0 trust-ad\n')
        netns.bind_mount(str(work / 'resolv.conf'), os.path.realpath('/etc/resolv.conf'))
        self.resolver_account = Account('unbound')
        with open(work / 'log', 'w') as log:
            self.resolver = subprocess.Popen(['unbound', '-d', '-c', str(work / 'unbound.conf')], stdout=log, stderr=log,
                                             preexec_fn=self.resolver_account.enter)

        waiting.until(lambda: dnsworld.ask('127.0.0.1', 'd0.test.', 'MX').flags & dns.flags.AD, 20, 'a validating resolver',
                      pause=0.1)

    def stop(self):
        subprocess.run(['postfix', '-c', str(self.etc), 'stop'], capture_output=True, timeout=60)
        self.process.wait(60)
        self.resolver.terminate()
        self.resolver.wait()
        self.resolver_account.close()
        netns.unmount(os.path.realpath('/etc/resolv.conf'))

    def levels(self):
        """A delivery's process says how it secured its connection before it says "sent"; reuse is said each time too."""
        out, secured = collections.Counter(), {}
        connection = re.compile(r'postfix/smtp\[(\d+)\]: (?:[0-9A-Za-z]+: )?(\w+) TLS connection (?:established|reused) to')
        sent = re.compile(r'postfix/smtp\[(\d+)\]: .* status=sent')
        with open(self.log, errors='replace') as f:
            for line in f:
                if found := connection.search(line):
                    secured[found[1]] = found[2]
                elif found := sent.search(line):
                    out[secured.get(found[1], 'none')] += 1
        return out

    def verified(self):
        return self.levels()['Verified']


ALL = {'danelaw': Danelaw, 'postfix': Postfix}


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


def end_left_overs(of):
    """Ends what a measurement that failed, in process `of`, has left running."""
    for group in GROUPS.glob(f'danelaw-bench-{of}-*'):
        for pid in (group / 'cgroup.procs').read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        for _ in range(100):
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.05)
