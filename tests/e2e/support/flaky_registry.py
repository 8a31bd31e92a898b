"""A door in front of the real registry that a test can close: it then answers 503, and otherwise passes on what it is asked."""

from urllib.parse import urlsplit

import requests

from support.answering import AnsweringServer


class FlakyRegistry(AnsweringServer):
    def __init__(self, registry):
        target = urlsplit(registry.url)
        self._behind = f"{target.scheme}://{target.netloc}"
        self._http = requests.Session()
        self._http.trust_env = False
        self._is_open = True
        super().__init__()
        self.url = self.address + target.path

    def close_door(self):
        self._is_open = False

    def open_door(self):
        self._is_open = True

    def answer(self, path, headers):
        if not self._is_open:
            return 503, b""
        answer = self._http.get(self._behind + path, timeout=10)
        return answer.status_code, answer.content
