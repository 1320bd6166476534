from __future__ import annotations

import asyncio
import gc
import select
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from halny.iostream import IOStream, SSLIOStream, StreamClosedError
from halny.iostream.netutil import bind_sockets, ssl_wrap_socket

from .certificates import client_context, server_context
from .sockets import closing_all, reset
from .streampairs import tcp_sockets, tls, transports

if TYPE_CHECKING:
    from collections.abc import Awaitable


def sides(client: ssl.SSLContext, server: ssl.SSLContext, name: str = "localhost") -> tuple[SSLIOStream, SSLIOStream]:
    left, right = tcp_sockets()
    left.setblocking(False)
    right.setblocking(False)
    return (
        SSLIOStream(ssl_wrap_socket(left, client, name, False, do_handshake_on_connect=False)),
        SSLIOStream(ssl_wrap_socket(right, server, None, True, do_handshake_on_connect=False)),
    )


async def outcome(awaitable: Awaitable[Any]) -> BaseException | None:
    try:
        await awaitable
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize(
    ("trusted", "presented", "name"),
    [("elsewhere", "localhost", "localhost"), ("elsewhere", "elsewhere", "localhost")],
    ids=["authority", "name"],
)
async def test_a_wrong_certificate(trusted: str, presented: str, name: str) -> None:
    client, server = sides(client_context(trusted), server_context(presented), name)
    read = client.read_bytes(1)
    written = client.write(b"must not leave")
    refused, alerted = await asyncio.gather(outcome(client.wait_for_handshake()), outcome(server.wait_for_handshake()))
    assert isinstance(refused, ssl.SSLCertVerificationError)
    assert isinstance(alerted, ssl.SSLError)
    for waiting in (read, written):
        error = await outcome(waiting)
        assert isinstance(error, StreamClosedError)
        assert error.real_error is client.error is refused
    assert isinstance(await outcome(client.wait_for_handshake()), ssl.SSLCertVerificationError)
    assert (client.closed(), server.closed()) == (True, True)
    assert await server.read_until_close() == b"" if server.error is None else True


async def test_a_failure_that_nobody_looks_at_is_silent() -> None:
    client, server = sides(client_context("elsewhere"), server_context())
    client.wait_for_handshake()
    server.wait_for_handshake()
    while not (client.closed() and server.closed()):
        await asyncio.sleep(0)
    del client, server
    gc.collect()


@pytest.mark.parametrize("farewell", [socket.socket.close, reset], ids=["end", "reset"])
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"], ids=["nothing", "half a record"])
@pytest.mark.parametrize("server_side", [True, False], ids=["server", "client"])
async def test_a_peer_that_leaves_during_the_handshake(farewell: Any, said: bytes, server_side: bool) -> None:
    left, right = tcp_sockets()
    left.setblocking(False)
    context = server_context() if server_side else client_context()
    stream = SSLIOStream(ssl_wrap_socket(left, context, "localhost", server_side, do_handshake_on_connect=False))
    waiting = stream.wait_for_handshake()
    read = stream.read_bytes(1)
    right.sendall(said)
    await asyncio.sleep(0)
    farewell(right)
    for future in (waiting, read):
        error = await outcome(future)
        assert isinstance(error, StreamClosedError)
        assert isinstance(error.real_error, OSError)


async def test_plain_text_instead_of_a_handshake() -> None:
    left, right = tcp_sockets()
    left.setblocking(False)
    stream = SSLIOStream(ssl_wrap_socket(left, server_context(), None, True, do_handshake_on_connect=False))
    right.sendall(b"GET / HTTP/1.1\r\n\r\n")
    error = await outcome(stream.wait_for_handshake())
    assert isinstance(error, ssl.SSLError)
    assert stream.error is error
    right.close()


async def test_connect_does_the_handshake() -> None:
    with closing_all(bind_sockets(0, "127.0.0.1")) as (listener,):
        listener.setblocking(True)
        client = SSLIOStream(socket.socket(), ssl_options=client_context())
        waiting = client.connect(listener.getsockname(), server_hostname="localhost")
        client.write(b"early ")
        accepted, _ = await asyncio.to_thread(listener.accept)
        accepted.setblocking(False)
        wrapped = ssl_wrap_socket(accepted, server_context(), None, True, do_handshake_on_connect=False)
        server = SSLIOStream(wrapped)
        assert await waiting is client
        client.write(b"late")
        assert await server.read_bytes(10) == b"early late"
        assert client.socket.getpeercert()["subject"] == ((("commonName", "localhost"),),)
        assert await client.wait_for_handshake() is client
        assert await client.wait_for_handshake() is client
        client.close()
        server.close()


async def test_connect_needs_a_name_to_check() -> None:
    client = SSLIOStream(socket.socket(), ssl_options=client_context())
    with pytest.raises(ValueError, match="server_hostname is needed"):
        client.connect(("127.0.0.1", 1))
    assert not client.closed()
    client.close()


@pytest.mark.parametrize("name", [".test", "a..test", "x" * 64, "a\0.test"])
async def test_a_name_that_can_not_be_one(name: str) -> None:
    client = SSLIOStream(socket.socket(), ssl_options=client_context())
    with pytest.raises(ValueError, match="expected a host name"):
        client.connect(("127.0.0.1", 1), server_hostname=name)
    assert not client.closed()
    client.close()
    left, right = tcp_sockets()
    stream = IOStream(left)
    with right, pytest.raises(ValueError, match="expected a host name"):
        stream.start_tls(False, client_context(), name)
    assert not stream.closed()
    stream.close()


async def test_connect_to_a_wrong_certificate() -> None:
    with closing_all(bind_sockets(0, "127.0.0.1")) as (listener,):
        listener.setblocking(True)
        client = SSLIOStream(socket.socket(), ssl_options=client_context("elsewhere"))
        waiting = client.connect(listener.getsockname(), server_hostname="localhost")
        accepted, _ = await asyncio.to_thread(listener.accept)
        accepted.setblocking(False)
        server = SSLIOStream(ssl_wrap_socket(accepted, server_context(), None, True, do_handshake_on_connect=False))
        with pytest.raises(ssl.SSLCertVerificationError):
            await waiting
        assert isinstance(await outcome(server.wait_for_handshake()), ssl.SSLError)


async def test_only_one_waits_for_the_handshake() -> None:
    client, server = sides(client_context(), server_context())
    waiting = client.wait_for_handshake()
    with pytest.raises(RuntimeError, match="already waiting"):
        client.wait_for_handshake()
    server.close()
    assert await outcome(waiting) is not None


async def test_closing_during_the_handshake() -> None:
    client, server = sides(client_context(), server_context())
    waiting = client.wait_for_handshake()
    await asyncio.sleep(0)
    client.close()
    with pytest.raises(StreamClosedError):
        await waiting
    with pytest.raises(StreamClosedError):
        await client.wait_for_handshake()
    server.close()


async def test_the_end_is_announced() -> None:
    left, right = tcp_sockets()
    left.setblocking(False)
    client = SSLIOStream(ssl_wrap_socket(left, client_context(), "localhost", False, do_handshake_on_connect=False))

    def peer() -> bytes:
        context = server_context()
        with context.wrap_socket(right, server_side=True, suppress_ragged_eofs=False) as wrapped:
            return wrapped.recv(10) + wrapped.recv(10)  # the second would raise if the end were only TCP's

    other = asyncio.ensure_future(asyncio.to_thread(peer))
    await client.wait_for_handshake()
    await client.write(b"last")
    client.close()
    assert await other == b"last"


async def test_decrypted_bytes_that_no_poller_sees() -> None:
    client, server = await tls()
    client.write(b"x" * 16000)  # one record, of which reads take a little at a time
    server.read_chunk_size = 100
    for _ in range(160):
        assert await server.read_bytes(100) == b"x" * 100
    client.close()
    server.close()


class TestStartTLS:
    async def test_it_upgrades(self) -> None:
        left, right = socket.socketpair()
        client, server = IOStream(left, max_buffer_size=5000), IOStream(right)
        calls: list[str] = []
        client.set_close_callback(lambda: calls.append("closed"))
        client.write(b"STARTTLS\n")
        assert await server.read_until(b"\n") == b"STARTTLS\n"
        secure_client, secure_server = await asyncio.gather(
            client.start_tls(False, client_context(), "localhost"), server.start_tls(True, server_context())
        )
        assert (client.closed(), client.socket, client.error) == (True, None, None)
        assert secure_client.max_buffer_size == 5000
        with pytest.raises(StreamClosedError):
            client.write(b"on the old stream")
        secure_client.write(b"secret")
        assert await secure_server.read_bytes(6) == b"secret"
        assert calls == []
        secure_server.close()
        assert await secure_client.read_until_close() == b""
        await asyncio.sleep(0)
        assert calls == ["closed"]

    @pytest.mark.parametrize("transport", [False, True], ids=["socket", "transport"])
    async def test_it_refuses_a_stream_that_is_not_idle(self, transport: bool) -> None:
        from halny.iostream import stream_on_transport

        if transport:
            client, server = map(stream_on_transport, await transports())
        else:
            client, server = map(IOStream, tcp_sockets())
        pending = client.read_bytes(1)
        with pytest.raises(ValueError, match="a read or write is pending or bytes are buffered"):
            client.start_tls(False, client_context(), "localhost")
        server.write(b"injected before the handshake")
        await pending
        with pytest.raises(ValueError, match="bytes are buffered"):
            client.start_tls(False, client_context(), "localhost")
        server.write(bytes(1 << 24))
        with pytest.raises(ValueError, match="pending"):
            server.start_tls(True, server_context())
        client.close()
        server.close()
        with pytest.raises(ValueError, match="closed"):
            client.start_tls(False, client_context(), "localhost")

    async def test_it_refuses_what_can_not_work(self) -> None:
        left, right = socket.socketpair()
        client, server = IOStream(left), IOStream(right)
        with pytest.raises(ValueError, match="server_hostname is needed"):
            client.start_tls(False)
        with pytest.raises(ValueError, match="needs ssl_options"):
            server.start_tls(True)
        client.write(b"still plain")
        assert await server.read_bytes(11) == b"still plain"
        client.close()
        server.close()

    @pytest.mark.parametrize("transport", [False, True], ids=["socket", "transport"])
    async def test_a_wrong_certificate(self, transport: bool) -> None:
        from halny.iostream import stream_on_transport

        if transport:
            client, server = map(stream_on_transport, await transports())
        else:
            client, server = map(IOStream, tcp_sockets())
        calls: list[str] = []
        client.set_close_callback(lambda: calls.append("closed"))
        refused, alerted = await asyncio.gather(
            outcome(client.start_tls(False, client_context("elsewhere"), "localhost")),
            outcome(server.start_tls(True, server_context())),
        )
        assert isinstance(refused, ssl.SSLCertVerificationError)
        assert isinstance(alerted, (ssl.SSLError, StreamClosedError))
        for _ in range(5):
            await asyncio.sleep(0)
        assert calls == ["closed"]

    async def test_cancelling_closes_the_connection(self) -> None:
        left, right = socket.socketpair()
        waiting = IOStream(left).start_tls(False, client_context(), "localhost")
        await asyncio.sleep(0)
        waiting.cancel()
        right.settimeout(5)
        with right:
            while await asyncio.to_thread(right.recv, 65536):
                pass

    async def test_a_peer_that_left_before(self) -> None:
        left, right = tcp_sockets()
        stream = IOStream(left)
        reset(right)
        assert await asyncio.to_thread(select.select, [left], [], [], 10) != ([], [], [])
        with pytest.raises(StreamClosedError):
            await stream.start_tls(False, client_context(), "localhost")


async def test_tls_on_a_transport_looks_like_tls_on_a_socket() -> None:
    from halny.iostream import stream_on_transport

    left, right = await transports(client_context(), server_context())
    client, server = stream_on_transport(left), stream_on_transport(right)
    assert isinstance(client, SSLIOStream)
    assert await client.wait_for_handshake() is client
    assert client.socket.getpeercert()["subject"] == ((("commonName", "localhost"),),)
    assert client.socket.version().startswith("TLS")
    assert client.socket.getpeername() == server.socket.getsockname()
    client.set_nodelay(True)
    assert client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    with pytest.raises(AttributeError):
        client.socket = None
    server.close()
    assert await client.read_until_close() == b""
    assert client.socket is None
    with pytest.raises(StreamClosedError):
        await client.wait_for_handshake()
    while not (client._released() and server._released()):  # pyright: ignore[reportPrivateUsage]
        await asyncio.sleep(0)


class _Moody:
    """A socket with TLS that has other wishes first, as it has when keys are renewed."""

    def __init__(self, real: ssl.SSLSocket, **wishes: list[Exception]) -> None:
        self.real = real
        self.wishes = wishes

    def __getattr__(self, name: str) -> Any:
        if self.wishes.get(name):
            wish = self.wishes[name].pop(0)

            def refuse(*args: Any) -> Any:
                raise wish

            return refuse
        return getattr(self.real, name)


class TestRenewal:
    async def test_a_read_that_has_to_write(self) -> None:
        client, server = await tls()
        assert isinstance(client, SSLIOStream)
        client.socket = _Moody(client.socket, recv=[ssl.SSLWantWriteError()], recv_into=[ssl.SSLWantWriteError()])
        server.write(b"abcdef")
        assert await client.read_bytes(3) == b"abc"
        server.write(b"123456")
        target = bytearray(9)
        assert await client.read_into(target) == 9
        assert target == b"def123456"
        client.socket = client.socket.real
        client.close()
        server.close()

    async def test_a_write_that_has_to_read(self) -> None:
        client, server = await tls()
        assert isinstance(client, SSLIOStream)
        client.socket = _Moody(client.socket, send=[ssl.SSLWantReadError(), ssl.SSLWantWriteError()])
        written = client.write(b"abc")
        server.write(b"wakes the reader")
        assert await server.read_bytes(3) == b"abc"
        await written
        assert await client.read_bytes(5) == b"wakes"
        client.socket = client.socket.real
        client.close()
        server.close()

    async def test_a_handshake_that_has_to_wait_for_room(self) -> None:
        client, server = sides(client_context(), server_context())
        client.socket = _Moody(client.socket, do_handshake=[ssl.SSLWantWriteError()])
        await asyncio.gather(client.wait_for_handshake(), server.wait_for_handshake())
        client.socket = client.socket.real
        client.close()
        server.close()

    async def test_the_public_hooks(self) -> None:
        client, server = await tls()
        assert client.read_from_fd(bytearray(1)) is None
        assert client.write_to_fd(memoryview(b"x")) == 1
        assert await server.read_bytes(1) == b"x"
        assert isinstance(client, SSLIOStream)
        client.socket = _Moody(client.socket, send=[ssl.SSLWantWriteError()])
        assert client.write_to_fd(memoryview(b"x")) == 0
        client.socket = client.socket.real
        client.close()
        server.close()
