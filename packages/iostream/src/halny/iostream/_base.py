"""Streams on a file descriptor that the loop watches.

`BaseIOStream` drives the two sides of a stream with a descriptor: it receives when the loop says that there is
something, sends at once and, for what does not go, when the loop says that it would. A subclass tells it how, by five
methods. Once somebody has read from a stream its descriptor stays watched, so that a read costs no system call to
arrange; without a read pending, bytes are read ahead up to `read_chunk_size`, then the kernel holds the peer up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._core import OPEN
from ._loop import forgets_errors, poller_of
from ._reads import Into
from ._wakeup import resolve_now
from ._writing import WritingSide

if TYPE_CHECKING:
    from ._buffers import Buffer
    from ._core import State

RECEIVES_PER_TURN = 16
"""Calls for one stream in one turn of the loop: a peer that sends faster than we read must not starve the others."""


class BaseIOStream(WritingSide):
    """A stream on anything with a file descriptor; subclass it for something that Halny does not have.

    A subclass defines `fileno`, `close_fd`, `read_from_fd`, `write_to_fd` and, if it can, `get_fd_error`. The
    descriptor must not block.
    """

    _reading_watched = False
    _writing_watched = False
    _wakes = True  # resumes whoever reads on the spot; false where that might not be the last thing done
    _receives_whole = True  # false where received bytes may be hidden from the poller, as in a TLS record
    _poller_forgets = False  # see `forgets_errors`

    def __init__(
        self,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
        max_write_buffer_size: int | None = None,
    ) -> None:
        """Makes a stream; subclasses call this after their own set-up.

        Args:
            max_buffer_size: Most bytes to keep for reads, 100 MiB by default. A peer that makes a read pass it is
                disconnected.
            read_chunk_size: Bytes to receive at once, 64 KiB by default, never more than half the buffer.
            max_write_buffer_size: Most bytes that may wait to be sent; no limit by default, because only the program
                itself makes this buffer grow.

        Raises:
            ValueError: A size that is not positive.
        """
        super().__init__(max_buffer_size, read_chunk_size, max_write_buffer_size)
        if forgets_errors(self._loop):
            self._poller_forgets = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Whoever overrides a public hook means it to be used, instead of the faster one of the class above.
        if "read_from_fd" in cls.__dict__ and "_receive" not in cls.__dict__:
            cls._receive = BaseIOStream._receive  # type: ignore[method-assign]
            cls._receives_whole = False  # it may keep bytes that no poller sees
        if "write_to_fd" in cls.__dict__ and "_send" not in cls.__dict__:
            cls._send = BaseIOStream._send  # type: ignore[method-assign]
            cls._send_some = WritingSide._send_some  # type: ignore[method-assign]

    # --- what a subclass defines ----------------------------------------------------------------------------------

    def fileno(self) -> int:
        """Returns the file descriptor."""
        raise NotImplementedError(f"{type(self).__name__} does not define fileno()")

    def close_fd(self) -> None:
        """Closes the descriptor; called once, by the stream itself. Use `close` to close a stream."""
        raise NotImplementedError(f"{type(self).__name__} does not define close_fd()")

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Reads into `buf`; returns how many bytes, 0 at the end, `None` if there is nothing now.

        Args:
            buf: Where the bytes go.

        Raises:
            OSError: The stream is broken, and is closed with this error.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define read_from_fd()")

    def write_to_fd(self, data: memoryview) -> int:
        """Writes some of `data` and returns how many bytes; 0, or a `BlockingIOError`, if there is no room now.

        Args:
            data: What to write; not empty.

        Raises:
            OSError: The stream is broken, and is closed with this error.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define write_to_fd()")

    def get_fd_error(self) -> Exception | None:
        """Returns what is wrong with the descriptor, if that is known."""
        return None

    def set_nodelay(self, value: bool) -> None:
        """Sends small writes at once (`TCP_NODELAY`); does nothing on streams that have no such thing.

        Args:
            value: `False` lets the system join small writes again.
        """

    # --- reading --------------------------------------------------------------------------------------------------

    def _receive(self, size: int) -> bytes:
        """Returns up to `size` bytes, none at the end; raises `BlockingIOError` if there is nothing now."""
        buffer = bytearray(size)
        with memoryview(buffer) as view:
            count = self.read_from_fd(view)
            if count is None:
                raise BlockingIOError
            return bytes(view[:count])

    def _on_readable(self) -> None:
        future, read = self._read_future, self._read
        if future is None or read is None or future.done():
            self._read_ahead()
            return
        buffer = self._read_buffer
        for _ in range(RECEIVES_PER_TURN):
            try:
                if read.has_size and isinstance(read, Into):
                    wanted, count, result = self._receive_into(read)
                else:
                    wanted = read.wanted(self.read_chunk_size) if read.has_size else self.read_chunk_size
                    chunk = self._receive(wanted)
                    count = len(chunk)
                    result = read.feed(chunk, buffer) if count else None
            except BlockingIOError:
                return
            except Exception as error:  # noqa: BLE001 - told to whoever uses the stream
                self._fail(error)
                return
            if result is not None:
                self._read = self._read_future = None
                if self._poller_forgets:
                    self._look_again_later()
                if self._wakes:
                    resolve_now(future, result)
                else:
                    future.set_result(result)
                return
            if not count:
                self._close(None)
                return
            if len(buffer) >= self.max_buffer_size:
                self._close_full()
                return
            if count < wanted and self._receives_whole and not self._poller_forgets:
                return
        self._receive_later()

    def _receive_into(self, read: Into) -> tuple[int, int, int | None]:
        target = read.into
        count = self.read_from_fd(target)
        if count is None:
            raise BlockingIOError
        return len(target), count, read.received(count) if count else None

    def _may_hide_bytes(self) -> bool:
        """Tells whether there may be bytes to receive that the poller does not see."""
        return not self._receives_whole

    def _receive_later(self) -> None:
        """Called when a turn was used up; a descriptor that is still readable calls again by itself."""
        if self._state is OPEN and self._may_hide_bytes():
            self._loop.call_soon(self._receive_more)

    def _receive_more(self) -> None:
        if self._state is OPEN and self.reading():
            self._on_readable()

    def _look_again_later(self) -> None:
        """Sees to it that an error behind the bytes just received is noticed, as soon as anybody could care."""
        self._unsure = True
        if self._close_callback is not None:
            self._loop.call_soon(self._look_again)

    def _look_again(self) -> None:
        if self._state is OPEN and self._unsure:
            self._unsure = False
            self._on_readable()

    def _read_ahead(self) -> None:
        self._forget_cancelled(self._read_future)
        if len(self._read_buffer) >= self.read_chunk_size:
            self._unwatch_reading()
            return
        try:
            chunk = self._receive(self.read_chunk_size)
        except BlockingIOError:
            return
        except Exception as error:  # noqa: BLE001 - told to whoever uses the stream
            self._fail(error)
            return
        if chunk:
            self._read_buffer += chunk
            if self._poller_forgets:
                self._look_again_later()
        else:
            self._close(None)

    # --- watching -------------------------------------------------------------------------------------------------

    def _watch_reading(self) -> None:
        if self._state is OPEN:
            self._watch_readable()
            if self._unsure:
                self._loop.call_soon(self._look_again)
            elif self.reading() and self._may_hide_bytes():
                self._loop.call_soon(self._receive_more)

    def _watch_readable(self) -> None:
        if not self._reading_watched:
            poller_of(self._loop).add_reader(self.fileno(), self._on_readable)
            self._reading_watched = True
            self._notices = self._receives_whole

    def _unwatch_reading(self) -> None:
        if self._reading_watched:
            self._reading_watched = self._notices = False
            poller_of(self._loop).remove_reader(self.fileno())

    def _watch_writing(self, wanted: bool) -> None:
        if wanted == self._writing_watched:
            return
        self._writing_watched = wanted
        if wanted:
            poller_of(self._loop).add_writer(self.fileno(), self._on_writable)
        else:
            poller_of(self._loop).remove_writer(self.fileno())

    def _on_writable(self) -> None:
        self._flush()

    def _send(self, data: Buffer) -> int:
        sent = self.write_to_fd(memoryview(data))
        if not sent:
            raise BlockingIOError
        return sent

    def _release(self, was: State) -> None:
        if not self._loop.is_closed():
            self._unwatch_reading()
            self._watch_writing(False)
        self.close_fd()
