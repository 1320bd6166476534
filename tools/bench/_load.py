"""A case that is loaded with wrk: all its servers are started, compared, warmed up and measured in turns.

The rounds are interleaved and each begins with another server, so that what the machine does meanwhile falls on all of
them alike. A round in which anything went wrong (a socket error, an answer that is an error, answers of another size
than the checked one, a log that is not as the case wants it) fails the server in this case.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._bench import Start
from ._compare import complaints
from ._processes import ServerFailedError
from ._results import CaseResult, Column, Row, medians
from ._servers import SERVERS
from ._wrk import settle

if TYPE_CHECKING:
    from ._bench import Bench, Started
    from ._compare import Check
    from ._processes import ServerProcess
    from ._requests import Answer, Request
    from ._wrk import Run

CONNECTIONS = 64
WARM_UP = 1
"""Seconds of load before the first round: caches, lazy imports and the specialising interpreter settle in it."""

BUSY = 85
"""Per cent of a core; below that a process was waiting for something else."""

MIB = 1 << 20

COLUMNS = (
    Column("rps", "requests/s"),
    Column("p50", "p50 ms", 2),
    Column("p99", "p99 ms", 2),
    Column("cpu", "CPU µs/request", 1),
    Column("busy", "core busy %"),
    Column("load", "wrk busy %"),
    Column("memory", "memory MiB", 1),
)


@dataclass(frozen=True, slots=True)
class Load:
    """A request, who is asked, and what is a right answer.

    Args:
        name: the case's name.
        title: what is measured.
        app: the servers' application.
        request: what is sent.
        check: whether an answer has the right content, given the request's number.
        connections: how many send requests at once.
        payload: bytes of content that one request moves, for a column with MB/s.
        tls: over TLS.
        access_log: with access logs on.
        also: servers that take part in this case only.
    """

    name: str
    title: str
    app: str
    request: Request
    check: Check
    connections: int = CONNECTIONS
    payload: int = 0
    tls: bool = False
    access_log: bool = False
    also: tuple[str, ...] = ()

    def measure(self, bench: Bench) -> CaseResult:
        """Measure all servers."""
        columns: tuple[Column, ...] = COLUMNS
        if self.payload:
            growth = Column("growth", "growth MiB", 1)  # of the memory, from the first to the last round
            columns = (COLUMNS[0], Column("mbs", "MB/s"), *COLUMNS[1:], growth)
        result = CaseResult(self.name, self.title, columns, "rps")
        servers = [server for server in bench.servers if server in self.also or not SERVERS[server].only_where_named]
        start = Start(self.name, self.app, self.request, self.tls, ("--access-log",) if self.access_log else ())
        with ExitStack() as stack:
            started = start.all(bench, stack, servers)
            for server, complaint in complaints(started.answers, self.check).items():
                started.fail(server, complaint)
            self._run_rounds(bench, started)
            result.rows = started.in_order(servers)
        result.notes += _doubts([row for row in result.rows if row.measured])
        return result

    def _run_rounds(self, bench: Bench, started: Started) -> None:
        measured: dict[str, list[dict[str, float]]] = {server: [] for server in started.running}
        if not bench.quick:
            for server in list(started.running):
                bench.say(f"{self.name}: warm-up, {server}")
                self._try(bench, started, server, WARM_UP)
        for turn in range(bench.rounds):
            order = list(started.running)
            for server in order[turn % len(order) :] + order[: turn % len(order)] if order else ():
                numbers = self._try(bench, started, server, bench.duration)
                if numbers is not None:
                    bench.say(f"{self.name}: round {turn + 1}, {server}: {numbers['rps']:,.0f} requests/s")
                    measured[server].append(numbers)
        for server in started.running:
            rounds = measured[server]
            growth = rounds[-1]["memory"] - rounds[0]["memory"]
            started.rows[server] = Row(server, medians(rounds) | {"growth": growth}, rounds)

    def _try(self, bench: Bench, started: Started, server: str, seconds: int) -> dict[str, float] | None:
        try:
            return self._once(bench, started.running[server], started.answers[server][0], seconds)
        except ServerFailedError as error:
            started.fail(server, str(error))
            return None

    def _once(self, bench: Bench, process: ServerProcess, answer: Answer, seconds: int) -> dict[str, float]:
        process.take_log_lines()
        connections = bench.connections or self.connections
        run = bench.wrk.run(process, self.request, connections=connections, seconds=seconds, tls=self.tls)
        settle()
        check_sizes(run, answer, connections)
        self._check_log(process, run)
        numbers = run.numbers()
        numbers["memory"] = process.memory()["rss"] / MIB
        if self.payload:
            numbers["mbs"] = numbers["rps"] * self.payload / 1e6
        return numbers

    def _check_log(self, process: ServerProcess, run: Run) -> None:
        lines = process.take_log_lines()
        if self.access_log and SERVERS[process.server].logs and lines < run.requests:
            raise ServerFailedError(f"{lines} log lines for {run.requests} requests")
        if not self.access_log and lines > run.requests // 100:
            raise ServerFailedError(f"{lines} log lines without access logs: {process.last_words()}")


def _doubts(rows: list[Row]) -> list[str]:
    """Say of which rows the requests per second may not be the server's own limit, and why."""
    waiting = [row for row in rows if row.values["busy"] < BUSY]
    by_wrk = [row.server for row in waiting if row.values["load"] >= BUSY]
    by_others = [row.server for row in waiting if row.values["load"] < BUSY]
    notes: list[str] = []
    if by_wrk:
        notes.append(f"wrk was at its limit, not the server: {', '.join(by_wrk)}")
    if by_others:
        notes.append(f"neither server nor wrk had its core for itself, so compare by CPU: {', '.join(by_others)}")
    return notes


def check_sizes(run: Run, answer: Answer, connections: int) -> None:
    """See that the answers under load were as long as the checked one.

    Raises:
        ServerFailedError: they were longer or shorter.
    """
    if answer.header("Transfer-Encoding") is not None:
        return
    least = run.requests * answer.size
    if not least * 0.99 <= run.bytes <= (least + connections * answer.size) * 1.01:
        size = run.bytes / run.requests
        raise ServerFailedError(f"answers of {size:.0f} bytes under load, {answer.size} when checked")
