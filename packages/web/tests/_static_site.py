"""A directory with files that may and files that must not be served, for the tests of static files."""

from __future__ import annotations

import hashlib
import os
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import Application, RequestHandler, StaticFileHandler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = b"0123456789"
ETAG = f'"{hashlib.sha512(TEXT).hexdigest()}"'
MODIFIED = "Thu, 02 Jan 2020 03:04:05 GMT"
LONG_AGO = 1577934245.5
LARGE = bytes(range(256)) * 4096  # 1 MiB, larger than what is read at once


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    put(root / "a.txt", TEXT)
    put(root / "style.css", b"body {}")
    put(root / "noext", TEXT)
    put(root / "archive.tar.gz", TEXT)
    put(root / "page.html.Z", TEXT)
    put(root / "empty.txt", b"")
    put(root / "large.bin", LARGE)
    put(root / "with space.txt", b"space")
    put(root / "sub/index.html", b"<h1>index</h1>")
    put(tmp_path / "root_secret/s.txt", b"secret")
    put(tmp_path / "outside/o.txt", b"outside")
    (root / "link_out.txt").symlink_to("../outside/o.txt")
    (root / "link_in.txt").symlink_to("style.css")
    (root / "dir_out").symlink_to("../outside")
    (root / "loop").symlink_to("loop")
    return root


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin without files in memory, and take what the test writes to be old enough to be kept there."""
    StaticFileHandler.reset()
    time_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: time_ns() + 3_000_000_000)
    yield
    StaticFileHandler.reset()


@pytest.fixture
def refusals(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """For tests in which requests are refused: each refusal has its line, and there is no other."""
    yield
    for record in caplog.get_records("call"):
        assert record.name == "halny.general", record
        assert re.match("(400|403|404|503) ", record.getMessage()), record


needs_refusals = pytest.mark.usefixtures("refusals")


def application(root: Path, cls: type[RequestHandler] = StaticFileHandler, **kwargs: Any) -> Application:
    return Application([(r"/s/(.*)", cls, {"path": str(root), **kwargs})])
