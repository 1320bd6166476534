"""The program of the tutorial, which the README and the start page show too, does what they say."""

from __future__ import annotations

import asyncio
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import halny.web

if TYPE_CHECKING:
    import pytest

    from halny.httpserver import HTTPServer

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "docs" / "tutorial" / "hello.py"


async def test_the_program_serves_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    listening: asyncio.Future[HTTPServer] = asyncio.get_running_loop().create_future()
    listen = halny.web.Application.listen

    def listen_on_a_free_port(app: halny.web.Application, port: int) -> HTTPServer:
        assert port == 8888
        listening.set_result(listen(app, 0, "127.0.0.1"))
        return listening.result()

    monkeypatch.setattr(halny.web.Application, "listen", listen_on_a_free_port)
    main = asyncio.create_task(runpy.run_path(str(PROGRAM))["main"]())
    server = await listening
    (listener,) = vars(server)["_sockets"].values()
    try:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    finally:
        main.cancel()
        server.stop()
        await server.close_all_connections()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Type: text/html; charset=UTF-8\r\n" in answer
    assert answer.endswith(b"\r\n\r\nHello, world")


def test_the_readme_shows_the_same_program() -> None:
    assert f"```python\n{PROGRAM.read_text()}```" in (ROOT / "README.md").read_text()
