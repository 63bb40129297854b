"""How does a test play the service manager that holds the listening sockets? systemd's socket activation: sd_listen_fds(3).

The sockets listen from the start to the end of the test, whether a daemon runs or not.
"""
import os
import socket
import struct
import sys

# Run between fork and the daemon: descriptors become 3, 4, ... and LISTEN_PID this process's own number.
STARTER = '''
import fcntl, os, sys
count = int(sys.argv[1])
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 200) for fd in sys.argv[2:2 + count]]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ['LISTEN_PID'] = str(os.getpid())
os.execvp(sys.argv[2 + count], sys.argv[2 + count:])
'''


class Sockets:
    """Listens on each address ("127.0.0.1:25", "[::1]:25", "unix:/path") and passes all to each start of the relay."""

    def __init__(self, relay, *addresses, name='danelaw.socket'):
        self.sockets = [_listen(address) for address in addresses]
        for made in self.sockets:
            os.set_inheritable(made.fileno(), True)
        numbers = [str(made.fileno()) for made in self.sockets]
        relay.prefix = [sys.executable, '-I', '-S', '-c', STARTER, str(len(numbers)), *numbers]
        relay.descriptors = [made.fileno() for made in self.sockets]
        relay.environment.update(LISTEN_FDS=str(len(numbers)), LISTEN_FDNAMES=':'.join([name] * len(numbers)))

    def waiting(self, number=0):
        """How many connections are made that nobody has accepted yet (of a TCP socket: tcpi_unacked where it listens)."""
        info = self.sockets[number].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        return struct.unpack_from('I', info, 24)[0]

    def close(self):
        for made in self.sockets:
            made.close()


def _listen(address):
    if address.startswith('unix:'):
        made, where = socket.socket(socket.AF_UNIX), address[5:]
    else:
        host, port = address.rsplit(':', 1)
        made = socket.socket(socket.AF_INET6 if host.startswith('[') else socket.AF_INET)
        where = (host.strip('[]'), int(port))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind(where)
    made.listen(4096)
    return made
