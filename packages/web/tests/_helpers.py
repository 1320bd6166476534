"""What the tests of several modules share: applications on real sockets, and raw requests to them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from halny.httpserver import HTTPServer
from halny.web import Application, RequestHandler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from halny.http import HTTPMessageDelegate, HTTPServerRequest

FORM = "Content-Type: application/x-www-form-urlencoded"


@dataclass
class Answer:
    """A response as it came."""

    raw: bytes
    status: int = 0
    reason: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    body: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Answer:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        _, status, reason = first.split(" ", 2)
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        answer = cls(raw, int(status), reason, fields)
        answer.body = _unchunked(body) if answer.header("Transfer-Encoding") == "chunked" else body
        return answer

    def header(self, name: str) -> str | None:
        values = self.headers(name)
        return ", ".join(values) if values else None

    def headers(self, name: str) -> list[str]:
        return [value for known, value in self.fields if known.lower() == name.lower()]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.fields]

    @property
    def text(self) -> str:
        return self.body.decode()


def _unchunked(body: bytes) -> bytes:
    """The content of a chunked body; what lacks its last chunk says so."""
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        if not int(size, 16):
            return content
        content, body = content + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return content + b"<broken off>"


def request(method: str, path: str, headers: Iterable[str] = (), body: bytes = b"", *, close: bool = True) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: example.com", *headers]
    if close:
        lines.append("Connection: close")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Server:
    """An application on a port, and what it wrote to its access log."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.log: list[tuple[int, str]] = []

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, raw: bytes) -> bytes:
        """Send bytes and return all that comes back until the server closes the connection."""
        reader, writer = await self.open()
        try:
            writer.write(raw)
            async with asyncio.timeout(10):  # a test that fails says which one it is
                return await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(self, method: str, path: str, headers: Iterable[str] = (), body: bytes = b"") -> Answer:
        return Answer.parse(await self.send(request(method, path, headers, body)))

    async def get(self, path: str, *headers: str) -> Answer:
        return await self.ask("GET", path, headers)

    async def post(self, path: str, body: bytes = b"", *headers: str) -> Answer:
        return await self.ask("POST", path, (FORM, *headers), body)


@contextlib.asynccontextmanager
async def serving(application: Application, **options: Any) -> AsyncGenerator[Server]:
    """Serve an application on a port of the system's choice; its access log is collected."""
    http_server = HTTPServer(application, **options)
    http_server.listen(0, "127.0.0.1")
    (sock,) = http_server._sockets.values()  # pyright: ignore[reportPrivateUsage]
    server = Server(sock.getsockname()[1])

    def log(handler: RequestHandler) -> None:
        server.log.append((handler.get_status(), handler.request.uri))

    application.settings.setdefault("log_function", log)
    try:
        yield server
    finally:
        http_server.stop()
        await http_server.close_all_connections()


class DelegateApplication(Application):
    """An application that finds its handlers in its own way, so that everything goes through delegates."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        return super().find_handler(request, **kwargs)


def handler(get: Callable[[Any], object], **members: Any) -> type[RequestHandler]:
    """A handler class whose `get` is a function."""
    return type("Handler", (RequestHandler,), {"get": get, **members})
