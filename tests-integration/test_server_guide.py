"""The programs of the guide to halny-httpserver, run as a user does who copies them."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from halny.httpserver import HTTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[1] / "docs" / "httpserver" / "index.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PROGRAMS = [code for code in EXAMPLES if "__main__" in code]
PATIENCE = 30.0
SIZE = 1_000_000


@pytest.fixture(params=range(len(PROGRAMS)))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, int, subprocess.Popen[str]]]:
    """A program of the page, the port that it was given, and its process."""
    code = PROGRAMS[request.param]
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    script = tmp_path / "server.py"
    assert code.count("8888") == 1
    script.write_text(code.replace("8888", f"{port}, '127.0.0.1'"))
    process = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True)
    try:
        yield code, port, process
    finally:
        process.kill()
        process.communicate()


def ask(port: int, process: subprocess.Popen[str], method: str, body: bytes | None) -> tuple[int, bytes]:
    """Send a request, as soon as somebody listens."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request(method, "/", body)
            response = connection.getresponse()
            return response.status, response.read()
        except ConnectionRefusedError:
            assert process.poll() is None
        finally:
            connection.close()


def test_there_are_programs() -> None:
    assert len(PROGRAMS) == 5


def test_programs_serve_and_end(server: tuple[str, int, subprocess.Popen[str]]) -> None:
    code, port, process = server
    body = bytes(SIZE)
    expected = hashlib.sha256(body).hexdigest().encode() if "Upload" in code else b"hello"
    assert ask(port, process, "POST", body) == (200, expected)
    process.send_signal(signal.SIGTERM)
    ended = process.wait(PATIENCE)
    if "drain" in code:
        assert (ended, process.stderr and process.stderr.read()) == (0, "")


async def test_a_response_in_pieces() -> None:
    (code,) = [code for code in EXAMPLES if "async def numbers" in code]
    names: dict[str, Any] = {}
    exec(code.replace("10_000_000", "200_000"), names)
    server = HTTPServer(names["numbers"])
    server.listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()  # pyright: ignore[reportPrivateUsage]
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    writer.write(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
    assert body == b"".join([b"%d\n" % number for number in range(200_000)])
    writer.close()
    server.stop()
    await server.close_all_connections()
