from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import datetime as dt
import gc
import signal
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import IOLoop
from halny.ioloop.concurrent import dummy_executor
from halny.ioloop.gen import BadYieldError, coroutine, sleep
from halny.ioloop.locks import Condition, Lock
from halny.ioloop.platform import AsyncIOLoop, AsyncIOMainLoop, BaseAsyncIOLoop

if TYPE_CHECKING:
    from collections.abc import Generator

    from tools.strict_tests.logs import ExpectLog


@pytest.fixture
def loop() -> Generator[IOLoop]:
    """A loop of its own, current in this thread while the test runs."""
    made = IOLoop()
    yield made
    made.close(all_fds=True)


# --- which loop ---


def test_a_new_loop_is_current_and_has_its_own_asyncio_loop(loop: IOLoop) -> None:
    assert isinstance(loop, AsyncIOLoop)
    assert IOLoop.current() is loop
    assert IOLoop.instance() is loop
    other = IOLoop(make_current=False)
    assert IOLoop.current() is loop
    assert other.asyncio_loop is not loop.asyncio_loop
    other.close()


def test_without_a_loop_current_makes_one_or_returns_none() -> None:
    IOLoop.clear_current()
    assert IOLoop.current(instance=False) is None
    made = IOLoop.current()
    assert IOLoop.current(instance=False) is made
    made.close()
    assert IOLoop.current(instance=False) is None


def test_a_loop_that_asyncio_has_closed_is_not_current() -> None:
    loop = IOLoop()
    loop.asyncio_loop.close()
    assert IOLoop.current(instance=False) is None
    other = IOLoop.current()
    assert other is not loop
    assert repr(other) == f"<AsyncIOLoop of {other.asyncio_loop!r}>"
    other.close()
    loop.close()


def test_install_and_clear_instance_are_the_old_names(loop: IOLoop) -> None:
    IOLoop.clear_instance()
    assert IOLoop.current(instance=False) is None
    loop.install()
    assert IOLoop.current() is loop


async def test_in_a_coroutine_current_is_the_running_loop() -> None:
    current = IOLoop.current()
    assert isinstance(current, AsyncIOMainLoop)
    assert current.asyncio_loop is asyncio.get_running_loop()
    assert IOLoop.current() is current


def test_inside_asyncio_run_there_is_none_until_it_is_asked_for() -> None:
    async def main() -> tuple[IOLoop | None, IOLoop, IOLoop | None]:
        return IOLoop.current(instance=False), IOLoop.current(), IOLoop.current(instance=False)

    before, made, after = asyncio.run(main())
    assert before is None
    assert after is made


def test_an_asyncio_loop_has_one_ioloop(loop: IOLoop) -> None:
    with pytest.raises(RuntimeError, match="already associated"):
        IOLoop(asyncio_loop=loop.asyncio_loop)
    with pytest.raises(RuntimeError, match="already associated"):
        BaseAsyncIOLoop(loop.asyncio_loop)


def test_a_given_asyncio_loop_is_adopted_and_closed() -> None:
    given = asyncio.new_event_loop()
    loop = IOLoop(make_current=False, asyncio_loop=given)
    assert loop.asyncio_loop is given
    assert IOLoop.current(instance=False) is not loop
    loop.close()
    assert given.is_closed()


def test_main_loop_without_a_running_loop_is_refused_when_the_current_one_has_its_ioloop(loop: IOLoop) -> None:
    with pytest.raises(RuntimeError, match="already associated"):
        AsyncIOMainLoop()


def test_wrong_arguments_leave_no_loop_behind() -> None:
    with pytest.raises(TypeError):
        IOLoop(nonsense=1)


def test_loops_closed_by_asyncio_are_forgotten() -> None:
    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        IOLoop.current()
        return weakref.ref(asyncio.get_running_loop())

    first = asyncio.run(main())
    asyncio.run(main())
    gc.collect()
    assert first() is None


@pytest.mark.leaves_tasks("what keeps them is to let go of them")
def test_what_was_pending_on_a_closed_loop_is_forgotten(expect_log: ExpectLog) -> None:
    kept: list[weakref.ref[Any]] = []

    async def never() -> None:
        gate: asyncio.Future[None] = asyncio.Future()
        kept.append(weakref.ref(gate))
        await gate

    first = IOLoop(make_current=False)
    first.add_callback(never)
    first.run_sync(lambda: sleep(0))
    gc.collect()
    assert kept[0]() is not None
    first.close()
    with expect_log("asyncio", "Task was destroyed but it is pending", count=1):
        IOLoop(make_current=False).close()
        gc.collect()
    assert kept[0]() is None


def test_each_thread_has_its_own() -> None:
    found: dict[str, Any] = {}
    ready = threading.Barrier(2)

    def work(name: str) -> None:
        loop = IOLoop()

        async def main() -> str:
            ready.wait(10)
            assert IOLoop.current() is loop
            await sleep(0)
            return threading.current_thread().name

        found[name] = loop.run_sync(main), loop
        loop.close()

    threads = [threading.Thread(target=work, args=(name,), name=name) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["one"][0] == "one"
    assert found["two"][0] == "two"
    assert found["one"][1] is not found["two"][1]


def test_configure_takes_subclasses_and_names_only() -> None:
    class Mine(AsyncIOLoop):
        pass

    IOLoop.configure(Mine)
    try:
        loop = IOLoop(make_current=False)
        assert type(loop) is Mine
        loop.close()
        IOLoop.configure("halny.platform.asyncio.AsyncIOLoop")
        assert IOLoop.configured_class() is AsyncIOLoop
        with pytest.raises(ValueError, match="subclass of IOLoop"):
            IOLoop.configure("builtins.dict")
    finally:
        IOLoop.configure(None)


# --- life ---


def test_stop_before_start_ends_the_next_start_at_once(loop: IOLoop) -> None:
    loop.stop()
    loop.start()


def test_stop_from_another_thread(loop: IOLoop) -> None:
    thread = threading.Thread(target=loop.add_callback, args=(loop.stop,))
    loop.add_callback(thread.start)
    loop.start()
    thread.join()


def test_close_twice_and_callbacks_afterwards_do_nothing() -> None:
    loop = IOLoop()
    loop.close()
    loop.close()
    loop.add_callback(pytest.fail)
    loop.add_callback_from_signal(pytest.fail)
    with pytest.raises(RuntimeError, match="closed"):
        loop.start()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_sync(lambda: None)


def test_close_and_run_sync_are_refused_while_it_runs(loop: IOLoop) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="running"):
            loop.close()
        with pytest.raises(RuntimeError, match="running"):
            loop.run_sync(lambda: None)

    loop.run_sync(main)
    assert not loop.asyncio_loop.is_closed()


# --- run_sync ---


def test_run_sync_returns_the_result_of_any_kind_of_function(loop: IOLoop) -> None:
    async def native() -> int:
        return 1

    @coroutine
    def generator() -> Generator[Any, Any, int]:
        yield sleep(0)
        return 2

    def threaded() -> concurrent.futures.Future[int]:
        return dummy_executor.submit(lambda: 3)

    assert loop.run_sync(native) == 1
    assert loop.run_sync(generator) == 2
    result: Any = loop.run_sync(threaded)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]
    assert result == 3
    assert loop.run_sync(lambda: None) is None


def test_run_sync_raises_what_the_function_raises(loop: IOLoop) -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        loop.run_sync(fail)
    with pytest.raises(ZeroDivisionError):
        loop.run_sync(lambda: divmod(1, 0))  # type: ignore[arg-type, return-value] # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(BadYieldError):
        loop.run_sync(lambda: 5)  # type: ignore[arg-type, return-value] # pyright: ignore[reportArgumentType, reportCallIssue]


def test_run_sync_with_a_timeout(loop: IOLoop) -> None:
    cancelled: list[bool] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.append(True)

    with pytest.raises(TimeoutError, match=r"Operation timed out after 0\.01 seconds"):
        loop.run_sync(slow, timeout=0.01)
    assert cancelled == [True]

    async def quick() -> int:
        return 1

    assert loop.run_sync(quick, timeout=60) == 1


def test_a_failure_while_it_is_cancelled_is_the_cause_of_the_timeout(loop: IOLoop) -> None:
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise KeyError("in the way") from None

    with pytest.raises(TimeoutError) as caught:
        loop.run_sync(slow, timeout=0.001)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.leaves_tasks("the loop is stopped before its function has ended")
def test_run_sync_that_is_stopped(loop: IOLoop) -> None:
    async def main() -> None:
        loop.add_callback(loop.stop)
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="stopped before"):
        loop.run_sync(main)
    for task in asyncio.all_tasks(loop.asyncio_loop):
        task.cancel()
    loop.run_sync(lambda: sleep(0))


# --- callbacks ---


def test_a_callback_that_raises_is_logged_and_does_not_stop_the_loop(loop: IOLoop, expect_log: ExpectLog) -> None:
    async def fail_later() -> None:
        await sleep(0)
        loop.call_later(0, loop.add_callback, loop.stop)
        raise KeyError("y")

    with expect_log("halny.application", "Exception in callback", count=3) as records:
        loop.add_callback(divmod, 1, 0)
        loop.add_callback(fail_later)
        loop.call_later(0, divmod, 1, 0)
        loop.start()
    kinds = sorted(record.exc_info[0].__name__ for record in records if record.exc_info and record.exc_info[0])
    assert kinds == ["KeyError", "ZeroDivisionError", "ZeroDivisionError"]


def test_a_cancelled_callback_is_not_logged(loop: IOLoop) -> None:
    def cancelled() -> None:
        raise asyncio.CancelledError

    loop.add_callback(cancelled)
    loop.add_callback(loop.stop)
    loop.start()


def test_callbacks_run_in_order_with_their_arguments(loop: IOLoop) -> None:
    seen: list[Any] = []

    def note(*args: Any, **kwargs: Any) -> None:
        seen.append((args, kwargs))

    async def native(value: int) -> None:
        seen.append(value)

    loop.add_callback(note, 1, two=2)
    loop.spawn_callback(native, 3)
    loop.add_callback(note)
    loop.add_callback(lambda: 5)  # a plain value is nobody's business
    loop.call_later(0.001, loop.stop)
    loop.start()
    assert seen == [((1,), {"two": 2}), ((), {}), 3]


def test_a_spawned_coroutine_that_nobody_refers_to_is_not_collected(loop: IOLoop) -> None:
    class Signal:
        def __init__(self) -> None:
            self.future = loop.asyncio_loop.create_future()

    seen: list[int] = []
    reference: list[weakref.ref[asyncio.Future[None]]] = []

    async def waits() -> None:
        signal = Signal()
        reference.append(weakref.ref(signal.future))
        await signal.future
        seen.append(1)

    def resume() -> None:
        gc.collect()
        future = reference[0]()
        assert future is not None
        future.set_result(None)
        loop.call_later(0.001, loop.stop)

    loop.spawn_callback(waits)
    loop.call_later(0.001, resume)
    loop.start()
    assert seen == [1]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a signal that comes by itself")
def test_add_callback_from_signal_wakes_a_loop_that_sleeps(loop: IOLoop) -> None:
    def handler(number: int, frame: object) -> None:
        loop.add_callback_from_signal(loop.stop)

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        loop.start()
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_add_future_of_both_kinds(loop: IOLoop, expect_log: ExpectLog) -> None:
    seen: list[Any] = []
    threads = concurrent.futures.ThreadPoolExecutor(1)

    async def main() -> None:
        ours: asyncio.Future[int] = asyncio.Future()
        loop.add_future(ours, lambda f: seen.append(f.result()))
        theirs = threads.submit(lambda: 2)
        done = asyncio.Event()

        def from_thread(future: concurrent.futures.Future[int]) -> None:
            assert IOLoop.current() is loop
            seen.append(future.result())
            done.set()

        ours.set_result(1)
        await sleep(0)
        loop.add_future(theirs, from_thread)
        await done.wait()
        with expect_log("halny.application", "Exception in callback", count=1):
            loop.add_future(ours, lambda _: divmod(1, 0))
            await sleep(0)
            await sleep(0)

    loop.run_sync(main)
    threads.shutdown()
    assert seen == [1, 2]
    with pytest.raises(TypeError, match="needs a future"):
        loop.add_future(5, print)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


# --- time ---


def test_timers(loop: IOLoop) -> None:
    seen: list[str] = []
    loop.call_later(0.002, seen.append, "later")
    loop.call_at(loop.time() + 0.004, seen.append, "at")
    loop.add_timeout(dt.timedelta(milliseconds=6), seen.append, "timedelta")
    loop.add_timeout(time.time() + 0.008, seen.append, "time")
    loop.add_timeout(dt.datetime.now() + dt.timedelta(milliseconds=10), seen.append, "datetime")  # noqa: DTZ005
    loop.call_later(-5, seen.append, "past")
    never = loop.call_later(0.001, seen.append, "never")
    loop.remove_timeout(never)
    loop.remove_timeout(never)
    loop.call_later(0.02, loop.stop)
    loop.start()
    assert seen == ["past", "later", "at", "timedelta", "time", "datetime"]


@pytest.mark.parametrize("deadline", ["x", None, [1]])
def test_what_is_no_deadline_is_refused(loop: IOLoop, deadline: Any) -> None:
    with pytest.raises(TypeError, match="Unsupported deadline"):
        loop.add_timeout(deadline, print)


def test_a_delay_that_is_not_a_number_is_refused(loop: IOLoop) -> None:
    with pytest.raises(ValueError, match="nan"):
        loop.call_later(float("nan"), print)


# --- executors ---

_variable: contextvars.ContextVar[str] = contextvars.ContextVar("_variable", default="unset")


def test_run_in_executor_carries_context_variables_to_threads(loop: IOLoop) -> None:
    async def main() -> None:
        _variable.set("ours")
        assert await loop.run_in_executor(None, _variable.get) == "ours"
        assert await loop.run_in_executor(dummy_executor, divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, divmod, 1, 0)

    loop.run_sync(main)


def test_set_default_executor(loop: IOLoop) -> None:
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine") as threads:
        loop.set_default_executor(threads)

        async def main() -> tuple[str, str]:
            name = await loop.run_in_executor(None, lambda: threading.current_thread().name)
            return name, await asyncio.to_thread(lambda: threading.current_thread().name)

        assert all(name.startswith("mine") for name in loop.run_sync(main))
    loop.set_default_executor(dummy_executor)

    async def here() -> int:
        return await loop.run_in_executor(None, threading.get_ident)

    assert loop.run_sync(here) == threading.get_ident()
    with pytest.raises(TypeError, match=r"expected a concurrent\.futures\.Executor"):
        loop.set_default_executor("threads")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_a_function_that_is_cancelled_within_its_time(loop: IOLoop) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    for timeout in (None, 60):
        with pytest.raises(asyncio.CancelledError):
            loop.run_sync(cancelled, timeout=timeout)


def test_futures_made_before_there_is_any_loop_belong_to_the_one_that_is_made_for_them() -> None:
    IOLoop.clear_current()
    waiting = Lock().acquire()
    loop = IOLoop.current()
    assert waiting.get_loop() is loop.asyncio_loop
    event = Condition()
    woken = event.wait()
    event.notify()
    assert loop.run_sync(lambda: woken) is True
    loop.close()


class Broken(asyncio.SelectorEventLoop):
    """A loop that can't take callbacks from elsewhere, though it is open."""

    def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        raise RuntimeError("broken")


def test_what_is_wrong_with_an_open_loop_is_not_hidden() -> None:
    loop = IOLoop(make_current=False, asyncio_loop=Broken())
    with pytest.raises(RuntimeError, match="broken"):
        loop.add_callback(print)
    with pytest.raises(RuntimeError, match="broken"):
        loop.add_callback_from_signal(print)
    loop.close()
