"""What is special about streams on transports; that they are streams is what the conformance check tells."""

# pyright: reportPrivateUsage=false
# (limits and platform switches are set for the tests)

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest

from halny.iostream import IOStream, StreamClosedError, _transport, stream_on_transport
from halny.iostream.testing import memory_stream_pair

from .certificates import client_context, server_context
from .streampairs import transports


async def gone(*streams: IOStream) -> None:
    for stream in streams:
        stream.close()
    while not all(stream._released() for stream in streams):  # pyright: ignore[reportPrivateUsage]
        await asyncio.sleep(0)


async def test_bytes_that_were_received_before() -> None:
    left, right = await transports()
    client, server = stream_on_transport(left), stream_on_transport(right, b"before ")
    client.write(b"after\n")
    assert await server.read_until(b"\n") == b"before after\n"
    await gone(client, server)


async def test_a_paused_transport_is_resumed_when_somebody_reads() -> None:
    left, right = await transports()
    right.pause_reading()
    client, server = stream_on_transport(left), stream_on_transport(right, bytes(100), read_chunk_size=100)
    assert not right.is_reading()
    client.write(b"more")
    assert await server.read_bytes(104) == bytes(100) + b"more"
    await gone(client, server)
    other_left, other_right = await transports()
    other_right.pause_reading()
    client, server = stream_on_transport(other_left), stream_on_transport(other_right)
    client.write(b"x")
    assert await server.read_bytes(1) == b"x"
    await gone(client, server)


async def test_a_transport_that_is_closing() -> None:
    left, right = await transports()
    right.close()
    stream = stream_on_transport(right, b"rest")
    assert stream.closed()
    assert await stream.read_until_close() == b"rest"
    await gone(stream, stream_on_transport(left))


async def test_a_transport_that_closes_under_a_stream() -> None:
    left, right = await transports()
    client, server = stream_on_transport(left), stream_on_transport(right)
    left.close()
    with pytest.raises(StreamClosedError) as caught:
        await client.write(b"x")
    assert isinstance(caught.value.real_error, BrokenPipeError)
    await gone(client, server)


async def test_what_only_a_socket_can_do() -> None:
    left, right = await transports()
    client, server = stream_on_transport(left), stream_on_transport(right)
    assert client.fileno() == left.get_extra_info("socket").fileno()
    assert client.socket.getpeername() == server.socket.getsockname()
    client.set_nodelay(False)
    assert client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
    assert client.get_fd_error() is None
    assert client.read_from_fd(bytearray(1)) is None
    assert client.write_to_fd(memoryview(b"x")) == 1
    assert await server.read_bytes(1) == b"x"
    with pytest.raises(RuntimeError, match="connected already"):
        client.connect(("127.0.0.1", 1))
    with pytest.raises(AttributeError):
        client.socket = None
    client.close_fd()
    with pytest.raises(StreamClosedError):
        await client.read_bytes(1)
    await gone(client, server)
    assert client.fileno() == -1


async def test_a_peer_that_never_reads_is_cut_off_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_transport, "CLOSE_LINGER_SECONDS", 0.02)
    left, right = await transports()
    client = stream_on_transport(left)
    right.pause_reading()
    written = client.write(bytes(1 << 25))
    client.close()
    with pytest.raises(StreamClosedError):
        await written
    await gone(client)
    right.abort()
    await asyncio.sleep(0)


async def test_a_peer_that_does_not_answer_the_end_of_tls_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    # How long the transport would wait for it by itself is up to whoever made the transport.
    monkeypatch.setattr(_transport, "CLOSE_LINGER_SECONDS", 0.02)
    left, right = await transports(client_context(), server_context())
    client = stream_on_transport(left)
    right.pause_reading()
    async with asyncio.timeout(20.0):
        await gone(client)
    right.abort()
    await asyncio.sleep(0)


async def test_a_stream_that_broke_is_cut_off_at_once() -> None:
    left, right = await transports()
    client, server = stream_on_transport(left), stream_on_transport(right)
    client.write(bytes(1 << 25))
    client.close(exc_info=ValueError("broken"))
    await gone(client)
    with pytest.raises(StreamClosedError):
        await server.read_bytes(1 << 25)
    await gone(server)


async def test_a_peer_that_leaves_during_start_tls(caplog: pytest.LogCaptureFixture) -> None:
    left, right = await transports()
    client, server = stream_on_transport(left), stream_on_transport(right)
    waiting = client.start_tls(False, client_context(), "localhost")
    await asyncio.sleep(0)
    server.close()
    with pytest.raises(StreamClosedError):
        await waiting
    await gone(server)
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


async def test_bytes_right_behind_the_handshake_are_kept() -> None:
    left, right = await transports()
    client, server = stream_on_transport(left), stream_on_transport(right)

    async def greet() -> IOStream:
        secure = await server.start_tls(True, server_context())
        secure.write(b"hello")
        secure.close()
        return secure

    secure_client, secure_server = await asyncio.gather(client.start_tls(False, client_context(), "localhost"), greet())
    assert await secure_client.read_until_close() == b"hello"
    await gone(secure_client, secure_server)


async def test_a_transport_in_memory_has_no_socket() -> None:
    left, right = memory_stream_pair()
    assert (left.socket, left.fileno()) == (None, -1)
    left.set_nodelay(True)
    await gone(left, right)


async def test_a_plain_protocol_on_a_transport_in_memory() -> None:
    from halny.iostream._memory import connected_transports

    received: list[Any] = []

    class Plain(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.append(data)

        def eof_received(self) -> None:
            received.append("end")

        def connection_lost(self, exc: Exception | None) -> None:
            received.append("lost")

    left, right = connected_transports()
    with pytest.raises(RuntimeError, match="no protocol yet"):
        right.get_protocol()
    right.set_protocol(Plain())
    stream = stream_on_transport(left)
    stream.write(b"abc")
    assert not right.can_write_eof()
    stream.close()
    while "lost" not in received:
        await asyncio.sleep(0)
    assert received == [b"abc", "end", "lost"]
    right.write(b"too late")
