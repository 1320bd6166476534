"""Ways to make a connected pair of streams, one for each kind, for the conformance tests."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any, cast

from halny.iostream import BaseIOStream, IOStream, PipeIOStream, SSLIOStream, stream_on_transport
from halny.iostream.netutil import bind_sockets, ssl_wrap_socket
from halny.iostream.testing import memory_stream_pair

from .certificates import client_context, server_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine

    Pairing = Callable[..., Coroutine[Any, Any, tuple[BaseIOStream, BaseIOStream]]]


def tcp_sockets() -> tuple[socket.socket, socket.socket]:
    (listener,) = bind_sockets(0, "127.0.0.1", socket.AF_INET)
    with listener:
        left = socket.create_connection(listener.getsockname())
        listener.setblocking(True)
        right, _ = listener.accept()
    left.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    right.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return left, right


async def tcp(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
    left, right = tcp_sockets()
    return IOStream(left, **limits), IOStream(right, **limits)


async def unix(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
    left, right = socket.socketpair()
    return IOStream(left, **limits), IOStream(right, **limits)


async def tls(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
    left, right = tcp_sockets()
    options: dict[str, Any] = {"do_handshake_on_connect": False}
    left.setblocking(False)
    right.setblocking(False)
    client = SSLIOStream(ssl_wrap_socket(left, client_context(), "localhost", False, **options), **limits)
    server = SSLIOStream(ssl_wrap_socket(right, server_context(), None, True, **options), **limits)
    await asyncio.gather(client.wait_for_handshake(), server.wait_for_handshake())
    return client, server


async def started_tls(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
    left, right = socket.socketpair()
    client, server = await asyncio.gather(
        IOStream(left, **limits).start_tls(False, client_context(), "localhost"),
        IOStream(right, **limits).start_tls(True, server_context()),
    )
    return client, server


async def pipe(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
    reader, writer = os.pipe()
    return PipeIOStream(writer, **limits), PipeIOStream(reader, **limits)


class _Collector(asyncio.Protocol):
    def __init__(self) -> None:
        self.made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.set_result(cast("asyncio.Transport", transport))  # uvloop's are no subclass of it


async def transports(
    client_ssl: ssl.SSLContext | None = None, server_ssl: ssl.SSLContext | None = None
) -> tuple[asyncio.Transport, asyncio.Transport]:
    loop = asyncio.get_running_loop()
    accepted = _Collector()
    server = await loop.create_server(lambda: accepted, "127.0.0.1", 0, ssl=server_ssl)
    transport, _ = await loop.create_connection(
        _Collector,
        *server.sockets[0].getsockname(),
        ssl=client_ssl,
        server_hostname="localhost" if client_ssl else None,
    )
    other = await accepted.made
    server.close()
    return transport, other


async def transport(**limits: Any) -> tuple[BaseIOStream, BaseIOStream]:
    left, right = await transports()
    return stream_on_transport(left, **limits), stream_on_transport(right, **limits)


async def tls_transport(**limits: Any) -> tuple[BaseIOStream, BaseIOStream]:
    left, right = await transports(client_context(), server_context())
    return stream_on_transport(left, **limits), stream_on_transport(right, **limits)


async def started_tls_transport(**limits: Any) -> tuple[BaseIOStream, BaseIOStream]:
    left, right = await transports()
    client, server = stream_on_transport(left, **limits), stream_on_transport(right, **limits)
    secure_client, secure_server = await asyncio.gather(
        client.start_tls(False, client_context(), "localhost"), server.start_tls(True, server_context())
    )
    return secure_client, secure_server


async def socket_and_transport(**limits: Any) -> tuple[BaseIOStream, BaseIOStream]:
    left, right = tcp_sockets()
    loop = asyncio.get_running_loop()
    made, _ = await loop.connect_accepted_socket(_Collector, right)
    return IOStream(left, **limits), stream_on_transport(made, **limits)


async def memory(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
    return memory_stream_pair(**limits)


class _OwnStream(BaseIOStream):
    """A stream that defines only what the documentation asks a subclass for."""

    def __init__(self, sock: socket.socket, **limits: int) -> None:
        super().__init__(**limits)
        self._own = sock
        sock.setblocking(False)

    def fileno(self) -> int:
        return self._own.fileno()

    def close_fd(self) -> None:
        self._own.close()

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        try:
            return self._own.recv_into(buf)
        except BlockingIOError:
            return None

    def write_to_fd(self, data: memoryview) -> int:
        try:
            return self._own.send(data)
        except BlockingIOError:
            return 0


async def own(**limits: int) -> tuple[BaseIOStream, BaseIOStream]:
    left, right = socket.socketpair()
    return _OwnStream(left, **limits), _OwnStream(right, **limits)


TWO_WAY: dict[str, Pairing] = {
    "tcp": tcp,
    "unix": unix,
    "tls": tls,
    "started_tls": started_tls,
    "transport": transport,
    "tls_transport": tls_transport,
    "started_tls_transport": started_tls_transport,
    "socket_and_transport": socket_and_transport,
    "memory": memory,
    "own": own,
}
