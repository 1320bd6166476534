"""Writes the heads of HTTP/1.1 requests: values in, bytes out. The client's side of `_h1_writer`.

Strategy: `frame_request` decides once how the body's end is marked; `request_head` writes what it is told, and refuses
whatever a server could read as something else. Bodies are sent as they are, or by `chunk` and `LAST_CHUNK`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ._exceptions import HTTPOutputError
from ._h1_writer import BodyFraming
from ._validation import has_port, is_token, is_valid_host

if TYPE_CHECKING:
    from ._headers import HTTPHeaders

_TARGET: Final = re.compile(r"(?:/|https?://(?=[^/?#]))[\x21\x22\x24-\x7e]*", re.IGNORECASE)
"""A target in origin or absolute form, already percent-encoded: visible ASCII without a fragment."""

_EXPECTING_A_BODY: Final = frozenset({"PATCH", "POST", "PUT"})
"""Methods that have a body by their meaning, so that none is announced too (RFC 9110, section 8.6)."""


class RequestFrame(NamedTuple):
    """What `frame_request` decides."""

    framing: BodyFraming
    """`NONE`, `LENGTH` or `CHUNKED`."""
    length: int
    """The length in bytes where `framing` is `LENGTH`, else 0."""
    extra: bytes
    """Header lines that have to be added, each with its CRLF."""


def frame_request(*, method: str, headers: HTTPHeaders, length: int | None) -> RequestFrame:
    """Decide how a request's body is framed.

    Args:
        method: the method.
        headers: the request's headers; framing fields among them have to agree with the rest.
        length: the bytes of the body, 0 where there is none, or None where the length is not known before it is sent.

    Raises:
        HTTPOutputError: the framing headers contradict each other or `length`; the application's fault.
    """
    codings, lengths = headers.get("Transfer-Encoding"), headers.get_list("Content-Length")
    if codings is not None:
        if lengths or codings.lower() != "chunked":
            raise HTTPOutputError(f"transfer coding {codings!r} with lengths {lengths!r}")
        return RequestFrame(BodyFraming.CHUNKED, 0, b"")
    if lengths:
        announced = lengths[0]
        if len(lengths) > 1 or not (announced.isascii() and announced.isdigit()):
            raise HTTPOutputError(f"malformed Content-Length {lengths!r}")
        if length is not None and int(announced) != length:
            raise HTTPOutputError(f"Content-Length is {announced}, but the body has {length} bytes")
        length = int(announced)
        return RequestFrame(BodyFraming.LENGTH if length else BodyFraming.NONE, length, b"")
    if length is None:
        return RequestFrame(BodyFraming.CHUNKED, 0, b"Transfer-Encoding: chunked\r\n")
    if length or method in _EXPECTING_A_BODY:
        extra = b"Content-Length: %d\r\n" % length
        return RequestFrame(BodyFraming.LENGTH if length else BodyFraming.NONE, length, extra)
    return RequestFrame(BodyFraming.NONE, 0, b"")


def request_head(method: str, target: str, headers: HTTPHeaders, extra: bytes = b"") -> bytes:
    """Return the head of a request, `Host` first (RFC 9110, section 7.2).

    Args:
        method: the method.
        target: the target: path and query; a whole URL for a proxy; `*` for OPTIONS; host and port for CONNECT.
        headers: the header fields, with one `Host`.
        extra: header lines to be added, each with its CRLF, as `frame_request` gives them.

    Raises:
        HTTPOutputError: the method, the target, `Host` or another field can't be sent; the application's fault.
    """
    if not is_token(method):
        raise HTTPOutputError(f"malformed method {method!r}")
    if not _is_target(method, target):
        raise HTTPOutputError(f"malformed target {target[:100]!r} for {method}")
    hosts = headers.get_list("Host")
    if len(hosts) != 1 or not is_valid_host(hosts[0]):
        raise HTTPOutputError(f"a request needs one valid Host header, got {hosts!r}")
    others = headers.copy()
    del others["Host"]
    return f"{method} {target} HTTP/1.1\r\nHost: {hosts[0]}\r\n".encode("ascii") + others.to_bytes() + extra + b"\r\n"


def _is_target(method: str, target: str) -> bool:
    if method == "CONNECT":
        return has_port(target)
    return _TARGET.fullmatch(target) is not None or (target == "*" and method == "OPTIONS")
