"""Responses that are broken off: those before them arrive whole, and they themselves can be told from whole ones."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPHeaders, HTTPServerRequest, ResponseStartLine

from ._helpers import client_context, head, later, respond, server_context, serving
from ._sources import StreamingSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tools.strict_tests.logs import ExpectLog

OK = ResponseStartLine("HTTP/1.1", 200, "OK")
BIG = bytes(5_000_000)


def serve(request: HTTPServerRequest) -> None:
    """Answer `/ok` and `/big`; begin a response to what else is asked, and break it off as the target says."""
    connection: Any = request.connection
    if request.path in ("/ok", "/big"):
        respond(request, BIG if request.path == "/big" else b"hello")
        return
    connection.write_headers(OK, HTTPHeaders({"Content-Length": "10"} if request.query else {}), b"half")
    if request.path == "/raise":
        raise ValueError("broken")
    getattr(connection, request.path[1:])()


BREAKS = ["/raise", "/raise?length", "/abort", "/abort?length", "/finish?length", "/close"]


def is_logged(target: str, expect_log: ExpectLog) -> Any:
    """Expect the line that a break has."""
    fails = target.startswith(("/raise", "/finish"))
    return expect_log("halny.application", "exception in", logging.ERROR, count=1) if fails else nullcontext()


def check_half(rest: bytes) -> None:
    """What came is one response without its end."""
    assert rest.count(b"HTTP/1.1") == 1
    assert rest.endswith((b"\r\n\r\nhalf", b"\r\n\r\n4\r\nhalf\r\n"))


@pytest.mark.parametrize("target", BREAKS)
@pytest.mark.parametrize("behind", [b"", head("GET", "/ok") * 3], ids=["last", "with more behind it"])
@pytest.mark.parametrize("serve", [serve, later(serve)], ids=["at once", "later"])
async def test_responses_before_one_that_is_broken_off_arrive(
    target: str, behind: bytes, serve: Any, expect_log: ExpectLog
) -> None:
    async with serving(serve) as server, await server.connect() as client:
        with is_logged(target, expect_log):
            client.send(head("GET", "/ok") * 2 + head("GET", target) + behind)
            for _ in range(2):
                assert (await client.response()).body == b"hello"
            check_half(await client.rest())


@pytest.mark.parametrize("target", BREAKS)
async def test_responses_before_one_that_is_broken_off_arrive_over_tls(target: str, expect_log: ExpectLog) -> None:
    async with serving(serve, ssl_options=server_context()) as server, await server.connect(client_context()) as client:
        with is_logged(target, expect_log):
            client.send(head("GET", "/ok") * 2 + head("GET", target))
            for _ in range(2):
                assert (await client.response()).body == b"hello"
            check_half(await client.rest())


@pytest.mark.parametrize("target", BREAKS)
async def test_a_large_response_before_one_that_is_broken_off_arrives(target: str, expect_log: ExpectLog) -> None:
    # The kernel takes a part of it, and the rest is still with the transport when the next one breaks off.
    async with serving(serve) as server, await server.connect() as client:
        with is_logged(target, expect_log):
            client.send(head("GET", "/big") + head("GET", target))
            assert (await client.response()).body == BIG
            check_half(await client.rest())


def test_responses_before_one_that_is_broken_off_arrive_on_uvloop(expect_log: ExpectLog) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def run(test: Callable[[str, ExpectLog], Awaitable[None]]) -> None:
        for target in BREAKS:
            await test(target, expect_log)

    uvloop.run(run(test_a_large_response_before_one_that_is_broken_off_arrives))
    uvloop.run(run(test_responses_before_one_that_is_broken_off_arrive_over_tls))


async def test_a_response_to_a_malformed_body_that_had_begun_is_broken_off(expect_log: ExpectLog) -> None:
    class Source(StreamingSource):
        def begin(self, request: HTTPServerRequest) -> None:
            connection: Any = request.connection
            connection.write_headers(OK, HTTPHeaders(), b"half")

        def find_endpoint(self, request: HTTPServerRequest) -> Any:
            if request.has_body:
                self.begin(request)
            return super().find_endpoint(request)

    source = Source()
    async with serving(source) as server, await server.connect() as client:
        with expect_log("halny.general", "malformed", logging.INFO, count=1):
            client.send(head("GET", "/ok") + head("POST", "/", "Transfer-Encoding: chunked") + b"nonsense\r\n")
            assert (await client.response()).body == b"0"
            check_half(await client.rest())
        await server.until(lambda: "closed" in source.events)
    assert source.events == ["run", "run", "closed"]


async def test_whoever_answers_is_told_that_its_response_was_broken_off() -> None:
    told = asyncio.Event()

    async def wait(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.set_close_callback(told.set)
        connection.write_headers(OK, HTTPHeaders(), b"half")
        connection.abort()
        await told.wait()

    async with serving(wait) as server, await server.connect() as client:
        client.send(head())
        check_half(await client.rest())
        await server.until(lambda: not server.settings.tasks)
    assert told.is_set()
