"""Idle keep-alive connections: the memory that each costs, and what another client feels of them.

Each connection is used once and then held. The servers are measured one after another, each alone, since ten thousand
connections of several servers would not fit into the limits of one client. The sockets' buffers are the kernel's and
are not counted; what is counted is the growth of the server process.
"""

from __future__ import annotations

import resource
import select
import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._bench import Start
from ._compare import complaints
from ._processes import ServerFailedError, ServerUnavailableError
from ._requests import FIRST_NUMBER, Probe
from ._results import CaseResult, Column, Row
from ._servers import SERVERS
from ._wrk import settle

if TYPE_CHECKING:
    import socket

    from ._bench import Bench
    from ._compare import Check
    from ._processes import ServerProcess
    from ._requests import Request

CONNECTIONS = 10_000
QUICK_CONNECTIONS = 100
ACTIVE_CONNECTIONS = 4
"""Connections of the other client: few, so that its latency is the server's and not its own queue's."""

SPARE_FILES = 200
WARM_UP = 1

COLUMNS = (
    Column("pss", "bytes/connection (PSS)"),
    Column("rss", "bytes/connection (RSS)"),
    Column("p99_without", "p99 ms without", 3),
    Column("p99_with", "p99 ms with", 3),
    Column("p99_ratio", "p99 ratio", 2),
    Column("held", "connections"),
)


@dataclass(frozen=True, slots=True)
class Idle:
    """A request that each connection is used for once, before it idles."""

    name: str
    title: str
    app: str
    request: Request
    check: Check

    def measure(self, bench: Bench) -> CaseResult:
        """Measure all servers, one after another."""
        result = CaseResult(self.name, self.title, COLUMNS, "pss", lower_is_better=True)
        count = _possible(QUICK_CONNECTIONS if bench.quick else CONNECTIONS)
        if count < CONNECTIONS:
            result.notes.append(f"{count:,} connections, because of --quick or the limit of open files")
        for server in bench.servers:
            if SERVERS[server].only_where_named:
                continue
            bench.say(f"{self.name}: {server}")
            try:
                result.rows.append(self._measure_one(bench, server, count))
            except ServerUnavailableError as error:
                result.rows.append(Row(server, unavailable=str(error)))
            except ServerFailedError as error:
                result.rows.append(Row(server, failed=str(error)))
        return result

    def _measure_one(self, bench: Bench, server: str, count: int) -> Row:
        start = Start(self.name, self.app, self.request)
        with ExitStack() as stack:
            process = stack.enter_context(start.one(bench, server))
            for complaint in complaints({server: start.probe(bench, process)}, self.check).values():
                raise ServerFailedError(complaint)
            if not bench.quick:
                self._p99(bench, process, WARM_UP)
            without = [self._p99(bench, process, bench.duration) for _ in range(bench.rounds)]
            before = process.memory()
            held = self._open(stack, process, count)
            after = process.memory()
            with_them = [self._p99(bench, process, bench.duration) for _ in range(bench.rounds)]
            lost = _closed(held)
        if lost:
            raise ServerFailedError(f"{lost} of {count} idle connections were closed")
        p99_without, p99_with = statistics.median(without), statistics.median(with_them)
        values = {key: (after[key] - before[key]) / count for key in ("pss", "rss")}
        values |= {"p99_without": p99_without, "p99_with": p99_with, "p99_ratio": p99_with / p99_without}
        rounds = [{"p99_without": one, "p99_with": other} for one, other in zip(without, with_them, strict=True)]
        return Row(server, values | {"held": float(count)}, rounds)

    def _p99(self, bench: Bench, process: ServerProcess, seconds: int) -> float:
        run = bench.wrk.run(process, self.request, connections=ACTIVE_CONNECTIONS, seconds=seconds)
        settle()
        return run.p99

    def _open(self, stack: ExitStack, process: ServerProcess, count: int) -> list[socket.socket]:
        held: list[socket.socket] = []
        try:
            for number in range(count):
                probe = stack.enter_context(Probe(process.port, None))
                probe.ask(self.request, FIRST_NUMBER + number)
                held.append(probe.sock)
        except OSError as error:
            raise ServerFailedError(f"connection {len(held) + 1}: {error}") from error
        settle()
        return held


def _possible(count: int) -> int:
    """Raise the limit of open files, and give how many connections fit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return count if hard == resource.RLIM_INFINITY else min(count, hard - SPARE_FILES)


def _closed(held: list[socket.socket]) -> int:
    """How many connections the server has closed: an idle one has nothing to read, not even its end."""
    poll = select.poll()
    for sock in held:
        poll.register(sock, select.POLLIN)
    return len(poll.poll(0))
