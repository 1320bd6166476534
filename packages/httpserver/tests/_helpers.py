"""What the tests share: a server on a real socket, and a client that sends exactly what it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from halny.httpserver import HTTPServer
from halny.httpserver._progress import progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from halny.http import EndpointSource, HTTPServerConnectionDelegate, HTTPServerRequest

    Application = Callable[[HTTPServerRequest], object] | EndpointSource | HTTPServerConnectionDelegate

TLS = Path(__file__).parent / "tls"
PATIENCE = 20.0
"""Seconds after which a test that waits has failed."""


def respond(request: HTTPServerRequest, body: bytes = b"hello", code: int = 200) -> None:
    """Answer a request with one whole response."""
    assert request.connection is not None
    request.connection.respond(code, "OK", b"Content-Length: %d\r\n" % len(body), body)


def echo(request: HTTPServerRequest) -> None:
    """Answer with the method, the target and the body that came."""
    respond(request, f"{request.method} {request.uri} ".encode() + request.body)


def head(method: str = "GET", target: str = "/", *lines: str, version: str = "HTTP/1.1") -> bytes:
    """A request's head with a `Host`."""
    return "\r\n".join([f"{method} {target} {version}", "Host: h", *lines, "", ""]).encode("latin-1")


def said_of(status: int) -> str:
    """What the log calls a request that the server answers with this status."""
    return "malformed HTTP message" if status == 400 else "refused request"


def server_context(name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{name}.crt", TLS / f"{name}.key")
    return context


def client_context(trusted: str = "localhost") -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(TLS / f"{trusted}.crt"))


class Response:
    """One response, as it came."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Client:
    """A connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):  # the server may have cut it off
            await self.writer.wait_closed()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def response(self, method: str = "GET") -> Response:
        """The next response; its body by Content-Length, chunks, or the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = raw[:-4].split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            status = int(status_line.split(" ")[1])
            return Response(status, headers, await self._body(method, status, headers))

    async def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status < 200 or status in (204, 304):
            return b""
        if headers.get("transfer-encoding") == "chunked":
            pieces: list[bytes] = []
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                pieces.append((await self.reader.readexactly(size + 2))[:-2])
            await self.reader.readexactly(2)
            return b"".join(pieces)
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        return await self.reader.read()

    async def ask(self, data: bytes, method: str = "GET") -> Response:
        self.send(data)
        return await self.response(method)

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection; a reset counts as a failure."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def is_open(self) -> bool:
        """Whether the server still answers on this connection."""
        return (await self.ask(head())).status == 200


class Serving:
    """A server that listens on a port that the system chose."""

    def __init__(self, server: HTTPServer, port: int) -> None:
        self.server = server
        self.port = port

    async def connect(self, context: ssl.SSLContext | None = None, name: str = "localhost") -> Client:
        options: dict[str, Any] = {} if context is None else {"ssl": context, "server_hostname": name}
        return Client(*await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20, **options))

    async def ask(self, data: bytes, method: str = "GET") -> Response:
        async with await self.connect() as client:
            return await client.ask(data, method)

    @property
    def settings(self) -> Any:
        """What the connections share: for tests that move the clock or look inside."""
        return self.server._settings  # pyright: ignore[reportPrivateUsage]

    @property
    def connection(self) -> Any:
        """The protocol of the only connection."""
        (connection,) = self.settings.connections
        return connection

    def look(self, later: float) -> None:
        """Do what the sweep would do some seconds later, without waiting for it."""
        now = asyncio.get_running_loop().time() + later
        for connection in [each for each in self.settings.connections if each.deadline <= now]:
            connection.look(now)

    async def look_until_gone(self, later: float) -> None:
        """Look again and again, each time long after the last, until no connection is left.

        The kernel of a client that reads nothing goes on taking for a while, which the server sees.
        """
        async with asyncio.timeout(PATIENCE):
            while self.settings.connections:
                self.look(later)
                later += 100.0
                await asyncio.sleep(0)

    async def until_taken(self) -> None:
        """Let the loop run until the clients' kernels have acknowledged everything, which they may do a little later.

        Before that the server waits for them when it looks.
        """
        await self.until(lambda: not any(progress(each.transport).left for each in self.settings.connections))

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the loop run until something is so."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0)


@asynccontextmanager
async def serving(callback: Application = echo, **options: Any) -> AsyncGenerator[Serving]:
    """Serve on a port until the block ends; then everything that it runs must end too."""
    server = HTTPServer(callback, **options)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    server.add_sockets([sock])
    result = Serving(server, sock.getsockname()[1])
    try:
        yield result
    finally:
        server.stop()
        await server.close_all_connections()
        await result.until(lambda: not result.settings.tasks)


def later(function: Callable[..., object]) -> Callable[[HTTPServerRequest], Any]:
    """Make a callback of a coroutine function or a plain one, so that it runs a turn of the loop later."""

    async def run(request: HTTPServerRequest) -> None:
        await asyncio.sleep(0)
        result = function(request)
        if inspect.isawaitable(result):
            await result

    return run
