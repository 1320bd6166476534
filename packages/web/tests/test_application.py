"""`Application`: its settings, static files, hosts, logs, fallbacks, middleware and debug mode."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import Endpoint, EndpointSource, HTTPServerRequest, wrap_endpoints
from halny.httpserver import HTTPServer
from halny.ioloop import IOLoop, autoreload
from halny.web import Application, ErrorHandler, RequestHandler, StaticFileHandler, stream_request_body

from ._helpers import DelegateApplication, Server, handler, serving

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog

WAYS = pytest.mark.parametrize("kind", [Application, DelegateApplication])

Hello = handler(lambda self: self.write("hello"))


def from_host(host: str, *, real_ip: bool = False) -> bytes:
    extra = "X-Real-Ip: 1.2.3.4\r\n" if real_ip else ""
    return f"GET / HTTP/1.1\r\nHost: {host}\r\n{extra}Connection: close\r\n\r\n".encode()


# Static files


@pytest.fixture
def static(tmp_path: Path) -> Path:
    for name in ("a.txt", "favicon.ico", "robots.txt", "index.html"):
        (tmp_path / name).write_text(name)
    return tmp_path


@WAYS
async def test_static_path(kind: type[Application], static: Path) -> None:
    app = kind([("/a", Hello), ("/static/(.*)", ErrorHandler, {"status_code": 410})], static_path=str(static))
    async with serving(app) as server:
        for path in ("/static/a.txt", "/favicon.ico", "/robots.txt"):
            assert (await server.get(path)).text == path.rsplit("/", 1)[1]
        assert (await server.get("/a")).text == "hello"
        assert (await server.get("/a.txt")).status == 404


async def test_static_settings(static: Path) -> None:
    class Mine(StaticFileHandler):
        def set_extra_headers(self, path: str) -> None:
            self.set_header("X-Mine", path)

    app = Application(
        [("/url", handler(lambda self: self.write(self.static_url("a.txt"))))],
        static_path=static,
        static_url_prefix="/s.t/",
        static_handler_class=Mine,
        static_handler_args={"default_filename": "index.html"},
    )
    async with serving(app) as server:
        assert (await server.get("/s.t/")).text == "index.html"
        answer = await server.get("/s.t/a.txt")
        assert (answer.text, answer.header("X-Mine")) == ("a.txt", "a.txt")
        assert (await server.get("/sxt/a.txt")).status == 404
        made = (await server.get("/url")).text
        assert made.startswith("/s.t/a.txt?v=")
        assert (await server.get(made)).header("Cache-Control") == "max-age=315360000"


# Hosts


@WAYS
async def test_hosts(kind: type[Application]) -> None:
    def says(text: str) -> type[RequestHandler]:
        return handler(lambda self: self.write(text))

    app = kind([("/", says("any"))], default_host="b.example")
    app.add_handlers("a.example", [("/", says("a"))])
    app.add_handlers(r".*\.example", [("/", says("example"))])
    app.add_handlers("b.example", [("/", says("b"))])
    async with serving(app) as server:
        for host, expected in {
            "a.example": b"a",
            "A.EXAMPLE:80": b"a",
            "b.example": b"example",
            "x.org": b"any",
        }.items():
            assert (await server.send(from_host(host))).endswith(b"\r\n\r\n" + expected), host


async def test_default_host() -> None:
    app = Application(default_host="b.example")
    app.add_handlers("b.example", [("/", Hello)])
    async with serving(app) as server:
        assert b" 200 OK" in await server.send(from_host("127.0.0.1"))
        assert b" 404 Not Found" in await server.send(from_host("127.0.0.1", real_ip=True))


# What nothing matches


@WAYS
async def test_default_handlers(kind: type[Application]) -> None:
    class Default(RequestHandler):
        def initialize(self, text: str) -> None:
            self.text = text

        def get(self) -> None:
            self.set_status(404)
            self.write(self.text)

    @stream_request_body
    class Stream(RequestHandler):
        size = 0

        def data_received(self, chunk: bytes) -> None:
            self.size += len(chunk)

        def post(self) -> None:
            self.write(str(self.size))

    async with serving(kind()) as server:
        assert (await server.get("/")).status == 404
        assert (await server.ask("POST", "/", body=b"x")).status == 404
    async with serving(kind(default_handler_class=Default, default_handler_args={"text": "mine"})) as server:
        assert ((await server.get("/x")).status, (await server.get("/x")).text) == (404, "mine")
    async with serving(kind(default_handler_class=Stream)) as server:
        assert (await server.ask("POST", "/x", body=b"12345")).text == "5"


@WAYS
@pytest.mark.parametrize("value", [None, False, "", 0])
async def test_no_default_handler(kind: type[Application], value: object) -> None:
    async with serving(kind(default_handler_class=value)) as server:
        assert (await server.get("/")).status == 404


# Logs


@pytest.mark.parametrize(
    ("status", "level"), [(200, logging.INFO), (304, logging.INFO), (404, logging.WARNING), (500, logging.ERROR)]
)
async def test_the_access_log(status: int, level: int, expect_log: ExpectLog) -> None:
    app = Application([("/", handler(lambda self: self.set_status(status)))])
    http_server = HTTPServer(app)
    http_server.listen(0, "127.0.0.1")
    (sock,) = http_server._sockets.values()  # pyright: ignore[reportPrivateUsage]
    try:
        with expect_log("halny.access", rf"^{status} GET /\?a=b \(127\.0\.0\.1\) [0-9.]+ms$", level, count=1):
            await Server(sock.getsockname()[1]).get("/?a=b")
    finally:
        http_server.stop()
        await http_server.close_all_connections()


async def test_listen() -> None:
    server = Application([("/", Hello)], log_function=str).listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()  # pyright: ignore[reportPrivateUsage]
    try:
        assert (await Server(sock.getsockname()[1]).get("/")).text == "hello"
    finally:
        server.stop()
        await server.close_all_connections()


# Middleware


async def test_a_wrapped_endpoint() -> None:
    seen: list[str] = []

    class Timed(Endpoint):
        def __init__(self, request: HTTPServerRequest, inner: Endpoint) -> None:
            self.request = request
            self.inner = inner
            self.max_body_size = inner.max_body_size

        def run(self) -> Coroutine[Any, Any, None] | None:
            seen.append(f"before {self.request.path}")
            if self.request.path == "/refused":
                assert self.request.connection is not None
                self.request.connection.respond(403, "Forbidden", b"Content-Length: 0\r\n", b"")
                return None
            return self.after(self.inner.run())

        async def after(self, rest: Coroutine[Any, Any, None] | None) -> None:
            if rest is not None:
                await rest
            seen.append(f"after {self.request.path}")

    class Waits(RequestHandler):
        async def get(self) -> None:
            await asyncio.sleep(0)
            self.write("waited")

    app = Application([("/now", Hello), ("/waits", Waits)], log_function=str)
    source = app.endpoint_source()
    assert isinstance(source, EndpointSource)
    http_server = HTTPServer(wrap_endpoints(source, Timed))
    http_server.listen(0, "127.0.0.1")
    (sock,) = http_server._sockets.values()  # pyright: ignore[reportPrivateUsage]
    server = Server(sock.getsockname()[1])
    try:
        assert (await server.get("/now")).text == "hello"
        assert (await server.get("/waits")).text == "waited"
        assert (await server.get("/refused")).status == 403
    finally:
        http_server.stop()
        await http_server.close_all_connections()
    assert seen == ["before /now", "after /now", "before /waits", "after /waits", "before /refused"]


async def test_each_own_way_of_a_subclass_is_taken() -> None:
    class Starts(Application):
        def start_request(self, server_conn: object, request_conn: Any) -> Any:
            started.append("start_request")
            return super().start_request(server_conn, request_conn)

    class Delegates(Application):
        def get_handler_delegate(self, request: HTTPServerRequest, *args: Any, **kwargs: Any) -> Any:
            started.append("get_handler_delegate")
            return super().get_handler_delegate(request, *args, **kwargs)

    for kind in (Starts, Delegates):
        started: list[str] = []
        assert kind().endpoint_source() is None
        async with serving(kind([("/", Hello)])) as server:
            assert (await server.get("/")).text == "hello"
        assert len(started) == 1


async def test_another_router_in_the_place_of_the_default() -> None:
    app = Application([("/", Hello)])

    class Mine:
        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
            return app.get_handler_delegate(request, ErrorHandler, {"status_code": 410})

    app.default_router = Mine()  # type: ignore[assignment]
    async with serving(app) as server:
        assert (await server.get("/")).status == 410


# Debug mode


def test_what_debug_means() -> None:
    settings = Application(debug=True, autoreload=False).settings
    assert settings == {
        "debug": True, "autoreload": False, "compiled_template_cache": False, "static_hash_cache": False,
        "serve_traceback": True,
    }  # fmt: skip
    assert Application(debug=True, autoreload=False, serve_traceback=False).settings["serve_traceback"] is False
    assert Application(debug=False).settings == {"debug": False}


def test_a_missing_static_path_is_told_in_debug_mode(static: Path, expect_log: ExpectLog) -> None:
    missing = static / "missing"
    with expect_log("halny.application", f"^there is no directory '{missing}', which", logging.WARNING, count=1):
        Application(debug=True, autoreload=False, static_path=str(missing))
    with expect_log("halny.application", "there is no directory", logging.WARNING, count=1):
        Application(debug=True, autoreload=False, static_path=static / "a.txt")
    Application(debug=True, autoreload=False, static_path=static)
    Application(static_path=str(missing))


async def test_tracebacks_in_debug_mode(expect_log: ExpectLog) -> None:
    app = Application([("/", handler(lambda self: 1 / 0))], debug=True, autoreload=False)
    async with serving(app) as server:
        with expect_log("halny.application", "uncaught exception", count=1):
            answer = await server.get("/")
    assert (answer.status, answer.header("Content-Type")) == (500, "text/plain; charset=UTF-8")
    assert "ZeroDivisionError" in answer.text


async def test_versions_are_forgotten_in_debug_mode(static: Path) -> None:
    class Computed(StaticFileHandler):
        number = 0

        @classmethod
        def get_content_version(cls, abspath: str) -> str:
            cls.number += 1
            return str(cls.number)

    app = Application(
        [("/", handler(lambda self: self.write(self.static_url("a.txt"))))],
        debug=True, autoreload=False, static_path=str(static), static_handler_class=Computed,
    )  # fmt: skip
    async with serving(app) as server:
        assert [(await server.get("/")).text for _ in range(2)] == ["/static/a.txt?v=1", "/static/a.txt?v=2"]


async def test_autoreload_starts_with_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[IOLoop | None] = []
    monkeypatch.setattr(autoreload, "start", lambda: started.append(IOLoop.current()))
    Application(debug=True)
    assert started == [IOLoop.current()]
    async with serving(Application(autoreload=True)):
        assert len(started) == 2
    async with serving(Application(debug=True, autoreload=False)):
        assert len(started) == 2


def test_autoreload_starts_with_the_loop_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[IOLoop | None] = []
    monkeypatch.setattr(autoreload, "start", lambda: started.append(IOLoop.current()))
    app = Application([("/", Hello)], autoreload=True, log_function=str)  # no loop is running
    assert started == []

    async def main() -> None:
        server = HTTPServer(app)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert started == [IOLoop.current()]
        HTTPServer(app)
        await asyncio.sleep(0)
        assert len(started) == 1
        server.stop()

    asyncio.run(main())


# Limits


def test_a_thousand_literal_routes_are_found_alike() -> None:
    app = Application([(f"/route/{number}", Hello) for number in range(1000)])
    router = app.wildcard_router
    requests = [HTTPServerRequest("GET", path) for path in ("/route/0", "/route/999")]
    found = [router._halny_find(request) for request in requests]
    assert [entry[0] for entry in found if isinstance(entry, tuple)] == [router.rules[0], router.rules[999]]
    matched = 0

    def count(self: object, path: str) -> None:
        nonlocal matched
        matched += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("halny.web._matchers.PathMatches.match_path", count)
        for request in requests:
            router._halny_find(request)
    assert matched == 0  # neither the first nor the last needs a regular expression


def test_patterns_of_another_first_segment_are_not_tried() -> None:
    app = Application([(f"/part{number}/(.*)", Hello) for number in range(1000)] + [("/(.*)", Hello)])
    matched: list[str] = []

    with pytest.MonkeyPatch.context() as patch:
        from halny.routing import PathMatches

        original = PathMatches.match_path

        def count(self: PathMatches, path: str) -> Any:
            matched.append(self.regex.pattern)
            return original(self, path)

        patch.setattr(PathMatches, "match_path", count)
        for path, expected in {"/part999/x": 999, "/else/x": 1000, "/part1": 1000}.items():
            found = app.wildcard_router._halny_find(HTTPServerRequest("GET", path))
            assert isinstance(found, tuple)
            assert found[0] is app.wildcard_router.rules[expected]
    assert matched == ["/part999/(.*)$", "/(.*)$", "/(.*)$"]
