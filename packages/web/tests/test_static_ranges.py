"""Parts of files and conditions, the sensible ones and the others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from ._helpers import serving
from ._static_site import (
    ETAG,
    MODIFIED,
    TEXT,
    application,
    forget,
    put,
    refusals,
    root,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["forget", "refusals", "root"]  # the fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made with symbolic links and POSIX names")


@pytest.mark.parametrize(
    ("value", "status", "body", "content_range"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=2-5", 206, b"2345", "bytes 2-5/10"),
        ("bytes=5-100", 206, b"56789", "bytes 5-9/10"),
        ("bytes=9-", 206, b"9", "bytes 9-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-", 200, TEXT, None),
        ("bytes=0-9", 200, TEXT, None),
        ("bytes=-100", 200, TEXT, None),
        ("bytes=0-9223372036854775807", 200, TEXT, None),
        ("bytes=0-99999999999999999999999", 200, TEXT, None),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=11-20", 416, b"", "bytes */10"),
        ("bytes=99999999999999999999-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=0-1,3-4", 200, TEXT, None),
        ("bytes=20-30,3-4", 206, b"34", "bytes 3-4/10"),
        ("BYTES=3-4", 206, b"34", "bytes 3-4/10"),
        ("bytes=0-5,2-8,0-5", 200, TEXT, None),
        ("bytes=" + ",".join(["0-0"] * 1000), 200, TEXT, None),
        ("bytes=5-2", 200, TEXT, None),
        ("bytes=abc", 200, TEXT, None),
        ("bytes=+1-2", 200, TEXT, None),
        ("bytes=1_0-", 200, TEXT, None),
        ("bytes=--1", 200, TEXT, None),
        ("bytes=", 200, TEXT, None),
        ("items=0-1", 200, TEXT, None),
    ],
)
async def test_ranges(root: Path, value: str, status: int, body: bytes, content_range: str | None) -> None:
    async with serving(application(root)) as server:
        for _ in range(2):  # the second time what is small is in memory
            answer = await server.get("/s/a.txt", f"Range: {value}")
            assert (answer.status, answer.body, answer.header("Content-Range")) == (status, body, content_range)
            assert answer.header("Content-Length") == str(len(body))
            await server.get("/s/a.txt")
        head = await server.ask("HEAD", "/s/a.txt", [f"Range: {value}"])
        assert (head.status, head.body, head.header("Content-Length")) == (status, b"", str(len(body)))


async def test_ranges_of_nothing(root: Path) -> None:
    async with serving(application(root)) as server:
        answer = await server.get("/s/empty.txt", "Range: bytes=0-")
    assert (answer.status, answer.header("Content-Range")) == (416, "bytes */0")


async def test_an_unsatisfiable_range_is_not_answered_as_the_files_content(root: Path) -> None:
    put(root / "style.css.gz", b"coded")
    async with serving(application(root, precompressed=True)) as server:
        for coding in ("identity", "gzip"):
            refusal = await server.get("/s/style.css", "Range: bytes=99-", f"Accept-Encoding: {coding}")
            assert (refusal.status, refusal.body) == (416, b"")
            assert (refusal.header("Content-Type"), refusal.header("Content-Encoding")) == ("text/plain", None)
            assert (await server.get("/s/style.css")).header("Content-Type") == "text/css"


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (ETAG, 206),
        (MODIFIED, 206),
        ('"other"', 200),
        (f"W/{ETAG}", 200),
        ("Thu, 02 Jan 2020 03:04:06 GMT", 200),
        ("nonsense", 200),
    ],
)
async def test_if_range(root: Path, condition: str, status: int) -> None:
    async with serving(application(root)) as server:
        answer = await server.get("/s/a.txt", "Range: bytes=0-1", f"If-Range: {condition}")
    assert (answer.status, answer.body) == (status, TEXT[:2] if status == 206 else TEXT)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([f"If-None-Match: {ETAG}"], 304),
        ([f"If-None-Match: W/{ETAG}"], 304),
        ([f'If-None-Match: "x", {ETAG}'], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "x"'], 200),
        ([f"If-Modified-Since: {MODIFIED}"], 304),
        (["If-Modified-Since: Thu, 02 Jan 2030 03:04:05 GMT"], 304),
        (["If-Modified-Since: Thu, 02 Jan 2020 03:04:04 GMT"], 200),
        (["If-Modified-Since: nonsense"], 200),
        (['If-None-Match: "x"', f"If-Modified-Since: {MODIFIED}"], 200),
        ([f"If-None-Match: {ETAG}", "Range: bytes=0-1"], 304),
        # Whoever gets the whole file can't be wrong; RFC 9110, section 13.1.3: the other condition must be ignored.
        (["If-None-Match: W/*"], 200),
        ([f"If-None-Match: {ETAG} junk"], 200),
        (["If-None-Match: ", f"If-Modified-Since: {MODIFIED}"], 200),
        (["If-None-Match: W/*", f"If-Modified-Since: {MODIFIED}"], 200),
    ],
)
async def test_conditions(root: Path, headers: list[str], status: int) -> None:
    async with serving(application(root)) as server:
        for _ in range(2):
            answer = await server.get("/s/a.txt", *headers)
            assert answer.status == status
            assert answer.header("Etag") == ETAG
            assert answer.header("Last-Modified") == MODIFIED
            if status == 304:
                assert (answer.body, answer.header("Content-Type")) == (b"", None)
            await server.get("/s/a.txt")
