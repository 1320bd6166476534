from __future__ import annotations

import asyncio
import collections
import datetime as dt
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.ioloop import TimeoutError as HalnyTimeoutError
from halny.ioloop.queues import LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull

PAST: list[Any] = [0, dt.timedelta(0), time.time() - 1]


async def test_first_in_first_out() -> None:
    queue: Queue[int] = Queue()
    for number in range(3):
        await queue.put(number)
    assert queue.qsize() == 3
    assert not queue.empty()
    assert not queue.full()
    assert [await queue.get() for _ in range(3)] == [0, 1, 2]
    assert queue.empty()


async def test_the_other_orders() -> None:
    heap: PriorityQueue[int] = PriorityQueue()
    stack: LifoQueue[int] = LifoQueue()
    for number in (2, 1, 3):
        heap.put_nowait(number)
        stack.put_nowait(number)
    assert [heap.get_nowait() for _ in range(3)] == [1, 2, 3]
    assert [stack.get_nowait() for _ in range(3)] == [3, 1, 2]


async def test_a_bound_makes_put_wait() -> None:
    queue: Queue[str] = Queue(maxsize=1)
    assert queue.maxsize == 1
    assert queue.put("a").done()
    assert queue.full()
    waiting = queue.put("b")
    assert not waiting.done()
    with pytest.raises(QueueFull):
        queue.put_nowait("c")
    assert isinstance(queue.put("d", timeout=0).exception(), TimeoutError)
    with pytest.raises(HalnyTimeoutError):
        await queue.put("e", timeout=dt.timedelta(milliseconds=1))
    assert await queue.get() == "a"
    assert waiting.done()
    assert await queue.get() == "b"
    assert queue.empty()


async def test_get_waits_in_order() -> None:
    queue: Queue[int] = Queue()
    first, second = queue.get(), queue.get()
    with pytest.raises(QueueEmpty):
        queue.get_nowait()
    for deadline in PAST:
        assert isinstance(queue.get(deadline).exception(), TimeoutError)
    with pytest.raises(HalnyTimeoutError):
        await queue.get(timeout=time.time() + 0.002)
    queue.put_nowait(1)
    queue.put_nowait(2)
    assert (first.result(), second.result()) == (1, 2)
    with pytest.raises(TypeError, match="Unsupported deadline"):
        queue.get(timeout="soon")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def test_those_who_gave_up_are_skipped() -> None:
    queue: Queue[int] = Queue(1)
    first, second = queue.get(), queue.get()
    first.cancel()
    queue.put_nowait(1)
    assert second.result() == 1
    queue.put_nowait(2)
    dropped, kept = queue.put(3), queue.put(4)
    dropped.cancel()
    assert [queue.get_nowait(), queue.get_nowait()] == [2, 4]
    assert kept.done()


@pytest.mark.parametrize("kind", [Queue, PriorityQueue, LifoQueue])
@pytest.mark.parametrize("another_waits", [False, True])
async def test_an_item_given_to_a_cancelled_task_is_not_lost(kind: Any, another_waits: bool) -> None:
    queue: Queue[int] = kind()

    async def consumer() -> int:
        return await queue.get()

    task = asyncio.create_task(consumer())
    await asyncio.sleep(0)
    other = queue.get() if another_waits else None
    queue.put_nowait(1)
    task.cancel()  # it was given the item, but has not run yet
    with pytest.raises(asyncio.CancelledError):
        await task
    queue.put_nowait(2)
    if other is not None:
        assert other.result() == 1
        assert queue.get_nowait() == 2
    else:
        assert {queue.get_nowait(), queue.get_nowait()} == {1, 2}


async def test_a_returned_item_comes_first_again() -> None:
    queue: Queue[int] = Queue()

    async def consumer() -> int:
        return await queue.get()

    task = asyncio.create_task(consumer())
    await asyncio.sleep(0)
    queue.put_nowait(1)
    queue.put_nowait(2)
    task.cancel()
    await asyncio.wait([task])
    assert [queue.get_nowait(), queue.get_nowait()] == [1, 2]


async def test_join_waits_for_task_done() -> None:
    queue: Queue[int] = Queue()
    assert queue.join().done()
    queue.put_nowait(1)
    queue.put_nowait(2)
    joined = queue.join()
    assert isinstance(queue.join(timeout=0).exception(), TimeoutError)
    queue.get_nowait()
    queue.task_done()
    assert not joined.done()
    queue.get_nowait()
    queue.task_done()
    await joined
    with pytest.raises(ValueError, match="too many times"):
        queue.task_done()


async def test_iteration_with_workers() -> None:
    queue: Queue[int] = Queue(maxsize=2)
    seen: list[int] = []

    async def worker() -> None:
        async for item in queue:
            seen.append(item)
            await asyncio.sleep(0)
            queue.task_done()

    workers = [asyncio.create_task(worker()) for _ in range(3)]
    for number in range(20):
        await queue.put(number)
    await queue.join()
    for task in workers:
        task.cancel()
    await asyncio.wait(workers)
    assert seen == list(range(20))


def test_text() -> None:
    queue: Queue[int] = Queue(2)
    assert str(queue) == "<Queue maxsize=2>"
    queue.put_nowait(1)
    assert str(queue) == "<Queue maxsize=2 queue=deque([1]) tasks=1>"
    assert repr(queue).startswith("<Queue at 0x")

    async def main() -> None:
        full: Queue[int] = Queue(1)
        waiting = [full.put(number) for number in range(3)]
        assert "putters[2]" in str(full)
        empty: Queue[int] = PriorityQueue()
        getting = empty.get()
        assert str(empty) == "<PriorityQueue maxsize=0 getters[1]>"
        getting.cancel()
        for future in waiting:
            future.cancel()

    asyncio.run(main())


def test_misuse() -> None:
    with pytest.raises(TypeError, match="None"):
        Queue(maxsize=None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="negative"):
        Queue(maxsize=-1)


def test_a_queue_of_ones_own() -> None:
    class Unique(Queue[int]):
        def _init(self) -> None:
            self._queue: set[int] = set()

        def _put(self, item: int) -> None:
            self._queue.add(item)

        def _get(self) -> int:
            return self._queue.pop()

    queue = Unique()
    queue.put_nowait(1)
    queue.put_nowait(1)
    assert queue.get_nowait() == 1
    assert queue.empty()


@given(st.lists(st.sampled_from(["put", "get", "cancel put", "cancel get"]), max_size=40), st.integers(0, 3))
def test_no_item_is_lost_doubled_or_overtaken(operations: list[str], maxsize: int) -> None:
    async def main() -> None:
        queue: Queue[int] = Queue(maxsize)
        puts: collections.deque[tuple[int, asyncio.Future[None]]] = collections.deque()
        gets: list[asyncio.Future[int]] = []
        dice = random.Random(len(operations))
        cancelled: set[int] = set()
        for number, operation in enumerate(operations):
            if operation == "put":
                puts.append((number, queue.put(number)))
            elif operation == "get":
                gets.append(queue.get())
            elif operation == "cancel put":
                pending = [entry for entry in puts if not entry[1].done()]
                if pending:
                    item, future = dice.choice(pending)
                    future.cancel()
                    cancelled.add(item)
            else:
                waiting = [future for future in gets if not future.done()]
                if waiting:
                    dice.choice(waiting).cancel()
        given_out = [future.result() for future in gets if future.done() and not future.cancelled()]
        left: list[int] = []
        while not queue.empty():
            left.append(queue.get_nowait())
        assert given_out + left == [item for item, _ in puts if item not in cancelled]

    asyncio.run(main())
