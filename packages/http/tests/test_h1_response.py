from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import (
    BodyFraming,
    ChunkedBody,
    CloseBody,
    HTTPHeaders,
    HTTPInputError,
    LengthBody,
    Limits,
    ResponseHead,
    ResponseHeadReader,
    parse_response_start_line,
    response_body,
)

NONE, LENGTH, CHUNKED, CLOSE = BodyFraming.NONE, BodyFraming.LENGTH, BodyFraming.CHUNKED, BodyFraming.CLOSE

READER = ResponseHeadReader()


def head(line: bytes = b"HTTP/1.1 200 OK", *fields: bytes) -> bytes:
    return line + b"\r\n" + b"".join([field + b"\r\n" for field in fields]) + b"\r\n"


class Seen(NamedTuple):
    """All that a `ResponseHead` says."""

    code: int = 200
    reason: str = "OK"
    framing: BodyFraming = LENGTH
    content_length: int | None = None
    keep_alive: bool = True
    version: str = "HTTP/1.1"
    upgrade: str = ""
    is_interim: bool = False


def seen(response: ResponseHead) -> Seen:
    return Seen(*[getattr(response, name) for name in Seen._fields])


CHUNKED_FIELD = b"Transfer-Encoding: chunked"

# RFC 9112, section 6.3, in its order
GOOD: list[tuple[str, bytes, Seen]] = [
    # 1: whatever the fields say, these have no body
    ("HEAD", head(b"HTTP/1.1 200 OK", b"Content-Length: 5"), Seen(framing=NONE, content_length=5)),
    ("HEAD", head(b"HTTP/1.1 200 OK", CHUNKED_FIELD), Seen(framing=NONE)),
    ("HEAD", head(b"HTTP/1.1 200 OK"), Seen(framing=NONE)),
    ("GET", head(b"HTTP/1.1 304 Not Modified"), Seen(304, "Not Modified", NONE)),
    ("GET", head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 5"), Seen(304, "Not Modified", NONE, 5)),
    ("GET", head(b"HTTP/1.1 304 Not Modified", CHUNKED_FIELD), Seen(304, "Not Modified", NONE)),
    ("GET", head(b"HTTP/1.1 204 No Content"), Seen(204, "No Content", NONE)),
    ("GET", head(b"HTTP/1.1 204 No Content", b"Content-Length: 0"), Seen(204, "No Content", NONE, 0)),
    ("PUT", head(b"HTTP/1.1 100 Continue"), Seen(100, "Continue", NONE, is_interim=True)),
    ("GET", head(b"HTTP/1.1 103 Early Hints", b"Link: x"), Seen(103, "Early Hints", NONE, is_interim=True)),
    (
        "GET",
        head(b"HTTP/1.1 101 Switching", b"Upgrade: WebSocket", b"Connection: Upgrade"),
        Seen(101, "Switching", NONE, keep_alive=False, upgrade="websocket"),
    ),
    # 2: a tunnel
    ("CONNECT", head(b"HTTP/1.1 200 OK"), Seen(framing=NONE, keep_alive=False)),
    ("CONNECT", head(b"HTTP/1.1 299 OK", b"Content-Length: 5"), Seen(299, "OK", NONE, keep_alive=False)),
    ("CONNECT", head(b"HTTP/1.1 200 OK", CHUNKED_FIELD), Seen(framing=NONE, keep_alive=False)),
    ("CONNECT", head(b"HTTP/1.1 403 No", b"Content-Length: 5"), Seen(403, "No", LENGTH, 5)),
    # 4: chunks
    ("GET", head(b"HTTP/1.1 200 OK", CHUNKED_FIELD), Seen(framing=CHUNKED)),
    ("GET", head(b"HTTP/1.1 200 OK", b"transfer-encoding:\tCHUNKED "), Seen(framing=CHUNKED)),
    # 6: a length
    ("GET", head(b"HTTP/1.1 200 OK", b"Content-Length: 5"), Seen(content_length=5)),
    ("GET", head(b"HTTP/1.1 200 OK", b"Content-Length: 0"), Seen(framing=NONE, content_length=0)),
    ("GET", head(b"HTTP/1.1 205 Reset", b"content-length: 5"), Seen(205, "Reset", LENGTH, 5)),
    # 8: until the connection closes
    ("GET", head(), Seen(framing=CLOSE, keep_alive=False)),
    (
        "GET",
        head(b"HTTP/1.0 200 OK", b"Connection: keep-alive"),
        Seen(framing=CLOSE, keep_alive=False, version="HTTP/1.0"),
    ),
    # connections
    (
        "GET",
        head(b"HTTP/1.1 200 OK", b"Content-Length: 1", b"Connection: x, Close"),
        Seen(content_length=1, keep_alive=False),
    ),
    (
        "GET",
        head(b"HTTP/1.0 200 OK", b"Content-Length: 1"),
        Seen(content_length=1, keep_alive=False, version="HTTP/1.0"),
    ),
    (
        "GET",
        head(b"HTTP/1.0 200 OK", b"Content-Length: 1", b"Connection: keep-alive"),
        Seen(content_length=1, version="HTTP/1.0"),
    ),
    (
        "GET",
        head(b"HTTP/1.1 200 OK", b"Content-Length: 1", b"Upgrade: h2c", b"Connection: upgrade"),
        Seen(content_length=1, upgrade="h2c"),
    ),
    ("GET", head(b"HTTP/1.1 200 OK", b"Content-Length: 1", b"Upgrade: h2c"), Seen(content_length=1)),
    # reasons say nothing
    ("GET", head(b"HTTP/1.1 200 ", b"Content-Length: 1"), Seen(200, "", content_length=1)),
    ("GET", head(b"HTTP/1.1 200", b"Content-Length: 1"), Seen(200, "", content_length=1)),
    ("GET", head(b"HTTP/1.1 200 a\tb  \xe9", b"Content-Length: 1"), Seen(200, "a\tb  \xe9", content_length=1)),
    ("GET", head(b"HTTP/1.1 999 ?", b"Content-Length: 1"), Seen(999, "?", content_length=1)),
]


@pytest.mark.parametrize(("method", "data", "expected"), GOOD)
def test_good_heads(method: str, data: bytes, expected: Seen) -> None:
    response = READER.read(data, method)
    assert seen(response) == expected
    line, *fields = data[:-4].decode("latin-1").split("\r\n")
    assert HTTPHeaders.from_section(response.section) == HTTPHeaders.parse("\r\n".join(fields))
    if line.count(" ") > 1:
        assert parse_response_start_line(line) == (response.version, response.code, response.reason)


BAD: dict[str, bytes] = {
    # RFC 9112, section 4: the status line
    "HTTP/0.9": b"hello\r\n\r\n",
    "empty line in front": b"\r\n" + head(),
    "another protocol": head(b"ICY 200 OK"),
    "RTSP": head(b"RTSP/1.0 200 OK"),
    "HTTP/2.0": head(b"HTTP/2.0 200 OK"),
    "HTTP/1.2": head(b"HTTP/1.2 200 OK"),
    "lower-case version": head(b"http/1.1 200 OK"),
    "two spaces before the code": head(b"HTTP/1.1  200 OK"),
    "no code": head(b"HTTP/1.1 OK"),
    "code of two digits": head(b"HTTP/1.1 20 OK"),
    "code of four digits": head(b"HTTP/1.1 2000 OK"),
    "code below 100": head(b"HTTP/1.1 099 OK"),
    "code with a sign": head(b"HTTP/1.1 +20 OK"),
    "no space behind the code": head(b"HTTP/1.1 200OK"),
    "NUL in the reason": head(b"HTTP/1.1 200 O\0K"),
    "control character in the reason": head(b"HTTP/1.1 200 O\x01K"),
    "DEL in the reason": head(b"HTTP/1.1 200 O\x7fK"),
    "bare CR in the reason": head(b"HTTP/1.1 200 O\rK"),
    "bare LF behind the reason": b"HTTP/1.1 200 OK\nX: y\r\n\r\n",
    # section 5: field lines
    "bare LF": head(b"HTTP/1.1 200 OK", b"X: a\nY: b"),
    "bare CR": head(b"HTTP/1.1 200 OK", b"X: a\rY: b"),
    "NUL": head(b"HTTP/1.1 200 OK", b"X: a\0"),
    "obs-fold": head(b"HTTP/1.1 200 OK", b"X: a", b" b"),
    "space before the colon": head(b"HTTP/1.1 200 OK", b"Content-Length : 5"),
    "no colon": head(b"HTTP/1.1 200 OK", b"X"),
    "empty name": head(b"HTTP/1.1 200 OK", b": a"),
    # section 6: framing
    "length and coding": head(b"HTTP/1.1 200 OK", b"Content-Length: 5", CHUNKED_FIELD),
    "two lengths": head(b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Content-Length: 6"),
    "two equal lengths": head(b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Content-Length: 5"),
    "list of lengths": head(b"HTTP/1.1 200 OK", b"Content-Length: 5, 5"),
    "length with a sign": head(b"HTTP/1.1 200 OK", b"Content-Length: +5"),
    "length with an underscore": head(b"HTTP/1.1 200 OK", b"Content-Length: 5_0"),
    "huge length": head(b"HTTP/1.1 200 OK", b"Content-Length: 18446744073709551621"),
    "another coding": head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: gzip"),
    "two codings": head(b"HTTP/1.1 200 OK", b"Transfer-Encoding: gzip, chunked"),
    "coding twice": head(b"HTTP/1.1 200 OK", CHUNKED_FIELD, CHUNKED_FIELD),
    "coding in HTTP/1.0": head(b"HTTP/1.0 200 OK", CHUNKED_FIELD),
    "204 with a length": head(b"HTTP/1.1 204 No Content", b"Content-Length: 5"),
    "204 in chunks": head(b"HTTP/1.1 204 No Content", CHUNKED_FIELD),
    "100 with a length": head(b"HTTP/1.1 100 Continue", b"Content-Length: 5"),
    "103 in chunks": head(b"HTTP/1.1 103 Early Hints", CHUNKED_FIELD),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_bad_heads(data: bytes) -> None:
    with pytest.raises(HTTPInputError):
        READER.read(data, "GET")


@pytest.mark.parametrize(
    ("data", "is_good"),
    [
        (head(b"HTTP/1.1 200 OK", b"X: " + b"a" * 74), True),
        (head(b"HTTP/1.1 200 OK", b"X: " + b"a" * 75), False),
        (head(b"HTTP/1.1 200 OK", *[b"X: y"] * 5), True),
        (head(b"HTTP/1.1 200 OK", *[b"X: y"] * 6), False),
    ],
)
def test_limits(data: bytes, is_good: bool) -> None:
    reader = ResponseHeadReader(Limits(max_header_size=98, max_header_count=5))
    if is_good:
        assert reader.read(data, "GET").code == 200
    else:
        with pytest.raises(HTTPInputError, match="at most"):
            reader.read(data, "GET")


def test_what_reads_the_body() -> None:
    def body_of(*fields: bytes) -> object:
        return response_body(READER.read(head(b"HTTP/1.1 200 OK", *fields), "GET"), 10)

    assert isinstance(body_of(b"Content-Length: 10"), LengthBody)
    assert isinstance(body_of(CHUNKED_FIELD), ChunkedBody)
    assert isinstance(body_of(), CloseBody)
    assert body_of(b"Content-Length: 0") is None
    assert response_body(READER.read(head(), "HEAD"), 10) is None
    with pytest.raises(HTTPInputError, match="at most 10"):
        body_of(b"Content-Length: 11")


def test_the_body_has_its_limit() -> None:
    chunked = response_body(
        READER.read(head(b"HTTP/1.1 200 OK", CHUNKED_FIELD), "GET"), 2, Limits(max_chunk_line_size=8)
    )
    assert chunked is not None
    with pytest.raises(HTTPInputError):
        chunked.feed(b"3\r\nabc")
    chunked = response_body(
        READER.read(head(b"HTTP/1.1 200 OK", CHUNKED_FIELD), "GET"), 2, Limits(max_chunk_line_size=8)
    )
    assert chunked is not None
    with pytest.raises(HTTPInputError):
        chunked.feed(b"1;abcdefg")


def test_repr() -> None:
    assert repr(READER.read(head(), "GET")) == "<ResponseHead 200 OK HTTP/1.1 framing=CLOSE>"


PIECES = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b" ",
        b"\0",
        b":",
        b"200",
        b"HTTP/1.1 ",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ]
)


@given(st.sampled_from(GOOD), st.lists(st.tuples(st.integers(0, 80), PIECES), max_size=3), st.binary(max_size=3))
def test_whatever_is_accepted_has_one_meaning(
    case: tuple[str, bytes, Seen], insertions: list[tuple[int, bytes]], more: bytes
) -> None:
    method, data, _ = case
    for place, piece in insertions:
        data = data[:place] + piece + more + data[place:]
    end = data.find(b"\r\n\r\n")
    data = data[: end + 4]
    try:
        response = READER.read(data, method)
    except HTTPInputError:
        return
    headers = HTTPHeaders.from_section(response.section)
    assert data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n")
    if response.framing is LENGTH:
        assert headers.get_list("Content-Length") == [f"{response.content_length}"]
        assert "Transfer-Encoding" not in headers
    elif response.framing is CHUNKED:
        assert headers["Transfer-Encoding"].lower() == "chunked"
        assert "Content-Length" not in headers
    elif response.framing is CLOSE:
        assert not response.keep_alive
        assert "Content-Length" not in headers
