from __future__ import annotations

import datetime as dt
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import Timestamp, format_timestamp, parse_http_date

MOMENT = 784111777
WRITTEN = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    "ts",
    [
        MOMENT,
        MOMENT + 0.9,
        time.gmtime(MOMENT),
        (1994, 11, 6, 8, 49, 37, 6, 310, 0),
        dt.datetime(1994, 11, 6, 8, 49, 37),  # noqa: DTZ001 - taken as UTC
        dt.datetime(1994, 11, 6, 8, 49, 37, 999_999, tzinfo=dt.UTC),
        dt.datetime(1994, 11, 6, 10, 49, 37, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    ],
)
def test_each_kind_of_timestamp(ts: Timestamp) -> None:
    assert format_timestamp(ts) == WRITTEN


@pytest.mark.parametrize(
    ("ts", "expected"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-5, "Wed, 31 Dec 1969 23:59:55 GMT"),
        (951782400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (-62135596800, "Mon, 01 Jan 0001 00:00:00 GMT"),
    ],
)
def test_moments_at_the_edges(ts: int, expected: str) -> None:
    assert format_timestamp(ts) == expected
    assert parse_http_date(expected) == ts


@pytest.mark.parametrize("ts", [253402300800, -62135596801, 1e20, float("inf"), float("nan")])
def test_moments_that_have_no_date(ts: float) -> None:
    with pytest.raises(ValueError):
        format_timestamp(ts)


@pytest.mark.parametrize("ts", ["x", None, b"1", [1], dt.date(2020, 1, 1)])
def test_what_is_no_timestamp(ts: Any) -> None:
    with pytest.raises(TypeError):
        format_timestamp(ts)


@pytest.mark.parametrize(
    "text",
    [
        WRITTEN,
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Mon, 06 Nov 1994 08:49:37 GMT",  # the day of the week is not compared
    ],
)
def test_the_three_forms_of_dates(text: str) -> None:
    assert parse_http_date(text) == MOMENT


def test_a_leap_second_counts_as_the_second_before() -> None:
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == 1483228799


def test_years_of_two_digits_are_near() -> None:
    """RFC 9110 §5.6.7: more than 50 years ahead is the most recent year in the past with these digits."""
    this_year = time.gmtime().tm_year
    for year in range(this_year - 49, this_year + 51):
        text = f"Monday, 01-Jan-{year % 100:02} 00:00:00 GMT"
        parsed = parse_http_date(text)
        assert parsed is not None
        assert time.gmtime(parsed).tm_year == year


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "0", "784111777", WRITTEN + " ", " " + WRITTEN, WRITTEN + "\n", WRITTEN.lower(), WRITTEN[:-4]),
        *("Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000"),
        *("Sun, 06 Nov 94 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT"),
        *("Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT"),
        *("Sun, 06 Nov 0000 08:49:37 GMT", "Sun, 06 Xyz 1994 08:49:37 GMT", "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT"),
        "Sun Nov 6 08:49:37 1994",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_http_date(text) is None


@given(st.integers(min_value=-62135596800, max_value=253402300799))
def test_what_was_written_is_read_again(ts: int) -> None:
    assert parse_http_date(format_timestamp(ts)) == ts


@given(st.text())
def test_reading_never_raises(text: str) -> None:
    parse_http_date(text)
