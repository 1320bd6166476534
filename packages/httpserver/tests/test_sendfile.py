"""Files sent by the kernel or by threads, on real sockets, over asyncio's loop and over uvloop."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
from typing import TYPE_CHECKING, Any, Self

import pytest

from halny.http import HTTPHeaders, HTTPOutputError, HTTPServerRequest, ResponseStartLine
from halny.httpserver import HTTPServer, _sendfile
from halny.iostream import StreamClosedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

SIZE = 3_000_000
CONTENT = os.urandom(SIZE)


def run_on_asyncio(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def run_on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(main)


RUNS = [
    pytest.param(run_on_asyncio, id="asyncio"),
    pytest.param(
        run_on_uvloop,
        id="uvloop",
        marks=pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"),
    ),
]

runs = pytest.mark.parametrize("run", RUNS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


class Serving:
    """A server with one callback, and a client on a plain socket."""

    def __init__(self, serve: Callable[[HTTPServerRequest], Awaitable[None]]) -> None:
        self._server = HTTPServer(serve)

    async def __aenter__(self) -> Self:
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        sock.setblocking(False)
        self._server.add_sockets([sock])
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.writer.close()
        self._server.stop()
        await self._server.close_all_connections()


def begin(request: HTTPServerRequest, length: int) -> Any:
    connection: Any = request.connection
    connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders({"Content-Length": str(length)}))
    return connection


async def read_response(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


@runs
@pytest.mark.parametrize("in_memory", [True, False])
def test_parts_of_files_follow_what_was_written(
    file: Path, run: Callable[..., None], in_memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A disk that has to be waited for can't be had in a test; that it would have to be is said in its place.
    def is_in_memory(file: int, offset: int, size: int) -> bool:
        return in_memory

    monkeypatch.setattr(_sendfile, "_is_in_memory", is_in_memory)

    async def serve(request: HTTPServerRequest) -> None:
        connection = begin(request, SIZE + 6)
        connection.write(b"<<<")
        with file.open("rb") as opened:
            await connection.send_file(opened.fileno(), 0, 1000)
            await connection.send_file(opened.fileno(), 1000, 0)
            await connection.send_file(opened.fileno(), 1000, SIZE - 1000)
        connection.write(b">>>")
        connection.finish()

    async def main() -> None:
        async with Serving(serve) as serving:
            # Two requests in one packet: the second answer must not come between the parts of the first.
            serving.writer.write(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
            for _ in range(2):
                assert await read_response(serving.reader) == b"<<<" + CONTENT + b">>>"

    run(main())


@runs
def test_a_client_that_leaves_ends_the_sending(file: Path, run: Callable[..., None]) -> None:
    outcome: list[BaseException] = []

    async def main() -> None:
        ended = asyncio.Event()

        async def serve(request: HTTPServerRequest) -> None:
            connection = begin(request, 100 * SIZE)
            try:
                with file.open("rb") as opened:
                    while True:
                        await connection.send_file(opened.fileno(), 0, SIZE)
            except StreamClosedError as error:
                outcome.append(error)
                ended.set()

        async with Serving(serve) as serving:
            serving.writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await serving.reader.readexactly(1000)
            serving.writer.transport.abort()
            await ended.wait()

    run(main())
    assert isinstance(outcome[0], StreamClosedError)


@runs
def test_nothing_may_be_written_meanwhile(file: Path, run: Callable[..., None]) -> None:
    async def serve(request: HTTPServerRequest) -> None:
        connection = begin(request, SIZE)
        with file.open("rb") as opened:
            sending = asyncio.ensure_future(connection.send_file(opened.fileno(), 0, SIZE))
            await asyncio.sleep(0)
            for attempt in (lambda: connection.write(b"x"), connection.finish):
                with pytest.raises(HTTPOutputError, match="SENDING_FILE"):
                    attempt()
            await sending
        connection.finish()

    async def main() -> None:
        async with Serving(serve) as serving:
            serving.writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await read_response(serving.reader) == CONTENT

    run(main())


@runs
def test_a_file_that_is_cut_breaks_the_response_off(file: Path, run: Callable[..., None]) -> None:
    async def serve(request: HTTPServerRequest) -> None:
        connection = begin(request, SIZE + 10)
        with file.open("rb") as opened:
            with pytest.raises(HTTPOutputError, match="10 bytes short"):
                await connection.send_file(opened.fileno(), 0, SIZE + 10)
        connection.abort()

    async def main() -> None:
        async with Serving(serve) as serving:
            serving.writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await read_response(serving.reader)

    run(main())


@runs
def test_what_is_sent_must_have_been_announced(file: Path, run: Callable[..., None]) -> None:
    async def serve(request: HTTPServerRequest) -> None:
        connection = begin(request, 3)
        with file.open("rb") as opened:
            with pytest.raises(HTTPOutputError, match="4 bytes written where Content-Length leaves 3"):
                await connection.send_file(opened.fileno(), 0, 4)
            await connection.send_file(opened.fileno(), 0, 3)
        connection.finish()

    async def main() -> None:
        async with Serving(serve) as serving:
            serving.writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await read_response(serving.reader) == CONTENT[:3]

    run(main())


@runs
def test_without_the_kernels_help_a_thread_reads(
    file: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sendfile")

    async def serve(request: HTTPServerRequest) -> None:
        connection = begin(request, SIZE)
        with file.open("rb") as opened:
            await connection.send_file(opened.fileno(), 0, SIZE)
        connection.finish()

    async def main() -> None:
        async with Serving(serve) as serving:
            serving.writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await read_response(serving.reader) == CONTENT

    run(main())


@runs
def test_a_response_without_a_body_has_no_file(file: Path, run: Callable[..., None]) -> None:
    async def serve(request: HTTPServerRequest) -> None:
        connection = begin(request, SIZE)
        with file.open("rb") as opened:
            await connection.send_file(opened.fileno(), 0, SIZE)
        connection.finish()

    async def main() -> None:
        async with Serving(serve) as serving:
            for _ in range(2):
                serving.writer.write(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
                assert b"Content-Length: 3000000" in await serving.reader.readuntil(b"\r\n\r\n")

    run(main())


def test_a_descriptor_stays_open_while_a_thread_uses_it(file: Path) -> None:
    async def main() -> None:
        import threading

        go_on, outcome = threading.Event(), list[int]()

        def work() -> None:
            go_on.wait()
            outcome.append(1)

        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(_sendfile.in_thread(loop, work))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert outcome == [1]

    asyncio.run(main())


@runs
def test_large_bodies_keep_their_place(run: Callable[..., None]) -> None:
    # a large body is not copied behind its head; the answers around it must still be before and behind it
    async def serve(request: HTTPServerRequest) -> None:
        body = CONTENT[:100_000] if request.path == "/large" else b"small"
        assert request.connection is not None
        request.connection.respond(200, "OK", b"Content-Length: %d\r\n" % len(body), body)

    async def main() -> None:
        async with Serving(serve) as serving:
            paths = ["/a", "/large", "/b", "/large", "/c"]
            serving.writer.write(b"".join(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path.encode() for path in paths))
            for path in paths:
                expected = CONTENT[:100_000] if path == "/large" else b"small"
                assert await read_response(serving.reader) == expected
            serving.writer.write(b"HEAD /large HTTP/1.1\r\nHost: h\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b"Content-Length: 100000" in await serving.reader.readuntil(b"\r\n\r\n")
            assert await read_response(serving.reader) == b"small"

    run(main())


@runs
def test_a_connection_whose_file_is_on_its_way_is_not_detached(file: Path, run: Callable[..., None]) -> None:
    async def serve(request: HTTPServerRequest) -> None:
        connection = begin(request, SIZE)
        with file.open("rb") as opened:
            sending = asyncio.ensure_future(connection.send_file(opened.fileno(), 0, SIZE))
            await asyncio.sleep(0)
            for detach in (connection.detach, connection.detach_transport):
                with pytest.raises(HTTPOutputError, match="a file on its way"):
                    detach()
            await sending
        connection.finish()

    async def main() -> None:
        async with Serving(serve) as serving:
            serving.writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await read_response(serving.reader) == CONTENT

    run(main())


@runs
@pytest.mark.parametrize(("offset", "count"), [(0, -1), (-1, 10), (-1, 0)])
def test_a_part_of_a_file_has_no_negative_place_or_length(
    file: Path, run: Callable[..., None], offset: int, count: int
) -> None:
    async def serve(request: HTTPServerRequest) -> None:
        connection = begin(request, 10)
        with file.open("rb") as opened:
            with pytest.raises(ValueError, match="must not be negative"):
                await connection.send_file(opened.fileno(), offset, count)
            await connection.send_file(opened.fileno(), 0, 10)  # nothing of the length was used up
        connection.finish()

    async def main() -> None:
        async with Serving(serve) as serving:
            serving.writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert await read_response(serving.reader) == CONTENT[:10]

    run(main())
