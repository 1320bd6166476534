"""The load: one wrk process, pinned to its core, driven by `load.lua`."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from ._processes import ServerFailedError, cores, environment, tool
from ._requests import FIRST_NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._processes import ServerProcess
    from ._requests import Request

SCRIPT = Path(__file__).with_name("load.lua")

NUMBERS_PER_RUN = 1_000_000
RUNS_BEFORE_REPEAT = 80
"""Runs with numbers of their own, before they begin again: the numbers stay at eight digits."""


class _Report(TypedDict):
    microseconds: int
    requests: int
    bytes: int
    p50: int
    p99: int
    errors: dict[str, int]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of wrk measured."""

    seconds: float
    requests: int
    bytes: int
    p50: float
    """Milliseconds."""
    p99: float
    """Milliseconds."""
    server_cpu: float
    """Seconds of processor time that the server used meanwhile."""
    load_cpu: float
    """Seconds of processor time that wrk used."""

    def numbers(self) -> dict[str, float]:
        """The numbers of the tables."""
        return {
            "rps": self.requests / self.seconds,
            "p50": self.p50,
            "p99": self.p99,
            "busy": 100 * self.server_cpu / self.seconds,
            "load": 100 * self.load_cpu / self.seconds,
            "cpu": 1e6 * self.server_cpu / self.requests,
        }


class Wrk:
    """Runs wrk against servers; each run has request numbers of its own.

    Args:
        folder: where the request's files are put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = tool("wrk")
        self._runs = 0

    def run(
        self,
        server: ServerProcess,
        request: Request,
        *,
        connections: int,
        seconds: int,
        tls: bool = False,
        meanwhile: Callable[[], None] | None = None,
    ) -> Run:
        """Load a server and measure it.

        Args:
            server: who is asked.
            request: what is asked.
            connections: how many ask at once.
            seconds: for how long.
            tls: over TLS.
            meanwhile: called in the middle of the run.

        Raises:
            ServerFailedError: a connection failed, or an answer was an error.
        """
        command = self._command(server, request, connections, seconds, tls)
        _, core = cores()
        before = server.cpu_seconds()
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = subprocess.Popen(
            command, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            os.sched_setaffinity(process.pid, {core})
            if meanwhile is not None:
                time.sleep(seconds / 2)
                meanwhile()
            output, _ = process.communicate(timeout=seconds + 30)
        except subprocess.TimeoutExpired:
            raise ServerFailedError(f"wrk did not end within {seconds + 30} s") from None
        finally:
            process.kill()
            process.wait()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        server.check()
        load_cpu = used.ru_utime + used.ru_stime - usage.ru_utime - usage.ru_stime
        return read_report(output.decode(errors="replace"), server.cpu_seconds() - before, load_cpu)

    def _command(self, server: ServerProcess, request: Request, connections: int, seconds: int, tls: bool) -> list[str]:
        head = self._folder / "request.head"
        head.write_bytes(request.pieces(server.port))
        body = self._folder / "request.body"
        body.write_bytes(request.body)
        first = FIRST_NUMBER + NUMBERS_PER_RUN * (self._runs % RUNS_BEFORE_REPEAT)
        self._runs += 1
        command = [self._program, "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
        command += ["--timeout", "10s", "--script", str(SCRIPT)]
        command.append(f"{'https' if tls else 'http'}://127.0.0.1:{server.port}/")
        return [*command, "--", str(head), str(body) if request.body else "-", str(first)]


def read_report(output: str, server_cpu: float, load_cpu: float) -> Run:
    """Read what `load.lua` printed at the end of a run.

    Raises:
        ServerFailedError: there is no report, or it tells of errors, or of no answer.
    """
    line = next((line for line in output.splitlines() if line.startswith("REPORT ")), None)
    if line is None:
        raise ServerFailedError(f"wrk gave no report: {' '.join(output.split())!r}")
    report = cast("_Report", json.loads(line.removeprefix("REPORT ")))
    errors = {kind: count for kind, count in report["errors"].items() if count}
    if errors:
        raise ServerFailedError("wrk saw errors: " + ", ".join(f"{count} {kind}" for kind, count in errors.items()))
    if not report["requests"]:
        raise ServerFailedError("wrk got no answer at all")
    return Run(
        seconds=report["microseconds"] / 1e6,
        requests=report["requests"],
        bytes=report["bytes"],
        p50=report["p50"] / 1000,
        p99=report["p99"] / 1000,
        server_cpu=server_cpu,
        load_cpu=load_cpu,
    )


def settle() -> None:
    """A moment for what a run leaves behind (closing connections) to be over before the next one."""
    time.sleep(0.1)
