"""Which `IOLoop` belongs to which asyncio loop, and which one is a thread's current one while none runs.

The relation is one to one and is kept here, below everything else, so that futures can be made for the
right loop without importing `IOLoop`. Nothing asks asyncio for a "current" loop: only a running one counts,
and, while none runs, the one that `IOLoop.make_current` chose in this thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ._loop import IOLoop

ioloop_for_asyncio: dict[asyncio.AbstractEventLoop, IOLoop] = {}


class _Current(threading.local):
    loop: IOLoop | None = None


of_thread = _Current()


def forget_closed() -> None:
    """Drop the loops that were closed behind our back, as `asyncio.run` does, and what is held for closed loops.

    Called when a loop is added, so that the number of dead ones stays bounded without work on any hot path.
    """
    for loop in list(ioloop_for_asyncio):
        if loop.is_closed():
            ioloop_for_asyncio.pop(loop, None)
    for future in list(_held):
        if future.get_loop().is_closed():
            _held.discard(future)


_held: set[asyncio.Future[Any]] = set()


def hold(future: asyncio.Future[Any], then: Callable[[Any], object] | None = None) -> None:
    """Keep a future that nobody else refers to alive until it is done.

    asyncio refers to its tasks only weakly, and one that nobody refers to can be collected half-way. What is still
    pending when its loop is closed is let go of in `forget_closed`.
    """
    _held.add(future)
    future.add_done_callback(_held.discard)
    if then is not None:
        future.add_done_callback(then)
