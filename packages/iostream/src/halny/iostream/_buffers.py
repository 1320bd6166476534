"""Bytes on their way in and out, without any I/O.

What was received and not yet asked for is a `bytearray`, from whose front reads take (`take_front`). What waits to be
sent is a `WriteBuffer`: a queue of buffers that are sent together and never copied if they are large.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from typing import TypeAlias

Buffer: TypeAlias = "bytes | bytearray | memoryview"
"""What can be written: any buffer of bytes, as far as Python 3.11 can name the type."""

JOIN_BELOW = 2048
"""Queued buffers smaller than this are joined: copying so little costs less than one more entry of a system call."""

MAX_BUFFERS_PER_SEND = 64
"""Buffers handed to one gathering system call; POSIX guarantees 16, every system in use allows at least 1,024."""

_VIEW_ABOVE = 4096


def take_front(data: bytearray, count: int) -> bytes:
    """Removes and returns the first `count` bytes of `data`, in time proportional to `count`."""
    if count >= len(data):
        taken = bytes(data)
        data.clear()
        return taken
    if count < _VIEW_ABOVE:
        taken = bytes(data[:count])
    else:
        with memoryview(data) as view:  # a slice of the bytearray itself would copy twice
            taken = bytes(view[:count])
    del data[:count]  # moves the start, not the bytes
    return taken


@final
class WriteBuffer:
    """A queue of buffers to send.

    Large buffers are kept as they are, so their owner must not change them until they are sent; small ones are joined
    behind each other. The head never gets shorter except by `advance`: TLS must offer the same bytes again.
    """

    __slots__ = ("_queue", "size")

    def __init__(self) -> None:
        self._queue: deque[bytes | bytearray | memoryview] | None = None  # a deque takes 600 bytes even when empty
        self.size = 0
        """Bytes in the queue: what `len` gives, without the call."""

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"<WriteBuffer of {self.size} bytes in {len(self._queue or ())} buffers>"

    def append(self, data: Buffer) -> None:
        """Queues `data`, whatever its item size or shape, without copying it if it is large.

        Args:
            data: A contiguous buffer.
        """
        if isinstance(data, memoryview) and (data.format != "B" or data.ndim != 1):
            data = data.cast("B")
        size = len(data)
        if not size:
            return
        self.size += size
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        if size >= JOIN_BELOW:
            queue.append(data)
        elif len(queue) > 1 and isinstance(queue[-1], _Joined) and len(queue[-1]) < JOIN_BELOW:
            queue[-1] += data
        else:
            queue.append(_Joined(data))

    def buffers(self) -> list[Buffer]:
        """Returns the first buffers, in order, for a gathering system call."""
        queue = self._queue or ()
        if len(queue) <= MAX_BUFFERS_PER_SEND:
            return list(queue)
        return [queue[index] for index in range(MAX_BUFFERS_PER_SEND)]

    def take_all(self) -> list[Buffer]:
        """Removes and returns everything."""
        taken = list(self._queue or ())
        self._queue = None
        self.size = 0
        return taken

    def head(self, join_up_to: int) -> memoryview:
        """Returns the first buffer, with small ones behind it joined to it until it holds `join_up_to` bytes.

        Args:
            join_up_to: Joins no more once the head has this size.
        """
        queue = self._queue
        if not queue:
            return memoryview(b"")
        first = queue.popleft()
        if queue and len(first) < join_up_to:
            parts = [first]
            size = len(first)
            while queue and size + len(queue[0]) <= join_up_to:
                parts.append(queue.popleft())
                size += len(parts[-1])
            first = b"".join(parts) if len(parts) > 1 else first
        elif isinstance(first, _Joined):
            first = bytes(first)  # it may grow while a view of it exists, which a bytearray refuses
        queue.appendleft(first)
        return memoryview(first)

    def advance(self, count: int) -> None:
        """Drops the first `count` bytes, which were sent.

        Args:
            count: At most `len(self)`.
        """
        self.size -= count
        queue = self._queue
        while count and queue:
            first = queue[0]
            if len(first) > count:
                queue[0] = memoryview(first)[count:]
                return
            count -= len(first)
            queue.popleft()
        if not queue:
            self._queue = None


@final
class _Joined(bytearray):
    """Small buffers joined by `WriteBuffer.append`; a bytearray that a user handed in is not touched."""
