"""Measure HTTP servers against each other on this machine: `tools/hatch run bench:http --help`.

Each server runs in a process of its own on one core and wrk loads it from another, in interleaved rounds after a
warm-up. Before anything is timed the answers are checked, and Halny's are compared with Tornado's.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import _report
from ._bench import Bench
from ._processes import cores
from ._servers import SERVERS
from ._workspace import prepare
from ._wrk import Wrk
from .cases import CASES

if TYPE_CHECKING:
    from collections.abc import Collection

    from ._results import CaseResult

QUICK_CONNECTIONS = 8


def main() -> None:
    """Do what the command line says."""
    # What stops the servers is on the way out, so a polite request to end must take that way.
    signal.signal(signal.SIGTERM, _terminate)
    options = _options()
    if options.list:
        _list()
        return
    try:
        results = _measure(options)
    except KeyboardInterrupt:
        raise SystemExit("interrupted; all servers are stopped") from None
    if options.markdown:
        print(_report.markdown(results))
    if options.json is not None:
        options.json.write_text(json.dumps(_report.as_json(results), indent=1) + "\n")
    failed = [f"{result.name}/{row.server}" for result in results for row in result.rows if row.failed is not None]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _measure(options: argparse.Namespace) -> list[CaseResult]:
    results: list[CaseResult] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        prepare(folder)
        bench = Bench(
            folder=folder,
            wrk=Wrk(folder),
            servers=options.servers,
            rounds=1 if options.quick else options.rounds,
            duration=1 if options.quick else options.duration,
            connections=QUICK_CONNECTIONS if options.quick else options.connections,
            quick=options.quick,
        )
        servers, load = cores()
        if load in servers:
            print("there is only one core: servers and load share it, and the numbers mean little")
        for case in options.cases:
            result = CASES[case].measure(bench)
            results.append(result)
            print(_report.text(result), flush=True)
    return results


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/hatch run bench:http", description=__doc__)
    parser.add_argument("--cases", type=_names(CASES), default=list(CASES), help="names with commas (default: all)")
    parser.add_argument("--servers", type=_names(SERVERS), default=list(SERVERS), help="names with commas")
    parser.add_argument("--rounds", type=_positive, default=5, help="measurements of each server in each case")
    parser.add_argument("--duration", type=_positive, default=3, metavar="SECONDS", help="of one measurement")
    parser.add_argument("--connections", type=_positive, help="instead of what each case says")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    parser.add_argument("--markdown", action="store_true", help="print the tables of the docs")
    parser.add_argument("--quick", action="store_true", help="only see that it works; the numbers mean nothing")
    parser.add_argument("--list", action="store_true", help="list cases and servers")
    return parser.parse_args()


def _terminate(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _list() -> None:
    for case in CASES.values():
        print(f"case    {case.name:15} {case.title}")
    for server in SERVERS.values():
        print(f"server  {server.name:15} {server.title}")


class _names:  # noqa: N801 - argparse shows the name in its messages
    """Reads names that are separated by commas."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known

    def __call__(self, text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        unknown = [name for name in names if name not in self._known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; there are {', '.join(self._known)}")
        return names


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {number}")
    return number


if __name__ == "__main__":
    main()
