"""What a coroutine may wait for, turned into a future: `convert_yielded` and `multi`.

Below `IOLoop` and the generator coroutines, which both need it. A plain value is refused (`BadYieldError`) rather
than passed through: waiting for something that can't be waited for is a mistake to be told about.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from typing import TYPE_CHECKING, Any

from ._registry import hold
from .concurrent import chain_future, current_asyncio_loop, future_add_done_callback, is_future, new_future

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from concurrent import futures

    QuietExceptions = type[BaseException] | tuple[type[BaseException], ...]

app_log = logging.getLogger("halny.application")


class BadYieldError(Exception):
    """A coroutine yielded an object that can't be waited for."""


class Moment:
    """A future, so to speak, that is done at the next turn of the event loop."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield  # a bare yield is how asyncio's own coroutines give up one turn

    def __repr__(self) -> str:
        return "gen.moment"


moment = Moment()
"""Wait for this to let the event loop run for one turn."""


@functools.singledispatch
def convert_yielded(yielded: Any) -> asyncio.Future[Any] | futures.Future[Any]:
    """Return a future for anything that a coroutine may wait for.

    That is: futures of both kinds, awaitables, lists and dicts of these (see `multi`), and `None` or `moment`,
    which wait for one turn of the event loop. Other types can be taught with `convert_yielded.register`.

    Args:
        yielded: the object to wait for.

    Raises:
        BadYieldError: it can't be waited for: the fault of the coroutine.
    """
    if is_future(yielded):
        return yielded  # type: ignore[no-any-return]
    if yielded is None or yielded is moment:
        future = new_future()
        future.get_loop().call_soon(_resolve, future)
        return future
    if isinstance(yielded, (list, dict)):
        return multi_future(yielded)  # pyright: ignore[reportUnknownArgumentType]
    if inspect.isawaitable(yielded):
        future = asyncio.ensure_future(yielded, loop=current_asyncio_loop())
        hold(future)
        return future
    raise BadYieldError(f"yielded unknown object {yielded!r}")


def as_asyncio_future(yielded: Any) -> asyncio.Future[Any]:
    """Return an asyncio future for anything that a coroutine may wait for, futures of threads included."""
    future = convert_yielded(yielded)
    return future if isinstance(future, asyncio.Future) else asyncio.wrap_future(future, loop=current_asyncio_loop())


def _resolve(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(None)


def multi(
    children: Sequence[Any] | Mapping[Any, Any], quiet_exceptions: QuietExceptions = ()
) -> asyncio.Future[list[Any]] | asyncio.Future[dict[Any, Any]]:
    """Wait for several things at once; the future's result is a list, or for a dict, a dict of the results.

    All of them run to their end. If some fail, the first in order is raised and the others are logged.
    When the first failure should end it all, use `asyncio.TaskGroup` instead.

    Args:
        children: a sequence, other iterable, or dict of what `convert_yielded` takes.
        quiet_exceptions: exceptions that are not logged when they are not the first.

    Raises:
        BadYieldError: one of the children can't be waited for: the fault of the caller.
    """
    return multi_future(children, quiet_exceptions=quiet_exceptions)


Multi = multi


def multi_future(
    children: Sequence[Any] | Mapping[Any, Any], quiet_exceptions: QuietExceptions = ()
) -> asyncio.Future[list[Any]] | asyncio.Future[dict[Any, Any]]:
    """Wait for several things at once: the same as `multi`.

    Args:
        children: a sequence, other iterable, or dict of what `convert_yielded` takes.
        quiet_exceptions: exceptions that are not logged when they are not the first.

    Raises:
        BadYieldError: one of the children can't be waited for: the fault of the caller.
    """
    keys = list(children.keys()) if isinstance(children, dict) else None
    values: Any = children.values() if isinstance(children, dict) else children
    waited = [convert_yielded(value) for value in values]
    joined: asyncio.Future[Any] = new_future()
    if waited:
        _Join(joined, waited, keys, quiet_exceptions)
    else:
        joined.set_result([] if keys is None else {})
    return joined


class _Join:
    """Counts the futures of one `multi` down and gives their results to its future."""

    __slots__ = ("futures", "joined", "keys", "left", "quiet")

    def __init__(
        self, joined: asyncio.Future[Any], waited: list[Any], keys: list[Any] | None, quiet: QuietExceptions
    ) -> None:
        self.joined = joined
        self.futures = waited
        self.keys = keys
        self.quiet = quiet
        distinct = set(waited)
        self.left = len(distinct)
        for future in distinct:
            if isinstance(future, asyncio.Future):
                future_add_done_callback(future, self._one_done)  # pyright: ignore[reportUnknownArgumentType]
            else:
                here: asyncio.Future[Any] = joined.get_loop().create_future()
                # Only to come back to this thread: the outcome is read from `future`, and the copy's is dropped.
                chain_future(future, here)
                here.add_done_callback(self._thread_done)

    def _thread_done(self, here: asyncio.Future[Any]) -> None:
        if not here.cancelled():
            here.exception()
        self._one_done(here)

    def _one_done(self, _future: Any) -> None:
        self.left -= 1
        if not self.left:
            self._finish()

    def _finish(self) -> None:
        results: list[Any] = []
        for future in self.futures:
            try:
                results.append(future.result())
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is raised by the future, or logged
                self._failed(error)
        if not self.joined.done():
            self.joined.set_result(results if self.keys is None else dict(zip(self.keys, results, strict=True)))

    def _failed(self, error: BaseException) -> None:
        if not self.joined.done():
            if isinstance(error, asyncio.CancelledError):
                self.joined.cancel()
            else:
                self.joined.set_exception(error)
        elif not isinstance(error, (*_as_tuple(self.quiet), asyncio.CancelledError)):
            app_log.error("Multiple exceptions in yield list", exc_info=error)


def _as_tuple(exceptions: QuietExceptions) -> tuple[type[BaseException], ...]:
    return exceptions if isinstance(exceptions, tuple) else (exceptions,)
