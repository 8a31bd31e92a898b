"""What a client has received so far: filled by the client's own reader, looked at by the test."""

import threading
import time

from support.waiting import SLACK, TooLate


class Inbox:
    """A list that only grows, with a wait for what a test expects in it."""

    def __init__(self, owner):
        self._owner = owner
        self._items = []
        self._grown = threading.Condition()

    def add(self, item):
        with self._grown:
            self._items.append(item)
            self._grown.notify_all()

    def all(self):
        with self._grown:
            return list(self._items)

    def wait_for(self, fits, within, what):
        """The first item that fits."""
        deadline = time.monotonic() + within * SLACK
        looked_at = 0
        with self._grown:
            while True:
                for item in self._items[looked_at:]:
                    if fits(item):
                        return item
                looked_at = len(self._items)
                if not self._grown.wait(deadline - time.monotonic()) and looked_at == len(self._items):
                    raise TooLate(
                        f"{self._owner} got no {what} within {within * SLACK:g} s; last: {self._items[-5:]}"
                    )

    def wait_for_count(self, count, within, what):
        """The first `count` items."""
        deadline = time.monotonic() + within * SLACK
        with self._grown:
            while len(self._items) < count:
                if not self._grown.wait(deadline - time.monotonic()):
                    raise TooLate(
                        f"{self._owner} got {len(self._items)} of {count} {what} within {within * SLACK:g} s"
                    )
            return self._items[:count]
