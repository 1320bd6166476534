"""How many connections a server has: who is turned away, who is cut off, and that each counts once."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from ._helpers import head, serving

if TYPE_CHECKING:
    import pytest

    from tools.strict_tests.logs import ExpectLog


async def test_connections_over_the_limit_are_turned_away(expect_log: ExpectLog) -> None:
    async with serving(max_connections=2) as server:
        async with await server.connect() as first, await server.connect() as second:
            assert await first.is_open()
            assert await second.is_open()
            assert server.server.connection_count == 2
            with expect_log("halny.general", "refused connection from 127.0.0.1: more than 2", logging.INFO, count=1):
                async with await server.connect() as third:
                    response = await third.response()
                    assert (response.status, response.headers["connection"]) == (503, "close")
                    assert await third.rest() == b""
            assert await first.is_open()
        await server.until(lambda: server.server.connection_count == 0)
        assert (await server.ask(head())).status == 200


async def test_those_that_are_turned_away_take_no_place(expect_log: ExpectLog) -> None:
    async with serving(max_connections=2) as server:
        with expect_log("halny.general", "more than 2 connections", logging.INFO, count=2):
            async with await server.connect() as first, await server.connect() as second:
                assert await first.is_open()
                assert await second.is_open()
                refused = [await server.connect() for _ in range(2)]
                for client in refused:
                    assert (await client.response()).status == 503
        await server.until(lambda: server.server.connection_count == 2)  # the two that were refused, and linger
        async with await server.connect() as third, await server.connect() as fourth:
            assert await third.is_open()
            assert await fourth.is_open()
            with expect_log("halny.general", "more than twice 2 connections", logging.INFO, count=1):
                async with await server.connect() as fifth:
                    assert await fifth.rest() == b""
        for client in refused:
            client.writer.transport.abort()


async def test_a_flood_of_connections_over_the_limit_is_cut_off(expect_log: ExpectLog) -> None:
    with expect_log("halny.general", "refused connection from 127.0.0.1: more than 2", logging.INFO, count=2):
        with expect_log("halny.general", "more than twice 2 connections", logging.INFO, count=1) as cut_off:
            async with serving(max_connections=2) as server:
                clients = [await server.connect() for _ in range(20)]
                await server.until(lambda: cut_off)  # for all of the 16, which come within a second
                assert server.server.connection_count <= 4
                for client in clients:
                    client.writer.transport.abort()


async def test_those_that_are_cut_off_leave_a_line_each_second(
    monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog
) -> None:
    async with serving(max_connections=2) as server:
        settings, now = server.settings, 1000.0
        monkeypatch.setattr("halny.httpserver._settings.time.monotonic", lambda: now)
        line = "^refused connection from 192.0.2.1: more than twice 2 connections$"
        with expect_log("halny.general", line, logging.INFO, count=2) as records:
            for later in (0.0, 0.1, 0.9, 1.0, 1.5):
                now = 1000.0 + later
                settings.tell_of_cut_off("192.0.2.1")
                assert len(records) == (1 if later < 1.0 else 2)


async def test_a_connection_counts_once_from_its_first_turn(expect_log: ExpectLog) -> None:
    async with serving(max_connections=2) as server, await server.connect() as first, await server.connect() as second:
        assert await first.is_open()
        assert await second.is_open()
        counts: set[int] = set()
        with expect_log("halny.general", "more than 2 connections", logging.INFO, count=1):
            third = asyncio.ensure_future(server.ask(b""))
            while not third.done():
                counts.add(server.server.connection_count)
                await asyncio.sleep(0)
            assert (await third).status == 503
        assert counts == {2, 3}
        await server.until(lambda: server.server.connection_count == 2)


async def test_the_next_one_after_one_that_was_turned_away_is_told(expect_log: ExpectLog) -> None:
    async with serving(max_connections=2) as server, await server.connect() as first, await server.connect() as second:
        assert await first.is_open()
        assert await second.is_open()
        with expect_log("halny.general", "more than 2 connections", logging.INFO):
            third = await server.connect()
            third.writer.transport.abort()  # which the server need not have noticed yet
            clients = [await server.connect() for _ in range(4)]
            assert (await clients[0].response()).status == 503
            for client in clients:
                client.writer.transport.abort()
        await server.until(lambda: server.server.connection_count == 2)
