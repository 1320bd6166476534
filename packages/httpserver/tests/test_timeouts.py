"""Slow peers: heads, bodies, readers. The clock is moved, never waited for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from halny.httpserver import Timeouts

from ._helpers import PATIENCE, Client, Serving, echo, head, respond, serving
from ._sources import StreamingSource

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog


async def refused(server: Serving, client: Client) -> None:
    """The server has answered 408, whole, and read nothing after it."""
    response = await client.response()
    assert (response.status, response.headers["connection"]) == (408, "close")
    assert b"408" in response.body
    assert await client.rest() == b""
    client.writer.close()
    await server.until(lambda: not server.settings.connections)


async def begin(server: Serving, client: Client, data: bytes, state: str) -> None:
    client.send(data)
    await server.until(lambda: server.settings.connections and server.connection._state.name == state)
    upload = server.connection._upload
    if upload is not None:
        await server.until(lambda: upload.waits_for_peer or (upload.body is not None and upload.body.received))


async def test_an_idle_connection_is_closed_in_silence() -> None:
    async with serving(idle_connection_timeout=75.0) as server, await server.connect() as client:
        assert await client.is_open()
        server.look(70.0)
        assert await client.is_open()
        server.look(80.0)
        assert await client.rest() == b""


async def test_a_connection_that_never_says_anything_is_closed() -> None:
    async with serving() as server, await server.connect() as client:
        await server.until(lambda: server.settings.connections)
        server.look(80.0)
        assert await client.rest() == b""


async def test_a_head_that_takes_too_long(expect_log: ExpectLog) -> None:
    # "Slowloris": a byte now and then must not keep the connection (RFC 9110, section 15.5.9).
    async with serving() as server, await server.connect() as client:
        await begin(server, client, head()[:-2], "HEAD")
        server.look(25.0)
        client.send(b"X-Slow: 1\r\n")
        await asyncio.sleep(0)
        with expect_log("halny.general", "slow request from 127.0.0.1: the head took too long", logging.INFO, count=1):
            server.look(32.0)
            await refused(server, client)


@pytest.mark.parametrize("source", [echo, StreamingSource()], ids=["whole", "streamed"])
@pytest.mark.parametrize("lines", [("Content-Length: 1000000",), ("Transfer-Encoding: chunked",)])
async def test_a_body_that_comes_too_slowly(source: Any, lines: tuple[str, ...], expect_log: ExpectLog) -> None:
    async with serving(source) as server, await server.connect() as client:
        await begin(server, client, head("POST", "/", *lines), "ANSWERING" if source is not echo else "BODY")
        server.look(15.0)  # within the grace
        assert server.settings.connections
        with expect_log("halny.general", "slow request from 127.0.0.1: the body took too long", logging.INFO, count=1):
            server.look(25.0)
            await refused(server, client)


@pytest.mark.parametrize("source", [echo, StreamingSource()], ids=["whole", "streamed"])
async def test_a_body_that_comes_steadily_is_waited_for(source: Any) -> None:
    async with serving(source) as server, await server.connect() as client:
        body = bytes(40_000)
        request = head("POST", "/", "Content-Length: 40010") + body
        await begin(server, client, request, "BODY" if source is echo else "ANSWERING")
        await server.until(lambda: server.connection._received() == 40_000)
        server.look(20.0 + 40_000 / 240 - 5.0)
        assert (await client.ask(bytes(10))).status == 200


async def test_body_timeout_is_for_the_whole_body(expect_log: ExpectLog) -> None:
    async with serving(body_timeout=5.0) as server, await server.connect() as client:
        await begin(server, client, head("POST", "/", "Content-Length: 10") + b"12345678", "BODY")
        server.look(4.0)
        with expect_log("halny.general", "slow request from 127.0.0.1: the body took too long", logging.INFO, count=1):
            server.look(6.0)
            await refused(server, client)


async def test_a_handler_may_set_the_time_of_its_body(expect_log: ExpectLog) -> None:
    async with serving(StreamingSource(body_timeout=3.0)) as server, await server.connect() as client:
        await begin(server, client, head("POST", "/", "Content-Length: 10"), "ANSWERING")
        with expect_log("halny.general", "slow request from 127.0.0.1: the body took too long", logging.INFO, count=1):
            server.look(4.5)
            await refused(server, client)
    async with serving(StreamingSource(body_timeout=3.0)) as server, await server.connect() as client:
        assert (await client.ask(head())).status == 200  # no body, no time for it
        server.look(10.0)
        assert await client.is_open()


async def test_the_time_of_a_slow_handler_is_not_the_peers() -> None:
    source = StreamingSource(waits=True)
    async with serving(source) as server, await server.connect() as client:
        await begin(server, client, head("POST", "/", "Content-Length: 10") + b"12345", "ANSWERING")
        await server.until(lambda: source.parts)
        for moment in (10.0, 100.0, 1000.0):
            server.look(moment)
        source.release.set()
        assert (await client.ask(b"67890")).status == 200


async def test_a_long_poll_is_never_cut() -> None:
    release = asyncio.Event()

    async def serve(request: HTTPServerRequest) -> None:
        await release.wait()
        respond(request)

    async with serving(serve) as server, await server.connect() as client:
        await begin(server, client, head(), "ANSWERING")
        for moment in (100.0, 10_000.0, 1e9):
            server.look(moment)
        release.set()
        assert (await client.response()).status == 200


@pytest.mark.parametrize("line", ["Connection: keep-alive", "Connection: close"])
async def test_a_peer_that_takes_nothing_is_cut_off(line: str, expect_log: ExpectLog) -> None:
    async with serving(lambda request: respond(request, bytes(30_000_000))) as server, await server.connect() as client:
        client.send(head("GET", "/", line))
        await server.until(lambda: server.settings.connections and server.connection._writing_paused)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with expect_log("halny.general", "taken nothing", logging.INFO, count=1):
            server.look(80.0)
            assert server.settings.connections
            await server.look_until_gone(300.0)


async def test_a_stream_that_is_not_read_ends_its_handler(expect_log: ExpectLog) -> None:
    ended = asyncio.Event()

    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders())
        try:
            while True:
                await connection.write(bytes(100_000))
        finally:
            ended.set()

    async with serving(serve) as server, await server.connect() as client:
        client.send(head())
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await server.until(lambda: server.settings.connections and server.connection._writing_paused)
        with expect_log("halny.general", "taken nothing", logging.INFO, count=1):
            await server.look_until_gone(10.0)
            await asyncio.wait_for(ended.wait(), PATIENCE)


async def test_what_lingers_is_cut_off(expect_log: ExpectLog) -> None:
    # A refused peer that neither closes nor stops sending.
    with expect_log("halny.general", "malformed", logging.INFO, count=1):
        async with serving() as server, await server.connect() as client:
            assert (await client.ask(b"nonsense\r\n\r\n")).status == 400
            client.send(b"more nonsense")
            await server.until_taken()
            server.look(1.0)
            assert server.settings.connections
            server.look(4.0)
            server.look(8.0)
            await server.until(lambda: not server.settings.connections)


async def test_the_sweep_looks_by_itself_and_ends(expect_log: ExpectLog) -> None:
    with expect_log("halny.general", "took too long", logging.INFO, count=1):
        async with serving(timeouts=Timeouts(header=0.01)) as server, await server.connect() as client:
            client.send(b"GET / HT")
            await refused(server, client)
    assert server.server._sweep._handle is None  # type: ignore[union-attr]
