"""What goes wrong on a stream.

* `StreamClosedError` (an `OSError`): the stream is closed, by either side; `real_error` says why.
* `StreamBufferFullError`: a limit of the stream's own buffers was reached.
* `UnsatisfiableReadError`: `max_bytes` passed without the delimiter.

The last two reach a pending read as the `real_error` of a `StreamClosedError`, because both close the stream.
"""

from __future__ import annotations


class StreamClosedError(OSError):
    """The stream is closed, so nothing more can be read or written.

    An ordinary end of a connection, not a fault: code that serves peers catches it and leaves.
    """

    real_error: BaseException | None
    """What closed the stream (also its `__cause__`); `None` when one of the two sides just closed it."""

    def __init__(self, real_error: BaseException | None = None) -> None:
        super().__init__("Stream is closed")
        self.real_error = real_error
        self.__cause__ = real_error

    def __reduce__(self) -> tuple[type[StreamClosedError], tuple[BaseException | None]]:
        return type(self), (self.real_error,)

    def __str__(self) -> str:
        if self.real_error is None:
            return "Stream is closed"
        return f"Stream is closed: {self.real_error!r}"


class StreamBufferFullError(Exception):
    """A buffer would grow beyond `max_buffer_size` or `max_write_buffer_size`."""


class UnsatisfiableReadError(Exception):
    """A read can't be satisfied: its delimiter or pattern was not among the first `max_bytes`."""
