"""What programs do to handlers that is in no manual: patches on objects, wrappers, connections of their own."""

from __future__ import annotations

import asyncio
import logging
from numbers import Integral
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPHeaders, HTTPServerRequest
from halny.ioloop import gen
from halny.web import Application, OutputTransform, RequestHandler

from ._helpers import DelegateApplication, handler, serving

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog

WAYS = pytest.mark.parametrize("way", [Application, DelegateApplication])


class Plain(OutputTransform):
    """Changes nothing, but is there."""


@WAYS
@pytest.mark.parametrize("kind", ["coroutine", "future"])
async def test_an_execute_that_returns_a_future(way: type[Application], kind: str) -> None:
    class Decorated(RequestHandler):
        def get(self) -> None:
            self.write("answer")

    async def execute(self: Decorated, *args: Any, **kwargs: Any) -> None:
        await asyncio.sleep(0)
        await RequestHandler._execute(self, *args, **kwargs)  # pyright: ignore[reportPrivateUsage]

    @gen.coroutine
    def decorated(self: Decorated, *args: Any, **kwargs: Any) -> Any:
        yield execute(self, *args, **kwargs)

    def future(self: Decorated, *args: Any, **kwargs: Any) -> Any:
        return asyncio.ensure_future(execute(self, *args, **kwargs))

    Decorated._execute = decorated if kind == "coroutine" else future  # type: ignore[method-assign, assignment]
    async with serving(way([("/", Decorated)])) as server:
        assert (await server.get("/")).body == b"answer"


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_finish_that_is_patched_on_the_object(is_async: bool) -> None:
    finished: list[str] = []

    class Patched(RequestHandler):
        def prepare(self) -> None:
            original = self.finish

            def finish(chunk: Any = None) -> Any:
                finished.append(self.request.path)
                return original(chunk)

            self.finish = finish  # type: ignore[method-assign]

        def get(self) -> Any:
            self.write("answer")
            return asyncio.sleep(0) if is_async else None

    async with serving(Application([("/", Patched)])) as server:
        assert (await server.get("/")).body == b"answer"
    assert finished == ["/"]


async def test_a_set_header_of_a_subclass_sees_what_the_framework_sets() -> None:
    seen: list[str] = []

    class Watching(RequestHandler):
        def set_header(self, name: str, value: Any) -> None:
            seen.append(name)
            super().set_header(name, value)

        def get(self) -> None:
            self.write({"a": 1})

    async with serving(Application([("/", Watching)])) as server:
        assert (await server.get("/")).header("Content-Type") == "application/json; charset=UTF-8"
    assert seen == ["Content-Type", "Etag", "Content-Length"]


async def test_a_redirect_in_bytes() -> None:
    async with serving(Application([("/", handler(lambda self: self.redirect(b"/x")))])) as server:
        answer = await server.get("/")
    assert (answer.status, answer.header("Location")) == (302, "/x")


@Integral.register
class Number:
    """An integer of another library."""

    def __str__(self) -> str:
        return "42"


async def test_integers_of_other_libraries_are_header_values() -> None:
    async with serving(Application([("/", handler(lambda self: self.set_header("X", Number())))])) as server:
        assert (await server.get("/")).header("X") == "42"


@pytest.mark.parametrize("has_headers", [False, True])
async def test_a_connection_that_knows_only_parts(has_headers: bool) -> None:
    class Parts:
        """What some programs have in place of a connection."""

        def __init__(self) -> None:
            self.calls: list[str] = []

        def set_close_callback(self, callback: object) -> None:
            """Nobody leaves."""

        def write_headers(self, start_line: Any, headers: HTTPHeaders, chunk: bytes | None = None) -> None:
            self.calls.append(f"{start_line.code} {headers['Content-Length']} {chunk!r}")

        def finish(self) -> None:
            self.calls.append("finish")

    class Writing(RequestHandler):
        def get(self) -> None:
            if has_headers:
                self.set_header("A", "b")
            self.write("x")

    def log(handler: RequestHandler) -> None:
        """Nothing."""

    connection: Any = Parts()
    application = Application([("/", Writing)], log_function=log)
    application(HTTPServerRequest("GET", "/", connection=connection, headers=HTTPHeaders({"Host": "h"})))
    assert len(connection.calls) == 2
    assert connection.calls[0].startswith("200 ")
    assert connection.calls[1] == "finish"


@pytest.mark.parametrize("kind", ["transform", "flush", "plain"])
@pytest.mark.parametrize("length", ["3", "10", "x"])
async def test_a_wrong_length_is_a_page_however_the_response_leaves(
    kind: str, length: str, expect_log: ExpectLog
) -> None:
    class Wrong(RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Length", length)
            self.write("five.")

    class Flushing(Wrong):
        def flush(self, include_footers: bool = False) -> asyncio.Future[None]:
            return super().flush(include_footers)

    kind_class = Flushing if kind == "flush" else Wrong
    app = Application([("/", kind_class)], transforms=[Plain] if kind == "transform" else [])
    with expect_log("halny.application", "uncaught exception GET /", logging.ERROR, count=1):
        async with serving(app) as server:
            answer = await server.get("/")
    assert answer.status == 500
    assert b"500: Internal Server Error" in answer.body


async def test_on_connection_close_does_not_come_after_on_finish() -> None:
    calls: list[str] = []
    done = asyncio.Event()

    class Download(RequestHandler):
        async def get(self) -> None:
            try:
                for _ in range(1000):
                    self.write(b"x" * 100_000)
                    await self.flush()
            except Exception as error:
                calls.append(type(error).__name__)

        def on_finish(self) -> None:
            calls.append("on_finish")
            done.set()

        def on_connection_close(self) -> None:
            calls.append("on_connection_close")

    async with serving(Application([("/", Download)])) as server:
        reader, writer = await server.open()
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        async with asyncio.timeout(10):
            await reader.readexactly(100)
            writer.transport.abort()
            await done.wait()
    assert calls.index("on_finish") == len(calls) - 1
    assert "StreamClosedError" in calls


async def test_on_finish_is_called_even_if_the_log_function_raises(expect_log: ExpectLog) -> None:
    calls: list[str] = []

    class Finishing(RequestHandler):
        def get(self) -> None:
            self.write("answer")

        def on_finish(self) -> None:
            calls.append("on_finish")

    def log(handler: RequestHandler) -> None:
        raise ValueError("on purpose")

    app = Application([("/", Finishing)])
    async with serving(app) as server:
        app.settings["log_function"] = log
        with expect_log("halny.application", "uncaught exception GET /", logging.ERROR, count=1):
            assert (await server.get("/")).body == b"answer"
    assert calls == ["on_finish"]
