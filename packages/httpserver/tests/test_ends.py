"""Connections that end while something is still to be said, and writers that would never let others have a turn."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from halny.iostream import StreamClosedError

from ._helpers import PATIENCE, head, respond, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tools.strict_tests.logs import ExpectLog

OK = ResponseStartLine("HTTP/1.1", 200, "OK")


def on_uvloop(test: Callable[[], Awaitable[None]]) -> None:
    pytest.importorskip("uvloop").run(test())


async def test_a_writer_that_never_has_to_wait_lets_others_have_their_turn() -> None:
    # A future that is done gives no turn away: a stream to a fast reader, or over TLS to one that is gone, would
    # else hold the loop for as long as the handler goes on.
    written: list[int] = []

    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(OK, HTTPHeaders())
        others: list[bool] = []
        asyncio.get_running_loop().call_soon(others.append, True)
        count = 0
        while not others and count < 5000:
            await connection.write(b"x")
            count += 1
        written.append(count)
        connection.finish()

    async with serving(serve) as server:
        response = await server.ask(head())
    assert written == [len(response.body)]
    assert written[0] <= 256


async def test_an_answer_to_a_peer_that_has_just_closed_is_no_error() -> None:
    # The answer makes the peer's kernel reset the connection before the server says that it has no more to send.
    release = asyncio.Event()

    async def serve(request: HTTPServerRequest) -> None:
        await release.wait()
        respond(request)

    async with serving(serve, no_keep_alive=True) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(head())
            await server.until(lambda: server.settings.tasks)
        release.set()
        await server.until(lambda: not server.settings.connections and not server.settings.tasks)


def test_an_answer_to_a_peer_that_has_just_closed_is_no_error_on_uvloop() -> None:
    on_uvloop(test_an_answer_to_a_peer_that_has_just_closed_is_no_error)


async def test_an_answer_on_a_connection_that_is_being_closed_is_no_error() -> None:
    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.stream.close()
        respond(request, b"x" * int(request.path[1:]))

    for no_keep_alive in (False, True):
        async with serving(serve, no_keep_alive=no_keep_alive) as server:
            for target in ("/1", "/100000"):
                async with await server.connect() as client:
                    client.send(head("GET", target) + head("GET", "/2"))
                    assert await client.rest() == b""


def test_an_answer_on_a_connection_that_is_being_closed_is_no_error_on_uvloop() -> None:
    on_uvloop(test_an_answer_on_a_connection_that_is_being_closed_is_no_error)


async def test_closing_the_view_of_the_stream_sends_what_was_answered_and_reads_no_more() -> None:
    # With a request behind it, the answer waits to be joined with the next one.
    asked: list[str] = []

    def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        asked.append(request.path)
        if request.path == "/before":
            connection.stream.close()
        respond(request)
        connection.stream.close()

    async with serving(serve) as server:
        for target, answer in (("/", b"hello"), ("/before", None)):
            async with await server.connect() as client:
                client.send(head("GET", target) + head("GET", "/behind"))
                if answer is not None:
                    assert (await client.response()).body == answer
                assert await client.rest() == b""
    assert asked == ["/", "/before"]


@pytest.mark.parametrize("data", [b"", b"\r", b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n"])
async def test_empty_lines_do_not_keep_a_connection(data: bytes) -> None:
    async with serving() as server, await server.connect() as client:
        assert await client.is_open()
        client.send(data)
        await server.until(lambda: server.connection._held == data)
        server.look(server.settings.timeouts.idle + 2.0)
        assert await client.rest() == b""


async def test_half_an_empty_line_is_no_request_to_be_waited_for() -> None:
    async with serving() as server, await server.connect() as client:
        assert await client.is_open()
        client.send(b"\r")
        await server.until(lambda: server.connection._held)
        async with asyncio.timeout(PATIENCE):
            assert await server.server.drain(None)
        assert await client.rest() == b""


async def test_a_header_that_can_not_be_sent_is_not_the_peers_fault(expect_log: ExpectLog) -> None:
    def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(OK, HTTPHeaders({"Content-Length": "0", "X": "\u017c"}))

    async with serving(serve) as server:
        with expect_log("halny.application", "exception in", logging.ERROR, count=1):
            response = await server.ask(head())
    assert (response.status, response.headers["connection"]) == (500, "close")


# Clients that close their half behind a request: they are taken to be gone


def told(request: HTTPServerRequest) -> asyncio.Event:
    connection: Any = request.connection
    closed = asyncio.Event()
    connection.set_close_callback(closed.set)
    return closed


@pytest.mark.parametrize("line", ["Connection: close", "Connection: keep-alive"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
async def test_a_half_that_is_closed_behind_a_request_that_is_answered_at_once(line: str, version: str) -> None:
    async with serving() as server, await server.connect() as client:
        client.send(head("GET", "/", line, version=version))
        client.writer.write_eof()
        response = await client.response()
        assert (response.status, response.body) == (200, b"GET / ")
        assert await client.rest() == b""
        await server.until(lambda: not server.settings.connections)


async def test_a_half_that_is_closed_while_a_handler_waits() -> None:
    outcomes: list[str] = []

    async def serve(request: HTTPServerRequest) -> None:
        await asyncio.wait_for(told(request).wait(), PATIENCE)
        outcomes.append("told")
        connection: Any = request.connection
        with pytest.raises(StreamClosedError):
            await connection.write_headers(OK, HTTPHeaders({"Content-Length": "0"}))
        outcomes.append("nobody reads it")

    async with serving(serve) as server, await server.connect() as client:
        client.send(head("GET", "/", "Connection: close"))
        client.writer.write_eof()
        assert await client.rest() == b""
        await server.until(lambda: len(outcomes) == 2)


@pytest.mark.parametrize("sent", [head()[:-2], head("POST", "/", "Content-Length: 10") + b"abc"])
async def test_a_half_that_is_closed_within_a_request(sent: bytes) -> None:
    asked: list[str] = []
    async with serving(lambda request: asked.append(request.path)) as server, await server.connect() as client:
        client.send(sent)
        client.writer.write_eof()
        assert await client.rest() == b""
        await server.until(lambda: not server.settings.connections)
    assert asked == []


async def test_requests_of_one_read_are_answered_before_the_half_is_seen_to_be_closed() -> None:
    async with serving() as server, await server.connect() as client:
        client.send(head("GET", "/1") + head("GET", "/2"))
        client.writer.write_eof()
        assert (await client.response()).body == b"GET /1 "
        assert (await client.response()).body == b"GET /2 "
        assert await client.rest() == b""
