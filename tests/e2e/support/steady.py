"""Records that are written at an even rate, in a thread of its own."""

import threading
import time

# Records are handed over this often, so that they come evenly.
_PULSE_SECONDS = 0.02


class SteadyWriter:
    """Writes `per_second` from `begin` until `stop`, whether the broker is there or not; `_write_one(number)` is for whoever inherits."""

    def __init__(self, producer, per_second):
        self._producer = producer
        self._per_second = per_second
        self._stopping = threading.Event()
        self.count = 0
        self._thread = threading.Thread(target=self._write, daemon=True)

    def begin(self):
        self._thread.start()
        return self

    def stop(self):
        """From here on `count` were written, all acknowledged."""
        self._stopping.set()
        self._thread.join(300)
        self._producer.flush()
        return self

    def _write(self):
        started_at = time.monotonic()
        while not self._stopping.wait(_PULSE_SECONDS):
            due = int((time.monotonic() - started_at) * self._per_second)
            while self.count < due and not self._stopping.is_set():
                self._write_one(self.count)
                self.count += 1
