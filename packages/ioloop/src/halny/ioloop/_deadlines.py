"""What a deadline is: how the timeouts of the loop, of locks and of queues are read."""

from __future__ import annotations

import datetime as dt
import time
from typing import cast

from .util import TimeoutError  # noqa: A004 - the name under which Halny raises it

Deadline = float | dt.timedelta | dt.datetime
"""A time by the clock of `time.time`, a timedelta from now, or a datetime (a naive one is local time)."""


def seconds_until(deadline: Deadline) -> float:
    """Return how many seconds there are left to a deadline; a negative number when it is past.

    Args:
        deadline: the deadline.

    Raises:
        TypeError: it is none: the fault of the caller.
    """
    if isinstance(deadline, dt.timedelta):
        return deadline.total_seconds()
    if isinstance(deadline, dt.datetime):
        return deadline.timestamp() - time.time()
    if isinstance(cast("object", deadline), (int, float)):
        return deadline - time.time()
    raise TypeError(f"Unsupported deadline {deadline!r}")


def timed_out() -> TimeoutError:
    """Return the exception of a timeout that has no better text."""
    return TimeoutError("Timeout")
