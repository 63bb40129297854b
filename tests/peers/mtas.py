"""How do other people's mail software stand beside Danelaw: Postfix and Exim in front, Postfix behind?

Everything runs from a work directory, inside the session's namespaces, and ends with it.
"""
import os
import pathlib
import pwd
import shutil
import subprocess
import threading

from world import netns, pages, waiting

MASTER = '''{listen} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
'''


EXIM_ID = 9825                          # of Debian-exim, in this session alone


def reachable(path):
    """Lets the peers' own users pass through to what is below path."""
    for parent in [path, *path.parents]:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)


class Postfix:
    """A private Postfix. settings: further lines of main.cf."""

    def __init__(self, work, listen, **settings):
        self.config = pathlib.Path(work, 'etc')
        self.log = pathlib.Path(work, 'postfix.log')
        spool, data = pathlib.Path(work, 'spool'), pathlib.Path(work, 'data')
        for path in (self.config, spool, data):
            path.mkdir(parents=True)
        reachable(data)
        owner = pwd.getpwnam('postfix')
        os.chown(data, owner.pw_uid, owner.pw_gid)
        main = {'compatibility_level': '3.6', 'queue_directory': spool, 'data_directory': data,
                'daemon_directory': '/usr/lib/postfix/sbin', 'command_directory': '/usr/sbin', 'mail_owner': 'postfix',
                'setgid_group': 'postdrop', 'maillog_file': self.log, 'maillog_file_prefixes': work,
                'myhostname': 'postfix.test', 'mydestination': '', 'mynetworks': '127.0.0.0/8', 'inet_protocols': 'ipv4',
                'alias_maps': '', 'local_recipient_maps': '', 'smtpd_recipient_restrictions': 'permit_mynetworks, reject',
                'smtp_tls_security_level': 'may', 'smtpd_tls_security_level': 'none', 'biff': 'no',
                'queue_run_delay': '2s', 'minimal_backoff_time': '2s', 'maximal_backoff_time': '5s', **settings}
        (self.config / 'main.cf').write_text(''.join(f'{k} = {v}\n' for k, v in main.items()))
        (self.config / 'master.cf').write_text(MASTER.format(listen=listen))
        self._command('start')

    def _command(self, word):
        done = subprocess.run(['postfix', '-c', str(self.config), word], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f'postfix {word}: {done.stdout}{done.stderr}')

    def stop(self):
        self._command('stop')

    def lines(self):
        return self.log.read_text(errors='replace').splitlines() if self.log.exists() else []

    def wait_log(self, *words, timeout=30):
        return waiting.until(lambda: next((line for line in self.lines() if all(w in line for w in words)), None), timeout,
                             f'Postfix\'s log: {words}')


def unpacked(package):
    """Where packaging/install-dependencies has unpacked a package that is not installed."""
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    path = pathlib.Path(cache, 'danelaw', 'packages', package)
    if not path.is_dir():
        raise FileNotFoundError(f'{path}: run packaging/install-dependencies test')
    return path


EXIM_CONFIG = '''exim_path = {exim}
spool_directory = {work}/spool
log_file_path = {work}/log/%s
pid_file_path = {work}/exim.pid
primary_hostname = exim.test
local_interfaces = {interface}
daemon_smtp_ports = {port}
tls_advertise_hosts =
acl_smtp_rcpt = accept
acl_smtp_data = accept
never_users =
keep_environment =
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
domainlist local_domains =
begin acl
accept:
  accept
begin routers
{router}
begin transports
{transport}
begin retry
* * F,1h,2s
'''


class Exim:
    """exim4-daemon-light from its package; by default with Danelaw as smart host, as docs/submitting.md says."""

    def __init__(self, work, interface='127.0.0.1', port=2527, router=None, transport=None):
        self.work = pathlib.Path(work)
        self.binary = self.work / 'exim'                # a home directory may be closed to Exim's own user
        shutil.copy(unpacked('exim4-daemon-light') / 'usr/sbin/exim4', self.binary)
        self.binary.chmod(0o4755)
        for name in ('log', 'spool'):
            (self.work / name).mkdir()
            os.chown(self.work / name, EXIM_ID, EXIM_ID)
        reachable(self.work)
        config = self.work / 'exim.conf'
        config.write_text(EXIM_CONFIG.format(exim=self.binary, work=self.work, interface=interface, port=port,
                                             router=router or pages.block('submitting.md', 'exim-router'),
                                             transport=transport or pages.block('submitting.md', 'exim-transport')))
        self._users()
        self.process = subprocess.Popen([str(self.binary), '-C', str(config), '-bdf', '-q2s'], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, preexec_fn=netns.die_with_parent)
        self.output = []
        threading.Thread(target=lambda: self.output.extend(self.process.stdout), daemon=True).start()

    def _users(self):
        """Exim looks up its own account, which the unpacked package has not made: this session sees one."""
        for name, line in (('passwd', f'Debian-exim:x:{EXIM_ID}:{EXIM_ID}::/:/usr/sbin/nologin\n'),
                           ('group', f'Debian-exim:x:{EXIM_ID}:\n')):
            text = pathlib.Path('/etc', name).read_text()
            copy = self.work / name
            copy.write_text(text if 'Debian-exim' in text else text + line)
            copy.chmod(0o644)
            netns.bind_mount(str(copy), f'/etc/{name}')

    def stop(self):
        self.process.terminate()
        self.process.wait()
        for name in ('passwd', 'group'):
            netns.unmount(f'/etc/{name}')
