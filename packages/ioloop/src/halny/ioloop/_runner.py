"""Generator coroutines: the `coroutine` decorator and the `Runner` that drives a suspended generator.

Strategy: the generator runs at once, in a copy of its caller's context, and as long as what it yields is done it is
resumed without a turn of the loop. The future is made only when it is needed, and neither the wrapper's nor the
runner's frame refers to it when an exception passes: else every failure would be a reference cycle
(future → exception → traceback → frame → future).
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from collections.abc import Generator
from types import GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from ._yielding import BadYieldError, convert_yielded, moment
from .concurrent import current_asyncio_loop, future_set_exception_unless_cancelled, new_future

if TYPE_CHECKING:
    from collections.abc import Callable

app_log = logging.getLogger("halny.application")

_T = TypeVar("_T")


class Return(Exception):
    """Raised in a generator coroutine to end it with a value: `raise gen.Return(value)`. The same as `return value`."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value
        # What a coroutine that was decorated twice, or a caller by hand, sees.
        self.args = (value,)


@overload
def coroutine(func: Callable[..., Generator[Any, Any, _T]]) -> Callable[..., asyncio.Future[_T]]: ...
@overload
def coroutine(func: Callable[..., _T]) -> Callable[..., asyncio.Future[_T]]: ...
def coroutine(func: Callable[..., Any]) -> Callable[..., asyncio.Future[Any]]:
    """Make a generator function a coroutine: it yields what it waits for, and its caller gets a future.

    It starts to run when it is called. Somebody must look at the future: an exception is told to nobody else.
    New code should be `async def`; both kinds can wait for each other.

    Args:
        func: a generator function; another function has its result, or exception, put into a future.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        # A context of its own, like a task's: what it sets stays with it, over all of its yields.
        enter = contextvars.copy_context().run
        try:
            result = enter(func, *args, **kwargs)
            if type(result) is not GeneratorType and not isinstance(result, Generator):
                return _done(result)
            generator: Generator[Any, Any, Any] = result  # pyright: ignore[reportUnknownVariableType]
            first: Any = enter(next, generator)  # pyright: ignore[reportUnknownArgumentType]
        except (StopIteration, Return) as end:
            return _done(end.value)
        except asyncio.CancelledError:
            return _cancelled()
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the future
            return _failed(error)
        future = new_future()
        Runner(enter, generator, future, first)  # pyright: ignore[reportUnknownArgumentType]
        return future

    wrapper.__halny_coroutine__ = True  # type: ignore[attr-defined]
    return wrapper


def is_coroutine_function(func: Any) -> bool:
    """Return whether `func` was made by `coroutine`. `async def` functions are not.

    Args:
        func: any object.
    """
    return getattr(func, "__halny_coroutine__", False)


def _done(value: Any) -> asyncio.Future[Any]:
    future = new_future()
    future.set_result(value)
    return future


def _failed(error: BaseException) -> asyncio.Future[Any]:
    future = new_future()
    future.set_exception(error)
    return future


def _cancelled() -> asyncio.Future[Any]:
    future = new_future()
    future.cancel()
    return future


class Runner:
    """Drives one suspended generator until it ends, and puts its outcome into a future. For `coroutine` only."""

    __slots__ = ("__weakref__", "ctx_run", "finished", "future", "gen", "result_future", "running")

    def __init__(
        self,
        ctx_run: Callable[..., Any],
        gen: Generator[Any, Any, Any],
        result_future: asyncio.Future[Any],
        first_yielded: Any,
    ) -> None:
        self.ctx_run = ctx_run
        self.gen = gen
        self.result_future: asyncio.Future[Any] | None = result_future
        self.future: asyncio.Future[Any] | None = None
        self.running = False
        self.finished = False
        if self.handle_yield(first_yielded):
            self.run()

    def run(self) -> None:
        """Resume the generator, as often as what it yields is done."""
        if self.running or self.finished:
            return
        self.running = True
        try:
            while self._step():
                pass
        finally:
            self.running = False

    def _step(self) -> bool:
        future, self.future = self.future, None
        try:
            try:
                value = None if future is None else future.result()
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - thrown into the generator
                yielded = self.ctx_run(self.gen.throw, error)
            else:
                yielded = self.ctx_run(self.gen.send, value)
        except (StopIteration, Return) as end:
            value = end.value
        except asyncio.CancelledError:
            self._finish().cancel()
            return False
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the future
            self._fail(error)
            return False
        else:
            return self.handle_yield(yielded)
        finally:
            future = None  # see the module's docstring
        result_future = self._finish()
        if not result_future.done():
            result_future.set_result(value)
        return False

    def handle_yield(self, yielded: Any) -> bool:
        """Take what the generator yielded, and return whether it can be resumed at once.

        Args:
            yielded: what it yielded.
        """
        if not isinstance(yielded, asyncio.Future):
            if yielded is None or yielded is moment:
                current_asyncio_loop().call_soon(self._wake)
                return False
            yielded = self._convert(yielded)
        future = cast("asyncio.Future[Any]", yielded)
        self.future = future
        if future.done():
            return True
        future.add_done_callback(self._wake)
        return False

    def _convert(self, yielded: Any) -> asyncio.Future[Any]:
        try:
            future: Any = convert_yielded(yielded)
        except BadYieldError as error:
            return _failed(error)
        if isinstance(future, asyncio.Future):
            return future  # pyright: ignore[reportUnknownVariableType]
        return asyncio.wrap_future(future, loop=current_asyncio_loop())

    def _wake(self, _future: object = None) -> None:
        self.run()

    def handle_exception(self, typ: type[BaseException], value: BaseException, tb: Any) -> bool:
        """Throw an exception into the generator in place of what it waits for, and return whether it took it.

        Args:
            typ: the exception's class.
            value: the exception.
            tb: its traceback.
        """
        if self.running or self.finished:
            return False
        self.future = _failed(value.with_traceback(tb))
        self.run()
        return True

    def _finish(self) -> asyncio.Future[Any]:
        self.finished = True
        future, self.result_future = self.result_future, None
        assert future is not None
        return future

    def _fail(self, error: Exception) -> None:
        future_set_exception_unless_cancelled(self._finish(), error)
