"""Which source files a program consists of, and waiting until one of them changes.

What decides is always a comparison of time and size, kept in a `Snapshot`. Where `watchfiles` is installed the
operating system tells when it is worth comparing; else it is done every so often. A file that disappears is not a
change: editors save by replacing, and the new file will be.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

    Stamp = tuple[int, int]

INTERVAL = 0.5
"""Seconds between two comparisons while polling: quick enough for a person, and no load worth naming."""

_extra: set[str] = set()


def watch(filename: str | os.PathLike[str]) -> str:
    """Watch a file besides the program's modules, and return its absolute path."""
    # Absolute now: the program may change its directory.
    path: str = os.path.abspath(filename)  # noqa: PTH100 - modules name their files as strings
    _extra.add(path)
    return path


def watched_files() -> set[str]:
    """Return the files of all imported modules, and those given to `watch`."""
    found = set(_extra)
    modules: list[object] = list(sys.modules.values())
    for module in modules:
        # Other objects that sit in sys.modules may do anything when asked for an attribute.
        if isinstance(module, ModuleType):
            file: Any = vars(module).get("__file__")
            if isinstance(file, str):
                found.add(os.path.abspath(file))  # noqa: PTH100
    return found


def stamp(path: str) -> Stamp | None:
    """Return what tells two states of a file apart, or `None` if it can't be read now."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class Snapshot:
    """The state in which the files were when they were first seen."""

    def __init__(self, files: Callable[[], Iterable[str]], known: dict[str, Stamp] | None = None) -> None:
        self._files = files
        self.stamps: dict[str, Stamp] = dict(known or {})

    def note(self, path: str) -> None:
        """Take note of the state of a file, if it is new."""
        if (now := stamp(path)) is not None:
            self.stamps.setdefault(path, now)

    def changed(self) -> str | None:
        """Return a file that has changed; take note of those that are new."""
        for path in self._files():
            now = stamp(path)
            if now is not None and self.stamps.setdefault(path, now) != now:
                return path
        return None

    def directories(self) -> list[str]:
        """Return the directories of the files, for `watchfiles`."""
        return sorted({folder for path in self._files() if os.path.isdir(folder := os.path.dirname(path))})  # noqa: PTH112, PTH120


def wait_for_change(snapshot: Snapshot, stop: threading.Event, interval: float = INTERVAL) -> str | None:
    """Return the file that has changed as soon as one has, or `None` if `stop` is set first."""
    for _ in _occasions(snapshot, stop, interval):
        if stop.is_set():
            return None
        changed = snapshot.changed()
        if changed is not None:
            return changed
    return None


def _occasions(snapshot: Snapshot, stop: threading.Event, interval: float) -> Iterator[None]:
    """Yield whenever it is worth comparing, until `stop` is set."""
    watchfiles: Any = _watchfiles()
    while not stop.is_set():
        yield
        if watchfiles is None:
            stop.wait(interval)
        else:
            # Started anew each time: by now other modules may have been imported. The pause is for the case that it
            # fails at once, as with directories that come and go.
            began = time.monotonic()
            _await_event(watchfiles, snapshot.directories(), stop, interval)
            if time.monotonic() - began < MINIMUM_PAUSE:
                stop.wait(MINIMUM_PAUSE)


MINIMUM_PAUSE = 0.02
"""The least time, in seconds, between two comparisons, however often the operating system reports something."""


def _await_event(watchfiles: Any, directories: list[str], stop: threading.Event, interval: float) -> None:
    try:
        events = watchfiles.watch(
            *directories,
            watch_filter=None,
            stop_event=stop,
            rust_timeout=int(interval * 1000),
            yield_on_timeout=True,
            recursive=False,
            raise_interrupt=True,
        )
        next(events, None)
        events.close()
    except (OSError, RuntimeError):
        stop.wait(interval)  # too many directories for the system's limit, or one that has just gone: poll


def _watchfiles() -> ModuleType | None:
    try:
        return importlib.import_module("watchfiles")
    except ImportError:
        return None
