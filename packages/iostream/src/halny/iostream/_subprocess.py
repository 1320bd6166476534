"""Child processes whose pipes are streams and whose end can be awaited.

The end is learnt from a process descriptor where the system has them (Linux), or from a thread that waits: neither
needs a signal handler, works in any thread's loop, and leaves other children of the process alone.
"""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._core import app_log
from ._loop import current_loop, poller_of
from ._pipe import PipeIOStream

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_NAMES = ("stdin", "stdout", "stderr")


class Subprocess:
    """Wraps `subprocess.Popen`, whose arguments it takes, for use with a loop.

    Any of `stdin`, `stdout` and `stderr` may be `Subprocess.STREAM`: then the attribute of that name is a
    `PipeIOStream`. The program is started on the spot; a command that does not exist is an error of the constructor.
    """

    STREAM: object = object()
    """Asks for a stream, as a value of `stdin`, `stdout` or `stderr`."""

    stdin: Any
    """The stream to the child's input, or what `Popen` has."""
    stdout: Any
    """The stream from the child's output, or what `Popen` has."""
    stderr: Any
    """The stream from the child's error output, or what `Popen` has."""

    proc: subprocess.Popen[Any]
    """The process itself."""
    pid: int
    """Its number."""
    returncode: int | None
    """Its exit status, negative for a signal; `None` until the end was noticed, for which somebody has to wait."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Starts the process.

        Args:
            *args: Those of `subprocess.Popen`.
            **kwargs: Those of `subprocess.Popen`.

        Raises:
            OSError: The program can't be started, or there are no descriptors left; nothing stays open.
        """
        self._loop = current_loop()
        self._callbacks: list[Callable[[int], object]] = []
        self._watched = False
        self.returncode = None
        ours: dict[str, int] = {}
        theirs: list[int] = []
        try:
            for name in _NAMES:
                if kwargs.get(name) is Subprocess.STREAM:
                    ours[name], kwargs[name] = _pipe(name)
                    theirs.append(kwargs[name])
            self.proc = subprocess.Popen(*args, **kwargs)  # noqa: S603 - what runs is the caller's decision
        except BaseException:
            for fd in ours.values():
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self.pid = self.proc.pid
        for name in _NAMES:
            setattr(self, name, PipeIOStream(ours[name]) if name in ours else getattr(self.proc, name))

    def set_exit_callback(self, callback: Callable[[int], object]) -> None:
        """Calls `callback(returncode)` in the loop when the process has ended, or soon if it already has.

        What it raises is logged. `wait_for_exit` is what a coroutine wants.

        Args:
            callback: Receives the exit status.
        """
        self._callbacks.append(callback)
        if self.returncode is not None:
            self._loop.call_soon(self._run_callbacks)
        elif not self._watched:
            self._watched = True
            self._watch()

    def wait_for_exit(self, raise_error: bool = True) -> asyncio.Future[int]:
        """Waits for the end of the process; the future's result is its exit status.

        A timeout, or cancelling the wait, leaves the process running: `proc.kill()` ends it.

        Args:
            raise_error: Whether a status other than 0 is an error.

        Raises:
            subprocess.CalledProcessError: The status is not 0.
        """
        future: asyncio.Future[int] = self._loop.create_future()

        def ended(returncode: int) -> None:
            if future.done():
                return
            if returncode and raise_error:
                future.set_exception(subprocess.CalledProcessError(returncode, self.proc.args))
            else:
                future.set_result(returncode)

        self.set_exit_callback(ended)
        return future

    @classmethod
    def initialize(cls) -> None:
        """Does nothing: no signal handler is needed. Programs may go on calling it."""

    @classmethod
    def uninitialize(cls) -> None:
        """Does nothing; see `initialize`."""

    def _watch(self) -> None:
        try:
            descriptor = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, an old or a restricted one, or no descriptor is left
            threading.Thread(target=self._wait_in_thread, name=f"halny-wait-{self.pid}", daemon=True).start()
            return
        poller_of(self._loop).add_reader(descriptor, self._on_ended, descriptor)

    def _on_ended(self, descriptor: int) -> None:
        poller_of(self._loop).remove_reader(descriptor)
        os.close(descriptor)
        self._ended()

    def _wait_in_thread(self) -> None:
        self.proc.wait()
        with suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(self._ended)

    def _ended(self) -> None:
        self.returncode = self.proc.wait()
        self._run_callbacks()

    def _run_callbacks(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback(self.proc.wait())
            except Exception:  # noqa: BLE001 - logged; the other callbacks are called
                app_log.exception("exception in the exit callback of process %d", self.pid)


def _pipe(name: str) -> tuple[int, int]:
    """Returns our end and the child's end of a pipe."""
    reader, writer = os.pipe()
    return (writer, reader) if name == "stdin" else (reader, writer)
