"""`HTTPServer`: its sockets, its settings, its ends, and what it hands over."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    ResponseStartLine,
)
from halny.httpserver import CallableDelegate, HTTPServer, inherited_sockets
from halny.iostream import IOStream, SSLIOStream
from halny.iostream.netutil import bind_unix_socket

from ._helpers import PATIENCE, Client, client_context, echo, head, later, respond, server_context, serving
from ._helpers import TLS as CERTIFICATES
from ._sources import StreamingSource

if TYPE_CHECKING:
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog


# Sockets


async def test_a_unix_socket(tmp_path: Path) -> None:
    seen: list[str | None] = []

    def note(request: HTTPServerRequest) -> None:
        seen.append(request.remote_ip)
        respond(request)

    path = str(tmp_path / "socket")
    server = HTTPServer(note)
    server.add_socket(bind_unix_socket(path))
    async with Client(*await asyncio.open_unix_connection(path)) as client:
        assert (await client.ask(head())).status == 200
    server.stop()
    await server.close_all_connections()
    assert seen == ["0.0.0.0"]


def test_a_unix_socket_on_uvloop(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")
    uvloop.run(test_a_unix_socket(tmp_path))


async def test_listening_may_stop_before_it_began() -> None:
    server = HTTPServer(echo)
    server.listen(0, "127.0.0.1")
    server.stop()
    server.stop()
    await asyncio.sleep(0)


async def test_bind_and_start() -> None:
    server = HTTPServer(echo)
    server.bind(0, "127.0.0.1")
    server.start()
    (sock,) = server._sockets.values()  # pyright: ignore[reportPrivateUsage]
    async with Client(*await asyncio.open_connection(*sock.getsockname())) as client:
        assert await client.is_open()
    server.stop()
    await server.close_all_connections()


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="no SO_REUSEPORT")
def test_workers_with_a_socket_each() -> None:
    program = """
import asyncio, os, sys
from halny.httpserver import HTTPServer
from halny.ioloop import IOLoop

def serve(request):
    body = str(os.getpid()).encode()
    request.connection.respond(200, "OK", b"Content-Length: %d\\r\\n" % len(body), body)

server = HTTPServer(serve)
server.bind(0, "127.0.0.1", reuse_port=True)
(sock,) = server._pending_sockets
print(sock.getsockname()[1], flush=True)
server.start(2, max_restarts=0)

async def main():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

IOLoop.current().run_sync(main)
"""

    async def main() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = int(await asyncio.wait_for(process.stdout.readline(), PATIENCE))
            pids: set[bytes] = set()
            async with asyncio.timeout(PATIENCE):
                while len(pids) < 2:  # every connection is answered: none goes to a socket that nobody serves
                    try:
                        async with Client(*await asyncio.open_connection("127.0.0.1", port)) as client:
                            pids.add((await client.ask(head())).body)
                    except (ConnectionError, asyncio.IncompleteReadError):
                        continue  # neither has begun to listen
            assert str(process.pid).encode() not in pids
        finally:
            process.stdin.close()
            await process.wait()

    asyncio.run(main())


# Ends


async def test_drain_answers_what_is_in_flight() -> None:
    release = asyncio.Event()

    async def serve(request: HTTPServerRequest) -> None:
        if request.uri == "/slow":
            await release.wait()
        respond(request)

    async with serving(serve) as server:
        async with await server.connect() as idle, await server.connect() as busy, await server.connect() as half:
            assert await idle.is_open()
            half.send(head()[:-2])
            busy.send(head("GET", "/slow"))
            await server.until(lambda: server.settings.tasks and server.server.connection_count == 3)
            draining = asyncio.create_task(server.server.drain(PATIENCE))
            assert await idle.rest() == b""
            half.send(b"\r\n")
            assert (await half.response()).headers["connection"] == "close"
            release.set()
            assert (await busy.response()).headers["connection"] == "close"
            assert await busy.rest() == b""
        assert await draining is True
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await server.connect()


@pytest.mark.parametrize("no_keep_alive", [False, True])
async def test_a_server_that_was_drained_may_listen_again(no_keep_alive: bool) -> None:
    async with serving(no_keep_alive=no_keep_alive) as server:
        assert await server.server.drain(PATIENCE) is True
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        server.server.add_sockets([sock])
        server.port = sock.getsockname()[1]
        assert ("connection" in (await server.ask(head())).headers) is no_keep_alive


async def test_stopping_ends_no_open_connection() -> None:
    async with serving() as server, await server.connect() as client:
        assert await client.is_open()
        server.server.stop()
        assert await client.is_open()
        assert await client.is_open()


async def test_drain_cuts_off_what_takes_too_long() -> None:
    async def serve(request: HTTPServerRequest) -> None:
        closed = asyncio.Event()
        connection: Any = request.connection
        connection.set_close_callback(closed.set)
        await closed.wait()

    async with serving(serve) as server, await server.connect() as client:
        client.send(head())
        await server.until(lambda: server.settings.tasks)
        assert await server.server.drain(0.01) is False
        assert server.server.connection_count == 0
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.response()


# Delegates


class Recorder(HTTPServerConnectionDelegate):
    """Tells of everything that it is told."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.closed: list[object] = []

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        recorder = self

        class Message(HTTPMessageDelegate):
            def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
                recorder.events.append((start_line.method, start_line.path, headers["Host"]))

            def data_received(self, chunk: bytes) -> None:
                recorder.events.append(chunk)

            def finish(self) -> None:
                request_conn.respond(200, "OK", b"Content-Length: 0\r\n", b"")

            def on_connection_close(self) -> None:
                recorder.events.append("closed")

        self.server_conn = server_conn
        return Message()

    def on_close(self, server_conn: object) -> None:
        self.closed.append(server_conn)


async def test_a_delegate_is_told_of_messages_and_connections() -> None:
    recorder = Recorder()
    async with serving(recorder) as server:
        async with await server.connect() as client:
            await client.ask(head("POST", "/1", "Content-Length: 3") + b"abc")
            await client.ask(head("GET", "/2"))
            client.send(head("POST", "/3", "Content-Length: 3"))
            await server.until(lambda: len(recorder.events) == 4)
        await server.until(lambda: recorder.closed)
        await asyncio.sleep(0)
    assert recorder.events == [("POST", "/1", "h"), b"abc", ("GET", "/2", "h"), ("POST", "/3", "h"), "closed"]
    assert recorder.closed == [recorder.server_conn]


async def test_a_subclass_may_see_every_request() -> None:
    class Seeing(HTTPServer):
        def initialize(self, *args: Any, **kwargs: Any) -> None:
            self.seen: list[object] = []
            super().initialize(*args, **kwargs)

        def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
            self.seen.append(server_conn)
            return super().start_request(server_conn, request_conn)

        def on_close(self, server_conn: object) -> None:
            self.seen.append("closed")
            super().on_close(server_conn)

    server = Seeing(echo)
    server.listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()  # pyright: ignore[reportPrivateUsage]
    async with Client(*await asyncio.open_connection(*sock.getsockname())) as client:
        assert (await client.ask(head("POST", "/", "Content-Length: 3") + b"abc")).body == b"POST / abc"
    server.stop()
    await server.close_all_connections()
    assert [each if isinstance(each, str) else "request" for each in server.seen] == ["request", "closed"]


async def test_on_close_that_raises_harms_nobody(expect_log: ExpectLog) -> None:
    class Raising(Recorder):
        def on_close(self, server_conn: object) -> None:
            raise ValueError("broken")

    with expect_log("halny.application", "exception in on_close", logging.ERROR, count=1):
        async with serving(Raising()) as server:
            assert (await server.ask(head())).status == 200


async def test_a_delegate_may_answer_before_it_is_told_anything() -> None:
    class Hasty(HTTPServerConnectionDelegate):
        def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
            request_conn.respond(403, "No", b"Content-Length: 0\r\n", b"")
            return HTTPMessageDelegate()

    async with serving(Hasty()) as server, await server.connect() as client:
        assert (await client.ask(head() + head())).status == 403
        assert (await client.response()).status == 403
        client.send(head("POST", "/", "Content-Length: 30") + head())
        assert (await client.response()).headers["connection"] == "close"
        assert await client.rest() == b""


async def test_what_can_not_be_served() -> None:
    with pytest.raises(TypeError, match="needs a delegate"):
        HTTPServer(3)
    with pytest.raises(ValueError, match="choose what your proxy writes"):
        HTTPServer(echo, xheaders=True, forwarded=True)
    with pytest.raises(ValueError, match="not appear to be an IPv4 or IPv6 network"):
        HTTPServer(echo, xheaders=True, trusted_proxies=["nonsense"])
    with pytest.raises(ValueError, match="expected a list"):
        HTTPServer(echo, xheaders=True, trusted_proxies="10.0.0.1")
    with pytest.raises(ValueError, match="without ssl_options"):
        HTTPServer(echo, server_names={"a": server_context()})
    assert CallableDelegate is not None


# Handing the connection over


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("wait", [False, True])
async def test_a_detached_connection_is_a_stream_with_what_came_behind(secure: bool, wait: bool) -> None:
    streams: list[IOStream] = []

    async def talk(stream: IOStream) -> None:
        while True:
            line = await stream.read_until(b"\n")
            await stream.write(b"<" + line)
            if line == b"bye\n":
                stream.close()
                return

    def serve(request: HTTPServerRequest) -> Any:
        connection: Any = request.connection
        connection.write_headers(ResponseStartLine("HTTP/1.1", 101, "Switching Protocols"), HTTPHeaders())
        streams.append(connection.detach())
        return talk(streams[0])

    options = {"ssl_options": server_context()} if secure else {}
    async with serving(later(serve) if wait else serve, **options) as server:
        async with await server.connect(client_context() if secure else None) as client:
            client.send(head("GET", "/", "Connection: Upgrade", "Upgrade: talk") + b"first\nsec")
            assert (await client.response()).status == 101
            assert await client.reader.readline() == b"<first\n"
            assert server.server.connection_count == 0
            client.send(b"ond\n")
            assert await client.reader.readline() == b"<second\n"
            client.send(b"bye\n")
            assert await client.rest() == b"<bye\n"
        assert isinstance(streams[0], SSLIOStream) is secure
        await server.server.close_all_connections()


async def test_the_view_of_the_stream() -> None:
    closed = asyncio.Event()
    streams: list[Any] = []

    def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        stream = connection.stream
        assert stream is connection.stream
        stream.set_nodelay(True)
        stream.set_close_callback(closed.set)
        assert stream.socket.getpeername()[0] == "127.0.0.1"
        assert stream.fileno() > 0
        assert (stream.closed(), stream.writing()) == (False, False)
        streams.append(stream)
        respond(request)

    async with serving(serve) as server:
        async with await server.connect() as client:
            assert await client.is_open()
            assert await client.is_open()
        await asyncio.wait_for(closed.wait(), PATIENCE)
        stream = streams[0]
        assert (stream.closed(), stream.writing(), stream.socket, stream.fileno()) == (True, False, None, -1)
        assert stream.error is None
        stream.set_nodelay(True)
        async with await server.connect() as client:
            assert await client.is_open()
            streams[-1].close()
            assert await client.rest() == b""


# TLS


async def test_tls_and_the_certificate_of_the_client() -> None:
    seen: list[Any] = []

    def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        seen.extend([request.protocol, request.get_ssl_certificate(), connection.stream.socket.version()])
        echo(request)

    async with serving(serve, ssl_options=server_context()) as server:
        async with await server.connect(client_context()) as client:
            body = bytes(500_000)
            response = await client.ask(head("POST", "/", "Content-Length: 500000") + body)
            assert response.body == b"POST / " + body
    assert seen[:2] == ["https", None]
    assert seen[2].startswith("TLSv1.")


async def test_a_refusal_survives_over_tls(expect_log: ExpectLog) -> None:
    async with serving(StreamingSource(), ssl_options=server_context(), max_body_size=10) as server:
        async with await server.connect(client_context()) as client:
            with expect_log("halny.general", "at most 10", logging.INFO):
                client.send(head("POST", "/", "Content-Length: 3000000") + bytes(3_000_000))
                assert (await client.response()).status == 413
                server.look(10.0)
                assert await client.rest() == b""


def options_of(name: str, folder: Path = CERTIFICATES) -> dict[str, str]:
    return {"certfile": str(folder / f"{name}.crt"), "keyfile": str(folder / f"{name}.key")}


async def test_certificates_by_name() -> None:
    names = {"elsewhere.example": options_of("elsewhere"), "*.Wild.example": server_context("elsewhere")}
    async with serving(ssl_options=options_of("localhost"), server_names=names) as server:
        default, other = client_context(), client_context("elsewhere")
        other.check_hostname = False
        for context, name in ((default, "localhost"), (other, "elsewhere.example"), (other, "a.wild.example")):
            async with await server.connect(context, name) as client:
                assert await client.is_open()
        default.check_hostname = False
        async with await server.connect(default, "unknown.example") as client:
            assert await client.is_open()


async def test_certificates_are_read_anew(tmp_path: Path) -> None:
    def put(name: str, key: str) -> None:
        (tmp_path / "now.crt").write_bytes((CERTIFICATES / f"{name}.crt").read_bytes())
        (tmp_path / "now.key").write_bytes((CERTIFICATES / f"{key}.key").read_bytes())

    put("localhost", "localhost")
    other = client_context("elsewhere")
    other.check_hostname = False
    async with serving(ssl_options=options_of("now", tmp_path)) as server:
        async with await server.connect(client_context()) as before:
            assert await before.is_open()
            put("elsewhere", "localhost")
            with pytest.raises(OSError, match=r"(?i)key"):
                server.server.reload_certificates()  # they don't belong together: nothing is changed
            async with await server.connect(client_context()) as client:
                assert await client.is_open()
            put("elsewhere", "elsewhere")
            server.server.reload_certificates()
            async with await server.connect(other) as client:
                assert await client.is_open()
            assert await before.is_open()


def test_certificates_that_can_not_be_read_anew() -> None:
    with pytest.raises(RuntimeError, match="without ssl_options"):
        HTTPServer(echo).reload_certificates()
    with pytest.raises(RuntimeError, match="load_cert_chain"):
        HTTPServer(echo, ssl_options=server_context()).reload_certificates()
    context = server_context()
    context.sni_callback = lambda connection, name, context: None
    with pytest.raises(ValueError, match="sni_callback"):
        HTTPServer(echo, ssl_options=context, server_names={"a": server_context()})


# Inherited sockets


def test_inherited_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert inherited_sockets() == []
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    assert inherited_sockets() == []  # for another process
    assert "LISTEN_FDS" not in os.environ
    for count in ("-1", "x", "99999"):
        monkeypatch.setenv("LISTEN_FDS", count)
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        with pytest.raises(ValueError, match="LISTEN_FDS"):
            inherited_sockets(unset_environment=False)


@pytest.mark.skipif(os.name == "nt", reason="descriptors are inherited on POSIX")
def test_a_server_on_inherited_sockets() -> None:
    program = """
import asyncio, os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
from halny.httpserver import HTTPServer, inherited_sockets

async def main():
    server = HTTPServer(lambda request: request.connection.respond(200, "OK", b"Content-Length: 2\\r\\n", b"hi"))
    server.add_sockets(inherited_sockets())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            os.set_inheritable(sock.fileno(), True)
            run = f"import os, sys; os.dup2({sock.fileno()}, 3); os.execv(sys.executable, sys.argv[1:])"
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", run, sys.executable, "-c", program,
                env={**os.environ, "LISTEN_FDS": "1"}, stdin=asyncio.subprocess.PIPE, pass_fds=[sock.fileno()],
            )  # fmt: skip
            assert process.stdin is not None
            try:
                async with Client(*await asyncio.open_connection(*sock.getsockname())) as client:
                    assert (await client.ask(head())).body == b"hi"
            finally:
                process.stdin.close()
                await process.wait()

    asyncio.run(main())
