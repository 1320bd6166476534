"""A small file in memory gives the very answers that it gives from disk, to whatever is asked."""

from __future__ import annotations

import gzip
import sys
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import Application, StaticFileHandler
from halny.web._static_paths import OpenedFile

from ._helpers import Answer, serving
from ._static_site import ETAG, MODIFIED, TEXT, forget, put, root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["forget", "root"]  # the fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made with symbolic links and POSIX names")

EARLIER, LATER = "Wed, 01 Jan 2020 00:00:00 GMT", "Fri, 03 Jan 2020 00:00:00 GMT"


class Forgetful(StaticFileHandler):
    MAX_CACHED_CONTENT = 0


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[OpenedFile]]:
    """The files that are opened; all are closed in the end."""
    files: list[OpenedFile] = []
    init = OpenedFile.__init__

    def keep(self: OpenedFile, path: str) -> None:
        init(self, path)
        files.append(self)

    monkeypatch.setattr(OpenedFile, "__init__", keep)
    yield files
    assert [file.path for file in files if file.fileno() != -1] == []


def told(answer: Answer) -> tuple[Any, ...]:
    fields = [(name, value) for name, value in answer.fields if name not in ("Date", "Expires")]
    return answer.status, answer.reason, fields, answer.body


async def compare(root: Path, method: str, path: str, *headers: str, rule: str = r"/(.*)", **settings: Any) -> Answer:
    """Ask for a file that is in memory, and for the same one on disk."""
    answers: list[Answer] = []
    for cls in (Forgetful, StaticFileHandler):
        StaticFileHandler.reset()
        arguments = {"path": str(root), **settings.get("arguments", {})}
        rules: list[Any] = [("/p/(.*)", cls, {"path": str(root)}), (rule, cls, arguments)]
        rest = {name: value for name, value in settings.items() if name != "arguments"}
        async with serving(Application(rules, log_function=str, **rest)) as server:
            assert (await server.get("/p" + path.partition("?")[0])).status == 200
            answers.append(await server.ask(method, path, headers))
    assert told(answers[0]) == told(answers[1])
    return answers[1]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/a.txt", [], 200),
        ("HEAD", "/a.txt", [], 200),
        ("POST", "/a.txt", [], 405),
        ("OPTIONS", "/a.txt", [], 405),
        ("DELETE", "/a.txt", [f"If-None-Match: {ETAG}"], 405),
        ("GET", "/a.txt", ["Range: bytes=2-4"], 206),
        ("HEAD", "/a.txt", ["Range: bytes=2-4"], 206),
        ("GET", "/a.txt", ["Range: bytes=10-"], 416),
        ("GET", "/a.txt", ["Range: bytes=2-4", f"If-Range: {ETAG}"], 206),
        ("GET", "/a.txt", ["Range: bytes=2-4", 'If-Range: "other"'], 200),
        ("GET", "/a.txt", [f"If-Modified-Since: {MODIFIED}"], 304),
        ("GET", "/a.txt", [f"If-Modified-Since: {LATER}"], 304),
        ("GET", "/a.txt", [f"If-Modified-Since: {EARLIER}"], 200),
        ("GET", "/a.txt", [f"If-None-Match: {ETAG}"], 304),
        ("HEAD", "/a.txt", [f"If-None-Match: W/{ETAG}"], 304),
        ("GET", "/a.txt", [f'If-None-Match: "other", {ETAG}'], 304),
        ("GET", "/a.txt", ['If-None-Match: "other"', f"If-Modified-Since: {MODIFIED}"], 200),
        ("GET", "/a.txt", ["If-None-Match: *"], 304),
        ("GET", "/a.txt?v=1", [], 200),
        ("GET", "/a.txt?x=1", [], 200),
        ("GET", "/a.txt?n=v", [], 200),
        ("GET", "/empty.txt", [], 200),
        ("GET", "/noext", [], 200),
        ("GET", "/style.css", ["Accept-Encoding: gzip"], 200),
        ("GET", "/link_in.txt", [], 200),
        ("GET", "/with%20space.txt", [], 200),
    ],
)
async def test_the_same_answer(
    root: Path, opened: list[OpenedFile], method: str, path: str, headers: list[str], status: int
) -> None:
    assert (await compare(root, method, path, *headers)).status == status


async def test_a_file_is_in_memory_at_all(root: Path, opened: list[OpenedFile]) -> None:
    async with serving(Application([(r"/(.*)", StaticFileHandler, {"path": str(root)})])) as server:
        for _ in range(3):
            assert (await server.get("/a.txt")).body == TEXT
    assert len(opened) == 1


async def test_a_status_that_prepare_sets(root: Path) -> None:
    class Warned(StaticFileHandler):
        def prepare(self) -> None:
            self.set_status(203)

    rules: list[Any] = [(r"/p/(.*)", StaticFileHandler, {"path": str(root)}), (r"/(.*)", Warned, {"path": str(root)})]
    async with serving(Application(rules)) as server:
        for path, status in (("/p/a.txt", 200), ("/a.txt", 203), ("/p/a.txt", 200)):
            assert (await server.get(path)).status == status


async def test_a_path_that_comes_by_name(root: Path) -> None:
    assert (await compare(root, "GET", "/a.txt", rule="/(?P<path>.*)")).body == TEXT


async def test_transforms_see_what_is_in_memory(root: Path) -> None:
    put(root / "page.txt", b"text " * 1000)
    answer = await compare(root, "GET", "/page.txt", "Accept-Encoding: gzip", compress_response=True)
    assert gzip.decompress(answer.body) == b"text " * 1000


async def test_a_coding_is_not_taken_for_the_file(root: Path, opened: list[OpenedFile]) -> None:
    """The same directory with and without the files beside its files, whichever was asked for first."""
    put(root / "a.txt.gz", b"gz")
    plain = (r"/p/(.*)", StaticFileHandler, {"path": str(root)})
    beside = (r"/b/(.*)", StaticFileHandler, {"path": str(root), "precompressed": True})
    async with serving(Application([plain, beside])) as server:
        for _ in range(2):
            for path, accepted, body, coding in (
                ("/b/a.txt", "gzip", b"gz", "gzip"),
                ("/b/a.txt", "identity", TEXT, None),
                ("/p/a.txt", "gzip", TEXT, None),
            ):
                answer = await server.get(path, f"Accept-Encoding: {accepted}")
                assert (answer.body, answer.header("Content-Encoding")) == (body, coding)
                assert answer.header("Vary") == ("Accept-Encoding" if path[1] == "b" else None)


async def test_default_files(root: Path, opened: list[OpenedFile]) -> None:
    rule = (r"/(.*)", StaticFileHandler, {"path": str(root), "default_filename": "index.html"})
    async with serving(Application([rule])) as server:
        for _ in range(2):
            assert (await server.get("/sub/")).body == b"<h1>index</h1>"
            assert (await server.get("/sub/index.html")).body == b"<h1>index</h1>"
            assert (await server.get("/sub")).header("Location") == "/sub/"


async def test_without_the_cache_of_versions_nothing_is_kept(root: Path, opened: list[OpenedFile]) -> None:
    rule = (r"/(.*)", StaticFileHandler, {"path": str(root)})
    async with serving(Application([rule], static_hash_cache=False)) as server:
        for _ in range(3):
            assert (await server.get("/a.txt")).body == TEXT
    assert len(opened) == 3


async def test_who_forgets_does_not_profit_from_who_remembers(root: Path, opened: list[OpenedFile]) -> None:
    rule: Any = (r"/(.*)", StaticFileHandler, {"path": str(root)})
    async with serving(Application([rule])) as server, serving(Application([rule], static_hash_cache=False)) as other:
        await server.get("/a.txt")
        before = len(opened)
        await other.get("/a.txt")
    assert len(opened) > before
