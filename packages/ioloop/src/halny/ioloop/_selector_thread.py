"""`add_reader` and `add_writer` for event loops that have none: Windows' Proactor loops.

Strategy: a thread of its own calls `select.select`, and tells the loop by `call_soon_threadsafe` what is ready. The
loop runs the callbacks and then sends the thread back to selecting, so that the two never work on the descriptors at
the same time and readiness stays level-triggered. Changes while the thread selects wake it through a socket pair.

The thread has no strong part in anybody's life: it is a daemon, ends when the loop is closed, and `asyncio.run` ends it
too, through an asynchronous generator that the loop closes when it shuts down.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import enum
import functools
import select
import socket
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    Selected = tuple[list[int], list[int]]
    _EventLoop = asyncio.BaseEventLoop  # all its methods are there, though the real loop has them
else:
    _EventLoop = asyncio.AbstractEventLoop

_open: weakref.WeakSet[SelectorThread] = weakref.WeakSet()


def _close_all() -> None:
    # Daemon threads must not be inside a system call with the interpreter's objects when these are torn down.
    for selector in list(_open):
        selector.close()


atexit.register(_close_all)


class _Turn(enum.Enum):
    LOOP = enum.auto()  # the loop runs callbacks, or nothing is registered yet: the thread waits
    THREAD = enum.auto()  # the thread selects
    CLOSED = enum.auto()


class _Callback:
    __slots__ = ("args", "context", "function")

    def __init__(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = args
        self.context = contextvars.copy_context()

    def __call__(self) -> None:
        self.context.run(self.function, *self.args)


class SelectorThread:
    """The four selector methods of an asyncio loop, for a loop that lacks them. Not thread-safe, like a loop.

    Descriptors may be numbers or objects with `fileno`. `select.select` limits how many there can be (512 on Windows).
    """

    def __init__(self, real_loop: asyncio.AbstractEventLoop) -> None:
        """Make the four methods for a loop. The thread starts with the first descriptor.

        Args:
            real_loop: the loop that runs the callbacks.
        """
        self._real_loop = real_loop
        self._readers: dict[int, _Callback] = {}
        self._writers: dict[int, _Callback] = {}
        self._turn = _Turn.LOOP
        self._changed = threading.Condition()
        self._request: Selected = ([], [])
        self._thread: threading.Thread | None = None
        self._shutdown_watch: AsyncGenerator[None, None] | None = None
        self._waker_r, self._waker_w = socket.socketpair()
        self._waker_r.setblocking(False)
        self._waker_w.setblocking(False)
        _open.add(self)

    def __repr__(self) -> str:
        return f"<SelectorThread {self._turn.name} readers={len(self._readers)} writers={len(self._writers)}>"

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """Call `callback` whenever `fd` can be read, in place of an earlier callback.

        Args:
            fd: a descriptor.
            callback: what to call.
            *args: its arguments.

        Raises:
            RuntimeError: this was closed.
        """
        self._add(self._readers, fd, _Callback(callback, args))

    def add_writer(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """Call `callback` whenever `fd` can be written to, in place of an earlier callback.

        Args:
            fd: a descriptor.
            callback: what to call.
            *args: its arguments.

        Raises:
            RuntimeError: this was closed.
        """
        self._add(self._writers, fd, _Callback(callback, args))

    def remove_reader(self, fd: Any) -> bool:
        """Stop watching `fd` for reading, and return whether it was watched.

        Args:
            fd: a descriptor.
        """
        return self._remove(self._readers, fd)

    def remove_writer(self, fd: Any) -> bool:
        """Stop watching `fd` for writing, and return whether it was watched.

        Args:
            fd: a descriptor.
        """
        return self._remove(self._writers, fd)

    def close(self) -> None:
        """End the thread. The loop stays open. Closing again does nothing."""
        with self._changed:
            if self._turn is _Turn.CLOSED:
                return
            self._turn = _Turn.CLOSED
            self._changed.notify()
        self._wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._readers.clear()
        self._writers.clear()
        self._waker_r.close()
        self._waker_w.close()
        _open.discard(self)

    # --- the loop's side ------------------------------------------------------------------------------------------

    def _add(self, registered: dict[int, _Callback], fd: Any, callback: _Callback) -> None:
        if self._turn is _Turn.CLOSED:
            raise RuntimeError("selector thread is closed")
        registered[_number(fd)] = callback
        if self._thread is None:
            self._start()
        else:
            self._wake()

    def _remove(self, registered: dict[int, _Callback], fd: Any) -> bool:
        if registered.pop(_number(fd), None) is None:
            return False
        self._wake()
        return True

    def _wake(self) -> None:
        # A full buffer is as good as one byte: the thread will wake. A closed socket has nobody to wake.
        with contextlib.suppress(OSError):
            self._waker_w.send(b"\0")

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._select_forever, name="halny selector", daemon=True)
        self._thread.start()
        self._real_loop.call_soon(self._watch_shutdown)
        self._hand_over()

    def _watch_shutdown(self) -> None:
        async def until_shutdown() -> AsyncGenerator[None, None]:
            try:
                yield
            finally:
                self.close()

        self._shutdown_watch = until_shutdown()
        # Run up to the yield. Nothing is awaited before it, so no task is needed, and the loop now knows the generator.
        with contextlib.suppress(StopIteration):
            self._shutdown_watch.__anext__().__await__().__next__()

    def _hand_over(self) -> None:
        with self._changed:
            if self._turn is _Turn.LOOP:
                self._request = ([*self._readers, self._waker_r.fileno()], list(self._writers))
                self._turn = _Turn.THREAD
                self._changed.notify()

    def _dispatch(self, readable: list[int], writable: list[int]) -> None:
        if self._turn is _Turn.CLOSED:
            return
        for ready, registered in ((readable, self._readers), (writable, self._writers)):
            for fd in ready:
                # An earlier callback of this turn may have removed it.
                callback = registered.get(fd)
                if callback is not None:
                    self._call(callback)
        self._hand_over()

    def _call(self, callback: _Callback) -> None:
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - told to the loop, as the loop's own callbacks are
            context = {"message": f"Exception in callback {callback.function!r}", "exception": error}
            self._real_loop.call_exception_handler(context)

    def _drop_closed(self) -> None:
        """Forget the descriptors that were closed without being removed, as epoll does."""
        for registered in (self._readers, self._writers):
            for fd in list(registered):
                try:
                    select.select([fd], [], [], 0)
                except (OSError, ValueError):
                    del registered[fd]
        self._dispatch([], [])

    # --- the thread's side ----------------------------------------------------------------------------------------

    def _select_forever(self) -> None:
        report: Callable[[], None]
        while (request := self._await_turn()) is not None:
            try:
                # Windows tells of a failed connection only in the third list.
                readable, writable, failed = select.select(request[0], request[1], request[1])
            except (OSError, ValueError):
                report = self._drop_closed
            else:
                self._drain_waker()
                report = functools.partial(self._dispatch, readable, list({*writable, *failed}))
            with self._changed:
                if self._turn is _Turn.CLOSED:
                    return
                self._turn = _Turn.LOOP
            try:
                self._real_loop.call_soon_threadsafe(report)
            except RuntimeError:
                return  # the loop was closed

    def _await_turn(self) -> Selected | None:
        with self._changed:
            while self._turn is _Turn.LOOP:
                self._changed.wait()
            return self._request if self._turn is _Turn.THREAD else None

    def _drain_waker(self) -> None:
        with contextlib.suppress(OSError):
            while self._waker_r.recv(4096):
                pass


def _number(fd: Any) -> int:
    return fd if isinstance(fd, int) else int(fd.fileno())


class AddThreadSelectorEventLoop(_EventLoop):
    """An asyncio loop with `add_reader` and its like, made from one that lacks them; all else is the real loop's.

    For Proactor loops on Windows. `IOLoop` does this by itself; it is here for other libraries.
    """

    MY_ATTRIBUTES = frozenset(
        {"_real_loop", "_selector", "add_reader", "add_writer", "close", "remove_reader", "remove_writer"}
    )
    """The attributes that are not the real loop's."""

    def __init__(self, real_loop: asyncio.AbstractEventLoop) -> None:
        """Wrap a loop.

        Args:
            real_loop: the loop that does all the rest.
        """
        self._real_loop = real_loop
        self._selector = SelectorThread(real_loop)

    def __getattribute__(self, name: str) -> Any:
        if name in AddThreadSelectorEventLoop.MY_ATTRIBUTES:
            return super().__getattribute__(name)
        return getattr(self._real_loop, name)

    def close(self) -> None:
        """Close the selector's thread and the real loop."""
        self._selector.close()
        self._real_loop.close()

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        """Call `callback` whenever `fd` can be read.

        Args:
            fd: a descriptor.
            callback: what to call.
            *args: its arguments.
        """
        self._selector.add_reader(fd, callback, *args)

    def add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        """Call `callback` whenever `fd` can be written to.

        Args:
            fd: a descriptor.
            callback: what to call.
            *args: its arguments.
        """
        self._selector.add_writer(fd, callback, *args)

    def remove_reader(self, fd: Any) -> bool:
        """Stop watching `fd` for reading, and return whether it was watched.

        Args:
            fd: a descriptor.
        """
        return self._selector.remove_reader(fd)

    def remove_writer(self, fd: Any) -> bool:
        """Stop watching `fd` for writing, and return whether it was watched.

        Args:
            fd: a descriptor.
        """
        return self._selector.remove_writer(fd)
