"""The writing side of a stream: what could not be sent at once, and the futures that wait for it.

`_total_write_index` counts all bytes ever given to the stream. Programs are known to append to `_write_buffer`, add to
that counter and call `write(b"")`; both names, and that order, are kept for them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ._buffers import WriteBuffer
from ._core import CLOSED, OPEN
from ._exceptions import StreamBufferFullError, StreamClosedError
from ._reading import ReadingSide

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from ._buffers import Buffer


class WritingSide(ReadingSide):
    """The writes of a stream; any number may be pending."""

    _total_write_index = 0
    _write_futures: deque[tuple[int, asyncio.Future[None]]] | None = None
    _backlogged = False  # set by drivers below which bytes wait too

    def __init__(
        self,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
    ) -> None:
        super().__init__(max_buffer_size, read_chunk_size, max_write_buffer_size)
        self._write_buffer: WriteBuffer = WriteBuffer()

    def writing(self) -> bool:
        """Tells whether bytes wait to be sent."""
        return self._state is not CLOSED and (len(self._write_buffer) > 0 or self._backlogged)

    def write(self, data: Buffer | Sequence[Buffer]) -> asyncio.Future[None]:
        """Sends `data`; the future is done when the system has taken all of it.

        Nobody has to wait for it: the order is kept, and a failure that nobody asks about is not logged. A program
        that produces more than its peer takes should wait, though, or set `max_write_buffer_size`.

        Large buffers are sent without being copied: don't change a `bytearray` or what a `memoryview` shows before
        the future is done.

        Args:
            data: Bytes or any other contiguous buffer, or a list or tuple of such, which leave together.

        Raises:
            StreamClosedError: The stream is closed. When it closes while bytes wait, the future has this error.
            StreamBufferFullError: More than `max_write_buffer_size` bytes would wait; nothing of `data` is sent and
                the stream stays open.
            TypeError: Not a buffer: the caller's fault.
        """
        if self._state is CLOSED:
            raise StreamClosedError(self.error)
        future: asyncio.Future[None] = self._loop.create_future()
        buffer = self._write_buffer
        if data.__class__ is bytes and self._state is OPEN and not buffer.size and self.max_write_buffer_size is None:
            size = len(data)
            try:
                sent = self._send(data) if size else 0  # pyright: ignore[reportArgumentType]
                if sent:
                    self._unsure = False
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._close(error)
                return self._failed(future)
            self._total_write_index += size
            if sent == size and not self._backlogged:
                future.set_result(None)
                return future
            buffer.append(memoryview(data)[sent:])  # pyright: ignore[reportArgumentType]
        else:
            self._append(data)
            if self._state is OPEN:
                self._flush()
            if not buffer.size and not self._backlogged:
                return self._written(future)
        return self._wait_written(future)

    # --- for drivers ----------------------------------------------------------------------------------------------

    def _send(self, data: Buffer) -> int:
        """Driver: sends some of `data`, which is not empty, and returns how much; raises `BlockingIOError` for none."""
        raise NotImplementedError

    def _send_some(self, buffer: WriteBuffer) -> int:
        """Driver: sends some of a queue, which is not empty; by default its head."""
        return self._send(buffer.head(0))

    def _watch_writing(self, wanted: bool) -> None:
        """Driver: arranges that `_flush` is called as soon as more can be sent, or no longer."""
        raise NotImplementedError

    def _unsent(self) -> int:
        """Driver: the bytes that wait, wherever they do."""
        return len(self._write_buffer)

    def _flush(self) -> None:
        """Sends as much as goes, and resolves the futures of what went."""
        buffer = self._write_buffer
        while buffer.size:
            try:
                sent = self._send_some(buffer)
            except BlockingIOError:
                break
            except Exception as error:  # noqa: BLE001 - told to whoever uses the stream
                self._fail(error)
                return
            buffer.advance(sent)
        self._resolve_written()

    def _resolve_written(self) -> None:
        if self._backlogged:
            return
        done = self._total_write_index - len(self._write_buffer)
        futures = self._write_futures
        while futures and futures[0][0] <= done:
            future = futures.popleft()[1]
            if not future.done():
                future.set_result(None)
        if not futures:
            self._write_futures = None
        if not self._write_buffer:
            self._watch_writing(False)

    # --- internal -------------------------------------------------------------------------------------------------

    def _append(self, data: Buffer | Sequence[Buffer]) -> None:
        parts: Sequence[Buffer] = data if isinstance(data, (list, tuple)) else (data,)  # pyright: ignore[reportAssignmentType]
        views = [part if isinstance(part, bytes) else memoryview(part).cast("B") for part in parts]
        size = sum(map(len, views))
        limit = self.max_write_buffer_size
        if limit is not None and self._unsent() + size > limit:
            raise StreamBufferFullError(f"write of {size} bytes exceeds the maximum write buffer size of {limit} bytes")
        for view in views:
            self._write_buffer.append(view)
        self._total_write_index += size

    def _written(self, future: asyncio.Future[None]) -> asyncio.Future[None]:
        if self._state is CLOSED:
            return self._failed(future)
        future.set_result(None)
        return future

    def _wait_written(self, future: asyncio.Future[None]) -> asyncio.Future[None]:
        if self._state is CLOSED:
            return self._failed(future)
        if self._write_futures is None:
            self._write_futures = deque()
        self._write_futures.append((self._total_write_index, future))
        if self._state is OPEN:
            self._watch_writing(True)
        return future

    def _end_writes(self) -> None:
        futures, self._write_futures = self._write_futures, None
        self._backlogged = False
        self._write_buffer = None  # type: ignore[assignment]  # programs are known to ask whether it is
        for _, future in futures or ():
            self._failed(future)
