"""A program that is told things and tells things, by a line of JSON each."""

import json
import queue
import subprocess
import threading

from support.processes import inherited_environment
from support.waiting import SLACK, TooLate


class JsonChild:
    """Its standard error goes to a file; it ends when its input does, at the latest with the test run."""

    def __init__(self, name, command, errors, take=None):
        """`take` is called with all that it tells; without one, `next` gives it."""
        self._name = name
        with open(errors, "wb") as errors:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "SIGKILL", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                env=inherited_environment(),
            )
        self._told = queue.Queue()
        self._take = take or self._told.put
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, command):
        self._child.stdin.write(json.dumps(command) + "\n")
        self._child.stdin.flush()

    def next(self, within):
        try:
            return self._told.get(timeout=within * SLACK)
        except queue.Empty:
            raise TooLate(f"{self._name} said nothing for {within * SLACK} s") from None

    def stop(self):
        self._child.stdin.close()
        self._child.wait(10)

    def _read(self):
        for line in self._child.stdout:
            self._take(json.loads(line))
