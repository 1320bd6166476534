from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import LAST_CHUNK, ChunkedBody, CloseBody, HTTPRefusal, LengthBody, Limits, chunk

from .linear import LIMIT, seconds

if TYPE_CHECKING:
    from halny.http import BodyReader

MAX = 1000


def drain(body: BodyReader, data: bytes) -> bytes:
    """Feed, and go on as long as the reader says that it has not come to all of it."""
    pieces = body.feed(data)
    while body.pending:
        pieces += body.feed(b"")
    assert all(pieces)
    return b"".join(pieces)


# Bodies with a length


@pytest.mark.parametrize("rest", [b"", b"x", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_length_cut_at_every_offset(rest: bytes) -> None:
    content = b"0123456789"
    data = content + rest
    for cut in range(len(data) + 1):
        body = LengthBody(len(content))
        first = body.feed(data[:cut])
        assert body.complete is (cut >= len(content))
        assert body.received == min(cut, len(content))
        if not body.complete:
            first += body.feed(data[cut:])
            assert body.rest == rest
        else:
            assert body.rest == rest[: cut - len(content)]
        assert b"".join(first) == content
        assert body.complete
        assert not body.pending


def test_a_length_copies_nothing() -> None:
    data = bytes(100)
    assert LengthBody(100).feed(data)[0] is data
    assert LengthBody(200).feed(data)[0] is data


# Bodies that end with the connection


def test_until_the_connection_closes() -> None:
    body = CloseBody(10)
    assert body.feed(b"abc") == [b"abc"]
    assert body.feed(b"") == []
    assert body.feed(b"\r\n\r\n") == [b"\r\n\r\n"]
    assert (body.complete, body.received, body.rest, body.pending) == (False, 7, b"", False)
    body.connection_closed()
    assert body.complete


def test_until_the_connection_closes_has_a_limit() -> None:
    body = CloseBody(10)
    body.feed(bytes(10))
    with pytest.raises(HTTPRefusal) as caught:
        body.feed(b"x")
    assert caught.value.status == 413


# Bodies in chunks: RFC 9112, section 7.1

GOOD: dict[bytes, bytes] = {
    b"0\r\n\r\n": b"",
    b"000\r\n\r\n": b"",
    b"3\r\nabc\r\n0\r\n\r\n": b"abc",
    b"A\r\n0123456789\r\n0\r\n\r\n": b"0123456789",
    b"a\r\n0123456789\r\n1\r\n\r\r\n0\r\n\r\n": b"0123456789\r",
    b"0000000000000003\r\nabc\r\n0\r\n\r\n": b"abc",
    b"2\r\n\r\n\r\n2\r\n0\r\r\n0\r\n\r\n": b"\r\n0\r",
    # section 7.1.1: extensions are read and dropped
    b"3;a\r\nabc\r\n0;b=c\r\n\r\n": b"abc",
    b'3 ; a=b;c="d e";f\r\nabc\r\n0 \t;\r\n\r\n': b"abc",
    b"3;\xe9\r\nabc\r\n0\r\n\r\n": b"abc",
    # section 7.1.2: so are trailers
    b"3\r\nabc\r\n0\r\nA: b\r\n\r\n": b"abc",
    b"0\r\nA: b\r\nContent-Length: 5\r\nTransfer-Encoding: gzip\r\nC:\r\n\r\n": b"",
}  # fmt: skip


@pytest.mark.parametrize(("data", "content"), GOOD.items())
@pytest.mark.parametrize("rest", [b"", b"\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_chunks_cut_at_every_offset(data: bytes, content: bytes, rest: bytes) -> None:
    whole = data + rest
    for cut in range(len(whole) + 1):
        body = ChunkedBody(MAX)
        got = drain(body, whole[:cut])
        assert body.complete is (cut >= len(data))
        if not body.complete:
            got += drain(body, whole[cut:])
            assert body.rest == rest
        else:
            assert body.rest == rest[: cut - len(data)]
        assert got == content
        assert body.complete
        assert body.received == len(content)


@pytest.mark.parametrize(("data", "content"), GOOD.items())
def test_chunks_byte_by_byte(data: bytes, content: bytes) -> None:
    body = ChunkedBody(MAX)
    got = b"".join([drain(body, data[place : place + 1]) for place in range(len(data))])
    assert got == content
    assert body.complete


BAD: dict[str, bytes] = {
    # GHSA-qppv-j76h-2rpx: sizes that a lenient reader of integers takes
    "sign": b"+5\r\nabcde\r\n",
    "minus": b"-5\r\nabcde\r\n",
    "prefix": b"0x5\r\nabcde\r\n",
    "underscore": b"1_0\r\n",
    "space in front": b" 5\r\nabcde\r\n",
    "space behind": b"5 \r\nabcde\r\n",
    "tab behind": b"5\t\r\nabcde\r\n",
    "VT behind": b"5\x0b\r\nabcde\r\n",
    "letters": b"g\r\n",
    "fraction": b"5.0\r\nabcde\r\n",
    "digits beyond ASCII": "\u0665\r\nabcde\r\n".encode(),
    "no size": b"\r\nabcde\r\n",
    "no size, but an extension": b";a=b\r\n",
    "seventeen digits": b"00000000000000005\r\nabcde\r\n",
    "two sizes": b"5,5\r\nabcde\r\n",
    # section 2.2: line ends are CRLF
    "bare LF behind the size": b"5\nabcde\r\n",
    "bare CR behind the size": b"5\rabcde\r\n",
    "bare LF in an extension": b"5;a\nb\r\nabcde\r\n",
    "bare CR in an extension": b"5;a\rb\r\nabcde\r\n",
    "NUL in an extension": b"5;a\0\r\nabcde\r\n",
    "bare LF behind the content": b"5\r\nabcde\n0\r\n\r\n",
    "bare CR behind the content": b"5\r\nabcde\r0\r\n\r\n",
    "content longer than its size": b"5\r\nabcdef\r\n0\r\n\r\n",
    "content shorter than its size": b"6\r\nabcde\r\n0\r\n\r\n",
    "no line end behind the content": b"5\r\nabcde0\r\n\r\n",
    # section 7.1.2: trailers are field lines
    "trailer without a colon": b"0\r\nabc\r\n\r\n",
    "trailer without a name": b"0\r\n: abc\r\n\r\n",
    "space before the colon of a trailer": b"0\r\nA : b\r\n\r\n",
    "folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "bare LF in a trailer": b"0\r\nA: b\nC: d\r\n\r\n",
    "bare CR in a trailer": b"0\r\nA: b\rC: d\r\n\r\n",
    "NUL in a trailer": b"0\r\nA: \0\r\n\r\n",
    "bare LF for the empty line": b"0\r\n\nGET / HTTP/1.1\r\n\r\n",
    "the next message for the empty line": b"0\r\nGET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_bad_chunks(data: bytes) -> None:
    with pytest.raises(HTTPRefusal) as caught:
        drain(ChunkedBody(MAX), data)
    assert caught.value.status == 400
    for cut in range(1, len(data)):
        body = ChunkedBody(MAX)
        with pytest.raises(HTTPRefusal) as caught:
            drain(body, data[:cut])
            drain(body, data[cut:])
        assert caught.value.status == 400


@pytest.mark.parametrize("data", [b"3e9\r\n", b"ffffffffffffffff\r\n", b"1\r\na\r\n3e8\r\n"])
def test_more_than_the_body_may_have(data: bytes) -> None:
    """Refused when the size is read, not when so much has come; no size overflows anything."""
    with pytest.raises(HTTPRefusal) as caught:
        drain(ChunkedBody(MAX), data)
    assert caught.value.status == 413


def test_as_much_as_the_body_may_have() -> None:
    data = chunk(bytes(MAX // 2)) * 2 + LAST_CHUNK
    assert drain(ChunkedBody(MAX), data) == bytes(MAX)


LIMITS = Limits(max_chunk_line_size=20, max_trailer_size=30, max_chunk_extensions_size=40)


@pytest.mark.parametrize(
    ("data", "is_good"),
    [
        (b"1;" + b"a" * 16 + b"\r\nx\r\n0\r\n\r\n", True),
        (b"1;" + b"a" * 17 + b"\r\nx\r\n0\r\n\r\n", False),
        (b"1;" + b"a" * 100, False),
        (b"0\r\n" + b"A:" + b"a" * 26 + b"\r\n\r\n", True),
        (b"0\r\n" + b"A:" + b"a" * 27 + b"\r\n\r\n", False),
        (b"0\r\n" + b"A:" + b"a" * 100, False),
        (b"0\r\n" + b"A: b\r\n" * 5 + b"\r\n", True),
        (b"0\r\n" + b"A: b\r\n" * 6 + b"\r\n", False),
        # extensions in all: forty bytes more than there is content
        (b"1;23456789\r\nx\r\n" * 4 + b"0\r\n\r\n", True),
        (b"1;23456789\r\nx\r\n" * 6 + b"0\r\n\r\n", False),
        (b"9;23456789\r\n123456789\r\n" * 40 + b"0\r\n\r\n", True),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_limits(data: bytes, is_good: bool, size: int) -> None:
    body = ChunkedBody(MAX, LIMITS)
    if is_good:
        for start in range(0, len(data), size):
            drain(body, data[start : start + size])
        assert body.complete
    else:
        with pytest.raises(HTTPRefusal) as caught:
            for start in range(0, len(data), size):
                drain(body, data[start : start + size])
        assert caught.value.status == 400


def test_a_flood_of_tiny_chunks_is_read_in_turns() -> None:
    """One call does a bounded amount of work, so other connections get their turn."""
    count = 5000
    data = b"1\r\na\r\n" * count + LAST_CHUNK + b"rest"
    body = ChunkedBody(10 * count)
    pieces = body.feed(data)
    calls = 1
    assert len(pieces) < 1000
    while body.pending:
        assert not body.complete
        more = body.feed(b"")
        assert 0 < len(more) < 1000 or body.complete
        pieces += more
        calls += 1
    assert calls >= count // 1000
    assert b"".join(pieces) == b"a" * count
    assert body.rest == b"rest"


def test_bytes_that_come_while_others_are_pending_are_read_behind_them() -> None:
    body = ChunkedBody(10**6)
    got = b"".join(body.feed(b"1\r\na\r\n" * 2000))
    assert body.pending
    got += drain(body, b"1\r\nb\r\n" + LAST_CHUNK)
    assert got == b"a" * 2000 + b"b"
    assert body.complete


def test_a_flood_of_tiny_chunks_takes_linear_time() -> None:
    data = b"1\r\na\r\n" * 10_000 + LAST_CHUNK
    assert seconds(lambda: drain(ChunkedBody(10**6), data)) < LIMIT


def test_a_chunk_copies_no_more_than_it_must() -> None:
    body = ChunkedBody(10**6)
    body.feed(b"1000\r\n")
    data = bytes(4096)
    assert body.feed(data)[0] is data


# Properties

CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")


def reference(data: bytes) -> tuple[bytes, bytes] | None:
    """Content and rest of a whole chunked body without extensions and trailers, or None for anything else."""
    content = b""
    while match := CHUNK.match(data):
        size = int(match[1], 16)
        data = data[match.end() :]
        if not data.startswith(b"\r\n", size):
            return None
        content += data[:size]
        data = data[size + 2 :]
        if not size:
            return content, data
    return None


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.binary(max_size=10), st.data())
def test_what_was_framed_is_read_again(parts: list[bytes], rest: bytes, data: st.DataObject) -> None:
    framed = b"".join(map(chunk, parts)) + LAST_CHUNK + rest
    cuts = sorted(data.draw(st.lists(st.integers(0, len(framed)), max_size=6)))
    body = ChunkedBody(10_000)
    got = after = b""
    for start, end in zip([0, *cuts], [*cuts, len(framed)], strict=True):
        if body.complete:
            after += framed[start:end]
        else:
            got += drain(body, framed[start:end])
            after = body.rest
    assert (got, after) == (b"".join(parts), rest)


@given(st.lists(st.sampled_from([b"0", b"1", b"2", b"a", b"\r\n", b"\r", b"\n", b";", b" ", b"x"]), max_size=30))
def test_the_reader_agrees_with_a_simple_one(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    expected = reference(data)
    body = ChunkedBody(10_000)
    try:
        got = drain(body, data)
    except HTTPRefusal:
        assert expected is None
        return
    if expected is not None:
        assert body.complete
        assert (got, body.rest) == expected
    one_by_one = ChunkedBody(10_000)
    again = b"".join([drain(one_by_one, bytes([byte])) for byte in data[: len(data) - len(body.rest)]])
    assert (again, one_by_one.complete) == (got, body.complete)
