"""A door in front of the real registry that a test can close: it then answers with an error, and otherwise passes on what it is asked.

It can also be slow, open or closed, or not be there at all.
"""

import time
from urllib.parse import urlsplit

import requests

from support.answering import AnsweringServer
from support.processes import free_port


class FlakyRegistry(AnsweringServer):
    def __init__(self, registry):
        target = urlsplit(registry.url)
        self._behind = f"{target.scheme}://{target.netloc}"
        self._http = requests.Session()
        self._http.trust_env = False
        self._error = None
        self.delay_seconds = 0
        # When it passed on the newest answer.
        self.answered_at = 0
        self._port = free_port()
        super().__init__(self._port)
        self.url = self.address + target.path

    def close_door(self, status=503, *headers):
        """`headers`: pairs, beside the error."""
        self._error = (status, b"", *headers)

    def open_door(self):
        self._error = None

    def go_away(self):
        """Whoever connects is refused."""
        self.stop()

    def come_back(self):
        super().__init__(self._port)

    def answer(self, path, headers):
        time.sleep(self.delay_seconds)
        if self._error is not None:
            return self._error
        answer = self._http.get(self._behind + path, timeout=10)
        self.answered_at = time.monotonic()
        return answer.status_code, answer.content
