"""Futures: the two kinds there are, how one follows another, and methods that run on an executor.

`Future` is `asyncio.Future`. Futures of `concurrent.futures` are understood wherever Halny takes a future, but
they belong to threads: their callbacks run where they are resolved, so everything here that joins the two goes
back to the event loop with `call_soon_threadsafe`.

```python
class Thumbnails:
    executor = ThreadPoolExecutor(4)

    @run_on_executor
    def make(self, path): ...        # runs in a thread; `await thumbnails.make(path)`
```
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from asyncio import get_running_loop
from concurrent import futures
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = [
    "FUTURES",
    "DummyExecutor",
    "Future",
    "ReturnValueIgnoredError",
    "app_log",
    "chain_future",
    "dummy_executor",
    "future_add_done_callback",
    "future_set_exc_info",
    "future_set_exception_unless_cancelled",
    "future_set_result_unless_cancelled",
    "is_future",
    "run_on_executor",
]

app_log = logging.getLogger("halny.application")
"""The logger `halny.application`."""

_T = TypeVar("_T")

Future = asyncio.Future
"""`asyncio.Future`."""

FUTURES = (futures.Future, asyncio.Future)
"""The classes that `is_future` accepts."""


class ReturnValueIgnoredError(Exception):
    """Kept for programs that name it; Halny never raises it."""


def is_future(x: Any) -> bool:
    """Return whether `x` is a future of asyncio or of `concurrent.futures`.

    Args:
        x: any object.
    """
    return isinstance(x, FUTURES)


def new_future() -> asyncio.Future[Any]:
    """Return a future of the running loop, or else of the thread's current `IOLoop`, which is made if need be."""
    try:
        get_running_loop()
    except RuntimeError:
        return Future(loop=current_asyncio_loop())
    return Future()  # takes the running loop, in half the time that passing it would take


def current_asyncio_loop() -> asyncio.AbstractEventLoop:
    """Return the running asyncio loop, or else that of the thread's current `IOLoop`, which is made if need be."""
    try:
        return get_running_loop()
    except RuntimeError:
        from ._loop import IOLoop

        return IOLoop.current().asyncio_loop


class ContextCall:
    """A call that runs in the context of whoever made it, wherever an executor runs it.

    A context can't leave the process; pickled for a process pool, the call leaves it behind.
    """

    __slots__ = ("args", "context", "func", "kwargs")

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.func = func
        self.args = args
        self.kwargs = kwargs
        self.context = contextvars.copy_context()

    def __call__(self) -> Any:
        return self.context.run(self.func, *self.args, **self.kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_partial, (self.func, self.args, self.kwargs)


def _make_partial(func: Callable[..., _T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> functools.partial[_T]:
    return functools.partial(func, *args, **kwargs)


class DummyExecutor(futures.Executor):
    """An executor that runs each call at once, in the calling thread. For tests, and for turning threads off."""

    def submit(  # type: ignore[override] # it accepts more
        self, fn: Callable[..., _T], *args: Any, **kwargs: Any
    ) -> futures.Future[_T]:
        """Run `fn` now and return a future that is already done.

        Args:
            fn: what to call.
            *args: its positional arguments.
            **kwargs: its keyword arguments.
        """
        future: futures.Future[_T] = futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever looks at the future
            future.set_exception(error)
        return future

    def shutdown(  # pyright: ignore[reportIncompatibleMethodOverride] - it accepts more
        self, wait: bool = True, cancel_futures: bool = False
    ) -> None:
        """Do nothing: no call is ever pending.

        Args:
            wait: ignored.
            cancel_futures: ignored.
        """


dummy_executor = DummyExecutor()
"""A `DummyExecutor` to share."""


@overload
def run_on_executor(fn: Callable[..., _T], /) -> Callable[..., asyncio.Future[_T]]: ...
@overload
def run_on_executor(*, executor: str = ...) -> Callable[[Callable[..., _T]], Callable[..., asyncio.Future[_T]]]: ...
def run_on_executor(*args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Make a blocking method asynchronous: it runs on an executor of its object and returns a future.

    Use it bare, for the executor in the attribute `executor`, or with the attribute's name:
    `@run_on_executor(executor="_threads")`. Context variables of the caller are seen by the method.

    Args:
        *args: the method, where the decorator is used bare.
        **kwargs: only `executor`, the name of the attribute that holds the executor.

    Raises:
        ValueError: it was used with other arguments.
    """
    if args and kwargs:
        raise ValueError("run_on_executor takes either the method or keyword arguments, got both")
    if len(args) > 1 or (args and not callable(args[0])):
        raise ValueError(f"run_on_executor takes one method, got {args!r}")
    if kwargs.keys() - {"executor"}:
        raise ValueError(f"run_on_executor takes only the keyword executor, got {sorted(kwargs)!r}")
    attribute: str = kwargs.get("executor", "executor")
    return _run_on(args[0], attribute) if args else functools.partial(_run_on, attribute=attribute)


def _run_on(fn: Callable[..., _T], attribute: str) -> Callable[..., asyncio.Future[_T]]:
    @functools.wraps(fn)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> asyncio.Future[_T]:
        executor: futures.Executor = getattr(self, attribute)
        submitted = executor.submit(ContextCall(fn, (self, *args), kwargs))
        return asyncio.wrap_future(submitted, loop=current_asyncio_loop())

    return wrapper


def chain_future(a: asyncio.Future[_T] | futures.Future[_T], b: asyncio.Future[_T] | futures.Future[_T]) -> None:
    """Give `b` the outcome of `a` when `a` is done, unless `b` is done by then.

    A cancelled `a` cancels `b`; cancelling `b` leaves `a` alone.

    Args:
        a: the future to follow. If it belongs to a thread, call this in the event loop's thread.
        b: the future that follows.
    """

    def copy(source: Any) -> None:
        if b.done():
            return
        if source.cancelled():
            b.cancel()
        elif (error := source.exception()) is not None:
            b.set_exception(error)
        else:
            b.set_result(source.result())

    if isinstance(a, asyncio.Future):
        future_add_done_callback(a, copy)
        return
    loop = b.get_loop() if isinstance(b, asyncio.Future) else None
    # A thread's future calls back in that thread, where an asyncio future must not be touched.
    a.add_done_callback(copy if loop is None else functools.partial(_call_in, loop, copy))


def _call_in(loop: asyncio.AbstractEventLoop, callback: Callable[[Any], None], argument: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback, argument)


def future_set_result_unless_cancelled(future: asyncio.Future[_T] | futures.Future[_T], value: _T) -> None:
    """Set the result of a future, unless it was cancelled.

    Args:
        future: a future that is not done, or cancelled.
        value: its result.

    Raises:
        asyncio.InvalidStateError: the future has a result already: the fault of the caller.
    """
    if not future.cancelled():
        future.set_result(value)


def future_set_exception_unless_cancelled(future: asyncio.Future[_T] | futures.Future[_T], exc: BaseException) -> None:
    """Set the exception of a future; if it was cancelled, log the exception instead, so that it is not lost.

    Args:
        future: a future that is not done, or cancelled.
        exc: its exception.

    Raises:
        asyncio.InvalidStateError: the future has a result already: the fault of the caller.
    """
    if not future.cancelled():
        future.set_exception(exc)
    else:
        app_log.error("Exception after Future was cancelled", exc_info=exc)


def future_set_exc_info(
    future: asyncio.Future[_T] | futures.Future[_T],
    exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None],
) -> None:
    """Set the exception of a future from a `sys.exc_info()` triple; if it was cancelled, log it instead.

    Args:
        future: a future that is not done, or cancelled.
        exc_info: the triple.

    Raises:
        ValueError: the triple holds no exception.
    """
    if exc_info[1] is None:
        raise ValueError("future_set_exc_info called with no exception")
    future_set_exception_unless_cancelled(future, exc_info[1])


def future_add_done_callback(
    future: asyncio.Future[_T] | futures.Future[_T], callback: Callable[[Any], object]
) -> None:
    """Call `callback` with the future when it is done; at once if it is done already.

    Unlike `Future.add_done_callback`, no turn of the loop passes in the second case.

    Args:
        future: the future to wait for.
        callback: called with the future.
    """
    if future.done():
        callback(future)
    else:
        future.add_done_callback(callback)
