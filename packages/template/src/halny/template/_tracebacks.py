"""Tracebacks that point at the lines of templates, and show them.

A page's code is one function with one file name, so the lines of the other files in it (what it extends and includes)
bear numbers that say which file they are from (see `_emit`). When an exception passes through a page, the entries
of its traceback with such numbers are replaced by entries with the right name and line, and the texts of all files of
the page are handed to `linecache`, which is where every printer of tracebacks looks for them.

It costs nothing while nothing is raised.
"""

from __future__ import annotations

import linecache
from types import TracebackType
from typing import TYPE_CHECKING

from ._source import STRIDE

if TYPE_CHECKING:
    from types import CodeType

    from ._resolve import Page

_MAX_CHAIN = 100
"""How many causes and contexts of an exception are looked at."""


class _Mark(Exception):
    """Raised to get a traceback entry."""


def point_at_templates(error: BaseException, page: Page) -> None:
    """Puts right the tracebacks of an exception that has passed through a page, and of those behind it."""
    for file in page.files:
        source = file.source
        linecache.cache[source.filename] = (len(source.text), None, source.lines(), source.filename)
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_CHAIN:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = _corrected(one.__traceback__, page)
        waiting += [one.__cause__, one.__context__]


def _corrected(traceback: TracebackType | None, page: Page) -> TracebackType | None:
    filename = page.files[0].source.filename
    entries: list[TracebackType] = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    below: TracebackType | None = None
    for entry in reversed(entries):
        if entry.tb_lineno >= STRIDE and entry.tb_frame.f_code.co_filename == filename:
            below = _entry(entry, page, below)
        elif entry.tb_next is below:
            below = entry
        else:
            below = TracebackType(below, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return below


def _entry(entry: TracebackType, page: Page, below: TracebackType | None) -> TracebackType:
    """An entry at a line of another file: that of a frame made for it, which has the variables of the real one."""
    number, line = divmod(entry.tb_lineno, STRIDE)
    code = _raising(page.files[number].source.filename, line, entry)
    names = {"_tt_mark": _Mark, "__name__": entry.tb_frame.f_globals.get("__name__")}
    made: TracebackType | None = None
    try:
        exec(code, names, entry.tb_frame.f_locals)  # noqa: S102 - made below, with nothing of the template's in it
    except _Mark as mark:
        made = mark.__traceback__ and mark.__traceback__.tb_next
    return TracebackType(below, made.tb_frame, made.tb_lasti, line) if made else entry


def _raising(filename: str, line: int, entry: TracebackType) -> CodeType:
    """Code that raises at a line, between the columns of the instruction that really did."""
    import ast  # not at the top: that would be most of the time that importing the package takes

    positions = list(entry.tb_frame.f_code.co_positions())
    index = entry.tb_lasti // 2
    _, last, column, end = positions[index] if index < len(positions) else (None, None, None, None)
    at = {
        "lineno": line,
        "end_lineno": line if last is None else max(line, last % STRIDE),
        "col_offset": column or 0,
        "end_col_offset": end or column or 0,
    }
    statement = ast.Raise(ast.Name("_tt_mark", ast.Load(), **at), None, **at)
    code = compile(ast.Module([statement], []), filename, "exec")
    return code.replace(co_name=entry.tb_frame.f_code.co_name, co_qualname=entry.tb_frame.f_code.co_name)
