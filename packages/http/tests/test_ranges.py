from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import ByteRange, format_content_range, parse_byte_ranges

from .linear import LIMIT, SIZE, seconds


@pytest.mark.parametrize(
    ("value", "size", "expected"),
    [
        ("bytes=0-4", 10, [(0, 5)]),
        ("Bytes=0-4", 10, [(0, 5)]),
        ("bytes=5-", 10, [(5, 10)]),
        ("bytes=-3", 10, [(7, 10)]),
        ("bytes=-30", 10, [(0, 10)]),
        ("bytes=0-", 10, [(0, 10)]),
        ("bytes=9-9", 10, [(9, 10)]),
        ("bytes=5-100", 10, [(5, 10)]),
        ("bytes=0-0, -1", 10, [(0, 1), (9, 10)]),
        ("bytes=0-0,\t20-30 ,5-6", 10, [(0, 1), (5, 7)]),
        ("bytes=10-", 10, []),
        ("bytes=10-20", 10, []),
        ("bytes=-0", 10, []),
        ("bytes=0-", 0, []),
        ("bytes=-5", 0, []),
        ("bytes=9999999999999999999-", 10, []),
        ("bytes=99999999999999999999-", 10, []),  # RFC 9110 §15.5.17: beyond the end, however far
        ("bytes=" + "9" * 5000 + "-", 10, []),
        ("bytes=" + "9" * 5000 + "-" + "9" * 5000, 10, []),
        ("bytes=5-" + "9" * 5000, 10, [(5, 10)]),
        ("bytes=-" + "9" * 5000, 10, [(0, 10)]),
        ("bytes=" + "0" * 5000 + "2-" + "0" * 5000 + "4", 10, [(2, 5)]),
        ("bytes=-" + "0" * 5000 + "3", 10, [(7, 10)]),
    ],
)
def test_ranges(value: str, size: int, expected: list[tuple[int, int]]) -> None:
    assert parse_byte_ranges(value, size) == [ByteRange(*pair) for pair in expected]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=--1",
            "bytes=1--2",
            "bytes=5-4",
            "bytes=+1-2",
        ),
        *(
            "bytes=1_0-",
            "bytes=0x1-",
            "bytes=\u0661-",
            "bytes=1 -2",
            "bytes=0-1,",
            "bytes=,0-1",
            "bytes=0-1;2-3",
            "items=0-1",
        ),
        *("bytes:0-1", "bytes=0-1\n", "bytes=0-0" + ",0-0" * 16),
        *("bytes=" + "9" * 20 + "-" + "9" * 19 + "8" + ending for ending in ("", ",0-1")),
    ],
)
def test_ranges_that_are_ignored(value: str) -> None:
    assert parse_byte_ranges(value, 10) is None


def test_the_number_of_ranges_is_limited() -> None:
    """RFC 9110 §14.2: many ranges are a sign of an attack."""
    ranges = parse_byte_ranges("bytes=0-0" + ",0-0" * 15, 10)
    assert ranges is not None
    assert len(ranges) == 16
    assert parse_byte_ranges("bytes=0-0,1-1", 10, max_ranges=1) is None


def test_ranges_take_linear_time() -> None:
    for value in (
        "bytes=" + "0-0," * (SIZE // 4),
        "bytes=" + "9" * SIZE,
        "bytes=" + "9" * SIZE + "-" + "9" * SIZE,
        "bytes=-" + "0" * SIZE + "1",
        "bytes=" + " " * SIZE,
        "bytes=0-" + "\t" * SIZE + "x",
    ):
        assert seconds(lambda value=value: parse_byte_ranges(value, 10)) < LIMIT  # type: ignore[misc]


@pytest.mark.parametrize(
    ("part", "expected"), [(ByteRange(0, 5), "bytes 0-4/10"), (ByteRange(9, 10), "bytes 9-9/10"), (None, "bytes */10")]
)
def test_content_range(part: ByteRange | None, expected: str) -> None:
    assert format_content_range(part, 10) == expected


@given(st.integers(0, 50), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=5))
def test_ranges_select_what_slices_do(size: int, bounds: list[tuple[int, int]]) -> None:
    data = bytes(range(size))
    ordered = [(min(pair), max(pair)) for pair in bounds]
    ranges = parse_byte_ranges("bytes=" + ",".join(f"{first}-{last}" for first, last in ordered), size)
    assert ranges is not None
    expected = [data[first : last + 1] for first, last in ordered if data[first : last + 1]]
    assert [data[part.start : part.stop] for part in ranges] == expected


@given(st.text("bytes=0123456789-, "), st.integers(0, 100))
def test_every_range_lies_within(text: str, size: int) -> None:
    for part in parse_byte_ranges("bytes=" + text, size) or ():
        assert 0 <= part.start < part.stop <= size
