"""What a benchmark gives: rows of numbers per server, or the reason why there is none.

A case fills in the columns that it knows; the report prints the columns that a case names, and needs no other knowledge
of the case.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

TORNADO = ("tornado", "tornado-uvloop")
"""The rows of which the better one is "Tornado at its best"."""

LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Column:
    """A number that a case reports."""

    key: str
    heading: str
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One server's outcome in one case: numbers, or why there are none."""

    server: str
    values: dict[str, float] = field(default_factory=dict[str, float])
    rounds: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    """Every single measurement that `values` is made from."""
    unavailable: str | None = None
    failed: str | None = None

    @property
    def measured(self) -> bool:
        """Whether there are numbers."""
        return bool(self.values)

    @property
    def reason(self) -> str:
        """Why there are no numbers, in words for the table."""
        if self.failed is not None:
            return f"FAILED: {self.failed}"
        return f"not available: {self.unavailable}"


@dataclass(slots=True)
class CaseResult:
    """One case, all servers."""

    name: str
    title: str
    columns: tuple[Column, ...]
    score: str
    """The column by which servers are compared."""
    lower_is_better: bool = False
    rows: list[Row] = field(default_factory=list[Row])
    notes: list[str] = field(default_factory=list[str])

    def row(self, server: str) -> Row | None:
        """The row of a server, if it has numbers."""
        return next((row for row in self.rows if row.server == server and row.measured), None)

    def best_tornado(self) -> Row | None:
        """The better one of Tornado's rows."""
        rows = [row for row in map(self.row, TORNADO) if row is not None]
        choose = min if self.lower_is_better else max
        return choose(rows, key=lambda row: row.values[self.score], default=None)

    def ratio(self, row: Row, to: Row | None) -> float | None:
        """How many times better a row scores than another (above 1 is better)."""
        if to is None or not row.measured:
            return None
        own, other = row.values[self.score], to.values[self.score]
        if self.lower_is_better:
            own, other = other, own
        return own / other if other else None

    def cpu_ratio(self, row: Row) -> float | None:
        """How many times the processor time of a request it costs Tornado at its best; other programs move it less."""
        costs = [other.values["cpu"] for other in map(self.row, TORNADO) if other and "cpu" in other.values]
        return min(costs) / row.values["cpu"] if costs and row.values.get("cpu") else None


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each number over the rounds."""
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
