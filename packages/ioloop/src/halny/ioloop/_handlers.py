"""File descriptors on an `IOLoop`: which are watched, for what, and who is told.

The handlers go to asyncio's `add_reader` and `add_writer` directly, so nothing is looked up when one is called.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ._callbacks import run_handler
from .util import Configurable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ._selector_thread import SelectorThread


class Selectable(Protocol):
    """What `add_handler` takes besides a descriptor: a socket, or anything with its two methods."""

    def fileno(self) -> int: ...
    def close(self) -> object: ...


class _Handler(NamedTuple):
    fileobj: Any
    callback: Callable[[Any, int], object]
    events: int


class DescriptorHandlers(Configurable):
    """The part of `IOLoop` that watches descriptors."""

    NONE = 0
    """No event."""
    READ = 0x001
    """The descriptor can be read, or its peer has closed it."""
    WRITE = 0x004
    """The descriptor can be written to."""
    ERROR = 0x018
    """Accepted in a mask for the sake of old programs; errors are told as `READ` or `WRITE`."""

    asyncio_loop: asyncio.AbstractEventLoop
    """The asyncio loop that does the work."""
    selector_loop: asyncio.AbstractEventLoop | SelectorThread
    """What watches the descriptors: the asyncio loop itself, or a thread where it can't."""
    handlers: dict[int, _Handler]

    def add_handler(self, fd: int | Selectable, handler: Callable[..., object], events: int) -> None:
        """Call `handler(fd, events)` whenever a descriptor is ready. What it raises is logged.

        Args:
            fd: a descriptor, or a socket or other object with `fileno` and `close`; the handler is given what was
                passed here.
            handler: called with `fd` and `READ` or `WRITE`; each in a call of its own.
            events: a mask of `READ` and `WRITE`.

        Raises:
            ValueError: the descriptor has a handler already.
        """
        number, fileobj = self.split_fd(fd)
        if number in self.handlers:
            raise ValueError(f"fd {number} added twice")
        self.handlers[number] = _Handler(fileobj, handler, self.NONE)
        try:
            self.update_handler(number, events)
        except BaseException:
            del self.handlers[number]
            raise

    def update_handler(self, fd: int | Selectable, events: int) -> None:
        """Change the events that a descriptor's handler is called for.

        Args:
            fd: what was given to `add_handler`, or its number.
            events: a mask of `READ` and `WRITE`.

        Raises:
            KeyError: the descriptor has no handler.
        """
        number, _ = self.split_fd(fd)
        entry = self.handlers[number]
        changed = entry.events ^ events
        loop = self.selector_loop
        if changed & self.READ:
            if events & self.READ:
                loop.add_reader(number, run_handler, entry.callback, entry.fileobj, self.READ)
            else:
                loop.remove_reader(number)
        if changed & self.WRITE:
            if events & self.WRITE:
                loop.add_writer(number, run_handler, entry.callback, entry.fileobj, self.WRITE)
            else:
                loop.remove_writer(number)
        self.handlers[number] = entry._replace(events=events)

    def remove_handler(self, fd: int | Selectable) -> None:
        """Stop watching a descriptor; does nothing if it is not watched. Call it before the descriptor is closed.

        Args:
            fd: what was given to `add_handler`, or its number.
        """
        number, _ = self.split_fd(fd)
        if number < 0:  # a socket that was closed too early has forgotten its number
            number = next((known for known, entry in self.handlers.items() if entry.fileobj is fd), number)
        entry = self.handlers.pop(number, None)
        if entry is None or self.asyncio_loop.is_closed():
            return
        # One that is closed is watched no longer, though the system may complain of being told so.
        with contextlib.suppress(OSError):
            if entry.events & self.READ:
                self.selector_loop.remove_reader(number)
        with contextlib.suppress(OSError):
            if entry.events & self.WRITE:
                self.selector_loop.remove_writer(number)

    def split_fd(self, fd: int | Selectable) -> tuple[int, int | Selectable]:
        """Return a descriptor's number, and the object that was given.

        Args:
            fd: a descriptor or an object with `fileno`.
        """
        return (fd, fd) if isinstance(fd, int) else (fd.fileno(), fd)

    def close_fd(self, fd: int | Selectable) -> None:
        """Close a descriptor; one that is closed already is no error.

        Args:
            fd: a descriptor or an object with `close`.
        """
        with contextlib.suppress(OSError):
            if isinstance(fd, int):
                os.close(fd)
            else:
                fd.close()
