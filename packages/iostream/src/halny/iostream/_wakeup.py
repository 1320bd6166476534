"""Resuming the task that waits for a read in the turn of the loop in which the bytes arrive.

A future tells its waiters through `call_soon`, in the next turn: for a short message that second turn costs as much as
all the rest. Here the one task that awaits a read is resumed on the spot instead, as a protocol's `data_received`
would be. That is only done from a callback of the loop itself, where no task is running, and as the last thing that
callback does, because the task may do anything to the stream. Every other kind of waiter is told as usual.

asyncio tells who waits in `Future._callbacks`, which its own debugging output reads. Where that is missing or looks
otherwise than expected, the future is resolved as usual: this is about speed and never about correctness.
"""

from __future__ import annotations

import asyncio
from asyncio import current_task
from typing import Any


def resolve_now(future: asyncio.Future[Any], result: Any) -> None:
    """Sets the result of a pending future; if one task awaits it and none runs, resumes that before returning.

    Args:
        future: A future that is not done.
        result: Its result.
    """
    waiting = getattr(future, "_callbacks", None)
    if waiting and len(waiting) == 1:
        callback, context = waiting[0]
        if isinstance(getattr(callback, "__self__", None), asyncio.Task) and current_task(future.get_loop()) is None:
            future.remove_done_callback(callback)
            future.set_result(result)
            context.run(callback, future)
            return
    future.set_result(result)
