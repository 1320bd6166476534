"""Bodies that a WSGI application reads as they come: the file, its two ends, and everything that can break it off."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import threading
import wsgiref.validate
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from halny.httpserver._wsgi_input import MAX_WAITING, RequestInput
from halny.httpserver.wsgi import MAX_COLLECTED, WSGIContainer

from ._helpers import PATIENCE, head, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from halny.http import HTTPServerRequest
    from tools.strict_tests.logs import ExpectLog

    from ._helpers import Serving

BODY = bytes(range(256)) * 1000
CHUNKED = "Transfer-Encoding: chunked"


def length(size: int) -> str:
    return f"Content-Length: {size}"


def read_all(file: Any) -> int:
    return len(file.read())


class App:
    """Tells what it reads and what becomes of it.

    Args:
        read: reads `wsgi.input`, and returns what is answered.
        waits: whether it waits for `release` first.
    """

    def __init__(self, read: Callable[[Any], object] = read_all, *, waits: bool = False) -> None:
        self.read = read
        self.waits = waits
        self.release = threading.Event()
        self.called = threading.Event()
        self.ended = threading.Event()
        self.environ: dict[str, Any] = {}
        self.error: BaseException | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.environ = self.environ or environ
        self.called.set()
        try:
            assert not self.waits or self.release.wait(PATIENCE)
            result = self.read(environ["wsgi.input"])
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(result).encode()]


@asynccontextmanager
async def running(app: App, threads: int = 1, **options: Any) -> AsyncGenerator[Serving]:
    with ThreadPoolExecutor(threads) as executor:
        try:
            stream_chunked = options.pop("stream_chunked", True)
            async with serving(WSGIContainer(app, executor, stream_chunked=stream_chunked), **options) as server:
                yield server
        finally:
            app.release.set()
    # The executor has waited for its threads: none of them was left behind.


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


# The file


READS: list[tuple[Callable[[Any], Any], Any]] = [
    (lambda file: file.read(), "whole"),
    (lambda file: file.read(-1), "whole"),
    (lambda file: file.read(10**9), "whole"),
    (lambda file: b"".join(iter(lambda: file.read(1000), b"")), "whole"),
    (lambda file: b"".join(iter(lambda: file.read1(100_000), b"")), "whole"),
    (lambda file: b"".join(file), "whole"),
    (lambda file: b"".join(file.readlines()), "whole"),
    (lambda file: b"".join(iter(file.readline, b"")), "whole"),
    (lambda file: file.read(0), b""),
    (lambda file: file.read(7), BODY[:7]),
    (lambda file: file.readline(), BODY[:11]),
    (lambda file: file.readline(5), BODY[:5]),
    (lambda file: file.readlines(12), [BODY[:11], BODY[11 : 256 + 11]]),
    (lambda file: (file.read(), file.read(), file.readline(), file.readlines())[1:], (b"", b"", [])),
    (lambda file: (next(file, b""), file.read(3)), (BODY[:11], BODY[11:14])),
]


@pytest.mark.parametrize(("read", "expected"), READS)
@pytest.mark.parametrize("framing", [length(len(BODY)), CHUNKED])
async def test_the_methods_of_files(read: Callable[[Any], Any], expected: Any, framing: str) -> None:
    app = App(read)
    body = chunked(BODY[:7000], BODY[7000:]) if framing == CHUNKED else BODY
    async with running(app) as server, await server.connect() as client:
        client.send(head("POST", "/", framing) + body + head())
        assert (await client.response()).body == str(BODY if expected == "whole" else expected).encode()
    assert app.environ["wsgi.input_terminated"] is True
    assert app.environ.get("CONTENT_LENGTH") == (None if framing == CHUNKED else str(len(BODY)))


async def test_the_file_is_what_pep_3333_asks_for() -> None:
    app = App(lambda file: len(file.read(10)) + len(file.readline()) + sum(map(len, file)) + len(file.readlines(10)))
    with ThreadPoolExecutor(1) as executor:
        async with serving(WSGIContainer(wsgiref.validate.validator(app), executor)) as server:
            response = await server.ask(head("POST", "/", length(len(BODY))) + BODY)
            assert (response.status, response.body) == (200, str(len(BODY)).encode())


def test_lines_wherever_parts_are_cut() -> None:
    text = b"one\n\ntwo\r\nthree"
    loop = asyncio.new_event_loop()
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            body = RequestInput(loop, 0)
            for part in (text[:first], text[first:second], text[second:]):
                if part:
                    body.put(part)
            body.complete()
            file = body.as_file()
            assert (file.readline(), file.readlines()) == (b"one\n", [b"\n", b"two\r\n", b"three"])
    loop.close()


def test_a_file_that_is_closed_takes_nothing_more() -> None:
    loop = asyncio.new_event_loop()
    body = RequestInput(loop, 1)
    body.put(b"abc")
    file = body.as_file()
    assert file.read(1) == b"a"
    file.close()
    assert body.put(bytes(MAX_WAITING)) is None
    body.complete()
    with pytest.raises(ValueError, match="closed"):
        file.read()
    loop.close()


def test_what_is_complete_is_not_broken_off() -> None:
    loop = asyncio.new_event_loop()
    body = RequestInput(loop, 100)
    body.put(b"abc")
    assert not body.begun.done()
    body.complete()
    assert body.begun.done()
    body.break_off("too late")
    assert not body.is_broken
    assert body.as_file().read() == b"abc"
    broken = RequestInput(loop, 100)
    broken.put(b"abc")
    broken.break_off("the reason")
    assert broken.is_broken
    assert broken.put(b"more") is None
    broken.complete()
    file = broken.as_file()
    for _ in range(2):
        with pytest.raises(ConnectionAbortedError, match="the reason"):
            file.read()
    loop.close()


# As it comes


async def test_a_body_is_read_while_it_comes() -> None:
    pieces: list[int] = []

    def read(file: Any) -> int:
        while piece := file.read(100_000):
            pieces.append(len(piece))
        return sum(pieces)

    async with running(App(read)) as server, await server.connect() as client:
        client.send(head("PUT", "/", length(250_000)) + bytes(110_000))
        await server.until(lambda: pieces == [100_000])
        client.send(bytes(100_000))
        await server.until(lambda: pieces == [100_000, 100_000])
        assert (await client.ask(bytes(40_000))).body == b"250000"
        assert pieces == [100_000, 100_000, 50_000]
        assert (await client.ask(head())).body == b"250000"  # the connection is still in step


async def test_chunks_are_read_as_they_come() -> None:
    lines: list[bytes] = []

    def read(file: Any) -> int:
        for line in file:
            lines.append(line)  # noqa: PERF402 - they are looked at meanwhile
        return len(lines)

    async with running(App(read)) as server:
        async with await server.connect() as client:
            client.send(head("POST", "/", CHUNKED) + b"6\r\nfirst\n\r\n")
            await server.until(lambda: lines == [b"first\n"])
            client.send(b"7\r\nsecond\n\r\n")
            await server.until(lambda: lines[1:] == [b"second\n"])
            assert (await client.ask(b"0\r\n\r\n")).body == b"2"


async def test_a_slow_application_lets_the_client_wait() -> None:
    app = App(waits=True)
    async with running(app) as server, await server.connect() as client:
        client.send(head("POST", "/", length(50_000_000)) + bytes(50_000_000))
        await server.until(lambda: server.settings.connections and server.connection._reading_paused)
        upload = server.connection._upload
        assert len(upload._held) + upload._endpoint._body._size < 1_500_000
        for moment in (10.0, 100.0, 1000.0):
            server.look(moment)  # the time that the application takes is not the client's
        app.release.set()
        assert (await client.response()).body == b"50000000"


async def test_an_application_may_answer_while_it_reads() -> None:
    def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield from iter(lambda: environ["wsgi.input"].read(10_000), b"")

    with ThreadPoolExecutor(1) as executor:
        async with serving(WSGIContainer(echo, executor)) as server, await server.connect() as client:
            assert (await client.ask(head("POST", "/", length(len(BODY))) + BODY)).body == BODY


# Collected


@pytest.mark.parametrize(
    ("lines", "sent", "rest"),
    [
        ((length(MAX_COLLECTED),), bytes(MAX_COLLECTED - 1), b"x"),
        ((length(3),), b"ab", b"c"),
        ((length(200_000), "Content-Encoding: x"), bytes(199_999), b"x"),
        ((CHUNKED,), chunked(bytes(200_000))[:-2], b"\r\n"),
    ],
)
async def test_what_is_collected_takes_no_thread_before(lines: tuple[str, ...], sent: bytes, rest: bytes) -> None:
    app = App()
    async with running(app, stream_chunked=False) as server, await server.connect() as client:
        client.send(head("POST", "/", *lines) + sent)
        await server.until(lambda: server.settings.connections and server.connection._received() > 1)
        assert not app.called.is_set()
        answer = (await client.ask(rest)).body
    assert type(app.environ["wsgi.input"]) is io.BytesIO
    assert app.environ["CONTENT_LENGTH"].encode() == answer


async def test_a_large_body_takes_a_thread_when_some_of_it_is_there() -> None:
    app = App()
    async with running(app) as server, await server.connect() as client:
        client.send(head("POST", "/", length(MAX_COLLECTED + 10)) + bytes(MAX_COLLECTED - 1))
        await server.until(lambda: server.settings.tasks and server.connection._received() == MAX_COLLECTED - 1)
        assert not app.called.is_set()
        client.send(b"x")
        await server.until(app.called.is_set)
        assert (await client.ask(bytes(10))).body == str(MAX_COLLECTED + 10).encode()


async def test_a_subclass_may_have_its_own_way_to_handle_whole_requests() -> None:
    class Own(WSGIContainer):
        async def handle_request(self, request: HTTPServerRequest) -> None:
            sizes.append(len(request.body))
            await super().handle_request(request)

    sizes: list[int] = []
    with ThreadPoolExecutor(1) as executor:
        async with serving(Own(App(), executor)) as server:
            assert (await server.ask(head("POST", "/", length(100_000)) + bytes(100_000))).body == b"100000"
    assert sizes == [100_000]


# Expect


@pytest.mark.parametrize("size", [3, 100_000])
async def test_continue_is_sent_when_the_application_reads(size: int) -> None:
    # RFC 9110, section 10.1.1
    app = App(waits=True)
    async with running(app) as server, await server.connect() as client:
        client.send(head("POST", "/", length(size), "Expect: 100-continue"))
        await server.until(app.called.is_set)
        reading = asyncio.ensure_future(client.response())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not reading.done()
        app.release.set()
        assert (await reading).status == 100
        assert (await client.ask(bytes(size))).body == str(size).encode()
        assert (await client.ask(head())).status == 200


async def test_continue_is_not_sent_for_a_body_that_nobody_reads() -> None:
    async with running(App(lambda _file: "no, thanks")) as server, await server.connect() as client:
        response = await client.ask(head("POST", "/", length(100_000), "Expect: 100-continue"))
        assert (response.status, response.headers["connection"], response.body) == (200, "close", b"no, thanks")
        assert await client.rest() == b""


# Not read


async def test_a_body_that_nobody_reads_ends_the_connection() -> None:
    # What is left of it must not be taken for a request (RFC 9112, section 9.3).
    smuggled = head("GET", "/smuggled")
    calls: list[int] = []
    async with running(App(lambda _file: calls.append(1))) as server, await server.connect() as client:
        client.send(head("POST", "/", length(100_000 + len(smuggled))) + bytes(100_000))
        response = await client.response()
        assert (response.status, response.headers["connection"]) == (200, "close")
        client.send(smuggled)
        assert await client.rest() == b""
    assert calls == [1]


async def test_a_body_that_has_come_and_nobody_reads_is_dropped() -> None:
    app = App(lambda _file: "unread", waits=True)
    async with running(app) as server, await server.connect() as client:
        client.send(head("POST", "/", length(100_000)) + bytes(100_000))
        await server.until(lambda: app.called.is_set() and server.connection._upload is None)
        app.release.set()
        assert (await client.response()).body == b"unread"
        assert (await client.ask(head())).body == b"unread"


# Broken off


@pytest.mark.parametrize("lines", [(length(200_000),), (CHUNKED,), (length(200_000), "Expect: 100-continue")])
async def test_a_client_that_leaves_while_it_is_waited_for(lines: tuple[str, ...]) -> None:
    app = App()
    sent = b"186a0\r\n" + bytes(100_000) if CHUNKED in lines else bytes(100_000)
    async with running(app) as server:
        async with await server.connect() as client:
            client.send(head("POST", "/", *lines))
            if len(lines) > 1:
                assert (await client.response()).status == 100
            client.send(sent)
            await server.until(app.called.is_set)
        await server.until(app.ended.is_set)
        await server.until(lambda: not server.settings.tasks)
    assert isinstance(app.error, ConnectionAbortedError)
    assert "the client has gone" in str(app.error)


async def test_a_client_that_leaves_before_anything_was_begun_with() -> None:
    app = App()
    async with running(app) as server:
        for line in (length(200_000), CHUNKED):
            async with await server.connect() as client:
                client.send(head("POST", "/", line))
                await server.until(lambda: server.settings.tasks)
            await server.until(lambda: not server.settings.tasks)
    assert not app.called.is_set()


async def test_a_client_that_leaves_while_all_threads_are_busy() -> None:
    app = App(waits=True)
    async with running(app) as server, await server.connect() as first:
        first.send(head())
        await server.until(app.called.is_set)
        app.called.clear()
        async with await server.connect() as second:
            second.send(head("POST", "/", length(200_000)) + bytes(100_000))
            await server.until(lambda: len(server.settings.tasks) == 3)
        await server.until(lambda: len(server.settings.connections) == 1)
        app.release.set()
        assert (await first.response()).status == 200
        await server.until(lambda: not server.settings.tasks)
    assert not app.called.is_set()


async def test_an_application_that_goes_on_after_its_client_has_gone() -> None:
    def read(file: Any) -> str:
        try:
            file.read()
        except OSError as error:
            return str(error)
        return "complete"

    app = App(read)
    async with running(app) as server:
        async with await server.connect() as client:
            client.send(head("POST", "/", length(200_000)) + bytes(100_000))
            await server.until(app.called.is_set)
        await server.until(lambda: not server.settings.tasks)
    assert app.error is None


async def test_a_fault_of_the_application_is_logged_whoever_has_gone(expect_log: ExpectLog) -> None:
    def read(file: Any) -> None:
        try:
            file.read()
        except OSError as error:
            raise KeyError("a mistake") from error

    app = App(read)
    with expect_log("halny.application", "exception in the WSGI application", logging.ERROR, count=1):
        async with running(app) as server:
            async with await server.connect() as client:
                client.send(head("POST", "/", length(200_000)) + bytes(100_000))
                await server.until(app.called.is_set)
            await server.until(lambda: not server.settings.tasks)


# Refused


@pytest.mark.parametrize("expects", [(), ("Expect: 100-continue",)])
async def test_a_body_over_the_limit_is_refused(expects: tuple[str, ...], expect_log: ExpectLog) -> None:
    # RFC 9110, section 15.5.14
    app = App()
    async with running(app, max_body_size=150_000) as server, await server.connect() as client:
        with expect_log("halny.general", "at most 150000", logging.INFO, count=1):
            response = await client.ask(head("POST", "/", length(150_001), *expects))
        assert (response.status, response.headers["connection"]) == (413, "close")
        assert await client.rest() == b""
        await server.until(lambda: not server.settings.tasks)
    assert app.called.is_set() is bool(expects)  # one that asks is told when the application wants to read


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [(chunked(bytes(200_001)), 413, "more than 200000"), (chunked(bytes(100))[:-5] + b"nonsense\r\n", 400, "")],
)
async def test_chunks_that_are_refused(sent: bytes, status: int, reason: str, expect_log: ExpectLog) -> None:
    app = App()
    async with running(app, max_body_size=200_000) as server, await server.connect() as client:
        with expect_log("halny.general", reason, logging.INFO, count=1):
            client.send(head("POST", "/", CHUNKED) + b"3\r\nabc\r\n")
            await server.until(app.called.is_set)
            response = await client.ask(sent)
        assert (response.status, response.headers["connection"]) == (status, "close")
        assert await client.rest() == b""
        await server.until(app.ended.is_set)
    assert isinstance(app.error, ConnectionAbortedError)
    assert "the server has refused" in str(app.error)


async def test_a_body_that_comes_too_slowly(expect_log: ExpectLog) -> None:
    app = App()
    async with running(app, body_timeout=30.0) as server, await server.connect() as client:
        client.send(head("POST", "/", length(200_000)) + bytes(100_000))
        await server.until(app.called.is_set)
        await server.until(lambda: server.connection._upload.waits_for_peer)
        with expect_log("halny.general", "the body took too long", logging.INFO, count=1):
            server.look(31.0)
            assert (await client.response()).status == 408
        await server.until(app.ended.is_set)
    assert isinstance(app.error, ConnectionAbortedError)


# Threads


async def test_a_task_that_is_cancelled_leaves_no_thread_behind() -> None:
    app = App()
    async with running(app) as server, await server.connect() as client:
        client.send(head("POST", "/", length(200_000)) + bytes(100_000))
        await server.until(app.called.is_set)
        for task in list(server.settings.tasks):
            task.cancel()
        await server.until(app.ended.is_set)
        assert (await client.response()).status == 500
    assert isinstance(app.error, ConnectionAbortedError)


def test_a_loop_that_ends_leaves_no_thread_behind() -> None:
    app = App()

    async def main(executor: Executor) -> None:
        async with serving(WSGIContainer(app, executor)) as server:
            client.connect(("127.0.0.1", server.port))
            client.sendall(head("POST", "/", length(200_000)) + bytes(100_000))
            await server.until(app.called.is_set)
            raise KeyboardInterrupt  # and asyncio.run() cancels what is left

    with socket.socket() as client, ThreadPoolExecutor(1) as executor, pytest.raises(KeyboardInterrupt):
        asyncio.run(main(executor))
    assert isinstance(app.error, ConnectionAbortedError)


class Inline(Executor):
    """Runs everything on the thread that asks for it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


async def test_the_thread_of_the_loop_is_never_blocked(expect_log: ExpectLog) -> None:
    app = App()
    with (
        expect_log("halny.application", "exception in the WSGI application", logging.ERROR, count=1),
        expect_log("halny.access", "^500", logging.ERROR, count=1),
    ):
        async with serving(WSGIContainer(app, Inline())) as server, await server.connect() as client:
            client.send(head("POST", "/", length(200_000)) + bytes(100_000))
            assert (await client.response()).status == 500
    assert isinstance(app.error, RuntimeError)
    assert "would block the loop" in str(app.error)
