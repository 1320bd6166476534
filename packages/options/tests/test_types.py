# ruff: noqa: DTZ001 - what is typed without a zone has none
from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.options import Error
from halny.options._types import RANGE_LIMIT, parse_list, parse_value


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (str, "", ""),
        (str, "a=b", "a=b"),
        (int, "-5", -5),
        (float, "1e3", 1000.0),
        (bool, "TRUE", True),
        (bool, "1", True),
        (bool, "t", True),
        (bool, "False", False),
        (bool, "0", False),
        (bool, "f", False),
        (bool, "no", False),
        (dt.datetime, "Tue Jan 02 03:04:05 2024", dt.datetime(2024, 1, 2, 3, 4, 5)),
        (dt.datetime, "2024-01-02 03:04:05", dt.datetime(2024, 1, 2, 3, 4, 5)),
        (dt.datetime, "2024-01-02 03:04", dt.datetime(2024, 1, 2, 3, 4)),
        (dt.datetime, "2024-01-02T03:04:05", dt.datetime(2024, 1, 2, 3, 4, 5)),
        (dt.datetime, "2024-01-02T03:04", dt.datetime(2024, 1, 2, 3, 4)),
        (dt.datetime, "20240102 03:04:05", dt.datetime(2024, 1, 2, 3, 4, 5)),
        (dt.datetime, "20240102 03:04", dt.datetime(2024, 1, 2, 3, 4)),
        (dt.datetime, "2024-01-02", dt.datetime(2024, 1, 2)),
        (dt.datetime, "20240102", dt.datetime(2024, 1, 2)),
        (dt.datetime, "03:04:05", dt.datetime(1900, 1, 1, 3, 4, 5)),
        (dt.datetime, "03:04", dt.datetime(1900, 1, 1, 3, 4)),
        (dt.timedelta, "5", dt.timedelta(seconds=5)),
        (dt.timedelta, "1h 30m", dt.timedelta(hours=1, minutes=30)),
        (dt.timedelta, "1h30m", dt.timedelta(hours=1, minutes=30)),
        (dt.timedelta, "1.5d", dt.timedelta(days=1.5)),
        (dt.timedelta, "-1s", dt.timedelta(seconds=-1)),
        (dt.timedelta, "10ms 5us", dt.timedelta(milliseconds=10, microseconds=5)),
        (dt.timedelta, "2weeks 1day", dt.timedelta(weeks=2, days=1)),
        (dt.timedelta, "1 min", dt.timedelta(minutes=1)),
        (dt.timedelta, " 5 Seconds ", dt.timedelta(seconds=5)),
        (dt.timedelta, ".5h", dt.timedelta(minutes=30)),
        (str.upper, "abc", "ABC"),
    ],
)  # fmt: skip
def test_what_a_text_stands_for(kind: Any, text: str, expected: Any) -> None:
    assert parse_value(text, kind) == expected


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, ""), (int, "1.5"), (int, "x"), (int, "0x10"), (float, "x"), (bool, ""), (bool, "maybe"), (bool, "2"),
        (dt.datetime, ""), (dt.datetime, "tomorrow"), (dt.datetime, "2024-13-01"), (dt.timedelta, ""),
        (dt.timedelta, "x"), (dt.timedelta, "1:30"), (dt.timedelta, "5 parsecs"), (dt.timedelta, "1h,2m"),
        (dt.timedelta, "h"), (dt.timedelta, "1e999d"), (dt.timedelta, "9999999999999d"),
    ],
)  # fmt: skip
def test_what_stands_for_nothing_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(Error, match=r"expected|Unrecognized"):
        parse_value(text, kind)


def test_lists_and_ranges() -> None:
    assert parse_list("a,b,", str) == ["a", "b", ""]
    assert parse_list("1,3:5,-1:1", int) == [1, 3, 4, 5, -1, 0, 1]
    assert parse_list("7:", int) == [7]
    assert parse_list("a:b", str) == ["a:b"]
    for bad in ("5:1", ":5", ":", "1:2:3", "", "1,,2"):
        with pytest.raises(Error, match="expected"):
            parse_list(bad, int)


def test_a_range_is_limited() -> None:
    assert len(parse_list(f"1:{RANGE_LIMIT}", int)) == RANGE_LIMIT
    with pytest.raises(Error, match=f"at most {RANGE_LIMIT} numbers"):
        parse_list(f"0:{RANGE_LIMIT}", int)


@given(st.text(), st.sampled_from([int, float, bool, dt.datetime, dt.timedelta]))
def test_any_text_is_a_value_or_an_error(text: str, kind: Any) -> None:
    try:
        value = parse_value(text, kind)
    except Error:
        return
    assert isinstance(value, kind)


@given(st.timedeltas(min_value=dt.timedelta(0), max_value=dt.timedelta(days=1000)))
def test_timedeltas_are_read_as_they_are_written(delta: dt.timedelta) -> None:
    assert parse_value(f"{delta.days}d {delta.seconds}s {delta.microseconds}us", dt.timedelta) == delta
