from __future__ import annotations

import contextlib
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import HeadBuffer, HeadReader, HTTPHeaders, HTTPRefusal, HTTPServerRequest, Limits

from .linear import LIMIT, SIZE, seconds

HOST = b"Host: a.example\r\n"


def head(line: bytes = b"GET / HTTP/1.1", *fields: bytes, host: bytes = HOST) -> bytes:
    return line + b"\r\n" + host + b"".join([field + b"\r\n" for field in fields]) + b"\r\n"


def read(data: bytes, limits: Limits | None = None) -> HTTPServerRequest:
    return HeadReader(limits or Limits()).read(data)


def status_of(data: bytes, limits: Limits | None = None) -> int:
    with pytest.raises(HTTPRefusal) as caught:
        read(data, limits)
    return caught.value.status


class Seen(NamedTuple):
    """All that a head says."""

    method: str = "GET"
    uri: str = "/"
    version: str = "HTTP/1.1"
    host: str = "a.example"
    content_length: int = 0
    chunked: bool = False
    keep_alive: bool = True
    expect_continue: bool = False
    is_conditional: bool = False
    upgrade: str = ""


def seen(request: HTTPServerRequest) -> Seen:
    return Seen(*[getattr(request, name) for name in Seen._fields])


BROWSER = (
    b"GET /item/42?x=1 HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0\r\nAccept: text/html,*/*;q=0.8\r\nCookie: a=b; c=d\r\nX-Latin: \xe9\r\nEmpty:\r\n\r\n"
)

GOOD: dict[bytes, Seen] = {
    head(): Seen(),
    BROWSER: Seen(uri="/item/42?x=1"),
    head(b"HEAD /a%20b;c=d,e?f=g/h?i&j=[k] HTTP/1.1"): Seen("HEAD", "/a%20b;c=d,e?f=g/h?i&j=[k]"),
    head(b"GET //a/../b HTTP/1.1"): Seen(uri="//a/../b"),
    # Host
    head(host=b"hOST:a.example:80\r\n"): Seen(host="a.example:80"),
    head(host=b"Host: \t a.example \t\r\n"): Seen(),
    head(host=b"Host: [::1]:8080\r\n"): Seen(host="[::1]:8080"),
    b"GET / HTTP/1.1\r\nAccept: */*\r\nhost: A.Example\r\nX: y\r\n\r\n": Seen(host="A.Example"),
    # versions and connections
    b"GET / HTTP/1.0\r\n\r\n": Seen(version="HTTP/1.0", host="127.0.0.1", keep_alive=False),
    head(b"GET / HTTP/1.0"): Seen(version="HTTP/1.0", keep_alive=False),
    head(b"GET / HTTP/1.0", b"Connection: keep-alive"): Seen(version="HTTP/1.0"),
    head(b"GET / HTTP/1.0", b"Connection: Keep-Alive, x"): Seen(version="HTTP/1.0"),
    head(b"GET / HTTP/1.0", b"Connection: keep-alive, close"): Seen(version="HTTP/1.0", keep_alive=False),
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n": Seen(version="HTTP/1.0", host="127.0.0.1"),
    head(b"GET / HTTP/1.1", b"connection: Close"): Seen(keep_alive=False),
    head(b"GET / HTTP/1.1", b"Connection: keep-alive", b"Connection: x ,\tclose"): Seen(keep_alive=False),
    head(b"GET / HTTP/1.1", b"Connection: closed"): Seen(),
    head(b"GET / HTTP/1.1", b"Proxy-Connection: close"): Seen(),
    head(b"GET / HTTP/1.1", b"X-Connection: close"): Seen(),
    # framing
    head(b"POST / HTTP/1.1", b"Content-Length: 12"): Seen("POST", content_length=12),
    head(b"POST / HTTP/1.1", b"CONTENT-LENGTH:\t012 "): Seen("POST", content_length=12),
    head(b"POST / HTTP/1.1", b"Content-Length: 0"): Seen("POST"),
    head(b"POST / HTTP/1.1", b"Content-Length: 65536"): Seen("POST", content_length=65536),
    head(b"POST / HTTP/1.1", b"Content-Length: 65537"): Seen("POST", content_length=65537),
    head(b"POST / HTTP/1.1", b"Content-Length: 999999999999999999"): Seen("POST", content_length=10**18 - 1),
    head(b"POST / HTTP/1.0", b"Content-Length: 3"): Seen(
        "POST", version="HTTP/1.0", content_length=3, keep_alive=False
    ),
    head(b"GET / HTTP/1.1", b"Content-Length: 3"): Seen(content_length=3),
    head(b"PUT / HTTP/1.1", b"Transfer-Encoding: chunked"): Seen("PUT", chunked=True),
    head(b"PUT / HTTP/1.1", b"transfer-encoding:Chunked"): Seen("PUT", chunked=True),
    head(b"PUT / HTTP/1.1", b"Connection: close", b"Transfer-Encoding: chunked"): Seen(
        "PUT", chunked=True, keep_alive=False
    ),
    head(b"GET / HTTP/1.1", b"X-Content-Length: 3", b"Content-Lengths: 4", b"X: Content-Length: 3"): Seen(),
    # expectations (RFC 9110, section 10.1.1: not without a body, and not of HTTP/1.0)
    head(b"PUT / HTTP/1.1", b"Content-Length: 1", b"Expect: 100-Continue"): Seen(
        "PUT", content_length=1, expect_continue=True
    ),
    head(b"PUT / HTTP/1.1", b"Expect: 100-continue", b"Transfer-Encoding: chunked"): Seen(
        "PUT", chunked=True, expect_continue=True
    ),
    head(b"PUT / HTTP/1.1", b"Expect: 100-continue"): Seen("PUT"),
    head(b"PUT / HTTP/1.0", b"Content-Length: 1", b"Expect: 100-continue"): Seen(
        "PUT", version="HTTP/1.0", content_length=1, keep_alive=False
    ),
    # conditions
    head(b"GET / HTTP/1.1", b'If-None-Match: "a"'): Seen(is_conditional=True),
    head(b"GET / HTTP/1.1", b'if-none-match:"a"'): Seen(is_conditional=True),
    head(b"GET / HTTP/1.1", b'If-Match: "a"'): Seen(),
    # upgrades (RFC 9110, section 7.8): an offer, and the request is framed as ever
    head(b"GET / HTTP/1.1", b"Upgrade: WebSocket", b"Connection: keep-alive, Upgrade"): Seen(upgrade="websocket"),
    head(b"GET / HTTP/1.1", b"Upgrade: h2c", b"Upgrade: x", b"Connection: upgrade"): Seen(upgrade="h2c, x"),
    head(b"GET / HTTP/1.1", b"Upgrade: h2c"): Seen(),
    head(b"GET / HTTP/1.1", b"Connection: upgrade"): Seen(),
    head(b"GET / HTTP/1.1", b"Upgrade: h2c", b"Proxy-Connection: upgrade"): Seen(),
    head(b"POST / HTTP/1.1", b"Upgrade: h2c", b"Connection: Upgrade", b"Content-Length: 5"): Seen(
        "POST", content_length=5, upgrade="h2c"
    ),
    # methods are the application's business (RFC 9110, section 9.1), and case-sensitive
    head(b"BREW /pot HTTP/1.1"): Seen("BREW", "/pot"),
    head(b"get / HTTP/1.1"): Seen("get"),
    head(b"!#$%&'*+-.^_`|~09aZ / HTTP/1.1"): Seen("!#$%&'*+-.^_`|~09aZ"),
    head(b"M" * 64 + b" / HTTP/1.1"): Seen("M" * 64),
    **{head(m + b" / HTTP/1.1"): Seen(m.decode()) for m in (b"PRI", b"M-SEARCH", b"SOURCE", b"DESCRIBE", b"LOCK")},
    head(b"PRI / HTTP/1.1", b"Content-Length: 2"): Seen("PRI", content_length=2),
    # forms of the target (RFC 9112, section 3.2)
    head(b"OPTIONS * HTTP/1.1"): Seen("OPTIONS", "*"),
    head(b"OPTIONS http://a.example HTTP/1.1"): Seen("OPTIONS", "*"),
    head(b"CONNECT b.example:443 HTTP/1.1", host=b"Host: b.example:443\r\n"): Seen(
        "CONNECT", "b.example:443", host="b.example:443"
    ),
    head(b"CONNECT [::1]:443 HTTP/1.1"): Seen("CONNECT", "[::1]:443"),
    head(b"GET http://a.example/b?c HTTP/1.1"): Seen(uri="/b?c"),
    head(b"GET HTTPS://A.example/b@c:d HTTP/1.1"): Seen(uri="/b@c:d", host="A.example"),
    head(b"GET http://a.example HTTP/1.1"): Seen(),
    head(b"GET http://a.example?b/c HTTP/1.1"): Seen(uri="/?b/c"),
    head(b"GET http://a.example:81/ HTTP/1.1", host=b"Host: a.example:81\r\n"): Seen(host="a.example:81"),
    head(b"GET http://a.example:80/ HTTP/1.1"): Seen(host="a.example:80"),
    head(b"GET HTTPS://A.example/ HTTP/1.1", host=b"Host: a.example:443\r\n"): Seen(host="A.example"),
    b"GET http://c.example/ HTTP/1.0\r\n\r\n": Seen(version="HTTP/1.0", host="c.example", keep_alive=False),
}

BAD: dict[str, tuple[int, bytes]] = {
    # RFC 9112, section 3: the request line
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "HTTP/0.9, section 2.3 of RFC 9112: hidden behind a header": (400, b"GET /\r\nX: HTTP/1.1\r\n" + HOST + b"\r\n"),
    "bare LF in the target": (400, b"GET /\nX: HTTP/1.1\r\n" + HOST + b"\r\n"),
    "bare LF in an absolute target": (400, b"GET http://a.example/\nX: HTTP/1.1\r\n" + HOST + b"\r\n"),
    "bare LF in the target of CONNECT": (400, b"CONNECT a:1\nX: HTTP/1.1\r\n" + HOST + b"\r\n"),
    "bare LF in the target of OPTIONS": (400, b"OPTIONS *\nX: HTTP/1.1\r\n" + HOST + b"\r\n"),
    "bare LF behind the version": (400, b"GET / HTTP/1.1\n" + HOST + b"\r\n"),
    "bare CR in the target": (400, head(b"GET /a\rb HTTP/1.1")),
    "bare CR behind the version": (400, b"GET / HTTP/1.1\r" + HOST + b"\r\n"),
    "CR twice behind the version": (400, b"GET / HTTP/1.1\r\r\n" + HOST + b"\r\n"),
    "space in front": (400, head(b" GET / HTTP/1.1")),
    "empty line in front": (400, b"\r\n" + head()),
    "two spaces before the target": (400, head(b"GET  / HTTP/1.1")),
    "two spaces before the version": (400, head(b"GET /  HTTP/1.1")),
    "space behind the version": (400, head(b"GET / HTTP/1.1 ")),
    "tab for a space": (400, head(b"GET\t/ HTTP/1.1")),
    "space in the target": (400, head(b"GET /a b HTTP/1.1")),
    "no target": (400, head(b"GET HTTP/1.1")),
    "empty target": (400, head(b"GET  HTTP/1.1")),
    "nothing": (400, b"\r\n\r\n"),
    "one word": (400, b"GET\r\n\r\n"),
    # section 2.3: versions
    "lower-case version": (400, head(b"GET / http/1.1")),
    "version without a name": (400, head(b"GET / 1.1")),
    "version of many digits": (400, head(b"GET / HTTP/1.10")),
    "version with a sign": (400, head(b"GET / HTTP/+1.1")),
    "ICE": (400, head(b"SOURCE /x ICE/1.0")),
    "RTSP": (400, head(b"DESCRIBE /x RTSP/1.0")),
    "HTTP/0.9 by name": (505, head(b"GET / HTTP/0.9")),
    "HTTP/1.2": (505, head(b"GET / HTTP/1.2")),
    "HTTP/2.0": (505, head(b"GET / HTTP/2.0")),
    "preface of HTTP/2, RFC 9113, section 3.4": (505, b"PRI * HTTP/2.0\r\n\r\n"),
    # RFC 9110, section 9.1: methods are tokens
    "method with a separator": (400, head(b"G@T / HTTP/1.1")),
    "method with a colon": (400, head(b"GET: / HTTP/1.1")),
    "method with NUL": (400, head(b"G\0T / HTTP/1.1")),
    "method beyond ASCII": (400, head(b"G\xc9T / HTTP/1.1")),
    "method with a line end": (400, head(b"GET\r\nX: / HTTP/1.1")),
    "empty method": (400, head(b" / HTTP/1.1")),
    "endless method": (400, head(b"M" * 65 + b" / HTTP/1.1")),
    # RFC 9112, section 3.2: targets
    "relative target": (400, head(b"GET a HTTP/1.1")),
    "star with GET": (400, head(b"GET * HTTP/1.1")),
    "two stars": (400, head(b"OPTIONS ** HTTP/1.1")),
    "authority with GET": (400, head(b"GET a.example:80 HTTP/1.1")),
    "fragment": (400, head(b"GET /a#b HTTP/1.1")),
    "fragment in absolute form": (400, head(b"GET http://a.example/a#b HTTP/1.1")),
    "another scheme": (400, head(b"GET ftp://a.example/ HTTP/1.1")),
    "one slash": (400, head(b"GET http:/a.example/ HTTP/1.1")),
    "no authority": (400, head(b"GET http:///b HTTP/1.1")),
    "user information, RFC 9110, section 4.2.4": (400, head(b"GET http://u@a.example/ HTTP/1.1")),
    "malformed authority": (400, head(b"GET http://a.example:x/ HTTP/1.1")),
    "absolute form that names another host": (400, head(b"GET http://b.example/ HTTP/1.1")),
    "absolute form with the other scheme's port": (400, head(b"GET http://a.example:443/ HTTP/1.1")),
    "absolute form that names another port": (400, head(b"GET http://a.example:81/ HTTP/1.1")),
    "absolute form without Host": (400, head(b"GET http://a.example/ HTTP/1.1", host=b"")),
    "CONNECT in origin form": (400, head(b"CONNECT / HTTP/1.1")),
    "CONNECT without a port, RFC 9110, section 9.3.6": (400, head(b"CONNECT a.example HTTP/1.1")),
    "CONNECT with an empty port": (400, head(b"CONNECT a.example: HTTP/1.1")),
    "CONNECT with a path": (400, head(b"CONNECT a.example:1/ HTTP/1.1")),
    "NUL in the target": (400, head(b"GET /\0 HTTP/1.1")),
    "control character in the target": (400, head(b"GET /\x01 HTTP/1.1")),
    "tab in the target": (400, head(b"GET /\ta HTTP/1.1")),
    "DEL in the target": (400, head(b"GET /\x7f HTTP/1.1")),
    "bytes beyond ASCII in the target": (400, head(b"GET /\xc5\xbc HTTP/1.1")),
    # RFC 9110, section 7.2: Host
    "no Host": (400, head(host=b"")),
    "no Host, but other fields": (400, head(b"GET / HTTP/1.1", b"X-Host: a", b"Hosts: b", host=b"")),
    "Host twice": (400, head(b"GET / HTTP/1.1", b"Host: a.example")),
    "Host twice, not in front": (400, head(b"GET / HTTP/1.1", b"X: y", b"host: a", b"HOST: b", host=b"")),
    "Host twice in HTTP/1.0": (400, head(b"GET / HTTP/1.0", b"Host: b.example")),
    "empty Host": (400, head(host=b"Host: \r\n")),
    "two hosts in one": (400, head(host=b"Host: a.example, b.example\r\n")),
    "Host with user information": (400, head(host=b"Host: u@a.example\r\n")),
    "Host with a path": (400, head(host=b"Host: a.example/b\r\n")),
    "Host with a space": (400, head(host=b"Host: a b\r\n")),
    "Host with a port that is none": (400, head(host=b"Host: a.example:65536\r\n")),
    "Host beyond ASCII": (400, head(host=b"Host: \xe9\r\n")),
    "malformed IPv6 address": (400, head(host=b"Host: [::1\r\n")),
    "malformed Host in HTTP/1.0": (400, head(b"GET / HTTP/1.0", host=b"Host: a/b\r\n")),
    # RFC 9112, section 5, and RFC 9110, section 5: field lines
    "bare LF": (400, head(b"GET / HTTP/1.1", b"X: a\nY: b")),
    "bare LF before the empty line": (400, b"GET / HTTP/1.1\r\nHost: a\n\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "bare CR": (400, head(b"GET / HTTP/1.1", b"X: a\rY: b")),
    "bare CR before a length": (400, head(b"GET / HTTP/1.1", b"X: a\rContent-Length: 5")),
    "bare LF before a length": (400, head(b"GET / HTTP/1.1", b"X: a\nContent-Length: 5")),
    "CR twice": (400, head(b"GET / HTTP/1.1", b"X: a\r")),
    "NUL": (400, head(b"GET / HTTP/1.1", b"X: a\0b")),
    "VT": (400, head(b"GET / HTTP/1.1", b"X: a\x0bb")),
    "DEL": (400, head(b"GET / HTTP/1.1", b"X: a\x7fb")),
    "escape": (400, head(b"GET / HTTP/1.1", b"X: a\x1bb")),
    "obs-fold, section 5.2": (400, head(b"GET / HTTP/1.1", b"X: a", b" b: c")),
    "obs-fold with a tab": (400, head(b"GET / HTTP/1.1", b"X: a", b"\tb: c")),
    "obs-fold of nothing": (400, head(b"GET / HTTP/1.1", b"X: a", b" ")),
    "obs-fold of a length": (400, head(b"GET / HTTP/1.1", b"Content-Length:", b" 5")),
    "obs-fold before the first field": (400, head(host=b" X: y\r\n" + HOST)),
    "space before the colon, section 5.1": (400, head(b"GET / HTTP/1.1", b"X : a")),
    "space before the colon of a length": (400, head(b"GET / HTTP/1.1", b"Content-Length : 5")),
    "space before the colon of Host": (400, head(host=b"Host : a.example\r\n")),
    "tab before the colon": (400, head(b"GET / HTTP/1.1", b"X\t: a")),
    "VT before a coding": (400, head(b"GET / HTTP/1.1", b"Transfer-Encoding: \x0bchunked")),
    "VT before a name": (400, head(b"GET / HTTP/1.1", b"\x0bTransfer-Encoding: chunked")),
    "no colon": (400, head(b"GET / HTTP/1.1", b"X")),
    "empty name": (400, head(b"GET / HTTP/1.1", b": a")),
    "space in a name": (400, head(b"GET / HTTP/1.1", b"X y: a")),
    "separator in a name": (400, head(b"GET / HTTP/1.1", b"X(y): a")),
    "NUL in a name": (400, head(b"GET / HTTP/1.1", b"X\0: a")),
    "name beyond ASCII": (400, head(b"GET / HTTP/1.1", b"X\xe9: a")),
    # RFC 9110, section 8.6: Content-Length
    **{
        f"Content-Length {value!r}": (400, head(b"POST / HTTP/1.1", b"Content-Length: " + value))
        for value in (
            b"", b"+5", b"-5", b"5_0", b"5 0", b"5,5", b"5, 5", b"0x5", b"5.0", b"five", b"5;", b"\xb2", b"\xd9\xa5",
            b"1000000000000000000", b"18446744073709551621", b"9" * 100,
        )
    },
    "two lengths": (400, head(b"POST / HTTP/1.1", b"Content-Length: 5", b"Content-Length: 6")),
    "two equal lengths": (400, head(b"POST / HTTP/1.1", b"Content-Length: 5", b"content-length: 5")),
    "two lengths of nothing": (400, head(b"GET / HTTP/1.1", b"Content-Length: 0", b"Content-Length: 0")),
    # RFC 9112, section 6.1: Transfer-Encoding; GHSA-753j-mpmx-qq6g
    "length and coding": (400, head(b"POST / HTTP/1.1", b"Content-Length: 5", b"Transfer-Encoding: chunked")),
    "coding and length": (400, head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"Content-Length: 0")),
    **{
        f"Transfer-Encoding {value!r}": (400, head(b"POST / HTTP/1.1", b"Transfer-Encoding: " + value))
        for value in (
            b"", b"identity", b"xchunked", b"chunkedx", b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked,",
            b"chunked, chunked", b"chunked;a=b", b'"chunked"', b"chunked\xa0", b"ch\xc3\xbcnked",
        )
    },
    "coding twice": (400, head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
    "coding in two lines": (400, head(b"POST / HTTP/1.1", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked")),
    "coding in HTTP/1.0": (400, head(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked")),
    # RFC 9110, section 10.1.1: expectations
    "unknown expectation": (417, head(b"POST / HTTP/1.1", b"Content-Length: 5", b"Expect: 200-ok")),
    "two expectations": (417, head(b"POST / HTTP/1.1", b"Expect: 100-continue", b"Expect: 100-continue")),
    "empty expectation": (417, head(b"POST / HTTP/1.1", b"Expect:")),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), GOOD.items())
def test_good_heads(data: bytes, expected: Seen) -> None:
    request = read(data)
    assert seen(request) == expected
    lines = data[:-4].decode("latin-1").split("\r\n")[1:]
    assert request.headers == HTTPHeaders.parse("\r\n".join(lines))


def test_one_reader_for_all() -> None:
    """No head leaves the parser that all share in a state in which it would take the next one for something else."""
    reader = HeadReader()
    for before in (*GOOD, *[data for _, data in BAD.values()]):
        for data in (head(), head(b"POST / HTTP/1.1", b"Content-Length: 5"), head(b"GET / HTTP/1.1", b"X : y")):
            try:
                reader.read(before)
            except HTTPRefusal:
                assert before not in GOOD
            if data.endswith(b"X : y\r\n\r\n"):
                with pytest.raises(HTTPRefusal):
                    reader.read(data)
            else:
                assert seen(reader.read(data)) == GOOD[data] if data in GOOD else reader.read(data).content_length == 5


@pytest.mark.parametrize("first", [b"Proxy-Connection: close", b"Connection: close", b"Upgrade: x"])
def test_a_head_that_closes_does_not_poison_the_next(first: bytes) -> None:
    """llhttp keeps `Proxy-Connection: close` in mind, and refuses whatever comes after such a message."""
    reader = HeadReader()
    for _ in range(3):
        reader.read(head(b"GET / HTTP/1.1", first))
        assert seen(reader.read(head())) == Seen()


@pytest.mark.parametrize(("status", "data"), BAD.values(), ids=BAD)
def test_bad_heads(status: int, data: bytes) -> None:
    assert status_of(data) == status


@pytest.mark.parametrize(("status", "data"), BAD.values(), ids=BAD)
def test_bad_heads_stay_bad_among_other_fields(status: int, data: bytes) -> None:
    """What nearly every request has must not hide what one of them has besides."""
    usual = b"Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\nAccept: */*\r\n\r\n"
    assert status_of(data[:-2] + usual) == status


@pytest.mark.parametrize("data", GOOD)
@pytest.mark.parametrize(
    "more",
    [
        b"\n",
        b"\r",
        b"\n\r\n",
        b"\r\r\n\r\n",
        b"\n\n\n\n",
        b"\r\n",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"\0",
        b"x",
        head(),
        b"GET / HTTP/1.0\r\n\r\n",
        b"ab\r\n\r\n",
        b"GET /\r\n\r\n",
    ],
)
def test_what_is_more_than_a_head_is_refused(data: bytes, more: bytes) -> None:
    """The reader is given one head. What comes after it is never taken for a part of it, should it ever get that."""
    assert status_of(data + more) in (400, 417)


@pytest.mark.parametrize("data", GOOD)
def test_what_is_less_than_a_head_is_refused(data: bytes) -> None:
    for cut in range(len(data)):
        assert status_of(data[:cut]) in (400, 417, 505)


LIMITS = Limits(max_header_size=400, max_header_count=5, max_target_size=200)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 199), None),
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 200), 414),
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 1000), 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 4 + b"\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 5 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 100 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: %b\r\n\r\n" % (b"a" * 368), None),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: %b\r\n\r\n" % (b"a" * 369), 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n%b: a\r\n\r\n" % (b"a" * 400), 431),
    ],
)
def test_limits(data: bytes, status: int | None) -> None:
    if status is None:
        assert read(data, LIMITS).method == "GET"
    else:
        assert status_of(data, LIMITS) == status
    assert outcome(data, LIMITS, 1) == outcome(data, LIMITS, len(data))


def outcome(data: bytes, limits: Limits, size: int) -> Seen | int:
    """What becomes of a head that comes in pieces of `size` bytes."""
    buffer = HeadBuffer(limits)
    try:
        for start in range(0, len(data), size):
            complete = buffer.feed(data[start : start + size])
            if complete is not None:
                return seen(read(complete[0], limits))
    except HTTPRefusal as refusal:
        return refusal.status
    raise AssertionError("the head has no end")


def test_hosts_are_remembered_within_bounds() -> None:
    reader = HeadReader()
    for number in range(3000):
        host = f"h{number}.example"
        assert reader.read(head(host=b"Host: %b\r\n" % host.encode())).host == host
    long = b"a" * 1000
    for _ in range(2):
        assert reader.read(head(host=b"Host: %b\r\n" % long)).host == long.decode()
    for _ in range(2):
        with pytest.raises(HTTPRefusal):
            reader.read(head(host=b"Host: a/b\r\n"))


@pytest.mark.parametrize(
    "data",
    [
        head(b"GET / HTTP/1.1", b"X: " + b" " * SIZE + b"x"),
        head(b"GET / HTTP/1.1", b"Connection: " + b"," * SIZE),
        head(b"GET / HTTP/1.1", b"Connection: " + b" " * SIZE),
        head(b"GET / HTTP/1.1", *[b"Connection: x"] * 4000),
        head(b"GET / HTTP/1.1", *[b"Upgrade-X: y"] * 4000),
        head(b"GET / HTTP/1.1", b"C" * SIZE + b": y"),
        head(b"GET / HTTP/1.1", host=b"Host: " + b"a." * (SIZE // 2) + b"\r\n"),
        head(b"GET http://" + b"a" * SIZE + b"/ HTTP/1.1"),
        head(b"GET " + b"/?" * (SIZE // 2) + b" HTTP/1.1"),
    ],
    ids=lambda data: data[:30],
)
def test_linear_time(data: bytes) -> None:
    reader = HeadReader(Limits(max_header_size=10**6, max_header_count=10**6, max_target_size=10**6))

    def run() -> None:
        with contextlib.suppress(HTTPRefusal):
            reader.read(data)

    assert seconds(run) < LIMIT


# Properties

PIECES = st.sampled_from(
    [
        b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b"\x0b", b":", b",", b"#", b"/", b"*", b"\xff", b"0", b"GET ",
        b"HTTP/1.1", b"HTTP/1.0", b"Host: b\r\n", b"host:a\r\n", b"Content-Length: 3\r\n", b"connection: close\r\n",
        b"Connection: upgrade\r\n", b"Transfer-Encoding: chunked\r\n", b"upgrade: h2c\r\n",
        b"Expect: 100-continue\r\n", b"Proxy-Connection: close\r\n",
    ]
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good head with a few pieces put in, taken out or doubled, cut where a head ends."""
    data = draw(st.sampled_from(list(GOOD)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data)))
        piece = draw(st.one_of(PIECES, st.binary(max_size=3)))
        data = data[:place] + piece + data[place + draw(st.integers(0, 4)) :]
    data += b"\r\n\r\n"
    return data[: data.find(b"\r\n\r\n") + 4] if draw(st.integers(0, 9)) else data


SHARED = HeadReader()


@given(mutated())
def test_whatever_is_accepted_has_one_meaning(data: bytes) -> None:
    """One Host, one framing, no character that another reader could take for a line end."""
    try:
        request = SHARED.read(data)
    except HTTPRefusal:
        with pytest.raises(HTTPRefusal):
            read(data)
        return
    assert seen(request) == seen(read(data))
    assert data.find(b"\r\n\r\n") == len(data) - 4
    headers = request.headers
    assert len(headers.get_list("Host")) == 1 or (request.version == "HTTP/1.0" and "Host" not in headers)
    lengths, codings = headers.get_list("Content-Length"), headers.get_list("Transfer-Encoding")
    assert len(lengths) + len(codings) <= 1
    assert request.content_length == (int(lengths[0]) if lengths else 0)
    assert request.chunked is bool(codings)
    assert request.is_conditional is ("If-None-Match" in headers)
    assert data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n")
    assert "\0" not in str(headers)
    assert request.uri.isascii()
    assert request.uri.isprintable()
    assert " " not in request.uri
    # What an independent reader makes of the same lines is the same.
    lines = data[:-4].decode("latin-1").split("\r\n")[1:]
    assert HTTPHeaders.parse("\r\n".join(lines)) == headers


@given(st.binary(max_size=300))
def test_the_reader_raises_refusals_only(data: bytes) -> None:
    for whole in (data, data + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: " + data + b"\r\n\r\n", b"GET " + data):
        assert status_or_head(whole) in (0, 400, 414, 417, 431, 505)


def status_or_head(data: bytes) -> int:
    try:
        SHARED.read(data)
    except HTTPRefusal as refusal:
        return refusal.status
    return 0
