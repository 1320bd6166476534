from __future__ import annotations

import gzip
import os
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPHeaders, ResponseStartLine
from halny.httpserver._bodies import MIN_BUFFERED, Collector

from ._helpers import echo, head, serving
from ._sources import StreamingSource

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from halny.http import HTTPServerRequest

SIZES = [0, 1, MIN_BUFFERED - 1, MIN_BUFFERED, 300_000]


@pytest.mark.parametrize("announced", SIZES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [1000, 70_000])
def test_a_body_is_what_has_come_whatever_was_announced(announced: int, size: int, step: int) -> None:
    body = os.urandom(size)
    collector = Collector(announced)
    for start in range(0, size, step):
        collector.add([body[start : start + step]])
    assert collector.whole() == body


@pytest.mark.parametrize("coding", ["gzip", "deflate", "empty members"])
@pytest.mark.parametrize("size", [1000, 300_000])
async def test_a_body_that_its_coding_makes_longer_is_itself_again(coding: str, size: int) -> None:
    body = os.urandom(size)
    coded = zlib.compress(body) if coding == "deflate" else gzip.compress(body)
    if coding == "empty members":
        coded += 10_000 * gzip.compress(b"")
        coding = "gzip"
    lines = f"Content-Length: {len(coded)}", f"Content-Encoding: {coding}"
    async with serving(echo, decompress_request=True) as server:
        assert (await server.ask(head("POST", "/", *lines) + coded)).body == b"POST / " + body


class Beginning(StreamingSource):
    """Begins its response before it takes the body."""

    def find_endpoint(self, request: HTTPServerRequest) -> Any:
        endpoint: Any = super().find_endpoint(request)
        connection: Any = request.connection

        def run() -> None:
            connection.write_headers(ResponseStartLine("", 200, "OK"), HTTPHeaders(), b"begun ")

        def body_complete() -> None:
            connection.write(b"ended")
            connection.finish()

        class Begun(type(endpoint)):  # type: ignore[misc]
            def run(self) -> None:
                run()

            def body_complete(self) -> None:
                body_complete()

            def wait_for_body(self) -> Awaitable[None] | None:
                return None

        return Begun(self, request)


async def test_nobody_is_told_to_continue_within_a_response() -> None:
    # RFC 9110, section 15.2: interim responses come before the final one.
    async with serving(Beginning()) as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 3", "Expect: 100-continue"))
        await server.until(lambda: server.settings.tasks)
        client.send(b"abc")
        response = await client.response()
        assert (response.status, response.body) == (200, b"begun ended")
