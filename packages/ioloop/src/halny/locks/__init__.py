"""Locks under the short name that users know: everything here is `halny.ioloop.locks`."""

from halny.ioloop.locks import (
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    Semaphore,
)

__all__ = [
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Lock",
    "Semaphore",
]
