"""How does a test wait for something without sleeping?

Every source of facts (name server, SMTP server, the relay's log) appends to a Journal; a test waits on the journal
until its condition holds. Time limits only bound a failing test: they scale with DANELAW_TEST_SLOW (sanitizers).
"""
import os
import threading
import time

SLOW = float(os.environ.get('DANELAW_TEST_SLOW', '1'))


class Timeout(AssertionError):
    pass


class Journal:
    """A growing list that can be waited on. Thread-safe."""

    def __init__(self):
        self._items = []
        self._changed = threading.Condition()

    def add(self, item):
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def notify(self):
        with self._changed:
            self._changed.notify_all()

    def all(self):
        with self._changed:
            return list(self._items)

    def __len__(self):
        with self._changed:
            return len(self._items)

    def wait_until(self, condition, timeout=20, what='condition'):
        """Waits until condition(items) is truthy and returns its value."""
        end = time.monotonic() + timeout * SLOW
        with self._changed:
            while True:
                value = condition(self._items)
                if value:
                    return value
                left = end - time.monotonic()
                if left <= 0:
                    raise Timeout(f'{what}: not within {timeout * SLOW:g} s')
                self._changed.wait(min(left, 1))

    def wait_for(self, predicate, timeout=20, start=0, what='event'):
        """Waits for the first item, from index start on, that predicate accepts."""
        def find(items):
            return next(((i,) for i in items[start:] if predicate(i)), None)
        return self.wait_until(find, timeout, what)[0]


def until(condition, timeout=20, what='condition', pause=0.01):
    """For facts that only polling can tell (a file, a port, a zone's serial)."""
    end = time.monotonic() + timeout * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout(f'{what}: not within {timeout * SLOW:g} s')
        time.sleep(pause)
