"""What can go wrong with a template, as a tree.

- `Exception`
    - `ParseError`: the text of a template is wrong; says where.
    - `TemplateNotFound` (a `FileNotFoundError` and a `KeyError`): a loader has no template of that name.

What a template raises while it renders is its own business and passes through unchanged, except that its traceback
is made to point at the templates' lines (`_tracebacks`).
"""

from __future__ import annotations

MAX_SHOWN = 120
"""The limit of characters of a template that a message shows: more than a line has that was written by hand."""


def excerpt(text: str) -> str:
    """A piece of a template, short enough for a message."""
    text = text.strip()
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


class ParseError(Exception):
    """The text of a template is wrong: the template author's fault.

    Args:
        message: What is wrong.
        filename: The name of the template.
        lineno: The line, counted from 1; 0 when there is none.
        line: The text of that line.
    """

    message: str
    """What is wrong, without the place."""
    filename: str | None
    """The name of the template, as the loader knows it."""
    lineno: int
    """The line, counted from 1; 0 when the error has none."""
    line: str | None
    """The text of the line, without its end; `None` when it isn't known."""

    def __init__(self, message: str, filename: str | None = None, lineno: int = 0, *, line: str | None = None) -> None:
        super().__init__(message, filename, lineno)
        self.message = message
        self.filename = filename
        self.lineno = lineno
        self.line = line

    def __str__(self) -> str:
        place = f"{self.message} at {self.filename}:{self.lineno}"
        return place if not self.line or not self.line.strip() else f"{place}\n    {excerpt(self.line)}"


class TemplateNotFound(FileNotFoundError, KeyError):
    """A loader has no template of that name, or the name leads out of the loader's root.

    It is a `FileNotFoundError` and a `KeyError`, since those are what loaders of files and of dictionaries are known
    to raise. Inside a template (`extends`, `include`) it becomes a [`ParseError`][halny.template.ParseError].

    Args:
        name: The name that was asked for.
        reason: Why there is no such template.
    """

    name: str
    """The name that was asked for."""
    reason: str
    """Why there is no such template."""

    def __init__(self, name: str, reason: str = "no such template") -> None:
        super().__init__(f"{reason}: {name!r}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type[TemplateNotFound], tuple[str, str]]:
        # An OSError would be made again from its message.
        return type(self), (self.name, self.reason)

    def __str__(self) -> str:
        return str(self.args[0])
