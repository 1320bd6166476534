"""WSGI applications (PEP 3333) behind the server: the environ, streaming, threads, failures, and a real framework."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import wsgiref.validate
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from halny.wsgi import WSGIContainer, to_wsgi_str

from ._helpers import PATIENCE, head, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Executor

    from halny.http import HTTPServerRequest
    from tools.strict_tests.logs import ExpectLog


@pytest.fixture(params=["loop", "threads"])
def executor(request: pytest.FixtureRequest) -> Generator[Executor | None]:
    if request.param == "loop":
        yield None
        return
    with ThreadPoolExecutor(2) as threads:
        yield threads


def application_of(body: Iterable[bytes], status: str = "200 OK", headers: list[tuple[str, str]] | None = None) -> Any:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response(status, headers if headers is not None else [("Content-Type", "text/plain")])
        return body

    return application


async def test_the_whole_environ(executor: Executor | None) -> None:
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        seen.update(environ, body=body)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    async with serving(WSGIContainer(wsgiref.validate.validator(application), executor)) as server:
        lines = ("Host-Like: x", "X_Client: spoofed", "X-Client: 1", "X-Client: 2", "Proxy: evil", "Cookie: a=1")
        request = head("POST", "/caf%C3%A9/%2F?q=%41", *lines, "Content-Type: text/x", "Content-Length: 2") + b"hi"
        response = await server.ask(request.replace(b"Host: h", b"Host: [::1]:8080"))
    assert (response.status, response.body) == (200, b"done")
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/caf\xc3\xa9//",
        "QUERY_STRING": "q=%41",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "[::1]",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "2",
        "HTTP_X_CLIENT": "1,2",
        "HTTP_COOKIE": "a=1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": executor is not None,
        "body": b"hi",
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert "HTTP_PROXY" not in seen  # httpoxy, CVE-2016-5385
    assert "HTTP_CONTENT_LENGTH" not in seen


async def test_a_chunked_body_has_a_length(executor: Executor | None) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["CONTENT_LENGTH"].encode(), environ["wsgi.input"].read()]

    async with serving(WSGIContainer(application, executor)) as server:
        sent = head("POST", "/", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n"
        assert (await server.ask(sent)).body == b"3abc"


@pytest.mark.parametrize(
    ("body", "expected"),
    [([b"one", b"", b"two"], b"onetwo"), ((b"one",), b"one"), ([], b""), (iter([b"a", b"", b"b"]), b"ab")],
)
async def test_bodies_of_any_kind(body: Iterable[bytes], expected: bytes) -> None:
    async with serving(WSGIContainer(application_of(body))) as server, await server.connect() as client:
        response = await client.ask(head())
        assert (response.status, response.body) == (200, expected)
        known = not hasattr(body, "__next__")
        assert response.headers.get("content-length") == (str(len(expected)) if known else None)
        assert response.headers["server"].startswith("HalnyServer/")
        assert "date" in response.headers
        assert (await client.ask(head("HEAD"), "HEAD")).body == b""


async def test_space_around_the_value_of_a_header_is_left_out() -> None:
    headers = [("X-A", " \t1 2\t"), ("Set-Cookie", " a=b; Path=/")]  # which is what Django's cookies look like
    async with serving(WSGIContainer(application_of([b"x"], headers=headers))) as server:
        response = await server.ask(head())
    assert (response.headers["x-a"], response.headers["set-cookie"]) == ("1 2", "a=b; Path=/")


async def test_no_content_has_no_headers_of_content(executor: Executor | None) -> None:
    async with serving(WSGIContainer(application_of(iter(()), "204 No Content", []), executor)) as server:
        response = await server.ask(head())
    assert response.status == 204
    assert not {"content-type", "content-length", "transfer-encoding"} & set(response.headers)


@pytest.mark.parametrize("body", [[], (), [b""], iter(())])
@pytest.mark.parametrize(("method", "status"), [("GET", "304 Not Modified"), ("GET", "204 None"), ("HEAD", "200 OK")])
async def test_no_length_is_made_up(method: str, status: str, body: Iterable[bytes], executor: Executor | None) -> None:
    # RFC 9110, section 8.6: it would be that of the body that GET gets with 200, which nobody knows.
    async with (
        serving(WSGIContainer(application_of(body, status), executor)) as server,
        await server.connect() as client,
    ):
        response = await client.ask(head(method), method)
        assert "content-length" not in response.headers
        assert (await client.ask(head(method), method)).status == response.status


@pytest.mark.parametrize(("method", "status"), [("GET", "304 Not Modified"), ("HEAD", "200 OK")])
async def test_a_length_of_the_applications_own_is_kept(method: str, status: str) -> None:
    async with serving(WSGIContainer(application_of([], status, [("Content-Length", "7")]))) as server:
        assert (await server.ask(head(method), method)).headers["content-length"] == "7"


async def test_the_length_of_a_body_that_head_leaves_out() -> None:
    async with serving(WSGIContainer(application_of([b"four"]))) as server:
        assert (await server.ask(head("HEAD"), "HEAD")).headers["content-length"] == "4"


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")  # which is what wsgiref thinks of CONNECT
@pytest.mark.parametrize(("method", "target"), [("OPTIONS", "*"), ("CONNECT", "h:443")])
async def test_targets_without_a_path(method: str, target: str, executor: Executor | None) -> None:
    paths: list[str] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        paths.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    async with serving(WSGIContainer(wsgiref.validate.validator(application), executor)) as server:
        response = await server.ask(f"{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode(), "HEAD")
    assert (response.status, paths) == (200, [""])


async def test_blocks_leave_as_they_are_made() -> None:
    release = threading.Event()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written ")
        yield b"first "
        assert release.wait(PATIENCE)
        yield b"second"

    with ThreadPoolExecutor(1) as threads:
        async with serving(WSGIContainer(application, threads)) as server, await server.connect() as client:
            client.send(head())
            raw = await client.reader.readuntil(b"first \r\n")
            assert b"written " in raw
            release.set()
            assert b"second" in await client.reader.readuntil(b"0\r\n\r\n")


async def test_what_is_written_comes_first(executor: Executor | None) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        write = start_response("200 OK", [("Server", "mine"), ("Date", "then")])
        write(b"")
        write(b"one ")
        write(b"two ")
        return [b"three"]

    async with serving(WSGIContainer(application, executor)) as server:
        response = await server.ask(head())
    assert response.body == b"one two three"
    assert (response.headers["server"], response.headers["date"]) == ("mine", "then")


async def test_an_error_page_comes_too_late(executor: Executor | None, expect_log: ExpectLog) -> None:
    # PEP 3333: once something was sent, start_response() raises the exception that it is given.
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        try:
            raise ValueError("broken")
        except ValueError as error:
            start_response("503 Later", [], (type(error), error, error.__traceback__))
        yield b"never"

    with expect_log("halny.application", "exception in the WSGI application", logging.ERROR, count=1) as records:
        async with serving(WSGIContainer(application, executor)) as server, await server.connect() as client:
            client.send(head())
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await client.response()
    assert records[0].exc_info is not None
    assert records[0].exc_info[0] is ValueError


async def test_an_error_page_comes_too_late_for_what_was_written(
    executor: Executor | None, expect_log: ExpectLog
) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"begun")
        try:
            raise ValueError("broken")
        except ValueError as error:
            start_response("500 Error", [("Content-Type", "text/plain")], (type(error), error, error.__traceback__))
        return [b"never"]

    level = logging.ERROR if executor is None else logging.INFO  # on the loop nothing has been sent by then
    with (
        expect_log("halny.application", "exception in the WSGI application", logging.ERROR, count=1),
        expect_log("halny.access", "GET /", level, count=1),
    ):
        async with serving(WSGIContainer(application, executor)) as server, await server.connect() as client:
            client.send(head("GET", "/", "Connection: close"))
            answer = b""
            with contextlib.suppress(ConnectionError):  # which is how what was begun is broken off
                answer = await client.rest()
    assert b"never" not in answer
    assert (b"begun" in answer) <= answer.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_an_application_in_a_thread_does_not_end_the_server(error: BaseException, expect_log: ExpectLog) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/exit":
            raise error
        start_response("200 OK", [])
        return [b"done"]

    with (
        expect_log("halny.application", "exception in the WSGI application", logging.ERROR, count=1) as records,
        expect_log("halny.access", "500 GET /exit", logging.ERROR, count=1),
        ThreadPoolExecutor(1) as threads,
    ):
        async with serving(WSGIContainer(application, threads)) as server:
            assert (await server.ask(head("GET", "/exit"))).status == 500
            assert (await server.ask(head())).body == b"done"
    assert records[0].exc_info is not None
    assert repr(error) in str(records[0].exc_info[1])


async def test_a_slow_client_holds_the_application_up() -> None:
    made: list[int] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        for number in range(300):
            made.append(number)
            yield bytes(100_000)

    with ThreadPoolExecutor(1) as threads:
        async with serving(WSGIContainer(application, threads)) as server, await server.connect() as client:
            client.send(head())
            await server.until(lambda: made and server.connection._writing_paused)
            assert len(made) < 300
            assert len((await client.response()).body) == 30_000_000


async def test_a_client_that_leaves_closes_the_iterable(executor: Executor | None) -> None:
    closed = threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield bytes(100_000)

        def close(self) -> None:
            closed.set()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [])
        return Endless()

    async with serving(WSGIContainer(application, executor)) as server:
        async with await server.connect() as client:
            client.send(head())
            await client.reader.readexactly(1000)
            client.writer.transport.abort()
        await server.until(closed.is_set)
        await server.until(lambda: not server.settings.tasks)


def never_started(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    return [b"x"]


def started_twice(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return [b"x"]


def raising(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    raise ValueError("broken")


@pytest.mark.parametrize(
    "application",
    [
        never_started,
        started_twice,
        raising,
        application_of([b"x"], "OK"),
        application_of([b"x"], headers=[("Connection", "close")]),
        application_of([b"x"], headers=[("Transfer-Encoding", "chunked")]),
        application_of([b"x"], headers=[("X-A", "b\r\nSet-Cookie: c=d")]),
        application_of([b"x"], headers=[("Content-Length", "0")]),
    ],
)
async def test_an_application_that_breaks_the_rules(
    application: Any, executor: Executor | None, expect_log: ExpectLog
) -> None:
    with (
        expect_log("halny.application", "exception in the WSGI application", logging.ERROR, count=1),
        expect_log("halny.access", "^500 GET / ", logging.ERROR, count=1),
    ):
        async with serving(WSGIContainer(application, executor)) as server, await server.connect() as client:
            assert (await client.ask(head())).status == 500


async def test_an_application_that_fails_in_the_middle_is_broken_off(
    executor: Executor | None, expect_log: ExpectLog
) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        raise ValueError("broken")

    with expect_log("halny.application", "exception in the WSGI application", logging.ERROR, count=1):
        async with serving(WSGIContainer(application, executor)) as server, await server.connect() as client:
            client.send(head())
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await client.response()


async def test_an_error_page_replaces_what_was_not_sent(executor: Executor | None, expect_log: ExpectLog) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("X-A", "gone")])
        try:
            raise ValueError("broken")
        except ValueError as error:
            start_response("503 Later", [("X-B", "there")], (type(error), error, error.__traceback__))
        return [b"sorry"]

    with expect_log("halny.access", "^503 ", logging.ERROR):
        async with serving(WSGIContainer(application, executor)) as server:
            response = await server.ask(head())
    assert (response.status, response.body, response.headers.get("x-b")) == (503, b"sorry", "there")
    assert "x-a" not in response.headers


async def test_a_subclass_may_have_its_own_call() -> None:
    class Counting(WSGIContainer):
        calls = 0

        def __call__(self, request: HTTPServerRequest) -> asyncio.Task[None]:
            self.calls += 1
            return super().__call__(request)

    container = Counting(application_of([b"x"]))
    async with serving(container) as server:
        assert (await server.ask(head())).body == b"x"
    assert container.calls == 1


def test_text_of_wsgi_has_a_character_for_each_byte() -> None:
    assert to_wsgi_str(bytes(range(256))).encode("latin-1") == bytes(range(256))


async def test_flask(executor: Executor | None, expect_log: ExpectLog) -> None:
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    app = flask.Flask("test")

    def hello(name: str) -> Any:
        if flask.request.method == "POST":
            upload = flask.request.files["file"].read()
            return {"name": name, "size": len(upload), "field": flask.request.form["field"]}
        return flask.Response((piece for piece in [b"hello ", name.encode()]), mimetype="text/plain")

    app.add_url_rule("/<name>", view_func=hello, methods=["GET", "POST"])
    async with serving(WSGIContainer(app, executor)) as server, await server.connect() as client:
        assert (await client.ask(head("GET", "/caf%C3%A9"))).body == b"hello " + "café".encode()
        assert (await client.ask(head("GET", "/x", "Accept: */*"))).status == 200
        body = (
            b'--b\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n12345\r\n--b--\r\n'
        )
        lines = ("Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body)}")
        response = await client.ask(head("POST", "/x", *lines) + body)
        assert (response.status, b'"size":5' in response.body, b'"field":"value"' in response.body) == (200, True, True)
        with expect_log("halny.access", "^405 DELETE /x", logging.WARNING):
            assert (await client.ask(head("DELETE", "/x"))).status == 405
            await server.until(lambda: not server.settings.tasks)


async def test_flask_reads_chunks_as_they_come() -> None:
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    app = flask.Flask("test")
    pieces: list[bytes] = []

    def read() -> str:
        while piece := flask.request.stream.read(5):
            pieces.append(piece)
        return b"".join(pieces).decode()

    app.add_url_rule("/", view_func=read, methods=["POST"])
    with ThreadPoolExecutor(1) as threads:
        async with serving(WSGIContainer(app, threads, stream_chunked=True)) as server:
            async with await server.connect() as client:
                client.send(head("POST", "/", "Transfer-Encoding: chunked") + b"5\r\nfirst\r\n")
                await server.until(lambda: pieces == [b"first"])
                assert (await client.ask(b"6\r\nsecond\r\n0\r\n\r\n")).body == b"firstsecond"
