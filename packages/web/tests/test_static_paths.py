"""What is never served: all ways out of the root that are known, and what is no file."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import (
    Application,
    HTTPError,
    StaticFileHandler,
)

from ._helpers import serving
from ._static_site import (
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


@pytest.mark.parametrize(
    "path",
    [
        "../root_secret/s.txt",
        "..%2froot_secret/s.txt",
        "%2e%2e/root_secret/s.txt",
        "%2E%2E%2Froot_secret%2Fs.txt",
        "sub/../../root_secret/s.txt",
        "..%5croot_secret%5cs.txt",
        "..\\root_secret\\s.txt",
        "%252e%252e/root_secret/s.txt",
        "..%252froot_secret/s.txt",
        "..",
        "../",
        "../root_secret/",
        "/etc/passwd",
        "%2fetc/passwd",
        "//etc/passwd",
        "....//root_secret/s.txt",
        "..;/root_secret/s.txt",
        "%c0%ae%c0%ae/root_secret/s.txt",
        "a.txt%00",
        "%00",
        "a.txt%00.css",
        "../root_secret/s.txt%00.txt",
        "a.txt/x",
        "link_out.txt",
        "dir_out/o.txt",
        "dir_out/",
        "dir_out",
        "loop",
        "nothing",
        "x" * 300,
        "x/" * 3000,
    ],
)
@pytest.mark.parametrize("default_filename", [None, "o.txt"])
@needs_refusals
async def test_nothing_outside_of_the_root(root: Path, path: str, default_filename: str | None) -> None:
    async with serving(application(root, default_filename=default_filename)) as server:
        answer = await server.get(f"/s/{path}")
    assert answer.status in (400, 403, 404)
    assert b"secret" not in answer.raw
    assert b"outside" not in answer.raw
    assert b"root:" not in answer.raw


@pytest.mark.parametrize(
    ("path", "status"),
    [("../b", 403), ("../a_b/x", 403), ("c/../../a_b", 403), ("/etc/passwd", 403), ("x\0y", 404)],
)
def test_the_path_alone_is_refused_before_the_disk_is_asked(path: str, status: int) -> None:
    with pytest.raises(HTTPError) as refusal:
        StaticFileHandler.get_absolute_path("/a", path)
    assert refusal.value.status_code == status


@needs_refusals
async def test_a_root_that_is_a_prefix_of_another(tmp_path: Path, root: Path) -> None:
    class Unchecked(StaticFileHandler):
        @classmethod
        def get_absolute_path(cls, root: str, path: str) -> str:
            return root + path

    async with serving(application(root, Unchecked)) as server:
        assert (await server.get("/s/_secret/s.txt")).status == 403
        assert (await server.get("/s//a.txt")).status in (403, 404, 200)


@needs_refusals
async def test_pipes_are_no_files_and_do_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe")
    async with serving(application(root)) as server:
        assert (await server.get("/s/pipe")).status == 403


@needs_refusals
async def test_what_may_not_be_read_is_403(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith("a.txt"):
            raise PermissionError(13, "Permission denied", path)
        return original(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    async with serving(application(root)) as server:
        assert (await server.get("/s/a.txt")).status == 403


@needs_refusals
async def test_a_process_without_descriptors_answers_503(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, *args: Any) -> int:
        raise OSError(24, "Too many open files")

    async with serving(application(root)) as server:
        monkeypatch.setattr(os, "open", refuse)
        assert (await server.get("/s/a.txt")).status == 503


@needs_refusals
@pytest.mark.parametrize("allowed", ["one", "list", "path"])
async def test_symbolic_links_to_places_that_are_allowed(tmp_path: Path, root: Path, allowed: str) -> None:
    places: Any = {
        "one": str(tmp_path / "outside"),
        "list": [str(tmp_path / "nowhere"), tmp_path / "outside"],
        "path": tmp_path / "outside",
    }[allowed]
    put(tmp_path / "outside2/o.txt", b"secret")
    (root / "link_2.txt").symlink_to("../outside2/o.txt")
    async with serving(application(root, allowed_symlink_directory=places)) as server:
        for _ in range(2):
            assert (await server.get("/s/link_out.txt")).body == b"outside"
            assert (await server.get("/s/dir_out/o.txt")).body == b"outside"
            assert (await server.get("/s/link_2.txt")).status == 403


@needs_refusals
async def test_what_one_route_allows_is_not_allowed_to_another(tmp_path: Path, root: Path) -> None:
    arguments = {"path": str(root), "allowed_symlink_directory": str(tmp_path / "outside")}
    routes = [(r"/s/(.*)", StaticFileHandler, arguments), (r"/t/(.*)", StaticFileHandler, {"path": str(root)})]
    async with serving(Application(routes)) as server:
        assert (await server.get("/s/link_out.txt")).status == 200
        assert (await server.get("/t/link_out.txt")).status == 403


@needs_refusals
async def test_a_root_behind_a_symbolic_link(tmp_path: Path, root: Path) -> None:
    (tmp_path / "current").symlink_to("root")
    async with serving(application(tmp_path / "current")) as server:
        assert (await server.get("/s/a.txt")).body == TEXT
        assert (await server.get("/s/link_in.txt")).body == b"body {}"
        assert (await server.get("/s/link_out.txt")).status == 403
        # another root takes its place, as a new release does
        put(tmp_path / "next/a.txt", b"next")
        (tmp_path / "new").symlink_to("next")
        (tmp_path / "new").replace(tmp_path / "current")
        assert (await server.get("/s/a.txt")).body == b"next"


@needs_refusals
async def test_a_folder_that_becomes_a_link_out_is_refused_soon(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(application(root)) as server:
        for _ in range(2):
            assert (await server.get("/s/sub/index.html")).status == 200
        (root / "sub").rename(tmp_path / "moved")
        (root / "sub").symlink_to(tmp_path / "moved")
        later = time.monotonic() + 1.5
        monkeypatch.setattr("halny.web._static_memory.time.monotonic", lambda: later)
        assert (await server.get("/s/sub/index.html")).status == 403


async def test_other_methods(root: Path) -> None:
    async with serving(application(root)) as server:
        assert (await server.ask("POST", "/s/a.txt")).status == 405
