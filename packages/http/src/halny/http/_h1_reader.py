"""Reads the heads of HTTP/1.1 requests.

Strategy: a head is parsed in one go, when all of it is there, so nothing is kept between two calls and one reader
serves every connection of a server. `HeadBuffer` collects the bytes of a head that comes in pieces. llhttp (through
`httptools`) is the judge of syntax: it is given exactly one head, never what follows it. It is lenient where it must
not be, so what decides about framing and routing is read here, from the same bytes, and refused when it is not
plainly right: the request line, `Host`, `Content-Length`, `Transfer-Encoding`, `Connection`, `Expect`, `Upgrade`.

Bodies are not llhttp's business: `_h1_body` reads them.
"""

from __future__ import annotations

import re
from typing import Final, final

import httptools

from ._exceptions import HTTPRefusal
from ._limits import DEFAULT_LIMITS, Limits
from ._validation import is_valid_host

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_DIGITS: Final = re.compile(rb"[0-9]{1,18}")
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#@]*)([/?].*)?", re.IGNORECASE | re.DOTALL)
_DECIDING: Final = re.compile(
    rb"\n(host|connection|content-length|transfer-encoding|expect|upgrade|if-none-match):[ \t]*([^\r]*)"
)
"""What says how the message is framed and what becomes of the connection, in a lower-cased head."""

_OUT_OF_THE_ORDINARY: Final = re.compile(
    rb"\n(?:host|content-length|transfer-encoding|expect|upgrade:|if-none-match|connection(?!: keep-alive\r))"
)
"""What most requests have not, after a `Host` that comes first: then nothing of the above needs a closer look."""

_METHODS: Final = {
    name.encode(): name
    for name in (
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "PROPPATCH", "MKCOL"
    )
}  # fmt: skip
"""Methods that llhttp gets to see. Any other is shown to it as `GET`: it knows a fixed list and gives some of
them meanings of their own (`CONNECT`, `PRI`, RTSP's), while which methods exist is the application's business."""

_VERSIONS: Final = {b"HTTP/1.1": "HTTP/1.1", b"HTTP/1.0": "HTTP/1.0"}

_MAX_KNOWN_HOSTS: Final = 1000
"""How many valid values of `Host` are remembered. Peers choose them, so the memory has a bound."""


@final
class RequestHead:
    """The head of a request, checked and taken apart as far as every request needs it."""

    __slots__ = (
        "chunked",
        "conditional",
        "content_length",
        "expect_continue",
        "host",
        "keep_alive",
        "method",
        "section",
        "target",
        "upgrade",
        "version",
    )

    method: str
    """The method, as it was sent: methods are case-sensitive."""
    target: str
    """The target in origin form or `*`; an absolute-form target is normalised."""
    version: str
    """`HTTP/1.1` or `HTTP/1.0`."""
    section: bytes
    """The header lines, separated by CRLF, as `HTTPHeaders.from_section` takes them."""
    host: str
    """The value of `Host`; empty only where an HTTP/1.0 request has none."""
    content_length: int
    """The length of the body in bytes where the head gives one; 0 for no body or a chunked one."""
    chunked: bool
    """Whether the body comes in chunks."""
    keep_alive: bool
    """Whether the peer lets the connection stay open after the response."""
    expect_continue: bool
    """Whether the peer waits for `100 Continue` before it sends the body."""
    conditional: bool
    """Whether there is an `If-None-Match` header, which spares others to look."""
    upgrade: str
    """The value of `Upgrade` where `Connection` names it, lower-cased, else empty."""

    def __init__(self, method: str, target: str, version: str, section: bytes, host: str) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.section = section
        self.host = host
        self.content_length = 0
        self.chunked = False
        self.keep_alive = version == "HTTP/1.1"
        self.expect_continue = False
        self.conditional = False
        self.upgrade = ""

    def __repr__(self) -> str:
        return f"<RequestHead {self.method} {self.target} {self.version} host={self.host!r}>"


@final
class HeadReader:
    """Turns the bytes of request heads into `RequestHead`s. It keeps nothing of a connection.

    Args:
        limits: what a head may have.
    """

    __slots__ = ("_hosts", "_limits", "_marks", "_parser")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._hosts: dict[bytes, str] = {}
        self._marks: list[bool] = []
        self._parser = httptools.HttpRequestParser(_WholeMessage(self._marks))

    def read(self, head: bytes) -> RequestHead:
        """Reads one head.

        Args:
            head: the bytes of exactly one head: from the first of the request line to the empty line's CRLF.

        Raises:
            HTTPRefusal: the peer's head is malformed or over a limit.
        """
        limits = self._limits
        if len(head) > limits.max_header_size:
            raise HTTPRefusal(431, f"head of {len(head)} bytes, at most {limits.max_header_size} are allowed")
        line_end = head.find(b"\r\n")
        try:
            method, target, version = head[:line_end].split(b" ")
        except ValueError:
            raise HTTPRefusal(400, f"malformed request line {head[:line_end][:100]!r}") from None
        version_name = _VERSIONS.get(version)
        if version_name is None:
            raise _refused_version(version)
        if not target:
            raise HTTPRefusal(400, "empty target")
        if len(target) > limits.max_target_size:
            raise HTTPRefusal(414, f"target of {len(target)} bytes, at most {limits.max_target_size} are allowed")
        if len(head) > 4 * limits.max_header_count:  # a header line has at least four bytes
            _check_count(head, limits)

        lower = head.lower()
        host_start = lower.find(b"\nhost:", line_end)
        deciding: list[tuple[bytes, bytes]] | None = None
        if (
            version_name != "HTTP/1.1"
            or host_start != line_end + 1
            or _OUT_OF_THE_ORDINARY.search(lower, host_start + 6) is not None
        ):
            deciding = _DECIDING.findall(lower, line_end)
        method_name = _METHODS.get(method)
        self._check_syntax(head if method_name else _with_known_method(head, method), plain=deciding is None)

        host = self._read_host(head, host_start, deciding)
        if host is None and version_name == "HTTP/1.1":
            raise HTTPRefusal(400, "no Host header in an HTTP/1.1 request")
        if target[0] != 47 or b"#" in target:  # 47 is "/"
            target, host = _origin_form(method, target, host)
        section = head[line_end + 2 : -4]
        result = RequestHead(method_name or method.decode(), target.decode(), version_name, section, host or "")
        if deciding is not None:
            _decide(result, deciding)
        return result

    def _check_syntax(self, head: bytes, *, plain: bool) -> None:
        """Lets llhttp judge a head. A plain one leaves it ready for the next, so its parser is shared."""
        if plain:
            marks = self._marks
            marks.append(True)
            try:
                self._parser.feed_data(head)
            except httptools.HttpParserError:
                marks.append(True)
            if not marks:
                return
            # Either the head is malformed, or the one before left the parser elsewhere than we thought.
            marks.clear()
            self._parser = httptools.HttpRequestParser(_WholeMessage(marks))
        _check_alone(head)

    def _read_host(self, head: bytes, start: int, deciding: list[tuple[bytes, bytes]] | None) -> str | None:
        if start < 0:
            return None
        if deciding is not None and sum([name == b"host" for name, _ in deciding]) > 1:
            raise HTTPRefusal(400, "more than one Host header")
        raw = head[start + 6 : head.find(b"\r", start + 6)].strip(b" \t")
        host = self._hosts.get(raw)
        if host is None:
            host = raw.decode("latin-1")
            if not is_valid_host(host):  # nor is an empty one, which names no site
                raise HTTPRefusal(400, f"malformed Host {host[:100]!r}")
            if len(self._hosts) < _MAX_KNOWN_HOSTS:
                self._hosts[raw] = host
        return host


@final
class _WholeMessage:
    """What llhttp reports to: it clears the marks when the end of the head is also the end of the message."""

    __slots__ = ("on_message_complete",)

    def __init__(self, marks: list[bool]) -> None:
        self.on_message_complete = marks.clear


@final
class _HeadOnly:
    """What llhttp reports to: it clears the marks when the head is complete, whatever follows it."""

    __slots__ = ("on_headers_complete",)

    def __init__(self, marks: list[bool]) -> None:
        self.on_headers_complete = marks.clear


def _check_alone(head: bytes) -> None:
    """Lets a parser that has seen nothing else judge a head."""
    marks = [True]
    try:
        httptools.HttpRequestParser(_HeadOnly(marks)).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # it stops where the head ends, which is as far as it was to go
    except httptools.HttpParserError as error:
        raise HTTPRefusal(400, f"malformed head: {error}") from None
    if marks:
        raise HTTPRefusal(400, "malformed head: it has no end")


def _with_known_method(head: bytes, method: bytes) -> bytes:
    """Returns a head that llhttp can judge in place of one whose method it does not know, or knows too well."""
    if _TOKEN.fullmatch(method) is None:
        raise HTTPRefusal(400, f"malformed method {method[:100]!r}")
    if method != b"CONNECT":
        return b"GET" + head[len(method) :]
    _, target, rest = head.split(b" ", 2)
    if not is_valid_host(target.decode("latin-1")):
        raise HTTPRefusal(400, f"malformed target of CONNECT {target[:100]!r}")
    return b"GET / " + rest


def _check_count(head: bytes, limits: Limits) -> None:
    count = head.count(b"\r\n") - 2
    if count > limits.max_header_count:
        raise HTTPRefusal(431, f"{count} header lines, at most {limits.max_header_count} are allowed")


def _refused_version(version: bytes) -> HTTPRefusal:
    if _VERSION.fullmatch(version):
        return HTTPRefusal(505, f"{version.decode()} is not supported, only HTTP/1.1 and HTTP/1.0 are")
    return HTTPRefusal(400, f"malformed version {version[:100]!r}")


def _origin_form(method: bytes, target: bytes, host: str | None) -> tuple[bytes, str | None]:
    """Returns the path and query of a target in another form, and its host (RFC 9112, section 3.2)."""
    if (target == b"*" and method == b"OPTIONS") or method == b"CONNECT":
        return target, host
    absolute = None if b"#" in target else _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise HTTPRefusal(400, f"malformed target {target[:100]!r}")
    authority, path = absolute[1].decode("latin-1"), absolute[2] or b""
    if not is_valid_host(authority):
        raise HTTPRefusal(400, f"malformed authority in target {target[:100]!r}")
    if host is not None and host.lower() != authority.lower():
        raise HTTPRefusal(400, f"target {target[:100]!r} and Host {host[:100]!r} name different hosts")
    if not path:
        path = b"*" if method == b"OPTIONS" else b"/"
    elif path[0] != 47:
        path = b"/" + path
    return path, authority


def _decide(head: RequestHead, deciding: list[tuple[bytes, bytes]]) -> None:
    """Sets what the fields that decide about framing and the connection say."""
    fields: dict[bytes, list[bytes]] = {}
    for name, value in deciding:
        fields.setdefault(name, []).append(value.strip(b" \t"))
    options = {option.strip(b" \t") for value in fields.get(b"connection", ()) for option in value.split(b",")}
    head.conditional = b"if-none-match" in fields
    if b"close" in options:
        head.keep_alive = False
    elif head.version == "HTTP/1.0":
        head.keep_alive = b"keep-alive" in options
    if b"upgrade" in options and b"upgrade" in fields:
        head.upgrade = b", ".join(fields[b"upgrade"]).decode("latin-1")
    _decide_framing(head, fields.get(b"content-length"), fields.get(b"transfer-encoding"))
    if b"expect" in fields and head.version == "HTTP/1.1":
        if fields[b"expect"] != [b"100-continue"]:
            raise HTTPRefusal(417, f"unknown expectation {fields[b'expect']!r}")
        head.expect_continue = head.chunked or head.content_length > 0


def _decide_framing(head: RequestHead, lengths: list[bytes] | None, codings: list[bytes] | None) -> None:
    """Sets how the body is framed, which has one meaning or none (RFC 9112, section 6.3)."""
    if codings is not None:
        if lengths is not None:
            raise HTTPRefusal(400, "both Content-Length and Transfer-Encoding")
        if codings != [b"chunked"] or head.version != "HTTP/1.1":
            raise HTTPRefusal(400, f"transfer coding {codings!r} in {head.version}, only chunked is supported")
        head.chunked = True
    elif lengths is not None:
        if len(lengths) != 1 or _DIGITS.fullmatch(lengths[0]) is None:
            raise HTTPRefusal(400, f"malformed Content-Length {lengths!r}")
        head.content_length = int(lengths[0])


@final
class HeadBuffer:
    """Finds the end of a head in bytes that come in pieces, and refuses early what can't become one.

    It exists only while a head is incomplete. What follows the head stays with the caller.

    Args:
        limits: how long a head may get.
    """

    __slots__ = ("_data", "_limits", "_searched")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._data = bytearray()
        self._searched = 0

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Takes the next bytes.

        Returns:
            The head and the bytes after it, once the head is complete. The buffer is not to be used any more then.

        Raises:
            HTTPRefusal: what has come can't be the beginning of a head, or is longer than one may be.
        """
        buffer = self._data
        buffer += data
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end >= 0:
            whole = bytes(buffer)
            return whole[: end + 4], whole[end + 4 :]
        if len(buffer) > self._limits.max_header_size:
            self._refuse_length()
        self._refuse_early(self._searched)
        self._searched = len(buffer)
        return None

    def _refuse_length(self) -> None:
        if self._data.find(b"\r\n") < 0:
            raise HTTPRefusal(414, f"request line of more than {self._limits.max_header_size} bytes")
        raise HTTPRefusal(431, f"head of more than {self._limits.max_header_size} bytes")

    def _refuse_early(self, start: int) -> None:
        """Refuses at once what would else be waited for in vain: another protocol, or line ends without CR."""
        if start == 0 and _TOKEN.match(self._data) is None:
            raise HTTPRefusal(400, f"malformed request line {bytes(self._data[:20])!r}")
        if _BARE_LF.search(self._data, max(0, start - 1)):
            raise HTTPRefusal(400, "line end without CR")


def skip_empty_lines(data: bytes, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Returns `data` without the empty lines before a request line (RFC 9112, section 2.2).

    Raises:
        HTTPRefusal: there are more of them than `limits` allow.
    """
    count = 0
    while data.startswith(b"\r\n", 2 * count):
        count += 1
        if count > limits.max_empty_lines:
            raise HTTPRefusal(400, f"more than {limits.max_empty_lines} empty lines before a request")
    return data[2 * count :]
