"""How files are sent: precompressed, cut, to clients that leave."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import (
    OutputTransform,
    StaticFileHandler,
    _static_paths,
)

from ._helpers import request, serving
from ._static_site import (
    LONG_AGO,
    application,
    forget,
    put,
    refusals,
    root,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog

__all__ = ["forget", "refusals", "root"]  # the fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made with symbolic links and POSIX names")


@pytest.fixture
def compressed(root: Path) -> Path:
    put(root / "app.js", b"plain")
    put(root / "app.js.gz", gzip.compress(b"plain"))
    put(root / "app.js.br", b"br!")
    put(root / "app.js.zst", b"zst!!")
    return root


@pytest.mark.parametrize(
    ("accepted", "coding", "body"),
    [
        ("gzip, br, zstd", "br", b"br!"),
        ("gzip, zstd", "zstd", b"zst!!"),
        ("br;q=0.5, zstd", "zstd", b"zst!!"),
        ("*", "br", b"br!"),
        ("br;q=0", None, b"plain"),
        ("identity", None, b"plain"),
        ("deflate", None, b"plain"),
    ],
)
async def test_siblings(compressed: Path, accepted: str, coding: str | None, body: bytes) -> None:
    async with serving(application(compressed, precompressed=True)) as server:
        for _ in range(2):
            answer = await server.get("/s/app.js", f"Accept-Encoding: {accepted}")
            assert (answer.body, answer.header("Content-Encoding")) == (body, coding)
            assert answer.header("Content-Type") in ("text/javascript", "application/javascript")
            assert answer.header("Vary") == "Accept-Encoding"
            assert answer.header("Etag") == f'"{hashlib.sha512(body).hexdigest()}"'
            part = await server.get("/s/app.js", f"Accept-Encoding: {accepted}", "Range: bytes=1-2")
            assert (part.status, part.body) == (206, body[1:3])


async def test_siblings_are_used_only_where_they_are_asked_for(compressed: Path) -> None:
    async with serving(application(compressed)) as server:
        answer = await server.get("/s/app.js", "Accept-Encoding: br")
    assert (answer.body, answer.header("Vary")) == (b"plain", None)


async def test_siblings_that_are_none(tmp_path: Path, compressed: Path) -> None:
    os.utime(compressed / "app.js.br", (LONG_AGO - 10, LONG_AGO - 10))  # older than what it was made from
    (compressed / "app.js.zst").unlink()
    (compressed / "app.js.zst").symlink_to(tmp_path / "root_secret/s.txt")
    (compressed / "app.js.gz").unlink()
    (compressed / "app.js.gz").mkdir()
    async with serving(application(compressed, precompressed=True)) as server:
        answer = await server.get("/s/app.js", "Accept-Encoding: br, gzip, zstd")
    assert (answer.body, answer.header("Content-Encoding")) == (b"plain", None)


async def test_a_file_that_is_cut_while_it_is_sent(
    root: Path, monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog
) -> None:
    read = _static_paths.OpenedFile.read

    def cut(self: Any, start: int, size: int) -> bytes:
        return read(self, start, size)[:-1]

    async with serving(application(root)) as server:
        await server.get("/s/a.txt", "Range: bytes=0-1")  # its version is known
        monkeypatch.setattr(_static_paths.OpenedFile, "read", cut)
        with expect_log("halny.general", "the file was cut"):
            assert (await server.get("/s/a.txt")).status == 500


@pytest.mark.parametrize("whole", [True, False])
async def test_clients_that_leave_in_the_middle_are_no_error(tmp_path: Path, whole: bool) -> None:
    put(tmp_path / "huge.bin", bytes(64 * 1024 * 1024))
    finished = asyncio.Event()

    class Watched(StaticFileHandler):
        def on_finish(self) -> None:
            finished.set()

    app = application(tmp_path, Watched)
    if not whole:
        app.add_transform(OutputTransform)
    async with serving(app) as server:
        reader, writer = await server.open()
        writer.write(request("GET", "/s/huge.bin"))
        assert (await reader.read(1000)).startswith(b"HTTP/1.1 200 OK")
        writer.transport.abort()
        await finished.wait()
        # the server goes on, and nothing was logged: the test would fail of it
        assert (await server.get("/s/huge.bin", "Range: bytes=0-1")).body == b"\0\0"
