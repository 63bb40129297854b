"""How does a test session get ports 25 and 53 to itself and leave nothing behind?

It moves into a network and mount namespace of its own, in place, before anything else starts. Without root a user
namespace comes first. Child processes inherit the namespaces; all of it ends with the session.
"""
import ctypes
import errno
import os
import signal
import subprocess

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 1 << 18, 0x1000
PR_SET_PDEATHSIG = 1
MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)
_entered = False


def _check(result, what):
    if result != 0:
        err = ctypes.get_errno()
        raise OSError(err, f'{what}: {os.strerror(err)}')


def enter():
    """Moves this process into its own namespaces, once."""
    global _entered
    if _entered:
        return
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNET | CLONE_NEWNS
    if uid != 0:
        flags |= CLONE_NEWUSER
    _check(_libc.unshare(flags), 'unshare')
    if uid != 0:
        for name, text in (('setgroups', 'deny'), ('uid_map', f'0 {uid} 1'), ('gid_map', f'0 {gid} 1')):
            with open(f'/proc/self/{name}', 'w') as f:
                f.write(text)
    _make_private()
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    # 100,000 short connections must not run out of ports, nor wait for those that just closed.
    with open('/proc/sys/net/ipv4/ip_local_port_range', 'w') as f:
        f.write('10000 65000')
    _entered = True


def _make_private():
    """What this session mounts stays its own. The root of a chroot may be no mount point, and then can't be made private: what
    few tests mount is seen outside, below the chroot, until they unmount it."""
    done = _libc.mount(b'none', b'/', None, MS_REC | MS_PRIVATE, None)
    if done != 0 and ctypes.get_errno() == errno.EINVAL and not _root_is_mounted():
        return
    _check(done, 'mount / private')


def _root_is_mounted():
    with open('/proc/self/mountinfo') as f:
        return any(line.split()[4] == '/' for line in f)


def add_ipv6(address):
    """Gives the loopback interface one more IPv6 address, usable at once."""
    subprocess.run(['ip', '-6', 'addr', 'add', f'{address}/128', 'dev', 'lo', 'nodad'], check=True)


def black_hole(address):
    """Packets to this address vanish: a host that is off, seen from far away."""
    subprocess.run(['ip', 'route', 'add', 'blackhole', f'{address}/32'], check=True)


def bind_mount(source, target):
    """Shows source in place of target to this session alone."""
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None), f'mount {source} on {target}')


def small_disk(target, size):
    """A file system of its own at target, for this session alone; size as mount takes it: "64m"."""
    _check(_libc.mount(b'tmpfs', os.fsencode(target), b'tmpfs', 0, f'size={size}'.encode()), f'mount tmpfs on {target}')


def die_with_parent():
    """For preexec_fn: a child never outlives the session, however that ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def unmount(target):
    """Also while a process still has files open there: for it they stay."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f'unmount {target}')
