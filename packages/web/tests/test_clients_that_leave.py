"""Clients that go away before they have their answer, which is no error."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

import pytest

from halny.web import Application, RequestHandler

from ._helpers import DelegateApplication, request, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tools.strict_tests.logs import ExpectLog

    from ._helpers import Server

APPLICATION = "halny.application"
WAYS = [Application, DelegateApplication]
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


class Leaving(RequestHandler):
    """Waits until its client has left."""

    calls: list[str]
    started: asyncio.Event
    gone: asyncio.Event
    ended: asyncio.Event
    cleaned: asyncio.Event

    async def get(self) -> None:
        VARIABLE.set("get")
        self.started.set()
        await self.gone.wait()
        how = self.get_argument("how", "")
        if how == "write":
            self.write("nobody")
            await self.flush()
        elif how == "raise":
            raise ValueError

    def on_connection_close(self) -> Awaitable[None] | None:
        self.calls.append("on_connection_close " + VARIABLE.get())
        self.gone.set()
        return self.clean_up()

    async def clean_up(self) -> None:
        await asyncio.sleep(0)
        self.calls.append("clean_up " + VARIABLE.get())
        self.cleaned.set()

    def on_finish(self) -> None:
        self.calls.append("on_finish " + VARIABLE.get())
        self.ended.set()


@pytest.fixture
def leaving() -> type[Leaving]:
    Leaving.calls = []
    Leaving.started, Leaving.gone = asyncio.Event(), asyncio.Event()
    Leaving.ended, Leaving.cleaned = asyncio.Event(), asyncio.Event()
    return Leaving


async def leave(server: Server, raw: bytes) -> None:
    """Send a request and go away as soon as its handler is at work."""
    _, writer = await server.open()
    writer.write(raw)
    async with asyncio.timeout(10):
        await Leaving.started.wait()
        writer.transport.abort()
        await Leaving.ended.wait()
        await Leaving.cleaned.wait()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["", "write"])
async def test_a_client_that_leaves_is_no_error(how: str, way: type[Application], leaving: type[Leaving]) -> None:
    async with serving(way([("/", leaving)])) as server:
        await leave(server, request("GET", f"/?how={how}", close=False))
    assert leaving.calls[0] == "on_connection_close get"
    assert sorted(leaving.calls[1:]) == ["clean_up get", "on_finish get"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves_during_a_long_answer(way: type[Application], leaving: type[Leaving]) -> None:
    """The handler hears of it before it ends, though it is a failing `flush` that notices."""

    class Writing(leaving):  # type: ignore[valid-type, misc]
        async def get(self) -> None:
            VARIABLE.set("get")
            self.started.set()
            while True:
                self.write(b"x" * 1_000_000)
                await self.flush()

    async with serving(way([("/", Writing)])) as server:
        await leave(server, request("GET", "/", close=False))
    assert leaving.calls[0] == "on_connection_close get"
    assert sorted(leaving.calls[1:]) == ["clean_up get", "on_finish get"]


async def test_a_pipelined_request_does_not_hide_that_a_client_leaves(leaving: type[Leaving]) -> None:
    async with serving(Application([("/", leaving)])) as server:
        await leave(server, request("GET", "/", close=False) * 2)
    assert leaving.calls[0] == "on_connection_close get"
    assert sorted(leaving.calls[1:]) == ["clean_up get", "on_finish get"]


async def test_an_error_after_a_client_has_left_is_logged_once(leaving: type[Leaving], expect_log: ExpectLog) -> None:
    async with serving(Application([("/", leaving)])) as server:
        with expect_log(APPLICATION, "uncaught exception", count=1):
            await leave(server, request("GET", "/?how=raise"))


async def test_an_error_in_on_connection_close_is_logged_once(leaving: type[Leaving], expect_log: ExpectLog) -> None:
    class Failing(leaving):  # type: ignore[valid-type, misc]
        def on_connection_close(self) -> None:
            self.gone.set()
            self.cleaned.set()
            raise ValueError

    async with serving(Application([("/", Failing)])) as server:
        with expect_log(APPLICATION, "uncaught exception in on_connection_close", count=1):
            await leave(server, request("GET", "/"))


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves_in_the_middle_of_its_body(way: type[Application], leaving: type[Leaving]) -> None:
    class Half(leaving):  # type: ignore[valid-type, misc]
        _stream_request_body = True

        def data_received(self, chunk: bytes) -> None:
            VARIABLE.set("data_received")
            self.started.set()

        def post(self) -> None:
            raise AssertionError

    async with serving(way([("/", Half)])) as server:
        await leave(server, request("POST", "/", ["Content-Length: 100"]) + b"half")
    assert leaving.calls[0] == "on_connection_close data_received"
    assert sorted(leaving.calls[1:]) == ["clean_up data_received", "on_finish data_received"]
