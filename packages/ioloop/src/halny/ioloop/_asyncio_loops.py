"""The classes that `IOLoop()` and `IOLoop.current()` make objects of, under the names Tornado's users know.

They differ only in where their asyncio loop comes from: `AsyncIOLoop` makes one, `AsyncIOMainLoop` takes the
running one (or the current one of the thread), `BaseAsyncIOLoop` is given one.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ._loop import IOLoop
from ._yielding import convert_yielded
from .concurrent import current_asyncio_loop


class BaseAsyncIOLoop(IOLoop):
    """An `IOLoop` over a given asyncio loop: what all loops of Halny have in common."""

    def initialize(  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        self, asyncio_loop: asyncio.AbstractEventLoop, **kwargs: Any
    ) -> None:
        """Set the new object up; takes the constructor's arguments.

        Args:
            asyncio_loop: the loop to adopt.
            **kwargs: `make_current`, as for `IOLoop`.
        """
        super().initialize(asyncio_loop=asyncio_loop, **kwargs)


class AsyncIOLoop(BaseAsyncIOLoop):
    """What `IOLoop()` makes: an `IOLoop` over a new asyncio loop, or over the one passed as `asyncio_loop`."""

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        """Set the new object up; takes the constructor's arguments.

        Args:
            **kwargs: `make_current` and `asyncio_loop`, as for `IOLoop`.
        """
        loop: asyncio.AbstractEventLoop | None = kwargs.pop("asyncio_loop", None)
        made = asyncio.new_event_loop() if loop is None else loop
        try:
            super().initialize(made, **kwargs)
        except BaseException:
            if loop is None:
                made.close()
            raise


class AsyncIOMainLoop(BaseAsyncIOLoop):
    """What `IOLoop.current()` makes in a program that asyncio runs: an `IOLoop` over the running loop.

    Where no loop runs, it takes that of the thread's current `IOLoop`.
    """

    def initialize(self, **kwargs: Any) -> None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        """Set the new object up; takes the constructor's arguments.

        Args:
            **kwargs: `make_current`, as for `IOLoop`, but by default the loop is not made current: it is
                while it runs.
        """
        super().initialize(current_asyncio_loop(), **{"make_current": False, **kwargs})


def to_tornado_future(asyncio_future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """Return the future itself: the two kinds have long been one.

    Args:
        asyncio_future: a future.
    """
    return asyncio_future


def to_asyncio_future(tornado_future: Any) -> Any:
    """Return a future for anything that a coroutine may yield: the same as `gen.convert_yielded`.

    Args:
        tornado_future: a future, awaitable, list or dict.
    """
    return convert_yielded(tornado_future)
