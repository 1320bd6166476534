"""Coroutines: generators as coroutines, and ways of waiting for several things, or for a limited time.

Everything here takes, besides futures, whatever a coroutine may wait for: awaitables of any kind, futures of
threads, lists and dicts of these. Everything that returns a future has begun its work when it returns.

```python
async def fetch_both(a, b):
    one, two = await gen.multi([fetch(a), fetch(b)])
    return await gen.with_timeout(timedelta(seconds=5), combine(one, two))
```
"""

from __future__ import annotations

import collections
import functools
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from ._deadlines import seconds_until
from ._runner import Return, Runner, coroutine, is_coroutine_function
from ._yielding import BadYieldError, Multi, as_asyncio_future, convert_yielded, moment, multi, multi_future
from .concurrent import Future, ReturnValueIgnoredError, chain_future, current_asyncio_loop, is_future, new_future
from .util import TimeoutError  # noqa: A004 - the name under which Halny raises it

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable
    from concurrent import futures

    from ._deadlines import Deadline
    from ._yielding import QuietExceptions

__all__ = [
    "BadYieldError",
    "Future",
    "KeyReuseError",
    "LeakedCallbackError",
    "Multi",
    "Return",
    "ReturnValueIgnoredError",
    "Runner",
    "TimeoutError",
    "UnknownKeyError",
    "WaitIterator",
    "app_log",
    "chain_future",
    "convert_yielded",
    "coroutine",
    "is_coroutine_function",
    "maybe_future",
    "moment",
    "multi",
    "multi_future",
    "sleep",
    "with_timeout",
]

# Tracebacks and pickles name an exception by the module that it is imported from, not by the private one that it is in.
for _exception in (BadYieldError, Return):
    _exception.__module__ = __name__

app_log = logging.getLogger("halny.application")
"""The logger `halny.application`."""

_T = TypeVar("_T")


class KeyReuseError(Exception):
    """Kept for programs that name it; Halny never raises it."""


class UnknownKeyError(Exception):
    """Kept for programs that name it; Halny never raises it."""


class LeakedCallbackError(Exception):
    """Kept for programs that name it; Halny never raises it."""


def maybe_future(x: Any) -> asyncio.Future[Any] | futures.Future[Any]:
    """Return `x` itself if it is a future, or else a future that is done, with `x` as its result.

    Coroutines are not futures: they become the result. Usually `convert_yielded` is what is wanted.

    Args:
        x: any object.
    """
    if is_future(x):
        return x  # type: ignore[no-any-return]
    future = new_future()
    future.set_result(x)
    return future


def sleep(duration: float) -> asyncio.Future[None]:
    """Return a future that is done after `duration` seconds.

    Args:
        duration: seconds; none or fewer end at the next turn of the loop.
    """
    loop = current_asyncio_loop()
    future: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(max(0.0, duration), _resolve, future)
    # A cancelled sleep must not stay in the loop's heap until its time has come.
    future.add_done_callback(lambda _: timer.cancel())
    return future


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def with_timeout(
    timeout: Deadline,
    future: Awaitable[_T] | futures.Future[_T] | Any,
    quiet_exceptions: QuietExceptions = (),
    *,
    message: str | None = None,
) -> asyncio.Future[_T]:
    """Wait for a future, but not longer than `timeout`.

    The future is not cancelled: it goes on, and may be waited for again; if it fails later, that is logged.
    Where it should be cancelled use `asyncio.timeout`.

    Args:
        timeout: a time as `IOLoop.time` gives it, a timedelta from now, or a datetime.
        future: what to wait for; anything that a coroutine may yield.
        quiet_exceptions: exceptions that are not logged when they come after the timeout.
        message: the text of the `TimeoutError`.

    Raises:
        TimeoutError: (from the returned future) the time has passed.
        TypeError: `timeout` is no deadline.
        BadYieldError: `future` can't be waited for.
    """
    delay = seconds_until(timeout)
    waited = as_asyncio_future(future)
    result: asyncio.Future[_T] = new_future()
    chain_future(waited, result)
    if result.done():
        return result

    def expire() -> None:
        if not result.done():
            result.set_exception(TimeoutError("Timeout" if message is None else message))
            waited.add_done_callback(functools.partial(_log_late, quiet_exceptions))

    timer = result.get_loop().call_later(max(0.0, delay), expire)
    result.add_done_callback(lambda _: timer.cancel())
    return result


def _log_late(quiet_exceptions: QuietExceptions, future: asyncio.Future[Any]) -> None:
    if future.cancelled():
        return
    error = future.exception()
    if error is not None and not isinstance(error, quiet_exceptions):
        app_log.error("Exception in Future %r after timeout", future, exc_info=error)


class WaitIterator:
    """Gives the results of several futures in the order in which they are done.

    ```python
    results = gen.WaitIterator(first, second)          # or by name: WaitIterator(a=first, b=second)
    async for result in results:
        print(results.current_index, result)           # the number, or the name
    ```

    A future that fails raises its exception from `next`. In an `async for` that ends the loop; to go on with the
    others, call `next` in a loop of your own, until `done`.
    """

    current_index: Any
    """The number or name of the future whose result was last given; `None` before and after."""
    current_future: asyncio.Future[Any] | None
    """The future whose result was last given; `None` before and after."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Wait for some futures.

        Args:
            *args: futures, or anything else that a coroutine may wait for; they are numbered from 0.
            **kwargs: the same, by names; not together with `args`.

        Raises:
            ValueError: there are both positional and keyword arguments.
        """
        if args and kwargs:
            raise ValueError("You must provide args or kwargs, not both")
        self.current_index = None
        self.current_future = None
        self._ready: collections.deque[tuple[Any, asyncio.Future[Any]]] = collections.deque()
        self._next: asyncio.Future[Any] | None = None
        named = list(kwargs.items()) if kwargs else list(enumerate(args))
        self._left = len(named)
        for key, waited in [(key, as_asyncio_future(value)) for key, value in named]:
            if waited.done():
                self._ready.append((key, waited))
            else:
                waited.add_done_callback(functools.partial(self._finished, key))

    def done(self) -> bool:
        """Return whether all results were given."""
        if self._left:
            return False
        self.current_index = self.current_future = None
        return True

    def next(self) -> asyncio.Future[Any]:
        """Return a future for the next result. Before the last one was given, it is that one again.

        Raises:
            RuntimeError: all results were given: ask `done` first.
        """
        if self._next is not None and not self._next.done():
            return self._next
        if not self._left:
            raise RuntimeError("all results of this WaitIterator were given")
        self._next = following = new_future()
        if self._ready:
            self._give(*self._ready.popleft())
        return following

    def _finished(self, key: Any, future: asyncio.Future[Any]) -> None:
        if self._next is None or self._next.done():
            self._ready.append((key, future))
        else:
            self._give(key, future)

    def _give(self, key: Any, future: asyncio.Future[Any]) -> None:
        assert self._next is not None
        following, self._next = self._next, None
        self._left -= 1
        self.current_index = key
        self.current_future = future
        chain_future(future, following)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    def __anext__(self) -> asyncio.Future[Any]:
        if self.done():
            raise StopAsyncIteration
        return self.next()
