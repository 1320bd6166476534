"""Reads the heads of HTTP/1.1 requests.

Strategy: a head is parsed in one go, when all of it is there, so nothing is kept between two calls and one reader
serves every connection of a server. llhttp (through `httptools`) is the judge of syntax: it is given exactly one
head, never what follows it. It is lenient where it must not be, so what decides about framing and routing is read
here, from the same bytes, and refused when it is not plainly right: the request line (`_h1_target`), and `Host`,
`Content-Length`, `Transfer-Encoding`, `Connection`, `Expect` and `Upgrade` (`_h1_fields`).

To make a parser costs as much as to read a small head with it, so one is shared by all heads that leave it ready for
the next one. Whether a head has done so is seen, not guessed: llhttp says that the message is complete, once.

Bodies are not llhttp's business: `_h1_body` reads them.
"""

from __future__ import annotations

from typing import Final, final

import httptools

from ._exceptions import HTTPRefusal
from ._h1_fields import CHUNKED, connection_options, find_deciding, find_unusual, gather, read_length
from ._h1_syntax import check_alone
from ._h1_target import METHODS, origin_form, refused_line, refused_size, with_known_method
from ._limits import DEFAULT_LIMITS, Limits
from ._request import HTTPServerRequest, ReceivedRequest
from ._validation import is_valid_host

_USUAL_BEGINNING: Final = b"HTTP/1.1\r\nHost: "
"""What follows the target in nearly every request: RFC 9110, section 7.2 wants `Host` to be the first field."""

_PARSER_ERRORS: Final = (httptools.HttpParserError, httptools.HttpParserUpgrade)

_VERSIONS: Final = {b"HTTP/1.1\r\n": "HTTP/1.1", b"HTTP/1.0\r\n": "HTTP/1.0"}

_known_method: Final = METHODS.get  # bound, for a name that is imported is not called as a method is

_MAX_KNOWN_HOSTS: Final = 1000
"""How many valid values of `Host` are remembered. Peers choose them, so the memory has a bound."""

_MAX_KNOWN_HOST: Final = 255
"""The longest value of `Host` that is remembered: that of a name in DNS, and the memory has a bound."""

_BLANKS: Final = memoryview(bytes(64 * 1024))


@final
class HeadReader:
    """Turns the bytes of request heads into requests. It keeps nothing of a connection.

    Args:
        limits: what a head may have.
    """

    __slots__ = ("_hosts", "_limits", "_marks", "_parser", "_small", "_whole_message")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        # A head that is no longer than this is within every limit: a header line has at least four bytes.
        self._small = min(limits.max_header_size, limits.max_target_size, 4 * limits.max_header_count)
        self._hosts: dict[bytes, str] = {}
        self._marks: list[None] = []
        self._whole_message = _WholeMessage(self._marks)
        self._parser = httptools.HttpRequestParser(self._whole_message)

    def read(self, head: bytes) -> HTTPServerRequest:
        """Reads one head.

        Args:
            head: the bytes of exactly one head: from the first of the request line to the empty line's CRLF. Bytes
                that are anything else, such as a head and what follows it, are refused.

        Returns:
            The request that begins with this head, without a connection and without its body.

        Raises:
            HTTPRefusal: the peer's head is malformed or over a limit.
        """
        # On every request's way, so in one piece.
        if len(head) > self._small:
            self._check_size(head)
        try:
            method, target, rest = head.split(b" ", 2)
        except ValueError:
            raise refused_line(head) from None
        usual = rest.startswith(_USUAL_BEGINNING)
        host: str | None
        if usual:
            end = rest.find(b"\r", 16)
            raw_host = rest[16:end]
            host = self._hosts.get(raw_host) or self._read_host(raw_host)
            fields = find_unusual(rest, end)
            version = "HTTP/1.1"
            usual = not fields
        else:
            version, fields, host = self._read_unusual(head, rest)
        # By their codes, for to look for bytes in bytes takes ten times as long: no "/" in front, "#", or LF.
        if not target or target[0] != 47 or 35 in target or 10 in target:
            target, host = origin_form(method, target, host)
        name = _known_method(method)
        if name is None:
            head = with_known_method(head, method)
            name = method.decode()
        request = ReceivedRequest(name, target.decode("latin-1"), head, host)
        body: bytes | memoryview | None = b""
        if not usual:
            request.version = version
            _decide(request, fields)
            body = _blank_body(request)
        # llhttp judges the syntax. What ends the message leaves the shared parser ready for the next one.
        if body is None:
            check_alone(httptools.HttpRequestParser, head)
        else:
            marks = self._marks
            marks.append(None)
            try:
                self._parser.feed_data(head)
                if body:
                    self._parser.feed_data(body)
            except _PARSER_ERRORS:
                marks.append(None)
            if marks:
                self._check_anew(head)
        if head[-5] in b"\r\n" or not head.endswith(b"\r\n\r\n"):  # llhttp skips line ends behind a message
            raise HTTPRefusal(400, "line ends behind a head")
        return request

    def _check_size(self, head: bytes) -> None:
        limits = self._limits
        if len(head) > limits.max_header_size:
            raise refused_size(head, limits)
        start = head.find(b" ") + 1
        size = head.find(b" ", start) - start
        if size > limits.max_target_size:
            raise HTTPRefusal(414, f"target of {size} bytes, at most {limits.max_target_size} are allowed")
        count = head.count(b"\n") - 2
        if count > limits.max_header_count:
            raise HTTPRefusal(431, f"{count} header lines, at most {limits.max_header_count} are allowed")

    def _check_anew(self, head: bytes) -> None:
        """Lets another parser judge a head with which the shared one was not content.

        Either the head is malformed, or it or the one before left the parser elsewhere than we thought.
        """
        self._marks.clear()
        self._parser = httptools.HttpRequestParser(self._whole_message)
        check_alone(httptools.HttpRequestParser, head)

    def _read_unusual(self, head: bytes, rest: bytes) -> tuple[str, list[tuple[bytes, bytes]], str | None]:
        """Returns the version, which `rest` begins with, the fields that decide, and the host: of a rarer head."""
        version = _VERSIONS.get(rest[:10], "")
        if not version:
            raise refused_line(head)
        fields = find_unusual(rest, 8) if version == "HTTP/1.1" else find_deciding(rest, 8)
        return version, fields, self._take_host(fields, version)

    def _take_host(self, fields: list[tuple[bytes, bytes]], version: str) -> str | None:
        """Takes `Host` out of the fields and returns what it says."""
        found = [field for field in fields if field[0].lower() == b"host"]
        if not found:
            if version == "HTTP/1.1":
                raise HTTPRefusal(400, "no Host header in an HTTP/1.1 request")
            return None
        fields.remove(found[0])  # another one stays, and is refused with what else the fields say
        value = found[0][1].strip(b" \t")
        return self._hosts.get(value) or self._read_host(value)

    def _read_host(self, raw: bytes) -> str:
        raw = raw.strip(b" \t")
        host = raw.decode("latin-1")
        if not is_valid_host(host):  # nor is an empty one, which names no site
            raise HTTPRefusal(400, f"malformed Host {host[:100]!r}")
        if len(self._hosts) < _MAX_KNOWN_HOSTS and len(raw) <= _MAX_KNOWN_HOST:
            self._hosts[raw] = host
        return host


@final
class _WholeMessage:
    """What llhttp reports to: it takes the one mark away when the end of the head is also the end of the message.

    A second message in the same bytes finds no mark, which is an error.
    """

    __slots__ = ("on_message_complete",)

    def __init__(self, marks: list[None]) -> None:
        self.on_message_complete = marks.pop


def _decide(request: HTTPServerRequest, found: list[tuple[bytes, bytes]]) -> None:
    """Sets what the fields that decide about framing and the connection say."""
    fields = gather(found)
    if b"host" in fields:
        raise HTTPRefusal(400, "more than one Host header")
    request.is_conditional = b"if-none-match" in fields
    if b"connection" in fields or request.version == "HTTP/1.0":
        options = connection_options(fields)
        request.keep_alive = b"close" not in options and (request.version == "HTTP/1.1" or b"keep-alive" in options)
        if b"upgrade" in options and b"upgrade" in fields:
            request.upgrade = b", ".join(fields[b"upgrade"]).decode("latin-1")
    length = read_length(fields, request.version)
    if length is not None:
        request.chunked = length == CHUNKED
        request.content_length = max(length, 0)
    if b"expect" in fields and request.version == "HTTP/1.1":
        if fields[b"expect"] != [b"100-continue"]:
            raise HTTPRefusal(417, f"unknown expectation {fields[b'expect']!r}")
        request.expect_continue = request.chunked or request.content_length > 0


def _blank_body(request: HTTPServerRequest) -> bytes | memoryview | None:
    """Returns a body as the head announces it, of no content that matters, or None where one would not do.

    Shown to llhttp after the head, which never sees the body itself, it ends the message: that costs a fifth of what a
    new parser does.
    """
    if not request.keep_alive or request.upgrade or request.content_length > len(_BLANKS):
        return None
    return b"0\r\n\r\n" if request.chunked else _BLANKS[: request.content_length]
