"""Endpoints for tests: one that takes its body as it comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from halny.http import EndpointSource, HTTPServerRequest, StreamingEndpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable


class StreamingSource(EndpointSource):
    """Makes streaming endpoints that answer with the length of what came, and remembers what they were told.

    Args:
        body_timeout: what they set as the time of their body.
        max_body_size: what they set as the limit of their body.
        ready: what they wait for before they want the body.
        waits: whether each part waits for `release`.
        answers: after how many parts they answer; None for all, 0 for none.
    """

    def __init__(
        self,
        *,
        body_timeout: float | None = None,
        max_body_size: int | None = None,
        ready: asyncio.Event | None = None,
        waits: bool = False,
        answers: int | None = None,
    ) -> None:
        self.body_timeout = body_timeout
        self.max_body_size = max_body_size
        self.ready = ready
        self.waits = waits
        self.answers = answers
        self.release = asyncio.Event()
        self.parts: list[bytes] = []
        self.events: list[str] = []

    def find_endpoint(self, request: HTTPServerRequest) -> StreamingEndpoint:
        return _Streaming(self, request)


class _Streaming(StreamingEndpoint):
    def __init__(self, source: StreamingSource, request: HTTPServerRequest) -> None:
        self.source = source
        self.request = request
        self.max_body_size = source.max_body_size
        self.count = 0
        self.size = 0

    def run(self) -> None:
        connection: Any = self.request.connection
        self.source.events.append("run")
        if self.source.body_timeout is not None:
            connection.set_body_timeout(self.source.body_timeout)
        if not self.request.has_body or self.source.answers == 0:
            self.answer()

    def wait_for_body(self) -> Awaitable[None] | None:
        return None if self.source.ready is None else self._wait(self.source.ready)

    async def _wait(self, event: asyncio.Event) -> None:
        await event.wait()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self.source.parts.append(chunk)
        self.size += len(chunk)
        self.count += 1
        if self.count == self.source.answers:
            self.answer()
        return self._wait(self.source.release) if self.source.waits else None

    def body_complete(self) -> None:
        self.source.events.append("complete")
        if not self.source.answers:
            self.answer()

    def body_dropped(self) -> None:
        self.source.events.append("dropped")

    def on_connection_close(self) -> None:
        self.source.events.append("closed")

    def answer(self) -> None:
        body = str(self.size).encode()
        assert self.request.connection is not None
        self.request.connection.respond(200, "OK", b"Content-Length: %d\r\n" % len(body), body)
