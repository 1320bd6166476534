"""Handlers that stream their request's body and whose request ends before the body: nothing of them stays behind."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import Application, RequestHandler, stream_request_body

from ._helpers import DelegateApplication, request, serving

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog

WAYS = [Application, DelegateApplication]
UNFINISHED = request("POST", "/", ["Content-Length: 50"], close=False) + b"hello"


async def until_alone(tasks: set[asyncio.Task[Any]]) -> None:
    """Wait until there are no other tasks than those."""
    async with asyncio.timeout(10):
        while asyncio.all_tasks() - tasks:
            await asyncio.sleep(0)


@stream_request_body
class Answering(RequestHandler):
    def data_received(self, chunk: bytes) -> None:
        self.set_status(413)
        self.finish("no")

    def post(self) -> None:
        raise AssertionError("the request was over")


class AnsweringLater(Answering):
    async def data_received(self, chunk: bytes) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().data_received(chunk)


class AnsweringFromElsewhere(Answering):
    def data_received(self, chunk: bytes) -> None:
        asyncio.get_running_loop().call_soon(super().data_received, chunk)


class Cancelled(Answering):
    def data_received(self, chunk: bytes) -> None:
        raise asyncio.CancelledError


class CancelledLater(Answering):
    async def data_received(self, chunk: bytes) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        raise asyncio.CancelledError


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("kind", "status"),
    [(Answering, 413), (AnsweringLater, 413), (AnsweringFromElsewhere, 413), (Cancelled, 500), (CancelledLater, 500)],
)
async def test_a_response_before_the_body_has_come(
    kind: type[RequestHandler], status: int, way: type[Application], expect_log: ExpectLog
) -> None:
    async with serving(way([("/", kind)])) as server:
        tasks = asyncio.all_tasks()
        if status == 500:
            with expect_log("halny.application", "uncaught exception", logging.ERROR, count=1):
                answer = await server.send(UNFINISHED)
        else:
            answer = await server.send(UNFINISHED)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        await until_alone(tasks)
        assert [code for code, _ in server.log] == [status]


@pytest.mark.parametrize("way", WAYS)
async def test_a_connection_that_is_taken_over_before_the_body_has_come(way: type[Application]) -> None:
    class Detaching(Answering):
        def data_received(self, chunk: bytes) -> None:
            stream = self.detach()
            stream.write(b"mine")
            stream.close()

    async with serving(way([("/", Detaching)])) as server:
        tasks = asyncio.all_tasks()
        assert await server.send(UNFINISHED) == b"mine"
        await until_alone(tasks)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", ["prepare", "between", "data", "body"])
async def test_a_client_that_leaves_at_any_moment(place: str, way: type[Application]) -> None:
    begun, left, calls = asyncio.Event(), asyncio.Event(), list[str]()

    @stream_request_body
    class Waiting(RequestHandler):
        async def prepare(self) -> None:
            if place == "prepare":
                begun.set()
                await left.wait()
                await asyncio.sleep(0)
            elif place == "between":
                begun.set()
                await left.wait()

        async def data_received(self, chunk: bytes) -> None:
            begun.set()
            if place == "data":
                await left.wait()

        def post(self) -> None:
            calls.append("post")

        def on_connection_close(self) -> None:
            calls.append("closed")
            left.set()

    async with serving(way([("/", Waiting)])) as server:
        tasks = asyncio.all_tasks()
        _, writer = await server.open()
        writer.write(UNFINISHED)
        async with asyncio.timeout(10):
            await begun.wait()
            writer.transport.abort()
            await left.wait()
        await until_alone(tasks)
    assert calls == ["closed"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("begun", [False, True])
async def test_a_handler_that_is_cancelled_or_replaced_is_answered(
    begun: bool, way: type[Application], expect_log: ExpectLog
) -> None:
    class CancelsItself(RequestHandler):
        async def get(self) -> None:
            if begun:
                await self.flush()
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(10)

    class Instrumented(RequestHandler):
        async def _execute(self, *args: Any, **kwargs: Any) -> None:
            if begun:
                await self.flush()
            raise ValueError("not ours")

    async with serving(way([("/cancelled", CancelsItself), ("/replaced", Instrumented)])) as server:
        tasks = asyncio.all_tasks()
        for path in ("/cancelled", "/replaced"):
            raw = request("GET", path)
            if path == "/replaced":
                with expect_log("halny.application", "exception in GET /replaced", logging.ERROR, count=1):
                    answer = await server.send(raw)
            else:
                answer = await server.send(raw)
            if begun:
                assert b"transfer-encoding: chunked" in answer.lower()
                assert not answer.endswith(b"0\r\n\r\n")
            else:
                assert answer.startswith(b"HTTP/1.1 500 ")
            await until_alone(tasks)
