from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import HeadBuffer, HeadReader, HTTPRefusal, Limits, skip_empty_lines

from .linear import LIMIT, seconds
from .test_h1_reader import BAD, GOOD, seen

REST = b"POST /next HTTP/1.1\r\n\r\n\0\n"


@pytest.mark.parametrize("data", [*GOOD, b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n", b"HTTP/1.0 404\r\n\r\n"])
def test_a_head_cut_at_every_offset(data: bytes) -> None:
    for cut in range(len(data)):
        buffer = HeadBuffer()
        assert buffer.feed(data[:cut]) is None
        assert len(buffer) == cut
        assert buffer.feed(data[cut:] + REST) == (data, REST)


@pytest.mark.parametrize("data", GOOD)
def test_a_head_byte_by_byte_means_the_same(data: bytes) -> None:
    buffer = HeadBuffer()
    for place in range(len(data) - 1):
        assert buffer.feed(data[place : place + 1]) is None
    complete = buffer.feed(data[-1:])
    assert complete == (data, b"")
    assert complete is not None
    assert seen(HeadReader().read(complete[0])) == GOOD[data]


BAD_IN_PIECES = {name: case for name, case in BAD.items() if name != "nothing"}  # these are empty lines before a head


@pytest.mark.parametrize(("status", "data"), BAD_IN_PIECES.values(), ids=BAD_IN_PIECES)
def test_bad_heads_stay_bad_byte_by_byte(status: int, data: bytes) -> None:
    """The pieces are refused no later than the whole; a line end in front is an empty line, which may be skipped."""
    buffer = HeadBuffer()
    with pytest.raises(HTTPRefusal) as caught:
        for place in range(len(data)):
            complete = buffer.feed(data[place : place + 1])
            if complete is not None:
                HeadReader().read(complete[0])
                assert data.startswith(b"\r\n")
                raise HTTPRefusal(status, "what is left of it is fine")
    assert caught.value.status in (status, 400)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01",  # TLS
        b"\x00",
        b" ",
        b"\n",
        b"\t",
        b"<html>",
        b"{",
        b'"',
        b"GET\t",
        b"GET\r\n",
        b"GET:",
        b"M" * 65,
        b"\rG",
        b"\r\r",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r\nX: y\n",
        b"GET / HTTP/1.1\r\nX: y\r\n\n",
        b"\r\n\n",
        b"\r\n\0",
    ],
)
def test_what_can_not_become_a_head_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(HTTPRefusal) as caught:
        HeadBuffer().feed(data)
    assert caught.value.status == 400
    buffer = HeadBuffer()
    with pytest.raises(HTTPRefusal):
        for place in range(len(data)):
            buffer.feed(data[place : place + 1])


def test_nothing_is_no_beginning_of_anything_else() -> None:
    buffer = HeadBuffer()
    assert buffer.feed(b"") is None
    assert buffer.feed(b"GET / HTTP/1.1\r\n") is None
    assert buffer.feed(b"") is None
    assert buffer.feed(b"\r\n") == (b"GET / HTTP/1.1\r\n\r\n", b"")


HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_empty_lines_before_a_head(count: int) -> None:
    """RFC 9112, section 2.2."""
    data = b"\r\n" * count + HEAD
    assert skip_empty_lines(data) == HEAD
    assert skip_empty_lines(b"\r\n" * count) == b""
    for cut in range(len(data)):
        buffer = HeadBuffer()
        assert buffer.feed(data[:cut]) is None
        assert buffer.feed(data[cut:] + REST) == (HEAD, REST)
    buffer = HeadBuffer()
    results = [buffer.feed(data[place : place + 1]) for place in range(len(data))]
    assert results == [None] * (len(data) - 1) + [(HEAD, b"")]


def test_too_many_empty_lines() -> None:
    data = b"\r\n" * 5 + HEAD
    with pytest.raises(HTTPRefusal, match="more than 4 empty lines"):
        skip_empty_lines(data)
    for size in (1, 2, 3, len(data)):
        buffer = HeadBuffer()
        with pytest.raises(HTTPRefusal, match="more than 4 empty lines") as caught:
            for start in range(0, len(data), size):
                buffer.feed(data[start : start + size])
        assert caught.value.status == 400
    assert skip_empty_lines(data, Limits(max_empty_lines=5)) == HEAD


def test_no_empty_line_is_allowed_where_the_limit_says_so() -> None:
    with pytest.raises(HTTPRefusal):
        HeadBuffer(Limits(max_empty_lines=0)).feed(b"\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 2000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 2000, 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200, 431),
        (b"GET / HTTP/1.1\r\n" + b"X" * 2000, 431),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 3000])
def test_a_head_without_an_end_is_refused_at_the_limit(data: bytes, status: int, size: int) -> None:
    buffer = HeadBuffer(Limits(max_header_size=1000, max_target_size=500))
    fed = 0
    with pytest.raises(HTTPRefusal) as caught:
        for start in range(0, len(data), size):
            fed += len(data[start : start + size])
            buffer.feed(data[start : start + size])
    assert caught.value.status == status
    assert fed <= 1000 + size


def test_linear_time_byte_by_byte() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"\r" * 30_000

    def run() -> None:
        buffer = HeadBuffer()
        for place in range(len(data)):
            buffer.feed(data[place : place + 1])

    assert seconds(run) < 4 * LIMIT  # thirty thousand calls take half of this in themselves


@given(st.data())
def test_random_cuts(data: st.DataObject) -> None:
    head = data.draw(st.sampled_from(list(GOOD)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(head) - 1), max_size=5)))
    buffer = HeadBuffer()
    for start, end in zip([0, *cuts], cuts, strict=False):
        assert buffer.feed(head[start:end]) is None
    assert buffer.feed(head[(cuts or [0])[-1] :]) == (head, b"")


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_only_refusals_are_raised(pieces: list[bytes]) -> None:
    buffer = HeadBuffer(Limits(max_header_size=100))
    whole = b""
    for piece in pieces:
        whole += piece
        try:
            complete = buffer.feed(piece)
        except HTTPRefusal:
            return
        if complete is not None:
            head, rest = complete
            assert head + rest == whole.lstrip(b"\r\n") or whole.startswith(b"\r\n")
            assert head.find(b"\r\n\r\n") == len(head) - 4
            return
