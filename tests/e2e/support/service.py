"""The service under test: its configuration file, its process, and the clients that call on it."""

import copy
import itertools
import json
import ssl

import requests

from support import tokens
from support.described import check_answer
from support.metrics import Metrics
from support.paths import RUN, SERVICE
from support.plain import PlainClient
from support.processes import Process, free_port
from support.waiting import eventually

# The headers of a request that asks to become a WebSocket.
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

_numbers = itertools.count(1)


class Service:
    """One `dumbwaiter serve`. Every one is an instance of its own, so none fences another's consumer."""

    def __init__(self, brokers, registry_url, driver, settings=None, env=None):
        self.number = next(_numbers)
        self.folder = RUN / f"service-{self.number}"
        self.listen = f"127.0.0.1:{free_port()}"
        self.admin_listen = f"127.0.0.1:{free_port()}"
        self.settings = merged(
            {
                "kafka": {"brokers": [brokers], "instance": f"e2e-{self.number}"},
                "registry": {"urls": [registry_url]},
                "auth": {"secret": tokens.SECRET, "issuer": tokens.ISSUER, "audience": tokens.AUDIENCE},
                "web": {"listen": self.listen, "admin_listen": self.admin_listen},
                # Most tests end a service because they are done with it.
                "shutdown": {"grace": "0s", "drain": "0s"},
                "log": {"level": "debug"},
            },
            settings or {},
        )
        self._env = env or {}
        self._driver = driver
        self._http = requests.Session()
        self._http.trust_env = False
        # One that is kept and idle for as long as the service allows may be closed just when it is used again.
        self._http.headers["Connection"] = "close"
        self._clients = []
        self.process = None
        # The file of the authority that its clients trust, if they speak TLS.
        self.authority = None

    # Life

    def start(self, log=None, descriptors=None, wrap=None):
        """`log`: where its log goes, if not to a file of its own; `descriptors`: how many it may have open; `wrap`: makes
        of its command another one that ends in it."""
        self.process = start_serve(self.folder, self.settings, self._env, log, descriptors, wrap)
        return self

    def wait_until_ready(self, within=10):
        def is_ready():
            assert self.process.is_alive(), f"the service ended early\n{self.process.log_tail()}"
            return self.readyz() == 200

        try:
            eventually(is_ready, within, f"service {self.number} ready")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.process.log_tail()}") from None
        return self

    def stop(self):
        """SIGTERM; the exit code, or None when it had to be killed."""
        self.forget_clients()
        return self.process.terminate(within=30)

    def log(self):
        return self.process.log()

    # The admin side

    def livez(self):
        return self._admin("/livez")

    def readyz(self):
        return self._admin("/readyz")

    def readiness(self):
        """What /readyz says beside its status, asked as Kubernetes' own parts are; it says so in any case."""
        return self._http.get(f"http://{self.admin_listen}/readyz?verbose", timeout=5).text

    def metrics(self):
        page = Metrics(self._http.get(f"http://{self.admin_listen}/metrics", timeout=5).text)
        assert page.undocumented() == [], "`make docs`, and src/metrics/labels.rs for a label's values"
        return page

    def metric(self, name, **labels):
        return self.metrics().sum(name, **labels)

    def operators(self, path, **parameters):
        """An answer of the admin listener."""
        answer = self._http.get(f"http://{self.admin_listen}{path}", params=parameters, timeout=10)
        check_answer(answer, "operators")
        return answer

    def connections(self, **question):
        """The first page of those who are connected."""
        return self.operators("/connections", **question).json()["connections"]

    def _admin(self, path):
        """The status, or None while nobody listens."""
        try:
            answer = self._http.get(f"http://{self.admin_listen}{path}", timeout=5)
            check_answer(answer, "operators")
            return answer.status_code
        except requests.ConnectionError:
            return None

    # The clients' side

    def http(self, method, path, **more):
        url = f"{self._over('http')}{path}"
        answer = self._http.request(method, url, timeout=10, verify=self.authority, **more)
        check_answer(answer, "clients")
        return answer

    def request_ticket(self, token=None):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.http("GET", "/api/v1/ws/ticket", headers=headers)

    def ticket(self, sub, **claims):
        answer = self.request_ticket(tokens.token(sub, **claims))
        assert answer.status_code == 200, answer.text
        return answer.json()["token"]

    def ws_url(self, query, path="/ws"):
        return f"{self._over('ws')}{path}?{query}"

    def _over(self, scheme, address=None):
        return f"{scheme}{'s' if self.authority else ''}://{address or self.listen}"

    def plain(self, sub, **claims):
        """A plain client with a ticket of its own."""
        return self.plain_at(f"key={self.ticket(sub, **claims)}", name=f"plain {sub}")

    def plain_at(self, query, name="plain client", path="/ws", **more):
        if self.authority:
            more["ssl"] = ssl.create_default_context(cafile=self.authority)
        return self._keep(PlainClient(self.ws_url(query, path), name, **more))

    def socket_io(self, sub, **claims):
        """An official client that has been told `authorization:ok`."""
        return self.open_socket_io(name=sub, auth={"token": tokens.token(sub, **claims)}).wait_until_authorized()

    def open_socket_io(self, name="client", namespace="", address=None, **options):
        """`address`: where it connects to, if not to the service itself."""
        if self.authority:
            options["ca"] = self.authority.read_text()
        return self._keep(self._driver.open(f"{self._over('http', address)}{namespace}", name, **options))

    def seen_at(self, address):
        """The clients' side of it at another address, a load balancer's: each request by a connection of its own."""
        other = copy.copy(self)
        other.listen = address
        other._http = requests.Session()
        other._http.trust_env = False
        other._http.headers["Connection"] = "close"
        return other

    def forget_clients(self):
        """Closes every client of the test that just ended."""
        for client in self._clients:
            client.close()
        self._clients.clear()

    def _keep(self, client):
        self._clients.append(client)
        return client


def start_serve(folder, settings, env=None, log=None, descriptors=None, wrap=None):
    """`dumbwaiter serve` with these settings as its file (as text: word for word; None: no file), come what may."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "dumbwaiter.toml"
    if settings is not None:
        config.write_text(settings if isinstance(settings, str) else toml(settings))
    limits = [] if descriptors is None else ["prlimit", f"--nofile={descriptors}"]
    command = [*limits, SERVICE, "serve", "--config", config]
    return Process("dumbwaiter", wrap(command) if wrap else command, folder / "service.log", env, log)


def toml(settings):
    """Sections of plain values, with tables and lists of tables in them; JSON's scalars and arrays are TOML's too."""
    lines = []
    for section, values in settings.items():
        lines += [f"[{section}]", *_assignments(values)]
        for name, value in values.items():
            if isinstance(value, dict):
                lines += [f"[{section}.{name}]", *_assignments(value)]
            for table in value if _is_list_of_tables(value) else []:
                lines += [f"[[{section}.{name}]]", *_assignments(table)]
    return "\n".join(lines) + "\n"


def _assignments(values):
    plain = {name: value for name, value in values.items() if not isinstance(value, dict)}
    return [f"{json.dumps(k)} = {json.dumps(v)}" for k, v in plain.items() if not _is_list_of_tables(v)]


def _is_list_of_tables(value):
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def merged(base, changes):
    """`base` with single keys of its sections changed; None takes a key out."""
    result = {section: dict(values) for section, values in base.items()}
    for section, values in changes.items():
        result.setdefault(section, {}).update(values)
        result[section] = {key: value for key, value in result[section].items() if value is not None}
    return result
