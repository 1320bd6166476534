"""Starting the program again: reload hooks, and the two ways in which a process is replaced.

This state must exist once in a process. `python -m halny.ioloop.autoreload` runs that module as `__main__`, and the
program imports it a second time under its own name; so the state is here.

Under the supervisor a process that wants to be replaced ends with the status `RELOAD`. Without one it replaces itself,
with the command line it was started by.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from . import _watching
from ._watching import INTERVAL, Snapshot, wait_for_change, watched_files

if TYPE_CHECKING:
    from collections.abc import Callable

gen_log = logging.getLogger("halny.general")

RELOAD = 75
"""The exit status that asks the supervisor for a new process: EX_TEMPFAIL, which programs hardly use themselves."""

REPORT_VARIABLE = "HALNY_AUTORELOAD_REPORT"
"""The environment variable that tells a process that it is supervised, and where to write which files it has read."""


def _directory() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return None


_started_in = _directory()
_hooks: list[Callable[[], object]] = []
_report_to: Path | None = None
_snapshot = Snapshot(watched_files)
_own_watch_over = threading.Event()

# What the program is most likely to be changed in while it runs, before it calls `wait`.
_main_file = getattr(sys.modules["__main__"], "__file__", None)
if _main_file is not None:
    _snapshot.note(os.path.abspath(_main_file))  # noqa: PTH100


def watch(filename: str | os.PathLike[str]) -> None:
    """Watch a file besides the program's modules, from the state in which it is now."""
    _snapshot.note(_watching.watch(filename))


def look() -> None:
    """Take note of the files that are there now, so that a change right afterwards is seen as one."""
    for path in watched_files():
        _snapshot.note(path)


def add_hook(hook: Callable[[], object]) -> None:
    """Have `hook` called before the process is replaced."""
    _hooks.append(hook)


def supervise() -> bool:
    """Return whether this process was started by the supervisor, and if so, take note of it.

    The variable is taken out of the environment, so that the program's own children are not meant.
    """
    global _report_to
    report = os.environ.pop(REPORT_VARIABLE, None)
    if report is not None:
        _report_to = Path(report)
    return report is not None


def report() -> None:
    """Tell the supervisor which files this process has read, in which state."""
    if _report_to is not None:
        look()
        with contextlib.suppress(OSError):  # the supervisor has gone; then nobody needs it
            _report_to.write_text(json.dumps(_snapshot.stamps), encoding="utf-8")


def watch_in_thread() -> None:
    """Replace this process when a file changes, without help from the program, until it calls `stand_back`."""

    def run() -> None:
        if (changed := wait_for_change(_snapshot, _own_watch_over)) is not None:
            reload_process(changed)

    threading.Thread(target=run, name="halny autoreload", daemon=True).start()


def stand_back() -> None:
    """End the thread of `watch_in_thread`: the program watches on its event loop."""
    _own_watch_over.set()


def wait_and_reload(stop: threading.Event, interval: float = INTERVAL) -> str | None:
    """Return the file that has changed, as soon as one has; or `None` when `stop` is set first."""
    return wait_for_change(_snapshot, stop, interval)


def reload_process(changed: str) -> NoReturn:
    """Call the hooks and replace this process by a new one."""
    gen_log.info("%s modified; restarting", changed)
    for hook in _hooks:
        try:
            hook()
        except Exception:  # noqa: BLE001 - one bad hook must not keep the old program running
            gen_log.exception("Exception in reload hook %r", hook)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or None under pythonw
            stream.flush()
    if _report_to is not None:
        os._exit(RELOAD)
    _replace()


def _replace() -> NoReturn:
    if hasattr(signal, "setitimer"):
        # A timer outlives exec, and its signal would end the new program before it has a handler.
        signal.setitimer(signal.ITIMER_REAL, 0, 0)
    if _started_in is not None:
        with contextlib.suppress(OSError):
            os.chdir(_started_in)  # the command line may name the script relative to it
    command = [sys.executable, *sys.orig_argv[1:]]
    if os.name == "nt":
        # There exec starts another process and ends this one, and the shell takes its terminal back.
        os._exit(subprocess.call(command))  # noqa: S603 - the command line of this very process
    os.execv(sys.executable, command)  # noqa: S606
