"""Which event loop a socket or stream belongs to.

Sockets are watched with `add_reader` and `add_writer` of the asyncio loop itself: one call less on every event than
through `IOLoop.add_handler`. Before a loop runs (a server that listens at module level) the loop is that of the
current `IOLoop`, which will be started later.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Protocol

from halny.ioloop import IOLoop

if TYPE_CHECKING:
    from collections.abc import Callable


class Poller(Protocol):
    """What watches descriptors: a loop, or the thread with a selector that stands in for it."""

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> Any: ...
    def add_writer(self, fd: int, callback: Callable[..., Any], *args: Any) -> Any: ...
    def remove_reader(self, fd: int) -> Any: ...
    def remove_writer(self, fd: int) -> Any: ...


def current_loop() -> asyncio.AbstractEventLoop:
    """Returns the running asyncio loop or, before one runs, the loop of the current `IOLoop`."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return IOLoop.current().asyncio_loop


_forgetful: dict[type, bool] = {}


def forgets_errors(loop: asyncio.AbstractEventLoop) -> bool:
    """Tells whether a loop tells only once of a descriptor that has an error.

    libuv stops watching it with that one event, which may tell of bytes that came before the error, too. Whoever has
    received those has to look again by himself.
    """
    kind = type(loop)
    known = _forgetful.get(kind)
    if known is None:
        names = {base.__module__.partition(".")[0] for base in kind.__mro__}
        known = _forgetful[kind] = not names.isdisjoint({"uvloop", "winloop"})
    return known


def poller_of(loop: asyncio.AbstractEventLoop) -> Poller:
    """Returns what watches descriptors for `loop`: the loop itself, except with Windows' Proactor."""
    if os.name != "nt":
        return loop
    ioloop = IOLoop.current()
    return ioloop.selector_loop if ioloop.asyncio_loop is loop else loop
