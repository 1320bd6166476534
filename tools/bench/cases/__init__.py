"""The cases, in the order in which they run. A new one is a module here, and an application in the servers' modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import bodies, hello, pages, processes, static

if TYPE_CHECKING:
    from tools.bench._bench import Case

_ALL: tuple[Case, ...] = (*hello.CASES, *bodies.CASES, *static.CASES, *pages.CASES, *processes.CASES)

CASES = {case.name: case for case in _ALL}
