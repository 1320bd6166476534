from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import datetime as dt
import gc
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import IOLoop, gen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tools.strict_tests.logs import ExpectLog

Steps = "Generator[Any, Any, Any]"


def always() -> bool:
    """Return true, in a way that is not seen through: a generator needs a `yield`, even if it never comes to it."""
    return True


async def value(result: Any, turns: int = 1) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    return result


async def failure(error: Exception, turns: int = 1) -> None:
    await value(None, turns)
    raise error


# --- coroutine ---


async def test_a_generator_runs_at_once_up_to_what_is_not_done() -> None:
    seen: list[Any] = []
    gate: asyncio.Future[str] = asyncio.Future()

    @gen.coroutine
    def steps(first: int, *, second: int) -> Generator[Any, Any, int]:
        """Documented."""
        seen.append(first)
        done: asyncio.Future[int] = asyncio.Future()
        done.set_result(2)
        seen.append((yield done))
        seen.append((yield gate))
        return second

    future = steps(1, second=4)
    assert seen == [1, 2]
    assert not future.done()
    gate.set_result("three")
    assert await future == 4
    assert seen == [1, 2, "three"]
    assert steps.__doc__ == "Documented."
    assert gen.is_coroutine_function(steps)
    assert not gen.is_coroutine_function(value)


async def test_return_and_plain_functions() -> None:
    @gen.coroutine
    def old() -> Generator[Any, Any, Any]:
        yield None
        raise gen.Return("old")

    @gen.coroutine
    def at_once() -> Generator[Any, Any, Any]:
        if always():
            raise gen.Return("at once")
        yield

    @gen.coroutine
    def plain() -> str:
        return "plain"

    @gen.coroutine
    def plain_return() -> str:
        raise gen.Return("plain return")

    assert await old() == "old"
    assert at_once().result() == "at once"
    assert plain().result() == "plain"
    assert plain_return().result() == "plain return"
    assert gen.Return(3).value == 3
    assert gen.Return().args == (None,)


async def test_exceptions_belong_to_the_future() -> None:
    @gen.coroutine
    def at_once() -> Generator[Any, Any, None]:
        if always():
            raise KeyError(1)
        yield

    @gen.coroutine
    def later() -> Generator[Any, Any, None]:
        yield gen.moment
        raise KeyError(2)

    @gen.coroutine
    def plain() -> None:
        raise KeyError(3)

    for function in (at_once, later, plain):
        with pytest.raises(KeyError):
            await function()


async def test_exceptions_are_thrown_into_the_generator() -> None:
    @gen.coroutine
    def catches() -> Generator[Any, Any, list[str]]:
        caught: list[str] = []
        for bad in (failure(KeyError("a")), 5, "text", object()):
            try:
                yield bad
            except (KeyError, gen.BadYieldError) as error:
                caught.append(type(error).__name__)
        return caught

    assert await catches() == ["KeyError", "BadYieldError", "BadYieldError", "BadYieldError"]


async def test_what_may_be_yielded() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as threads:

        @gen.coroutine
        def everything() -> Generator[Any, Any, list[Any]]:
            return [
                (yield value(1)),
                (yield None),
                (yield gen.moment),
                (yield [value(2), value(3), threads.submit(lambda: 4)]),
                (yield {"a": value(5)}),
                (yield threads.submit(lambda: 6)),
                (yield asyncio.ensure_future(value(7))),
                (yield []),
            ]

        assert await everything() == [1, None, None, [2, 3, 4], {"a": 5}, 6, 7, []]


async def test_a_moment_lets_others_run() -> None:
    seen: list[str] = []

    @gen.coroutine
    def steps() -> Generator[Any, Any, None]:
        asyncio.get_running_loop().call_soon(seen.append, "other")
        yield gen.moment
        seen.append("generator")

    await steps()
    asyncio.get_running_loop().call_soon(seen.append, "again")
    await gen.moment
    assert seen == ["other", "generator", "again"]


async def test_a_context_of_its_own() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    @gen.coroutine
    def steps() -> Generator[Any, Any, list[str]]:
        seen = [variable.get()]
        variable.set("ours")
        yield gen.moment
        seen.append(variable.get())
        yield gen.sleep(0.001)
        seen.append(variable.get())
        return seen

    variable.set("caller")
    assert await steps() == ["caller", "ours", "ours"]
    assert variable.get() == "caller"


async def test_cancelling_the_future_leaves_the_generator_alone(expect_log: ExpectLog) -> None:
    gate: asyncio.Future[None] = asyncio.Future()
    ended: list[bool] = []

    @gen.coroutine
    def steps() -> Generator[Any, Any, None]:
        yield gate
        ended.append(True)
        raise KeyError("nobody waits")

    future = steps()
    future.cancel()
    with expect_log("halny.application", "after Future was cancelled", count=1):
        gate.set_result(None)
        await value(None, 2)
    assert ended == [True]


async def test_cancellation_inside_cancels_the_future() -> None:
    @gen.coroutine
    def later() -> Generator[Any, Any, None]:
        inner: asyncio.Future[None] = asyncio.Future()
        asyncio.get_running_loop().call_soon(inner.cancel)
        yield inner

    @gen.coroutine
    def at_once() -> Generator[Any, Any, None]:
        if always():
            raise asyncio.CancelledError
        yield

    for function in (later, at_once):
        with pytest.raises(asyncio.CancelledError):
            await function()


async def test_a_failure_is_no_reference_cycle() -> None:
    class Marker(Exception):
        pass

    @gen.coroutine
    def later() -> Generator[Any, Any, None]:
        yield gen.moment
        raise Marker

    @gen.coroutine
    def at_once() -> Generator[Any, Any, None]:
        if always():
            raise Marker
        yield

    async def run(function: Callable[[], asyncio.Future[None]]) -> weakref.ref[Marker]:
        try:
            await function()
        except Marker as error:
            return weakref.ref(error)
        raise AssertionError

    gc.disable()
    try:
        for function in (later, at_once):
            marker = await run(function)
            await value(None)  # the loop itself holds the future until the turn is over
            assert marker() is None
    finally:
        gc.enable()


def test_a_coroutine_called_before_the_loop_starts() -> None:
    loop = IOLoop()

    @gen.coroutine
    def steps() -> Generator[Any, Any, int]:
        yield gen.sleep(0)
        return 1

    future = steps()
    assert loop.run_sync(lambda: future) == 1
    loop.close()


async def test_many_done_futures_do_not_recurse() -> None:
    done: asyncio.Future[int] = asyncio.Future()
    done.set_result(1)

    @gen.coroutine
    def steps() -> Generator[Any, Any, int]:
        total = 0
        for _ in range(10_000):
            total += yield done
        return total

    assert steps().result() == 10_000


async def test_the_runner_takes_an_exception_by_hand() -> None:
    def steps() -> Generator[Any, Any, str]:
        try:
            yield asyncio.Future()
        except KeyError:
            return "caught"
        return "not"

    generator = steps()
    result: asyncio.Future[str] = asyncio.Future()
    runner = gen.Runner(contextvars.copy_context().run, generator, result, next(generator))
    error = KeyError("x")
    assert runner.handle_exception(KeyError, error, None)
    assert result.result() == "caught"
    runner.run()
    assert not runner.handle_exception(KeyError, error, None)


# --- multi ---


async def test_multi() -> None:
    assert await gen.multi([value(1, 3), value(2)]) == [1, 2]
    assert await gen.multi((value(1),)) == [1]
    assert await gen.multi({"a": value(1), "b": value(2, 3)}) == {"a": 1, "b": 2}
    assert await gen.multi([]) == []
    assert await gen.multi({}) == {}
    assert await gen.Multi(iter([value(1)])) == [1]  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    same = asyncio.ensure_future(value(3))
    assert await gen.multi_future([same, same]) == [3, 3]
    with pytest.raises(TypeError):
        gen.multi(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(gen.BadYieldError):
        gen.multi([5])


async def test_multi_raises_the_first_in_order_and_logs_the_others(expect_log: ExpectLog) -> None:
    with (
        expect_log("halny.application", "Multiple exceptions in yield list", count=1) as records,
        pytest.raises(KeyError),
    ):
        await gen.multi([value(1), failure(KeyError(), 5), failure(ValueError())])
    assert records[0].exc_info
    assert records[0].exc_info[0] is ValueError
    with pytest.raises(KeyError):
        await gen.multi([failure(KeyError()), failure(ValueError())], quiet_exceptions=ValueError)
    with pytest.raises(KeyError):
        await gen.multi([failure(KeyError()), failure(ValueError())], quiet_exceptions=(OSError, ValueError))


async def test_multi_waits_for_all_even_after_a_failure() -> None:
    ended: list[bool] = []

    async def slow() -> None:
        await value(None, 10)
        ended.append(True)

    with pytest.raises(KeyError):
        await gen.multi([failure(KeyError()), slow()])
    assert ended == [True]


async def test_multi_with_a_cancelled_child_is_cancelled() -> None:
    child: asyncio.Future[None] = asyncio.Future()
    child.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gen.multi([child, value(1)])


async def test_multi_that_was_cancelled_does_not_mind_its_children() -> None:
    joined = gen.multi([value(1)])
    joined.cancel()
    await value(None, 3)


# --- WaitIterator ---


async def test_wait_iterator_gives_results_as_they_come() -> None:
    results = gen.WaitIterator(value("slow", 5), value("quick", 1))
    seen: list[Any] = []
    while not results.done():
        result = await results.next()
        assert results.current_future is not None
        seen.append((result, results.current_index, results.current_future.result()))
    assert seen == [("quick", 1, "quick"), ("slow", 0, "slow")]
    assert results.current_index is None
    with pytest.raises(RuntimeError, match="all results"):
        results.next()


async def test_wait_iterator_by_name_and_with_failures() -> None:
    done: asyncio.Future[int] = asyncio.Future()
    done.set_result(1)
    results = gen.WaitIterator(a=failure(KeyError(), 3), b=done)
    assert await results.next() == 1
    assert results.current_index == "b"
    with pytest.raises(KeyError):
        await results.next()
    assert results.current_index == "a"
    assert [item async for item in gen.WaitIterator(value(1, 2), value(2, 1))] == [2, 1]
    assert [item async for item in gen.WaitIterator()] == []
    with pytest.raises(ValueError, match="not both"):
        gen.WaitIterator(done, a=done)
    with pytest.raises(gen.BadYieldError):
        gen.WaitIterator(5)


async def test_wait_iterator_loses_nothing_when_next_is_abandoned() -> None:
    gate: asyncio.Future[int] = asyncio.Future()
    results = gen.WaitIterator(gate)
    with pytest.raises(TimeoutError):
        await gen.with_timeout(dt.timedelta(0), results.next())
    following = results.next()
    assert results.next() is following
    following.cancel()
    following = results.next()
    gate.set_result(1)
    assert await following == 1


# --- with_timeout, sleep and the rest ---


async def test_with_timeout() -> None:
    never: asyncio.Future[None] = asyncio.Future()
    for deadline in (0, time.time() + 0.001, dt.timedelta(seconds=0.001), dt.datetime.now()):  # noqa: DTZ005
        with pytest.raises(TimeoutError, match=r"^Timeout$"):
            await gen.with_timeout(deadline, never)
    with pytest.raises(gen.TimeoutError, match=r"^too slow$"):
        await gen.with_timeout(dt.timedelta(0), never, message="too slow")
    assert not never.done()
    long = dt.timedelta(minutes=1)
    assert await gen.with_timeout(long, value(1)) == 1
    done: asyncio.Future[int] = asyncio.Future()
    done.set_result(2)
    assert gen.with_timeout(0, done).result() == 2
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        assert await gen.with_timeout(long, threads.submit(lambda: 3)) == 3
    with pytest.raises(KeyError):
        await gen.with_timeout(long, failure(KeyError()))
    with pytest.raises(TypeError, match="Unsupported deadline"):
        gen.with_timeout("soon", never)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(gen.BadYieldError):
        gen.with_timeout(long, 5)


async def test_a_failure_after_the_timeout_is_logged_unless_it_is_quiet(expect_log: ExpectLog) -> None:
    async def late(error: Exception | None, quiet: Any = ()) -> None:
        future: asyncio.Future[None] = asyncio.Future()
        with pytest.raises(TimeoutError):
            await gen.with_timeout(0, future, quiet_exceptions=quiet)
        if error is None:
            future.cancel()
        else:
            future.set_exception(error)
        await value(None)

    with expect_log("halny.application", "after timeout", count=1):
        await late(KeyError())
    await late(KeyError(), KeyError)
    await late(KeyError(), (OSError, KeyError))
    await late(None)


async def test_cancelling_a_wait_does_not_cancel_what_it_waits_for() -> None:
    inner: asyncio.Future[int] = asyncio.Future()
    outer: asyncio.Future[int] = gen.with_timeout(dt.timedelta(minutes=1), inner)
    outer.cancel()
    await value(None)
    assert not inner.cancelled()


async def test_sleep() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await gen.sleep(0.01) is None  # type: ignore[func-returns-value]
    assert loop.time() - began >= 0.009
    await gen.sleep(-1)
    cancelled = gen.sleep(0.001)
    cancelled.cancel()
    await gen.sleep(0.005)


async def test_maybe_future_and_convert_yielded() -> None:
    future: asyncio.Future[int] = asyncio.Future()
    assert gen.maybe_future(future) is future
    assert gen.maybe_future(5).result() == 5
    assert gen.convert_yielded(future) is future
    theirs: concurrent.futures.Future[int] = concurrent.futures.Future()
    assert gen.convert_yielded(theirs) is theirs
    nothing = gen.convert_yielded(None)
    assert isinstance(nothing, asyncio.Future)
    assert not nothing.done()
    await nothing
    cancelled = gen.convert_yielded(gen.moment)
    cancelled.cancel()
    await value(None)

    class Awaitable:
        def __await__(self) -> Generator[Any, Any, int]:
            return value(9).__await__()

    converted = gen.convert_yielded(Awaitable())
    assert isinstance(converted, asyncio.Future)
    assert await converted == 9


async def test_a_coroutine_that_nobody_refers_to_is_not_collected() -> None:
    began: list[weakref.ref[Any]] = []

    async def waits_for_what_only_it_knows() -> None:
        gate: asyncio.Future[None] = asyncio.Future()
        began.append(weakref.ref(gate))
        await gate

    gen.convert_yielded(waits_for_what_only_it_knows())
    await asyncio.sleep(0)
    gc.collect()
    gate = began[0]()
    assert gate is not None
    gate.set_result(None)
    del gate
    await value(None, 2)
    gc.collect()
    assert began[0]() is None


async def test_convert_yielded_can_be_taught_other_types() -> None:
    class Deferred:
        pass

    def convert(_: Deferred) -> asyncio.Future[Any]:
        return asyncio.ensure_future(value("deferred"))

    gen.convert_yielded.register(Deferred, convert)

    @gen.coroutine
    def steps() -> Generator[Any, Any, Any]:
        return (yield Deferred())

    assert await steps() == "deferred"


def test_sleep_and_futures_outside_of_a_running_loop() -> None:
    loop = IOLoop()
    future = gen.sleep(0)
    assert future.get_loop() is loop.asyncio_loop
    loop.run_sync(lambda: future)
    loop.close()
