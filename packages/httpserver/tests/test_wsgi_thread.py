"""Threads of WSGI applications that outlive what they work for: they come to their end by themselves."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from halny.iostream import StreamClosedError
from halny.wsgi import WSGIContainer

from ._helpers import PATIENCE, head, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Writing:
    """Answers without an end, until it can't.

    Args:
        size: of a block in bytes. After one of a single byte it waits for `release`.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.written = threading.Event()
        self.release = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        write = start_response("200 OK", [])
        try:
            while True:
                write(bytes(self.size))
                self.written.set()
                if self.size == 1:
                    assert self.release.wait(PATIENCE)
        except OSError as error:
            self.error = error
        finally:
            self.ended.set()
        return iter([b""])


@pytest.mark.parametrize("size", [1_000_000, 1], ids=["while it waits for the client", "while it works"])
async def test_an_application_whose_request_is_cancelled(size: int) -> None:
    app = Writing(size)
    with ThreadPoolExecutor(1) as threads:
        async with serving(WSGIContainer(app, threads)) as server, await server.connect() as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(head())
            await server.until(app.written.is_set)
            await server.until(lambda: size == 1 or server.connection._writing_paused)
            for task in list(server.settings.tasks):
                task.cancel()
            await server.until(lambda: not server.settings.tasks)
            app.release.set()
            await server.until(app.ended.is_set)
    assert isinstance(app.error, StreamClosedError)
