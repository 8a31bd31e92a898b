"""Socket.IO clients: a library behind a driver program, many of them in one process, seen from the test.

`SocketIoClient` keeps the raw frames apart from what the library made of them: a test that asks what went over the wire
must not trust a library's reading of it.
"""

import itertools
import json
import os
import subprocess
import threading
from dataclasses import dataclass

from support.inbox import Inbox


@dataclass(frozen=True)
class Event:
    """An event as a listener gets it, `args` as many as it was called with."""

    name: str
    args: list

    @property
    def data(self):
        return self.args[0]

    @property
    def id(self):
        return self.args[0].get("_id") if self.args and isinstance(self.args[0], dict) else None


class SocketIoClient:
    """One client of a library, with the documented options."""

    def __init__(self, driver, name):
        self.name = name
        self.frames = Inbox(f"{name} (frames)")
        self.events = Inbox(f"{name} (events)")
        # Tuples (type, detail) of connect, disconnect, connect_error and attempt, in their order.
        self.life = Inbox(f"{name} (life)")
        self._driver = driver

    def wait_until_authorized(self, within=2):
        self.events.wait_for(lambda event: event.name == "authorization:ok", within, "authorization:ok")
        return self

    def wait_for(self, name, order_id, within=2):
        """The event of that name about that order."""
        return self.events.wait_for(lambda e: (e.name, e.id) == (name, order_id), within, f"{name} of {order_id}")

    def wait_for_frame(self, contains, within=2):
        """The raw text of the frame with that in it."""
        return self.frames.wait_for(lambda text: contains in text, within, f"frame with {contains!r}")

    def wait_for_life(self, kind, within=2):
        return self.life.wait_for(lambda step: step[0] == kind, within, kind)[1]

    def order_events(self):
        """(name, order id) of all order events so far."""
        return [(e.name, e.id) for e in self.events.all() if e.name.startswith("order:")]

    def close(self):
        self._driver.close_client(self)

    def take(self, line):
        match line["type"]:
            case "frame":
                self.frames.add(line.get("text", "(binary)"))
            case "event":
                self.events.add(Event(line["name"], line["args"]))
            case kind:
                self.life.add((kind, line.get("detail")))


class SocketIoDriver:
    """The library's process; it ends when its stdin closes, so it cannot outlive the test run."""

    def __init__(self, command, log):
        with open(log, "wb") as errors:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            )
        self._clients = {}
        self._numbers = itertools.count(1)
        threading.Thread(target=self._read, daemon=True).start()

    def open(self, url, name="client", **options):
        """Connects with the documented options and `options` (auth, extraHeaders, query, reconnection...) on top."""
        client = self._new(name)
        self._send(
            {"open": client.name, "url": url, "options": {"path": "/ws", "transports": ["websocket"]} | options}
        )
        return client

    def open_page(self, html):
        """A page in a browser; what it says on its console are events of that name."""
        client = self._new("page")
        self._send({"page": client.name, "html": html})
        return client

    def close_client(self, client):
        self._send({"close": client.name})

    def stop(self):
        self._child.stdin.close()
        self._child.wait(10)

    def _new(self, name):
        client = SocketIoClient(self, f"{name}#{next(self._numbers)}")
        self._clients[client.name] = client
        return client

    def _send(self, command):
        self._child.stdin.write(json.dumps(command) + "\n")
        self._child.stdin.flush()

    def _read(self):
        for line in self._child.stdout:
            told = json.loads(line)
            self._clients[told["client"]].take(told)
