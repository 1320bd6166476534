"""A small file in memory gives the very answers that it gives from disk, to whatever is asked."""

from __future__ import annotations

import asyncio
import gzip
import sys
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import Application, RequestHandler, StaticFileHandler
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


class Typed(StaticFileHandler):
    def set_header(self, name: str, value: Any) -> None:
        super().set_header(name, "text/x-own" if name == "Content-Type" else value)


class Untagged(StaticFileHandler):
    def set_header(self, name: str, value: Any) -> None:
        if name not in ("Etag", "Last-Modified", "Accept-Ranges", "Content-Type"):
            super().set_header(name, value)


class Redated(StaticFileHandler):
    def _convert_header_value(self, value: Any) -> str:
        return super()._convert_header_value(EARLIER if not isinstance(value, (str, int)) else value)


class Hashless(StaticFileHandler):
    MAX_VERSION_CONTENT_SIZE = 1


class Versioned(StaticFileHandler):
    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        return "own"


class Unmodified(StaticFileHandler):
    def set_status(self, status_code: int, reason: str | None = None) -> None:
        super().set_status(status_code, "Still The Same" if status_code == 304 else reason)


class Patched(StaticFileHandler):
    """Takes the place of a method for one object, as mocks do."""

    def prepare(self) -> None:
        replacements: dict[str, Any] = {
            "set_extra_headers": lambda path: self.set_header("X-Path", path),  # pyright: ignore[reportUnknownLambdaType,reportUnknownArgumentType]
            "get_content_type": lambda: "text/x-own",
            "compute_etag": lambda: '"own"',
        }
        name = self.request.headers.get("X-Patch")
        if name is not None:
            setattr(self, name, replacements[name])


@pytest.mark.parametrize(
    ("cls", "condition"),
    [
        (Typed, []),
        (Untagged, []),
        (Redated, []),
        (Hashless, []),
        (Versioned, []),
        (Unmodified, [f"If-None-Match: {ETAG}"]),
    ],
)
@pytest.mark.parametrize("is_plain_first", [True, False])
async def test_classes_do_not_answer_for_each_other(
    root: Path, cls: type[StaticFileHandler], condition: list[str], is_plain_first: bool
) -> None:
    rules: list[Any] = [(f"/{kind.__name__}/(.*)", kind, {"path": str(root)}) for kind in (StaticFileHandler, cls)]
    if not is_plain_first:
        rules.reverse()
    async with serving(Application(rules, log_function=str)) as server:
        found: dict[str, list[Any]] = {}
        for _ in range(3):
            for pattern, kind, _ in rules:
                answer = await server.get(pattern.removesuffix("(.*)") + "a.txt", *condition)
                found.setdefault(kind.__name__, []).append(told(answer))
    for answers in found.values():
        assert answers == answers[:1] * 3
    first, second = found.values()
    assert first != second


def test_all_classes_forget(root: Path) -> None:
    settings = {"static_path": str(root)}
    hashes = [cls.__dict__["_static_hashes"] for cls in (Hashless, Versioned)]
    Versioned.get_version(settings, "a.txt")
    assert [len(each) for each in hashes] == [0, 1]
    StaticFileHandler.reset()
    assert [len(each) for each in hashes] == [0, 0]


@pytest.mark.parametrize("name", ["set_extra_headers", "get_content_type", "compute_etag"])
async def test_a_patched_object_answers_as_it_is_patched(root: Path, name: str) -> None:
    async with serving(Application([("/(.*)", Patched, {"path": str(root)})])) as server:
        for _ in range(2):
            plain = await server.get("/a.txt")
            patched = await server.get("/a.txt", f"X-Patch: {name}")
            assert told(plain) != told(patched)
            assert (plain.header("X-Path"), plain.header("Content-Type"), plain.header("Etag")) == (
                None, "text/plain", ETAG,
            )  # fmt: skip


@pytest.mark.parametrize("owner", [RequestHandler, StaticFileHandler])
async def test_a_class_that_is_patched_later_answers_as_it_is_patched(
    root: Path, owner: type[RequestHandler], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = RequestHandler.set_header

    def set_header(self: RequestHandler, name: str, value: Any) -> None:
        original(self, name, "text/x-own" if name == "Content-Type" else value)

    async with serving(Application([("/(.*)", StaticFileHandler, {"path": str(root)})])) as server:
        for _ in range(2):
            assert (await server.get("/a.txt")).header("Content-Type") == "text/plain"
        with monkeypatch.context() as patch:
            patch.setattr(owner, "set_header", set_header)
            for _ in range(2):
                assert (await server.get("/a.txt")).header("Content-Type") == "text/x-own"
        assert (await server.get("/a.txt")).header("Content-Type") == "text/plain"


async def test_content_from_a_patched_object(root: Path) -> None:
    class Other(StaticFileHandler):
        def prepare(self) -> None:
            if self.request.query:
                self.get_content = lambda *args: b"from elsewhere"[slice(*args[1:])]  # type: ignore[method-assign]
                self.get_content_size = lambda: 14  # type: ignore[method-assign]

    async with serving(Application([("/(.*)", Other, {"path": str(root)})])) as server:
        for _ in range(2):
            assert (await server.get("/a.txt")).body == TEXT
            assert (await server.get("/a.txt?other")).body == b"from elsewhere"


async def test_what_prepare_leaves_to_somebody_else_is_not_finished(root: Path) -> None:
    tasks: list[asyncio.Task[None]] = []

    class Late(StaticFileHandler):
        def prepare(self) -> None:
            if self.request.query:
                self._auto_finish = False
                tasks.append(asyncio.create_task(self.finish_when_written()))

        async def finish_when_written(self) -> None:
            while not self._write_buffer and not self._finished:
                await asyncio.sleep(0)
            self.finish()

    async with serving(Application([("/(.*)", Late, {"path": str(root)})])) as server:
        for path in ("/a.txt", "/a.txt", "/a.txt?late", "/a.txt"):
            assert (await server.get(path)).body == TEXT
    await asyncio.gather(*tasks)
