"""The commands beside `serve`: run one to its end and look at what it says."""

import json
import subprocess
from dataclasses import dataclass

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
