"""Futures that wait in a line, for locks and queues.

Strategy: what is released goes straight to the first in the line who still wants it, so nobody can overtake.
Those who gave up (timeouts, cancelled tasks) are skipped, and swept out when there are too many of them.

The delicate case is a task that is cancelled after it was given something and before it runs again: the
`Waiter` notices, in the task's own `await`, and gives it back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._deadlines import seconds_until, timed_out
from .concurrent import current_asyncio_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._deadlines import Deadline

_T = TypeVar("_T")

SWEEP_FROM = 64
"""How long a line gets before those who gave up are swept out; after a sweep, twice what is left, at least this.

Small enough that the dead futures of an idle lock are no memory worth naming, and doubling keeps sweeps rare.
"""


class Waiter(asyncio.Future[_T]):
    """A place in a line."""

    give_back: Callable[[_T], object]
    """What to do with a result that its task was cancelled too early to take."""

    def __await__(self) -> Generator[Any, None, _T]:
        try:
            return (yield from super().__await__())
        except BaseException:
            if self.done() and not self.cancelled() and self.exception() is None:
                self.give_back(self.result())
            raise

    __iter__ = __await__


class Line(Generic[_T]):
    """The waiters of one lock or queue, first come first served."""

    __slots__ = ("_give_back", "_sweep_at", "_waiters")

    def __init__(self, give_back: Callable[[_T], object]) -> None:
        self._give_back = give_back
        self._waiters: deque[tuple[Waiter[_T], Any]] = deque()
        self._sweep_at = SWEEP_FROM

    def __len__(self) -> int:
        return sum(not waiter.done() for waiter, _ in self._waiters)

    def __bool__(self) -> bool:
        """Whether anybody waits; those at the front who gave up leave the line."""
        waiters = self._waiters
        while waiters:
            if not waiters[0][0].done():
                return True
            waiters.popleft()
        return False

    def join(
        self, timeout: Deadline | None, item: Any = None, on_timeout: Callable[[Waiter[_T]], object] | None = None
    ) -> Waiter[_T]:
        """Join the line, and return the future to wait for.

        Args:
            timeout: until when to wait; one that is past is a failure at once.
            item: something to keep with the waiter.
            on_timeout: what to do with the future when the time has passed, instead of raising `TimeoutError` from it.
        """
        loop = current_asyncio_loop()
        waiter: Waiter[_T] = Waiter(loop=loop)
        waiter.give_back = self._give_back
        if timeout is not None:
            give_up = fail if on_timeout is None else on_timeout
            delay = seconds_until(timeout)
            if delay <= 0:
                give_up(waiter)
                return waiter
            timer = loop.call_later(delay, give_up_if_pending, waiter, give_up)
            waiter.add_done_callback(lambda _: timer.cancel())
        if len(self._waiters) >= self._sweep_at:
            self._waiters = deque(entry for entry in self._waiters if not entry[0].done())
            self._sweep_at = max(SWEEP_FROM, 2 * len(self._waiters))
        self._waiters.append((waiter, item))
        return waiter

    def first(self) -> tuple[Waiter[_T], Any] | None:
        """Take the first who still waits out of the line, and return the waiter and its item; or `None`."""
        waiters = self._waiters
        while waiters:
            entry = waiters.popleft()
            if not entry[0].done():
                return entry
        return None


def fail(future: asyncio.Future[Any]) -> None:
    """End a future with a timeout."""
    future.set_exception(timed_out())


def give_up_if_pending(future: asyncio.Future[Any], give_up: Callable[[Any], object]) -> None:
    """Do what a timeout does, unless the future is done by now."""
    if not future.done():
        give_up(future)
