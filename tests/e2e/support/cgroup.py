"""A bound on a process' memory that the kernel keeps by killing it: a control group, of either version.

Where nobody may make one (no rights, no controller), `limited` gives None, and the peak of the resident memory has to do.
"""

import contextlib
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class MemoryGroup:
    def __init__(self, folder, limit_file, peak_file, limit_bytes):
        self._folder, self._peak = folder, folder / peak_file
        if not self._peak.exists():
            raise OSError(f"{folder} has no memory controller")
        (folder / limit_file).write_text(str(limit_bytes))

    def command(self, command):
        """The same command, which enters the group before it begins."""
        enter = f'echo $$ > {self._folder}/cgroup.procs && exec "$@"'
        return ["sh", "-c", enter, "sh", *command]

    def peak_bytes(self):
        return int(self._peak.read_text())

    def remove(self):
        with contextlib.suppress(OSError):
            self._folder.rmdir()


def limited(name, limit_bytes):
    for parent, limit_file, peak_file in (_version_2(), _version_1()):
        folder = parent / name
        # Of a folder that is no group, the kernel would know nothing.
        if not (parent / "cgroup.procs").exists():
            continue
        try:
            folder.mkdir()
            return MemoryGroup(folder, limit_file, peak_file, limit_bytes)
        except OSError:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return None


def _version_2():
    return ROOT / _own("").strip("/"), "memory.max", "memory.peak"


def _version_1():
    return ROOT / "memory" / _own("memory").strip("/"), "memory.limit_in_bytes", "memory.max_usage_in_bytes"


def _own(controller):
    """The path of the group that this process is in."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return ""
