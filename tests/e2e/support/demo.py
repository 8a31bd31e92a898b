"""A `dumbwaiter demo`, which needs nothing else."""

import re
import time

from support.paths import RUN, SERVICE
from support.processes import Process, free_port


class Demo:
    def __init__(self, *more):
        self.url = f"http://127.0.0.1:{free_port()}/"
        self.started_at = time.monotonic()
        command = [SERVICE, "demo", "--listen", self.url.removeprefix("http://").rstrip("/"), *more]
        self._log = RUN / "demo.log"
        self._process = Process("demo", command, self._log)
        self._process.wait_for_log("gone with Ctrl-C", 5)

    def produce_command(self):
        """What it says of how to write a record of one's own, as arguments, up to the topic."""
        [told] = re.findall(r"dumbwaiter (produce .*) --topic TOPIC", self._log.read_text())
        return told.split()

    def stop(self):
        self._process.kill()
