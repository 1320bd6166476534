"""Writes the heads and frames of HTTP/1.1 responses: values in, bytes out.

Strategy: `frame_response` decides once how a response's end is marked (RFC 9112, section 6.3) and what becomes of the
connection; the driver sends what it is told. Status lines are made once for each code.
"""

from __future__ import annotations

from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from ._exceptions import HTTPOutputError
from ._validation import is_reason_phrase

if TYPE_CHECKING:
    from ._headers import HTTPHeaders

responses: Final[dict[int, str]] = {status.value: status.phrase for status in HTTPStatus}
"""The reason phrase of each status code."""

_STATUS_LINES: Final = {
    code: (reason, f"HTTP/1.1 {code} {reason}\r\n".encode("ascii")) for code, reason in responses.items()
}
_NO_STATUS: Final = ("", b"")

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""The interim response for which `Expect: 100-continue` asks (RFC 9110, section 10.1.1)."""

LAST_CHUNK: Final = b"0\r\n\r\n"
"""The end of a chunked body."""


class BodyFraming(Enum):
    """How the end of a body is marked."""

    NONE = auto()
    """There is no body, whatever `Content-Length` says: HEAD, 1xx, 204, 304, and 2xx to CONNECT."""
    LENGTH = auto()
    """By its length."""
    CHUNKED = auto()
    """By the last chunk."""
    CLOSE = auto()
    """By the end of the connection."""


class ResponseFrame(NamedTuple):
    """What `frame_response` decides."""

    framing: BodyFraming
    length: int
    """The length in bytes where `framing` is `LENGTH`, else 0."""
    keep_alive: bool
    """Whether the connection may carry another request after this response."""
    extra: bytes
    """Header lines that have to be added, each with its CRLF."""


def status_line(code: int, reason: str) -> bytes:
    """Return a status line with its CRLF.

    Args:
        code: the status code.
        reason: the reason phrase.

    Raises:
        HTTPOutputError: `code` has not three digits, or `reason` holds what no reason phrase may.
    """
    known, line = _STATUS_LINES.get(code, _NO_STATUS)
    if known == reason and line:
        return line
    if not 100 <= code <= 999 or not is_reason_phrase(reason):
        raise HTTPOutputError(f"invalid status line: code {code!r}, reason {reason!r}")
    return f"HTTP/1.1 {code} {reason}\r\n".encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body; `data` must not be empty, for that would be the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def has_body(method: str, code: int) -> bool:
    """Return whether a response has a body, by the request's method and the status (RFC 9112, section 6.3)."""
    return method != "HEAD" and code != 304 and code != 204 and code >= 200 and (method != "CONNECT" or code >= 300)


def switches_protocol(method: str, code: int) -> bool:
    """Return whether what follows the head of a response is HTTP no more (RFC 9110, sections 9.3.6 and 15.2.2)."""
    return code == 101 or (method == "CONNECT" and 200 <= code < 300)


def without_framing(lines: bytes) -> bytes:
    """Return header lines without those that no response has which switches the protocol (RFC 9110, section 9.3.6).

    Args:
        lines: any number of header lines, each with its CRLF.
    """
    fields = (b"content-length:", b"transfer-encoding:")
    return b"".join([line for line in lines.splitlines(keepends=True) if not line.lower().startswith(fields)])


def frame_response(*, method: str, version: str, keep_alive: bool, code: int, headers: HTTPHeaders) -> ResponseFrame:
    """Decide how a response is framed.

    Args:
        method: the request's method.
        version: the request's version, `HTTP/1.0` or `HTTP/1.1`.
        keep_alive: whether request and server let the connection stay open.
        code: the status code.
        headers: the response's headers; a `Connection: close` among them closes the connection.

    Raises:
        HTTPOutputError: the framing headers contradict each other, or are malformed: the application's fault.
    """
    codings = headers.get("Transfer-Encoding")
    lengths = headers.get_list("Content-Length")
    if codings is not None and (lengths or codings.lower() != "chunked" or version == "HTTP/1.0"):
        raise HTTPOutputError(f"transfer coding {codings!r} with lengths {lengths!r} in a response to {version}")
    if lengths and (len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit())):
        raise HTTPOutputError(f"malformed Content-Length {lengths!r}")
    extra = b""
    length = 0
    if not has_body(method, code):
        framing = BodyFraming.NONE
        if (code < 200 or code == 204) and (codings is not None or (lengths and int(lengths[0]))):
            # RFC 9110, section 8.6, and RFC 9112, section 6.1: a peer that believes it waits for what never comes.
            raise HTTPOutputError(f"a response with the status {code} has no body, but its headers announce one")
    elif lengths:
        framing, length = BodyFraming.LENGTH, int(lengths[0])
    elif version == "HTTP/1.0":
        framing, keep_alive = BodyFraming.CLOSE, False
    else:
        framing = BodyFraming.CHUNKED
        extra = b"" if codings else b"Transfer-Encoding: chunked\r\n"
    connection = headers.get("Connection")
    if switches_protocol(method, code):
        keep_alive = False
    elif connection is not None:
        keep_alive = keep_alive and "close" not in [option.strip() for option in connection.lower().split(",")]
    else:
        extra += connection_line(version, keep_alive=keep_alive)
    return ResponseFrame(framing, length, keep_alive, extra)


def connection_line(version: str, *, keep_alive: bool) -> bytes:
    """Return the `Connection` line that a response needs, or nothing where the version's default is meant."""
    if version == "HTTP/1.0":
        return b"Connection: Keep-Alive\r\n" if keep_alive else b""
    return b"" if keep_alive else b"Connection: close\r\n"
