"""The reading side of a stream: one pending read, and the bytes that nobody has asked for yet.

A read that the buffer satisfies is done when it is returned. Otherwise the driver feeds what arrives to it. A pending
read that is cancelled gives its bytes back and is forgotten, at the latest when the next one begins.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

from ._core import CLOSED, StreamCore
from ._exceptions import StreamBufferFullError, UnsatisfiableReadError
from ._reads import Exactly, Into, Some, Until, UntilClose, UntilRegex, view_of

if TYPE_CHECKING:
    import asyncio

    from ._reads import Read


class ReadingSide(StreamCore):
    """The reads of a stream; one may be pending at a time."""

    _read: Read | None = None
    _read_future: asyncio.Future[Any] | None = None
    _notices = False  # set by drivers that need not be asked again to notice what arrives
    _unsure = False  # set by drivers that may have missed an error; a successful write proves that there was none

    def __init__(
        self,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
    ) -> None:
        super().__init__(max_buffer_size, read_chunk_size, max_write_buffer_size)
        self._read_buffer: bytearray = bytearray()

    def reading(self) -> bool:
        """Tells whether a read is pending."""
        future = self._read_future
        return future is not None and not future.done()

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> asyncio.Future[bytes]:
        """Reads through the first `delimiter`, which the result includes.

        Args:
            delimiter: What to look for; not empty.
            max_bytes: Closes the stream if the delimiter does not end within this many bytes. Without it only
                `max_buffer_size` limits what the peer makes you keep.

        Raises:
            StreamClosedError: The stream ended first; `real_error` is an `UnsatisfiableReadError` when `max_bytes`
                passed without the delimiter, a `StreamBufferFullError` when `max_buffer_size` did.
            RuntimeError: Another read is pending: the caller's fault, as for every read.
        """
        if not delimiter:
            raise ValueError("the delimiter must not be empty")
        if delimiter.__class__ is not bytes:
            delimiter = bytes(memoryview(delimiter))  # refuses a str now, and not when something arrives
        return self._begin(Until(delimiter, max_bytes))

    def read_until_regex(self, regex: bytes | re.Pattern[bytes], max_bytes: int | None = None) -> asyncio.Future[bytes]:
        """Reads through the end of the first match of `regex`, and everything before it.

        The pattern is tried again on everything buffered whenever more arrives; give `max_bytes` when the peer is not
        trusted.

        Args:
            regex: A pattern for bytes.
            max_bytes: See `read_until`.

        Raises:
            StreamClosedError: See `read_until`.
            re.error: The pattern is wrong: the caller's fault.
            TypeError: The pattern is not for bytes: the caller's fault.
        """
        pattern: re.Pattern[Any] = re.compile(regex)
        if not isinstance(pattern.pattern, bytes):
            raise TypeError(f"the pattern is {pattern.pattern!r}, expected bytes")
        return self._begin(UntilRegex(pattern, max_bytes))

    def read_bytes(self, num_bytes: int, partial: bool = False) -> asyncio.Future[bytes]:
        """Reads `num_bytes` bytes.

        Args:
            num_bytes: How many.
            partial: Returns as soon as there are any, at most `num_bytes`.

        Raises:
            StreamClosedError: The stream ended first; with a `StreamBufferFullError` as `real_error` when
                `num_bytes` is more than `max_buffer_size`, which also closes the stream.
            ValueError: A negative number: the caller's fault.
            TypeError: Not a whole number: the caller's fault.
        """
        num_bytes = operator.index(num_bytes)
        if num_bytes < 0:
            raise ValueError(f"num_bytes must not be negative, got {num_bytes!r}")
        if num_bytes == 0:
            return self._done(b"")
        if partial:
            return self._begin(Some(num_bytes))
        if num_bytes > self.max_buffer_size and num_bytes > len(self._read_buffer):
            self._check_idle()
            return self._refuse(f"read of {num_bytes} bytes")
        return self._begin(Exactly(num_bytes))

    def read_into(self, buf: bytearray | memoryview, partial: bool = False) -> asyncio.Future[int]:
        """Reads into `buf` until it is full, and returns how many bytes those are.

        `buf` must not be touched while the read is pending. `max_buffer_size` does not limit it.

        Args:
            buf: A writable buffer.
            partial: Returns as soon as there are any bytes.

        Raises:
            StreamClosedError: The stream ended first.
            TypeError: The buffer can't be written to: the caller's fault.
        """
        target = view_of(buf)
        if not len(target):
            return self._done(0)
        future = self._begin(Into(target, partial))
        if not partial and not future.done():
            future.add_done_callback(self._forget_cancelled)  # before its caller can use the buffer again
        return future

    def read_until_close(self) -> asyncio.Future[bytes]:
        """Reads everything until the stream is closed, by either side.

        Raises:
            StreamClosedError: The stream broke instead of ending: `real_error` says how, and what came before can
                still be read; a `StreamBufferFullError` when it was more than `max_buffer_size`.
        """
        return self._begin(UntilClose())

    # --- for drivers ----------------------------------------------------------------------------------------------

    def _fed(self, chunk: bytes) -> None:
        """Takes what arrived, for the pending read or for a later one."""
        future, read = self._read_future, self._read
        if future is None or read is None or future.done():
            self._forget_cancelled(future)
            self._read_buffer += chunk
            return
        try:
            result = read.feed(chunk, self._read_buffer)
        except UnsatisfiableReadError as error:
            self._close(error)
            return
        if result is not None:
            self._read = self._read_future = None
            future.set_result(result)
        elif len(self._read_buffer) >= self.max_buffer_size:
            self._close_full()

    def _has_room(self) -> bool:
        """Tells whether to receive at all: for a read, or to see the end while little is buffered."""
        return self.reading() or len(self._read_buffer) < self.read_chunk_size

    def _close_full(self) -> None:
        self._close(StreamBufferFullError(f"reached the maximum read buffer size of {self.max_buffer_size} bytes"))

    # --- internal -------------------------------------------------------------------------------------------------

    def _begin(self, read: Read) -> asyncio.Future[Any]:
        if self._read_future is not None:
            self._check_idle()
        future: asyncio.Future[Any] = self._loop.create_future()
        buffer = self._read_buffer
        if buffer:
            try:
                result = read.take(buffer)
            except UnsatisfiableReadError as error:
                self._close(error)
                return self._failed(future)
            if result is not None:
                future.set_result(result)
                if self._close_callback is not None and not self._notices and self._has_room():
                    self._watch_reading()  # it may have read ahead as far as it may, and seen no end
                return future
            if len(buffer) >= self.max_buffer_size:
                self._close_full()
        if self._state is CLOSED:
            return self._finish(read, future)
        self._read = read
        self._read_future = future
        if not self._notices or self._unsure:
            try:
                self._watch_reading()
            except BaseException:  # what the stream is on can't be watched
                self._read = self._read_future = None
                raise
        return future

    def _check_idle(self) -> None:
        if self.reading():
            raise RuntimeError("already reading: await the pending read, or cancel it, before the next one")
        self._forget_cancelled(self._read_future)

    def _forget_cancelled(self, future: asyncio.Future[Any] | None) -> None:
        if future is not None and future is self._read_future:
            read, self._read, self._read_future = self._read, None, None
            if read is not None:
                read.give_back(self._read_buffer)

    def _done(self, result: Any) -> asyncio.Future[Any]:
        self._check_idle()
        future: asyncio.Future[Any] = self._loop.create_future()
        future.set_result(result)
        return future

    def _refuse(self, what: str) -> asyncio.Future[Any]:
        if self._state is not CLOSED:
            message = f"{what} exceeds the maximum read buffer size of {self.max_buffer_size} bytes"
            self._close(StreamBufferFullError(message))
        return self._failed(self._loop.create_future())

    def _end_reads(self) -> None:
        future, read = self._read_future, self._read
        self._read = self._read_future = None
        if future is None or read is None:
            return
        if future.done():
            read.give_back(self._read_buffer)
        else:
            self._finish(read, future)

    def _finish(self, read: Read, future: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """Answers a read of a closed stream."""
        if self.error is None:
            result = read.finish(self._read_buffer)
            if result is not None and not self._loop.is_closed():
                future.set_result(result)
                return future
        else:
            read.give_back(self._read_buffer)
        return self._failed(future)
