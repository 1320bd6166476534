"""Bytes and a reset that come together: libuv tells of the two once, and never again."""

from __future__ import annotations

import asyncio
import socket
import struct
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from halny.iostream import IOStream, StreamClosedError

from . import streampairs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

if find_spec("uvloop"):  # libuv opens a pipe for the whole process when its first loop runs
    with asyncio.Runner(loop_factory=import_module("uvloop").new_event_loop) as first:
        first.run(asyncio.sleep(0))

LOOPS = ["asyncio"] + (["uvloop"] if find_spec("uvloop") else [])


def send_and_reset(peer: Any, data: bytes) -> None:
    """Sends, and closes with a reset before the other side has had a turn."""
    peer.write(data)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close(ConnectionError())  # TLS says no goodbye then


async def a_read_that_gets_too_little(stream: IOStream, peer: IOStream) -> None:
    pending = stream.read_bytes(100)
    await asyncio.sleep(0)
    send_and_reset(peer, b"line\n")
    with pytest.raises(StreamClosedError):
        await pending


async def a_read_that_gets_enough_and_another_one(stream: IOStream, peer: IOStream) -> None:
    pending = stream.read_until(b"\n")
    await asyncio.sleep(0)
    send_and_reset(peer, b"line\n")
    assert await pending == b"line\n"
    with pytest.raises(StreamClosedError):
        await stream.read_until(b"\n")


async def a_read_that_gets_enough_and_a_callback_set_before(stream: IOStream, peer: IOStream) -> None:
    over = asyncio.Event()
    stream.set_close_callback(over.set)
    pending = stream.read_until(b"\n")
    await asyncio.sleep(0)
    send_and_reset(peer, b"line\n")
    assert await pending == b"line\n"
    await over.wait()


async def a_read_that_gets_enough_and_a_callback_set_later(stream: IOStream, peer: IOStream) -> None:
    pending = stream.read_until(b"\n")
    await asyncio.sleep(0)
    send_and_reset(peer, b"line\n")
    assert await pending == b"line\n"
    over = asyncio.Event()
    stream.set_close_callback(over.set)
    await over.wait()


async def a_callback_alone(stream: IOStream, peer: IOStream) -> None:
    over = asyncio.Event()
    stream.set_close_callback(over.set)
    await asyncio.sleep(0)
    send_and_reset(peer, b"line\n")
    await over.wait()


async def a_read_after_reading_ahead(stream: IOStream, peer: IOStream) -> None:
    cancelled = stream.read_until(b"\n")
    cancelled.cancel()  # the descriptor stays watched
    await asyncio.sleep(0)
    send_and_reset(peer, b"line\nha")
    while len(stream._read_buffer) < 7 and not stream.closed():  # pyright: ignore[reportPrivateUsage]
        await asyncio.sleep(0)
    assert await stream.read_until(b"\n") == b"line\n"
    with pytest.raises(StreamClosedError):
        await stream.read_until(b"\n")


async def a_read_after_a_write_that_went(stream: IOStream, peer: IOStream) -> None:
    pending = stream.read_until(b"\n")
    await asyncio.sleep(0)
    await peer.write(b"line\n")
    assert await pending == b"line\n"
    await stream.write(b"answer\n")
    assert await peer.read_until(b"\n") == b"answer\n"
    pending = stream.read_until(b"\n")
    await asyncio.sleep(0)
    send_and_reset(peer, b"li")
    with pytest.raises(StreamClosedError):
        await pending


CASES: list[Callable[[Any, Any], Awaitable[None]]] = [
    a_read_that_gets_too_little,
    a_read_that_gets_enough_and_another_one,
    a_read_that_gets_enough_and_a_callback_set_before,
    a_read_that_gets_enough_and_a_callback_set_later,
    a_callback_alone,
    a_read_after_reading_ahead,
    a_read_after_a_write_that_went,
]

PATIENCE = 30.0


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", ["tcp", "tls"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_bytes_and_a_reset(case: Callable[[Any, Any], Awaitable[None]], kind: str, loop: str) -> None:
    async def main() -> None:
        peer, stream = await streampairs.TWO_WAY[kind]()
        async with asyncio.timeout(PATIENCE):
            await case(stream, peer)
        stream.close()
        assert stream._released()  # pyright: ignore[reportPrivateUsage]

    factory: Any = asyncio.new_event_loop if loop == "asyncio" else import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
