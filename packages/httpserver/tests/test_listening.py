"""Connections of which HTTP has not begun: how many there may be, for how long, and how they end."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import ssl
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from halny.httpserver import HTTPServer, Timeouts
from halny.iostream.netutil import bind_unix_socket

from ._helpers import PATIENCE, Client, Serving, client_context, head, respond, server_context, serving

if TYPE_CHECKING:
    from pathlib import Path

    from halny.http import HTTPServerRequest
    from tools.strict_tests.logs import ExpectLog

SECURE: dict[str, Any] = {"ssl_options": server_context()}
PROXIED: dict[str, Any] = {"proxy_protocol": True}


async def hold(server: Serving, stack: ExitStack, count: int) -> list[socket.socket]:
    """Open connections that never say anything."""
    loop = asyncio.get_running_loop()
    held: list[socket.socket] = []
    for _ in range(count):
        sock = stack.enter_context(socket.socket())
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", server.port))
        held.append(sock)
    return held


async def end_of(sock: socket.socket) -> bytes:
    async with asyncio.timeout(PATIENCE):
        try:
            return await asyncio.get_running_loop().sock_recv(sock, 100)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("options", [SECURE, PROXIED], ids=["tls", "proxied"])
async def test_connections_that_never_begin_are_counted(options: dict[str, Any], expect_log: ExpectLog) -> None:
    async with serving(max_connections=3, **options) as server:
        with ExitStack() as stack:
            held = await hold(server, stack, 6)
            await server.until(lambda: server.server.connection_count == 6)
            with expect_log("halny.general", "127.0.0.1: more than twice 3 connections", logging.INFO, count=1):
                (seventh,) = await hold(server, stack, 1)
                assert await end_of(seventh) == b""  # cut off: twice the limit are there
            assert server.server.connection_count == 6
            held[0].close()
            await server.until(lambda: server.server.connection_count == 5)
            async with await connect(server, options) as client:  # as there is room again, and nobody else is served
                assert await client.is_open()
        await server.until(lambda: server.server.connection_count == 0)


async def connect(server: Serving, options: dict[str, Any]) -> Client:
    if options is SECURE:
        return await server.connect(client_context())
    client = await server.connect()
    client.send(b"PROXY UNKNOWN\r\n")
    return client


async def test_handshakes_take_no_place_of_those_who_ask(expect_log: ExpectLog) -> None:
    async with serving(max_connections=2, **SECURE) as server:
        with ExitStack() as stack:
            await hold(server, stack, 1)
            async with await connect(server, SECURE) as first, await connect(server, SECURE) as second:
                assert await first.is_open()
                assert await second.is_open()
                with expect_log("halny.general", "more than 2 connections", logging.INFO, count=1):
                    async with await connect(server, SECURE) as third:
                        assert (await third.response()).status == 503
        await server.until(lambda: server.server.connection_count == 0)


async def test_without_a_limit_there_is_none() -> None:
    async with serving(**SECURE) as server:
        with ExitStack() as stack:
            await hold(server, stack, 50)
            await server.until(lambda: server.server.connection_count == 50)
            async with await connect(server, SECURE) as client:
                assert await client.is_open()


async def test_a_handshake_that_takes_too_long() -> None:
    assert Timeouts().handshake == 30.0
    async with serving(timeouts=Timeouts(handshake=0.01), **SECURE) as server:
        with ExitStack() as stack:
            (sock,) = await hold(server, stack, 1)
            assert await end_of(sock) == b""
            await server.until(lambda: server.server.connection_count == 0)


@pytest.mark.parametrize("options", [{}, SECURE, PROXIED], ids=["plain", "tls", "proxied"])
async def test_timeouts_for_ever(options: dict[str, Any]) -> None:
    endless = Timeouts(**{name: math.inf for name in Timeouts._fields if name != "body_rate"})
    async with serving(timeouts=endless, **options) as server:
        async with await (connect(server, options) if options else server.connect()) as client:
            assert (await client.ask(head("POST", "/", "Content-Length: 3") + b"abc")).status == 200
            assert await client.is_open()


def test_a_handshake_without_any_time() -> None:
    with pytest.raises(ValueError, match=r"handshake is 0, expected more than 0 seconds"):
        HTTPServer(tell, timeouts=Timeouts(handshake=0))


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"\x16\x03\x01\x00\x05nonsense"])
async def test_a_handshake_that_fails(said: bytes) -> None:
    async with serving(**SECURE) as server:
        with ExitStack() as stack:
            (sock,) = await hold(server, stack, 1)
            await server.until(lambda: server.server.connection_count == 1)
            await asyncio.get_running_loop().sock_sendall(sock, said)
            sock.shutdown(socket.SHUT_WR)
            await server.until(lambda: server.server.connection_count == 0)
        async with await connect(server, SECURE) as client:
            assert await client.is_open()


def without_certificate() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


async def fail_to_connect(server: Serving, name: str = "localhost") -> None:
    context = client_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await server.connect(context, name)


async def test_a_context_without_a_certificate_is_named_once(expect_log: ExpectLog) -> None:
    line = r"^no client of ssl_options can be served: .*has no certificate, expected one by load_cert_chain\("
    async with serving(ssl_options=without_certificate()) as server:
        with expect_log("halny.general", line, logging.ERROR, count=1) as records:
            for _ in range(3):
                await fail_to_connect(server)
            await server.until(lambda: records and not server.server.connection_count)


async def test_a_name_without_a_certificate_is_named(expect_log: ExpectLog) -> None:
    names = {"good.example": server_context(), "*.bad.example": without_certificate()}
    async with serving(server_names=names, **SECURE) as server:
        line = r"^no client of server_names\['\*\.bad\.example'\] can be served"
        with expect_log("halny.general", line, logging.ERROR, count=1) as records:
            await fail_to_connect(server, "a.bad.example")
            await server.until(lambda: records)
        async with await connect(server, SECURE) as client:
            assert await client.is_open()


async def test_a_client_without_a_usual_cipher_is_not_the_servers_fault(expect_log: ExpectLog) -> None:
    server_side = server_context()
    server_side.maximum_version = ssl.TLSVersion.TLSv1_2
    server_side.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    async with serving(ssl_options=server_side) as server:
        with expect_log("halny.general", "NO_SHARED_CIPHER", logging.DEBUG, count=1) as records:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await server.connect(context)
            await server.until(lambda: records and not server.server.connection_count)
        async with await connect(server, SECURE) as client:
            assert await client.is_open()


@pytest.mark.parametrize("options", [SECURE, PROXIED], ids=["tls", "proxied"])
@pytest.mark.parametrize("end", ["stop", "drain", "close"])
async def test_what_has_not_begun_ends_with_the_server(options: dict[str, Any], end: str) -> None:
    async with serving(**options) as server:
        async with await connect(server, options) as client:
            assert await client.is_open()
            with ExitStack() as stack:
                (sock,) = await hold(server, stack, 1)
                await server.until(lambda: server.server.connection_count == 2)
                if end == "stop":
                    server.server.stop()
                    assert await end_of(sock) == b""
                    assert await client.is_open()
                elif end == "drain":
                    assert await server.server.drain(PATIENCE) is True
                    assert await client.rest() == b""
                else:
                    await server.server.close_all_connections()
                    assert server.server.connection_count == 0
                assert await end_of(sock) == b""
                client.writer.transport.abort()


def tell(request: HTTPServerRequest) -> None:
    respond(request, f"{request.protocol} {request.remote_ip}".encode())


async def test_a_unix_socket_with_tls(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    server = HTTPServer(tell, **SECURE)
    server.add_socket(bind_unix_socket(path))
    options: dict[str, Any] = {"ssl": client_context(), "server_hostname": "localhost"}
    async with Client(*await asyncio.open_unix_connection(path, **options)) as client:
        assert (await client.ask(head())).body == b"https 0.0.0.0"
    server.stop()
    await server.close_all_connections()


async def test_the_address_of_a_client_with_tls() -> None:
    async with serving(tell, **SECURE) as server, await connect(server, SECURE) as client:
        assert (await client.ask(head())).body == b"https 127.0.0.1"


@pytest.mark.parametrize("options", [{}, SECURE, PROXIED], ids=["plain", "tls", "proxied"])
async def test_small_writes_leave_at_once(options: dict[str, Any]) -> None:
    # Else the second part of a response waits until the client has acknowledged the first, up to 40 milliseconds.
    def tell_nodelay(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        sock: socket.socket = connection.stream.socket
        respond(request, str(bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))).encode())

    async with serving(tell_nodelay, **options) as server:
        async with await (connect(server, options) if options else server.connect()) as client:
            assert (await client.ask(head())).body == b"True"


def never(loop: asyncio.AbstractEventLoop) -> bool:
    return False


async def test_what_the_loops_own_server_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("halny.httpserver._server.needs_own_listener", never)
    async with serving(tell, max_connections=1) as server, await server.connect() as client:
        assert (await client.ask(head())).body == b"http 127.0.0.1"
        server.server.stop()
        assert await client.is_open()


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("end", ["stop", "drain", "close"])
async def test_connections_that_come_as_the_server_ends(turns: int, end: str) -> None:
    async with serving() as server:
        with ExitStack() as stack:
            await hold(server, stack, 3)
            for _ in range(turns):
                await asyncio.sleep(0)
            if end == "stop":
                server.server.stop()
            elif end == "drain":
                assert await server.server.drain(PATIENCE) is True
            else:
                await server.server.close_all_connections()
        if end != "close":
            await server.until(lambda: server.server.connection_count == 0)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit on descriptors")
async def test_no_descriptors_left(expect_log: ExpectLog) -> None:
    import resource

    async with serving() as server:
        with ExitStack() as stack:
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
            lowest = os.dup(sock.fileno())
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
            with expect_log("halny.general", "can't accept connections", logging.ERROR, count=1) as records:
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
                await server.until(lambda: records)


@pytest.mark.parametrize(
    "test",
    [
        lambda: test_small_writes_leave_at_once({}),
        lambda: test_small_writes_leave_at_once(SECURE),
        test_a_handshake_that_takes_too_long,
        lambda: test_what_has_not_begun_ends_with_the_server(SECURE, "drain"),
        lambda: test_what_has_not_begun_ends_with_the_server(SECURE, "close"),
        lambda: test_a_handshake_that_fails(b"nonsense"),
        lambda: test_timeouts_for_ever(SECURE),
        lambda: test_timeouts_for_ever(PROXIED),
    ],
)
def test_on_uvloop(test: Any) -> None:
    uvloop = pytest.importorskip("uvloop")
    uvloop.run(test())


def test_lines_on_uvloop(expect_log: ExpectLog) -> None:
    uvloop = pytest.importorskip("uvloop")
    uvloop.run(test_connections_that_never_begin_are_counted(SECURE, expect_log))
    uvloop.run(test_connections_that_never_begin_are_counted(PROXIED, expect_log))
    uvloop.run(test_a_context_without_a_certificate_is_named_once(expect_log))
