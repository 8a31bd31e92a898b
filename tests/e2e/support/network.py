"""A network of one's own between a service and its broker, which a test can cut in silence, or throttle.

The broker lives in a network namespace that is made here and goes with the test run. Two pairs of virtual interfaces
lead to it: by one the tests write records, by the other, which is the one that breaks, the service reads them.

    tests   10.231.x.1 ── 10.231.x.2 ┐
                                     ├ broker
    service 10.231.x.5 ── 10.231.x.6 ┘
"""

import atexit
import os
import subprocess

_NUMBER = os.getpid() % 250


def is_possible():
    """Namespaces want root."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--net", "true"], check=False).returncode == 0


class Network:
    def __init__(self):
        self.name = f"dumbwaiter-{os.getpid()}"
        self.tests, self.service = f"10.231.{_NUMBER}.2", f"10.231.{_NUMBER}.6"
        self._inside = f"dwb{_NUMBER}"
        atexit.register(self.remove)
        _run("ip", "netns", "add", self.name)
        self.within("ip", "link", "set", "lo", "up")
        self._connect(f"dwt{_NUMBER}", f"dwu{_NUMBER}", 1)
        self._connect(f"dwa{_NUMBER}", self._inside, 5)

    @property
    def start(self):
        """What a command begins with that is to run at the broker's place."""
        return ["ip", "netns", "exec", self.name]

    def within(self, *command):
        _run(*self.start, *command)

    def cut(self):
        """Packets vanish in both directions, and nobody is told."""
        rules = "; ".join(
            f"add chain inet cut {hook} {{ type filter hook {hook} priority 0; }}; "
            f"add rule inet cut {hook} {way}ifname {self._inside} drop"
            for hook, way in [("input", "i"), ("output", "o")]
        )
        self.within("nft", f"add table inet cut; {rules}")

    def mend(self):
        self.within("nft", "delete table inet cut")

    def throttle(self, kilobits):
        """What the service reads comes at that rate at most, in a second."""
        self.within(
            *f"tc qdisc replace dev {self._inside} root tbf rate {kilobits}kbit burst 16kb latency 2s".split()
        )

    def unthrottle(self):
        self.within("tc", "qdisc", "del", "dev", self._inside, "root")

    def remove(self):
        """Interfaces go with it."""
        subprocess.run(["ip", "netns", "del", self.name], check=False, stderr=subprocess.DEVNULL)

    def _connect(self, outside, inside, first):
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", self.name)
        _run("ip", "addr", "add", f"10.231.{_NUMBER}.{first}/30", "dev", outside)
        _run("ip", "link", "set", outside, "up")
        self.within("ip", "addr", "add", f"10.231.{_NUMBER}.{first + 1}/30", "dev", inside)
        self.within("ip", "link", "set", inside, "up")


def _run(*command):
    subprocess.run(command, check=True)
