from __future__ import annotations

import pytest

from halny.http import (
    CONTINUE,
    LAST_CHUNK,
    BodyFraming,
    HTTPHeaders,
    HTTPOutputError,
    ResponseFrame,
    chunk,
    connection_line,
    frame_response,
    has_body,
    parse_response_start_line,
    responses,
    status_line,
    switches_protocol,
    without_framing,
)

NONE, LENGTH, CHUNKED, CLOSE = BodyFraming.NONE, BodyFraming.LENGTH, BodyFraming.CHUNKED, BodyFraming.CLOSE
CHUNKED_LINE = b"Transfer-Encoding: chunked\r\n"
CLOSE_LINE = b"Connection: close\r\n"
KEEP_ALIVE_LINE = b"Connection: Keep-Alive\r\n"


@pytest.mark.parametrize(
    ("code", "reason", "line"),
    [
        (200, "OK", b"HTTP/1.1 200 OK\r\n"),
        (404, "Not Found", b"HTTP/1.1 404 Not Found\r\n"),
        (404, "Nowhere", b"HTTP/1.1 404 Nowhere\r\n"),
        (200, "", b"HTTP/1.1 200 \r\n"),
        (299, "", b"HTTP/1.1 299 \r\n"),
        (299, "a\tb \xe9", b"HTTP/1.1 299 a\tb \xe9\r\n"),
        (999, "x", b"HTTP/1.1 999 x\r\n"),
    ],
)
def test_status_lines(code: int, reason: str, line: bytes) -> None:
    assert status_line(code, reason) == line
    assert parse_response_start_line(line[:-2].decode("latin-1")) == ("HTTP/1.1", code, reason)


def test_every_known_status_line() -> None:
    for code, reason in responses.items():
        assert status_line(code, reason) == f"HTTP/1.1 {code} {reason}\r\n".encode()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (99, "OK"),
        (1000, "OK"),
        (-200, "OK"),
        (0, ""),
        (200, "OK\r\nX: y"),  # CVE-2025-67724
        (200, "OK\n"),
        (200, "OK\r"),
        (299, "a\0b"),
        (299, "a\x0bb"),
        (299, "a\x7fb"),
        (299, "za\u017c\u00f3\u0142\u0107"),
    ],
)
def test_status_lines_that_are_none(code: int, reason: str) -> None:
    with pytest.raises(HTTPOutputError):
        status_line(code, reason)


def test_frames_of_chunks() -> None:
    assert chunk(b"abc") == b"3\r\nabc\r\n"
    assert chunk(bytes(0x1AB)) == b"1ab\r\n" + bytes(0x1AB) + b"\r\n"
    assert LAST_CHUNK == b"0\r\n\r\n"
    assert CONTINUE == b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "code", "expected"),
    [
        ("GET", 200, True),
        ("POST", 404, True),
        ("HEAD", 200, False),
        ("GET", 100, False),
        ("GET", 101, False),
        ("GET", 199, False),
        ("GET", 204, False),
        ("GET", 205, True),
        ("GET", 304, False),
        ("GET", 303, True),
        ("CONNECT", 200, False),
        ("CONNECT", 299, False),
        ("CONNECT", 300, True),
        ("CONNECT", 407, True),
    ],
)
def test_which_responses_have_a_body(method: str, code: int, expected: bool) -> None:
    """RFC 9112, section 6.3."""
    assert has_body(method, code) is expected


def frame(
    headers: dict[str, str], *, method: str = "GET", version: str = "HTTP/1.1", keep_alive: bool = True, code: int = 200
) -> ResponseFrame:
    return frame_response(
        method=method, version=version, keep_alive=keep_alive, code=code, headers=HTTPHeaders(headers)
    )


def test_framing_in_http_1_1() -> None:
    assert frame({"Content-Length": "5"}) == (LENGTH, 5, True, b"")
    assert frame({"Content-Length": "0"}) == (LENGTH, 0, True, b"")
    assert frame({}) == (CHUNKED, 0, True, CHUNKED_LINE)
    assert frame({"Transfer-Encoding": "chunked"}) == (CHUNKED, 0, True, b"")
    assert frame({"Transfer-Encoding": "Chunked"}) == (CHUNKED, 0, True, b"")
    assert frame({}, method="HEAD") == (NONE, 0, True, b"")
    assert frame({"Content-Length": "5"}, method="HEAD") == (NONE, 0, True, b"")
    assert frame({}, code=204) == (NONE, 0, True, b"")
    assert frame({"Content-Length": "5"}, code=304) == (NONE, 0, True, b"")


@pytest.mark.parametrize(("method", "code"), [("GET", 101), ("CONNECT", 101), ("CONNECT", 200), ("CONNECT", 299)])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_what_switches_the_protocol_ends_http(method: str, code: int, version: str) -> None:
    """RFC 9110, sections 9.3.6 and 15.2.2: what follows is not HTTP, and nothing marks its end."""
    assert switches_protocol(method, code)
    assert frame({}, method=method, code=code, version=version) == (NONE, 0, False, b"")
    assert frame({"Connection": "Upgrade"}, method=method, code=code, version=version) == (NONE, 0, False, b"")


@pytest.mark.parametrize(("method", "code"), [("GET", 200), ("GET", 103), ("CONNECT", 103), ("CONNECT", 300)])
def test_what_does_not_switch_the_protocol(method: str, code: int) -> None:
    assert not switches_protocol(method, code)
    assert frame({}, method=method, code=code).keep_alive


def test_header_lines_without_framing() -> None:
    assert without_framing(b"") == b""
    lines = b"A: Content-Length: 1\r\nX-Content-Length: 2\r\n"
    assert without_framing(lines) == lines
    framing = b"content-length: 3\r\nTransfer-Encoding: chunked\r\nCONTENT-LENGTH: 4\r\n"
    assert without_framing(framing + lines) == without_framing(lines + framing) == lines


def test_framing_in_http_1_0() -> None:
    assert frame({"Content-Length": "5"}, version="HTTP/1.0") == (LENGTH, 5, True, KEEP_ALIVE_LINE)
    assert frame({"Content-Length": "5"}, version="HTTP/1.0", keep_alive=False) == (LENGTH, 5, False, b"")
    assert frame({}, version="HTTP/1.0") == (CLOSE, 0, False, b"")
    assert frame({}, version="HTTP/1.0", method="HEAD") == (NONE, 0, True, KEEP_ALIVE_LINE)


@pytest.mark.parametrize(
    ("connection", "keep_alive"),
    [
        ("close", False),
        ("Close", False),
        ("x, close", False),
        ("x ,\tclose ,y", False),
        ("keep-alive", True),
        ("closed", True),
        ("upgrade", True),
    ],
)
def test_what_connection_says(connection: str, keep_alive: bool) -> None:
    headers = {"Content-Length": "5", "Connection": connection}
    assert frame(headers) == (LENGTH, 5, keep_alive, b"")
    assert frame(headers, keep_alive=False) == (LENGTH, 5, False, b"")


def test_lines_about_the_connection() -> None:
    assert frame({"Content-Length": "5"}, keep_alive=False) == (LENGTH, 5, False, CLOSE_LINE)
    assert frame({}, keep_alive=False) == (CHUNKED, 0, False, CHUNKED_LINE + CLOSE_LINE)
    assert connection_line("HTTP/1.1", keep_alive=True) == b""
    assert connection_line("HTTP/1.1", keep_alive=False) == CLOSE_LINE
    assert connection_line("HTTP/1.0", keep_alive=True) == KEEP_ALIVE_LINE
    assert connection_line("HTTP/1.0", keep_alive=False) == b""


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "-5"},
        {"Content-Length": "+5"},
        {"Content-Length": "5_0"},
        {"Content-Length": ""},
        {"Content-Length": "5, 5"},
        {"Content-Length": "\xb2"},
        {"Transfer-Encoding": "gzip"},
        {"Transfer-Encoding": "gzip, chunked"},
        {"Transfer-Encoding": ""},
        {"Transfer-Encoding": "chunked", "Content-Length": "5"},
    ],
)
def test_headers_that_contradict_each_other(headers: dict[str, str]) -> None:
    for code in (200, 204):
        with pytest.raises(HTTPOutputError):
            frame(headers, code=code)


def test_two_lengths() -> None:
    headers = HTTPHeaders()
    headers.add("Content-Length", "5")
    headers.add("Content-Length", "5")
    with pytest.raises(HTTPOutputError):
        frame_response(method="GET", version="HTTP/1.1", keep_alive=True, code=200, headers=headers)


def test_http_1_0_knows_no_chunks() -> None:
    with pytest.raises(HTTPOutputError):
        frame({"Transfer-Encoding": "chunked"}, version="HTTP/1.0")


@pytest.mark.parametrize("code", [100, 101, 204])
def test_a_response_without_a_body_has_no_framing_fields(code: int) -> None:
    """RFC 9110, section 8.6, and RFC 9112, section 6.1: a peer that reads them waits for what never comes."""
    with pytest.raises(HTTPOutputError):
        frame({"Transfer-Encoding": "chunked"}, code=code)
    with pytest.raises(HTTPOutputError):
        frame({"Content-Length": "5"}, code=code)
    assert frame({"Content-Length": "0"}, code=code).framing is NONE
