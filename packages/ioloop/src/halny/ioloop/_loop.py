"""`IOLoop`: Tornado's interface to an asyncio event loop.

Strategy: an `IOLoop` holds exactly one asyncio loop and adds no scheduling of its own: callbacks, timers and
descriptors go straight to asyncio. What it adds is the promise that a callback which raises is logged and does no
further harm, and that a callback may be a coroutine function. Each asyncio loop has one `IOLoop`, made when it is
first asked for, so `IOLoop.current()` is a look-up in a dict.

```python
async def main():
    IOLoop.current().call_later(1, print, "a second later")
    await gen.sleep(2)

IOLoop().run_sync(main)      # or, in a new program: halny.ioloop.run(main())
```
"""

from __future__ import annotations

import asyncio
import functools
import math
import time
from asyncio import (
    _get_running_loop,  # pyright: ignore[reportPrivateUsage] - documented in spite of its name
    get_running_loop,
)
from concurrent import futures
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from ._callbacks import run_callback
from ._deadlines import seconds_until
from ._handlers import DescriptorHandlers
from ._registry import forget_closed, ioloop_for_asyncio, of_thread
from ._yielding import as_asyncio_future
from .concurrent import ContextCall, is_future
from .util import TimeoutError  # noqa: A004 - the name under which Halny raises it

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._deadlines import Deadline
    from .util import Configurable

_T = TypeVar("_T")


class IOLoop(DescriptorHandlers):
    """An event loop: callbacks, timers, file descriptors, and coroutines to run.

    `IOLoop()` makes a new asyncio loop and, unless `make_current=False`, becomes the thread's current loop;
    `IOLoop(asyncio_loop=loop)` adopts one. In a coroutine, `IOLoop.current()` is the loop that runs it.

    Only `add_callback` may be called from another thread, and only `add_callback_from_signal` from a signal handler.
    A new program has little need of the class: start with [`run`][halny.ioloop.run] and use asyncio's own functions.
    """

    _ioloop_for_asyncio = ioloop_for_asyncio

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.asyncio_loop!r}>"

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return IOLoop

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        from .platform import AsyncIOLoop

        return AsyncIOLoop

    # --- which loop -----------------------------------------------------------------------------------------------

    @overload
    @staticmethod
    def current() -> IOLoop: ...
    @overload
    @staticmethod
    def current(instance: Literal[True]) -> IOLoop: ...
    @overload
    @staticmethod
    def current(instance: bool) -> IOLoop | None: ...
    @staticmethod
    def current(instance: bool = True) -> IOLoop | None:
        """Return the loop that is running, or else the one that was made current in this thread.

        Args:
            instance: when there is none, make one; with `False`, return `None` instead.
        """
        try:
            return ioloop_for_asyncio[get_running_loop()]
        except RuntimeError:  # none is running
            if of_thread.loop is not None and of_thread.loop.asyncio_loop.is_closed():
                IOLoop.clear_current()  # somebody has closed it by asyncio's own means
            if of_thread.loop is None and instance:
                IOLoop()
            return of_thread.loop
        except KeyError:  # asyncio runs one that has no IOLoop yet
            if not instance:
                return None
            from .platform import AsyncIOMainLoop

            return AsyncIOMainLoop()

    @staticmethod
    def instance() -> IOLoop:
        """Return `IOLoop.current()`: the name it had in old programs."""
        return IOLoop.current()

    def install(self) -> None:
        """Do what `make_current` does: the name it had in old programs."""
        self.make_current()

    @staticmethod
    def clear_instance() -> None:
        """Do what `clear_current` does: the name it had in old programs."""
        IOLoop.clear_current()

    def make_current(self) -> None:
        """Make this what `IOLoop.current()` returns in this thread while no loop runs."""
        of_thread.loop = self
        # So that an asyncio.Future() made before the loop starts belongs to it.
        asyncio.set_event_loop(self.asyncio_loop)

    @staticmethod
    def clear_current() -> None:
        """Leave this thread without a current loop: the reverse of `make_current`."""
        if of_thread.loop is not None:
            of_thread.loop = None
            asyncio.set_event_loop(None)

    # --- life -----------------------------------------------------------------------------------------------------

    def initialize(self, make_current: bool = True, *, asyncio_loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Set the new object up; takes the constructor's arguments.

        Args:
            make_current: whether the new loop becomes the current one of this thread.
            asyncio_loop: the loop to adopt; a new one where it is `None`.

        Raises:
            RuntimeError: `asyncio_loop` has an `IOLoop` already: use that one.
        """
        loop = asyncio.new_event_loop() if asyncio_loop is None else asyncio_loop
        forget_closed()
        existing = ioloop_for_asyncio.setdefault(loop, self)
        if existing is not self:
            raise RuntimeError(f"IOLoop {existing!r} already associated with asyncio loop {loop!r}")
        self.asyncio_loop = loop
        self.handlers = {}
        self.selector_loop = loop
        self._executor: futures.Executor | None = None
        if _is_proactor(loop):
            from .platform import SelectorThread

            self.selector_loop = SelectorThread(loop)
        if make_current:
            self.make_current()

    def start(self) -> None:
        """Run the loop until `stop` is called.

        Raises:
            RuntimeError: it runs already, or was closed.
        """
        self.asyncio_loop.run_forever()

    def stop(self) -> None:
        """Stop the loop after this turn; if it does not run, the next `start` ends at once.

        From another thread use `loop.add_callback(loop.stop)`.
        """
        self.asyncio_loop.stop()

    def close(self, all_fds: bool = False) -> None:
        """Close the loop and its asyncio loop. It must not be running. Closing it again does nothing.

        Args:
            all_fds: also close what was given to `add_handler` and is still there.

        Raises:
            RuntimeError: the loop is running.
        """
        if self.asyncio_loop.is_running():
            raise RuntimeError("cannot close a running event loop")
        for fd, handler in list(self.handlers.items()):
            self.remove_handler(fd)
            if all_fds:
                self.close_fd(handler.fileobj)
        if self.selector_loop is not self.asyncio_loop:
            self.selector_loop.close()
        if ioloop_for_asyncio.get(self.asyncio_loop) is self:
            del ioloop_for_asyncio[self.asyncio_loop]
        if of_thread.loop is self:
            self.clear_current()
        self.asyncio_loop.close()

    @overload
    def run_sync(self, func: Callable[[], Awaitable[_T]], timeout: float | None = None) -> _T: ...
    @overload
    def run_sync(self, func: Callable[[], None], timeout: float | None = None) -> None: ...
    def run_sync(self, func: Callable[[], Any], timeout: float | None = None) -> Any:
        """Start the loop, run one function to its end, stop the loop, and return the function's result.

        What is still pending then stays pending, until the loop is started again.

        Args:
            func: a coroutine function, or any function that returns `None` or what a coroutine may yield.
            timeout: the longest that it may take, in seconds; then it is cancelled.

        Raises:
            TimeoutError: it took longer than `timeout`.
            RuntimeError: the loop runs already, was closed, or was stopped before the function ended.
            BadYieldError: the function returned a plain value: the fault of the caller.
        """
        if self.asyncio_loop.is_running():
            raise RuntimeError("this event loop is already running")
        if self.asyncio_loop.is_closed():
            raise RuntimeError("event loop is closed")
        return self.asyncio_loop.run_until_complete(_run_within(func, timeout))

    # --- callbacks ------------------------------------------------------------------------------------------------

    def add_callback(self, callback: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Call `callback` at the next turn of the loop. Safe from any thread; does nothing on a closed loop.

        If it returns an awaitable, that is run too. What it raises is logged.

        Args:
            callback: a function or coroutine function.
            *args: its positional arguments.
            **kwargs: its keyword arguments.
        """
        if args or kwargs:
            callback = functools.partial(callback, *args, **kwargs)
        loop = self.asyncio_loop
        try:
            # Waking the selector is a system call, so only another thread pays for it.
            here = _get_running_loop() is loop
            (loop.call_soon if here else loop.call_soon_threadsafe)(run_callback, callback)
        except RuntimeError:
            if not loop.is_closed():
                raise

    def add_callback_from_signal(self, callback: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Call `callback` at the next turn of the loop. Safe in a Python signal handler, and meant for that only.

        Args:
            callback: a function or coroutine function.
            *args: its positional arguments.
            **kwargs: its keyword arguments.
        """
        try:
            # The handler interrupts the loop's own thread, perhaps in its select: it must always be woken.
            self.asyncio_loop.call_soon_threadsafe(run_callback, functools.partial(callback, *args, **kwargs))
        except RuntimeError:
            if not self.asyncio_loop.is_closed():
                raise

    def spawn_callback(self, callback: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Run a function or coroutine function on the loop, without waiting for it; what it raises is logged.

        Args:
            callback: a function or coroutine function.
            *args: its positional arguments.
            **kwargs: its keyword arguments.
        """
        self.add_callback(callback, *args, **kwargs)

    def add_future(self, future: asyncio.Future[_T] | futures.Future[_T], callback: Callable[[Any], object]) -> None:
        """Call `callback` with the future, on this loop, when the future is done. What it raises is logged.

        Args:
            future: a future of either kind; no other awaitable.
            callback: called with `future`; may be a coroutine function.

        Raises:
            TypeError: `future` is none.
        """
        if not is_future(future):
            raise TypeError(f"add_future needs a future, got {future!r}; use convert_yielded for other awaitables")
        if isinstance(future, asyncio.Future) and future.get_loop() is self.asyncio_loop:
            future.add_done_callback(lambda done: run_callback(functools.partial(callback, done)))
        else:
            future.add_done_callback(lambda done: self.add_callback(callback, done))

    # --- time -----------------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the time by the clock that deadlines are given in: `time.time()`."""
        return time.time()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, **kwargs: Any) -> object:
        """Call `callback` once, after `delay` seconds, and return a handle for `remove_timeout`.

        Args:
            delay: seconds from now; changes of the system clock don't matter.
            callback: a function or coroutine function.
            *args: its positional arguments.
            **kwargs: its keyword arguments.

        Raises:
            ValueError: `delay` is not a number.
        """
        if math.isnan(delay):
            raise ValueError("a delay must be a number of seconds, got nan")
        if args or kwargs:
            callback = functools.partial(callback, *args, **kwargs)
        return self.asyncio_loop.call_later(max(0.0, delay), run_callback, callback)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, **kwargs: Any) -> object:
        """Call `callback` once, at the time `when`, and return a handle for `remove_timeout`.

        Args:
            when: a time as `IOLoop.time` gives it.
            callback: a function or coroutine function.
            *args: its positional arguments.
            **kwargs: its keyword arguments.

        Raises:
            ValueError: `when` is not a number.
        """
        return self.call_later(when - self.time(), callback, *args, **kwargs)

    def add_timeout(self, deadline: Deadline, callback: Callable[..., object], *args: Any, **kwargs: Any) -> object:
        """Call `callback` once, at a deadline, and return a handle for `remove_timeout`.

        Args:
            deadline: a time as `IOLoop.time` gives it, a timedelta from now, or a datetime.
            callback: a function or coroutine function.
            *args: its positional arguments.
            **kwargs: its keyword arguments.

        Raises:
            TypeError: `deadline` is none of these.
        """
        return self.call_later(seconds_until(deadline), callback, *args, **kwargs)

    def remove_timeout(self, timeout: object) -> None:
        """Cancel a timeout; one that has run or was cancelled may be given too.

        Args:
            timeout: what `call_later`, `call_at` or `add_timeout` returned.
        """
        cast("asyncio.TimerHandle", timeout).cancel()

    # --- executors ------------------------------------------------------------------------------------------------

    def run_in_executor(
        self, executor: futures.Executor | None, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        """Run a blocking function on an executor; it sees the caller's context variables.

        A process pool takes no context along: it can't leave the process.

        Args:
            executor: where to run it; `None` for the default executor.
            func: the function.
            *args: its arguments.

        Raises:
            RuntimeError: the loop is closed, or the executor is shut down.
        """
        return self.asyncio_loop.run_in_executor(executor or self._executor, ContextCall(func, args, {}))

    def set_default_executor(self, executor: futures.Executor) -> None:
        """Set what `run_in_executor(None, ...)` uses.

        A `ThreadPoolExecutor` becomes the asyncio loop's own too, which closing the loop shuts down.

        Args:
            executor: the executor.

        Raises:
            TypeError: it is none.
        """
        if not isinstance(cast("object", executor), futures.Executor):
            raise TypeError(f"expected a concurrent.futures.Executor, got {executor!r}")
        if isinstance(executor, futures.ThreadPoolExecutor):
            self.asyncio_loop.set_default_executor(executor)
        self._executor = executor


def _is_proactor(loop: asyncio.AbstractEventLoop) -> bool:
    proactor = getattr(asyncio, "ProactorEventLoop", None)  # Windows has it
    return proactor is not None and isinstance(loop, proactor)


async def _run_within(func: Callable[[], Any], seconds: float | None) -> Any:
    result = func()
    if result is None:
        return None
    waited = as_asyncio_future(result)
    if seconds is None:
        return await waited
    try:
        await asyncio.wait([waited], timeout=seconds)
        if waited.done():
            return waited.result()
    except asyncio.CancelledError:
        waited.cancel()
        raise
    waited.cancel()
    await asyncio.wait([waited])
    error = None if waited.cancelled() else waited.exception()
    raise TimeoutError(f"Operation timed out after {seconds} seconds") from error
