"""Streams on a pipe, or any other descriptor that can be polled."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from ._base import BaseIOStream

if TYPE_CHECKING:
    from ._buffers import Buffer, WriteBuffer

_CAN_GATHER = hasattr(os, "writev")


class PipeIOStream(BaseIOStream):
    """A stream on one end of a pipe, or a terminal: it can be read or written as that end can.

    Regular files can't be polled and so have no streams. Not for Windows, whose pipes can't be polled either.
    """

    def __init__(self, fd: int, *args: Any, **kwargs: Any) -> None:
        """Takes over `fd`, which becomes non-blocking and is closed with the stream.

        Args:
            fd: A descriptor.
            *args: See [`BaseIOStream`][halny.iostream.BaseIOStream].
            **kwargs: See `BaseIOStream`.

        Raises:
            OSError: The descriptor is not open: the caller's fault.
        """
        os.set_blocking(fd, False)
        self._fd = fd
        super().__init__(*args, **kwargs)

    def fileno(self) -> int:
        """Returns the descriptor, -1 once the stream is closed."""
        return self._fd

    def close_fd(self) -> None:
        """Closes the descriptor; use `close` to close a stream."""
        fd, self._fd = self._fd, -1
        os.close(fd)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Reads into `buf`; see `BaseIOStream.read_from_fd`.

        Args:
            buf: Where the bytes go.
        """
        try:
            return os.readv(self._fd, [buf])
        except BlockingIOError:
            return None

    def write_to_fd(self, data: memoryview) -> int:
        """Writes some of `data`; see `BaseIOStream.write_to_fd`.

        Args:
            data: What to write.
        """
        return os.write(self._fd, data)

    def _receive(self, size: int) -> bytes:
        try:
            return os.read(self._fd, size)
        except OSError as error:
            if error.errno == errno.EBADF:  # a write-only end is "readable" when its reader has closed
                return b""
            raise

    def _send(self, data: Buffer) -> int:
        return os.write(self._fd, data)

    def _send_some(self, buffer: WriteBuffer) -> int:
        if not _CAN_GATHER:
            return os.write(self._fd, buffer.head(0))
        return os.writev(self._fd, buffer.buffers())
