from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import pickle
import sys
import threading
from typing import Any

import pytest

from halny.ioloop import IOLoop
from halny.ioloop.concurrent import (
    FUTURES,
    DummyExecutor,
    Future,
    chain_future,
    dummy_executor,
    future_add_done_callback,
    future_set_exc_info,
    future_set_exception_unless_cancelled,
    future_set_result_unless_cancelled,
    is_future,
    run_on_executor,
)

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_what_a_future_is() -> None:
    assert Future is asyncio.Future
    assert is_future(concurrent.futures.Future())
    assert not is_future(5)
    assert not is_future(Future)
    assert set(FUTURES) == {concurrent.futures.Future, asyncio.Future}


def test_the_dummy_executor_runs_at_once() -> None:
    assert dummy_executor.submit(int, "11", base=2).result(0) == 3
    assert isinstance(dummy_executor.submit(divmod, 1, 0).exception(0), ZeroDivisionError)
    with DummyExecutor() as executor:
        assert list(executor.map(abs, [-1])) == [1]
    executor.shutdown(wait=False, cancel_futures=True)


class Worker:
    def __init__(self) -> None:
        self.executor = concurrent.futures.ThreadPoolExecutor(1)
        self.other = dummy_executor

    @run_on_executor
    def where(self, *, extra: str = "") -> tuple[int, str]:
        """Documented."""
        return threading.get_ident(), variable.get() + extra

    @run_on_executor(executor="other")
    def here(self) -> int:
        return threading.get_ident()

    @run_on_executor()
    def fails(self) -> None:
        raise KeyError("x")


async def test_run_on_executor() -> None:
    worker = Worker()
    variable.set("ours")
    thread, seen = await worker.where(extra="!")
    assert thread != threading.get_ident()
    assert seen == "ours!"
    assert await worker.here() == threading.get_ident()
    with pytest.raises(KeyError):
        await worker.fails()
    assert Worker.where.__doc__ == "Documented."
    worker.executor.shutdown()


def test_run_on_executor_refuses_other_arguments() -> None:
    use: Any = run_on_executor
    for args, kwargs in (((1,), {}), ((print, print), {}), ((), {"pool": "x"}), ((print,), {"executor": "x"})):
        with pytest.raises(ValueError, match="run_on_executor takes"):
            use(*args, **kwargs)


def test_a_call_for_a_process_leaves_the_context_behind() -> None:
    from halny.ioloop.concurrent import ContextCall

    call = pickle.loads(pickle.dumps(ContextCall(int, ("7",), {"base": 8})))
    assert call() == 7


class PicklingExecutor(concurrent.futures.Executor):
    """Does to a call what a process pool does to it."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        function, arguments = pickle.loads(pickle.dumps((fn, args)))
        return dummy_executor.submit(function, *arguments)


async def test_run_in_executor_with_what_pickles() -> None:
    assert await IOLoop.current().run_in_executor(PicklingExecutor(), int, "7") == 7


async def test_chain_future() -> None:
    for outcome in ("result", "exception", "cancelled"):
        a: asyncio.Future[int] = asyncio.Future()
        b: asyncio.Future[int] = asyncio.Future()
        chain_future(a, b)
        if outcome == "result":
            a.set_result(1)
        elif outcome == "exception":
            a.set_exception(KeyError())
        else:
            a.cancel()
        await asyncio.wait([b])
        assert b.cancelled() == (outcome == "cancelled")
        if not b.cancelled():
            assert (b.exception() is None) == (outcome == "result")


async def test_chaining_to_what_is_done_changes_nothing() -> None:
    a: asyncio.Future[int] = asyncio.Future()
    b: asyncio.Future[int] = asyncio.Future()
    chain_future(a, b)
    b.cancel()
    a.set_result(1)
    await asyncio.sleep(0)
    assert b.cancelled()


async def test_chaining_with_threads() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        ours: asyncio.Future[int] = asyncio.Future()
        chain_future(threads.submit(lambda: 1), ours)
        assert await ours == 1
        theirs: concurrent.futures.Future[int] = concurrent.futures.Future()
        chain_future(ours, theirs)
        assert theirs.result(0) == 1
        second: concurrent.futures.Future[int] = concurrent.futures.Future()
        chain_future(theirs, second)
        assert second.result(0) == 1


def test_chaining_to_a_loop_that_was_closed_is_dropped() -> None:
    loop = asyncio.new_event_loop()
    ours: asyncio.Future[int] = loop.create_future()
    theirs: concurrent.futures.Future[int] = concurrent.futures.Future()
    chain_future(theirs, ours)
    loop.close()
    theirs.set_result(1)
    assert not ours.done()


async def test_setting_what_was_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    cancelled: asyncio.Future[int] = asyncio.Future()
    cancelled.cancel()
    future_set_result_unless_cancelled(cancelled, 1)
    assert not caplog.records
    future_set_exception_unless_cancelled(cancelled, KeyError("x"))
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("halny.application", "Exception after Future was cancelled")
    ]


async def test_setting_futures() -> None:
    future: asyncio.Future[int] = asyncio.Future()
    future_set_result_unless_cancelled(future, 1)
    assert future.result() == 1
    with pytest.raises(asyncio.InvalidStateError):
        future_set_result_unless_cancelled(future, 2)
    failed: asyncio.Future[int] = asyncio.Future()
    try:
        raise KeyError("x")
    except KeyError:
        future_set_exc_info(failed, sys.exc_info())
    assert isinstance(failed.exception(), KeyError)
    with pytest.raises(ValueError, match="no exception"):
        future_set_exc_info(failed, (None, None, None))


async def test_a_callback_of_a_done_future_is_called_at_once() -> None:
    seen: list[Any] = []
    future: asyncio.Future[int] = asyncio.Future()
    future_add_done_callback(future, seen.append)
    assert not seen
    future.set_result(1)
    assert not seen
    future_add_done_callback(future, seen.append)
    assert seen == [future]
    await asyncio.sleep(0)
    assert seen == [future, future]
