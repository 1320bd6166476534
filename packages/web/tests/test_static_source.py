"""What subclasses override, and versions of files."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import inspect
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import (
    Application,
    HTTPError,
    StaticFileHandler,
    _static_content,
)
from halny.web._static_source import FileSource

from ._helpers import serving
from ._static_site import (
    ETAG,
    LARGE,
    LONG_AGO,
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
    from collections.abc import Generator

    from tools.strict_tests.logs import ExpectLog

__all__ = ["forget", "refusals", "root"]  # the fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made with symbolic links and POSIX names")


class Virtual(StaticFileHandler):
    """Has its content in memory, and no files at all."""

    CONTENT = b"abcdefghij"

    def initialize(self) -> None:  # type: ignore[override]
        self.root = "/nowhere"

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        return f"{root}:{path}"

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        if absolute_path == "/nowhere:missing":
            raise HTTPError(404)
        if absolute_path == "/nowhere:elsewhere":
            self.redirect("/s/here")
            return None
        return absolute_path

    @classmethod
    def get_content(
        cls, abspath: str, start: int | None = None, end: int | None = None
    ) -> Generator[bytes, None, None] | bytes:
        content = cls.CONTENT[start:end]
        return content if abspath.endswith(":bytes") else (content[i : i + 3] for i in range(0, len(content), 3))

    def get_content_size(self) -> int:
        return len(self.CONTENT)

    def get_modified_time(self) -> dt.datetime | None:
        return dt.datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as users write it

    def get_content_type(self) -> str:
        return "text/virtual"

    def set_extra_headers(self, path: str) -> None:
        self.set_header("X-Path", path)


@pytest.mark.parametrize("name", ["bytes", "generator"])
async def test_content_from_elsewhere(name: str) -> None:
    async with serving(Application([(r"/s/(.*)", Virtual)])) as server:
        for _ in range(2):
            answer = await server.get(f"/s/{name}")
            assert (answer.status, answer.body) == (200, Virtual.CONTENT)
            assert answer.header("Etag") == f'"{hashlib.sha512(Virtual.CONTENT).hexdigest()}"'
            assert (answer.header("Content-Type"), answer.header("X-Path")) == ("text/virtual", name)
            assert answer.header("Last-Modified") == MODIFIED
        part = await server.get(f"/s/{name}", "Range: bytes=2-4")
        assert (part.status, part.body, part.header("Content-Range")) == (206, b"cde", "bytes 2-4/10")
        assert (await server.get(f"/s/{name}", f"If-Modified-Since: {MODIFIED}")).status == 304
        assert (await server.get("/s/missing")).status == 404
        assert (await server.get("/s/elsewhere")).header("Location") == "/s/here"


async def test_a_subclass_may_have_several_roots(root: Path) -> None:
    class Several(StaticFileHandler):
        @classmethod
        def get_absolute_path(cls, root: Any, path: str) -> str:
            return next(str(each / path) for each in root if (each / path).exists())

        def validate_absolute_path(self, root: Any, absolute_path: str) -> str:
            assert isinstance(root, list)
            return absolute_path

    async with serving(Application([(r"/s/(.*)", Several, {"path": [root / "sub", root]})])) as server:
        for _ in range(2):
            assert (await server.get("/s/a.txt")).body == TEXT
            assert (await server.get("/s/index.html")).text == "<h1>index</h1>"


def test_errors_name_the_class_that_users_know() -> None:
    with pytest.raises(TypeError, match=r"^StaticFileHandler\.initialize\(\) missing 1 required"):
        StaticFileHandler.initialize(object())  # type: ignore[call-arg, arg-type]


async def test_the_order_of_the_methods(root: Path) -> None:
    calls: list[str] = []

    def logged(name: str) -> Any:
        method: Any = inspect.getattr_static(StaticFileHandler, name)
        function = getattr(method, "__func__", method)

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return function(self, *args, **kwargs)

        return classmethod(call) if isinstance(method, classmethod) else call

    names = [
        "compute_etag", "get", "get_absolute_path", "get_cache_time", "get_content", "get_content_size",
        "get_content_type", "get_content_version", "get_modified_time", "get_version", "head", "initialize",
        "parse_url_path", "set_extra_headers", "set_headers", "should_return_304", "validate_absolute_path",
    ]  # fmt: skip
    cls = type("Logged", (StaticFileHandler,), {name: logged(name) for name in names})
    begin = ["parse_url_path", "get_absolute_path", "validate_absolute_path"]
    headers = ["get_content_type", "get_cache_time", "set_extra_headers", "should_return_304"]
    async with serving(application(root, cls)) as server:
        await server.get("/s/a.txt")
        assert calls == [
            "initialize", "get", *begin, "get_modified_time", "set_headers", "compute_etag", "get_content_version",
            "get_content", *headers, "get_content_size", "get_content",
        ]  # fmt: skip
        calls.clear()
        await server.ask("HEAD", "/s/a.txt")
        first = ["initialize", "head", "get", *begin, "get_modified_time", "set_headers", "compute_etag"]
        assert [name for name in calls if name != "get_content_version"][: len(first)] == first
        assert calls[-5:] == [*headers, "get_content_size"]
        calls.clear()
        await server.get("/s/a.txt", "If-None-Match: *")
        assert calls[-1] == "should_return_304"


@needs_refusals
async def test_initialize_without_super(root: Path) -> None:
    class Bare(StaticFileHandler):
        def initialize(self) -> None:  # type: ignore[override]
            self.root = str(root)

    async with serving(Application([(r"/s/(.*)", Bare)])) as server:
        for _ in range(2):
            assert (await server.get("/s/a.txt")).body == TEXT
            assert (await server.get("/s/link_out.txt")).status == 403
            assert (await server.get("/s/sub")).status == 403


async def test_several_roots(tmp_path: Path, root: Path) -> None:
    """As some applications do: the root is a tuple, and the methods look through it."""

    class Finder(StaticFileHandler):
        def initialize(self, path: tuple[str, ...]) -> None:  # type: ignore[override]
            self.root = path  # type: ignore[assignment]

        @classmethod
        def get_absolute_path(cls, root: Any, path: str) -> str:
            for place in root:
                found = os.path.join(place, path)  # noqa: PTH118
                if os.path.isfile(found):  # noqa: PTH113
                    return found
            return ""

        def validate_absolute_path(self, root: Any, absolute_path: str) -> str | None:
            if not absolute_path:
                raise HTTPError(404)
            for place in root:
                if absolute_path.startswith(place + os.sep):
                    return super().validate_absolute_path(place, absolute_path)
            raise HTTPError(403)

    roots = (str(tmp_path / "outside"), str(root))
    async with serving(Application([(r"/s/(.*)", Finder, {"path": roots})])) as server:
        for _ in range(2):
            assert (await server.get("/s/a.txt")).body == TEXT
            assert (await server.get("/s/o.txt")).body == b"outside"
            assert (await server.get("/s/nothing")).status == 404


@needs_refusals
async def test_a_validated_path_that_is_changed(root: Path) -> None:
    class Other(StaticFileHandler):
        def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
            super().validate_absolute_path(root, absolute_path)
            return str(Path(root) / "style.css")

    class Folder(StaticFileHandler):
        def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
            return root

    async with serving(application(root, Other)) as server:
        for _ in range(2):
            answer = await server.get("/s/a.txt")
            assert (answer.body, answer.header("Content-Type")) == (b"body {}", "text/css")
    async with serving(application(root, Folder)) as server:
        assert (await server.get("/s/a.txt")).status == 403


async def test_each_override_counts_even_for_what_is_in_memory(root: Path) -> None:
    class Etag(StaticFileHandler):
        def compute_etag(self) -> str | None:
            return None

    class Never(StaticFileHandler):
        def should_return_304(self) -> bool:
            return False

    class Extra(StaticFileHandler):
        def set_extra_headers(self, path: str) -> None:
            self.set_header("Cache-Control", "no-cache")

    class Sees(StaticFileHandler):
        written = 0

        def write(self, chunk: str | bytes | dict[Any, Any]) -> None:
            type(self).written += len(chunk)
            super().write(chunk)

    classes = {"e": Etag, "n": Never, "x": Extra, "w": Sees, "p": StaticFileHandler}
    app = Application([(rf"/{key}/(.*)", cls, {"path": str(root)}) for key, cls in classes.items()])
    async with serving(app) as server:
        for _ in range(2):
            await server.get("/p/a.txt")
            assert (await server.get("/e/a.txt")).header("Etag") is None
            assert (await server.get("/n/a.txt", f"If-None-Match: {ETAG}")).status == 200
            assert (await server.get("/x/a.txt")).header("Cache-Control") == "no-cache"
            await server.get("/w/a.txt")
            await server.get("/w/large.bin")
        assert Sees.written == 2 * (len(TEXT) + len(LARGE))


async def test_default_headers_and_cookies_count_even_for_what_is_in_memory(root: Path) -> None:
    class Headers(StaticFileHandler):
        def set_default_headers(self) -> None:
            self.set_header("X-Default", "1")

    class Cookie(StaticFileHandler):
        def prepare(self) -> None:
            self.set_cookie("a", "b")

    class Closed(StaticFileHandler):
        async def prepare(self) -> None:
            await asyncio.sleep(0)
            raise HTTPError(401)

    classes = {"h": Headers, "c": Cookie, "q": Closed, "p": StaticFileHandler}
    app = Application([(rf"/{key}/(.*)", cls, {"path": str(root)}) for key, cls in classes.items()])
    async with serving(app) as server:
        for _ in range(2):
            await server.get("/p/a.txt")
            assert (await server.get("/h/a.txt")).header("X-Default") == "1"
            assert (await server.get("/c/a.txt")).header("Set-Cookie") == "a=b; Path=/"
            assert (await server.get("/q/a.txt")).status == 401


def test_static_urls(root: Path) -> None:
    settings = {"static_path": str(root)}
    version = ETAG.strip('"')
    assert StaticFileHandler.make_static_url(settings, "a.txt") == f"/static/a.txt?v={version}"
    assert StaticFileHandler.make_static_url(settings, "a.txt", include_version=False) == "/static/a.txt"
    assert StaticFileHandler.make_static_url({**settings, "static_url_prefix": "/s/"}, "a.txt") == (
        f"/s/a.txt?v={version}"
    )
    assert StaticFileHandler.get_version(settings, "a.txt") == version
    assert StaticFileHandler.get_content_version(str(root / "a.txt")) == version


@pytest.mark.parametrize("path", ["../root_secret/s.txt", "/etc/passwd", "sub/../../x"])
def test_static_urls_of_nothing_outside(root: Path, path: str) -> None:
    with pytest.raises(HTTPError, match="is not in root static directory") as caught:
        StaticFileHandler.make_static_url({"static_path": str(root)}, path)
    assert caught.value.status_code == 403


@pytest.mark.parametrize("path", ["nothing", "sub", ""])
def test_static_urls_of_what_can_not_be_read(root: Path, path: str, expect_log: ExpectLog) -> None:
    with expect_log("halny.general", "could not open static file", count=1):
        assert StaticFileHandler.make_static_url({"static_path": str(root)}, path) == f"/static/{path}"


def test_a_file_that_is_not_there_is_logged_once_and_found_when_it_comes(root: Path, expect_log: ExpectLog) -> None:
    settings = {"static_path": str(root)}
    for _ in range(2):
        with expect_log("halny.general", "could not open static file", count=1):
            assert [StaticFileHandler.get_version(settings, "new.txt") for _ in range(3)] == [None] * 3
        put(root / "new.txt", b"new")
        assert StaticFileHandler.get_version(settings, "new.txt")
        (root / "new.txt").unlink()


async def test_files_too_large_for_a_version(root: Path, expect_log: ExpectLog) -> None:
    class Small(StaticFileHandler):
        MAX_VERSION_CONTENT_SIZE = 5

    with pytest.raises(ValueError, match="MAX_VERSION_CONTENT_SIZE"):
        Small.get_content_version(str(root / "a.txt"))
    with expect_log("halny.general", "could not open static file", count=1):
        assert Small.get_version({"static_path": str(root)}, "a.txt") is None
    async with serving(application(root, Small)) as server:
        etags = {(await server.get("/s/a.txt")).header("Etag") for _ in range(2)}
        os.utime(root / "a.txt", (LONG_AGO + 1, LONG_AGO + 1))
        other = (await server.get("/s/a.txt")).header("Etag")
        assert (await server.get("/s/a.txt", f"If-None-Match: {other}")).status == 304
    assert len(etags) == 1
    assert other not in etags


def test_versions_that_are_remembered_are_few(root: Path) -> None:
    class Few(StaticFileHandler):
        MAX_CACHED_VERSIONS = 2

    settings = {"static_path": str(root)}
    for name in ("a.txt", "style.css", "noext", "empty.txt"):
        assert Few.get_version(settings, name)
    hashes = vars(FileSource)["_static_hashes"]
    assert [Path(path).name for path in hashes] == ["noext", "empty.txt"]
    StaticFileHandler.reset()
    assert not hashes


def test_parts_of_content(root: Path) -> None:
    path = str(root / "a.txt")
    assert b"".join(StaticFileHandler.get_content(path, 2, 5)) == b"234"  # type: ignore[arg-type]
    assert b"".join(StaticFileHandler.get_content(path, 8)) == b"89"  # type: ignore[arg-type]
    large = StaticFileHandler.get_content(str(root / "large.bin"))
    assert not isinstance(large, bytes)
    assert [len(piece) for piece in large] == [_static_content.PIECE_SIZE] * 4


@pytest.mark.parametrize("limit", [0, len(TEXT) - 1])
async def test_small_files_may_be_kept_nowhere(root: Path, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(StaticFileHandler):
        MAX_CACHED_CONTENT = limit

    opened: list[object] = []
    original = os.open

    def count(path: Any, *args: Any, **kwargs: Any) -> int:
        opened.append(path)
        return original(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", count)
    async with serving(application(root, Forgetful)) as server:
        for _ in range(2):
            assert (await server.get("/s/a.txt")).body == TEXT
    assert opened == [str(root / "a.txt")] * 2
