"""Clients that leave while so much lies behind their request that nothing more is read."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPHeaders, ResponseStartLine
from halny.iostream import StreamClosedError

from ._helpers import PATIENCE, Serving, client_context, head, respond, server_context, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from halny.http import HTTPServerRequest

pytestmark = pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="the system does not tell")

BEHIND = head("GET", "/behind") * 3000
"""More than is read ahead."""


async def sweep_until(server: Serving, condition: Callable[[], object]) -> None:
    each: Any = server.server._sweep  # pyright: ignore[reportPrivateUsage]
    async with asyncio.timeout(PATIENCE):
        while not condition():
            each._handle.cancel()
            each._look()
            await asyncio.sleep(0.001)


async def leave_unread(secure: bool, half: bool) -> None:
    events: list[str] = []

    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        closed = asyncio.Event()
        connection.set_close_callback(closed.set)
        await closed.wait()
        events.append("told")
        with pytest.raises(StreamClosedError):
            await connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders())

    async with serving(serve, ssl_options=server_context() if secure else None) as server:
        async with await server.connect(client_context() if secure else None) as client:
            client.send(head() + BEHIND)
            await server.until(lambda: server.settings.connections and server.connection._reading_paused)
            if half:
                client.writer.write_eof()
            else:
                client.writer.transport.abort()
            await sweep_until(server, lambda: events)
        await sweep_until(server, lambda: not server.settings.connections and not server.settings.tasks)
    assert events == ["told"]


@pytest.mark.parametrize(("secure", "half"), [(False, False), (False, True), (True, False)])
async def test_a_client_that_leaves_is_noticed_though_nothing_is_read(secure: bool, half: bool) -> None:
    await leave_unread(secure, half)


def test_a_client_that_leaves_is_noticed_though_nothing_is_read_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    uvloop.run(leave_unread(secure=False, half=False))
    uvloop.run(leave_unread(secure=True, half=False))


async def test_a_client_that_stays_is_left_alone() -> None:
    release = asyncio.Event()

    async def serve(request: HTTPServerRequest) -> None:
        await release.wait()
        respond(request)

    async with serving(serve) as server, await server.connect() as client:
        client.send(head() + BEHIND)
        await server.until(lambda: server.settings.connections and server.connection._reading_paused)
        looks = iter(range(10))
        await sweep_until(server, lambda: next(looks, None) is None)
        release.set()
        for _ in range(3001):
            assert (await client.response()).status == 200
