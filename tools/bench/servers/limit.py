"""The limit: what is left when there is no server and no framework.

An `asyncio.Protocol` on uvloop parses requests with httptools and writes an answer that was made before. It honours
keep-alive and pipelining, and nothing else: it is what httptools and uvloop leave room for in Python, no more.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

import httptools
import uvloop

from tools.bench._processes import BACKLOG

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench._site import Site

UPLOAD_SIZE = 1 << 20


class Constant(asyncio.Protocol):
    """One connection that gives one answer."""

    __slots__ = ("_answer", "_complete", "_log", "_parser", "_transport")

    _transport: asyncio.Transport

    def __init__(self, answer: bytes, log: bool) -> None:
        self._answer = answer
        self._log = log
        self._complete = 0
        self._parser: Any = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.close()
            return
        if self._complete:
            self._transport.write(self._answer if self._complete == 1 else self._answer * self._complete)
            if self._log:
                for _ in range(self._complete):
                    logging.getLogger("limit.access").info("200 GET / (127.0.0.1) %.2fms", 0.01)
            self._complete = 0
            if not self._parser.should_keep_alive():
                self._transport.close()

    def on_message_complete(self) -> None:
        self._complete += 1


def _answer(body: bytes, content_type: str = "text/html; charset=UTF-8") -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nServer: limit\r\n"
        f"Content-Type: {content_type}\r\n"
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
        'Etag: "e02aa1b106d5c7c6a98def2b13005d5b84fd8dc8"\r\n'
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def hello(site: Site) -> bytes:
    return _answer(b"Hello, world")


def json(site: Site) -> bytes:
    # Of the length that the others' answers have; a constant can't echo.
    value = '{"id": 42, "query": "word-10000000", "tags": ["red", "green"], "price": 12.5, "stock": null}'
    return _answer(value.encode("ascii"), "application/json; charset=UTF-8")


def upload(site: Site) -> bytes:
    return _answer(str(UPLOAD_SIZE).encode("ascii"))


def static(site: Site) -> bytes:
    size = site.case.removeprefix("static-")
    return _answer((site.static / f"{size}.bin").read_bytes(), "application/octet-stream")


APPS: dict[str, Callable[[Site], bytes]] = {
    "hello": hello,
    "await": hello,
    "json": json,
    "routes": hello,
    "upload": upload,
    "upload-stream": upload,
    "static": static,
}


def serve(app: bytes, site: Site) -> None:
    """Run until the process is killed."""
    if site.access_log:
        logging.basicConfig(level=logging.INFO)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Constant(app, site.access_log), sock=site.socket, ssl=site.tls_context(), backlog=BACKLOG
        )
        await server.serve_forever()

    uvloop.run(main())
