"""What all cases share: the options, the folder of the run, the load, and the start of servers."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ._processes import ServerFailedError, ServerProcess, ServerUnavailableError, cores
from ._requests import FIRST_NUMBER, Answer, Probe
from ._results import Row
from ._workspace import client_context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from ._requests import Request
    from ._results import CaseResult
    from ._wrk import Wrk

PROBES = 3
"""Requests that are sent by hand over one connection before anything is timed."""


class Case(Protocol):
    """Something to measure."""

    @property
    def name(self) -> str:
        """The name for the command line."""
        ...

    @property
    def title(self) -> str:
        """What is measured, in a line."""
        ...

    def measure(self, bench: Bench) -> CaseResult:
        """Measure all servers."""
        ...


@dataclass(slots=True)
class Bench:
    """One run of the benchmark."""

    folder: Path
    wrk: Wrk
    servers: Sequence[str]
    rounds: int
    duration: int
    """Seconds of one measurement."""
    connections: int | None = None
    """Overrides what the cases say."""
    quick: bool = False
    """A smoke test: no warm-up, and small numbers everywhere."""

    def say(self, text: str) -> None:
        """Tell who waits what is going on."""
        print(f"  {text}", flush=True)


@dataclass(slots=True)
class Started:
    """The servers of a case that run and answer, and the rows of those that don't."""

    running: dict[str, ServerProcess] = field(default_factory=dict[str, ServerProcess])
    answers: dict[str, list[Answer]] = field(default_factory=dict[str, list[Answer]])
    rows: dict[str, Row] = field(default_factory=dict[str, Row])

    def fail(self, server: str, reason: str) -> None:
        """Take a server out of the case."""
        self.rows[server] = Row(server, failed=reason)
        self.running.pop(server).stop()

    def in_order(self, servers: Sequence[str]) -> list[Row]:
        """The rows, as the servers were asked for."""
        return [self.rows[server] for server in servers if server in self.rows]


@dataclass(frozen=True, slots=True)
class Start:
    """How a case wants its servers started."""

    case: str
    app: str
    request: Request
    tls: bool = False
    options: tuple[str, ...] = ()
    reuse_port: bool = False

    def one(self, bench: Bench, server: str) -> ServerProcess:
        """Start one server; it may not answer yet."""
        servers, _ = cores()
        options = [
            "--cores",
            ",".join(map(str, servers if "--workers" in self.options else servers[:1])),
            *self.options,
        ]
        if self.tls:
            options.append("--tls")
        return ServerProcess(server, self.app, self.case, bench.folder, options=options, reuse_port=self.reuse_port)

    def probe(self, bench: Bench, process: ServerProcess) -> list[Answer]:
        """Wait until the server answers, and give its first answers.

        Raises:
            ServerUnavailableError: it can't run this case.
            ServerFailedError: it gave no answers.
        """
        context = client_context(bench.folder) if self.tls else None
        while True:
            left = process.wait_for_start()
            try:
                with Probe(process.port, context, left) as probe:
                    return [probe.ask(self.request, FIRST_NUMBER + number) for number in range(PROBES)]
            except (ConnectionRefusedError, ConnectionResetError):
                continue  # it does not listen yet, or it has just ended, which the next turn finds out
            except (OSError, http.client.HTTPException) as error:
                process.check()
                raise ServerFailedError(f"{type(error).__name__}: {error}") from error

    def all(self, bench: Bench, stack: ExitStack, servers: Sequence[str]) -> Started:
        """Start servers side by side; `stack` stops them."""
        started = Started()
        if self.tls and client_context(bench.folder) is None:
            reason = "no openssl command to make a certificate with"
            started.rows = {server: Row(server, unavailable=reason) for server in servers}
            return started
        for server in servers:
            process = stack.enter_context(self.one(bench, server))
            bench.say(f"{self.case}: {server} is process {process.pid}, port {process.port}")
            started.running[server] = process
        for server, process in list(started.running.items()):
            try:
                started.answers[server] = self.probe(bench, process)
            except ServerUnavailableError as error:
                started.rows[server] = Row(server, unavailable=str(error))
                del started.running[server]
            except ServerFailedError as error:
                started.fail(server, str(error))
        return started
