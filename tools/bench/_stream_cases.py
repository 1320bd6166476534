"""The programs that `tools.bench.streams` times, each the same text for every library with Tornado's names.

Run as a module it is one measurement: `python -m tools.bench._stream_cases halny uvloop line 2` prints a number.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LINE = b"x" * 63 + b"\n"
BLOCK = bytes(range(256)) * 1024
WARM_UP = 0.3
"""Share of the time to measure that is run before it: caches and the specialising interpreter settle in it."""

IDLE_STREAMS = 10_000


class Library:
    """The modules of one side, each imported when a case first needs it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, module: str) -> Any:
        return import_module(f"{self._name}.{module}")


async def connected(lib: Library, handle: Callable[[Any], Awaitable[None]]) -> tuple[Any, Any]:
    """Returns a server that runs `handle` for a stream, and a stream connected to it."""

    class Server(lib.tcpserver.TCPServer):  # type: ignore[misc,name-defined]
        async def handle_stream(self, stream: Any, address: Any) -> None:
            stream.set_nodelay(True)
            await handle(stream)

    (sock,) = lib.netutil.bind_sockets(0, "127.0.0.1", socket.AF_INET)
    server = Server()
    server.add_sockets([sock])
    stream = lib.iostream.IOStream(socket.socket())
    await stream.connect(sock.getsockname())
    stream.set_nodelay(True)
    return server, stream


async def repeat(step: Callable[[], Awaitable[None]], seconds: float) -> float:
    """Returns how many steps go into a second of processor time, measured after a warm-up.

    Both ends of every program are in this process, which so never waits for anything: on a quiet core a second of
    processor time is a second, and on a busy one the others' share is not counted.
    """
    for duration in (seconds * WARM_UP, seconds):
        count = 0
        start = now = time.process_time()
        while now - start < duration:
            for _ in range(16):
                await step()
            count += 16
            now = time.process_time()
    return count / (now - start)


async def line(lib: Library, seconds: float) -> float:
    """Round trips a second of a line of 64 bytes."""

    async def echo(stream: Any) -> None:
        try:
            while True:
                await stream.write(await stream.read_until(b"\n"))
        except lib.iostream.StreamClosedError:
            pass

    server, stream = await connected(lib, echo)

    async def step() -> None:
        await stream.write(LINE)
        if await stream.read_until(b"\n") != LINE:
            raise ValueError("the echo is not what was sent")

    result = await repeat(step, seconds)
    stream.close()
    server.stop()
    return result


async def block(lib: Library, seconds: float) -> float:
    """MB/s, counted once for each round trip, of blocks of 256 KiB."""

    async def echo(stream: Any) -> None:
        try:
            while True:
                await stream.write(await stream.read_bytes(len(BLOCK)))
        except lib.iostream.StreamClosedError:
            pass

    server, stream = await connected(lib, echo)

    async def step() -> None:
        written = stream.write(BLOCK)
        if await stream.read_bytes(len(BLOCK)) != BLOCK:
            raise ValueError("the echo is not what was sent")
        await written

    result = await repeat(step, seconds)
    stream.close()
    server.stop()
    return result * len(BLOCK) / 1e6


async def queue(lib: Library, seconds: float) -> float:
    """Items a second through a bounded queue."""
    items: Any = lib.queues.Queue(maxsize=2)

    async def consume() -> None:
        while await items.get():
            items.task_done()

    consumer = asyncio.ensure_future(consume())

    async def step() -> None:
        await items.put(1)

    result = await repeat(step, seconds)
    await items.put(0)
    await consumer
    return result


async def lock(lib: Library, seconds: float) -> float:
    """Locks taken and released a second."""
    guard: Any = lib.locks.Lock()

    async def step() -> None:
        async with guard:
            pass

    return await repeat(step, seconds)


async def coroutine(lib: Library, seconds: float) -> float:
    """Calls a second of a generator coroutine that waits for another."""

    def one() -> Any:
        yield lib.gen.moment
        return 1

    def two() -> Any:
        return (yield inner())  # pyright: ignore[reportUnknownVariableType]

    inner, outer = lib.gen.coroutine(one), lib.gen.coroutine(two)

    async def step() -> None:
        await outer()

    return await repeat(step, seconds)


async def idle(lib: Library, seconds: float) -> float:
    """Bytes of this process for each idle stream, one that waits in `read_until`; sockets themselves not counted."""
    del seconds
    ends = [end for _ in range(IDLE_STREAMS // 2) for end in socket.socketpair()]
    loop = asyncio.get_running_loop()
    for end in ends:  # the loop's own tables have grown before anything is measured
        loop.add_reader(end.fileno(), print)
    for end in ends:
        loop.remove_reader(end.fileno())
    left, right = (lib.iostream.IOStream(end) for end in socket.socketpair())
    left.write(LINE)
    await right.read_until(b"\n")
    gc.collect()
    before = resident()
    streams = [lib.iostream.IOStream(end) for end in ends]
    reads = [stream.read_until(b"\n") for stream in streams]
    await asyncio.sleep(0)
    gc.collect()
    used = resident() - before
    for stream in streams:
        stream.write(LINE)
    for read in reads:
        if await read != LINE:
            raise ValueError("an idle stream did not get its line")
    for stream in (*streams, left, right):
        stream.close()
    return used / len(streams)


def resident() -> int:
    """Returns the memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Case:
    """A program, what its number means, and what ratio to Tornado's is asked for on which loop."""

    program: Callable[[Library, float], Any]
    unit: str
    wanted: dict[str, float]
    less_is_better: bool = False


CASES = {
    "line": Case(line, "round trips/s", {"asyncio": 1.6, "uvloop": 1.6}),
    "block": Case(block, "MB/s", {"uvloop": 2.0}),
    "queue": Case(queue, "items/s", {"asyncio": 1.0, "uvloop": 1.0}),
    "lock": Case(lock, "locks/s", {"asyncio": 1.0, "uvloop": 1.0}),
    "coroutine": Case(coroutine, "calls/s", {"asyncio": 1.0, "uvloop": 1.0}),
    "idle": Case(idle, "bytes/stream", {"asyncio": 1.0, "uvloop": 1.0}, less_is_better=True),
}


def main(library: str, loop: str, case: str, seconds: str) -> None:
    """Prints the result of one measurement."""
    factory: Any = asyncio.new_event_loop if loop == "asyncio" else import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        print(runner.run(CASES[case].program(Library(library), float(seconds))))


if __name__ == "__main__":
    main(*sys.argv[1:])
