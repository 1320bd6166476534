"""Text to values: what stands behind `=` on a command line, read as the type of its option.

Pure functions. Whatever can't be read is an `Error` that names the text and what was expected; nothing is guessed.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from ._errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable

    Kind = type[Any] | Callable[[str], Any]
    """What an option's text is read as: one of the known types, or any callable that takes the text."""

RANGE_LIMIT = 100_000
"""The most numbers that a range such as `1:1000` may stand for; a slip of the finger must not take all memory."""

_TRUE = frozenset({"true", "1", "t", "yes", "y", "on"})
_FALSE = frozenset({"false", "0", "f", "no", "n", "off"})

_DATETIME_FORMATS = (
    "%a %b %d %H:%M:%S %Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y%m%d %H:%M:%S",
    "%Y%m%d %H:%M",
    "%Y-%m-%d",
    "%Y%m%d",
    "%H:%M:%S",
    "%H:%M",
)

_UNITS = {
    "weeks": ("w", "week"),
    "days": ("d", "day"),
    "hours": ("h", "hour"),
    "minutes": ("m", "min", "minute"),
    "seconds": ("", "s", "sec", "second"),
    "milliseconds": ("ms", "millisecond"),
    "microseconds": ("us", "microsecond"),
}
_UNIT_OF = {name: unit for unit, names in _UNITS.items() for name in (unit, *names)}

# The number can't be read in two ways, so the time taken grows only with the length of the text.
_TIMEDELTA_PART = re.compile(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*([a-zA-Z]*)\s*")


def parse_value(text: str, kind: Kind) -> Any:
    """Return the value that a text stands for.

    Args:
        text: the text.
        kind: the option's type; any callable that takes a text will do.

    Raises:
        Error: the text is no such value: the fault of who typed it.
    """
    parse = _PARSERS.get(kind, kind)
    try:
        return parse(text)
    except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
        raise Error(f"expected {_name(kind)}, got {text!r}") from error


def parse_list(text: str, kind: Kind) -> list[Any]:
    """Return the values that a comma-separated text stands for; integers may be ranges, `1:3` for 1, 2, 3.

    Args:
        text: the text.
        kind: the type of each value.

    Raises:
        Error: a part of the text is no such value, or a range is reversed or too long.
    """
    values: list[Any] = []
    for part in text.split(","):
        if kind is int and ":" in part:
            values.extend(_parse_range(part))
        else:
            values.append(parse_value(part, kind))
    return values


def _parse_range(text: str) -> range:
    low, _, high = text.partition(":")
    first = parse_value(low, int)
    last = parse_value(high, int) if high else first
    if last < first:
        raise Error(f"expected a range from low to high, got {text!r}")
    if last - first >= RANGE_LIMIT:
        raise Error(f"expected a range of at most {RANGE_LIMIT} numbers, got {text!r}")
    return range(first, last + 1)


def _parse_bool(text: str) -> bool:
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValueError(text)


def _parse_datetime(text: str) -> dt.datetime:
    for known in _DATETIME_FORMATS:
        try:
            return dt.datetime.strptime(text, known)  # noqa: DTZ007 - what is typed without a zone has none
        except ValueError:
            continue
    raise Error(f"Unrecognized date/time format: {text!r}")


def _parse_timedelta(text: str) -> dt.timedelta:
    total = dt.timedelta()
    position = 0
    while position < len(text) or not position:
        match = _TIMEDELTA_PART.match(text, position)
        if match is None:
            raise ValueError(text)
        total += dt.timedelta(**{_unit(match[2]): float(match[1])})
        position = match.end()
    return total


def _unit(name: str) -> str:
    # Units are as they are written, but longer names don't mind capitals: "5 Minutes".
    unit = _UNIT_OF.get(name) or _UNIT_OF.get(name.lower())
    if unit is None:
        raise ValueError(name)
    return unit


_PARSERS: dict[Any, Callable[[str], Any]] = {
    bool: _parse_bool,
    dt.datetime: _parse_datetime,
    dt.timedelta: _parse_timedelta,
}

_NAMES: dict[Any, str] = {
    bool: "true or false",
    dt.timedelta: "a length of time, such as 1h 30m",
    int: "a whole number",
    float: "a number",
}


def _name(kind: Kind) -> str:
    return _NAMES.get(kind) or f"a value for {getattr(kind, '__name__', kind)!s}"
