"""`run`: the one line that starts a program, with the fastest event loop there is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")


def run(main: Coroutine[Any, Any, _T], *, debug: bool | None = None) -> _T:
    """Run a coroutine on a new event loop and return its result: `asyncio.run`, with uvloop where it is installed.

    Pending tasks are cancelled and asynchronous generators closed at the end, and Ctrl-C cancels `main`, as with
    `asyncio.run`. Call it once, as the program's entry point; inside a coroutine use `await`.

    Args:
        main: the coroutine, `main()` and not `main`.
        debug: asyncio's debug mode; `None` leaves it to `PYTHONASYNCIODEBUG`.

    Raises:
        RuntimeError: an event loop runs already in this thread.
        ValueError: `main` is not a coroutine.
    """
    # Asked here, because the runner would have made a loop by the time that it asks.
    if _is_running():
        raise RuntimeError("run() cannot be called from a running event loop; use await")
    if not asyncio.iscoroutine(main):
        raise ValueError(f"a coroutine was expected, got {main!r}")
    with asyncio.Runner(debug=debug, loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
