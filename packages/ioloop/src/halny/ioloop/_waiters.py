"""Futures that wait in a line, for locks and queues.

Strategy: what is released goes straight to the first in the line who still wants it, so nobody can overtake.
Those who gave up (timeouts, cancelled tasks) are skipped, and swept out when there are too many of them.

The delicate case is a task that is cancelled after it was given something and before it runs again: the
`Waiter` notices, in the task's own `await`, and gives it back.
"""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._deadlines import seconds_until, timed_out
from .concurrent import current_asyncio_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._deadlines import Deadline

_T = TypeVar("_T")
_F = TypeVar("_F", bound="asyncio.Future[Any]")

SWEEP_FROM = 64
"""How long a line gets before those who gave up are swept out; after a sweep, twice what is left, at least this.

Small enough that the dead futures of an idle lock are no memory worth naming, and doubling keeps sweeps rare.
"""


class Waiter(asyncio.Future[_T]):
    """A place in a line, for who may give back what he got."""

    __slots__ = ("give_back",)

    give_back: Callable[[_T], object]
    """What to do with a result that its task was cancelled too early to take."""

    def __await__(self) -> Generator[Any, None, _T]:
        # What asyncio.Future does, with one more question; in the same words, because delegating takes twice as long.
        if not self.done():
            self._asyncio_future_blocking = True
            try:
                yield self
            except BaseException:
                if self.done() and not self.cancelled() and self.exception() is None:
                    self.give_back(self.result())
                raise
        return self.result()

    __iter__ = __await__


def new_waiter(give_back: Callable[[_T], object]) -> Waiter[_T]:
    """Return a waiter of the running loop, or else of the thread's current one."""
    try:
        get_running_loop()
    except RuntimeError:
        waiter: Waiter[_T] = Waiter(loop=current_asyncio_loop())
    else:
        waiter = Waiter()  # takes the running loop, in half the time that passing it would take
    waiter.give_back = give_back
    return waiter


class Line(Generic[_F]):
    """The futures of those who wait for one lock or queue, first come first served."""

    __slots__ = ("_sweep_at", "waiters")

    waiters: deque[_F]
    """The futures, of which some may have given up. Empty when surely nobody waits: the question of every hot path."""

    def __init__(self) -> None:
        self.waiters = deque()
        self._sweep_at = SWEEP_FROM

    def __len__(self) -> int:
        return sum(not waiter.done() for waiter in self.waiters)

    def enter(self, waiter: _F, timeout: Deadline | None, give_up: Callable[[_F], object] | None = None) -> _F:
        """Put a future at the end of the line, and return it.

        Args:
            waiter: the future.
            timeout: until when it waits; a time that is past ends it at once.
            give_up: what to do with the future when the time has passed, instead of a `TimeoutError`.
        """
        if timeout is not None and not arm(waiter, timeout, fail if give_up is None else give_up):
            return waiter
        if len(self.waiters) >= self._sweep_at:
            self.waiters = deque(other for other in self.waiters if not other.done())
            self._sweep_at = max(SWEEP_FROM, 2 * len(self.waiters))
        self.waiters.append(waiter)
        return waiter

    def first(self) -> _F | None:
        """Take the first who still waits out of the line, and return his future; or `None`."""
        waiters = self.waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                return waiter
        return None


def arm(future: _F, timeout: Deadline, give_up: Callable[[_F], object]) -> bool:
    """End a future when a deadline passes, unless it is done by then; return whether there is time left at all."""
    delay = seconds_until(timeout)
    if delay <= 0:
        give_up(future)
        return False

    def expire() -> None:
        if not future.done():
            give_up(future)

    timer = future.get_loop().call_later(delay, expire)
    future.add_done_callback(lambda _: timer.cancel())
    return True


def fail(future: asyncio.Future[Any]) -> None:
    """End a future with a timeout."""
    future.set_exception(timed_out())
