# pyright: reportPrivateUsage=false
# (`_sockets` is a name that programs are known to use, and is tested)

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import IOLoop
from halny.iostream import IOStream, SSLIOStream, StreamClosedError
from halny.iostream.netutil import bind_sockets
from halny.iostream.tcpclient import TCPClient
from halny.iostream.tcpserver import TCPServer

from .certificates import CERTFILE, KEYFILE, client_context, server_context
from .sockets import reset

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog


class EchoServer(TCPServer):
    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        while True:
            await stream.write(await stream.read_until(b"\n"))


def listening(server: TCPServer, **options: Any) -> tuple[str, int]:
    server.listen(0, "127.0.0.1", **options)
    (sock,) = server._sockets.values()
    address: tuple[str, int] = sock.getsockname()
    return address


async def connect(address: tuple[str, int]) -> IOStream:
    return await IOStream(socket.socket()).connect(address)


async def settled(server: TCPServer) -> None:
    """Waits until no connection is being handled."""
    while server._tasks:
        await asyncio.sleep(0)


async def test_echo() -> None:
    server = EchoServer()
    stream = await connect(listening(server))
    for line in (b"one\n", b"two\n"):
        stream.write(line)
        assert await stream.read_until(b"\n") == line
    stream.close()
    await settled(server)
    server.stop()


def test_listening_before_the_loop_runs() -> None:
    loop = IOLoop()
    server = EchoServer()
    address = listening(server)
    with socket.create_connection(address) as early:  # the kernel holds it until the loop starts
        early.sendall(b"early\n")

        async def main() -> bytes:
            return await asyncio.to_thread(early.recv, 6)

        assert loop.run_sync(main) == b"early\n"
    loop.run_sync(lambda: settled(server))
    server.stop()
    loop.close()


def test_stopping_before_the_loop_runs() -> None:
    loop = IOLoop()
    server = EchoServer()
    address = listening(server)
    server.stop()
    server.stop()
    assert server._sockets == {}
    listening(server)
    server.stop()
    assert server._sockets == {}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    loop.close()


async def test_a_port_in_use_is_an_error_of_listen() -> None:
    server, other = EchoServer(), EchoServer()
    _, port = listening(server)
    with pytest.raises(OSError, match=f"can't listen on 127.0.0.1:{port}: Address already in use"):
        other.listen(port, "127.0.0.1")
    assert other._sockets == {}
    server.stop()


async def test_sockets_are_kept_by_descriptor() -> None:
    server = EchoServer()
    first, second = bind_sockets(0, "127.0.0.1") + bind_sockets(0, "127.0.0.1")
    server.add_socket(first)
    server.add_sockets([second])
    assert server._sockets == {first.fileno(): first, second.fileno(): second}
    server.stop()
    assert (first.fileno(), second.fileno()) == (-1, -1)


async def test_bind_then_start() -> None:
    server = EchoServer()
    server.bind(0, "127.0.0.1")
    assert (len(server._pending_sockets), server._sockets) == (1, {})
    server.start()
    assert (server._pending_sockets, len(server._sockets)) == ([], 1)
    server.bind(0, "127.0.0.1")
    assert len(server._sockets) == 2
    with pytest.raises(RuntimeError, match="started already"):
        server.start()
    server.stop()


async def test_stop_closes_what_was_only_bound() -> None:
    server = EchoServer()
    server.bind(0, "127.0.0.1")
    server.stop()
    assert server._pending_sockets == []


async def test_accepted_connections_survive_stop() -> None:
    server = EchoServer()
    stream = await connect(listening(server))
    stream.write(b"a\n")
    assert await stream.read_until(b"\n") == b"a\n"
    server.stop()
    stream.write(b"b\n")
    assert await stream.read_until(b"\n") == b"b\n"
    stream.close()
    await settled(server)


async def test_limits_reach_the_streams() -> None:
    seen: asyncio.Queue[IOStream] = asyncio.Queue()

    class Server(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> None:
            seen.put_nowait(stream)

    server = Server(max_buffer_size=1000, read_chunk_size=100)
    client = await connect(listening(server))
    stream = await seen.get()
    assert (stream.max_buffer_size, stream.read_chunk_size) == (1000, 100)
    assert not stream.closed()
    for opened in (client, stream):
        opened.close()
    server.stop()


@pytest.mark.parametrize("coroutine", [True, False])
async def test_an_exception_is_logged_and_closes_the_connection(coroutine: bool, expect_log: ExpectLog) -> None:
    class Broken(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> Awaitable[None] | None:
            if coroutine:
                return self.fail()
            raise ValueError("at once")

        async def fail(self) -> None:
            raise ValueError("later")

    server = Broken()
    with expect_log("halny.application", "exception in handle_stream for", logging.ERROR, count=1) as records:
        stream = await connect(listening(server))
        assert await stream.read_until_close() == b""
    assert records[0].exc_info is not None
    server.stop()


@pytest.mark.parametrize("farewell", [socket.socket.close, reset], ids=["end", "reset"])
async def test_a_peer_that_leaves_is_not_an_error(farewell: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = EchoServer()
    address = listening(server)
    sock = socket.create_connection(address)
    sock.sendall(b"half a li")
    farewell(sock)
    while not any("connection from" in record.getMessage() for record in caplog.records):
        await asyncio.sleep(0)
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}
    server.stop()


async def test_awaitables_of_other_kinds() -> None:
    done = asyncio.Event()

    class Waits:
        def __await__(self) -> Any:
            done.set()
            return iter(())

    class Server(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> Any:
            stream.close()
            return Waits()

    server = Server()
    stream = await connect(listening(server))
    await done.wait()
    stream.close()
    await settled(server)
    server.stop()


async def test_a_cancelled_handler_closes_its_stream() -> None:
    started = asyncio.Event()

    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            started.set()
            await asyncio.Event().wait()

    server = Server()
    stream = await connect(listening(server))
    await started.wait()
    for task in server._tasks:
        task.cancel()
    assert await stream.read_until_close() == b""
    server.stop()


async def test_a_server_without_handler_says_so(expect_log: ExpectLog) -> None:
    server = TCPServer()
    with expect_log("halny.application", "exception in handle_stream"):
        stream = await connect(listening(server))
        assert await stream.read_until_close() == b""
    server.stop()


@pytest.mark.parametrize("options", [{"certfile": CERTFILE, "keyfile": KEYFILE}, server_context()])
async def test_tls(options: Any) -> None:
    server = EchoServer(ssl_options=options)
    address = listening(server)
    stream = await TCPClient().connect("localhost", address[1], socket.AF_INET, ssl_options=client_context())
    assert isinstance(stream, SSLIOStream)
    stream.write(b"secret\n")
    assert await stream.read_until(b"\n") == b"secret\n"
    stream.close()
    await settled(server)
    server.stop()


async def test_plain_text_to_a_tls_server_is_not_an_error() -> None:
    server = EchoServer(ssl_options=server_context())
    stream = await connect(listening(server))
    stream.write(b"GET / HTTP/1.0\r\n\r\n")
    closed = asyncio.Event()
    stream.set_close_callback(closed.set)
    await closed.wait()
    await settled(server)
    server.stop()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"keyfile": KEYFILE}, KeyError, "missing key"),
        ({"certfile": "/no/such"}, ValueError, "certfile '/no/such' does not exist"),
        ({"certfile": CERTFILE, "keyfile": "/no/such"}, ValueError, "keyfile '/no/such' does not exist"),
        ({"certfile": CERTFILE}, ssl.SSLError, "PEM"),
        ({"certfile": CERTFILE, "keyfile": KEYFILE, "oops": 1}, ValueError, "unknown ssl_options"),
        (client_context(), ValueError, "CLIENT_AUTH"),
        ((CERTFILE, KEYFILE), TypeError, "expected an ssl.SSLContext or for example"),
        (CERTFILE, TypeError, "expected an ssl.SSLContext or for example"),
    ],
)
def test_wrong_tls_options_are_errors_of_the_constructor(options: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        TCPServer(ssl_options=options)


async def test_the_serving_hooks_can_be_overridden() -> None:
    calls: list[tuple[str, int]] = []

    class Protocols(TCPServer):
        def _start_serving(self, sock: socket.socket) -> None:
            calls.append(("start", sock.fileno()))

        def _stop_serving(self, sock: socket.socket) -> None:
            calls.append(("stop", sock.fileno()))

    server = Protocols()
    listening(server)
    (fd,) = server._sockets
    server.stop()
    assert calls == [("start", fd), ("stop", fd)]


PROGRAM = """
import asyncio, os, sys
from halny.ioloop import IOLoop
from halny.iostream.process import task_id
from halny.iostream.tcpserver import TCPServer

class Server(TCPServer):
    async def handle_stream(self, stream, address):
        await stream.write(b"%d %d" % (task_id(), os.getpid()))
        stream.close()
        if await asyncio.sleep(0, sys.argv[1] == "die"):
            os._exit(0)

server = Server()
server.bind(0, "127.0.0.1")
print(server._pending_sockets[0].getsockname()[1], flush=True)
server.start(2)
IOLoop.current().start()
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="the platform can't fork")
def test_two_processes_serve_one_socket(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, script, "die"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        answers: set[tuple[bytes, ...]] = set()
        for _ in range(2):  # each child serves one connection and exits with 0
            with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
                sock.settimeout(20)
                answers.add(tuple(sock.makefile("rb").read().split()))
        assert process.wait(20) == 0
    assert {number for number, _ in answers} == {b"0", b"1"}
    assert len({pid for _, pid in answers}) == 2


async def test_a_stream_that_closed_in_its_handler() -> None:
    class Server(TCPServer):
        async def handle_stream(self, stream: IOStream, address: Any) -> None:
            stream.close()
            raise StreamClosedError

    server = Server()
    stream = await connect(listening(server))
    assert await stream.read_until_close() == b""
    await settled(server)
    server.stop()
