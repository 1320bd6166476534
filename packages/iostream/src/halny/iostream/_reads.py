"""What a pending read waits for, without any I/O.

A read is fed the bytes that arrive, together with the buffer of what arrived before, and answers with its result once
it has one. What it took and could not use (it was cancelled, or the stream closed) it gives back to the buffer.
Every read looks at each byte a bounded number of times, however small the pieces are in which they arrive, except
`UntilRegex`: a pattern has to be tried again on everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, final

from ._buffers import take_front
from ._exceptions import UnsatisfiableReadError

if TYPE_CHECKING:
    import re

    from ._buffers import Buffer

LARGE_READ = 65536
"""`read_bytes` of this many bytes and more collects what arrives as it is, and joins it once."""

MAX_RECEIVE = 1 << 20
"""The most that one system call is asked for: memory is set aside before it is known how much arrives."""

_SMALL_PIECE = 16384


class Read:
    """A read of any kind."""

    __slots__ = ()

    has_size: ClassVar[bool] = False
    """Whether it knows how much it wants, so that `wanted` is worth asking."""

    def wanted(self, chunk: int) -> int:
        """Returns how many bytes to receive at once, where `chunk` is the stream's `read_chunk_size`."""
        return chunk

    def take(self, buffer: bytearray) -> Any:
        """Returns the result and removes it from `buffer`, or returns `None` if more bytes are needed."""
        raise NotImplementedError

    def feed(self, chunk: bytes, buffer: bytearray) -> Any:
        """Returns the result, now that `chunk` has arrived behind `buffer`, or `None`."""
        buffer += chunk
        return self.take(buffer)

    def finish(self, buffer: bytearray) -> Any:
        """Returns the result of a read that the end of the stream satisfies, or `None`."""
        self.give_back(buffer)

    def give_back(self, buffer: bytearray) -> None:
        """Puts what the read holds back to the front of `buffer`."""


@final
class Until(Read):
    """Through the first `delimiter`."""

    __slots__ = ("_delimiter", "_max_bytes", "_scanned")

    def __init__(self, delimiter: bytes, max_bytes: int | None) -> None:
        self._delimiter = delimiter
        self._max_bytes = max_bytes
        self._scanned = 0

    def take(self, buffer: bytearray) -> bytes | None:
        position = buffer.find(self._delimiter, self._scanned)
        if position >= 0:
            end = position + len(self._delimiter)
            self._check(end)
            return take_front(buffer, end)
        self._check(len(buffer) + 1)
        self._scanned = max(0, len(buffer) - len(self._delimiter) + 1)
        return None

    def feed(self, chunk: bytes, buffer: bytearray) -> bytes | None:
        if not buffer:  # the usual case, a line a packet, goes through uncopied
            end = chunk.find(self._delimiter) + len(self._delimiter)
            if end == len(chunk) and self._max_bytes is None and chunk.endswith(self._delimiter):
                return chunk
        buffer += chunk
        return self.take(buffer)

    def _check(self, end: int) -> None:
        if self._max_bytes is not None and end > self._max_bytes:
            raise UnsatisfiableReadError(f"delimiter {self._delimiter!r} not found within {self._max_bytes} bytes")


@final
class UntilRegex(Read):
    """Through the first match of a pattern."""

    __slots__ = ("_max_bytes", "_pattern")

    def __init__(self, pattern: re.Pattern[bytes], max_bytes: int | None) -> None:
        self._pattern = pattern
        self._max_bytes = max_bytes

    def take(self, buffer: bytearray) -> bytes | None:
        match = self._pattern.search(buffer)
        if match is not None:
            end = match.end()
            del match  # it holds the buffer, which could not change its size
            self._check(end)
            return take_front(buffer, end)
        self._check(len(buffer) + 1)
        return None

    def _check(self, end: int) -> None:
        if self._max_bytes is not None and end > self._max_bytes:
            raise UnsatisfiableReadError(f"pattern {self._pattern.pattern!r} not found within {self._max_bytes} bytes")


@final
class Some(Read):
    """Between 1 and `count` bytes, whatever is there first."""

    __slots__ = ("_count",)

    has_size = True

    def __init__(self, count: int) -> None:
        self._count = count

    def wanted(self, chunk: int) -> int:
        return min(self._count, MAX_RECEIVE) if self._count > chunk else chunk

    def take(self, buffer: bytearray) -> bytes | None:
        return take_front(buffer, self._count) if buffer else None

    def feed(self, chunk: bytes, buffer: bytearray) -> bytes | None:
        if not buffer and len(chunk) <= self._count:
            return chunk
        buffer += chunk
        return take_front(buffer, self._count)


@final
class Exactly(Read):
    """`count` bytes."""

    __slots__ = ("_count", "_missing", "_pieces")

    has_size = True

    def __init__(self, count: int) -> None:
        self._count = count
        self._missing = count
        self._pieces: list[bytes | bytearray] | None = [] if count >= LARGE_READ else None

    def wanted(self, chunk: int) -> int:
        if self._missing > chunk and self._pieces is not None:
            return min(self._missing, MAX_RECEIVE)
        return chunk

    def take(self, buffer: bytearray) -> bytes | None:
        if len(buffer) >= self._count:
            return take_front(buffer, self._count)
        if self._pieces is not None:  # only when the read begins: `feed` leaves the buffer alone until it is through
            self._missing -= len(buffer)
            _collect(self._pieces, take_front(buffer, len(buffer)))
        return None

    def feed(self, chunk: bytes, buffer: bytearray) -> bytes | None:
        pieces = self._pieces
        if pieces is None:
            if not buffer and len(chunk) == self._count:
                return chunk
            buffer += chunk
            return self.take(buffer)
        rest = b""
        if len(chunk) > self._missing:
            chunk, rest = chunk[: self._missing], chunk[self._missing :]
        self._missing -= len(chunk)
        _collect(pieces, chunk)
        if self._missing:
            return None
        buffer += rest
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def give_back(self, buffer: bytearray) -> None:
        if self._pieces:
            buffer[:0] = b"".join(self._pieces)
        self._pieces = None


def _collect(pieces: list[bytes | bytearray], chunk: bytes) -> None:
    """Adds `chunk`; small ones are joined, so that a peer who sends single bytes can't make a list of millions."""
    if len(chunk) >= _SMALL_PIECE:
        pieces.append(chunk)
    elif pieces and isinstance(pieces[-1], bytearray):
        pieces[-1] += chunk
    else:
        pieces.append(bytearray(chunk))


@final
class Into(Read):
    """Bytes into a buffer of the caller's, until it is full or (`partial`) there are any."""

    __slots__ = ("_filled", "_partial", "_target", "into")

    has_size = True

    def __init__(self, target: memoryview, partial: bool) -> None:
        self._target = target
        self._partial = partial
        self._filled = 0
        self.into = target

    def wanted(self, chunk: int) -> int:
        return max(chunk, min(len(self._target) - self._filled, MAX_RECEIVE))

    def take(self, buffer: bytearray) -> int | None:
        count = min(len(buffer), len(self._target) - self._filled)
        if count:
            self._target[self._filled : self._filled + count] = take_front(buffer, count)
        return self.received(count)

    def received(self, count: int) -> int | None:
        """Returns the result, now that `count` bytes were received into `into`."""
        self._filled += count
        self.into = self._target[self._filled :]
        if self._filled == len(self._target) or (self._partial and self._filled):
            return self._filled
        return None

    def give_back(self, buffer: bytearray) -> None:
        buffer[:0] = self._target[: self._filled]
        self._filled = 0


@final
class UntilClose(Read):
    """Everything, until the stream ends."""

    __slots__ = ()

    def take(self, buffer: bytearray) -> None:
        return None

    def finish(self, buffer: bytearray) -> bytes:
        return take_front(buffer, len(buffer))


def view_of(buffer: Buffer) -> memoryview:
    """Returns a view of single bytes on a writable, contiguous buffer.

    Raises:
        TypeError: The buffer can't be written to.
    """
    view = memoryview(buffer).cast("B")
    if view.readonly:
        raise TypeError("read_into() needs a writable buffer, such as a bytearray")
    return view
