"""The names of Tornado's `http1connection` that have a meaning here.

`HTTP1Connection` is what `request.connection` is, made by the server; it is not made from a stream. A server of
connections that reads streams (`HTTP1ServerConnection`) does not exist: `HTTPServer` works on transports.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from halny.http import HTTPInputError

from ._connection import RequestConnection as HTTP1Connection

if TYPE_CHECKING:
    from halny.http import HTTPHeaders

__all__ = [
    "CR_OR_LF_RE",
    "DIGITS",
    "HEXDIGITS",
    "HTTP1Connection",
    "HTTP1ConnectionParameters",
    "app_log",
    "gen_log",
    "is_transfer_encoding_chunked",
    "parse_hex_int",
    "parse_int",
]

app_log = logging.getLogger("halny.application")
"""Takes what applications have raised."""

gen_log = logging.getLogger("halny.general")
"""Takes what peers have sent that can't be served."""

CR_OR_LF_RE: Final = re.compile(b"\r|\n")
"""Finds a carriage return or a line feed."""

DIGITS: Final = re.compile(r"[0-9]+")
"""Matches what `parse_int` takes."""

HEXDIGITS: Final = re.compile(r"[0-9a-fA-F]+")
"""Matches what `parse_hex_int` takes."""


@dataclass
class HTTP1ConnectionParameters:
    """Settings of a connection, as programs hand them around; each is an argument of `HTTPServer`."""

    no_keep_alive: bool = False
    chunk_size: int | None = None
    max_header_size: int | None = None
    header_timeout: float | None = None
    max_body_size: int | None = None
    body_timeout: float | None = None
    decompress: bool = False


def parse_int(s: str) -> int:
    """Return the number that a text of ASCII digits is (RFC 9110, section 8.6).

    Args:
        s: the text.

    Raises:
        ValueError: it has anything else: a sign, an underscore, a space, other digits.
    """
    if DIGITS.fullmatch(s) is None:
        raise ValueError(f"not an integer: {s!r}")
    return int(s)


def parse_hex_int(s: str) -> int:
    """Return the number that a text of hexadecimal digits is (RFC 9112, section 7.1).

    Args:
        s: the text.

    Raises:
        ValueError: it has anything else: a sign, a prefix, an underscore, a space.
    """
    if HEXDIGITS.fullmatch(s) is None:
        raise ValueError(f"not a hexadecimal integer: {s!r}")
    return int(s, 16)


def is_transfer_encoding_chunked(headers: HTTPHeaders) -> bool:
    """Return whether a message comes in chunks (RFC 9112, section 6.1).

    Args:
        headers: the message's headers.

    Raises:
        HTTPInputError: the transfer coding is another one, or there is a length beside it.
    """
    coding = headers.get("Transfer-Encoding")
    if coding is None:
        return False
    if "Content-Length" in headers:
        raise HTTPInputError("both Transfer-Encoding and Content-Length")
    if coding.lower() != "chunked":
        raise HTTPInputError(f"unsupported Transfer-Encoding {coding!r}")
    return True
