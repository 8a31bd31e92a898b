"""A plain WebSocket client, on the `websockets` library: a ticket first, then `/ws?key=`.

Its inbox holds every text message as it came off the wire; `Message` is the same message taken apart.
"""

import json
import threading
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support.inbox import Inbox
from support.waiting import SLACK


@dataclass(frozen=True)
class Message:
    text: str

    @property
    def name(self):
        return json.loads(self.text)["event_name"]

    @property
    def data(self):
        return json.loads(self.text)["data"]

    @property
    def id(self):
        return self.data["uuid"]


class PlainClient:
    """One connection. `close` tells how it ended: (code, reason), once it has."""

    def __init__(self, url, name="plain client", headers=None, ssl=None):
        self.inbox = Inbox(name)
        self.name = name
        self._ended = threading.Event()
        self._connection = connect(
            url,
            additional_headers=headers,
            ssl=ssl,
            proxy=None,
            compression=None,
            max_queue=None,
            close_timeout=2,
            # A plain object that the reader thread owns, rather than a context manager.
            legacy=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def messages(self):
        return self.inbox.all()

    def wait_for(self, pizza_id, within=2):
        """The message about that pizza."""
        return self.inbox.wait_for(lambda message: message.id == pizza_id, within, f"pizza {pizza_id}")

    def wait_for_close(self, within=2):
        """The close code and reason that the server gave; 1006 where the connection just broke."""
        assert self._ended.wait(within * SLACK), f"{self.name} is still connected after {within * SLACK} s"
        return self._connection.close_code, self._connection.close_reason

    def is_open(self):
        return not self._ended.is_set()

    def send(self, text):
        self._connection.send(text)

    def close(self):
        self._connection.close()
        self._reader.join(5)

    def _read(self):
        try:
            while True:
                self.inbox.add(Message(self._connection.recv()))
        except ConnectionClosed:
            self._ended.set()
