"""The small costs of `halny.ioloop`, beside Tornado's: queues, locks, generator coroutines, callbacks, timers.

    tools/hatch run bench:loop [--rounds N] [--seconds S] [--loop asyncio|uvloop] [case ...]

Both libraries run in one process, in turns of a fraction of a second, on one event loop; what is printed is the median
of each, and the median of the ratios of neighbouring turns, which a busy machine disturbs less. It exits with 1 if a
case falls below its target.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

BATCH = 200
"""Operations between two looks at the clock."""


class Library:
    """The modules of one of the two, under the names that both have."""

    def __init__(self, name: str) -> None:
        self.name = name
        for module in ("concurrent", "gen", "ioloop", "locks", "queues"):
            setattr(self, module, importlib.import_module(f"{name}.{module}"))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


async def queue_ready(lib: Library) -> None:
    """An item put in and taken out, with room and an item there."""
    queue = lib.queues.Queue()
    for _ in range(BATCH):
        await queue.put(1)
        await queue.get()


async def queue_waiting(lib: Library) -> None:
    """Items between two tasks, over a queue that is mostly full or empty."""
    queue = lib.queues.Queue(maxsize=2)

    async def produce() -> None:
        for _ in range(BATCH):
            await queue.put(1)

    async def consume() -> None:
        for _ in range(BATCH):
            await queue.get()
            queue.task_done()

    await asyncio.gather(produce(), consume())


async def queue_iterated(lib: Library) -> None:
    """Items taken by `async for`."""
    queue = lib.queues.Queue()
    for _ in range(BATCH):
        queue.put_nowait(1)
    left = BATCH
    async for _ in queue:
        left -= 1
        if not left:
            return


async def lock_free(lib: Library) -> None:
    """`async with` on a lock that is free."""
    lock = lib.locks.Lock()
    for _ in range(BATCH):
        async with lock:
            pass


async def lock_acquired(lib: Library) -> None:
    """`with await lock.acquire()` on a lock that is free."""
    lock = lib.locks.Lock()
    for _ in range(BATCH):
        with await lock.acquire():
            pass


async def lock_contended(lib: Library) -> None:
    """A lock that four tasks want at once."""
    lock = lib.locks.Lock()

    async def work() -> None:
        for _ in range(BATCH // 4):
            async with lock:
                await asyncio.sleep(0)

    await asyncio.gather(*(work() for _ in range(4)))


async def coroutine_plain(lib: Library) -> None:
    """A generator coroutine that waits for another, which is done."""

    @lib.gen.coroutine  # type: ignore[untyped-decorator]
    def inner() -> int:
        return 1

    @lib.gen.coroutine  # type: ignore[untyped-decorator]
    def outer() -> Generator[Any, Any, int]:
        value: int = yield inner()
        return value + 1

    for _ in range(BATCH):
        await outer()


async def coroutine_waiting(lib: Library) -> None:
    """A generator coroutine that waits for a future which the loop resolves."""
    loop = asyncio.get_running_loop()

    @lib.gen.coroutine  # type: ignore[untyped-decorator]
    def steps() -> Generator[Any, Any, None]:
        for _ in range(BATCH):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            yield future

    await steps()


async def coroutine_native(lib: Library) -> None:
    """A generator coroutine that waits for native ones."""

    async def native() -> int:
        return 1

    @lib.gen.coroutine  # type: ignore[untyped-decorator]
    def steps() -> Generator[Any, Any, None]:
        for _ in range(BATCH):
            yield native()

    await steps()


async def multi(lib: Library) -> None:
    """`gen.multi` over four futures."""
    loop = asyncio.get_running_loop()
    for _ in range(BATCH // 4):
        futures = [loop.create_future() for _ in range(4)]
        for future in futures:
            loop.call_soon(future.set_result, None)
        await lib.gen.multi(futures)


async def current(lib: Library) -> None:
    """`IOLoop.current()` in a coroutine."""
    for _ in range(BATCH):
        lib.ioloop.IOLoop.current()


async def add_callback(lib: Library) -> None:
    """`IOLoop.add_callback` with an argument."""
    loop = lib.ioloop.IOLoop.current()
    done = asyncio.get_running_loop().create_future()

    def callback(number: int) -> None:
        if number == BATCH - 1:
            done.set_result(None)

    for number in range(BATCH):
        loop.add_callback(callback, number)
    await done


async def timers(lib: Library) -> None:
    """`IOLoop.call_later` and `remove_timeout`."""
    loop = lib.ioloop.IOLoop.current()
    for _ in range(BATCH):
        loop.remove_timeout(loop.call_later(60, print))
    await asyncio.sleep(0)


@dataclass(frozen=True)
class Case:
    run: Callable[[Library], Awaitable[None]]
    target: float = 1.0


CASES = {
    case.run.__name__: case
    for case in (
        Case(queue_ready), Case(queue_waiting), Case(queue_iterated), Case(lock_free), Case(lock_acquired),
        Case(lock_contended), Case(coroutine_plain), Case(coroutine_waiting), Case(coroutine_native), Case(multi),
        Case(current), Case(add_callback), Case(timers),
    )
}  # fmt: skip


async def rate(case: Case, lib: Library, seconds: float) -> float:
    """Return how many operations a second a case does."""
    gc.collect()
    batches = 0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        await case.run(lib)
        batches += 1
    return batches * BATCH / passed


async def compare(
    case: Case, libraries: tuple[Library, Library], rounds: int, seconds: float
) -> tuple[float, float, float]:
    """Return the median rates of both, and the median ratio of neighbouring turns."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        # Whoever comes second finds warmer caches, so they take turns at it.
        order = libraries if number % 2 else libraries[::-1]
        found = {lib.name: await rate(case, lib, seconds) for lib in order}
        ours.append(found[libraries[0].name])
        theirs.append(found[libraries[1].name])
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
    return statistics.median(ours), statistics.median(theirs), ratio


async def run_cases(names: list[str], rounds: int, seconds: float) -> bool:
    libraries = Library("halny"), Library("tornado")
    good = True
    for name in names:
        case = CASES[name]
        for lib in libraries:
            await rate(case, lib, seconds / 4)  # warm
        ours, theirs, ratio = await compare(case, libraries, rounds, seconds)
        good = good and ratio >= case.target
        mark = "" if ratio >= case.target else f"  below {case.target}"
        print(f"{name:20} {ours:12,.0f}/s {theirs:12,.0f}/s  {ratio:5.2f}x{mark}", flush=True)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description="The small costs of halny.ioloop beside Tornado's.")
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(CASES)}; all of them by default")
    parser.add_argument("--rounds", type=int, default=31, help="turns of each library")
    parser.add_argument("--seconds", type=float, default=0.03, help="the length of a turn")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    options = parser.parse_args()
    if unknown := set(options.cases) - CASES.keys():
        parser.error(f"unknown cases: {', '.join(sorted(unknown))}")
    factory = importlib.import_module("uvloop").new_event_loop if options.loop == "uvloop" else None
    print(f"{options.loop:20} {'halny':>14} {'tornado':>14}   ratio")
    with asyncio.Runner(loop_factory=factory) as runner:
        good = runner.run(run_cases(options.cases or list(CASES), options.rounds, options.seconds))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
