"""Every kind of stream passes the public conformance check, on asyncio's loop and, where it is installed, uvloop."""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from halny.iostream.testing import ONE_WAY_CHECKS, TWO_WAY_CHECKS, check_stream, check_streams, memory_stream_pair

from . import streampairs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from halny.iostream import BaseIOStream

if find_spec("uvloop"):  # libuv opens a pipe for the whole process when its first loop runs
    with asyncio.Runner(loop_factory=import_module("uvloop").new_event_loop) as first:
        first.run(asyncio.sleep(0))

LOOPS = ["asyncio"] + (["uvloop"] if find_spec("uvloop") else [])


def run(loop: str, function: Callable[[], Awaitable[None]]) -> None:
    factory: Any = asyncio.new_event_loop if loop == "asyncio" else import_module(loop).new_event_loop

    async def main() -> None:
        await function()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("check", ONE_WAY_CHECKS + TWO_WAY_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", streampairs.TWO_WAY)
def test_stream(kind: str, check: Any, loop: str) -> None:
    pair = streampairs.TWO_WAY[kind]

    async def back(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
        first, second = await pair(**limits)
        return second, first

    async def both() -> None:
        await check_stream(pair, check)
        await check_stream(back, check)

    run(loop, both)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("check", ONE_WAY_CHECKS, ids=lambda check: check.__name__)
def test_pipe(check: Any, loop: str) -> None:
    run(loop, lambda: check_stream(streampairs.pipe, check))


async def test_the_public_check_runs_all_of_them() -> None:
    await check_streams(streampairs.memory)
    await check_streams(streampairs.pipe, one_way=True)


async def test_the_public_check_finds_a_stream_that_loses_bytes() -> None:
    async def lossy(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
        left, right = memory_stream_pair(**limits)
        send = left.write
        left.write = lambda data: send(bytes(data)[:-1])  # type: ignore[arg-type,method-assign]
        return left, right

    with pytest.raises(AssertionError, match="partial read_into: got 2, expected 3"):
        await check_stream(lossy, ONE_WAY_CHECKS[5])
