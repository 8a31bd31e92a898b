"""The Socket.IO libraries that people really use, each behind a driver program that speaks as `drivers/node.mjs` does."""

import sys
from pathlib import Path

from support.paths import JAVA_CLIENT, NODE
from support.processes import free_port
from support.socketio import SocketIoDriver

_DRIVERS = Path(__file__).with_name("drivers")

# Where the browser's pages come from: to a service that is another host, whose `web.origins` must have it.
_PAGES_PORT = free_port()
PAGES = f"http://127.0.0.1:{_PAGES_PORT}"

# The command of each driver.
LIBRARIES = {
    "node": ["node", _DRIVERS / "node.mjs", NODE],
    "chromium": ["node", _DRIVERS / "chromium.mjs", NODE, str(_PAGES_PORT)],
    "python": [sys.executable, _DRIVERS / "python.py"],
    "java": ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{JAVA_CLIENT}/*", _DRIVERS / "Driver.java"],
}


def start_library(name, folder):
    return SocketIoDriver(LIBRARIES[name], folder / f"socketio-{name}.log")
