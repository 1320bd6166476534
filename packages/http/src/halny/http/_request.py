"""A request as an application sees it, and the start lines of both kinds of message.

Strategy: what only some applications read is made when it is first read: headers, arguments, cookies. Whether the
parts that can be wrong *are* wrong is settled before any application runs: `check_arguments` and `parse_body` are
called by whoever hands the request over.
"""

from __future__ import annotations

import re
import time
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast, final

from ._exceptions import HTTPInputError
from ._headers import HTTPHeaders
from ._lazy import made_once
from ._urls import parse_arguments, split_host_and_port

if TYPE_CHECKING:
    from ._body import HTTPFile
    from ._interfaces import HTTPConnection

# Compiled when they are used first: servers read start lines by other means.
_REQUEST_LINE: Final = r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^\x00-\x20\x7f]+) (HTTP/1\.[0-9])"
_STATUS_LINE: Final = r"(HTTP/1\.[0-9]) ([0-9]{3}) ([^\x00-\x08\x0a-\x1f\x7f]*)"


class RequestStartLine(NamedTuple):
    """The first line of a request."""

    method: str
    path: str
    """The request target: path and query."""
    version: str


class ResponseStartLine(NamedTuple):
    """The first line of a response."""

    version: str
    code: int
    reason: str


def parse_request_start_line(line: str) -> RequestStartLine:
    """Read the first line of an HTTP/1.x request.

    Args:
        line: the line without its line end.

    Raises:
        HTTPInputError: it is no request line, or of another version (RFC 9112, section 3).
    """
    match = re.fullmatch(_REQUEST_LINE, line)
    if match is None:
        raise HTTPInputError(f"malformed HTTP request line {line[:200]!r}")
    return RequestStartLine(match[1], match[2], match[3])


def parse_response_start_line(line: str) -> ResponseStartLine:
    """Read the first line of an HTTP/1.x response.

    Args:
        line: the line without its line end.

    Raises:
        HTTPInputError: it is no status line, or of another version (RFC 9112, section 4).
    """
    match = re.fullmatch(_STATUS_LINE, line)
    if match is None:
        raise HTTPInputError(f"malformed HTTP status line {line[:200]!r}")
    return ResponseStartLine(match[1], int(match[2]), match[3])


class HTTPServerRequest:
    """One request, as the server received it.

    Args:
        method: the method. Name it and the target by `start_line` where you can.
        uri: the request target.
        version: the version, such as `HTTP/1.1`.
        headers: the header fields.
        body: the content, in bytes.
        host: the host and port that were asked for; by default those of `Host`.
        files: uploaded files by the names of their fields.
        connection: takes the response.
        start_line: method, target and version in one.
        server_connection: the connection that carried this request and may carry others.
    """

    method: str
    """The method, such as `GET`."""
    uri: str
    """The request target as it was sent, in origin form."""
    path: str
    """The part of `uri` before the `?`, still percent-encoded."""
    query: str
    """The part of `uri` after the `?`."""
    version: str
    """The protocol version, such as `HTTP/1.1`."""
    host: str
    """The host that was asked for, with its port where there is one."""
    body: bytes
    """The content. Empty for a handler that takes it in a stream."""
    connection: HTTPConnection | None
    """Takes the response."""
    content_length: int
    """The length of the body in bytes where the head gives one; 0 for no body or a chunked one."""
    chunked: bool
    """Whether the body comes in chunks."""
    keep_alive: bool
    """Whether the peer lets the connection stay open after the response."""
    expect_continue: bool
    """Whether the peer waits for `100 Continue` before it sends the body."""
    upgrade: str
    """The value of `Upgrade` where `Connection` names it, lower-cased, else empty."""

    _head: bytes | None
    """The head as it was received; None for a request that was not received."""
    _is_conditional: bool | None
    """Whether the head has `If-None-Match`; None once there are `headers`, which an application may have changed."""

    def __init__(
        self,
        method: str | None = None,
        uri: str | None = None,
        version: str = "HTTP/1.0",
        headers: HTTPHeaders | None = None,
        body: bytes | None = None,
        host: str | None = None,
        files: dict[str, list[HTTPFile]] | None = None,
        connection: HTTPConnection | None = None,
        start_line: RequestStartLine | None = None,
        server_connection: object | None = None,
    ) -> None:
        if start_line is not None:
            method, uri, version = start_line
        self.method = method if method is not None else "GET"
        self.uri = uri if uri is not None else "/"
        self.version = version
        self.path, _, self.query = self.uri.partition("?")
        self.headers = headers if headers is not None else HTTPHeaders()
        self.host = host or self.headers.get("Host") or "127.0.0.1"
        self.body = body or b""
        if files is not None:
            self.files = files
        self.connection = connection
        if server_connection is not None:
            self.server_connection = server_connection
        self._is_conditional = None
        self.content_length, self.chunked, self.keep_alive = 0, False, True
        self.expect_continue, self.upgrade = False, ""
        self._head = None
        self._arguments: dict[str, list[bytes]] | None = None
        self._body_arguments: dict[str, list[bytes]] | None = None
        self._start_time = time.time()
        self._finish_time: float | None = None

    @made_once
    def remote_ip(self) -> str | None:
        """The address of the client: the peer, or what a trusted proxy says."""
        return getattr(getattr(self.connection, "context", None), "remote_ip", None)

    @made_once
    def protocol(self) -> str:
        """`http` or `https`: the peer's, or what a trusted proxy says."""
        return getattr(getattr(self.connection, "context", None), "protocol", "http")

    @made_once
    def server_connection(self) -> object | None:
        """The connection that carried this request and may carry others."""
        return getattr(self.connection, "server_connection", None)

    @made_once
    def headers(self) -> HTTPHeaders:
        """The header fields."""
        head = self._head
        self._is_conditional = None
        return HTTPHeaders() if head is None else HTTPHeaders.from_section(head[head.index(b"\n") + 1 : -4])

    @property
    def is_conditional(self) -> bool:
        """Whether there is an `If-None-Match` header: known from the head until somebody asks for `headers`."""
        known = self._is_conditional
        return "If-None-Match" in self.headers if known is None else known

    @is_conditional.setter
    def is_conditional(self, value: bool) -> None:
        self._is_conditional = value

    @made_once
    def host_name(self) -> str:
        """The host that was asked for, in lower case and without its port."""
        return split_host_and_port(self.host.lower())[0]

    @made_once
    def _sent_arguments(self) -> dict[str, list[bytes]]:
        """The arguments in the query, which nobody changes."""
        return parse_arguments(self.query) if self.query else {}

    @made_once
    def query_arguments(self) -> dict[str, list[bytes]]:
        """The arguments in the query, percent-decoded, by name: a copy, made when it is first asked for."""
        return {name: list(values) for name, values in self._sent_arguments.items()}

    @property
    def body_arguments(self) -> dict[str, list[bytes]]:
        """The arguments in a form's body, by name."""
        if self._body_arguments is None:
            self._body_arguments = {}
        return self._body_arguments

    @body_arguments.setter
    def body_arguments(self, arguments: dict[str, list[bytes]]) -> None:
        self._body_arguments = arguments

    @property
    def arguments(self) -> dict[str, list[bytes]]:
        """The arguments of the query and of the body, by name: a copy, made when it is first asked for."""
        merged = self._arguments
        if merged is None:
            merged = self._arguments = {name: list(values) for name, values in self._sent_arguments.items()}
            if self._body_arguments:
                _merge(merged, self._body_arguments)
        return merged

    @arguments.setter
    def arguments(self, arguments: dict[str, list[bytes]] | None) -> None:
        self._arguments = arguments

    def find_argument(self, name: str) -> list[bytes]:
        """Return the values of an argument of the query and of the body, as `arguments` has them, or an empty list.

        As long as nobody has asked for `arguments` and there is no body, nothing is copied for it.

        Args:
            name: the argument's name.
        """
        apart = self._arguments is None and self._body_arguments is None
        return (self._sent_arguments if apart else self.arguments).get(name, [])

    @made_once
    def files(self) -> dict[str, list[HTTPFile]]:
        """The uploaded files by the names of their fields."""
        return {}

    @property
    def cookies(self) -> SimpleCookie:
        """The cookies that the client sent."""
        return self._cookies

    @made_once
    def _cookies(self) -> SimpleCookie:
        from ._cookies import parse_cookie

        jar = SimpleCookie()
        sent = self.headers.get_list("Cookie")  # one, but a proxy that speaks HTTP/2 may pass on several
        if sent:
            for name, value in parse_cookie("; ".join(sent)).items():
                try:
                    jar[name] = value
                except CookieError:
                    continue  # a name that RFC 6265 does not allow loses its cookie, not the others
        return jar

    def lacks(self, *names: bytes) -> bool:
        """Return whether the request surely has none of these header fields, without taking its head apart.

        Args:
            names: the names in lower case. Where one occurs anywhere in the head, even in a value, nothing is sure.
        """
        head = self._head
        if head is None or "headers" in self.__dict__:
            return not any(name.decode("ascii") in self.headers for name in names)
        head = head.lower()
        # A list costs half of a generator, and `find` half of `in`, which first tries its operand as a number.
        return not any([head.find(name) >= 0 for name in names])  # noqa: C419

    @property
    def has_body(self) -> bool:
        """Whether the head announces a body."""
        if self._head is not None:
            return self.chunked or self.content_length > 0
        headers = self.headers
        return bool(self.body) or "Transfer-Encoding" in headers or headers.get("Content-Length", "0").strip("0") != ""

    def check_arguments(self) -> None:
        """Check that the query has no more arguments than are allowed.

        Raises:
            HTTPInputError: it has; the peer's fault.
        """
        if "&" in self.query:
            self._sent_arguments  # noqa: B018 - reading it is the check

    def parse_body(self) -> None:
        """Read a form's or a multipart body into `body_arguments` and `files`; other bodies are left alone.

        What somebody has put into `arguments` before stays there.

        Raises:
            HTTPInputError: the body is malformed or has too many parts; the peer's fault.
        """
        if not self.body:
            return
        content_type = self.headers.get("Content-Type", "")
        if not content_type.lower().startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
            return
        from ._body import parse_body_arguments

        parsed: dict[str, list[bytes]] = {}
        parse_body_arguments(content_type, self.body, parsed, self.files, self.headers)
        _merge(self.body_arguments, parsed)
        if self._arguments is not None:
            _merge(self._arguments, parsed)

    _parse_body = parse_body

    def full_url(self) -> str:
        """Return the URL that was asked for, put together from protocol, host and target."""
        return f"{self.protocol}://{self.host}{self.uri}"

    def mark_finished(self) -> None:
        """Remember that the response is finished now; `request_time` counts no further."""
        self._finish_time = time.time()

    def request_time(self) -> float:
        """Return how long the request took, in seconds; up to now, while it is not finished."""
        return (self._finish_time or time.time()) - self._start_time

    def get_ssl_certificate(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """Return the client's TLS certificate, where it was asked for one and sent it.

        Args:
            binary_form: whether to return its DER form instead of a dict of its fields.
        """
        context = getattr(self.connection, "context", None)
        get = getattr(context, "get_ssl_certificate", None)
        return cast("dict[str, Any] | bytes | None", get(binary_form)) if get is not None else None

    def __repr__(self) -> str:
        names = ("protocol", "host", "method", "uri", "version", "remote_ip")
        return f"{type(self).__name__}({', '.join([f'{name}={getattr(self, name)!r}' for name in names])})"


def _merge(arguments: dict[str, list[bytes]], others: dict[str, list[bytes]]) -> None:
    """Add copies of the values of `others` to `arguments`."""
    for name, values in others.items():
        arguments.setdefault(name, []).extend(values)


@final
class ReceivedRequest(HTTPServerRequest):
    """A request as `HeadReader` makes it, one for every head.

    All is set here and nothing is a default of the class: what an instance may or may not have is slow to set and to
    find.

    Args:
        method: the method.
        uri: the request target in origin form, or `*`.
        head: the head, whose first line is the request line.
        host: the value of `Host`, if there is one.
    """

    def __init__(self, method: str, uri: str, head: bytes, host: str | None) -> None:
        self.method = method
        self.uri = uri
        self.path, _, self.query = uri.partition("?")
        self.version = "HTTP/1.1"
        self.host = host or "127.0.0.1"
        self.body = b""
        self.connection = None
        self.content_length = 0
        self.chunked = False
        self.keep_alive = True
        self.expect_continue = False
        self._is_conditional = False
        self.upgrade = ""
        self._head = head
        self._arguments = None
        self._body_arguments = None
        self._start_time = time.time()
        self._finish_time = None


ReceivedRequest.__name__ = HTTPServerRequest.__name__  # nobody who sees one needs to tell them apart
