"""Connections that an application closes while the peer is still sending: what was written before arrives."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import EndpointSource, HTTPHeaders, ResponseStartLine, StreamingEndpoint
from halny.httpserver import Timeouts

from ._helpers import client_context, head, respond, server_context, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from halny.http import HTTPServerRequest
    from tools.strict_tests.logs import ExpectLog

    from ._helpers import Client, Serving

SIZE = 20_000_000
UPLOAD = head("POST", "/", f"Content-Length: {SIZE}") + bytes(SIZE)
OK = ResponseStartLine("HTTP/1.1", 200, "OK")


class Closing(EndpointSource):
    """Answers as soon as the first part of a body has come, and closes the connection.

    Args:
        close: does both.
    """

    def __init__(self, close: Callable[[HTTPServerRequest], object]) -> None:
        self.close = close
        self.closed = 0

    def find_endpoint(self, request: HTTPServerRequest) -> StreamingEndpoint:
        return _Closing(self, request)


class _Closing(StreamingEndpoint):
    def __init__(self, source: Closing, request: HTTPServerRequest) -> None:
        self.source = source
        self.request = request

    def run(self) -> None: ...

    def wait_for_body(self) -> None: ...

    def data_received(self, chunk: bytes) -> None:
        self.source.close(self.request)

    def body_complete(self) -> None:
        raise AssertionError("nobody reads to the end of it")

    def on_connection_close(self) -> None:
        self.source.closed += 1


def finish_and_close(request: HTTPServerRequest) -> None:
    connection: Any = request.connection
    respond(request, b"enough", 413)
    connection.stream.close()
    assert connection.stream.closed()


def write_and_close(request: HTTPServerRequest) -> None:
    connection: Any = request.connection
    connection.write_headers(ResponseStartLine("HTTP/1.1", 413, "Enough"), HTTPHeaders({"Content-Length": "6"}))
    connection.write(b"enough")
    connection.stream.close()
    assert connection.stream.closed()
    assert connection.is_closed
    connection.stream.close()
    connection.finish()


def close_the_connection(request: HTTPServerRequest) -> None:
    connection: Any = request.connection
    connection.write_headers(
        ResponseStartLine("HTTP/1.1", 413, "Enough"), HTTPHeaders({"Content-Length": "6"}), b"enough"
    )
    connection.close()


@pytest.mark.parametrize("close", [finish_and_close, write_and_close, close_the_connection])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_what_was_written_reaches_a_peer_that_is_still_sending(close: Any, secure: bool) -> None:
    # RFC 9112, section 9.6: what is not read makes the kernel send a reset, which may destroy the response.
    source = Closing(close)
    options: dict[str, Any] = {"ssl_options": server_context()} if secure else {}
    async with serving(source, **options) as server:
        for _ in range(3):
            async with await server.connect(client_context() if secure else None) as client:
                client.send(UPLOAD)
                response = await client.response()
                assert (response.status, response.body) == (413, b"enough")
                await client.writer.drain()
                if secure:
                    await server.until_taken()
                    server.look(4.0)  # half of a connection with TLS can't be closed: its end comes later
                assert await client.rest() == b""
            await server.until(lambda: server.server.connection_count == 0)
    assert source.closed == (3 if close is close_the_connection else 0)


def test_what_was_written_reaches_a_peer_that_is_still_sending_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    uvloop.run(test_what_was_written_reaches_a_peer_that_is_still_sending(write_and_close, False))
    uvloop.run(test_what_was_written_reaches_a_peer_that_is_still_sending(finish_and_close, True))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_a_large_response_is_still_sent_whole(secure: bool) -> None:
    def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(OK, HTTPHeaders({"Content-Length": "20000000"}), bytes(SIZE))
        connection.stream.close()

    options: dict[str, Any] = {"ssl_options": server_context()} if secure else {}
    async with serving(serve, **options) as server:
        async with await server.connect(client_context() if secure else None) as client:
            client.send(head("POST", "/", "Content-Length: 100000") + bytes(100_000))
            await server.until(
                lambda: any(each.transport.get_write_buffer_size() for each in server.settings.connections)
            )
            for moment in (2.0, 10.0, 20.0):
                server.look(moment)
            assert len((await client.response()).body) == SIZE


async def test_the_application_is_told_at_once() -> None:
    events: list[str] = []

    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.set_close_callback(lambda: events.append("connection"))
        connection.stream.set_close_callback(lambda: events.append("stream"))
        connection.write_headers(OK, HTTPHeaders())
        connection.write(b"begun")
        connection.stream.close()
        assert (connection.stream.closed(), connection.stream.writing(), connection.stream.socket) == (
            True,
            False,
            None,
        )
        with pytest.raises(OSError, match="closed"):
            await connection.write(b"this goes nowhere")
        with pytest.raises(Exception, match="no connection that could be detached"):
            connection.detach()
        events.append("written")

    async with serving(serve) as server, await server.connect() as client:
        client.send(head() + head())
        await server.until(lambda: len(events) == 3)
        assert sorted(events) == ["connection", "stream", "written"]
        assert server.server.connection_count == 1
        assert (await client.rest()).endswith(
            b"\r\n5\r\nbegun\r\n"
        )  # no end: the peer can tell that something is missing
        client.writer.close()
        await server.until(lambda: server.server.connection_count == 0)


async def lingering(server: Serving, client: Client) -> None:
    client.send(UPLOAD[:100_000])
    assert (await client.response()).status == 413
    await server.until(lambda: type(server.connection).__name__ == "Lingering")


async def test_a_peer_that_never_ends_is_cut_off() -> None:
    async with serving(Closing(finish_and_close)) as server, await server.connect() as client:
        await lingering(server, client)
        await server.until_taken()
        server.look(2.5)
        assert server.server.connection_count == 1
        server.look(4.0)
        await server.until(lambda: server.server.connection_count == 0)


async def test_what_lingers_ends_with_the_server() -> None:
    async with serving(Closing(finish_and_close)) as server, await server.connect() as client:
        await lingering(server, client)
        draining = asyncio.create_task(server.server.drain(60.0))
        await asyncio.sleep(0)
        assert not draining.done()
        client.writer.close()
        assert await draining is True
    async with serving(Closing(finish_and_close)) as server, await server.connect() as client:
        await lingering(server, client)
        await server.server.close_all_connections()
        assert server.server.connection_count == 0


async def test_a_peer_that_takes_nothing_is_cut_off(expect_log: ExpectLog) -> None:
    def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(OK, HTTPHeaders(), bytes(30_000_000))
        connection.stream.close()

    async with serving(serve, timeouts=Timeouts(write=60.0)) as server, await server.connect() as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(head())
        await server.until(lambda: server.settings.connections)
        await server.until(lambda: type(server.connection).__name__ == "Lingering")
        with expect_log("halny.general", "taken nothing", logging.INFO, count=1):
            server.look(10.0)
            assert server.server.connection_count == 1
            await server.look_until_gone(100.0)
            assert server.server.connection_count == 0


async def test_without_anything_to_be_lost_tls_is_closed_at_once() -> None:
    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(OK, HTTPHeaders())
        await connection.write(b"begun")
        connection.stream.close()

    async with serving(serve, ssl_options=server_context()) as server:
        async with await server.connect(client_context()) as client:
            client.send(head())
            assert (await client.rest()).endswith(b"\r\n5\r\nbegun\r\n")
