"""Reads as tables, cut at every offset: what arrives in how many pieces must not matter."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.iostream import UnsatisfiableReadError
from halny.iostream._reads import LARGE_READ, Exactly, Into, Read, Some, Until, UntilClose, UntilRegex, view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def run(read: Read, buffer: bytearray, pieces: Sequence[bytes]) -> Any:
    result = read.take(buffer) if buffer else None
    for number, piece in enumerate(pieces):
        if result is not None:
            buffer += b"".join(pieces[number:])
            break
        if piece:
            result = read.feed(piece, buffer)
    return result


CASES: list[tuple[Callable[[], Read], bytes, bytes | None, bytes]] = [
    (lambda: Until(b"\n", None), b"abc\ndef", b"abc\n", b"def"),
    (lambda: Until(b"\r\n\r\n", None), b"a\r\n\r\r\n\r\n\r\n", b"a\r\n\r\r\n\r\n", b"\r\n"),
    (lambda: Until(b"aab", 7), b"aaaaaabx", b"aaaaaab", b"x"),
    (lambda: Until(b"\n", None), b"abc", None, b"abc"),
    (lambda: UntilRegex(re.compile(rb"[0-9];"), None), b"a1;2;", b"a1;", b"2;"),
    (lambda: UntilRegex(re.compile(rb"$^x"), None), b"a1;2;", None, b"a1;2;"),
    (lambda: Exactly(3), b"abcdef", b"abc", b"def"),
    (lambda: Exactly(7), b"abcdef", None, b"abcdef"),
    (UntilClose, b"abc", None, b"abc"),
]


@pytest.mark.parametrize(("make", "data", "expected", "left"), CASES)
def test_every_cut(make: Callable[[], Read], data: bytes, expected: bytes | None, left: bytes) -> None:
    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1):
            for buffered in (b"", data[:first]):
                buffer = bytearray(buffered)
                pieces = [data[len(buffered) : first], data[first:second], data[second:]]
                read = make()
                assert run(read, buffer, pieces) == expected
                if expected is None:
                    read.give_back(buffer)
                assert buffer == left


def test_some_takes_what_there_is() -> None:
    buffer = bytearray(b"abc")
    assert Some(2).take(buffer) == b"ab"
    assert Some(2).take(buffer) == b"c"
    assert Some(2).take(buffer) is None
    assert Some(2).feed(b"abc", buffer) == b"ab"
    assert buffer == b"c"
    assert Some(9).feed(b"d", bytearray()) == b"d"


@pytest.mark.parametrize("data", [b"0123456789\n", b"0123456789", b"01234567890123"])
@pytest.mark.parametrize(
    "make", [lambda: Until(b"\n", 10), lambda: UntilRegex(re.compile(b"\n"), 10)], ids=["until", "regex"]
)
def test_max_bytes(make: Callable[[], Read], data: bytes) -> None:
    for cut in range(len(data)):
        buffer = bytearray()
        with pytest.raises(UnsatisfiableReadError, match="not found within 10 bytes"):
            run(make(), buffer, [data[:cut], data[cut:]])
        assert data.startswith(buffer)  # nothing is lost: the rest can still be read


def test_a_delimiter_that_ends_at_max_bytes() -> None:
    assert Until(b"\n", 3).feed(b"ab\n", bytearray()) == b"ab\n"


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=20), st.integers(0, 1000), st.integers(0, LARGE_READ * 2))
def test_large_reads_in_any_pieces(sizes: list[int], buffered: int, count: int) -> None:
    data = bytes(index * 7 % 251 for index in range(buffered + sum(sizes)))
    buffer, read, at = bytearray(data[:buffered]), Exactly(count + 1), buffered
    pieces: list[bytes] = []
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    result = run(read, buffer, pieces)
    if count + 1 <= len(data):
        assert result == data[: count + 1]
        assert buffer == data[count + 1 :]
    else:
        assert result is None
        read.give_back(buffer)
        assert buffer == data


def test_single_bytes_do_not_make_a_long_list() -> None:
    read = Exactly(LARGE_READ)
    buffer = bytearray()
    for _ in range(LARGE_READ - 1):
        assert read.feed(b"x", buffer) is None
    assert read._pieces is not None  # pyright: ignore[reportPrivateUsage]
    assert len(read._pieces) == 1  # pyright: ignore[reportPrivateUsage]
    assert read.feed(b"y", buffer) == b"x" * (LARGE_READ - 1) + b"y"


def test_into_fills_gives_back_and_refuses() -> None:
    target = bytearray(5)
    read = Into(view_of(target), partial=False)
    buffer = bytearray(b"ab")
    assert read.take(buffer) is None
    read.into[:2] = b"cd"
    assert read.received(2) is None
    read.give_back(buffer)
    assert buffer == b"abcd"
    assert Into(view_of(target), partial=True).feed(b"1234567", bytearray()) == 5
    with pytest.raises(TypeError, match="writable"):
        view_of(b"read-only")


def test_until_close_gets_everything_at_the_end() -> None:
    buffer = bytearray(b"abc")
    assert UntilClose().finish(buffer) == b"abc"
    assert not buffer
    assert Until(b"\n", None).finish(bytearray(b"abc")) is None


def test_a_delimiter_is_searched_in_linear_time() -> None:
    def seconds(count: int) -> float:
        read, buffer = Until(b"\r\n", None), bytearray(b"x")
        start = time.perf_counter()
        for _ in range(count):
            assert read.feed(b"\r", buffer) is None
        return time.perf_counter() - start

    assert seconds(200_000) < 40 * max(seconds(20_000), 0.005)
