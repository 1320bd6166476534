"""Content codings of responses: which, for whom, and of what."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from halny.http import ContentEncoder, HTTPHeaders, HTTPServerRequest, decode_content, supported_codings
from halny.web import (
    Application,
    BestContentEncoding,
    BrotliContentEncoding,
    GZipContentEncoding,
    OutputTransform,
    RequestHandler,
    StaticFileHandler,
    ZstdContentEncoding,
)

from ._helpers import Answer, serving

if TYPE_CHECKING:
    from pathlib import Path

CODINGS = [coding for coding in ("gzip", "br", "zstd") if coding in supported_codings()]
needs_all = pytest.mark.skipif(len(CODINGS) < 3, reason="needs the libraries of br and zstd")


class Page(RequestHandler):
    def get(self, how: str = "") -> None:
        self.set_header("Content-Type", self.get_argument("type", "text/plain"))
        self.set_status(int(self.get_argument("status", "200")))
        for name in ("Vary", "Content-Encoding", "Content-Range", "Etag"):
            if self.get_argument(name, ""):
                self.set_header(name, self.get_argument(name))
        size = int(self.get_argument("size", "5000"))
        if how == "parts":
            for _ in range(3):
                self.write("x" * size)
                self.flush()
        elif size:
            self.write("x" * size)

    head = get


def app() -> Application:
    return Application([(r"/(.*)", Page)], compress_response=True)


def decoded(answer: Answer) -> bytes:
    coding = answer.header("Content-Encoding")
    return answer.body if coding is None else decode_content(coding, answer.body, max_size=1 << 20)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("how", ["whole", "parts"])
async def test_codings(coding: str, how: str) -> None:
    async with serving(app()) as server:
        answer = await server.get(f"/{how}", f"Accept-Encoding: {coding}")
        plain = await server.get(f"/{how}")
    assert answer.header("Content-Encoding") == coding
    assert answer.header("Vary") == plain.header("Vary") == "Accept-Encoding"
    assert decoded(answer) == plain.body
    assert len(answer.body) < len(plain.body) / 10
    if how == "whole":
        assert answer.header("Content-Length") == str(len(answer.body))
        assert answer.header("Etag") == f"W/{plain.header('Etag')}"
    else:
        assert answer.header("Transfer-Encoding") == "chunked"


@needs_all
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("br;q=0.5, gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "zstd"),
        ("gzip;q=0", None),
        ("identity, gzip;q=0.5", None),
        ("deflate", None),
        ("", None),
        ("gzip;q=nonsense", None),
    ],
)
async def test_what_the_client_accepts(accepted: str, coding: str | None) -> None:
    async with serving(app()) as server:
        answer = await server.get("/", f"Accept-Encoding: {accepted}")
    assert answer.header("Content-Encoding") == coding
    assert decoded(answer) == b"x" * 5000


@pytest.mark.parametrize(
    ("query", "is_encoded"),
    [
        ("", True),
        ("type=application/json", True),
        ("type=image/svg%2Bxml;charset=utf-8", True),
        ("type=TEXT/HTML", True),
        ("type=image/png", False),
        ("type=application/octet-stream", False),
        ("size=1024", True),
        ("size=1023", False),
        ("size=0", False),
        ("status=404", True),
        ("Content-Encoding=br", False),
        ("status=206&Content-Range=bytes%200-4999/9000", False),
    ],
)
async def test_what_is_worth_it(query: str, is_encoded: bool) -> None:
    async with serving(app()) as server:
        answer = await server.get(f"/?{query}", "Accept-Encoding: gzip")
    assert (answer.header("Content-Encoding") == "gzip") is is_encoded


@pytest.mark.parametrize(
    ("varies", "expected"),
    [("Cookie", "Cookie, Accept-Encoding"), ("accept-encoding", "accept-encoding"), ("*", "*")],
)
async def test_vary(varies: str, expected: str) -> None:
    async with serving(app()) as server:
        assert (await server.get(f"/?Vary={varies}")).header("Vary") == expected


@pytest.mark.parametrize(("etag", "sent"), [('"x"', 'W/"x"'), ('W/"x"', 'W/"x"')])
async def test_an_etag_becomes_a_weak_one_once(etag: str, sent: str) -> None:
    async with serving(app()) as server:
        answer = await server.get(f"/?Etag={quote(etag)}", "Accept-Encoding: gzip")
    assert (answer.header("Content-Encoding"), answer.header("Etag")) == ("gzip", sent)


async def test_conditional_requests_still_match() -> None:
    async with serving(app()) as server:
        etag = (await server.get("/", "Accept-Encoding: gzip")).header("Etag")
        answer = await server.get("/", "Accept-Encoding: gzip", f"If-None-Match: {etag}")
    assert (answer.status, answer.body, answer.header("Content-Encoding")) == (304, b"", None)


async def test_responses_without_a_body() -> None:
    async with serving(app()) as server:
        for query in ("status=204&size=0", "status=304&size=0"):
            answer = await server.get(f"/?{query}", "Accept-Encoding: gzip")
            assert (answer.body, answer.header("Content-Encoding")) == (b"", None)
        head = await server.ask("HEAD", "/", ["Accept-Encoding: gzip"])
        whole = await server.get("/", "Accept-Encoding: gzip")
        assert (head.body, head.header("Content-Length")) == (b"", whole.header("Content-Length"))


@pytest.mark.parametrize(
    ("status", "is_encoded"), [(100, False), (199, False), (200, True), (204, False), (304, False)]
)
def test_a_flushed_head_without_a_body_is_left_alone(status: int, is_encoded: bool) -> None:
    request = HTTPServerRequest("GET", "/", headers=HTTPHeaders({"Accept-Encoding": "gzip"}))
    transform, headers = GZipContentEncoding(request), HTTPHeaders({"Content-Type": "text/plain"})
    _, _, chunk = transform.transform_first_chunk(status, headers, b"", False)
    assert ("Content-Encoding" in headers, bool(chunk), transform.is_active) == (is_encoded,) * 3


async def test_settings_and_transforms() -> None:
    assert Application().transforms == []
    assert Application(compress_response=True).transforms == [BestContentEncoding]
    assert Application(gzip=True).transforms == [BestContentEncoding]
    assert Application(compress_response=True, transforms=[]).transforms == []
    assert issubclass(BestContentEncoding, GZipContentEncoding)
    assert BestContentEncoding.CONTENT_TYPES is GZipContentEncoding.CONTENT_TYPES


@needs_all
async def test_one_coding_alone() -> None:
    kinds = {"gzip": GZipContentEncoding, "br": BrotliContentEncoding, "zstd": ZstdContentEncoding}
    for coding, kind in kinds.items():
        application = Application([(r"/(.*)", Page)], transforms=[kind])
        async with serving(application) as server:
            answer = await server.get("/", "Accept-Encoding: gzip, br, zstd")
            assert answer.header("Content-Encoding") == coding
            others = ", ".join(other for other in kinds if other != coding)
            assert (await server.get("/", f"Accept-Encoding: {others}")).header("Content-Encoding") is None


@pytest.mark.parametrize("coding", CODINGS)
def test_levels(coding: str) -> None:
    request = HTTPServerRequest("GET", "/", headers=HTTPHeaders({"Accept-Encoding": coding}))
    text = random.Random(1).choices(["wind ", "gale ", "storm ", "breeze "], k=10_000)
    page = "".join(text).encode()
    attribute = {"gzip": "GZIP_LEVEL", "br": "BROTLI_LEVEL", "zstd": "ZSTD_LEVEL"}[coding]
    for level in (None, 1, 9):
        members = {} if level is None else {attribute: level}
        transform = type("Transform", (BestContentEncoding,), members)(request)
        _, _, sent = transform.transform_first_chunk(200, HTTPHeaders({"Content-Type": "text/plain"}), page, True)
        assert sent == ContentEncoder(coding, level=level).finish(page)
    assert (GZipContentEncoding.GZIP_LEVEL, GZipContentEncoding.BROTLI_LEVEL, GZipContentEncoding.ZSTD_LEVEL) == (
        6,
        4,
        3,
    )


async def test_attributes_that_subclasses_change() -> None:
    class Mine(GZipContentEncoding):
        CONTENT_TYPES = GZipContentEncoding.CONTENT_TYPES | {"application/wasm"}
        MIN_LENGTH = 10
        GZIP_LEVEL = 1

    async with serving(Application([(r"/(.*)", Page)], transforms=[Mine])) as server:
        answer = await server.get("/?type=application/wasm&size=10", "Accept-Encoding: gzip")
    assert gzip.decompress(answer.body) == b"x" * 10


async def test_several_transforms_in_order() -> None:
    class Upper(OutputTransform):
        def transform_first_chunk(
            self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
        ) -> tuple[int, HTTPHeaders, bytes]:
            headers["X-Upper"] = "1"
            return status_code, headers, self.transform_chunk(chunk, finishing)

        def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
            return chunk.upper()

    application = Application([(r"/(.*)", Page)])
    application.add_transform(Upper)
    application.add_transform(GZipContentEncoding)
    async with serving(application) as server:
        for how in ("whole", "parts"):
            answer = await server.get(f"/{how}", "Accept-Encoding: gzip")
            assert gzip.decompress(answer.body).strip(b"X") == b""
            assert answer.header("X-Upper") == "1"


def test_a_plain_transform_changes_nothing() -> None:
    transform = OutputTransform(HTTPServerRequest("GET", "/"))
    headers = HTTPHeaders({"A": "b"})
    assert transform.transform_first_chunk(200, headers, b"x", True) == (200, headers, b"x")
    assert transform.transform_chunk(b"x", False) == b"x"


async def test_files(tmp_path: Path) -> None:
    content = b"text " * 100_000
    (tmp_path / "large.txt").write_bytes(content)
    (tmp_path / "large.bin").write_bytes(content)
    (tmp_path / "small.txt").write_bytes(b"small")
    app = Application([(r"/(.*)", StaticFileHandler, {"path": tmp_path})], compress_response=True)
    async with serving(app) as server:
        for _ in range(2):
            answer = await server.get("/large.txt", "Accept-Encoding: gzip")
            assert gzip.decompress(answer.body) == content
            assert (await server.get("/large.bin", "Accept-Encoding: gzip")).body == content
            small = await server.get("/small.txt", "Accept-Encoding: gzip")
            assert (small.body, small.header("Vary")) == (b"small", "Accept-Encoding")
            part = await server.get("/large.txt", "Accept-Encoding: gzip", "Range: bytes=0-4")
            assert (part.status, part.body, part.header("Content-Encoding")) == (206, b"text ", None)
