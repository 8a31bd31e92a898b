"""The commands beside `serve`: run one to its end and look at what it says."""

import json
import subprocess
import threading
from dataclasses import dataclass

from support.inbox import Inbox
from support.paths import REPOSITORY, SERVICE
from support.processes import inherited_environment
from support.waiting import SLACK


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, results, and words for the person at the terminal."""

    code: int
    out: str
    err: str

    def json(self):
        assert self.code == 0, self
        return json.loads(self.out)

    def json_lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


def run(*arguments, stdin="", env=None, within=10):
    """From the repository's root, as a reader of the examples would call it."""
    done = subprocess.run(
        [str(SERVICE), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env=inherited_environment() | (env or {}),
        timeout=within * SLACK,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


class Tail:
    """A `dumbwaiter tail` that runs beside the test; its lines are the inbox."""

    def __init__(self, *arguments):
        self.inbox = Inbox("tail")
        self.words = Inbox("tail's standard error")
        self._child = subprocess.Popen(
            [str(SERVICE), "tail", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=inherited_environment(),
        )
        for stream, inbox in ((self._child.stdout, self.inbox), (self._child.stderr, self.words)):
            threading.Thread(target=self._read, args=(stream, inbox), daemon=True).start()

    def wait_until_connected(self):
        self.words.wait_for(lambda line: line.startswith("connected"), 2, "word of its connection")
        return self

    def exit_code(self, within=2):
        return self._child.wait(within * SLACK)

    def kill(self):
        self._child.kill()
        self._child.wait()

    @staticmethod
    def _read(stream, inbox):
        for line in stream:
            inbox.add(line.rstrip("\n"))
