from __future__ import annotations

import asyncio
import contextvars
import socket
from typing import TYPE_CHECKING, Any

import pytest

from halny.iostream import IOStream
from halny.iostream._wakeup import resolve_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")


@pytest.fixture
async def future() -> asyncio.Future[str]:
    return asyncio.get_running_loop().create_future()


@pytest.fixture
async def stream() -> AsyncIterator[tuple[IOStream, socket.socket]]:
    left, right = socket.socketpair()
    made = IOStream(left)
    yield made, right
    made.close()
    right.close()


async def from_the_loop(future: asyncio.Future[str]) -> list[str]:
    """Resolves in a callback of the loop, and returns what happened in which order."""
    order: list[str] = []
    done = asyncio.Event()

    def callback() -> None:
        asyncio.get_running_loop().call_soon(order.append, "the next turn")
        asyncio.get_running_loop().call_soon(done.set)
        resolve_now(future, "result")
        order.append("end of the callback")

    order_of[future] = order
    asyncio.get_running_loop().call_soon(callback)
    await done.wait()
    await asyncio.sleep(0)
    return order


order_of: dict[asyncio.Future[str], list[str]] = {}


async def wait(future: asyncio.Future[str]) -> str:
    variable.set("inside")
    result = await future
    order_of[future].append(f"resumed {variable.get()}")
    current = asyncio.current_task()
    assert current is not None
    assert current.get_coro().__name__ == "wait"  # type: ignore[union-attr]
    return result


async def test_the_task_is_resumed_in_the_same_turn(future: asyncio.Future[str]) -> None:
    task = asyncio.create_task(wait(future))
    await asyncio.sleep(0)
    order = await from_the_loop(future)
    assert order == ["resumed inside", "end of the callback", "the next turn"]
    assert await task == "result"
    assert variable.get() == "outside"


async def test_other_waiters_are_told_as_usual(future: asyncio.Future[str]) -> None:
    future.add_done_callback(lambda done: order_of[done].append("callback"))
    assert await from_the_loop(future) == ["end of the callback", "the next turn", "callback"]


async def test_two_tasks_are_told_as_usual(future: asyncio.Future[str]) -> None:
    tasks = [asyncio.create_task(wait(future)) for _ in range(2)]
    await asyncio.sleep(0)
    order = await from_the_loop(future)
    assert order == ["end of the callback", "the next turn", "resumed inside", "resumed inside"]
    assert await asyncio.gather(*tasks) == ["result", "result"]


async def test_nobody_waits(future: asyncio.Future[str]) -> None:
    assert await from_the_loop(future) == ["end of the callback", "the next turn"]
    assert future.result() == "result"


async def test_a_task_never_runs_inside_another(future: asyncio.Future[str]) -> None:
    order = order_of[future] = []
    task = asyncio.create_task(wait(future))
    await asyncio.sleep(0)
    resolve_now(future, "result")
    order.append("still this task")
    assert await task == "result"
    assert order == ["still this task", "resumed inside"]


async def test_what_the_task_raises_is_its_own(stream: tuple[IOStream, socket.socket]) -> None:
    reader, peer = stream

    async def fail() -> None:
        await reader.read_bytes(1)
        raise ValueError("in the task")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    peer.send(b"x")
    with pytest.raises(ValueError, match="in the task"):
        await task


async def test_the_task_may_do_anything_to_the_stream(stream: tuple[IOStream, socket.socket]) -> None:
    reader, peer = stream

    async def use() -> bytes:
        first = await reader.read_bytes(1)
        await reader.write(first)
        first += await reader.read_bytes(1)
        reader.close()
        return first

    task = asyncio.create_task(use())
    await asyncio.sleep(0)
    peer.send(b"ab")
    assert await task == b"ab"
    assert peer.recv(1) == b"a"


async def test_timeouts_and_cancellation(stream: tuple[IOStream, socket.socket]) -> None:
    reader, peer = stream
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await reader.read_bytes(1)
    task = asyncio.ensure_future(asyncio.wait_for(reader.read_bytes(1), 10))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    waiting: Any = asyncio.shield(reader.read_bytes(1))
    peer.send(b"y")
    assert await waiting == b"y"
