"""Byte ranges: what part of a representation a request asks for (RFC 9110 §14).

A range that makes no sense is no error: the request is answered as if it had none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_RANGES = 16
"""Ranges in one request. Players and readers of PDF ask for a few; many small ones cost more than the whole
(§14.2)."""

_RANGE = re.compile(r"[ \t]*+(?:([0-9]++)-([0-9]++)?|-([0-9]++))[ \t]*+").fullmatch

_BEYOND = 10**19
"""What stands for every number of more than 19 digits: no representation has so many bytes."""


class ByteRange(NamedTuple):
    """A part of a representation: from `start` up to, but without, `stop`."""

    start: int
    stop: int


def parse_byte_ranges(value: str, size: int, *, max_ranges: int = MAX_RANGES) -> list[ByteRange] | None:
    """Read a `Range` field, and fit it to a representation (RFC 9110 §14.1.2).

    Args:
        value: the value of the field, such as `bytes=0-499,-500`.
        size: bytes of the whole representation.
        max_ranges: more ranges than these are ignored.

    Returns:
        The ranges that can be satisfied, cut to the size, in the order they were asked for; an empty list if
        none can, which is answered with 416. None if the field must be ignored: another unit, malformed, or too many.
    """
    unit, equals, specs = value.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes" or specs.count(",") >= max_ranges:
        return None
    ranges: list[ByteRange] = []
    for spec in specs.split(","):
        match = _RANGE(spec)
        if match is None:
            return None
        first, last, suffix = match.groups()
        if suffix is not None:
            start, stop = max(0, size - _number(suffix)), size
        else:
            if last is not None and _is_less(last, first):
                return None  # not unsatisfiable but invalid
            start, stop = _number(first), size if last is None else min(_number(last) + 1, size)
        if start < stop:
            ranges.append(ByteRange(start, stop))
    return ranges


def _number(digits: str) -> int:
    """Return a number, or `_BEYOND` where it is larger; `int` alone takes quadratic time, and refuses long ones."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= 19 else _BEYOND


def _is_less(digits: str, others: str) -> bool:
    digits, others = digits.lstrip("0"), others.lstrip("0")
    return (len(digits), digits) < (len(others), others)


def format_content_range(part: ByteRange | None, size: int) -> str:
    """Write a `Content-Range` field (RFC 9110 §14.4).

    Args:
        part: what the response holds; None for the answer 416.
        size: bytes of the whole representation.

    Returns:
        Such as `bytes 0-499/1234`, or `bytes */1234`.
    """
    return f"bytes */{size}" if part is None else f"bytes {part.start}-{part.stop - 1}/{size}"
