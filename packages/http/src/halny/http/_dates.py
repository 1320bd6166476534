"""Dates as HTTP writes them, and all that it may read.

One form is written, `Sun, 06 Nov 1994 08:49:37 GMT`; three are read (RFC 9110 §5.6.7). Times are seconds since 1970
in UTC. The locale has no say: names of days and months are tables, not `strftime`.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = dt.date(1970, 1, 1).toordinal()
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}

Timestamp: TypeAlias = float | tuple[int, ...] | time.struct_time | dt.datetime
"""A moment: seconds since 1970, a time tuple in UTC, or a datetime (UTC if it names no zone)."""


@cache
def _forms() -> tuple[re.Pattern[str], ...]:
    """The three forms, compiled when the first date is read: that takes as long as importing much of this package."""
    month = "(?P<month>" + "|".join(_MONTHS) + ")"
    time_of_day = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
    days = "|".join(_DAYS)
    return (
        re.compile(rf"(?:{days}), (?P<day>[0-9]{{2}}) {month} (?P<year>[0-9]{{4}}) {time_of_day} GMT"),
        re.compile(
            r"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday), "
            rf"(?P<day>[0-9]{{2}})-{month}-(?P<year>[0-9]{{2}}) {time_of_day} GMT"
        ),
        re.compile(rf"(?:{days}) {month} (?P<day>[0-9 ][0-9]) {time_of_day} (?P<year>[0-9]{{4}})"),
    )


def format_timestamp(ts: Timestamp) -> str:
    """Write a moment as HTTP does: `Sun, 27 Jan 2013 18:43:20 GMT` (RFC 9110 §5.6.7).

    Args:
        ts: seconds since 1970, a time tuple in UTC as `time.gmtime` makes it, or a `datetime`; one without a time zone
            is taken as UTC, not as local time.

    Returns:
        The date, in ASCII, whatever the locale.

    Raises:
        TypeError: `ts` is none of these.
        ValueError: the moment is outside the years 1 to 9999.
    """
    if isinstance(ts, (int, float)):
        seconds: float = ts
    elif isinstance(ts, (tuple, time.struct_time)):
        seconds = _seconds(ts)
    elif not isinstance(cast("object", ts), dt.datetime):
        raise TypeError(f"unknown timestamp type: {ts!r}")
    else:
        seconds = _seconds(ts.utctimetuple())
    try:
        year, month, day, hour, minute, second, weekday, _, _ = time.gmtime(seconds)
    except (OverflowError, OSError) as error:
        raise ValueError(f"the timestamp {ts!r} is out of range") from error
    if not 1 <= year <= 9999:
        raise ValueError(f"the timestamp {ts!r} is not in the years 1 to 9999")
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def parse_http_date(text: str) -> int | None:
    """Read a date in any of the three forms of HTTP (RFC 9110 §5.6.7): the reverse of `format_timestamp`.

    The name of the day is not compared with the date. A year of two digits that seems more than fifty years ahead is
    the most recent one in the past that ends in these digits.

    Args:
        text: the value of a `Date`, `If-Modified-Since`, `Last-Modified` … field.

    Returns:
        Seconds since 1970, or None if the text is no date; a recipient ignores such a field (RFC 9110 §13.1.3).
    """
    for form in _forms():
        match = form.fullmatch(text)
        if match is not None:
            break
    else:
        return None
    year, day = int(match["year"]), int(match["day"])
    if len(match["year"]) == 2:
        year = _full_year(year)
    # A leap second is legal in the grammar, and unknown to POSIX time: it counts as the second before it.
    second = min(int(match["second"]), 59) if match["second"] == "60" else int(match["second"])
    try:
        moment = dt.datetime(  # noqa: DTZ001 - they are taken as UTC
            year, _MONTH_NUMBERS[match["month"]], day, int(match["hour"]), int(match["minute"]), second
        )
    except ValueError:
        return None
    return _seconds(moment.timetuple())


def _seconds(fields: Sequence[int]) -> int:
    """Return the seconds since 1970 of a time tuple in UTC, whose day, hour, minute and second may be out of range."""
    year, month, day, hour, minute, second = fields[:6]
    days = dt.date(year, month, 1).toordinal() - _EPOCH + day - 1
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def _full_year(two_digits: int) -> int:
    this_year = time.gmtime().tm_year
    year = this_year - this_year % 100 + two_digits
    return year - 100 if year > this_year + 50 else year
