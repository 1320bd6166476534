from __future__ import annotations

from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import (
    HeadReader,
    HTTPConnection,
    HTTPFile,
    HTTPHeaders,
    HTTPInputError,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    parse_request_start_line,
    parse_response_start_line,
)

from .linear import LIMIT, SIZE, seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable


class Context:
    remote_ip = "192.0.2.1"
    protocol = "https"

    def get_ssl_certificate(self, binary_form: bool) -> dict[str, Any] | bytes:
        return b"DER" if binary_form else {"subject": ()}


class Connection(HTTPConnection):
    context = Context()
    server_connection = "the server's"

    def write_headers(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Awaitable[None]:
        raise AssertionError("nothing is written here")

    def write(self, chunk: bytes) -> Awaitable[None]:
        raise AssertionError("nothing is written here")

    def finish(self) -> None:
        raise AssertionError("nothing is written here")


class BareConnection(Connection):
    context = None  # type: ignore[assignment]
    server_connection = None  # type: ignore[assignment]


def received(line: str = "GET /a%20b?c=d&c=e&f= HTTP/1.1", *fields: str) -> HTTPServerRequest:
    head = "\r\n".join([line, "Host: Example.com:8080", *fields, "", ""]).encode("latin-1")
    request = HeadReader().read(head)
    request.connection = Connection()
    return request


def test_what_a_head_says() -> None:
    request = received()
    assert request.method == "GET"
    assert request.uri == "/a%20b?c=d&c=e&f="
    assert request.path == "/a%20b"
    assert request.query == "c=d&c=e&f="
    assert request.version == "HTTP/1.1"
    assert request.host == "Example.com:8080"
    assert request.host_name == "example.com"
    assert request.headers == {"Host": "Example.com:8080"}
    assert request.headers is request.headers
    assert request.body == b""
    assert request.files == {}
    assert request.full_url() == "https://Example.com:8080/a%20b?c=d&c=e&f="


def test_what_the_connection_says() -> None:
    request = received()
    assert request.remote_ip == "192.0.2.1"
    assert request.protocol == "https"
    assert request.server_connection == "the server's"
    assert request.get_ssl_certificate() == {"subject": ()}
    assert request.get_ssl_certificate(binary_form=True) == b"DER"
    assert isinstance(request.connection, Connection)


def test_a_connection_that_says_nothing() -> None:
    received = HeadReader().read(b"GET / HTTP/1.0\r\n\r\n")
    received.connection = BareConnection()
    for request in (received, HTTPServerRequest("GET", "/")):
        assert request.version == "HTTP/1.0"
        assert request.host == request.host_name == "127.0.0.1"
        assert request.remote_ip is None
        assert request.protocol == "http"
        assert request.server_connection is None
        assert request.get_ssl_certificate() is None
        assert request.query == ""
        assert request.arguments == {}
        assert request.cookies == {}
        assert len(request.headers) == 0


def test_what_the_server_may_set() -> None:
    """Trusted proxies say more of the client than the connection does."""
    request = received()
    request.remote_ip = "198.51.100.1"
    request.protocol = "http"
    assert (request.remote_ip, request.protocol) == ("198.51.100.1", "http")
    assert request.full_url().startswith("http://")


def test_made_by_its_start_line() -> None:
    headers = HTTPHeaders({"Host": "a.example"})
    connection = Connection()
    request = HTTPServerRequest(
        headers=headers,
        connection=connection,
        start_line=RequestStartLine("POST", "/a?b=c", "HTTP/1.1"),
        body=b"x",
        server_connection="another",
    )
    assert (request.method, request.uri, request.path, request.query) == ("POST", "/a?b=c", "/a", "b=c")
    assert (request.version, request.host, request.body) == ("HTTP/1.1", "a.example", b"x")
    assert request.headers is headers
    assert request.connection is connection
    assert request.server_connection == "another"
    assert request.arguments == {"b": [b"c"]}


def test_made_by_method_and_target() -> None:
    files = {"a": [HTTPFile(filename="b", body=b"c", content_type="d")]}
    request = HTTPServerRequest("PUT", "/a", "HTTP/1.1", files=files, host="b.example", connection=Connection())
    assert (request.method, request.uri, request.version) == ("PUT", "/a", "HTTP/1.1")
    assert request.files is files
    assert request.host == "b.example"
    assert request.body == b""
    assert HTTPServerRequest().method == "GET"
    assert HTTPServerRequest().uri == "/"
    assert HTTPServerRequest().version == "HTTP/1.0"


def test_repr_names_the_request_and_not_its_headers() -> None:
    request = received("GET /x HTTP/1.1", "Cookie: secret=1")
    assert repr(request) == (
        "HTTPServerRequest(protocol='https', host='Example.com:8080', method='GET', uri='/x', version='HTTP/1.1', "
        "remote_ip='192.0.2.1')"
    )


# Arguments


def test_arguments() -> None:
    request = received()
    assert request.query_arguments == {"c": [b"d", b"e"], "f": [b""]}
    assert request.body_arguments == {}
    assert request.arguments["c"] == [b"d", b"e"]
    request.arguments["c"].append(b"x")
    assert request.query_arguments["c"] == [b"d", b"e"]


def test_arguments_do_not_follow_what_is_done_to_those_of_the_query() -> None:
    request = received()
    request.query_arguments["c"].append(b"x")
    request.query_arguments["y"] = [b"z"]
    assert request.find_argument("c") == [b"d", b"e"]
    assert request.find_argument("y") == []
    assert request.arguments == {"c": [b"d", b"e"], "f": [b""]}


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "Application/X-WWW-Form-URLencoded; a=b"]
)
def test_a_form(content_type: str) -> None:
    request = received("POST /?a=1&b=2 HTTP/1.1", f"Content-Type: {content_type}", "Content-Length: 7")
    assert request.arguments == {"a": [b"1"], "b": [b"2"]}
    request.body = b"b=3&c=4"
    request.parse_body()
    assert request.query_arguments == {"a": [b"1"], "b": [b"2"]}
    assert request.body_arguments == {"b": [b"3"], "c": [b"4"]}
    assert request.arguments == {"a": [b"1"], "b": [b"2", b"3"], "c": [b"4"]}


def test_arguments_that_were_set_before_the_body_is_read_stay() -> None:
    request = received("POST /?a=1 HTTP/1.1", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 7")
    arguments = request.arguments
    arguments["x"] = [b"y"]
    del arguments["a"]
    request.body = b"b=3&x=4"
    request.parse_body()
    assert request.arguments is arguments
    assert arguments == {"x": [b"y", b"4"], "b": [b"3"]}
    assert request.body_arguments == {"b": [b"3"], "x": [b"4"]}
    arguments["b"].append(b"5")
    assert request.body_arguments["b"] == [b"3"]


def test_an_upload() -> None:
    request = received("POST / HTTP/1.1", "Content-Type: multipart/form-data; boundary=x", "Content-Length: 1")
    request.body = (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="b"; filename="c"\r\n\r\n2\r\n--x--\r\n'
    )
    request.parse_body()
    assert request.arguments == {"a": [b"1"]}
    assert request.files["b"][0].filename == "c"
    assert request.files["b"][0].body == b"2"


@pytest.mark.parametrize("fields", [[], ["Content-Type: application/json"], ["Content-Type: text/plain"]])
def test_bodies_of_other_types_are_left_alone(fields: list[str]) -> None:
    request = received("POST / HTTP/1.1", *fields, "Content-Length: 3")
    request.body = b"a=b"
    request.parse_body()
    assert request.arguments == {}
    assert request.files == {}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"a=b&" * 1001),
        ("multipart/form-data; boundary=x", b"--y"),
        ("multipart/form-data", b"--x--"),
    ],
)
def test_bodies_that_are_refused(content_type: str, body: bytes) -> None:
    request = received("POST / HTTP/1.1", f"Content-Type: {content_type}", f"Content-Length: {len(body)}")
    request.body = body
    with pytest.raises(HTTPInputError):
        request.parse_body()
    assert request.arguments == {}


def test_an_empty_body_is_no_form() -> None:
    request = received("POST / HTTP/1.1", "Content-Type: multipart/form-data")
    request.parse_body()
    assert request.body_arguments == {}


@pytest.mark.parametrize(("count", "is_good"), [(1, True), (1000, True), (1001, False)])
def test_the_number_of_arguments(count: int, is_good: bool) -> None:
    request = received(f"GET /?{'&'.join(['a=b'] * count)} HTTP/1.1")
    if is_good:
        request.check_arguments()
        assert len(request.arguments["a"]) == count
    else:
        with pytest.raises(HTTPInputError):
            request.check_arguments()


@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        ([], b"", False),
        (["Content-Length: 0"], b"", False),
        (["Content-Length: 5"], b"", True),
        (["Transfer-Encoding: chunked"], b"", True),
    ],
)
def test_whether_a_body_is_announced(fields: list[str], body: bytes, expected: bool) -> None:
    request = received("POST / HTTP/1.1", *fields)
    assert request.has_body is expected
    headers = HTTPHeaders.parse("\r\n".join(fields))
    assert HTTPServerRequest("POST", "/", headers=headers, body=body).has_body is expected
    assert HTTPServerRequest("POST", "/", headers=headers, body=b"x").has_body


@pytest.mark.parametrize("field", ["", 'If-None-Match: "a"'])
def test_whether_a_request_is_conditional_may_change(field: str) -> None:
    received_request = received("GET / HTTP/1.1", *([field] if field else []))
    for request in (received_request, HTTPServerRequest("GET", "/")):
        request.headers["If-None-Match"] = '"b"'
        seen = [request.is_conditional]
        del request.headers["If-None-Match"]
        assert [*seen, request.is_conditional] == [True, False]


def test_conditional_requests() -> None:
    assert not received().is_conditional
    assert received("GET / HTTP/1.1", 'if-none-match: "a"').is_conditional
    assert not HTTPServerRequest("GET", "/").is_conditional
    assert HTTPServerRequest("GET", "/", headers=HTTPHeaders({"If-None-Match": '"a"'})).is_conditional


def test_fields_that_are_surely_not_there() -> None:
    for request in (received("GET / HTTP/1.1", "X-Y: Range"), HTTPServerRequest(headers=HTTPHeaders({"X-Y": "z"}))):
        assert request.lacks(b"if-range", b"cookie")
        assert not request.lacks(b"cookie", b"x-y")
    request = received("GET / HTTP/1.1", "X-Y: Range")
    assert not request.lacks(b"range")
    assert len(request.headers) == 2
    assert request.lacks(b"range")


# Cookies


def test_cookies() -> None:
    request = received("GET / HTTP/1.1", 'Cookie: a=b; c="d e"; a=f; bad name=1; \xe9=2; g')
    assert isinstance(request.cookies, SimpleCookie)
    assert request.cookies is request.cookies
    assert request.cookies["a"].value == "f"
    assert request.cookies["c"].value == "d e"
    assert set(request.cookies) == {"a", "c"}


def test_cookies_in_several_fields() -> None:
    """RFC 9113, section 8.2.3: who passes a request on from HTTP/2 should join them, and by semicolons."""
    request = received("GET / HTTP/1.1", "Cookie: a=b", "Cookie: c=d; e=f,g")
    assert {name: morsel.value for name, morsel in request.cookies.items()} == {"a": "b", "c": "d", "e": "f,g"}


@pytest.mark.parametrize(
    "cookie", ["a=b; " * (SIZE // 5), '"' * SIZE, "\\1" * (SIZE // 2), "=" * SIZE, "a=b;" * 10_000]
)
def test_cookies_take_linear_time(cookie: str) -> None:
    headers = HTTPHeaders({"Cookie": cookie})
    assert seconds(lambda: HTTPServerRequest("GET", "/", headers=headers).cookies) < LIMIT


# Time


def test_the_time_that_a_request_took(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.time", lambda: now)
    for make in (received, HTTPServerRequest):
        started = now
        request = make()
        now += 2.5
        assert request.request_time() == 2.5
        request.mark_finished()
        now += 10
        assert request.request_time() == 2.5
        assert now == started + 12.5


# Start lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET / HTTP/1.1", ("GET", "/", "HTTP/1.1")),
        ("GET / HTTP/1.0", ("GET", "/", "HTTP/1.0")),
        ("brew /a?b#c HTTP/1.9", ("brew", "/a?b#c", "HTTP/1.9")),
        ("GET /\xff HTTP/1.1", ("GET", "/\xff", "HTTP/1.1")),
    ],
)
def test_request_lines(line: str, expected: tuple[str, str, str]) -> None:
    start_line = parse_request_start_line(line)
    assert start_line == expected
    assert (start_line.method, start_line.path, start_line.version) == expected


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET",
        "GET /",
        "GET / HTTP/2.0",
        "GET / HTTP/1.10",
        "GET / http/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\r",
        "GET\t/ HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "G@T / HTTP/1.1",
        "G\u00c9T / HTTP/1.1",
        "GET / HTTP/1.\u0661",
    ],
)
def test_lines_that_are_no_request_lines(line: str) -> None:
    """RFC 9112, section 3."""
    with pytest.raises(HTTPInputError, match="malformed HTTP request line"):
        parse_request_start_line(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("HTTP/1.1 200 OK", ("HTTP/1.1", 200, "OK")),
        ("HTTP/1.0 404 Not Found", ("HTTP/1.0", 404, "Not Found")),
        ("HTTP/1.1 200 ", ("HTTP/1.1", 200, "")),
        ("HTTP/1.1 999 a\tb\xff", ("HTTP/1.1", 999, "a\tb\xff")),
    ],
)
def test_status_lines(line: str, expected: tuple[str, int, str]) -> None:
    start_line = parse_response_start_line(line)
    assert start_line == expected
    assert (start_line.version, start_line.code, start_line.reason) == expected


@pytest.mark.parametrize(
    "line",
    [
        "",
        "HTTP/1.1",
        "HTTP/1.1 200",
        "HTTP/1.1  200 OK",
        "HTTP/2.0 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 \u0662\u0660\u0660 OK",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 200 O\nK",
        "HTTP/1.1 200 OK\n",
        "HTTP/1.1 200 O\0K",
    ],
)
def test_lines_that_are_no_status_lines(line: str) -> None:
    """RFC 9112, section 4."""
    with pytest.raises(HTTPInputError, match="malformed HTTP status line"):
        parse_response_start_line(line)


@pytest.mark.parametrize("line", ["G" * SIZE, "GET " + "/" * SIZE, "GET / " + " " * SIZE, "GET " * (SIZE // 4)])
def test_start_lines_take_linear_time(line: str) -> None:
    def run() -> None:
        with pytest.raises(HTTPInputError):
            parse_request_start_line(line)
        with pytest.raises(HTTPInputError):
            parse_response_start_line(line)

    assert seconds(run) < LIMIT


def test_find_argument_is_what_arguments_has() -> None:
    request = received("GET /?a=1&a=2 HTTP/1.1")
    assert request.find_argument("a") == [b"1", b"2"]
    assert request.find_argument("b") == []
    request.body_arguments["a"] = [b"3"]
    assert request.find_argument("a") == request.arguments["a"] == [b"1", b"2", b"3"]
    request.arguments["b"] = [b"4"]
    assert request.find_argument("b") == [b"4"]
    assert request.query_arguments == {"a": [b"1", b"2"]}
    request.arguments = {}
    assert request.find_argument("a") == []


def test_a_head_is_taken_apart_when_it_is_asked_for() -> None:
    request = received()
    assert not {"headers", "query_arguments", "_cookies"} & set(vars(request))
    assert request.headers["Host"] == "Example.com:8080"
    assert "headers" in vars(request)
