"""What the header fields of an HTTP/1.1 message say of its framing and its connection; requests and responses alike.

Strategy: of all fields only a few decide anything here. One compiled pattern finds those in the bytes of a header
section, whatever the case of their names; a usual request has none, and costs no more than that search.
What is found has one meaning, or the message is refused: a reader that chooses between two meanings is how requests
are smuggled (RFC 9112, section 11.2).

Nothing here judges syntax: whoever reads a head also lets llhttp see it, which refuses bare CR and LF, folded lines,
spaces before a colon and control characters. A line found here is therefore a line for everybody.
"""

from __future__ import annotations

import re
from typing import Final

from ._exceptions import HTTPRefusal

CHUNKED: Final = -1
"""What `read_length` returns for a body in chunks."""

_NAMES: Final = ("connection", "content-length", "expect", "host", "if-none-match", "transfer-encoding", "upgrade")

_DIGITS: Final = re.compile(rb"[0-9]{1,18}")
"""A `Content-Length` as RFC 9110, section 8.6 has it, and small enough for a signed 64-bit integer."""


def _in_any_case(name: str) -> str:
    return "".join([f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in name])


def _compile(left_out: str) -> re.Pattern[bytes]:
    """Return what matches a line end and one of the fields after it: its name and its value.

    The first letters of any of the names are looked at before the names are: most lines get no further.
    """
    letters = ["".join(sorted({name[place] for name in _NAMES})) for place in range(4)]
    first = "".join([f"[{re.escape(some + some.upper())}]" for some in letters])
    names = "|".join(map(_in_any_case, _NAMES))
    return re.compile(f"\n(?={first}){left_out}({names}):[ \t]*([^\r]*)".encode())


find_deciding: Final = _compile("").findall
"""Finds the fields that decide: takes bytes with a line end before each field, and gives names and values as sent."""

find_unusual: Final = _compile("(?![Cc]onnection: keep-alive\r|[Uu]pgrade-)").findall
"""The same for a request of HTTP/1.1: `Connection: keep-alive`, which most have, says nothing new there and is left
out. (`Upgrade-Insecure-Requests`, which most have too, is only told apart sooner.)"""


def gather(fields: list[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    """Return the values by name, both in lower case, in the order in which they came.

    Args:
        fields: what `find_deciding` found.
    """
    gathered: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        gathered.setdefault(name.lower(), []).append(value.strip(b" \t").lower())
    return gathered


def connection_options(fields: dict[bytes, list[bytes]]) -> set[bytes]:
    """Return the options that `Connection` lists, in lower case (RFC 9110, section 7.6.1)."""
    return {option.strip(b" \t") for value in fields.get(b"connection", ()) for option in value.split(b",")}


def read_length(fields: dict[bytes, list[bytes]], version: str) -> int | None:
    """Return how long the body is, as the fields say it, which has one meaning or none (RFC 9112, section 6.3).

    Args:
        fields: what `gather` returned.
        version: the version of the message: HTTP/1.0 knows no transfer codings.

    Returns:
        Bytes, `CHUNKED`, or None where the fields say nothing.

    Raises:
        HTTPRefusal: they contradict each other, or are malformed; the peer's fault.
    """
    lengths, codings = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if codings is not None:
        if lengths is not None:
            raise HTTPRefusal(400, "both Content-Length and Transfer-Encoding")
        if codings != [b"chunked"] or version != "HTTP/1.1":
            raise HTTPRefusal(400, f"transfer coding {codings!r} in {version}, only chunked is supported")
        return CHUNKED
    if lengths is None:
        return None
    if len(lengths) != 1 or _DIGITS.fullmatch(lengths[0]) is None:
        raise HTTPRefusal(400, f"malformed Content-Length {lengths!r}")
    return int(lengths[0])
