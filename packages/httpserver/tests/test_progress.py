"""Peers that take what they are sent slowly, or not at all, wherever the bytes are. The clock is moved, not awaited."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import logging
import math
import socket
import ssl
import sys
from asyncio import constants
from typing import TYPE_CHECKING, Any, Self

import pytest

from halny.http import EndpointSource, HTTPHeaders, HTTPServerRequest, ResponseStartLine, StreamingEndpoint
from halny.httpserver import _progress
from halny.httpserver._progress import progress
from halny.iostream import StreamClosedError

from ._helpers import PATIENCE, Serving, client_context, head, respond, server_context, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog

SIZE = 12_000_000
OK = ResponseStartLine("HTTP/1.1", 200, "OK")

KERNEL_TELLS = pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="the kernel does not tell")


def run_on_asyncio(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def run_on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(main)


runs = pytest.mark.parametrize(
    "run",
    [
        pytest.param(run_on_asyncio, id="asyncio"),
        pytest.param(
            run_on_uvloop,
            id="uvloop",
            marks=pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"),
        ),
    ],
)
secured = pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
ways = pytest.mark.parametrize("line", ["Connection: keep-alive", "Connection: close"])


class Peer:
    """A client that reads no more than it is told to, and whose kernel takes little on its own.

    Args:
        secure: whether it speaks TLS.
    """

    def __init__(self, secure: bool) -> None:
        self._sock = socket.socket()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._sock.setblocking(False)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        if secure:
            self._tls = client_context().wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self.received = 0
        self.ended = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._sock.close()

    async def connect(self, server: Serving) -> None:
        await asyncio.get_running_loop().sock_connect(self._sock, ("127.0.0.1", server.port))
        while self._tls is not None:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._send(self._outgoing.read())
                self._incoming.write(await asyncio.get_running_loop().sock_recv(self._sock, 65536))
            else:
                await self._send(self._outgoing.read())
                return

    async def _send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def send(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        await self._send(data)

    async def say_goodbye(self) -> None:
        """End TLS, and leave the connection below it open."""
        assert self._tls is not None
        with pytest.raises(ssl.SSLError):
            self._tls.unwrap()  # which would wait for the server's own
        await self._send(self._outgoing.read())

    async def take(self, size: int, enough: float = math.inf) -> None:
        """Read as much as `size` from the kernel, unless the connection ends before, or `enough` has come in all."""
        async with asyncio.timeout(PATIENCE):
            while size > 0 and not self.ended and self.received < enough:
                data = await asyncio.get_running_loop().sock_recv(self._sock, min(size, 65536))
                self.ended = not data
                size -= len(data)
                self._count(data)

    def _count(self, data: bytes) -> None:
        if self._tls is None:
            self.received += len(data)
            return
        self._incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            while plain := self._tls.read(65536):
                self.received += len(plain)
            self.ended = True  # the server has said goodbye


class BodyIgnored(EndpointSource, StreamingEndpoint):
    """Answers without the body, of which the rest may still be on its way.

    Args:
        serve: answers.
    """

    def __init__(self, serve: Callable[[HTTPServerRequest], Coroutine[Any, Any, None]]) -> None:
        self._serve = serve

    def find_endpoint(self, request: HTTPServerRequest) -> StreamingEndpoint:
        self._request = request
        return self

    def run(self) -> Coroutine[Any, Any, None]:
        return self._serve(self._request)

    def wait_for_body(self) -> None: ...

    def data_received(self, chunk: bytes) -> None: ...

    def body_complete(self) -> None: ...

    def on_connection_close(self) -> None: ...


def tls_options(secure: bool) -> dict[str, Any]:
    return {"ssl_options": server_context()} if secure else {}


async def take_slowly(server: Serving, peer: Peer, size: int) -> None:
    """Take what comes, with 50 seconds between two parts."""
    for later in itertools.count(50, 50):
        await peer.take(400_000, size)
        if peer.received >= size or peer.ended:
            break
        server.look(later)
    assert peer.received >= size


async def until_cut_off(server: Serving) -> None:
    """Look every 100 seconds, until nobody is connected; a peer that has taken something since gets as long again."""
    moments = itertools.count(100, 100)

    def is_over() -> bool:
        server.look(next(moments))
        return not server.settings.connections

    await server.until(is_over)


@runs
@secured
@ways
@KERNEL_TELLS
def test_a_whole_response_is_taken_slowly(run: Callable[..., None], secure: bool, line: str) -> None:
    async def main() -> None:
        async with serving(lambda request: respond(request, bytes(SIZE)), **tls_options(secure)) as server:
            async with Peer(secure) as peer:
                await peer.connect(server)
                await peer.send(head("GET", "/", line))
                await take_slowly(server, peer, SIZE)
            await server.until(lambda: not server.settings.connections)

    run(main())


@runs
@KERNEL_TELLS
def test_with_tls_the_next_request_has_its_time_after_what_is_taken_slowly(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with serving(lambda request: respond(request, bytes(SIZE)), ssl_options=server_context()) as server:
            async with Peer(True) as peer:
                await peer.connect(server)
                await peer.send(head())
                await take_slowly(server, peer, SIZE)
                protocol = server.connection
                await server.until_taken()
                server.settings.set_time(asyncio.get_running_loop().time() + 2000.0)
                server.look(2000.0)
                assert protocol.deadline == server.settings.idle_deadline
                await peer.send(head())
                await take_slowly(server, peer, 2 * SIZE)

    run(main())


@ways
@KERNEL_TELLS
def test_the_loops_own_patience_with_tls_is_no_limit(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "SSL_SHUTDOWN_TIMEOUT", 1e-6)
    test_a_whole_response_is_taken_slowly(run_on_asyncio, True, line)


@runs
@secured
@KERNEL_TELLS
def test_a_stream_is_taken_slowly(run: Callable[..., None], secure: bool) -> None:
    # Less than what the kernel has to be rid of before it takes more: so the transport's own buffer stays as it is.
    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(OK, HTTPHeaders())
        while True:
            await connection.write(bytes(100_000))

    async def main() -> None:
        async with serving(serve, **tls_options(secure)) as server, Peer(secure) as peer:
            await peer.connect(server)
            await peer.send(head())
            await server.until(lambda: server.settings.connections and server.connection._writing_paused)
            for later in range(50, 450, 50):
                await peer.take(150_000)
                server.look(later)
                await asyncio.sleep(0)
                assert len(server.settings.connections) == 1

    run(main())


@runs
@secured
@ways
@KERNEL_TELLS
def test_a_whole_response_is_not_taken(
    run: Callable[..., None], secure: bool, line: str, expect_log: ExpectLog
) -> None:
    async def main() -> None:
        async with serving(lambda request: respond(request, bytes(SIZE)), **tls_options(secure)) as server:
            async with Peer(secure) as peer:
                await peer.connect(server)
                await peer.send(head("GET", "/", line))
                await server.until(lambda: server.settings.connections and server.connection._state.name != "ANSWERING")
                await peer.take(1000)
                await until_cut_off(server)

    with expect_log("halny.general", "has taken nothing of its response", logging.INFO, count=1):
        run(main())


@runs
@secured
@KERNEL_TELLS
def test_a_closed_connection_waits_for_a_peer_that_reads_slowly(run: Callable[..., None], secure: bool) -> None:
    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(OK, HTTPHeaders(), bytes(SIZE))
        connection.close()

    async def main() -> None:
        async with serving(serve, **tls_options(secure)) as server:
            async with Peer(secure) as peer:
                await peer.connect(server)
                await peer.send(head("POST", "/") + head("POST", "/"))
                await take_slowly(server, peer, SIZE)
            await server.until(lambda: not server.settings.connections)

    run(main())


@runs
@secured
@KERNEL_TELLS
def test_what_the_kernel_holds_is_not_reset_while_it_is_taken(run: Callable[..., None], secure: bool) -> None:
    # A socket that is closed with something unread is reset (RFC 9112, section 9.6). The peer is still sending.
    size = 1_000_000

    async def serve(request: HTTPServerRequest) -> None:
        respond(request, bytes(size), 413)

    async def main() -> None:
        async with serving(BodyIgnored(serve), **tls_options(secure)) as server, Peer(secure) as peer:
            await peer.connect(server)
            await peer.send(head("POST", "/", "Content-Length: 100000000") + bytes(1000))
            await server.until(lambda: server.settings.connections and server.connection._state.name == "LINGERING")
            await server.until(lambda: server.connection.transport.get_write_buffer_size() == 0)
            for later in range(10, 160, 50):
                await peer.take(200_000)
                await peer.send(bytes(1000))
                server.look(later)
                await asyncio.sleep(0)
                assert not server.connection.transport.is_closing()
            await peer.take(size, size)
            assert peer.received >= size

    run(main())


@runs
@pytest.mark.parametrize("reads", [True, False])
@KERNEL_TELLS
def test_a_file_that_the_kernel_sends(
    run: Callable[..., None], reads: bool, tmp_path: Path, expect_log: ExpectLog
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    outcome: list[object] = []

    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(OK, HTTPHeaders({"Content-Length": str(SIZE)}))
        try:
            with path.open("rb") as opened:
                await connection.send_file(opened.fileno(), 0, SIZE)
            connection.finish()
            outcome.append("sent")
        except StreamClosedError as error:
            outcome.append(type(error))

    async def main() -> None:
        async with serving(serve) as server, Peer(False) as peer:
            await peer.connect(server)
            await peer.send(head())
            await server.until(lambda: server.settings.connections and server.connection._writing_paused)
            if reads:
                await take_slowly(server, peer, SIZE)
                await server.until(lambda: outcome)
            else:
                with expect_log("halny.general", "has taken nothing of its response", logging.INFO, count=1):
                    await until_cut_off(server)
                await server.until(lambda: outcome)

    run(main())
    assert outcome == ["sent" if reads else StreamClosedError]


@runs
def test_a_file_that_is_not_taken_where_the_kernel_does_not_tell(
    run: Callable[..., None], tmp_path: Path, expect_log: ExpectLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queued(sock: object) -> int:
        raise OSError

    monkeypatch.setattr(_progress, "_queued", queued)
    test_a_file_that_the_kernel_sends(run, False, tmp_path, expect_log)


@runs
def test_a_sender_that_is_cancelled_leaves_nothing_paused(run: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    cancelled: list[bool] = []

    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(OK, HTTPHeaders({"Content-Length": str(SIZE)}))
        with path.open("rb") as opened:
            sending = asyncio.ensure_future(connection.send_file(opened.fileno(), 0, SIZE))
            protocol = connection.server_connection
            while not protocol._writing_paused:
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.wait([sending])
            cancelled.append(not protocol._writing_paused and not protocol._waiters)
        connection.abort()

    async def main() -> None:
        async with serving(serve) as server, Peer(False) as peer:
            await peer.connect(server)
            await peer.send(head())
            await server.until(lambda: cancelled)
            await peer.take(2 * SIZE)
            assert 0 < peer.received < SIZE

    run(main())
    assert cancelled == [True]


@runs
def test_a_goodbye_that_is_not_answered(run: Callable[..., None]) -> None:
    async def main() -> None:
        told = asyncio.Event()
        go_on = asyncio.Event()

        async def serve(request: HTTPServerRequest) -> None:
            connection: Any = request.connection
            connection.set_close_callback(told.set)
            connection.close()
            await go_on.wait()

        async with serving(serve, ssl_options=server_context()) as server, Peer(True) as peer:
            await peer.connect(server)
            await peer.send(head())
            await peer.take(1 << 20)
            assert peer.ended  # it has been told, and does not answer
            await server.until_taken()
            server.look(2.0)
            await server.until(lambda: not server.settings.connections)
            await asyncio.wait_for(told.wait(), PATIENCE)
            go_on.set()

    run(main())


@runs
@KERNEL_TELLS
def test_a_peer_that_says_goodbye_and_takes_nothing(run: Callable[..., None], expect_log: ExpectLog) -> None:
    async def main() -> None:
        told = asyncio.Event()

        async def serve(request: HTTPServerRequest) -> None:
            connection: Any = request.connection
            connection.set_close_callback(told.set)
            connection.write_headers(OK, HTTPHeaders(), bytes(SIZE))
            await told.wait()

        async with serving(serve, ssl_options=server_context()) as server, Peer(True) as peer:
            await peer.connect(server)
            await peer.send(head())
            await peer.take(1000)
            await peer.say_goodbye()
            await until_cut_off(server)
            await asyncio.wait_for(told.wait(), PATIENCE)

    with expect_log("halny.general", "has taken nothing of its response", logging.INFO, count=1):
        run(main())


@runs
def test_a_connection_whose_handler_has_closed_it_too_is_cut_off(run: Callable[..., None]) -> None:
    # Over TLS a transport of asyncio's that is closed twice could neither be asked nor aborted any more.
    def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.stream.close()
        respond(request)

    async def main() -> None:
        async with serving(serve, ssl_options=server_context()) as server, Peer(True) as peer:
            await peer.connect(server)
            await peer.send(head("GET", "/", "Connection: close"))
            await server.until(lambda: server.settings.connections and server.connection.transport.is_closing())
            await server.until(lambda: server.connection._state.name == "LINGERING")
            await until_cut_off(server)

    run(main())


@runs
def test_a_handshake_that_ends_as_the_server_stops(run: Callable[..., None]) -> None:
    async def main() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()

        class Stopping(Peer):
            """Has the server stop in the turn of the loop in which it reads the end of the handshake."""

            async def _send(self, data: bytes) -> None:
                if self._tls is not None and self._tls.version() is not None:
                    loop.call_soon(stop)
                    self._sock.send(data)
                else:
                    await super()._send(data)

        def stop() -> None:
            server.server.stop()
            stopped.set()

        async with serving(ssl_options=server_context()) as server, Stopping(True) as peer:
            await peer.connect(server)
            await asyncio.wait_for(stopped.wait(), PATIENCE)
            draining = asyncio.ensure_future(server.server.drain(None))
            await asyncio.sleep(0)
            await until_cut_off(server)  # uvloop reads first, and then the connection was in time
            assert await asyncio.wait_for(draining, PATIENCE)
            assert server.server.connection_count == 0

    run(main())


# What is measured


class Pair:
    """A transport, and a socket at its other end.

    Args:
        ours: the transport's.
        theirs: the other.
    """

    def __init__(self, ours: socket.socket, theirs: socket.socket) -> None:
        ours.setblocking(False)
        theirs.setblocking(False)
        self._ours = ours
        self.theirs = theirs

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = loop.create_future()
        lost = self.lost

        class Protocol(asyncio.Protocol):
            def connection_lost(self, exc: Exception | None) -> None:
                lost.set_result(None)

        if self._ours.family == socket.AF_INET:
            self.transport, _ = await loop.create_connection(Protocol, sock=self._ours)
        else:
            self.transport, _ = await loop.create_unix_connection(Protocol, sock=self._ours)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.transport.abort()
        await self.lost
        self.theirs.close()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0)


def internet_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        return ours, server.accept()[0]


@runs
@KERNEL_TELLS
def test_what_is_left_is_what_the_peer_has_not_taken(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with Pair(*internet_pair()) as pair:
            transport = pair.transport
            assert progress(transport).left == 0
            transport.write(bytes(SIZE))
            await asyncio.sleep(0)
            await pair.until(lambda: 0 < transport.get_write_buffer_size() < progress(transport).left <= SIZE)
            received, loop = 0, asyncio.get_running_loop()
            marks = {progress(transport).mark}
            while received < SIZE:
                received += len(await loop.sock_recv(pair.theirs, 1 << 20))
                marks.add(progress(transport).mark)
            await pair.until(lambda: progress(transport).left == 0)
            assert len(marks) > 2

    run(main())


@runs
@pytest.mark.skipif(sys.platform != "linux", reason="what was acknowledged is not told")
def test_more_that_is_sent_is_no_progress(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with Pair(*internet_pair()) as pair:
            transport = pair.transport
            transport.write(bytes(2 * SIZE))
            before = progress(transport)
            while before != (before := progress(transport)):
                await asyncio.sleep(0.05)  # until both kernels have as much as they take
            transport.write(bytes(1000))
            after = progress(transport)
            assert (after.left, after.mark) == (before.left + 1000, before.mark)

    run(main())


@runs
@pytest.mark.skipif(sys.platform != "linux", reason="others do not tell")
def test_the_kernel_tells_of_unix_sockets_too(run: Callable[..., None]) -> None:
    async def main() -> None:
        async with Pair(*socket.socketpair()) as pair:
            transport = pair.transport
            transport.write(b"x")
            await pair.until(lambda: progress(transport).left > 0)
            assert await asyncio.get_running_loop().sock_recv(pair.theirs, 2) == b"x"
            assert progress(transport).left == 0

    run(main())


@runs
def test_a_transport_that_is_closed_or_no_socket_speaks_for_itself(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def queued(sock: object) -> int:
        raise OSError

    class Unlike(asyncio.Transport):
        def get_write_buffer_size(self) -> int:
            return 7

    async def main() -> None:
        async with Pair(*internet_pair()) as pair:
            pair.transport.abort()
            await pair.lost
            assert progress(pair.transport).left == 0
        assert progress(Unlike()) == (7, 7)
        async with Pair(*internet_pair()) as pair:
            pair.transport.write(bytes(SIZE))
            monkeypatch.setattr(_progress, "_queued", queued)
            left = pair.transport.get_write_buffer_size()
            assert progress(pair.transport) == (left, left)

    run(main())
