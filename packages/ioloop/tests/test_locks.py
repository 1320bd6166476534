from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import TimeoutError as HalnyTimeoutError
from halny.ioloop import gen, locks

if TYPE_CHECKING:
    from collections.abc import Generator

PAST: list[Any] = [0, time.time() - 5, dt.timedelta(0), dt.timedelta(seconds=-1), dt.datetime(2020, 1, 1)]  # noqa: DTZ001


def soon() -> list[Any]:
    return [
        time.time() + 0.002,
        dt.timedelta(milliseconds=2),
        dt.datetime.now(dt.UTC) + dt.timedelta(milliseconds=2),
    ]


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# --- Event ---


async def test_event() -> None:
    event = locks.Event()
    assert not event.is_set()
    assert repr(event) == "<Event clear>"
    waiting = [event.wait(), event.wait(dt.timedelta(minutes=1))]
    event.set()
    event.set()
    assert repr(event) == "<Event set>"
    await asyncio.gather(*waiting)
    assert event.wait().done()
    assert event.wait(timeout=0).exception() is None
    event.clear()
    assert not event.wait().done()


async def test_an_event_wakes_in_order() -> None:
    event = locks.Event()
    woken: list[int] = []

    async def waiter(number: int) -> None:
        await event.wait()
        woken.append(number)

    tasks = [asyncio.create_task(waiter(number)) for number in range(30)]
    await asyncio.sleep(0)
    event.set()
    await asyncio.gather(*tasks)
    assert woken == list(range(30))


async def test_event_timeouts_and_cancellation() -> None:
    event = locks.Event()
    for deadline in [*PAST, *soon()]:
        with pytest.raises(HalnyTimeoutError):
            await event.wait(deadline)
    for deadline in PAST:
        assert isinstance(event.wait(deadline).exception(), TimeoutError)
    cancelled = event.wait()
    cancelled.cancel()
    event.set()
    with pytest.raises(TypeError, match="Unsupported deadline"):
        locks.Event().wait("soon")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


# --- Condition ---


async def test_condition_wakes_in_order() -> None:
    condition = locks.Condition()
    assert repr(condition) == "<Condition>"
    order: list[int] = []

    async def waiter(number: int) -> None:
        assert await condition.wait()
        order.append(number)

    tasks = [asyncio.create_task(waiter(number)) for number in range(5)]
    await turns()
    assert repr(condition) == "<Condition waiters[5]>"
    condition.notify()
    await turns()
    assert order == [0]
    condition.notify(2)
    await turns()
    assert order == [0, 1, 2]
    condition.notify_all()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]
    condition.notify()
    condition.notify_all()


async def test_condition_timeouts_are_false() -> None:
    condition = locks.Condition()
    for deadline in [*PAST, *soon()]:
        assert await condition.wait(deadline) is False
    late = condition.wait(dt.timedelta(minutes=1))
    condition.notify()
    assert await late is True


async def test_a_notification_passes_by_those_who_gave_up() -> None:
    condition = locks.Condition()
    first = condition.wait()
    second = condition.wait(soon()[1])
    third = condition.wait()
    first.cancel()
    await second
    condition.notify()
    assert await third


async def test_a_notification_to_a_task_that_is_cancelled_goes_to_the_next() -> None:
    condition = locks.Condition()

    async def waiter() -> bool:
        return await condition.wait()

    first, second = asyncio.create_task(waiter()), asyncio.create_task(waiter())
    await turns()
    condition.notify()
    first.cancel()
    assert await second
    assert first.cancelled()


# --- Semaphore and Lock ---


@pytest.mark.parametrize("make", [lambda: locks.Semaphore(1), lambda: locks.BoundedSemaphore(1), locks.Lock])
class TestMutualExclusion:
    async def test_one_at_a_time_in_order(self, make: Any) -> None:
        lock = make()
        order: list[int] = []
        inside = 0

        async def worker(number: int) -> None:
            nonlocal inside
            async with lock:
                inside += 1
                assert inside == 1
                order.append(number)
                await turns()
                inside -= 1

        await asyncio.gather(*(worker(number) for number in range(5)))
        assert order == [0, 1, 2, 3, 4]

    async def test_acquire_gives_a_context_manager(self, make: Any) -> None:
        lock = make()
        with await lock.acquire():
            assert "locked" in repr(lock)
            waiting = lock.acquire()
            assert not waiting.done()
            assert "waiters:1" in repr(lock)
        with await waiting:
            pass
        assert lock.acquire(timeout=0).done()
        assert "unlocked" not in repr(lock)

    async def test_generator_coroutines(self, make: Any) -> None:
        lock = make()

        @gen.coroutine
        def steps() -> Generator[Any, Any, bool]:
            with (yield lock.acquire()):
                yield gen.moment
            return True

        assert await gen.multi([steps(), steps()]) == [True, True]

    async def test_timeouts(self, make: Any) -> None:
        lock = make()
        with await lock.acquire():
            for deadline in PAST:
                assert isinstance(lock.acquire(deadline).exception(), TimeoutError)
            for deadline in soon():
                with pytest.raises(HalnyTimeoutError):
                    await lock.acquire(timeout=deadline)
            waiting = lock.acquire(dt.timedelta(minutes=1))
        with await waiting:
            pass
        assert "unlocked" in repr(lock)
        with pytest.raises(TypeError, match="Unsupported deadline"):
            lock.acquire()
            lock.acquire(timeout="soon")

    async def test_cancelled_waiters_are_skipped(self, make: Any) -> None:
        lock = make()
        held = await lock.acquire()
        first, second = lock.acquire(), lock.acquire()
        first.cancel()
        with held:
            pass
        assert second.done()

    @pytest.mark.parametrize("how", ["acquire", "async with"])
    async def test_a_task_cancelled_as_it_gets_the_lock_hands_it_on(self, make: Any, how: str) -> None:
        lock = make()

        async def worker() -> str:
            if how == "acquire":
                with await lock.acquire():
                    return "had it"
            async with lock:
                return "had it"

        held = await lock.acquire()
        first, second = asyncio.create_task(worker()), asyncio.create_task(worker())
        await turns()
        with held:
            pass
        first.cancel()  # the lock is the first one's by now, but it has not run yet
        assert await asyncio.wait_for(second, 10) == "had it"
        assert first.cancelled()
        assert "unlocked" in repr(lock)

    async def test_a_coroutine_that_is_closed_leaves_the_line(self, make: Any) -> None:
        lock = make()
        held = await lock.acquire()
        waiting = lock.__aenter__()
        waiting.send(None)
        waiting.close()
        with held:
            pass
        assert "unlocked" in repr(lock)

    async def test_with_is_refused(self, make: Any) -> None:
        with pytest.raises(RuntimeError, match="async with"), make():
            pass

    async def test_waiters_who_gave_up_do_not_pile_up(self, make: Any) -> None:
        lock = make()
        held = await lock.acquire()
        alive = lock.acquire()
        for _ in range(10_000):
            lock.acquire().cancel()
        assert len(lock._line.waiters) < 200
        with held:
            pass
        assert alive.done()


async def test_a_semaphore_counts() -> None:
    semaphore = locks.Semaphore(2)
    assert repr(semaphore) == "<Semaphore [unlocked,value:2]>"
    first = await semaphore.acquire()
    await semaphore.acquire()
    third = semaphore.acquire()
    assert not third.done()
    with first:
        pass
    assert third.done()
    for _ in range(3):
        semaphore.release()
    assert repr(semaphore) == "<Semaphore [unlocked,value:3]>"
    assert repr(locks.Semaphore(0)) == "<Semaphore [locked]>"


async def test_misuse() -> None:
    with pytest.raises(ValueError, match=">= 0"):
        locks.Semaphore(-1)
    with pytest.raises(ValueError, match=">= 0"):
        locks.BoundedSemaphore(-1)
    with pytest.raises(ValueError, match="too many times"):
        locks.BoundedSemaphore(1).release()
    with pytest.raises(RuntimeError, match="release unlocked lock"):
        locks.Lock().release()


def test_locks_can_be_made_before_there_is_a_loop() -> None:
    lock = locks.Lock()

    async def main() -> None:
        async with lock:
            pass

    asyncio.run(main())
    asyncio.run(main())
