"""Delegates and callables: each is told of a message's end, and none leaves its client without an answer."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    ResponseStartLine,
)
from halny.httpserver import CallableDelegate
from halny.iostream import StreamClosedError

from ._helpers import head, respond, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from halny.http import HTTPServerRequest
    from tools.strict_tests.logs import ExpectLog


class Told(HTTPServerConnectionDelegate):
    """Does what it is asked to at one step of a message, and remembers what it was told.

    Args:
        step: the name of the method that does it.
        action: what it does: raise, answer, detach, or nothing.
        waits: whether it does that a turn of the loop later, where it may.
    """

    def __init__(self, step: str, action: str, *, waits: bool = False) -> None:
        self.step = step
        self.action = action
        self.waits = waits
        self.events: list[str] = []
        self.streams: list[Any] = []
        self.connections: list[HTTPConnection] = []

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        self.connections.append(request_conn)
        return _Message(self, request_conn)


class _Message(HTTPMessageDelegate):
    def __init__(self, told: Told, connection: HTTPConnection) -> None:
        self.told = told
        self.connection: Any = connection

    def do(self, step: str) -> Awaitable[None] | None:
        self.told.events.append(step)
        if step != self.told.step:
            return None
        if self.told.waits and step != "finish":
            return self.later()
        self.act()
        return None

    async def later(self) -> None:
        await asyncio.sleep(0)
        self.act()

    def act(self) -> None:
        action = self.told.action
        if action == "raise":
            raise ValueError("broken")
        if action == "answer":
            self.connection.respond(200, "OK", b"Content-Length: 0\r\n", b"")
        if action == "detach":
            self.told.streams.append(self.connection.detach())

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Awaitable[None] | None:
        return self.do("head")

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self.do("data")

    def finish(self) -> None:
        self.do("finish")
        if self.told.action == "wait":
            return
        if self.told.action != "answer" or self.told.step not in ("head", "data"):
            self.connection.respond(200, "OK", b"Content-Length: 0\r\n", b"")

    def on_connection_close(self) -> None:
        self.told.events.append("closed")
        if self.told.step == "closed":
            raise ValueError("broken too")


WITH_BODY = head("POST", "/", "Content-Length: 3") + b"abc"


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    ("step", "request_bytes", "expected"),
    [
        ("head", WITH_BODY, ["head", "closed"]),
        ("head", head(), ["head", "closed"]),
        ("data", WITH_BODY, ["head", "data", "closed"]),
        ("finish", WITH_BODY, ["head", "data", "finish", "closed"]),
        ("finish", head(), ["head", "finish", "closed"]),
    ],
)
async def test_a_delegate_that_raises_is_told_of_the_end(
    step: str, request_bytes: bytes, expected: list[str], waits: bool, expect_log: ExpectLog
) -> None:
    told = Told(step, "raise", waits=waits)
    with expect_log("halny.application", "exception in", logging.ERROR, count=1):
        async with serving(told) as server:
            assert (await server.ask(request_bytes)).status == 500
    assert told.events == expected


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(("step", "expected"), [("head", ["head", "closed"]), ("data", ["head", "data", "closed"])])
async def test_a_delegate_that_answers_before_the_body_has_come_is_told_of_the_end(
    step: str, expected: list[str], waits: bool
) -> None:
    told = Told(step, "answer", waits=waits)
    async with serving(told) as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 6") + b"abc")
        assert (await client.response()).status == 200
        assert await client.rest() == b""
        await server.until(lambda: "closed" in told.events)
    assert told.events == expected


async def test_a_delegate_whose_request_somebody_else_answers_is_told_of_the_end() -> None:
    told = Told("data", "wait")
    async with serving(told) as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 6") + b"abc")
        await server.until(lambda: "data" in told.events)
        (connection,) = told.connections
        connection.respond(200, "OK", b"Content-Length: 0\r\n", b"")
        assert (await client.response()).status == 200
        await server.until(lambda: not server.settings.tasks)
        assert told.events == ["head", "data", "closed"]
        assert await client.rest() == b""
    assert told.events == ["head", "data", "closed"]


async def test_a_delegate_that_takes_the_connection_over_is_told_no_more() -> None:
    told = Told("head", "detach")
    async with serving(told) as server, await server.connect() as client:
        client.send(WITH_BODY)
        await server.until(lambda: told.streams)
        told.streams[0].close()
        assert await client.rest() == b""
    assert told.events == ["head"]


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(("action", "expected"), [("detach", ["head"]), ("answer", ["head", "closed"])])
async def test_a_request_without_a_body_may_be_over_with_its_head(
    action: str, expected: list[str], waits: bool
) -> None:
    told = Told("head", action, waits=waits)
    async with serving(told) as server, await server.connect() as client:
        client.send(head())
        if action == "detach":
            await server.until(lambda: told.streams)
            told.streams[0].close()
            assert await client.rest() == b""
        else:
            assert (await client.response()).status == 200
            await server.until(lambda: not server.settings.tasks)
    assert told.events == expected


async def test_a_peer_that_leaves_while_the_delegate_is_waited_for() -> None:
    release = asyncio.Event()

    class Waiting(Told):
        def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
            return _Waiting(self, request_conn)

    class _Waiting(_Message):
        async def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
            self.do("head")
            await release.wait()

    told = Waiting("", "wait")
    async with serving(told) as server:
        async with await server.connect() as client:
            client.send(head())
            await server.until(lambda: told.events)
        await server.until(lambda: "closed" in told.events)
        release.set()
        await server.until(lambda: not server.settings.tasks)
    assert told.events == ["head", "closed"]  # and never `finish` after that


@pytest.mark.parametrize("action", ["answer", "detach"])
@pytest.mark.parametrize("step", ["head", "data"])
async def test_what_a_delegate_has_begun_is_ended_when_its_request_is_over(step: str, action: str) -> None:
    class Both(Told):
        def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
            return _Both(self, request_conn)

    class _Both(_Message):
        def do(self, step: str) -> Awaitable[None] | None:
            super().do(step)
            return self.go_on() if step == self.told.step else None

        async def go_on(self) -> None:
            await asyncio.sleep(0)
            self.told.events.append("gone on")

    told = Both(step, action)
    async with serving(told) as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 6") + b"abc")
        await server.until(lambda: "gone on" in told.events)
        for stream in told.streams:
            stream.close()
        await client.rest()
    begun = ["head"] if step == "head" else ["head", "data"]
    assert told.events == [*begun, *(["closed"] if action == "answer" else []), "gone on"]


async def test_a_body_that_is_refused_ends_once() -> None:
    told = Told("", "")
    async with serving(told) as server, await server.connect() as client:
        client.send(head("POST", "/", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n")
        await server.until(lambda: "data" in told.events)
        client.send(b"nonsense\r\n")
        assert (await client.response()).status == 400
        await server.until(lambda: "closed" in told.events)
    assert told.events == ["head", "data", "closed"]


async def test_on_connection_close_that_raises_hides_no_other_error(expect_log: ExpectLog) -> None:
    class Both(Told):
        def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
            message = _Message(self, request_conn)
            message.act = fail  # type: ignore[method-assign]
            return message

    def fail() -> None:
        told.step = "closed"
        raise ValueError("the first one")

    told = Both("head", "raise")
    with expect_log("halny.application", "exception in", logging.ERROR, count=2) as records:
        async with serving(told) as server:
            assert (await server.ask(head())).status == 500
    assert [str(each.exc_info[1]) for each in records if each.exc_info] == ["broken too", "the first one"]


# Callables behind a delegate


class Collecting(HTTPServerConnectionDelegate):
    """Hands whole requests to a callable, as `HTTPServer.start_request` does.

    Args:
        callback: is called with them.
    """

    def __init__(self, callback: Callable[[HTTPServerRequest], object]) -> None:
        self.callback = callback

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return CallableDelegate(self.callback, server_conn, request_conn)


@pytest.mark.parametrize(
    ("error", "status", "logger"),
    [
        (ValueError("broken"), 500, "halny.application"),
        (HTTPInputError("malformed"), 400, "halny.general"),
        (StreamClosedError(), 500, None),
        (asyncio.CancelledError(), 500, None),
    ],
)
async def test_a_coroutine_that_fails_is_answered(
    error: BaseException, status: int, logger: str | None, expect_log: ExpectLog
) -> None:
    async def fail(request: HTTPServerRequest) -> None:
        await asyncio.sleep(0)
        raise error

    async with serving(Collecting(fail)) as server:
        if logger is None:
            assert (await server.ask(WITH_BODY)).status == status
        else:
            level = logging.ERROR if status == 500 else logging.INFO
            with expect_log(logger, "exception in|malformed HTTP", level, count=1):
                assert (await server.ask(WITH_BODY)).status == status


def as_it_is(callback: Callable[[HTTPServerRequest], object]) -> object:
    return callback


@pytest.mark.parametrize("kind", [Collecting, as_it_is])
@pytest.mark.parametrize("returned", ["text", b"bytes", {"a": 1}])
async def test_a_callable_that_returns_its_answer_is_told_how_to_send_it(
    kind: Any, returned: object, expect_log: ExpectLog
) -> None:
    def answer(request: HTTPServerRequest) -> object:
        return returned

    with expect_log("halny.application", "exception in", logging.ERROR, count=1) as records:
        async with serving(kind(answer)) as server:
            assert (await server.ask(head())).status == 500
    assert records[0].exc_info
    assert "has not answered: the response is sent by" in str(records[0].exc_info[1])


@pytest.mark.parametrize("kind", [Collecting, as_it_is])
@pytest.mark.parametrize("returned", ["text", 1, object()])
async def test_what_a_callable_returns_that_has_answered_is_its_own_business(kind: Any, returned: object) -> None:
    def answer(request: HTTPServerRequest) -> object:
        respond(request)
        return returned

    async with serving(kind(answer)) as server:
        assert (await server.ask(head())).status == 200


async def test_a_coroutine_that_fails_breaks_off_what_it_has_begun(expect_log: ExpectLog) -> None:
    async def fail(request: HTTPServerRequest) -> None:
        assert request.connection is not None
        await request.connection.write_headers(ResponseStartLine("", 200, "OK"), HTTPHeaders(), b"begun")
        raise ValueError("broken")

    with expect_log("halny.application", "exception in", logging.ERROR, count=1):
        async with serving(Collecting(fail)) as server, await server.connect() as client:
            client.send(head())
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await client.response()


async def test_a_coroutine_that_fails_behind_its_answer_harms_nobody(expect_log: ExpectLog) -> None:
    async def fail(request: HTTPServerRequest) -> None:
        respond(request)
        raise ValueError("broken")

    with expect_log("halny.application", "exception in", logging.ERROR, count=2):
        async with serving(Collecting(fail)) as server, await server.connect() as client:
            assert (await client.ask(head())).body == b"hello"
            assert (await client.ask(head())).body == b"hello"


async def test_a_suspended_coroutine_is_not_collected() -> None:
    waiting: list[weakref.ref[asyncio.Future[None]]] = []

    async def wait(request: HTTPServerRequest) -> None:
        future = asyncio.get_running_loop().create_future()
        waiting.append(weakref.ref(future))
        await future
        respond(request)

    async with serving(Collecting(wait)) as server, await server.connect() as client:
        client.send(head())
        await server.until(lambda: waiting)
        gc.collect()
        future = waiting[0]()
        assert future is not None
        future.set_result(None)
        assert (await client.response()).body == b"hello"
