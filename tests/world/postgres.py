"""How does a test get a PostgreSQL server of its own, and make it slow, full or absent?

One cluster for a session, on a unix socket, run by the user "postgres" when the session is root (the server refuses
root). Every test takes a database of its own.
"""
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from . import netns, waiting

BINARIES = '/usr/lib/postgresql/15/bin'


def available():
    return os.access(f'{BINARIES}/initdb', os.X_OK)


class Server:
    def __init__(self, **settings):
        """Further settings are postgresql.conf's."""
        self.work = tempfile.mkdtemp(prefix='dl-pg-', dir='/tmp')       # short: a socket's path has 107 octets at most
        self.data = os.path.join(self.work, 'data')
        self.user = pwd.getpwnam('postgres') if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.work, self.user.pw_uid, self.user.pw_gid)
        self.settings = {'listen_addresses': '', 'unix_socket_directories': self.work, 'max_connections': 60,
                         'shared_buffers': '64MB', 'checkpoint_timeout': '30min',
                         'fsync': 'off',    # it outlives being killed; a power cut is not what is tested here
                         **settings}
        self.process, self.databases = None, 0
        self._run('initdb', '-D', self.data, '-A', 'trust', '-U', 'dl', '--no-sync', '--no-locale', '-E', 'UTF8')
        self.start()

    def _identity(self):
        if not self.user:
            return {}
        return {'user': self.user.pw_uid, 'group': self.user.pw_gid, 'extra_groups': []}

    def _run(self, program, *arguments, check=True, **kw):
        return subprocess.run([f'{BINARIES}/{program}', *arguments], check=check, cwd='/', stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, **self._identity(), **kw)

    def start(self):
        options = [x for k, v in self.settings.items() for x in ('-c', f'{k}={v}')]
        log = open(os.path.join(self.work, 'log'), 'ab')
        self.process = subprocess.Popen([f'{BINARIES}/postgres', '-D', self.data, *options], cwd='/', stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, preexec_fn=netns.die_with_parent, **self._identity())
        log.close()
        waiting.until(lambda: self._run('pg_isready', '-q', '-h', self.work, check=False).returncode == 0,
                      what='PostgreSQL')

    def stop(self, how='fast'):
        """fast: sessions are ended. immediate: as by a power cut; the log is replayed at the next start."""
        self.process.send_signal({'fast': signal.SIGINT, 'immediate': signal.SIGQUIT}[how])
        self.process.wait(60)

    def restart(self, how='fast'):
        self.stop(how)
        self.start()

    def pids(self):
        """The server and its children: they do not share a process group."""
        listed = subprocess.run(['ps', '-o', 'pid=', '--ppid', str(self.process.pid)], capture_output=True, text=True)
        return [self.process.pid, *map(int, listed.stdout.split())]

    def freeze(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):       # a backend that has just ended
                os.kill(pid, signal.SIGCONT)

    def database(self):
        """A new empty one's conninfo."""
        self.databases += 1
        self.sql(f'CREATE DATABASE q{self.databases}', 'postgres')
        return f'host={self.work} user=dl dbname=q{self.databases}'

    def sql(self, statement, database=None):
        name = database or f'q{self.databases}'
        done = self._run('psql', '-h', self.work, '-U', 'dl', '-d', name, '-v', 'ON_ERROR_STOP=1', '-At', '-c', statement,
                         check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def close(self):
        if self.process.poll() is None:
            self.thaw()
            self.stop()
        shutil.rmtree(self.work, ignore_errors=True)
