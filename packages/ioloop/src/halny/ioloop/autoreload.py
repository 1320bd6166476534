"""Start a program again when its source changes, while it is being developed.

The surest way is the command: a parent process runs the program, survives whatever is wrong with it, and runs it again
when a file changes.

    python -m halny.ioloop.autoreload script.py
    python -m halny.ioloop.autoreload --until-success -m pytest

In the program, `start` watches on its event loop and replaces the process (or asks the parent to, where there is one);
web applications with `debug=True` do that by themselves. All imported modules are watched, and what is given to
`watch`. Where `watchfiles` is installed (an extra of that name), changes are noticed at once, else within half
a second.

A restart is abrupt: requests that are under way are lost, and no `atexit` function is called. Not for production, and
not for a process that has forked others.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from typing import TYPE_CHECKING

from . import _reloading, _supervisor
from ._loop import IOLoop

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["add_reload_hook", "gen_log", "main", "start", "wait", "watch"]

gen_log = logging.getLogger("halny.general")
"""The logger `halny.general`."""

_watched_loops: weakref.WeakSet[IOLoop] = weakref.WeakSet()


def start(check_time: int = 500) -> None:
    """Watch the source files from now on, and replace the process when one changes. For the current `IOLoop`.

    Reload hooks run on the loop. Calling it again for the same loop does nothing.

    Args:
        check_time: milliseconds between two looks at the files, where `watchfiles` is not installed.

    Raises:
        ValueError: `check_time` is not positive.
    """
    if check_time <= 0:
        raise ValueError(f"check_time must be positive, got {check_time!r}")
    loop = IOLoop.current()
    if loop in _watched_loops:
        return
    _watched_loops.add(loop)
    if len(_watched_loops) > 1:
        gen_log.warning("halny.autoreload started more than once in the same process")
    _reloading.stand_back()
    _reloading.look()
    threading.Thread(
        target=_watch_for, args=(weakref.ref(loop), check_time / 1000), name="halny autoreload", daemon=True
    ).start()


def _watch_for(reference: weakref.ref[IOLoop], interval: float) -> None:
    over = _LoopIsOver(reference)
    changed = _reloading.wait_and_reload(over, interval)
    loop = reference()
    if changed is not None and loop is not None:
        loop.add_callback(_reloading.reload_process, changed)


class _LoopIsOver(threading.Event):
    """Set, so to speak, when the loop was closed: then the thread ends too."""

    def __init__(self, reference: weakref.ref[IOLoop]) -> None:
        super().__init__()
        self._reference = reference

    def is_set(self) -> bool:
        loop = self._reference()
        return loop is None or loop.asyncio_loop.is_closed()


def wait() -> None:
    """Wait until a watched file changes, then replace the process. For the end of a script, such as a test runner."""
    _reloading.stand_back()
    changed = _reloading.wait_and_reload(threading.Event())
    if changed is not None:
        _reloading.reload_process(changed)


def watch(filename: str | os.PathLike[str]) -> None:
    """Watch a file that is not a module: a template, a configuration.

    Args:
        filename: its path. It need not exist yet.
    """
    _reloading.watch(filename)


def add_reload_hook(fn: Callable[[], object]) -> None:
    """Have a function called before the process is replaced, such as one that closes a database.

    Without `start` it is called in a thread of its own. Sockets and files need no hook: they are not inherited.

    Args:
        fn: called without arguments; what it raises is logged.
    """
    _reloading.add_hook(fn)


def main() -> None:
    """Run the command line of the module, in `sys.argv`, and exit.

    Raises:
        SystemExit: always.
    """
    arguments = sys.argv[1:]
    program = _supervisor.parse(arguments)
    if program is None:
        sys.stderr.write(_supervisor.USAGE)
        sys.exit(2)
    if _reloading.supervise():
        sys.exit(_supervisor.run_supervised(program))
    try:
        sys.exit(_supervisor.supervise(program, arguments))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
