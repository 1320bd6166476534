"""`StaticFileHandler` on real sockets: what is served, with which headers, from the disk and from memory."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from halny.http import parse_http_date
from halny.web import (
    Application,
    OutputTransform,
    StaticFileHandler,
)

from ._helpers import DelegateApplication, request, serving
from ._static_site import (
    ETAG,
    LARGE,
    MODIFIED,
    TEXT,
    application,
    forget,
    needs_refusals,
    put,
    refusals,
    root,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["forget", "refusals", "root"]  # the fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made with symbolic links and POSIX names")


async def test_a_file_with_its_headers(root: Path) -> None:
    async with serving(application(root)) as server:
        answer = await server.get("/s/a.txt")
    assert (answer.status, answer.body) == (200, TEXT)
    assert [name for name in answer.names if name not in ("Server", "Date")] == [
        "Content-Type", "Accept-Ranges", "Etag", "Last-Modified", "Content-Length", "Connection",
    ]  # fmt: skip
    assert answer.header("Content-Type") == "text/plain"
    assert answer.header("Accept-Ranges") == "bytes"
    assert answer.header("Etag") == ETAG
    assert answer.header("Last-Modified") == MODIFIED
    assert answer.header("Content-Length") == "10"


async def test_a_small_file_is_the_same_from_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(application(root)) as server:
        first = await server.get("/s/a.txt")
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", None)  # nothing is opened any more
            second = await server.get("/s/a.txt")
            unmodified = await server.get("/s/a.txt", f"If-None-Match: {ETAG}")
            head = await server.ask("HEAD", "/s/a.txt")
    assert [field for field in second.fields if field[0] != "Date"] == [f for f in first.fields if f[0] != "Date"]
    assert second.body == first.body == TEXT
    assert (unmodified.status, unmodified.body, unmodified.header("Etag")) == (304, b"", ETAG)
    assert unmodified.header("Last-Modified") == MODIFIED
    assert (head.status, head.body, head.header("Content-Length")) == (200, b"", "10")
    assert server.log[-1] == (200, "/s/a.txt")


async def test_a_changed_file_is_seen_at_once(root: Path) -> None:
    async with serving(application(root)) as server:
        for _ in range(2):
            assert (await server.get("/s/a.txt")).body == TEXT
        put(root / "a.txt", b"9876543210")  # of the same size and the same time of change
        changed = await server.get("/s/a.txt")
        assert (changed.body, changed.header("Etag")) == (
            b"9876543210", f'"{hashlib.sha512(b"9876543210").hexdigest()}"',
        )  # fmt: skip
        (root / "a.txt").unlink()
        assert (await server.get("/s/a.txt")).status == 404


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("style.css", "text/css"),
        ("noext", "application/octet-stream"),
        ("archive.tar.gz", "application/gzip"),
        ("page.html.Z", "application/octet-stream"),
        ("link_in.txt", "text/css"),  # a link is as good as what it leads to
    ],
)
async def test_types(root: Path, name: str, expected: str) -> None:
    async with serving(application(root)) as server:
        assert (await server.get(f"/s/{name}")).header("Content-Type") == expected


async def test_other_spellings_of_a_path_inside(root: Path) -> None:
    async with serving(application(root)) as server:
        for path in ("/s/with%20space.txt", "/s/sub/../with%20space.txt", "/s/./with%20space.txt"):
            assert (await server.get(path)).body == b"space"


async def test_large_files_are_whole(root: Path) -> None:
    async with serving(application(root)) as server:
        answer = await server.get("/s/large.bin")
        assert answer.body == LARGE
        assert answer.header("Etag") == f'"{hashlib.sha512(LARGE).hexdigest()}"'
        part = await server.get("/s/large.bin", "Range: bytes=1000-900000")
        assert (part.status, part.body) == (206, LARGE[1000:900001])
        head = await server.ask("HEAD", "/s/large.bin")
        assert (head.header("Content-Length"), head.body) == (str(len(LARGE)), b"")


async def test_large_files_over_a_connection_that_sends_no_files(root: Path) -> None:
    class Transform(OutputTransform):
        """Sees the body part by part."""

    app = application(root)
    app.add_transform(Transform)
    async with serving(app) as server:
        assert (await server.get("/s/large.bin")).body == LARGE


async def test_in_the_delegate_way(root: Path) -> None:
    app = DelegateApplication([(r"/s/(.*)", StaticFileHandler, {"path": root})])
    async with serving(app) as server:
        assert (await server.get("/s/a.txt")).body == TEXT
        assert (await server.get("/s/large.bin")).body == LARGE


async def test_two_large_files_over_one_connection(root: Path) -> None:
    async with serving(application(root)) as server:
        first = request("GET", "/s/large.bin", close=False)
        raw = await server.send(first + request("GET", "/s/a.txt"))
    assert raw.count(b"HTTP/1.1 200 OK") == 2
    assert LARGE + b"HTTP/1.1 200 OK" in raw
    assert raw.endswith(TEXT)


async def test_empty_files(root: Path) -> None:
    async with serving(application(root)) as server:
        for _ in range(2):
            answer = await server.get("/s/empty.txt")
            assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", "0")


async def test_a_version_in_the_query_may_be_kept_for_long(root: Path) -> None:
    async with serving(application(root)) as server:
        for _ in range(2):
            answer = await server.get("/s/a.txt?v=1")
            assert answer.header("Cache-Control") == "max-age=315360000"
            expires = parse_http_date(answer.header("Expires") or "")
            assert expires is not None
            assert abs(expires - time.time() - 315360000) < 60
            assert (await server.get("/s/a.txt?w=v")).header("Cache-Control") is None


async def test_default_files(root: Path) -> None:
    async with serving(application(root, default_filename="index.html")) as server:
        for _ in range(2):
            answer = await server.get("/s/sub/")
            assert (answer.body, answer.header("Content-Type")) == (b"<h1>index</h1>", "text/html")
            redirect = await server.get("/s/sub")
            assert (redirect.status, redirect.header("Location")) == (301, "/s/sub/")
        assert (await server.get("/s/")).status == 404


@needs_refusals
async def test_directories_without_a_default_file_are_no_files(root: Path) -> None:
    async with serving(application(root)) as server:
        assert [(await server.get(path)).status for path in ("/s/", "/s/sub", "/s/sub/")] == [403, 403, 403]


@needs_refusals
@pytest.mark.parametrize("path", ["//s/sub", "//evil.example/../s/sub", "//evil.example/%2e%2e", "/\\evil/..", "//"])
async def test_the_redirect_to_a_directory_never_names_a_host(root: Path, path: str) -> None:
    routes = [(r"/+s/(.*)", StaticFileHandler), (r"/[/\\]*(.*)", StaticFileHandler)]
    arguments = {"path": str(root), "default_filename": "index.html"}
    async with serving(Application([(*route, arguments) for route in routes])) as server:
        answer = await server.get(path)
    assert answer.status in (403, 404)
    assert answer.header("Location") is None
