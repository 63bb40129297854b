"""A relay's wall clock, wrong or moved while it runs. Deadlines, by the steady clock, stay real."""
import functools
import os

import pytest

from . import relay as world_relay

FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1'
# libfaketime and jemalloc wait for each other at start-up (wolfcw/libfaketime issue 130): under a moved clock the binary
# takes the C library's allocator, found first, and C++'s new with it.
PRELOAD = ':'.join([FAKETIME, 'libc.so.6', 'libstdc++.so.6'])


@functools.cache
def sanitized(binary):
    with open(binary, 'rb') as f:
        octets = f.read()
    return b'__asan_init' in octets or b'__tsan_init' in octets


class Clock:
    def __init__(self, relay, offset='+0'):
        """offset as faketime writes it: "-14d", "+6m", "+3600". For a relay that is started after this."""
        if sanitized(world_relay.binary()):
            pytest.skip('libfaketime and a sanitizer call each other at start-up, before either is ready')
        self.file = os.path.join(relay.work, 'clock')
        self.set(offset)
        relay.environment.update(LD_PRELOAD=PRELOAD, FAKETIME_TIMESTAMP_FILE=self.file, FAKETIME_NO_CACHE='1',
                                 FAKETIME_DONT_FAKE_MONOTONIC='1', DONT_FAKE_MONOTONIC='1')

    def set(self, offset):
        with open(self.file, 'w') as f:
            f.write(offset)
