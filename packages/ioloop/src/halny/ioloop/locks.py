"""Locks for coroutines: `Condition`, `Event`, `Semaphore`, `BoundedSemaphore`, `Lock`.

They look like their namesakes of `threading` and `asyncio`, except that every wait can have a deadline and that
`acquire` and `wait` return futures. They are for one event loop and not for threads.

```python
lock = locks.Lock()

async def worker():
    async with lock:
        ...
    with await lock.acquire(timeout=timedelta(seconds=1)):
        ...
```

A deadline is a time as `IOLoop.time` gives it, a timedelta from now, or a datetime. One that is past, such as 0,
tries once and does not wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._waiters import Line, arm, fail, new_waiter
from .concurrent import new_future

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from ._deadlines import Deadline
    from ._waiters import Waiter

__all__ = ["BoundedSemaphore", "Condition", "Event", "Lock", "Semaphore"]


class Condition:
    """Lets coroutines wait until they are notified. Unlike `threading.Condition`, it needs no lock."""

    def __init__(self) -> None:
        self._line: Line[Waiter[bool]] = Line()

    def __repr__(self) -> str:
        waiting = len(self._line)
        return f"<{type(self).__name__} waiters[{waiting}]>" if waiting else f"<{type(self).__name__}>"

    def wait(self, timeout: Deadline | None = None) -> asyncio.Future[bool]:
        """Wait for a notification. The result is `False` when the deadline has passed before it, else `True`.

        Args:
            timeout: until when to wait; `None` waits forever.
        """
        return self._line.enter(new_waiter(self._pass_on), timeout, lambda waiter: waiter.set_result(False))

    def notify(self, n: int = 1) -> None:
        """Wake those who have waited longest.

        Args:
            n: how many of them.
        """
        while n > 0 and (waiter := self._line.first()) is not None:
            waiter.set_result(True)
            n -= 1

    def _pass_on(self, notified: bool) -> None:
        if notified:
            self.notify()

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(len(self._line))


class Event:
    """Lets coroutines wait until a flag is set; who comes later does not wait at all."""

    def __init__(self) -> None:
        self._value = False
        self._waiting: dict[asyncio.Future[None], None] = {}  # an ordered set: they wake in the order they came

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'set' if self._value else 'clear'}>"

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return self._value

    def set(self) -> None:
        """Set the flag, and wake all who wait."""
        if not self._value:
            self._value = True
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)

    def clear(self) -> None:
        """Take the flag back: from now on, `wait` waits."""
        self._value = False

    def wait(self, timeout: Deadline | None = None) -> asyncio.Future[None]:
        """Wait until the flag is set.

        Args:
            timeout: until when to wait; `None` waits forever.

        Raises:
            TimeoutError: (from the future) the deadline has passed.
        """
        future: asyncio.Future[None] = new_future()
        if self._value:
            future.set_result(None)
            return future
        if timeout is not None and not arm(future, timeout, fail):
            return future
        self._waiting[future] = None
        future.add_done_callback(self._waiting.pop)
        return future


class _Releasing:
    """What `acquire` gives: leaving its `with` block releases."""

    __slots__ = ("_lock",)

    def __init__(self, lock: Semaphore | Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        pass

    def __exit__(self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._lock.release()


def _wait_in(
    line: Line[asyncio.Future[AbstractContextManager[None]]], timeout: Deadline | None, release: Callable[[], None]
) -> asyncio.Future[AbstractContextManager[None]]:
    return line.enter(new_waiter(lambda _: release()), timeout)


async def _let_in(line: Line[asyncio.Future[AbstractContextManager[None]]], release: Callable[[], None]) -> None:
    future: asyncio.Future[AbstractContextManager[None]] = new_future()
    line.enter(future, None)
    try:
        await future
    except BaseException:
        # It was let in, and cancelled before it could run; or it was closed, and must leave the line.
        if not future.cancel() and not future.cancelled():
            release()
        raise


class Semaphore:
    """Lets a number of coroutines in at a time; the others wait in line."""

    def __init__(self, value: int = 1) -> None:
        """Make a semaphore.

        Args:
            value: how many it lets in.

        Raises:
            ValueError: `value` is negative.
        """
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._value = value
        self._line: Line[asyncio.Future[AbstractContextManager[None]]] = Line()
        self._releasing = _Releasing(self)

    def __repr__(self) -> str:
        state = f"unlocked,value:{self._value}" if self._value else "locked"
        waiting = len(self._line)
        return f"<{type(self).__name__} [{state}{f',waiters:{waiting}' if waiting else ''}]>"

    def release(self) -> None:
        """Let one more in: the reverse of `acquire`."""
        waiter = self._line.first() if self._line.waiters else None
        if waiter is None:
            self._value += 1
        else:
            waiter.set_result(self._releasing)

    def acquire(self, timeout: Deadline | None = None) -> asyncio.Future[AbstractContextManager[None]]:
        """Wait to be let in. The result is a context manager that releases at the end of its `with` block.

        Args:
            timeout: until when to wait; `None` waits forever.

        Raises:
            TimeoutError: (from the future) the deadline has passed.
        """
        if self._value > 0:
            self._value -= 1
            future = new_future()
            future.set_result(self._releasing)
            return future
        return _wait_in(self._line, timeout, self.release)

    def __enter__(self) -> None:
        raise RuntimeError(f"use 'async with' instead of 'with' for {type(self).__name__}")

    def __exit__(
        self, typ: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__enter__()

    async def __aenter__(self) -> None:
        if self._value > 0:
            self._value -= 1
        else:
            await _let_in(self._line, self.release)

    async def __aexit__(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.release()


class BoundedSemaphore(Semaphore):
    """A semaphore that refuses to be released more often than it was acquired."""

    def __init__(self, value: int = 1) -> None:
        """Make a semaphore.

        Args:
            value: how many it lets in.

        Raises:
            ValueError: `value` is negative.
        """
        super().__init__(value)
        self._initial_value = value

    def release(self) -> None:
        """Let one more in: the reverse of `acquire`.

        Raises:
            ValueError: it was not acquired.
        """
        if self._value >= self._initial_value:
            raise ValueError("Semaphore released too many times")
        super().release()


class Lock:
    """Lets one coroutine in at a time. It belongs to nobody: any coroutine may release it."""

    def __init__(self) -> None:
        self._locked = False
        self._line: Line[asyncio.Future[AbstractContextManager[None]]] = Line()
        self._releasing = _Releasing(self)

    def __repr__(self) -> str:
        waiting = len(self._line)
        state = "locked" if self._locked else "unlocked"
        return f"<{type(self).__name__} [{state}{f',waiters:{waiting}' if waiting else ''}]>"

    def acquire(self, timeout: Deadline | None = None) -> asyncio.Future[AbstractContextManager[None]]:
        """Wait for the lock. The result is a context manager that releases at the end of its `with` block.

        Args:
            timeout: until when to wait; `None` waits forever.

        Raises:
            TimeoutError: (from the future) the deadline has passed.
        """
        if not self._locked:
            self._locked = True
            future = new_future()
            future.set_result(self._releasing)
            return future
        return _wait_in(self._line, timeout, self.release)

    def release(self) -> None:
        """Unlock, or hand the lock to whoever has waited longest.

        Raises:
            RuntimeError: it is not locked.
        """
        if not self._locked:
            raise RuntimeError("release unlocked lock")
        waiter = self._line.first() if self._line.waiters else None
        if waiter is None:
            self._locked = False
        else:
            waiter.set_result(self._releasing)

    def __enter__(self) -> None:
        raise RuntimeError("use 'async with' instead of 'with' for Lock")

    def __exit__(self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.__enter__()

    async def __aenter__(self) -> None:
        if self._locked:
            await _let_in(self._line, self.release)
        else:
            self._locked = True

    async def __aexit__(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.release()
