r"""The text of one template, and places in it.

A place is an offset into the text. Lines are counted from 1 and end at `\n` alone, as Python counts them in the
code that a template becomes; columns are counted in UTF-8 bytes, as Python's syntax trees count them.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, final

from ._errors import ParseError

MAX_LINES = 1 << 20
"""The limit of line ends, LF or CR, in one template. The number of a line shares a 32-bit integer with the number of
the file (see `_emit`); a million lines leave room for 2,000 files in one page, and nobody writes either."""

STRIDE: Final = MAX_LINES * 2
"""What separates the lines of one file from those of the next. Above any line number, even one past the end."""


@final
class Source:
    r"""The text of one template with its name, its path on disk if it has one, and where its lines begin."""

    __slots__ = ("_place", "_starts", "name", "path", "text")

    def __init__(self, text: str, name: str, path: str | None = None) -> None:
        self.text = text
        self.name = name
        self.path = path
        starts = [0]
        at = text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = text.find("\n", at + 1)
        self._starts = starts
        self._place = (0, 0)
        # Python ends a line at a lone CR too.
        if len(starts) + text.count("\r") > MAX_LINES:
            raise ParseError(f"more than {MAX_LINES} lines", name, MAX_LINES)

    def __repr__(self) -> str:
        return f"<Source {self.name!r} {len(self._starts)} lines>"

    @property
    def filename(self) -> str:
        """What a traceback shows: the path on disk, where editors find it, or else the template's name.

        Python calls whatever `exec` runs "<string>"; its tracebacks must not show the lines of a template without name.
        """
        return self.path or ("<template>" if self.name == "<string>" else self.name)

    def line(self, offset: int) -> int:
        """The number of the line that an offset is in."""
        return bisect_right(self._starts, offset)

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column of an offset."""
        line = bisect_right(self._starts, offset)
        start = self._starts[line - 1]
        if self.text.isascii():
            return line, offset - start
        # Places are asked for from the beginning to the end. To count from the one before is linear in a template whose
        # lines are long, as they are when it was minified.
        before, column = self._place
        if not start <= before <= offset:
            before, column = start, 0
        column += len(self.text[before:offset].encode("utf-8", "surrogatepass"))
        self._place = (offset, column)
        return line, column

    def line_text(self, line: int) -> str:
        """The text of a line, without its end; empty when there is no such line."""
        if not 0 < line <= len(self._starts):
            return ""
        end = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        return self.text[self._starts[line - 1] : end].removesuffix("\r")

    def lines(self) -> list[str]:
        """All lines with their ends, for `linecache`."""
        return [f"{line}\n" for line in self.text.split("\n")]

    def error(self, message: str, line: int) -> ParseError:
        """A `ParseError` at a line of this template, to be raised."""
        return ParseError(message, self.name, line, line=self.line_text(line))
