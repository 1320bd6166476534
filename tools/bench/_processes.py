"""Servers under test as processes: started on a port that the system chose, pinned to a core, measured, stopped.

The listening socket is made here and handed to the server, so that no port is guessed and nobody has to wait for a
server to say that it is ready. Processor time and memory are read from `/proc`: the harness runs on Linux only.
A server's output goes to a file: what it logs is counted there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_AVAILABLE = 3
"""The exit status of a server that can't run a case."""

BACKLOG = 1024
"""For every server the same, and enough for all connections of a run to arrive at once."""

START_TIMEOUT = 20.0
"""Seconds from the start of the process to its first answer, at most: a slow machine imports everything in two."""

_TICKS = os.sysconf("SC_CLK_TCK")
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
_ROOT = Path(__file__).resolve().parents[2]


class ServerUnavailableError(Exception):
    """The server can't run this case (yet, or in this environment); the text says why."""


class ServerFailedError(Exception):
    """The server should have run this case and did not; the text says why."""


def environment() -> dict[str, str]:
    """A small environment: no coverage, no warnings mode, nothing else that would be measured too."""
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}


def cores() -> tuple[list[int], int]:
    """The cores for servers, and the one for the load (the same one if there is no other)."""
    available = sorted(os.sched_getaffinity(0))
    return available[:-1] or available, available[-1]


class ServerProcess:
    """One server, running one case.

    Args:
        server: the server's name.
        app: the name of the application that it runs.
        case: the name of the case.
        folder: where the run keeps its files.
        options: further arguments of `tools.bench.serve`.
        reuse_port: bind without listening, so that each worker can bind a socket of its own to the port.
    """

    def __init__(
        self, server: str, app: str, case: str, folder: Path, *, options: Sequence[str] = (), reuse_port: bool = False
    ) -> None:
        self.server = server
        self.log = folder / f"{case}.{server}.log"
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(("127.0.0.1", 0))
            if not reuse_port:
                sock.listen(BACKLOG)
            self.port: int = sock.getsockname()[1]
            command = [sys.executable, "-m", "tools.bench.serve", server, app, "--case", case]
            command += ["--folder", str(folder), "--fd", str(sock.fileno()), *options]
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    command,
                    cwd=_ROOT,
                    env=environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[sock.fileno()],
                    start_new_session=True,
                )
        self.pid = self._process.pid
        self._deadline = time.monotonic() + START_TIMEOUT

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill the server and its workers, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> str:
        """The last line that the server printed."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"

    def check(self) -> None:
        """See that the server still runs.

        Raises:
            ServerUnavailableError: it ended, saying that it can't run this case.
            ServerFailedError: it ended otherwise, or has not answered in time.
        """
        status = self._process.poll()
        if status == NOT_AVAILABLE:
            raise ServerUnavailableError(self.last_words())
        if status is not None:
            raise ServerFailedError(f"exit status {status}: {self.last_words()}")

    def wait_for_start(self) -> float:
        """Sleep a little between attempts to reach the server; gives the seconds that are left to it."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise ServerFailedError(f"no answer within {START_TIMEOUT:.0f} s: {self.last_words()}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.05)
        self.check()
        return left

    def take_log_lines(self) -> int:
        """Count the lines of the log and empty it."""
        with self.log.open("rb+") as log:
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: log.read(1 << 20), b""))
            log.truncate(0)
        return lines

    def processes(self) -> list[int]:
        """The server's process and the workers it started."""
        return [self.pid, *children(self.pid)]

    def cpu_seconds(self) -> float:
        """Processor time used so far."""
        return sum(map(cpu_seconds, self.processes()))

    def memory(self) -> dict[str, float]:
        """Resident memory and this process's share of it, in bytes."""
        pids = self.processes()
        return {
            "rss": float(sum(_kilobytes(f"/proc/{pid}/status", "VmRSS:") for pid in pids) * 1024),
            "peak": float(sum(_kilobytes(f"/proc/{pid}/status", "VmHWM:") for pid in pids) * 1024),
            "pss": float(sum(_kilobytes(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids) * 1024),
        }


def cpu_seconds(pid: int) -> float:
    """Processor time of one process with all its threads, in seconds."""
    # The name, in parentheses, may hold spaces; utime and stime are the 14th and 15th fields.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def children(pid: int) -> list[int]:
    """The process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _kilobytes(name: str, key: str) -> int:
    for line in Path(name).read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    raise RuntimeError(f"no {key!r} in {name}")


def tool(name: str) -> str:
    """The path of a program that the benchmark needs.

    Raises:
        SystemExit: it is not installed.
    """
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise SystemExit(f"the benchmark needs {name!r}: install it (on Debian: apt install {name})")
    return path
