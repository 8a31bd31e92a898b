"""One real Redis on loopback, that can be killed, stopped for a while and started again, and looked into."""

import signal
import subprocess

from support.paths import REDIS
from support.processes import Process, free_port

PASSWORD = "a Redis password that must never be shown"


class Redis:
    """Without anything on disk: what it held is gone when it starts again."""

    def __init__(self, folder, certificate=None, *, arguments=()):
        self._folder = folder
        self._port = free_port()
        self._certificate = certificate
        self._arguments = arguments
        self._starts = 0
        self.url = f"{'rediss' if certificate else 'redis'}://localhost:{self._port}"

    def start(self):
        self._starts += 1
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / f"redis-{self._starts}.log"
        self.process = Process("redis", [REDIS, *self._options(), *self._arguments], log)
        self.process.wait_for_log("Ready to accept connections", within=5)
        return self

    def kill(self):
        self.process.kill()

    def freeze(self):
        """It holds its connections and answers nothing."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def settings(self, **more):
        """The sections by which a service shares its tickets here."""
        return {"tickets": {"store": "redis"}, "redis": {"url": self.url, "password": PASSWORD} | more}

    def keys(self):
        return self.command("KEYS", "*").split()

    def command(self, *words):
        """What redis-cli says to that command."""
        words = ["redis-cli", "-p", str(self._port), "--no-auth-warning", "--raw", *words]
        done = subprocess.run(words, env={"REDISCLI_AUTH": PASSWORD}, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def _options(self):
        port = ["--port", self._port]
        if self._certificate:
            files = ["--tls-cert-file", self._certificate.certificate, "--tls-key-file", self._certificate.key]
            port = ["--port", 0, "--tls-port", self._port, *files, "--tls-auth-clients", "no"]
        disk = ["--save", "", "--appendonly", "no", "--dir", self._folder]
        return [*port, "--bind", "127.0.0.1", "::1", *disk, "--requirepass", PASSWORD]
