"""What a look at all connections makes of a loop that was blocked. Time only seems to pass."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from halny.httpserver import Timeouts
from halny.httpserver._clock import BodyClock
from halny.httpserver._protocol import HTTPProtocol
from halny.httpserver._sweep import MAX_GAP

from ._helpers import Serving, head, serving

if TYPE_CHECKING:
    import asyncio

    import pytest

    from tools.strict_tests.logs import ExpectLog


NOW = 1_000_000.0
"""The time that the sweep is told; far ahead of the loop's own."""


class Clock:
    """A loop whose clock stands still.

    Args:
        loop: does the rest.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.call_later = loop.call_later

    def time(self) -> float:
        return NOW


def sweep(server: Serving, gap: float) -> None:
    """Look as the server does by itself, as if the look before had been `gap` seconds ago."""
    server.settings.set_time(NOW - gap)
    each: Any = server.server._sweep  # pyright: ignore[reportPrivateUsage]
    each._handle.cancel()
    loop, each._loop = each._loop, Clock(each._loop)
    each._look()
    each._loop = loop


async def test_one_connection_that_fails_keeps_nobody_else_waiting(
    monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog
) -> None:
    async with serving() as server, await server.connect() as first, await server.connect() as second:
        assert await first.is_open()
        assert await second.is_open()
        looked: list[object] = []

        def fail(connection: object, now: float) -> None:
            looked.append(connection)
            raise ValueError("broken")

        monkeypatch.setattr(HTTPProtocol, "look", fail)
        for connection in server.settings.connections:
            connection.deadline = 0.0
        with expect_log("halny.general", "could not look at", logging.ERROR, count=2):
            sweep(server, 1.0)
        assert len(looked) == 2


async def test_a_blocked_loop_is_not_the_fault_of_who_was_in_time(expect_log: ExpectLog) -> None:
    async with serving() as server, await server.connect() as client:
        assert await client.is_open()
        client.send(b"GET / HT")
        await server.until(lambda: server.connection._state.name == "HEAD")
        protocol = server.connection
        protocol.deadline = NOW - 1.0
        sweep(server, 10.0)
        assert protocol.deadline == NOW + 9.0
        assert (await client.ask(b"TP/1.1\r\nHost: h\r\n\r\n")).status == 200
        protocol.deadline = NOW - 1.0
        sweep(server, MAX_GAP)  # a loop that is only busy judges
        assert await client.rest() == b""


async def test_a_blocked_loop_takes_no_time_of_a_body(expect_log: ExpectLog) -> None:
    async with serving() as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 10"))
        await server.until(lambda: server.settings.connections and server.connection._clock is not None)
        protocol = server.connection
        protocol._clock = BodyClock(NOW - 101.0, 110.0, Timeouts())
        protocol._clock.is_slow(NOW - 100.0, 0)  # the look before
        sweep(server, 100.0)
        assert protocol.deadline == NOW + 1.0
        protocol.look(NOW + 18.0)
        assert protocol._state.name == "BODY"
        with expect_log("halny.general", "slow request", logging.INFO, count=1):
            protocol.look(NOW + 20.0)
            assert (await client.response()).status == 408


async def test_a_blocked_loop_takes_no_time_of_a_slow_reader() -> None:
    async with serving() as server, await server.connect() as client:
        assert await client.is_open()
        server.connection._stall = 1000, NOW - 110.0
        sweep(server, 100.0)
        assert server.connection._stall == (1000, NOW - 10.0)
