"""A pytest plugin: a test that leaves a task, a socket or a warning of a dropped resource behind fails.

- **Tasks**: `asyncio.Runner` (and so `asyncio.run`, `uvloop.run` and pytest-asyncio) silently cancels what is left when
  it closes. Here every task that is still pending then, and that nobody has cancelled, is a leak.
  A test of exactly that situation says so with `@pytest.mark.leaves_tasks("why")`.
- **Sockets**: descriptors of sockets, pipes and selectors that are open after a test and were not before it, save those
  that a fixture of a wider scope opened. Read from `/proc`, so this check works on Linux alone.
- **Resources**: garbage is collected after every test, so that a `ResourceWarning` (an error, like every warning)
  or another exception in a finaliser is reported for the test that caused it. What survives a collection is frozen
  until the module's last test, or the collections would take longer than the tests.
"""

from __future__ import annotations

import asyncio.runners
import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_DESCRIPTORS = "/proc/self/fd"
_HAS_DESCRIPTORS = Path(_DESCRIPTORS).is_dir()
_KINDS = ("socket:", "pipe:", "anon_inode:[eventpoll]")

_left_tasks: list[str] = []
_lent: set[tuple[str, str]] = set()
_before = pytest.StashKey[set[tuple[str, str]]]()
_original = pytest.StashKey["Callable[[asyncio.AbstractEventLoop], None]"]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "leaves_tasks(reason): the test means to close a loop with tasks pending")
    original: Callable[[asyncio.AbstractEventLoop], None] = asyncio.runners.__dict__["_cancel_all_tasks"]

    def cancel_all_tasks(loop: asyncio.AbstractEventLoop) -> None:
        _left_tasks.extend(repr(task) for task in asyncio.all_tasks(loop) if not task.cancelling())
        original(loop)

    config.stash[_original] = original
    setattr(asyncio.runners, "_cancel_all_tasks", cancel_all_tasks)  # noqa: B010  (the name is private to asyncio)


def pytest_unconfigure(config: pytest.Config) -> None:
    setattr(asyncio.runners, "_cancel_all_tasks", config.stash[_original])  # noqa: B010


def pytest_collection_finish() -> None:
    # libuv opens a pipe for the whole process as its first loop runs, and keeps it: no test has leaked that.
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.run(asyncio.sleep(0))
    gc.collect()
    gc.freeze()


def _open_descriptors() -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    # Not pathlib: this runs twice a test.
    for name in os.listdir(_DESCRIPTORS) if _HAS_DESCRIPTORS else ():  # noqa: PTH208
        try:
            target = os.readlink(f"{_DESCRIPTORS}/{name}")  # noqa: PTH115
        except OSError:  # the descriptor of this listing itself
            continue
        if target.startswith(_KINDS):
            found.add((name, target))
    return found


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    if fixturedef.scope == "function":
        return (yield)
    before = _open_descriptors()
    try:
        return (yield)
    finally:
        _lent.update(_open_descriptors() - before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    _left_tasks.clear()
    item.stash[_before] = _open_descriptors()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    result = yield
    if nextitem is None or nextitem.path != item.path:
        gc.unfreeze()
    problems = _collect_garbage()
    gc.freeze()
    if not any(item.iter_markers("leaves_tasks")):
        problems += [f"a task was left pending: {task}" for task in _left_tasks]
    before = item.stash[_before]
    leaked = _open_descriptors() - before - _lent
    problems += [f"a descriptor was left open: {number} -> {target}" for number, target in sorted(leaked)]
    _left_tasks.clear()
    if problems:
        pytest.fail("the test left something behind:\n  " + "\n  ".join(problems), pytrace=False)
    return result


def _collect_garbage() -> list[str]:
    problems: list[str] = []

    def note(unraisable: sys.UnraisableHookArgs) -> None:
        # The objects themselves must not be kept: that would bring them back to life.
        where = "" if unraisable.object is None else f" in {unraisable.object!r}"
        problems.append(f"{unraisable.err_msg or 'exception ignored'}{where}: {unraisable.exc_value!r}")

    hook = sys.unraisablehook
    sys.unraisablehook = note
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook
    return problems
