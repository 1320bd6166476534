from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import IOLoop
from halny.ioloop.platform import AddThreadSelectorEventLoop, SelectorThread, to_asyncio_future, to_tornado_future

if TYPE_CHECKING:
    from collections.abc import Generator

    from tools.strict_tests.logs import ExpectLog

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Generator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "halny selector"]


async def test_reading_and_writing(pair: Pair) -> None:
    ours, theirs = pair
    loop = asyncio.get_running_loop()
    selector = SelectorThread(loop)
    received: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        selector.remove_reader(ours)
        received.set_result(ours.recv(10))

    def write(data: bytes) -> None:
        assert selector.remove_writer(ours.fileno())
        ours.send(data)

    selector.add_reader(ours, read)
    selector.add_writer(ours.fileno(), write, b"ping")
    assert threads() == ["halny selector"]
    assert await loop.run_in_executor(None, theirs.recv, 10) == b"ping"
    theirs.send(b"pong")
    assert await received == b"pong"
    assert not selector.remove_reader(ours)
    assert not selector.remove_writer(ours)
    assert "readers=0" in repr(selector)
    selector.close()
    selector.close()
    assert not threads()
    with pytest.raises(RuntimeError, match="closed"):
        selector.add_reader(ours, print)


async def test_a_callback_that_raises_goes_to_the_loops_handler(pair: Pair, expect_log: ExpectLog) -> None:
    ours, theirs = pair
    selector = SelectorThread(asyncio.get_running_loop())
    second = asyncio.Event()
    calls = 0

    def read() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyError("x")
        selector.remove_reader(ours)
        second.set()

    selector.add_reader(ours, read)
    with expect_log("asyncio", "Exception in callback", count=1):
        theirs.send(b"x")
        await second.wait()
    selector.close()


async def test_a_callback_may_remove_another_ready_one(pair: Pair) -> None:
    ours, theirs = pair
    selector = SelectorThread(asyncio.get_running_loop())
    done = asyncio.Event()
    seen: list[str] = []

    def first(name: str, other: socket.socket) -> None:
        seen.append(name)
        selector.remove_reader(ours)
        selector.remove_reader(theirs)
        done.set()

    ours.send(b"x")
    theirs.send(b"x")
    selector.add_reader(ours, first, "ours", theirs)
    selector.add_reader(theirs, first, "theirs", ours)
    await done.wait()
    assert len(seen) == 1
    selector.close()


async def test_a_descriptor_closed_without_being_removed_is_dropped(pair: Pair) -> None:
    ours, theirs = pair
    loop = asyncio.get_running_loop()
    selector = SelectorThread(loop)
    arrived = asyncio.Event()
    read, write = os.pipe()
    selector.add_reader(read, print)
    os.close(read)
    os.close(write)

    def read_ours() -> None:
        selector.remove_reader(ours)
        arrived.set()

    selector.add_reader(ours, read_ours)
    theirs.send(b"x")
    await arrived.wait()
    assert not selector.remove_reader(read)
    selector.close()


async def test_callbacks_run_in_the_context_they_were_added_in(pair: Pair) -> None:
    import contextvars

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    ours, theirs = pair
    selector = SelectorThread(asyncio.get_running_loop())
    found: asyncio.Future[str] = asyncio.Future()

    def read() -> None:
        selector.remove_reader(ours)
        found.set_result(variable.get())

    variable.set("adding")
    selector.add_reader(ours, read)
    variable.set("later")
    theirs.send(b"x")
    assert await found == "adding"
    selector.close()


@pytest.mark.parametrize("end", ["asyncio.run", "close"])
def test_the_thread_ends_with_the_loop(end: str) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            selector = SelectorThread(asyncio.get_running_loop())
            selector.add_reader(ours, print)
            await asyncio.sleep(0)
            assert threads()
            if end == "close":
                selector.close()

    asyncio.run(main())
    assert not threads()


def test_the_thread_does_not_keep_the_interpreter_alive() -> None:
    program = """
import asyncio, socket
from halny.platform.asyncio import SelectorThread
loop = asyncio.new_event_loop()
selector = SelectorThread(loop)
ours, theirs = socket.socketpair()
selector.add_reader(ours, print)
loop.call_soon(loop.stop)
loop.run_forever()
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "done\n"


def test_a_loop_with_the_four_methods(pair: Pair) -> None:
    ours, theirs = pair
    real = asyncio.SelectorEventLoop()
    loop: Any = AddThreadSelectorEventLoop(real)
    seen: list[bytes] = []

    def read() -> None:
        seen.append(ours.recv(10))
        loop.remove_reader(ours)
        loop.add_writer(ours, write)

    def write() -> None:
        loop.remove_writer(ours)
        loop.stop()

    loop.add_reader(ours, read)
    theirs.send(b"x")
    loop.run_forever()
    assert seen == [b"x"]
    assert loop.get_debug() is real.get_debug()
    assert isinstance(loop, asyncio.AbstractEventLoop)
    loop.close()
    assert real.is_closed()
    assert not threads()


def test_an_ioloop_over_a_proactor_closes_the_thread(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "ProactorEventLoop", asyncio.SelectorEventLoop, raising=False)
    loop = IOLoop(make_current=False, asyncio_loop=asyncio.SelectorEventLoop())
    loop.add_handler(pair[0], print, loop.READ)
    assert threads()
    loop.close()
    assert not threads()


async def test_converting_futures() -> None:
    future: asyncio.Future[int] = asyncio.Future()
    future.set_result(1)
    assert to_tornado_future(future) is future
    assert to_asyncio_future(future) is future
    assert await to_asyncio_future([future]) == [1]
