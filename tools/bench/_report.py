"""The results, as a table for the terminal, as the docs' Markdown, and as JSON."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ._results import LIMIT
from ._servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._results import CaseResult

DISTRIBUTIONS = (
    "halny-web", "halny-httpserver", "halny-http", "tornado", "aiohttp", "uvicorn", "starlette", "httptools", "uvloop"
)  # fmt: skip


def text(result: CaseResult) -> str:
    """A table for the terminal."""
    cells = _cells(result)
    widths = [max(map(len, column)) for column in zip(*(row for row in cells if len(row) > 2), strict=True)]
    lines = [f"\n{result.name}: {result.title}"]
    for row in cells:
        first = row[0].ljust(widths[0])
        rest = (
            row[1:] if len(row) == 2 else [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        lines.append(f"  {first}  {'  '.join(rest)}")
    return "\n".join([*lines, *(f"  {note}" for note in result.notes)])


def markdown(results: Sequence[CaseResult]) -> str:
    """The docs' tables."""
    lines: list[str] = []
    for result in results:
        heading, *rows = _cells(result)
        lines += ["", f"### {result.title}", "", f"| {' | '.join(heading)} |", f"|---|{'---:|' * (len(heading) - 1)}"]
        for row in rows:
            name = SERVERS[row[0]].title if row[0] in SERVERS else row[0]
            padding = [""] * (len(heading) - len(row))
            lines.append(f"| {' | '.join([name, *row[1:], *padding])} |")
        lines += [f"\n{note}" for note in result.notes]
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join([*lines, "", f"Measured with {facts}.", ""])


def as_json(results: Sequence[CaseResult]) -> dict[str, object]:
    """Everything, each round too."""
    cases: list[dict[str, object]] = []
    for result in results:
        best, limit = result.best_tornado(), result.row(LIMIT)
        rows = [
            asdict(row)
            | {"to_tornado": result.ratio(row, best), "to_limit": result.ratio(row, limit)}
            | {"to_tornado_by_cpu": result.cpu_ratio(row)}
            for row in result.rows
        ]
        cases.append({"name": result.name, "title": result.title, "rows": rows, "notes": result.notes})
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "cases": cases}


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    facts = {"Python": platform.python_version(), "Linux": platform.release(), "cores": str(os.cpu_count())}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            facts["processor"] = line.partition(":")[2].strip()
            break
    for name in DISTRIBUTIONS:
        try:
            facts[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return facts


def _cells(result: CaseResult) -> list[list[str]]:
    """The heading and the rows; a row without numbers has two cells."""
    best, limit = result.best_tornado(), result.row(LIMIT)
    table = [["server", *(column.heading for column in result.columns), "times Tornado", "by CPU", "times the limit"]]
    for row in result.rows:
        if not row.measured:
            table.append([row.server, row.reason])
            continue
        numbers = [f"{row.values[column.key]:,.{column.digits}f}" for column in result.columns]
        ratios = result.ratio(row, best), result.cpu_ratio(row), result.ratio(row, limit)
        table.append([row.server, *numbers, *map(_ratio, ratios)])
    return table


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"
