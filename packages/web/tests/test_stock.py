"""Redirects that never leave the host unless the application says so, fallbacks, error pages, slashes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import (
    Application,
    ErrorHandler,
    FallbackHandler,
    RedirectHandler,
    RequestHandler,
    addslash,
    removeslash,
)

from ._helpers import handler, serving

if TYPE_CHECKING:
    from halny.http import HTTPServerRequest
    from tools.strict_tests.logs import ExpectLog


def redirecting(pattern: str, url: str, **kwargs: Any) -> Application:
    return Application([(pattern, RedirectHandler, {"url": url, **kwargs})])


@pytest.mark.parametrize(
    ("pattern", "url", "path", "location"),
    [
        (r"/r", "/dest", "/r", "/dest"),
        (r"/r", "/dest", "/r?a=b&a=c&d=%26", "/dest?a=b&a=c&d=%26"),
        (r"/r", "/dest?x=y", "/r?a=b", "/dest?x=y&a=b"),
        (r"/p/(.*)", "/pictures/{0}", "/p/a/b", "/pictures/a/b"),
        (r"/n/(?P<x>.*)/(?P<y>.*)", "/{y}?x={x}", "/n/1/2", "/2?x=1"),
        (r"/e/(.*)", "http://example.org/{0}", "/e/a", "http://example.org/a"),
        (r"/e/(.*)", "http://example.org/{0}", "/e//b", "http://example.org//b"),
        (r"/e/(.*)", "//example.org/{0}", "/e/a", "//example.org/a"),
        (r"/e(.*)", "http://example.org{0}", "/e/a", "http://example.org/a"),
        (r"/o/(.*)", "{0}", "/o/foo", "foo"),
        (r"/o/(.*)", "{0}", "/o//foo", "/foo"),
        (r"/o/(.*)", "/{0}", "/o/..//x", "/..//x"),
        (r"/m", "mailto:someone@example.org", "/m", "mailto:someone@example.org"),
    ],
)
async def test_redirects(pattern: str, url: str, path: str, location: str) -> None:
    async with serving(redirecting(pattern, url)) as server:
        answer = await server.get(path)
    assert (answer.status, answer.header("Location"), answer.body) == (301, location, b"")


async def test_redirects_that_are_not_for_ever() -> None:
    async with serving(redirecting(r"/r", "/dest", permanent=False)) as server:
        assert (await server.get("/r")).status == 302
        assert (await server.ask("POST", "/r")).status == 405


@pytest.mark.parametrize(
    ("url", "rest"),
    [
        ("/{0}", "/evil.example"),
        ("/{0}", "%2fevil.example"),
        ("/{0}", "%5cevil.example"),
        ("/{0}", "\\evil.example"),
        ("/{0}", "%09/evil.example"),
        ("/{0}", "%0a/evil.example"),
        ("/{0}", "%0d%0aX-Injected:1"),
        ("/{0}", "%00"),
        ("/{0}", "%e9"),
        ("{0}", "http://evil.example"),
        ("{0}", "HTTP:evil.example"),
        ("{0}", "https:/evil.example"),
        ("{0}", "//evil.example"),
        ("{0}", "///evil.example"),
        ("{0}", "%2f%2fevil.example"),
        ("{0}", "%5c%5cevil.example"),
        ("{0}", "/%5cevil.example"),
        ("{0}", "%20//evil.example"),
        ("{0}", "%01//evil.example"),
        ("{0}", "javascript:alert(1)"),
        ("{0}", "http://["),
        ("http://{0}.example.org/", "evil.example/"),
        ("http://{0}.example.org/", "a"),
        ("http://{0}.example.org/", "evil.example%23"),
        ("http://example.org{0}", ".evil.example"),
        ("http://example.org{0}", "@evil.example"),
        ("http://example.org{0}", ":80@evil.example/"),
        ("http:{0}", "//evil.example"),
        ("http:{0}", "/%5cevil.example"),
        ("//{0}", "evil.example"),
    ],
)
async def test_redirects_never_lead_to_another_host(url: str, rest: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(redirecting(r"/r/(.*)", url)) as server:
        answer = await server.get(f"/r/{rest}")
    assert (answer.status, answer.header("Location"), answer.header("X-Injected")) == (400, None, None)
    assert [record.name for record in caplog.records] == ["halny.general"]


async def test_error_pages() -> None:
    route = (r"/e", ErrorHandler, {"status_code": 418})
    app = Application([route], cross_origin_protection=True, xsrf_cookies=True, cookie_secret="s" * 32)
    async with serving(app) as server:
        for method in ("GET", "POST"):
            answer = await server.ask(method, "/e")
            assert (answer.status, b"418: I&#x27;m a" in answer.body) == (418, True)
        cross_site = await server.ask("POST", "/e", ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"])
        assert cross_site.status == 418


# Fallbacks


async def test_a_callable_as_fallback() -> None:
    finished: list[str] = []

    def answer(request: HTTPServerRequest) -> None:
        assert request.connection is not None
        body = request.body or request.method.encode()
        request.connection.respond(200, "OK", b"Content-Length: %d\r\n" % len(body), body)

    class Fallback(FallbackHandler):
        def on_finish(self) -> None:
            finished.append(self.request.path)

    app = Application([(r"/mine", handler(lambda self: self.write("mine"))), (r".*", Fallback, {"fallback": answer})])
    async with serving(app) as server:
        assert (await server.get("/mine")).body == b"mine"
        assert (await server.get("/other")).body == b"GET"
        assert (await server.ask("POST", "/other", body=b"content")).body == b"content"
    assert finished == ["/other", "/other"]


async def test_a_coroutine_as_fallback() -> None:
    async def answer(request: HTTPServerRequest) -> None:
        await asyncio.sleep(0)
        assert request.connection is not None
        request.connection.respond(204, "No Content", b"", b"")

    async with serving(Application([(r".*", FallbackHandler, {"fallback": answer})])) as server:
        assert (await server.get("/")).status == 204


async def test_another_application_as_fallback() -> None:
    class Echo(RequestHandler):
        def post(self) -> None:
            self.write(self.get_body_argument("a"))

    inner = Application([(r"/inner", handler(lambda self: self.write("inner"))), (r"/echo", Echo)])

    def log(handler: RequestHandler) -> None:
        pass

    inner.settings["log_function"] = log
    async with serving(Application([(r".*", FallbackHandler, {"fallback": inner})])) as server:
        assert (await server.get("/inner")).body == b"inner"
        assert (await server.post("/echo", b"a=b")).body == b"b"
        assert (await server.get("/nothing")).status == 404


async def test_a_fallback_that_raises(expect_log: ExpectLog) -> None:
    def answer(request: HTTPServerRequest) -> None:
        raise RuntimeError("on purpose")

    async with serving(Application([(r".*", FallbackHandler, {"fallback": answer})])) as server:
        with expect_log("halny.application", "uncaught exception", count=1):
            assert (await server.get("/")).status == 500


# Slashes


class Slash(RequestHandler):
    @addslash
    def get(self, *args: str) -> None:
        self.write("slash")

    @addslash
    async def post(self, *args: str) -> None:
        self.write("posted")


class NoSlash(RequestHandler):
    @removeslash
    async def get(self, *args: str) -> None:
        self.write("noslash")

    @removeslash
    def post(self, *args: str) -> None:
        self.write("posted")


SLASHES = Application([(r"(.*/with(?:/.*)?)", Slash), (r"(.*/without/*)", NoSlash), (r"(/*)", NoSlash)])


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/with", "/with/"),
        ("/with?a=b", "/with/?a=b"),
        ("/with/x", "/with/x/"),
        ("/%2fevil.example/with", "/%2fevil.example/with/"),
        ("/without/", "/without"),
        ("/without/?a=b", "/without?a=b"),
        ("/without///", "/without"),
    ],
)
async def test_slashes_are_redirected(path: str, location: str) -> None:
    async with serving(SLASHES) as server:
        answer = await server.get(path)
    assert (answer.status, answer.header("Location")) == (301, location)


@pytest.mark.parametrize(
    "path", ["//evil.example/with", "/\\evil.example/with", "//evil.example/without/", "/\\evil.example/without/"]
)
async def test_slashes_never_make_a_host(path: str, expect_log: ExpectLog) -> None:
    async with serving(SLASHES) as server:
        with expect_log("halny.general", "would leave the host", count=1):
            answer = await server.get(path)
    assert (answer.status, answer.header("Location")) == (403, None)


async def test_slashes_as_they_should_be() -> None:
    async with serving(SLASHES) as server:
        assert (await server.get("/with/")).body == b"slash"
        assert (await server.ask("POST", "/with/")).body == b"posted"
        assert (await server.get("/without")).body == b"noslash"
        assert (await server.ask("POST", "/without")).body == b"posted"
        assert (await server.get("/")).body == b"noslash"


async def test_only_reading_is_redirected() -> None:
    async with serving(SLASHES) as server:
        assert (await server.ask("POST", "/with")).status == 404
        assert (await server.ask("POST", "/without/")).status == 404
