"""What a template consists of, once its tags are understood: plain data, without behaviour.

Python's own syntax (expressions, assignments, the heads of loops) is held as `ast` nodes that carry the lines and
columns of the template. They are shared by every page that a template takes part in, so nobody changes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import ast

    from ._source import Source


@dataclass(slots=True)
class Text:
    """Text that is put out as it is."""

    text: str
    line: int


@dataclass(slots=True)
class Output:
    """A value that is put out: escaped as its file says, or raw."""

    value: ast.expr
    raw: bool
    awaits: bool = False


@dataclass(slots=True)
class Code:
    """Statements that put out nothing: `set`, `import`, `from`."""

    statements: list[ast.stmt]
    awaits: bool = False


@dataclass(slots=True)
class Jump:
    """`break` or `continue`."""

    kind: type[ast.Break | ast.Continue]
    line: int


@dataclass(slots=True)
class If:
    """Conditions with their bodies, tried one after the other."""

    branches: list[tuple[ast.expr, list[Node]]]
    otherwise: list[Node] | None
    line: int
    awaits: bool = False


@dataclass(slots=True)
class Loop:
    """`for`, `async for` or `while`: the head is Python's, with an empty body."""

    head: ast.For | ast.AsyncFor | ast.While
    body: list[Node]
    otherwise: list[Node] | None
    awaits: bool = False


@dataclass(slots=True)
class Try:
    """`try` with what follows it."""

    body: list[Node]
    handlers: list[tuple[ast.ExceptHandler, list[Node]]]
    otherwise: list[Node] | None
    final: list[Node] | None
    line: int


@dataclass(slots=True)
class Apply:
    """A function that is given what its body puts out, and whose result is put out instead."""

    function: ast.expr
    body: list[Node]
    awaits: bool = False


@dataclass(slots=True)
class Block:
    """A part with a name, which a template that extends this one may replace."""

    name: str
    body: list[Node]
    line: int


@dataclass(slots=True)
class Include:
    """Another template, as if it stood here."""

    name: str
    line: int


Node: TypeAlias = Text | Output | Code | Jump | If | Loop | Try | Apply | Block | Include


@dataclass(slots=True)
class File:
    """One template, parsed."""

    source: Source
    body: list[Node] = field(default_factory=list["Node"])
    extends: Include | None = None
    autoescape: str | None = None
    """The escape function as the template spells it; `None` when nothing is escaped."""
    escape: ast.expr | None = None
    """The same, parsed."""
