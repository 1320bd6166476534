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
from ._validation import is_valid_host

_USUAL_BEGINNING: Final = b"HTTP/1.1\r\nHost: "
"""What follows the target in nearly every request: RFC 9110, section 7.2 wants `Host` to be the first field."""

_VERSIONS: Final = {b"HTTP/1.1\r\n": "HTTP/1.1", b"HTTP/1.0\r\n": "HTTP/1.0"}

_MAX_KNOWN_HOSTS: Final = 1000
"""How many valid values of `Host` are remembered. Peers choose them, so the memory has a bound."""

_MAX_KNOWN_HOST: Final = 255
"""The longest value of `Host` that is remembered: that of a name in DNS, and the memory has a bound."""

_BLANKS: Final = memoryview(bytes(64 * 1024))


@final
class RequestHead:
    """The head of a request, checked and taken apart as far as every request needs it.

    One of these is made for each request. It has no slots, but defaults on the class: to set the five attributes that
    every head has takes half the time of setting all.
    """

    method: str
    """The method, as it was sent: methods are case-sensitive."""
    target: str
    """The target in origin form or `*`; an absolute-form target is normalised."""
    version: str = "HTTP/1.1"
    """`HTTP/1.1` or `HTTP/1.0`."""
    section: bytes
    """The header lines, separated by CRLF, as `HTTPHeaders.from_section` takes them."""
    host: str
    """The value of `Host`; empty only where an HTTP/1.0 request has none."""
    content_length: int = 0
    """The length of the body in bytes where the head gives one; 0 for no body or a chunked one."""
    chunked: bool = False
    """Whether the body comes in chunks."""
    keep_alive: bool = True
    """Whether the peer lets the connection stay open after the response."""
    expect_continue: bool = False
    """Whether the peer waits for `100 Continue` before it sends the body."""
    conditional: bool = False
    """Whether there is an `If-None-Match` header, which spares others to look."""
    upgrade: str = ""
    """The value of `Upgrade` where `Connection` names it, lower-cased, else empty."""

    def __init__(self, method: str, target: str, section: bytes, host: str) -> None:
        self.method = method
        self.target = target
        self.section = section
        self.host = host

    def __repr__(self) -> str:
        return f"<RequestHead {self.method} {self.target} {self.version} host={self.host!r}>"


@final
class HeadReader:
    """Turns the bytes of request heads into `RequestHead`s. It keeps nothing of a connection.

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

    def read(self, head: bytes) -> RequestHead:
        """Reads one head.

        Args:
            head: the bytes of exactly one head: from the first of the request line to the empty line's CRLF. Bytes
                that are anything else, such as a head and what follows it, are refused.

        Raises:
            HTTPRefusal: the peer's head is malformed or over a limit.
        """
        if len(head) > self._small:
            self._check_size(head)
        try:
            method, target, rest = head.split(b" ", 2)
        except ValueError:
            raise refused_line(head) from None
        version = "HTTP/1.1"
        host: str | None
        if rest.startswith(_USUAL_BEGINNING):
            end = rest.find(b"\r", 16)
            raw_host = rest[16:end]
            host = self._hosts.get(raw_host) or self._read_host(raw_host)
            fields = find_unusual(rest, end)
        else:
            version = _VERSIONS.get(rest[:10], "")
            if not version:
                raise refused_line(head)
            fields = find_unusual(rest, 8) if version == "HTTP/1.1" else find_deciding(rest, 8)
            host = self._take_host(fields, version)
        # By their codes, for to look for bytes in bytes takes ten times as long: no "/" in front, "#", or LF.
        if not target or target[0] != 47 or 35 in target or 10 in target:
            target, host = origin_form(method, target, host)
        name = METHODS.get(method)
        if name is None:
            head = with_known_method(head, method)
            name = method.decode()
        result = RequestHead(name, target.decode("latin-1"), rest[10:-4], host or "")
        body: bytes | memoryview | None = b""
        if fields or version != "HTTP/1.1":
            result.version = version
            _decide(result, fields)
            body = _blank_body(result)
        self._check_syntax(head, body)
        if head[-5] in b"\r\n" or not head.endswith(b"\r\n\r\n"):  # llhttp skips line ends behind a message
            raise HTTPRefusal(400, "line ends behind a head")
        return result

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

    def _check_syntax(self, head: bytes, body: bytes | memoryview | None) -> None:
        """Lets llhttp judge a head.

        Args:
            head: the head.
            body: what ends the message, so that the shared parser is ready for the next one, or None for a head after
                which no parser can be used again.
        """
        if body is not None:
            marks = self._marks
            marks.append(None)
            try:
                self._parser.feed_data(head)
                if body:
                    self._parser.feed_data(body)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                marks.append(None)
            if not marks:
                return
            # Either the head is malformed, or it or the one before left the parser elsewhere than we thought.
            marks.clear()
            self._parser = httptools.HttpRequestParser(self._whole_message)
        check_alone(httptools.HttpRequestParser, head)

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


def _decide(head: RequestHead, found: list[tuple[bytes, bytes]]) -> None:
    """Sets what the fields that decide about framing and the connection say."""
    fields = gather(found)
    if b"host" in fields:
        raise HTTPRefusal(400, "more than one Host header")
    head.conditional = b"if-none-match" in fields
    if b"connection" in fields or head.version == "HTTP/1.0":
        options = connection_options(fields)
        head.keep_alive = b"close" not in options and (head.version == "HTTP/1.1" or b"keep-alive" in options)
        if b"upgrade" in options and b"upgrade" in fields:
            head.upgrade = b", ".join(fields[b"upgrade"]).decode("latin-1")
    length = read_length(fields, head.version)
    if length is not None:
        head.chunked = length == CHUNKED
        head.content_length = max(length, 0)
    if b"expect" in fields and head.version == "HTTP/1.1":
        if fields[b"expect"] != [b"100-continue"]:
            raise HTTPRefusal(417, f"unknown expectation {fields[b'expect']!r}")
        head.expect_continue = head.chunked or head.content_length > 0


def _blank_body(head: RequestHead) -> bytes | memoryview | None:
    """Returns a body as the head announces it, of no content that matters, or None where one would not do.

    Shown to llhttp after the head, which never sees the body itself, it ends the message: that costs a fifth of what a
    new parser does.
    """
    if not head.keep_alive or head.upgrade or head.content_length > len(_BLANKS):
        return None
    return b"0\r\n\r\n" if head.chunked else _BLANKS[: head.content_length]
