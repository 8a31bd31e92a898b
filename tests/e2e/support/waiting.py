"""Waiting for something to become so, with a deadline instead of a sleep.

Every deadline of a behaviour is the time it should take at most, times SLACK: the tests also run on two busy cores.
"""

import time

SLACK = 5


class TooLate(AssertionError):
    """What was waited for did not happen; the message says what, how long, and what was there instead."""


def eventually(probe, within, what, every=0.02):
    """Calls `probe` until it gives something true, and returns that; `within` seconds (times SLACK) at most.

    `what` is a text, or a function that gives it when it is too late: what is there instead.
    """
    deadline = time.monotonic() + within * SLACK
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise TooLate(f"{what() if callable(what) else what}: not within {within * SLACK:g} s, last seen: {result!r}")
        time.sleep(every)
