"""Reads the heads of HTTP/1.1 responses: the client's side of `_h1_reader`, with the same strictness.

Strategy: the head is read in one go, like that of a request; what decides about framing is read by the same code.
What the body's end is depends on the request too, so the reader is told its method. Where a server sends what it must
not send, the response is refused rather than guessed at: its bytes could else be taken for another response.

Interim responses (1xx) come out like any other. Reading on until the final one, and giving up after
`Limits.max_interim_responses`, is the client's business.
"""

from __future__ import annotations

import re
from typing import Final, final

import httptools

from ._exceptions import HTTPInputError
from ._h1_body import BodyReader, ChunkedBody, CloseBody, LengthBody
from ._h1_fields import CHUNKED, connection_options, find_deciding, gather, read_length
from ._h1_syntax import check_alone
from ._h1_writer import BodyFraming
from ._limits import DEFAULT_LIMITS, Limits

_STATUS_LINE: Final = re.compile(rb"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n")
"""RFC 9112, section 4. The space behind the code belongs there even without a reason, but servers leave it out."""


@final
class ResponseHead:
    """The head of a response, checked and taken apart as far as a client needs it before it reads on."""

    __slots__ = ("code", "content_length", "framing", "keep_alive", "reason", "section", "upgrade", "version")

    code: int
    """The status code, 100 to 999."""
    reason: str
    """The reason phrase, perhaps empty. It says nothing that the code does not say."""
    version: str
    """`HTTP/1.1` or `HTTP/1.0`."""
    section: bytes
    """The header lines, separated by CRLF, as `HTTPHeaders.from_section` takes them."""
    framing: BodyFraming
    """How the end of the body is marked."""
    content_length: int | None
    """The value of `Content-Length`; for HEAD and 304 it is the length of a body that is not sent."""
    keep_alive: bool
    """Whether the connection may carry another request after this response."""
    upgrade: str
    """The value of `Upgrade` where `Connection` names it, lower-cased, else empty."""

    def __init__(self, code: int, reason: str, version: str, section: bytes) -> None:
        self.code = code
        self.reason = reason
        self.version = version
        self.section = section
        self.framing = BodyFraming.NONE
        self.content_length = None
        self.keep_alive = True
        self.upgrade = ""

    @property
    def is_interim(self) -> bool:
        """Whether the final response is still to come (RFC 9110, section 15.2)."""
        return self.code < 200 and self.code != 101

    def __repr__(self) -> str:
        return f"<ResponseHead {self.code} {self.reason} {self.version} framing={self.framing.name}>"


@final
class ResponseHeadReader:
    """Turns the bytes of response heads into `ResponseHead`s. It keeps nothing of a connection.

    Args:
        limits: what a head may have.
    """

    __slots__ = ("_limits",)

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    def read(self, head: bytes, method: str) -> ResponseHead:
        """Reads one head.

        Args:
            head: the bytes of exactly one head: from the first of the status line to the empty line's CRLF.
            method: the method of the request that this answers.

        Raises:
            HTTPInputError: the server's head is malformed or over a limit.
        """
        limits = self._limits
        if len(head) > limits.max_header_size:
            raise HTTPInputError(f"head of {len(head)} bytes, at most {limits.max_header_size} are allowed")
        count = head.count(b"\n") - 2
        if count > limits.max_header_count:
            raise HTTPInputError(f"{count} header lines, at most {limits.max_header_count} are allowed")
        match = _STATUS_LINE.match(head)
        if match is None:
            raise HTTPInputError(f"malformed status line in {head[:100]!r}")
        check_alone(httptools.HttpResponseParser, head)
        version, code, reason = match.groups(b"")
        result = ResponseHead(int(code), reason.decode("latin-1"), version.decode(), head[match.end() : -4])
        _decide(result, gather(find_deciding(head, match.end() - 1)), method)
        return result


def _decide(head: ResponseHead, fields: dict[bytes, list[bytes]], method: str) -> None:
    """Sets what says how the body ends and what becomes of the connection, in the order of RFC 9112, section 6.3."""
    options = connection_options(fields)
    head.keep_alive = b"close" not in options and (head.version == "HTTP/1.1" or b"keep-alive" in options)
    if b"upgrade" in options and b"upgrade" in fields:
        head.upgrade = b", ".join(fields[b"upgrade"]).decode("latin-1")
    if head.code == 101 or (method == "CONNECT" and 200 <= head.code < 300):
        head.keep_alive = False  # what follows is another protocol, and the fields about a body mean nothing
        return
    length = read_length(fields, head.version)
    if length is not None and length != CHUNKED:
        head.content_length = length
    if method == "HEAD" or head.code == 304:
        return
    if head.code < 200 or head.code == 204:
        if length:  # RFC 9110, section 8.6, and RFC 9112, section 6.1: neither field may be there
            raise HTTPInputError(f"a response with the status {head.code} announces a body")
        return
    if length is None:
        head.framing, head.keep_alive = BodyFraming.CLOSE, False
    elif length == CHUNKED:
        head.framing = BodyFraming.CHUNKED
    elif length:
        head.framing = BodyFraming.LENGTH


def response_body(head: ResponseHead, max_size: int, limits: Limits = DEFAULT_LIMITS) -> BodyReader | None:
    """Return what reads the body of a response, or None where it has none.

    Args:
        head: the response's head.
        max_size: bytes of content that are accepted.
        limits: how long chunk-size lines and trailers may be.

    Raises:
        HTTPInputError: the head announces more than `max_size`; the server's fault.
    """
    if head.framing is BodyFraming.LENGTH:
        length = head.content_length or 0
        if length > max_size:
            raise HTTPInputError(f"body of {length} bytes, at most {max_size} are allowed")
        return LengthBody(length)
    if head.framing is BodyFraming.CHUNKED:
        return ChunkedBody(max_size, limits)
    return CloseBody(max_size) if head.framing is BodyFraming.CLOSE else None
