"""The servers that are compared. Each is started afresh for every run, on a topic of its own, and ended after it.

All authorize by the same secret, read the same Avro records from the same broker, and send the documented frames. The raw
write loop has neither: it is the kernel's part of the work.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import requests
from support.certificates import Certificate
from support.paths import REPOSITORY, TARGET
from support.processes import Process, free_port
from support.service import toml
from support.waiting import eventually
from workloads import BEFORE, JOINED, OURS, RAW, SECURED, THROUGHPUT

SECRET = "a secret of the benches, long enough for HS256, good for nothing else"
PEERS = REPOSITORY / "benches" / "peers"
SAMPLE = REPOSITORY / "src" / "bench" / "order.json"
SCHEMA = REPOSITORY / "schemas" / "populated_order.avsc"
CATALOG = REPOSITORY / "src" / "event" / "catalog.toml"
BUILT = TARGET / "bench"
UP_WITHIN = 20


@dataclass(frozen=True)
class Surroundings:
    """What a run has around it."""

    folder: Path
    brokers: str
    registry: str
    topic: str
    run: str
    dumbwaiter: Path
    # Good for 127.0.0.1, and who has signed it.
    certificate: Certificate
    authority: Path

    def settings(self, listen, admin="127.0.0.1:0", fetch=None, speaks_tls=False):
        web = {"listen": listen, "admin_listen": admin}
        if speaks_tls:
            files = {"certificate": self.certificate.certificate, "key": self.certificate.key}
            web |= {f"tls_{name}_file": str(file) for name, file in files.items()}
        return {
            "kafka": {
                "brokers": [self.brokers],
                "topics": [self.topic],
                "instance": self.topic,
            }
            | ({"fetch": fetch} if fetch else {}),
            "registry": {"urls": [self.registry]},
            "auth": {"secret": SECRET},
            "web": web,
            "catalog": {"file": str(self.folder / "catalog.toml")},
            "log": {"level": "warn"},
        }

    def write_settings(self, *arguments, **more):
        """The service's settings as a file, which the load generator takes as well."""
        # Whatever the workload, events come by the topic of this run alone.
        catalog = CATALOG.read_text(encoding="utf-8").replace('topic = "order.created"', f'topic = "{self.topic}"')
        (self.folder / "catalog.toml").write_text(catalog, encoding="utf-8")
        path = self.folder / "dumbwaiter.toml"
        path.write_text(toml(self.settings(*arguments, **more)))
        return path


@dataclass(frozen=True)
class Running:
    process: Process
    # Settings for the load generator: where the server listens, by which secret it knows clients.
    config: Path
    # Knows neither Kafka nor tokens: it makes the events itself when it is signalled.
    is_bare: bool = False
    # Whom the load generator is to trust over TLS.
    authority: Path | None = None


class Dumbwaiter:
    def __init__(self, name, program=None, **settings):
        """`program`: another build than the one at hand."""
        self.name = name
        self._program = program
        self._settings = settings

    def start(self, around, workload):
        listen, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
        config = around.write_settings(listen, admin, **self._settings)
        command = [self._program or around.dumbwaiter, "serve", "--config", config]
        process = Process(self.name, command, around.folder / "server.log")
        http = requests.Session()
        http.trust_env = False

        def is_ready():
            assert process.is_alive(), process.log_tail()
            try:
                return http.get(f"http://{admin}/readyz", timeout=2).status_code == 200
            except requests.ConnectionError:
                return False

        eventually(is_ready, UP_WITHIN, f"{self.name} ready")
        return Running(process, config, authority=around.authority)


class Other:
    """A server that says READY when it is, and takes its settings by environment."""

    def __init__(self, name, command, environment=None):
        self.name = name
        self._command = command
        self._environment = environment or {}

    def start(self, around, workload):
        port = free_port()
        environment = {
            "PORT": str(port),
            "BROKERS": around.brokers,
            "TOPIC": around.topic,
            "REGISTRY": around.registry,
            "SCHEMA": str(SCHEMA),
            "SECRET": SECRET,
        }
        process = Process(self.name, self._command, around.folder / "server.log", environment | self._environment)
        process.wait_for_log("READY", within=UP_WITHIN)
        return Running(process, around.write_settings(f"127.0.0.1:{port}"))


class Raw:
    def __init__(self, name, join=1):
        self.name = name
        self._join = join

    def start(self, around, workload):
        port = free_port()
        text = around.folder / "frame.txt"
        text.write_text(_frame(around.run), encoding="utf-8")
        numbers = [workload.events, workload.rate, workload.staff, workload.customers, self._join]
        command = [BUILT / "raw", port, text, *numbers]
        process = Process(self.name, command, around.folder / "server.log")
        process.wait_for_log("READY", within=UP_WITHIN)
        return Running(process, around.write_settings(f"127.0.0.1:{port}"), is_bare=True)


def _frame(run):
    """The text that the service sends for an event of the load generator."""
    sample = SAMPLE.read_text(encoding="utf-8").replace("{mark}", f"[bench {run} {0:010} {0:019}]")
    sample = sample.replace("{id}", "0" * 24).replace("{owner}", "0" * 24)
    return "42" + json.dumps(["order:new", json.loads(sample)], separators=(",", ":"), ensure_ascii=False)


def peers(profile, before=None):
    """By name; `profile` is that of cargo: debug only shows that all works. `before`: another build of the service."""
    return {
        peer.name: peer
        for peer in (
            Raw(RAW),
            # What joining waiting frames into one write can give at most.
            Raw(JOINED, join=32),
            Dumbwaiter(OURS),
            Dumbwaiter(BEFORE, program=before),
            # Fetches that wait for each other: dearer in latency, cheaper in work.
            Dumbwaiter(THROUGHPUT, fetch="throughput"),
            Dumbwaiter(SECURED, speaks_tls=True),
            Other("socketioxide", [BUILT / "socketioxide" / profile / "bench-socketioxide"], {"BUFFER": "65536"}),
            Other("node", ["node", BUILT / "node" / "server.mjs"]),
        )
    }
