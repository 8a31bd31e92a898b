"""Child processes that never outlive the test run.

Each child has a process group of its own, writes to a log file, and is ended by its id: by its owner, at the latest
when Python exits, and by the kernel should pytest itself be killed (`setpriv --pdeathsig`). Start children from
the main thread only: that signal follows the thread that started them.
"""

import atexit
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

from support.paths import WORKER
from support.waiting import SLACK, TooLate

_running = set()
_given_ports = set()
# Workers that run side by side never look at the same numbers: a free port is only taken later.
_PORTS_EACH = 1_500
_FIRST_PORT = 20_000 + int(WORKER.removeprefix("gw")) % 8 * _PORTS_EACH


class Process:
    """A child, its log file, and an orderly end."""

    def __init__(self, name, command, log, env=None, output=None):
        """`output`: a file that its log goes to instead; `log` is then empty."""
        self.name = name
        self.log_path = Path(log)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "wb") as log_file:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "SIGKILL", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output or log_file,
                stderr=subprocess.STDOUT,
                env=inherited_environment() | (env or {}),
                start_new_session=True,
            )
        _running.add(self)

    @property
    def pid(self):
        """The program's own: setpriv becomes it."""
        return self._child.pid

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def is_alive(self):
        return self._child.poll() is None

    def exit_code(self, within):
        """Waits for the child to end by itself."""
        try:
            return self._child.wait(within * SLACK)
        except subprocess.TimeoutExpired:
            raise TooLate(f"{self.name} still runs after {within * SLACK:g} s\n{self.log_tail()}") from None

    def wait_for_log(self, text, within):
        """Ready is what the process itself says: a port that answers may be somebody else's server."""
        deadline = time.monotonic() + within * SLACK
        while text not in self.log():
            if not self.is_alive():
                raise AssertionError(f"{self.name} ended early ({self._child.returncode})\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise TooLate(f"{self.name} never logged {text!r}\n{self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self, lines=30):
        return "\n".join(self.log().splitlines()[-lines:])

    def signal(self, number):
        if self.is_alive():
            self._child.send_signal(number)

    def kill(self):
        """Ends the whole group at once and collects the child."""
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._child.wait()
        _running.discard(self)

    def terminate(self, within=10):
        """Asks it to end, and returns its exit code; a process that does not listen is killed."""
        self.signal(signal.SIGTERM)
        try:
            return self._child.wait(within)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.kill()


def free_port():
    """A port that nothing listens on, from below the range that outgoing connections take theirs from.

    A test may leave such a port closed for a while; from the ephemeral range a client that keeps
    trying it could be given that very number as its own, and would then talk to itself. No port is
    given twice: whoever was given it may be about to listen.
    """
    while True:
        port = random.randrange(_FIRST_PORT, _FIRST_PORT + _PORTS_EACH)
        if port in _given_ports:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port


def inherited_environment():
    """Ours, but for DUMBWAITER_BIN and its like: the service refuses settings that it does not know."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DUMBWAITER_")}


@atexit.register
def _kill_leftovers():
    for process in list(_running):
        process.kill()
