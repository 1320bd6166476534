"""The body of a request as a WSGI application reads it: a file that waits for what is still to come.

Strategy: the loop puts parts in, the application's thread takes them out, and a condition stands between them. Only
the thread ever waits. While it has enough to read, the loop gets a future in answer to a part, and the connection
lets its peer wait until that ends. `io.BufferedReader` on top of it has the methods of files that PEP 3333 asks for.

It knows nothing of WSGI, and of the connection only what it is told.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections import deque
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

KIB: Final = 1024

MAX_WAITING: Final = 256 * KIB
"""Bytes of a body that wait for the application's thread; with as many the peer has to wait. As much as the loop reads
at once, so that the thread has something to do while the next part is on its way."""

READ_SIZE: Final = 64 * KIB
"""Bytes that the file takes at once where the application asks for less, such as for a line."""


_NOTHING: Final = memoryview(b"")


class _State(Enum):
    OPEN = auto()
    """More is to come."""
    COMPLETE = auto()
    """All has come, and can be read to its end."""
    BROKEN = auto()
    """Nothing can be read any more, and to try is an error."""


@final
class RequestInput(io.RawIOBase):
    """A body between the loop, which gets it, and a thread, which reads it.

    Args:
        loop: gets the body.
        begin_at: bytes that must be there before it is worth a thread; a body that ends sooner is worth it too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, begin_at: int) -> None:
        super().__init__()
        self._loop = loop
        self._begin_at = begin_at
        self._changed = threading.Condition()
        self._state = _State.OPEN
        self._reason = ""
        self._parts: deque[memoryview] = deque()
        self._size = 0
        self._room: asyncio.Future[None] | None = None
        self._is_wanted = False
        self.begun: asyncio.Future[None] = loop.create_future()
        """Ends when there is enough for the application to begin with, or nothing more will come."""
        self.wanted: asyncio.Future[None] = loop.create_future()
        """Ends when the application reads for the first time, or is not going to."""
        if not begin_at:
            self.begun.set_result(None)

    @property
    def is_broken(self) -> bool:
        """Whether the body ended before it was complete."""
        return self._state is _State.BROKEN

    # The loop's side

    def put(self, part: bytes) -> asyncio.Future[None] | None:
        """Take the next part; return what ends when there is room for another one, or None if there is."""
        with self._changed:
            if self._state is not _State.OPEN or self.closed:
                return None
            self._parts.append(memoryview(part))
            self._size += len(part)
            self._changed.notify()
            if self._size >= self._begin_at:
                _end(self.begun)
            if self._size < MAX_WAITING:
                return None
            self._room = self._loop.create_future()
            return self._room

    def complete(self) -> None:
        """All has come."""
        with self._changed:
            if self._state is _State.OPEN:
                self._state = _State.COMPLETE
            self._changed.notify()
        _end(self.begun)

    def break_off(self, reason: str) -> None:
        """Nothing more will come; where that leaves the body without its end, reading it is an error from now on.

        Args:
            reason: says whose fault it is, in the words of the error.
        """
        with self._changed:
            if self._state is _State.OPEN:
                self._state = _State.BROKEN
                self._reason = reason
                self._parts.clear()
            self._changed.notify()
        for future in (self.begun, self.wanted, self._room):
            _end(future)

    # The thread's side

    def as_file(self) -> io.BufferedReader:
        """Return the file that the application reads; it may be closed without harm."""
        return io.BufferedReader(self, READ_SIZE)

    def readable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for a part, and take of it what there is room for; 0 at the end. See `io.RawIOBase`.

        Raises:
            ConnectionAbortedError: the body was broken off; the peer's fault.
            RuntimeError: the loop's own thread would wait, and nothing would ever come; the caller's fault.
        """
        target = memoryview(buffer).cast("B")
        part = self._take(len(target))
        target[: len(part)] = part
        return len(part)

    def readall(self) -> bytes:
        """Wait for all that is still to come, and take it. See `io.RawIOBase`.

        Raises:
            ConnectionAbortedError: the body was broken off; the peer's fault.
        """
        parts: list[memoryview] = []
        while part := self._take(MAX_WAITING):
            parts.append(part)
        return b"".join(parts)

    def _take(self, limit: int) -> memoryview:
        """Wait for a part, and take at most a number of bytes of it; none at the end."""
        with self._changed:
            self._wait()
            if not self._parts:
                return _NOTHING
            part = self._parts.popleft()
            if len(part) > limit:
                self._parts.appendleft(part[limit:])
                part = part[:limit]
            self._size -= len(part)
            has_room = self._room is not None and self._size < MAX_WAITING // 2
        if has_room:
            self._tell_loop(self._give_room)
        return part

    def _wait(self) -> None:
        if not self._is_wanted:
            self._is_wanted = True
            self._tell_loop(lambda: _end(self.wanted))
        while not self._parts and self._state is _State.OPEN:
            if _runs(self._loop):
                raise RuntimeError("the body is not complete, and to wait for it here would block the loop it comes by")
            self._changed.wait()
        if self._state is _State.BROKEN:
            raise ConnectionAbortedError(self._reason)

    def _tell_loop(self, callback: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # a loop that is closed has broken the body off, or has all of it
            self._loop.call_soon_threadsafe(callback)

    def _give_room(self) -> None:
        room, self._room = self._room, None
        _end(room)


def _end(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _runs(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether it is this thread that runs the loop."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
