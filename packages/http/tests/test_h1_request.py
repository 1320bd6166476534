from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import (
    BodyFraming,
    HeadReader,
    HTTPHeaders,
    HTTPOutputError,
    frame_request,
    request_head,
)

NONE, LENGTH, CHUNKED = BodyFraming.NONE, BodyFraming.LENGTH, BodyFraming.CHUNKED


@pytest.mark.parametrize(
    ("method", "headers", "length", "expected"),
    [
        ("GET", {}, 0, (NONE, 0, b"")),
        ("DELETE", {}, 0, (NONE, 0, b"")),
        # RFC 9110, section 8.6: the empty body of these is announced
        ("POST", {}, 0, (NONE, 0, b"Content-Length: 0\r\n")),
        ("PUT", {}, 0, (NONE, 0, b"Content-Length: 0\r\n")),
        ("PATCH", {}, 0, (NONE, 0, b"Content-Length: 0\r\n")),
        ("POST", {}, 5, (LENGTH, 5, b"Content-Length: 5\r\n")),
        ("GET", {}, 5, (LENGTH, 5, b"Content-Length: 5\r\n")),
        ("POST", {}, None, (CHUNKED, 0, b"Transfer-Encoding: chunked\r\n")),
        ("POST", {"Content-Length": "5"}, 5, (LENGTH, 5, b"")),
        ("POST", {"Content-Length": "5"}, None, (LENGTH, 5, b"")),
        ("POST", {"Content-Length": "0"}, 0, (NONE, 0, b"")),
        ("POST", {"Transfer-Encoding": "chunked"}, None, (CHUNKED, 0, b"")),
        ("POST", {"Transfer-Encoding": "Chunked"}, 5, (CHUNKED, 0, b"")),
    ],
)
def test_framing(
    method: str, headers: dict[str, str], length: int | None, expected: tuple[BodyFraming, int, bytes]
) -> None:
    assert frame_request(method=method, headers=HTTPHeaders(headers), length=length) == expected


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ({"Content-Length": "5"}, 4),
        ({"Content-Length": "5"}, 0),
        ({"Content-Length": "-5"}, None),
        ({"Content-Length": "+5"}, 5),
        ({"Content-Length": "5, 5"}, 5),
        ({"Content-Length": "\xb2"}, 2),
        ({"Content-Length": ""}, None),
        ({"Transfer-Encoding": "gzip"}, None),
        ({"Transfer-Encoding": "gzip, chunked"}, None),
        ({"Transfer-Encoding": "chunked", "Content-Length": "5"}, 5),
    ],
)
def test_framing_that_contradicts_itself(headers: dict[str, str], length: int | None) -> None:
    with pytest.raises(HTTPOutputError):
        frame_request(method="POST", headers=HTTPHeaders(headers), length=length)


def test_a_head() -> None:
    headers = HTTPHeaders({"Accept": "*/*", "Host": "a.example:80"})
    headers.add("X", "1")
    headers.add("X", "\xe9")
    assert request_head("GET", "/a?b", headers, b"Connection: close\r\n") == (
        b"GET /a?b HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\nX: 1\r\nX: \xe9\r\nConnection: close\r\n\r\n"
    )
    assert headers["Host"] == "a.example:80"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"),
        ("GET", "//a/%20;b?c=d&e='f'"),
        ("GET", "http://a.example/b?c"),
        ("GET", "HTTPS://a.example"),
        ("BREW", "/"),
        ("OPTIONS", "*"),
        ("CONNECT", "a.example:443"),
        ("CONNECT", "[::1]:443"),
    ],
)
def test_targets(method: str, target: str) -> None:
    head = request_head(method, target, HTTPHeaders({"Host": "a.example"}))
    assert head == f"{method} {target} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode()
    assert HeadReader().read(head).method == method


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", ""),
        ("GET", "a"),
        ("GET", "*"),
        ("GET", "a.example:443"),
        ("GET", "/a b"),
        ("GET", "/a\r\nX: y"),
        ("GET", "/a\n"),
        ("GET", "/a\0"),
        ("GET", "/a\x7f"),
        ("GET", "/\u017c"),
        ("GET", "/a#b"),
        ("GET", "ftp://a.example/"),
        ("GET", "http:///a"),
        ("GET", "http:// a.example/"),
        ("GET", "http://\r\n/"),
        ("CONNECT", "/"),
        ("CONNECT", "a.example"),
        ("CONNECT", "a.example:443\r\n"),
        ("", "/"),
        ("GET ", "/"),
        ("G\r\nT", "/"),
        ("G\u00c9T", "/"),
    ],
)
def test_what_can_not_be_a_request_line(method: str, target: str) -> None:
    with pytest.raises(HTTPOutputError):
        request_head(method, target, HTTPHeaders({"Host": "a.example"}))


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a,b", "u@a", "a:x"])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(HTTPOutputError):
        request_head("GET", "/", HTTPHeaders({"Host": host}))


def test_one_host() -> None:
    headers = HTTPHeaders()
    with pytest.raises(HTTPOutputError):
        request_head("GET", "/", headers)
    headers.add("Host", "a")
    headers.add("Host", "b")
    with pytest.raises(HTTPOutputError):
        request_head("GET", "/", headers)


def test_fields_that_can_not_be_sent() -> None:
    headers = HTTPHeaders({"Host": "a", "X": "\u017c"})
    with pytest.raises(HTTPOutputError):
        request_head("GET", "/", headers)


@given(
    st.sampled_from(["GET", "POST", "BREW"]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=20),
    st.dictionaries(
        st.from_regex(r"X-[a-z]{1,8}", fullmatch=True),
        st.from_regex(r"[!-~\xa0-\xff]([ -~]{0,10}[!-~])?", fullmatch=True),
        max_size=5,
    ),
    st.one_of(st.none(), st.integers(0, 10**9)),
)
def test_what_was_written_is_read_again(method: str, path: str, fields: dict[str, str], length: int | None) -> None:
    headers = HTTPHeaders({"Host": "a.example", **fields})
    framing, size, extra = frame_request(method=method, headers=headers, length=length)
    head = HeadReader().read(request_head(method, "/" + path, headers, extra))
    assert (head.method, head.uri, head.host) == (method, "/" + path, "a.example")
    assert (head.chunked, head.content_length) == (framing is CHUNKED, size)
    sent = head.headers
    for name in fields:
        assert sent.get_list(name) == headers.get_list(name)
