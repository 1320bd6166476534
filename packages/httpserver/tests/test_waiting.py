"""Time in which it is not the peer that has to go on counts for no timeout. The clock is moved, never waited for."""

from __future__ import annotations

import logging
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from halny.iostream import StreamClosedError

from ._helpers import Client, Serving, head, respond, serving
from ._sources import StreamingSource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tools.strict_tests.logs import ExpectLog

COUNT = 15
PART = bytes(31_000)
"""Less than what is written at once, and so joined with the responses after it."""


def serve(request: HTTPServerRequest) -> None:
    respond(request, str(len(request.body)).encode() if request.has_body else PART)


@asynccontextmanager
async def not_reading(source: Any, behind: bytes) -> AsyncGenerator[tuple[Serving, Client]]:
    """A client that has asked for more than the kernel takes, and reads nothing yet."""
    async with serving(source) as server, await server.connect() as client:
        await server.until(lambda: server.settings.connections)
        server.connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(head() * COUNT + behind)
        await server.until(lambda: server.connection._writing_paused)
        yield server, client


async def read_all(server: Serving, client: Client) -> None:
    """Read what was asked for; nothing is on its way any more."""
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(COUNT):
        assert (await client.response()).body == PART
    await server.until(lambda: not server.connection._writing_paused)
    await server.until(lambda: not server.connection.transport.get_write_buffer_size())


@pytest.mark.parametrize("looks", [(), (1.5,), (1.5, 50.0)])
async def test_a_connection_may_be_idle_as_long_as_ever_after_responses_that_were_waited_for(
    looks: tuple[float, ...],
) -> None:
    async with not_reading(serve, b"") as (server, client):
        for moment in looks:
            server.look(moment)
        await read_all(server, client)
        server.look(70.0)
        assert await client.is_open()
        server.look(80.0)
        assert await client.rest() == b""


@pytest.mark.parametrize("looks", [(), (1.5,), (1.5, 50.0)])
async def test_a_head_behind_responses_that_were_waited_for_has_all_its_time(
    looks: tuple[float, ...], expect_log: ExpectLog
) -> None:
    async with not_reading(serve, b"GET / HT") as (server, client):
        for moment in looks:
            server.look(moment)
        await read_all(server, client)
        server.look(28.0)
        client.send(b"TP/1.1\r\nHost: h\r\n\r\n")
        assert (await client.response()).status == 200
        client.send(b"GET / HT")
        await server.until(lambda: server.connection._state.name == "HEAD")
        with expect_log("halny.general", "slow request from 127.0.0.1: the head took too long", logging.INFO, count=1):
            server.look(32.0)
            assert (await client.response()).status == 408


async def test_a_body_that_the_server_does_not_read_takes_no_time() -> None:
    async with not_reading(serve, head("POST", "/", "Content-Length: 20000")) as (server, client):
        client.send(bytes(20_000))
        await server.until(lambda: server.connection._held)
        for moment in range(1, 58):
            server.look(float(moment))
        await read_all(server, client)
        assert (await client.response()).body == b"20000"


async def test_a_peer_that_takes_nothing_is_seen_after_the_end_of_its_body(expect_log: ExpectLog) -> None:
    class Source(StreamingSource):
        def find_endpoint(self, request: HTTPServerRequest) -> Any:
            connection: Any = request.connection
            connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders(), bytes(8_000_000))
            self.answers = 100  # which it has begun to
            return super().find_endpoint(request)

    async with serving(Source()) as server, await server.connect() as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(head("POST", "/", "Content-Length: 3"))
        await server.until(lambda: server.settings.connections and server.connection._writing_paused)
        client.send(b"abc")
        await server.until(lambda: server.connection._upload is None)
        with expect_log("halny.general", "taken nothing", logging.INFO, count=1):
            await server.look_until_gone(10.0)


async def test_whoever_waits_for_a_peer_that_leaves_is_told_before_its_wait_fails() -> None:
    events: list[str] = []

    async def stream(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.set_close_callback(lambda: events.append("told"))
        try:
            await connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders(), bytes(8_000_000))
        except StreamClosedError:
            events.append("failed")

    async with serving(stream) as server:
        async with await server.connect() as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(head())
            await server.until(lambda: server.settings.connections and server.connection._waiters)
            client.writer.transport.abort()
        await server.until(lambda: len(events) == 2)
    assert events == ["told", "failed"]
