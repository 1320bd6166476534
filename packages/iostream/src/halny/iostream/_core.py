"""What every stream has, whatever it sits on: its state, its end, and the hooks that a driver fills in.

The sides of a stream (`_reading`, `_writing`) decide what happens to bytes; a driver (`_base` on a descriptor,
`_transport` on an asyncio transport) moves them. Neither side calls the system, and no driver resolves a future of a
read or write.
"""

from __future__ import annotations

import enum
import logging
import sys
from typing import TYPE_CHECKING, Any

from halny.ioloop import IOLoop

from ._exceptions import StreamClosedError, UnsatisfiableReadError
from ._loop import current_loop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import TracebackType
    from typing import TypeAlias

    ExcInfo: TypeAlias = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

DEFAULT_MAX_BUFFER_SIZE = 104857600
"""Bytes that wait to be read, or that one read asks for: 100 MiB, as users of Tornado know it."""

DEFAULT_READ_CHUNK_SIZE = 65536
"""Bytes received at once, and read ahead while nobody reads: a full socket buffer of most systems."""

general_log = logging.getLogger("halny.general")
app_log = logging.getLogger("halny.application")


class State(enum.Enum):
    """Where a stream is in its life; it only ever moves down this list."""

    CONNECTING = "connecting"
    HANDSHAKING = "handshaking"
    OPEN = "open"
    CLOSED = "closed"


OPEN = State.OPEN
CLOSED = State.CLOSED


class StreamCore:
    """State, limits and end of a stream."""

    error: BaseException | None = None
    """What closed the stream; `None` while it is open, and when one of the two sides just closed it."""

    _close_callback: Callable[[], object] | None = None

    def __init__(
        self,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
    ) -> None:
        self._loop = current_loop()
        self._state = OPEN
        limit = DEFAULT_MAX_BUFFER_SIZE if max_buffer_size is None else max_buffer_size
        if limit < 1:
            raise ValueError(f"max_buffer_size must be positive, got {limit!r}")
        self.max_buffer_size: int = limit
        # Half the buffer at most, so that a read which has to stop at the limit stops near it.
        self.read_chunk_size: int = min(read_chunk_size or DEFAULT_READ_CHUNK_SIZE, max(1, limit // 2))
        self.max_write_buffer_size = max_write_buffer_size

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.value} at {id(self):#x}>"

    @property
    def io_loop(self) -> IOLoop:
        """The `IOLoop` of the loop that the stream belongs to."""
        ioloop = IOLoop.current()
        return ioloop if ioloop.asyncio_loop is self._loop else IOLoop(make_current=False, asyncio_loop=self._loop)

    def closed(self) -> bool:
        """Tells whether the stream is closed, by either side; bytes received before may still be read."""
        return self._state is CLOSED

    def close(self, exc_info: bool | BaseException | ExcInfo = False) -> None:
        """Closes the stream; closing it again does nothing.

        What has not been sent is dropped. A pending read or write fails with `StreamClosedError`, except
        `read_until_close`, which gets what there is.

        Args:
            exc_info: What closed the stream, for `error` and `StreamClosedError.real_error`: an exception, what
                `sys.exc_info` returns, or true for the exception that is being handled.
        """
        if self._state is CLOSED:
            return
        error: BaseException | None = None
        if isinstance(exc_info, BaseException):
            error = exc_info
        elif isinstance(exc_info, tuple):
            error = exc_info[1]
        elif exc_info:
            error = sys.exc_info()[1]
        self._close(error)

    def set_close_callback(self, callback: Callable[[], object] | None) -> None:
        """Calls `callback` soon after the stream is closed, by either side, and after its pending futures are done.

        Without one, a close by the peer is noticed by the next read or write. Called at once (in the next turn of
        the loop) if the stream is closed already. Up to `read_chunk_size` bytes are read ahead in order to see the
        end; a peer whose end lies behind more is noticed when they are read.

        Args:
            callback: Called without arguments; `None` removes the callback.
        """
        self._close_callback = callback
        if callback is None:
            return
        if self._state is CLOSED:
            self._run_close_callback()
        elif self._state is OPEN:
            self._watch_reading()

    # --- for the sides and drivers --------------------------------------------------------------------------------

    def _close(self, error: BaseException | None) -> None:
        if self._state is CLOSED:
            return
        self.error = error
        was, self._state = self._state, CLOSED
        self._release(was)
        self._end_reads()
        self._end_writes()
        self._run_close_callback()

    def _fail(self, error: Exception) -> None:
        """Closes the stream on an exception of its driver, which is a bug unless the system or the peer caused it.

        The loop must never see it: it would call again, for the same bytes, for ever.
        """
        if not isinstance(error, (OSError, UnsatisfiableReadError)):
            app_log.error("exception in %r", self, exc_info=error)
        self._close(error)

    def _run_close_callback(self) -> None:
        callback, self._close_callback = self._close_callback, None
        if callback is not None and not self._loop.is_closed():
            self._loop.call_soon(_run_logged, callback)

    def _failed(self, future: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """Fails `future` because the stream is closed; nobody needs to look at it, a peer that leaves is no fault."""
        if not future.done() and not self._loop.is_closed():
            future.set_exception(StreamClosedError(self.error))
            future.exception()
        return future

    def _watch_reading(self) -> None:
        """Driver: sees to it that bytes, or the end, are noticed."""
        raise NotImplementedError

    def _release(self, was: State) -> None:
        """Driver: lets go of what the stream sits on; `was` is the state before."""
        raise NotImplementedError

    def _released(self) -> bool:
        """Driver: tells whether nothing of a closed stream is left in the loop or the system."""
        return self._state is CLOSED

    def _end_reads(self) -> None:
        raise NotImplementedError

    def _end_writes(self) -> None:
        raise NotImplementedError


def _run_logged(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:  # noqa: BLE001 - logged; the loop goes on
        app_log.exception("exception in the close callback of a stream")
