r"""For tests: streams in memory, and the check that a stream of your own does what streams do.

async def test_protocol() -> None:
client, server = memory_stream_pair()
client.write(b"hello\n")
assert await server.read_until(b"\n") == b"hello\n"
"""

# pyright: reportPrivateUsage=false
# (the classes here are parts of a stream, or look into one)

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ._checks import ONE_WAY_CHECKS, TWO_WAY_CHECKS, Pair, until
from ._memory import connected_transports
from ._transport import TransportStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._base import BaseIOStream
    from ._socket import IOStream

CHECK_SECONDS = 30.0
"""How long one check may take before it counts as failed: no check needs one."""


def memory_stream_pair(**limits: Any) -> tuple[IOStream, IOStream]:
    """Returns two connected streams without a socket; what one writes the other reads, in later turns of the loop.

    Call it while a loop runs.

    Args:
        **limits: Arguments of [`BaseIOStream`][halny.iostream.BaseIOStream], for both.
    """
    left, right = connected_transports()
    return TransportStream(left, b"", **limits), TransportStream(right, b"", **limits)


async def check_stream(pair: Pair, check: Callable[[Pair], Awaitable[None]]) -> None:
    """Runs one of the checks on new pairs of streams, and closes them.

    Args:
        pair: A coroutine function that makes two connected streams; keyword arguments are those of `BaseIOStream`.
        check: One of `ONE_WAY_CHECKS` or `TWO_WAY_CHECKS`.

    Raises:
        AssertionError: The streams do not behave as streams do.
        TimeoutError: A check hangs.
    """
    made: list[BaseIOStream] = []

    async def recorded(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
        streams = await pair(**limits)
        made.extend(streams)
        return streams

    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check(recorded)
    finally:
        for stream in made:
            stream.close()
        await until("the end of the connections", lambda: all(stream._released() for stream in made))


async def check_streams(pair: Pair, one_way: bool = False) -> None:
    """Runs all checks on a kind of stream: from the first to the second of each pair, and back.

    Args:
        pair: A coroutine function that makes two connected streams; keyword arguments are those of `BaseIOStream`.
        one_way: For streams that only write (the first of each pair) and only read (the second).

    Raises:
        AssertionError: The streams do not behave as streams do.
        TimeoutError: A check hangs.
    """

    async def back(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
        first, second = await pair(**limits)
        return second, first

    for check in ONE_WAY_CHECKS if one_way else ONE_WAY_CHECKS + TWO_WAY_CHECKS:
        await check_stream(pair, check)
        if not one_way:
            await check_stream(back, check)


__all__ = ["CHECK_SECONDS", "ONE_WAY_CHECKS", "TWO_WAY_CHECKS", "check_stream", "check_streams", "memory_stream_pair"]
