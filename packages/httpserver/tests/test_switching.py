"""Responses after which the connection is HTTP no more, and interim ones for peers that know none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPHeaders, ResponseStartLine

from ._helpers import head, respond, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from halny.http import HTTPServerRequest

CONNECT = b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n"
UPGRADE = head("GET", "/", "Connection: Upgrade", "Upgrade: x")


def whole_from_bytes(connection: Any) -> None:
    connection.respond(200, "OK", b"Content-Length: 2\r\nA: b\r\n", b"ok")


def whole_from_headers(connection: Any) -> None:
    connection.respond(200, "OK", HTTPHeaders({"Content-Length": "2", "A": "b"}), b"ok")


def in_parts(connection: Any) -> None:
    connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders({"A": "b"}), b"ok")
    connection.finish()


def in_chunks(connection: Any) -> None:
    headers = HTTPHeaders({"Transfer-Encoding": "chunked", "A": "b"})
    connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), headers)
    connection.write(b"ok")
    connection.finish()


@pytest.mark.parametrize("answer", [whole_from_bytes, whole_from_headers, in_parts, in_chunks])
async def test_a_tunnel_has_no_length_and_ends_http(answer: Callable[[Any], None]) -> None:
    # RFC 9110, section 9.3.6
    async with serving(lambda request: answer(request.connection)) as server, await server.connect() as client:
        client.send(CONNECT + head("GET", "/never"))
        assert await client.rest() == b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"


async def test_a_tunnel_may_be_taken_over() -> None:
    async def tunnel(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders())
        stream = connection.detach()
        await stream.write(await stream.read_bytes(3))
        stream.close()

    async with serving(tunnel) as server, await server.connect() as client:
        client.send(CONNECT + b"abc")
        assert await client.rest() == b"HTTP/1.1 200 OK\r\n\r\nabc"


async def test_a_tunnel_that_is_refused_is_an_ordinary_response() -> None:
    async with serving(lambda request: respond(request, b"no", 407)) as server, await server.connect() as client:
        assert (await client.ask(CONNECT)).body == b"no"
        assert (await client.ask(CONNECT)).body == b"no"


async def test_another_protocol_that_nobody_speaks_is_not_read_as_http() -> None:
    asked: list[str] = []

    def switch(request: HTTPServerRequest) -> None:
        asked.append(request.path)
        connection: Any = request.connection
        headers = HTTPHeaders({"Connection": "Upgrade", "Upgrade": "x"})
        connection.write_headers(ResponseStartLine("HTTP/1.1", 101, "Switching Protocols"), headers)
        connection.finish()

    for behind in (b"", head("GET", "/never")):
        async with serving(switch) as server, await server.connect() as client:
            client.send(UPGRADE + behind)
            answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
            assert await client.rest() == answer
    assert asked == ["/", "/"]


async def test_interim_responses_are_not_for_http_1_0() -> None:
    # RFC 9110, section 15.2
    async def hint(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        hints = HTTPHeaders({"Link": "</style.css>; rel=preload"})
        await connection.write_headers(ResponseStartLine("HTTP/1.1", 103, "Early Hints"), hints)
        respond(request)

    async with serving(hint) as server:
        assert (await server.ask(head(version="HTTP/1.0"))).status == 200
        assert (await server.ask(head())).status == 103
