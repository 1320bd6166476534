"""`PeriodicCallback`: a function called every so often, without drift and without overlapping itself.

The times are multiples of the period from the start, by asyncio's monotonic clock. A call that takes longer than
a period makes the calls it has covered fall out; they are not made up for.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import logging
import math
from typing import TYPE_CHECKING, Any

from ._loop import IOLoop
from ._registry import hold
from ._yielding import as_asyncio_future
from .concurrent import is_future

if TYPE_CHECKING:
    from collections.abc import Callable

app_log = logging.getLogger("halny.application")


class PeriodicCallback:
    """Calls a function or coroutine function every `callback_time`, once `start` was called.

    The next call comes only when the last one is through, awaitables included. What it raises is logged, and the
    calls go on.
    """

    def __init__(self, callback: Callable[[], object], callback_time: dt.timedelta | float, jitter: float = 0) -> None:
        """Make a periodic callback that has not started.

        Args:
            callback: called without arguments.
            callback_time: the period: a timedelta, or milliseconds.
            jitter: by how much each period varies at random, as a part of it: with 0.1, from 95% to 105%. It keeps
                many programs, started together, from doing their work at the same moment.

        Raises:
            ValueError: the period is not positive.
        """
        if isinstance(callback_time, dt.timedelta):
            callback_time = callback_time / dt.timedelta(milliseconds=1)
        if not callback_time > 0:
            raise ValueError(f"Periodic callback must have a positive callback_time, got {callback_time!r}")
        self.callback = callback
        self.callback_time: float = callback_time
        self.jitter = jitter
        self.io_loop: IOLoop | None = None
        self._running = False
        self._calling = False
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the calls on the current `IOLoop`, the first after one period. Does nothing if they go on already."""
        if self._running:
            return
        self.io_loop = IOLoop.current()
        self._running = True
        self._next = self.io_loop.asyncio_loop.time()
        if not self._calling:  # a call from before stop() may still wait: then the next one follows it
            self._schedule()

    def stop(self) -> None:
        """Stop the calls, until `start` is called again; a call that is under way is not cancelled."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def is_running(self) -> bool:
        """Return whether `start` was called, and `stop` was not since."""
        return self._running

    def _schedule(self) -> None:
        if not self._running or self.io_loop is None:
            return
        loop = self.io_loop.asyncio_loop
        period = self.callback_time / 1000
        if self.jitter:
            import random  # which brings hashes and more; few use it

            period *= 1 + self.jitter * (random.random() - 0.5)  # noqa: S311 - nothing secret
        missed = math.floor((loop.time() - self._next) / period)
        self._next += (max(missed, 0) + 1) * period
        self._timer = loop.call_at(self._next, self._call)

    def _call(self) -> None:
        self._timer = None
        self._calling = True
        try:
            result = self.callback()
            if is_future(result) or inspect.isawaitable(result):
                hold(as_asyncio_future(result), self._called)
                return
        except asyncio.CancelledError:
            pass
        except Exception:  # noqa: BLE001 - nobody else would hear of it
            app_log.exception("Exception in callback %r", self.callback)
        except BaseException:
            self._calling = False
            raise
        self._calling = False
        self._schedule()

    def _called(self, future: Any) -> None:
        self._calling = False
        if not future.cancelled() and (error := future.exception()) is not None:
            app_log.error("Exception in callback %r", self.callback, exc_info=error)
        self._schedule()
