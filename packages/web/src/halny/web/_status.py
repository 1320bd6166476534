"""What is a status, and what a program may mean by something else.

Numbers of every kind are taken, as programs give statuses from enumerations, arrays and other libraries. Text is not:
it compares with no number, so it would fail later, where nobody sees who has set it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, cast


def as_status(status_code: Any) -> int:
    """Return a status as a number that can be sent; a member of an `IntEnum`, such as `HTTPStatus`, stays one.

    Raises:
        TypeError: it is no number.
        ValueError: it has not three digits.
    """
    number = _as_number(status_code)
    if not 100 <= number <= 999:
        raise ValueError(f"a status is a number from 100 to 999, not {status_code!r}")
    return number


def find_fault(status_code: Any) -> str | None:
    """Return what is wrong with a status, or None for one that can be sent."""
    try:
        as_status(status_code)
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def show(status_code: Any) -> str:
    """Return a status, whether it can be sent or not, for people to read."""
    try:
        return f"{_as_number(status_code)}"
    except TypeError:
        return repr(status_code)


def _as_number(status_code: Any) -> int:
    if type(status_code) is int or isinstance(status_code, IntEnum):  # the latter is written as its number, too
        return status_code
    kind = cast("type[object]", type(status_code))
    try:
        if hasattr(kind, "__int__") or hasattr(kind, "__index__"):  # text has neither
            return int(status_code)
    except (TypeError, ValueError, OverflowError):
        pass  # an array of several numbers, none, or infinitely many
    raise TypeError(f"a status is a number from 100 to 999, not {status_code!r}")
