"""llhttp as the judge of one head's syntax, with a parser that has seen nothing else."""

from __future__ import annotations

from typing import Protocol, final

import httptools

from ._exceptions import HTTPRefusal


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> None: ...


class _ParserType(Protocol):
    def __call__(self, protocol: object) -> _Parser: ...


@final
class _WholeHead:
    """What llhttp reports to: it takes the one mark away when the head is complete, whatever follows it."""

    __slots__ = ("on_headers_complete",)

    def __init__(self, marks: list[None]) -> None:
        self.on_headers_complete = marks.pop


def check_alone(parser: _ParserType, head: bytes) -> None:
    """Let a new parser judge a head.

    Args:
        parser: the class of the parser, for requests or for responses.
        head: exactly one head.

    Raises:
        HTTPRefusal: it is malformed; the peer's fault.
    """
    if head.find(b"\r\n\r\n") + 4 != len(head):
        raise HTTPRefusal(400, "malformed head: it has no end, or there is something behind it")
    marks: list[None] = [None]
    try:
        parser(_WholeHead(marks)).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # it stops where the head ends, which is as far as it was to go
    except httptools.HttpParserError as error:
        raise HTTPRefusal(400, f"malformed head: {error}") from None
    if marks:
        raise HTTPRefusal(400, "malformed head: it ends too soon")
