"""Reads the bodies of HTTP/1.1 messages: the part that follows a head, by its length or in chunks.

Strategy: a reader takes bytes and gives back those that are content, without copying them where the input allows;
what comes after the body is kept in `rest`, for the next message. Chunked framing is read by one strict grammar
(RFC 9112, section 7.1); chunk extensions and trailers are read within a limit and dropped, since nothing that a
later part of the message says may change how an earlier part was understood. One call reads a bounded number of
chunks, so that a flood of tiny ones can't hold up an event loop: `pending` says that another call is due.

A body that neither has a length nor comes in chunks ends with the connection; only a response may have one.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, Protocol, final

from ._exceptions import HTTPRefusal
from ._limits import DEFAULT_LIMITS, Limits

MAX_CHUNKS_PER_CALL: Final = 512
"""How many chunks one call of `feed` reads: about half a millisecond's work."""

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_SIZE_LINE_BEGINNING: Final = re.compile(rb"(?:[0-9A-Fa-f]{1,16}(?:[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r?)?)?")
_TRAILER_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n")


class BodyReader(Protocol):
    """Takes the bytes that follow a head and tells content, end and what comes after apart."""

    complete: bool
    """Whether the end of the body has been read."""
    pending: bool
    """Whether bytes are waiting that one call has not come to; call `feed(b"")` for them."""
    rest: bytes
    """The bytes after the body, once it is complete."""
    received: int
    """How many bytes of content have been given back."""

    def feed(self, data: bytes) -> list[bytes]:
        """Takes the next bytes and returns the content in them.

        Raises:
            HTTPRefusal: the body's framing is malformed, or it is over a limit; the peer's fault.
        """
        ...


@final
class LengthBody:
    """Reads a body whose length the head gave.

    Args:
        length: the number of bytes, at least 1.
    """

    __slots__ = ("_length", "complete", "pending", "received", "rest")

    def __init__(self, length: int) -> None:
        self._length = length
        self.complete = False
        self.pending = False
        self.rest = b""
        self.received = 0

    def feed(self, data: bytes) -> list[bytes]:
        """See `BodyReader.feed`; this one raises nothing."""
        missing = self._length - self.received
        if len(data) >= missing:
            self.complete = True
            self.rest = data[missing:]
            if self.rest:
                data = data[:missing]
        self.received += len(data)
        return [data] if data else []


@final
class CloseBody:
    """Reads a body that ends with the connection: one that was cut off can't be told from one that is complete.

    Args:
        max_size: bytes of content that are accepted; more are refused with 413.
    """

    __slots__ = ("_max_size", "complete", "pending", "received", "rest")

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self.complete = False
        self.pending = False
        self.rest = b""
        self.received = 0

    def feed(self, data: bytes) -> list[bytes]:
        """See `BodyReader.feed`."""
        self.received += len(data)
        if self.received > self._max_size:
            raise HTTPRefusal(413, f"body of more than {self._max_size} bytes")
        return [data] if data else []

    def connection_closed(self) -> None:
        """Takes the end of the connection for the end of the body."""
        self.complete = True


class _State(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    COMPLETE = auto()


@final
class ChunkedBody:
    """Reads a body that comes in chunks.

    Args:
        max_size: bytes of content that are accepted in all; more are refused with 413.
        limits: how long chunk-size lines and trailers may be.
    """

    __slots__ = (
        "_data",
        "_extensions_size",
        "_left",
        "_limits",
        "_max_size",
        "_position",
        "_state",
        "_trailer_size",
        "complete",
        "pending",
        "received",
        "rest",
    )

    def __init__(self, max_size: int, limits: Limits = DEFAULT_LIMITS) -> None:
        self._max_size = max_size
        self._limits = limits
        self._state = _State.SIZE
        self._data: bytes = b""
        self._position = 0
        """How much of `_data` has been read. It is kept while chunks are pending, for a copy of the rest in each call
        would make a flood of them quadratic."""
        self._left = 0
        self._trailer_size = 0
        self._extensions_size = 0
        self.complete = False
        self.pending = False
        self.rest = b""
        self.received = 0

    def feed(self, data: bytes) -> list[bytes]:
        """See `BodyReader.feed`."""
        position = 0
        if self._data:
            if data or not self.pending:
                data = self._data[self._position :] + data
            else:
                data, position = self._data, self._position
            self._data = b""
        self.pending = False
        pieces: list[bytes] = []
        chunks = 0
        while position < len(data):
            state = self._state
            if state is _State.DATA:
                position = self._read_data(data, position, pieces)
            elif state is _State.COMPLETE:
                self.rest = data[position:]
                break
            elif chunks == MAX_CHUNKS_PER_CALL:
                self._data, self._position, self.pending = data, position, True
                break
            else:
                after = self._read_line(data, position)
                if after < 0:
                    self._data, self._position = data[position:], 0
                    break
                position = after
                chunks += state is _State.SIZE
        return pieces

    def _read_data(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        """Adds what there is of the current chunk to the pieces and returns where it ends."""
        end = position + self._left
        piece = data if not position and len(data) <= end else data[position:end]
        pieces.append(piece)
        self.received += len(piece)
        self._left -= len(piece)
        if not self._left:
            self._state = _State.DATA_END
        return position + len(piece)

    def _read_line(self, data: bytes, position: int) -> int:
        """Reads a line of the framing and returns where it ends, or -1 when it is not all there."""
        if self._state is _State.SIZE:
            return self._read_size(data, position)
        if self._state is _State.TRAILER:
            return self._read_trailer(data, position)
        if data.startswith(b"\r\n", position):
            self._state = _State.SIZE
            return position + 2
        if len(data) - position == 1 and data[position] == 13:
            return -1
        raise HTTPRefusal(400, f"chunk is followed by {data[position : position + 2]!r} instead of a line end")

    def _read_size(self, data: bytes, position: int) -> int:
        match = _SIZE_LINE.match(data, position)
        max_line = self._limits.max_chunk_line_size
        if match is None or match.end() - position > max_line:
            line = data[position : position + max_line + 1]
            if len(line) > max_line or _SIZE_LINE_BEGINNING.fullmatch(line) is None:
                raise HTTPRefusal(400, f"malformed chunk size {line[:50]!r}")
            return -1
        size = int(match[1], 16)
        extension = match.end() - match.end(1) - 2
        if extension:
            self._extensions_size += extension
            if self._extensions_size > self._limits.max_chunk_extensions_size + self.received:
                raise HTTPRefusal(400, f"chunk extensions of {self._extensions_size} bytes, more than of content")
        if self.received + size > self._max_size:
            raise HTTPRefusal(413, f"chunked body of more than {self._max_size} bytes")
        self._left = size
        self._state = _State.DATA if size else _State.TRAILER
        return match.end()

    def _read_trailer(self, data: bytes, position: int) -> int:
        end = data.find(b"\r\n", position)
        if end == position:
            self._state = _State.COMPLETE
            self.complete = True
            return position + 2
        # Of a line without its end, a CR may belong to the empty line that comes last, which does not count.
        size = (len(data) - data.endswith(b"\r") if end < 0 else end + 2) - position
        if self._trailer_size + size > self._limits.max_trailer_size:
            raise HTTPRefusal(400, f"trailers of more than {self._limits.max_trailer_size} bytes")
        if end < 0:
            return -1
        line = data[position : end + 2]
        if _TRAILER_LINE.fullmatch(line) is None:
            raise HTTPRefusal(400, f"malformed trailer {line[:50]!r}")
        self._trailer_size += size
        return end + 2
