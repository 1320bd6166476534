"""Workers: whether each of several does as much with its processor time as one does alone, and how evenly they share.

Requests are set against the workers' own processor time, so that a machine with few cores, where workers and load share
them, gives the same answer as a large one. Each worker counts its requests in memory that it shares with the benchmark;
its connections are the established sockets among its open files, seen from outside.
"""

from __future__ import annotations

import mmap
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ._bench import Start
from ._compare import complaints
from ._processes import ServerFailedError, ServerUnavailableError, children, cpu_seconds
from ._results import CaseResult, Column, Row, medians
from ._servers import SAME_API
from ._site import COUNTERS
from ._wrk import settle

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._bench import Bench
    from ._compare import Check
    from ._processes import ServerProcess
    from ._requests import Request

WORKERS = 2
CONNECTIONS = 400
"""Enough that an even spread is not a matter of luck: one in ten apart is two standard deviations."""

COLUMNS = (
    Column("alone", "requests/CPU s alone"),
    Column("least", "requests/CPU s, worse worker"),
    Column("efficiency", "worse worker/alone", 2),
    Column("spread", "connections apart %", 1),
    Column("share", "requests apart %", 1),
)


@dataclass(frozen=True, slots=True)
class Workers:
    """Several processes on one port.

    Args:
        name: the case's name.
        title: what is measured.
        app: the servers' application; it counts its requests.
        request: what is sent.
        check: whether an answer is right.
        reuse_port: each worker listens on a socket of its own, and the kernel spreads the connections.
    """

    name: str
    title: str
    app: str
    request: Request
    check: Check
    reuse_port: bool = False

    def measure(self, bench: Bench) -> CaseResult:
        """Measure the servers that have workers of their own."""
        result = CaseResult(self.name, self.title, COLUMNS, "efficiency")
        for server in bench.servers:
            if server not in SAME_API:
                continue
            bench.say(f"{self.name}: {server}")
            try:
                result.rows.append(self._measure_one(bench, server))
            except ServerUnavailableError as error:
                result.rows.append(Row(server, unavailable=str(error)))
            except ServerFailedError as error:
                result.rows.append(Row(server, failed=str(error)))
        return result

    def _measure_one(self, bench: Bench, server: str) -> Row:
        with _counters(bench.folder) as counters, ExitStack() as stack:
            alone = self._start(bench, stack, server, ())
            options = ["--workers", str(WORKERS), *(["--reuse-port"] if self.reuse_port else [])]
            together = self._start(bench, stack, server, tuple(options))
            rounds: list[dict[str, float]] = []
            for _ in range(bench.rounds):
                one = self._load(bench, alone, [alone.pid], counters)
                several = self._load(bench, together, children(together.pid), counters)
                rounds.append(_numbers(one[0], several))
        return Row(server, medians(rounds), rounds)

    def _start(self, bench: Bench, stack: ExitStack, server: str, options: tuple[str, ...]) -> ServerProcess:
        start = Start(self.name, self.app, self.request, options=options, reuse_port="--reuse-port" in options)
        process = stack.enter_context(start.one(bench, server))
        for complaint in complaints({server: start.probe(bench, process)}, self.check).values():
            raise ServerFailedError(complaint)
        return process

    def _load(self, bench: Bench, process: ServerProcess, pids: list[int], counters: memoryview) -> list[_Share]:
        before = [(counters[pid % len(counters)], cpu_seconds(pid)) for pid in pids]
        connections: list[int] = []

        def look() -> None:
            connections[:] = [_established(pid, process.port) for pid in pids]

        bench.wrk.run(process, self.request, connections=CONNECTIONS, seconds=bench.duration, meanwhile=look)
        settle()
        return [
            _Share(counters[pid % len(counters)] - requests, cpu_seconds(pid) - cpu, held)
            for pid, (requests, cpu), held in zip(pids, before, connections, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Share:
    """What one worker did in one run."""

    requests: int
    cpu: float
    connections: int

    @property
    def rate(self) -> float:
        return self.requests / self.cpu if self.cpu else 0.0


def _numbers(alone: _Share, several: list[_Share]) -> dict[str, float]:
    least = min(share.rate for share in several)
    return {
        "alone": alone.rate,
        "least": least,
        "efficiency": least / alone.rate if alone.rate else 0.0,
        "spread": _apart([share.connections for share in several]),
        "share": _apart([share.requests for share in several]),
    }


def _apart(numbers: list[int]) -> float:
    """How far the farthest is from an even share, in per cent of it."""
    even = sum(numbers) / len(numbers)
    return 100 * max(abs(number - even) for number in numbers) / even if even else 0.0


@contextmanager
def _counters(folder: Path) -> Generator[memoryview]:
    """Shared memory with a counter for each process, at the index of its id modulo the number of counters."""
    path = folder / COUNTERS
    path.write_bytes(bytes(mmap.PAGESIZE))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        view = memoryview(shared)
        counters = view.cast("Q")
        try:
            yield counters
        finally:
            counters.release()
            view.release()


def _established(pid: int, port: int) -> int:
    """How many connections to a port a process holds."""
    inodes = {line[9] for line in _tcp_table() if line[1].endswith(f":{port:04X}") and line[3] == "01"}
    held = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue
        held += target.startswith("socket:[") and target[8:-1] in inodes
    return held


def _tcp_table() -> list[list[str]]:
    return [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
