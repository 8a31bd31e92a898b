"""What a process has used so far, as the kernel counts it."""

import os
import time


def cpu_seconds(process):
    """User and system time."""
    fields = _read(process, "stat").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(process):
    return _status_bytes(process, "VmRSS")


def peak_resident_bytes(process):
    return _status_bytes(process, "VmHWM")


class Cost:
    """What a service used between two moments, told for each of those who caused it."""

    def __init__(self, service):
        self._process = service.process
        self._at = time.monotonic()
        self._cpu = cpu_seconds(self._process)
        self._memory = resident_bytes(self._process)

    def share(self, attackers):
        """(what can be printed, growth of memory in bytes) since the beginning."""
        cpu, seconds = cpu_seconds(self._process) - self._cpu, time.monotonic() - self._at
        grown = resident_bytes(self._process) - self._memory
        told = (
            f"{attackers} attackers cost {1e3 * cpu / attackers:.1f} ms of CPU each, "
            f"{100 * cpu / seconds / attackers:.2f} % of a core for {seconds:.1f} s, {grown / attackers / 1e3:.0f} KB each"
        )
        return told, grown


def _read(process, name):
    with open(f"/proc/{process.pid}/{name}") as file:
        return file.read()


def _status_bytes(process, name):
    (line,) = [line for line in _read(process, "status").splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024
