"""Bodies that are collected, and bodies that are handed over as they come."""

from __future__ import annotations

import asyncio
import gzip
import logging
import tracemalloc
import zlib
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import EndpointSource, HTTPMessageDelegate, HTTPServerConnectionDelegate, StreamingEndpoint

from ._helpers import Client, echo, head, respond, said_of, serving
from ._sources import StreamingSource

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from halny.http import Endpoint, HTTPConnection, HTTPServerRequest
    from tools.strict_tests.logs import ExpectLog

BODY = bytes(range(256)) * 4000


def framed(framing: str, body: bytes) -> tuple[str, bytes]:
    if framing == "length":
        return f"Content-Length: {len(body)}", body
    chunks = b"".join(
        b"%x;x=y\r\n%b\r\n" % (len(body[i : i + 7777]), body[i : i + 7777]) for i in range(0, len(body), 7777)
    )
    return "Transfer-Encoding: chunked", chunks + b"0\r\nTrailer: x\r\n\r\n"


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("waits", [False, True])
async def test_a_streamed_body_arrives_whole_and_in_order(framing: str, waits: bool) -> None:
    source = StreamingSource(waits=waits)
    source.release.set()
    line, body = framed(framing, BODY)
    async with serving(source, chunk_size=10_000) as server, await server.connect() as client:
        # What comes right behind it is the next request, even if it comes while the last part is handed over.
        client.send(head("POST", "/", line) + body + head("GET", "/next"))
        assert (await client.response()).body == str(len(BODY)).encode()
        assert (await client.response()).body == b"0"
        assert await client.is_open()
    assert b"".join(source.parts) == BODY
    assert max(map(len, source.parts)) <= 10_000


async def test_the_next_request_may_come_while_the_last_part_is_waited_for() -> None:
    source = StreamingSource(waits=True)
    async with serving(source) as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 3") + b"abc")
        await server.until(lambda: source.parts)
        client.send(head("GET", "/next"))
        await server.until(lambda: server.connection._upload is None or server.connection._upload._held)
        source.release.set()
        assert (await client.response()).body == b"3"
        assert (await client.response()).body == b"0"


async def test_a_slow_endpoint_lets_the_peer_wait() -> None:
    source = StreamingSource(waits=True)
    async with serving(source, chunk_size=65536) as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 50000000") + bytes(50_000_000))
        await server.until(lambda: server.settings.connections and server.connection._reading_paused)
        assert len(server.connection._upload._held) < 1_000_000
        source.release.set()
        assert (await client.response()).body == b"50000000"


async def test_continue_is_sent_when_the_endpoint_wants_the_body() -> None:
    ready = asyncio.Event()
    async with serving(StreamingSource(ready=ready)) as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 3", "Expect: 100-continue"))
        await server.until(lambda: server.settings.tasks)
        reading = asyncio.ensure_future(client.response())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not reading.done()
        ready.set()
        assert (await reading).status == 100
        assert (await client.ask(b"abc")).body == b"3"


async def test_a_limit_that_is_set_late_holds(expect_log: ExpectLog) -> None:
    # The limit may be raised or lowered until the body is wanted, and 413 comes before 100 Continue would.
    async with (
        serving(StreamingSource(max_body_size=200), max_body_size=10) as server,
        await server.connect() as client,
    ):
        assert (await client.ask(head("POST", "/", "Content-Length: 100") + bytes(100))).body == b"100"
        with expect_log("halny.general", "at most 200", logging.INFO, count=1):
            response = await client.ask(head("POST", "/", "Content-Length: 201", "Expect: 100-continue"))
        assert (response.status, response.headers["connection"]) == (413, "close")


@pytest.mark.parametrize("answers", [0, 1])
async def test_an_early_answer_ends_the_connection(answers: int) -> None:
    # The rest of the body must not be read as a request: a smuggled one (RFC 9112, section 9.3 and 11.2).
    smuggled = head("GET", "/smuggled")
    source = StreamingSource(answers=answers)
    async with serving(source) as server, await server.connect() as client:
        client.send(head("POST", "/", f"Content-Length: {len(smuggled) + 3}") + b"abc")
        await asyncio.sleep(0)
        response = await client.response()
        client.send(smuggled)
        assert (response.status, response.headers["connection"]) == (200, "close")
        assert await client.rest() == b""
    assert source.events.count("run") == 1


@pytest.mark.parametrize("waits", [False, True])
async def test_an_endpoint_is_told_that_it_gets_no_more_once_it_has_answered(waits: bool) -> None:
    source = StreamingSource(answers=1, waits=waits)
    async with serving(source) as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 6") + b"abc")
        assert (await client.response()).status == 200
        if waits:
            assert source.events == ["run"]  # what it has begun with its part comes first
        source.release.set()
        await server.until(lambda: len(source.events) > 1 and not server.settings.tasks)
    assert source.events == ["run", "dropped"]


async def test_a_client_that_leaves_within_the_body(expect_log: ExpectLog) -> None:
    source = StreamingSource()
    async with serving(source) as server:
        async with await server.connect() as client:
            client.send(head("POST", "/", "Content-Length: 10") + b"abc")
            await server.until(lambda: source.parts)
        await server.until(lambda: not server.settings.connections and not server.settings.tasks)
        assert source.events == ["run", "closed"]
        async with await server.connect() as client:
            client.send(head("POST", "/", "Content-Length: 10", "Expect: 100-continue"))
            await server.until(lambda: server.settings.connections)
        await server.until(lambda: not server.settings.connections and not server.settings.tasks)


async def test_an_endpoint_that_fails_in_the_middle(expect_log: ExpectLog) -> None:
    class Failing(StreamingSource):
        pass

    source = Failing()
    source.parts = None  # type: ignore[assignment]
    async with serving(source) as server, await server.connect() as client:
        with expect_log("halny.application", "exception in", logging.ERROR, count=1):
            assert (await client.ask(head("POST", "/", "Content-Length: 10") + b"abc")).status == 500
        assert await client.rest() == b""


@pytest.mark.parametrize("split", [False, True])
async def test_what_an_endpoint_begins_with_its_last_part_is_run_though_it_has_answered(split: bool) -> None:
    ended: list[bytes] = []

    class Answering(StreamingEndpoint):
        def __init__(self, request: HTTPServerRequest) -> None:
            self.request = request

        def run(self) -> None:
            pass

        def wait_for_body(self) -> None:
            return None

        def data_received(self, chunk: bytes) -> Awaitable[None]:
            respond(self.request)
            return self.end(chunk)

        async def end(self, chunk: bytes) -> None:
            await asyncio.sleep(0)
            ended.append(chunk)

        def body_complete(self) -> None:
            raise AssertionError("the connection ends with its answer")

    class Source(EndpointSource):
        def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
            return Answering(request)

    async with serving(Source()) as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 6") + (b"" if split else b"abc"))
        if split:
            await server.until(lambda: server.settings.connections and server.connection._upload is not None)
            await server.until(lambda: server.connection._upload.waits_for_peer)
            client.send(b"abc")
        assert (await client.response()).status == 200
        assert await client.rest() == b""
        await server.until(lambda: not server.settings.tasks)
    assert ended == [b"abc"]


@pytest.mark.parametrize("source", [echo, StreamingSource()], ids=["whole", "streamed"])
async def test_a_flood_of_tiny_chunks_starves_nobody(source: Any) -> None:
    # Tornado's release notes of 6.6.0 name the attack: five bytes of framing for each byte of content.
    count = 60_000
    async with serving(source) as server, await server.connect() as flood, await server.connect() as other:
        assert await other.is_open()
        flood.send(head("POST", "/", "Transfer-Encoding: chunked") + b"1\r\nx\r\n" * count + b"0\r\n\r\n")
        for _ in range(20):
            assert await other.is_open()
        assert (await flood.response()).body in (b"POST / " + b"x" * count, str(count).encode())


# Over the limit


@pytest.mark.parametrize("byte_by_byte", [False, True])
@pytest.mark.parametrize("source", [echo, StreamingSource()], ids=["whole", "streamed"])
async def test_a_chunked_body_over_its_limit(source: Any, byte_by_byte: bool, expect_log: ExpectLog) -> None:
    # RFC 9110, section 15.5.14
    async with serving(source, max_body_size=20) as server, await server.connect() as client:
        with expect_log("halny.general", "more than 20 bytes", logging.INFO, count=1):
            client.send(head("POST", "/", "Transfer-Encoding: chunked"))
            for piece in [b"1\r\nx\r\n"] * 21 if byte_by_byte else [b"15\r\n" + bytes(21)]:
                client.send(piece)
                await client.writer.drain()
                await asyncio.sleep(0)
            response = await client.response()
        assert (response.status, response.headers["connection"]) == (413, "close")
        assert await client.rest() == b""


class Limiting(HTTPServerConnectionDelegate):
    """Sets the limit of each body when its request begins, and answers with the body's length."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        connection: Any = request_conn
        if self.limit is not None:
            connection.set_max_body_size(self.limit)
            self.limit = None
        return Counting(connection)


class Counting(HTTPMessageDelegate):
    def __init__(self, connection: HTTPConnection) -> None:
        self.connection = connection
        self.size = 0

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def finish(self) -> None:
        self.connection.respond(200, "OK", b"Content-Length: 2\r\n", b"%2d" % self.size)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(("limit", "status"), [(None, 413), (19, 413), (20, 200)])
async def test_a_limit_that_is_set_when_the_request_begins(
    framing: str, limit: int | None, status: int, expect_log: ExpectLog
) -> None:
    line, body = framed(framing, bytes(20))
    async with serving(Limiting(limit), max_body_size=10) as server, await server.connect() as client:
        with expect_log("halny.general", "^refused request", logging.INFO, count=1):
            assert (await client.ask(head("POST", "/", line) + body)).status == status
            if status == 200:  # it was for one request
                assert (await client.ask(head("POST", "/", line) + body)).status == 413


@pytest.mark.parametrize(("limit", "status"), [(19, 413), (20, 200)])
async def test_a_limit_that_is_set_while_the_endpoint_is_found(limit: int, status: int, expect_log: ExpectLog) -> None:
    class Source(EndpointSource):
        def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
            connection: Any = request.connection
            connection.set_max_body_size(limit)
            return found.find_endpoint(request)

    found = StreamingSource(max_body_size=15)
    async with serving(Source(), max_body_size=10) as server:
        with expect_log("halny.general", "at most 19", logging.INFO) if status == 413 else nullcontext():
            assert (await server.ask(head("POST", "/", "Content-Length: 20") + bytes(20))).status == status


# Content codings


@pytest.mark.parametrize("source", [echo, StreamingSource()], ids=["whole", "streamed"])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "x-gzip"])
async def test_request_bodies_are_decoded(source: Any, coding: str) -> None:
    coded = zlib.compress(BODY) if coding == "deflate" else gzip.compress(BODY)
    expected = b"POST / " + BODY if source is echo else str(len(BODY)).encode()
    async with serving(source, decompress_request=True) as server, await server.connect() as client:
        for framing in ("length", "chunked"):
            line, body = framed(framing, coded)
            assert (await client.ask(head("POST", "/", line, f"Content-Encoding: {coding}") + body)).body == expected
        assert (
            await client.ask(head("POST", "/", "Content-Length: 1", "Content-Encoding: identity") + b"x")
        ).status == 200


async def test_a_decoded_request_tells_what_it_was() -> None:
    seen: list[tuple[str | None, str | None]] = []

    def note(request: HTTPServerRequest) -> None:
        seen.append((request.headers.get("Content-Encoding"), request.headers.get("X-Consumed-Content-Encoding")))
        respond(request, request.body)

    coded = gzip.compress(b"text")
    request = head("POST", "/", f"Content-Length: {len(coded)}", "Content-Encoding: gzip") + coded
    async with serving(note, decompress_request=True) as server:
        assert (await server.ask(request)).body == b"text"
    async with serving(note) as server:
        assert (await server.ask(request)).body == coded
    assert seen == [(None, "gzip"), ("gzip", None)]


class Telling(StreamingSource):
    """Remembers what its endpoints and whoever makes them see of the content coding."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str | None, str | None]] = []

    def find_endpoint(self, request: HTTPServerRequest) -> StreamingEndpoint:
        self.seen.append((request.headers.get("Content-Encoding"), request.headers.get("X-Consumed-Content-Encoding")))
        return super().find_endpoint(request)


async def test_a_streaming_endpoint_is_told_from_the_beginning_that_its_body_is_decoded() -> None:
    coded = gzip.compress(b"text")
    request = head("POST", "/", f"Content-Length: {len(coded)}", "Content-Encoding: gzip") + coded
    source = Telling()
    async with serving(source, decompress_request=True) as server, await server.connect() as client:
        assert (await client.ask(request)).body == b"4"
        # What the request before has had is not this one's, and what has no body is not decoded.
        assert (await client.ask(head("POST", "/", "Content-Length: 4") + b"text")).body == b"4"
        assert (await client.ask(head("GET", "/", "Content-Encoding: gzip"))).body == b"0"
    assert source.seen == [(None, "gzip"), (None, None), ("gzip", None)]
    assert source.parts == [b"text", b"text"]


async def test_a_coding_that_is_unknown_is_refused_before_anybody_is_asked(expect_log: ExpectLog) -> None:
    source = Telling()
    async with serving(source, decompress_request=True) as server, await server.connect() as client:
        with expect_log("halny.general", "unsupported content coding", logging.INFO, count=1):
            lines = ("Content-Length: 4", "Content-Encoding: unheard-of", "Expect: 100-continue")
            assert (await client.ask(head("POST", "/", *lines))).status == 415
        assert await client.rest() == b""
    assert source.seen == []


@pytest.mark.parametrize("source", [echo, StreamingSource()], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("gzip", b"no gzip at all", 400),
        ("gzip", gzip.compress(b"text")[:-4], 400),
        ("gzip", gzip.compress(b"text") + b"behind", 400),
        ("gzip", gzip.compress(bytes(10_000_000)), 413),  # a bomb: 10 kB
        ("gzip, gzip", gzip.compress(gzip.compress(b"text")), 415),
        ("unheard-of", b"text", 415),
    ],
)
async def test_bodies_that_can_not_be_decoded(
    source: Any, coding: str, body: bytes, status: int, expect_log: ExpectLog
) -> None:
    async with serving(source, decompress_request=True, max_body_size=1_000_000) as server:
        async with await server.connect() as client:
            with expect_log("halny.general", f"^{said_of(status)} from", logging.INFO, count=1):
                line = f"Content-Length: {len(body)}"
                response = await client.ask(head("POST", "/", line, f"Content-Encoding: {coding}") + body)
            assert (response.status, response.headers["connection"]) == (status, "close")
            assert await client.rest() == b""


async def test_a_bomb_is_not_unpacked_all_at_once() -> None:
    bomb = gzip.compress(bytes(90_000_000))
    source = StreamingSource(waits=True)
    async with serving(source, decompress_request=True) as server, await server.connect() as client:
        tracemalloc.start()
        client.send(head("POST", "/", f"Content-Length: {len(bomb)}", "Content-Encoding: gzip") + bomb)
        await server.until(lambda: source.parts)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 5_000_000
        source.release.set()
        source.parts.clear()
        assert (await client.response()).body == b"90000000"


async def test_uploads_leave_no_memory_behind() -> None:
    line, body = framed("length", BODY)
    async with serving(echo) as server, await server.connect() as client:
        await upload(client, line, body)
        tracemalloc.start()
        await upload(client, line, body)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10):
            await upload(client, line, body)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert after - before < 200_000


async def upload(client: Client, line: str, body: bytes) -> None:
    assert len((await client.ask(head("POST", "/", line) + body)).body) == len(BODY) + 7


async def test_a_peer_that_announces_much_costs_little() -> None:
    async with serving(echo) as server, await server.connect() as client:
        tracemalloc.start()
        client.send(head("POST", "/", "Content-Length: 100000000") + bytes(1000))
        await server.until(lambda: server.settings.connections and server.connection._body is not None)
        current, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert current < 1_000_000
