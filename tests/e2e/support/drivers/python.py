"""Drives python-socketio: the same conversation as node.mjs, whose names of options and reasons it keeps.

in:   {"open": name, "url": .., "options": {..}}   {"close": name}
out:  {"client": name, "type": "event" | "connect" | "disconnect" | "connect_error", ..}
"""

import json
import os
import sys
import threading
from urllib.parse import urlencode

import socketio

_speaking = threading.Lock()
_clients = {}


def tell(client, kind, **rest):
    with _speaking:
        print(json.dumps({"client": client, "type": kind} | rest), flush=True)


def start(name, url, options):
    client = socketio.Client(
        reconnection_delay=options.get("reconnectionDelay", 1000) / 1000,
        reconnection_delay_max=options.get("reconnectionDelayMax", 5000) / 1000,
    )
    client.on("*", lambda event, *args: tell(name, "event", name=event, args=args))
    client.on("connect", lambda: tell(name, "connect"))
    client.on("disconnect", lambda reason: tell(name, "disconnect", detail=reason))
    client.on("connect_error", lambda error: tell(name, "connect_error", detail=str(error)))
    _clients[name] = client
    query = urlencode(options.get("query", {}))
    client.connect(
        f"{url}?{query}" if query else url,
        headers=options.get("extraHeaders", {}),
        auth=options.get("auth"),
        transports=options["transports"],
        socketio_path=options["path"],
    )


def main():
    for line in sys.stdin:
        command = json.loads(line)
        if "open" in command:
            start(command["open"], command["url"], command["options"])
        else:
            # Also one that is between two attempts to come back: that is what `shutdown` ends.
            _clients.pop(command["close"]).shutdown()
    # The library's threads wait for pings; whoever closed our stdin waits for us.
    os._exit(0)


main()
