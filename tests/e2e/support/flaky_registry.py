"""A door in front of the real registry that a test can close: it then answers with an error, and otherwise passes on what it is asked.

It can also be slow, open or closed.
"""

import time
from urllib.parse import urlsplit

import requests

from support.answering import AnsweringServer


class FlakyRegistry(AnsweringServer):
    def __init__(self, registry):
        target = urlsplit(registry.url)
        self._behind = f"{target.scheme}://{target.netloc}"
        self._http = requests.Session()
        self._http.trust_env = False
        self._error = None
        self.delay_seconds = 0
        super().__init__()
        self.url = self.address + target.path

    def close_door(self, status=503):
        self._error = status

    def open_door(self):
        self._error = None

    def answer(self, path, headers):
        time.sleep(self.delay_seconds)
        if self._error is not None:
            return self._error, b""
        answer = self._http.get(self._behind + path, timeout=10)
        return answer.status_code, answer.content
