"""Applications that fail, in every way and at every place: a whole 500, one line in the log, and no more."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import Endpoint, EndpointSource, HTTPInputError, HTTPServerRequest, StreamingEndpoint

from ._helpers import PATIENCE, head, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.strict_tests.logs import ExpectLog


def cancel() -> Any:
    raise asyncio.CancelledError


def fail() -> Any:
    raise ValueError("broken")


async def fail_later() -> None:
    await asyncio.sleep(0)
    raise ValueError("broken")


class Whole(Endpoint):
    """Does as it was told.

    Args:
        run: what `run` does.
    """

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run = run

    def run(self) -> Any:
        return self._run()


class Streaming(StreamingEndpoint):
    """Does as it was told, and never answers.

    Args:
        run: what `run` does.
        receive: what `data_received` does.
    """

    def __init__(self, run: Callable[[], Any] = lambda: None, receive: Callable[[], Any] = lambda: None) -> None:
        self._run = run
        self._receive = receive

    def run(self) -> Any:
        return self._run()

    def wait_for_body(self) -> None:
        return None

    def data_received(self, chunk: bytes) -> Any:
        return self._receive()

    def body_complete(self) -> None:
        """It fails, so it does not answer."""


class Source(EndpointSource):
    """Finds what it was told to find, or fails at that.

    Args:
        find: gives the endpoint.
    """

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    def find_endpoint(self, request: HTTPServerRequest) -> Any:
        return self._find()


REQUESTS = {
    "GET": head("GET", "/a?b=c"),
    "POST": head("POST", "/a?b=c", "Content-Length: 3") + b"abc",
    "PUT": head("PUT", "/a?b=c", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
}

FAILURES: dict[str, Callable[[], Any]] = {
    "find_endpoint raises": fail,
    "find_endpoint is cancelled": cancel,
    "find_endpoint finds nothing": lambda: None,
    "find_endpoint finds no endpoint": lambda: "endpoint",
    **{
        f"{kind.__name__}.run {name}": lambda kind=kind, run=run: kind(run)  # type: ignore[misc]
        for kind in (Whole, Streaming)
        for name, run in {
            "raises": fail,
            "is cancelled": cancel,
            "raises later": fail_later,
            "returns no coroutine": lambda: 5,
            "returns what can't be run": lambda: asyncio.Event(),
        }.items()
    },
}


async def check_500(source: EndpointSource, sent: bytes) -> None:
    async with serving(source) as server, await server.connect() as client:
        client.send(sent + head("GET", "/never"))
        response = await client.response()
        assert (response.status, response.headers["connection"]) == (500, "close")
        assert await client.rest() == b""


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_is_a_500_and_names_its_request(method: str, failure: str, expect_log: ExpectLog) -> None:
    line = rf"^exception in {method} /a\?b=c \(127\.0\.0\.1\)$"
    with expect_log("halny.application", line, logging.ERROR, count=1) as records:
        await check_500(Source(FAILURES[failure]), REQUESTS[method])
    assert records[0].exc_info is not None


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_failure_within_a_body_is_a_500(method: str, split: bool, expect_log: ExpectLog) -> None:
    source = Source(lambda: Streaming(receive=fail))
    head_end = REQUESTS[method].index(b"\r\n\r\n") + 4
    async with serving(source) as server, await server.connect() as client:
        with expect_log("halny.application", rf"^exception in {method} /a\?b=c", logging.ERROR, count=1):
            client.send(REQUESTS[method][: head_end if split else None])
            if split:
                await server.until(lambda: server.settings.connections and server.connection._upload is not None)
                await server.until(lambda: server.connection._upload.waits_for_peer)
                client.send(REQUESTS[method][head_end:])
            assert (await client.response()).status == 500


@pytest.mark.parametrize("split", [False, True])
async def test_a_body_whose_endpoint_is_cancelled_is_a_500(split: bool) -> None:
    source = Source(lambda: Streaming(receive=cancel))
    async with serving(source) as server, await server.connect() as client:
        client.send(head("POST", "/", "Content-Length: 3") + (b"" if split else b"abc"))
        if split:
            await server.until(lambda: server.settings.connections and server.connection._upload is not None)
            await server.until(lambda: server.connection._upload.waits_for_peer)
            client.send(b"abc")
        async with asyncio.timeout(PATIENCE):
            assert (await client.response()).status == 500


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize("later", [False, True])
async def test_what_an_application_refuses_is_not_called_malformed(
    method: str, later: bool, expect_log: ExpectLog
) -> None:
    def refuse() -> Any:
        raise HTTPInputError("not on a Sunday")

    async def refuse_later() -> None:
        await asyncio.sleep(0)
        refuse()

    for kind in (Whole, Streaming):
        source = Source(lambda kind=kind: kind(refuse_later if later else refuse))  # type: ignore[misc]
        async with serving(source) as server:
            with expect_log("halny.general", "^refused request from 127.0.0.1: not on", logging.INFO, count=1):
                assert (await server.ask(REQUESTS[method])).status == 400
