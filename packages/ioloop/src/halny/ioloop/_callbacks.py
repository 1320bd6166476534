"""How a callback is run: what it raises is logged and goes no further, and what it returns is run on, if it can be."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from typing import TYPE_CHECKING, Any

from ._registry import hold
from ._yielding import as_asyncio_future
from .concurrent import is_future

if TYPE_CHECKING:
    from collections.abc import Callable

app_log = logging.getLogger("halny.application")


def run_callback(callback: Callable[[], object]) -> None:
    """Call a function or coroutine function whose outcome nobody waits for."""
    try:
        result = callback()
        if result is not None:
            _run_on(callback, result)
    except asyncio.CancelledError:
        pass
    except Exception:  # noqa: BLE001 - nobody else would hear of it
        app_log.exception("Exception in callback %r", callback)


def run_handler(handler: Callable[[Any, int], object], fileobj: Any, events: int) -> None:
    """Call the handler of a descriptor."""
    try:
        result = handler(fileobj, events)
        if result is not None:
            _run_on(functools.partial(handler, fileobj, events), result)
    except asyncio.CancelledError:
        pass
    except Exception:  # noqa: BLE001 - nobody else would hear of it
        app_log.exception("Exception in handler %r for fd %r", handler, fileobj)


def _run_on(callback: Callable[[], object], result: object) -> None:
    if not (is_future(result) or inspect.isawaitable(result)):
        return  # a plain value, which nobody asked for

    def log_failure(future: asyncio.Future[Any]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            app_log.error("Exception in callback %r", callback, exc_info=error)

    hold(as_asyncio_future(result), log_failure)
