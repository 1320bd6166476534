from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from halny.iostream import StreamClosedError
from halny.web import Application, OutputTransform, RequestHandler, __version__

from ._helpers import Answer, handler, request, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.strict_tests.logs import ExpectLog

ETAG = f'"{hashlib.sha1(b"Hello", usedforsecurity=False).hexdigest()}"'


async def ask(get: Callable[[Any], object], *headers: str, method: str = "GET", **members: Any) -> Answer:
    cls = handler(get, head=get, post=get, **members)
    async with serving(Application([("/", cls)])) as server:
        return await server.ask(method, "/", headers)


async def test_the_defaults_and_their_order() -> None:
    answer = await ask(lambda self: self.write("Hello"))
    assert answer.names == ["Server", "Content-Type", "Date", "Etag", "Content-Length", "Connection"]
    assert answer.header("Server") == f"HalnyServer/{__version__}"
    assert answer.header("Content-Type") == "text/html; charset=UTF-8"
    assert answer.header("Etag") == ETAG
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"Hello")


async def test_the_order_is_the_same_with_headers_of_a_handler() -> None:
    def get(self: RequestHandler) -> None:
        self.set_header("X-Mine", "1")
        self.write("Hello")

    answer = await ask(get)
    assert answer.names == ["Server", "Content-Type", "Date", "X-Mine", "Etag", "Content-Length", "Connection"]


@pytest.mark.parametrize(
    ("chunk", "body", "content_type"),
    [
        ("é", "é".encode(), "text/html; charset=UTF-8"),
        (b"\xff", b"\xff", "text/html; charset=UTF-8"),
        ({"a": "</x>"}, b'{"a": "<\\/x>"}', "application/json; charset=UTF-8"),
    ],
)
async def test_what_can_be_written(chunk: Any, body: bytes, content_type: str) -> None:
    answer = await ask(lambda self: self.write(chunk))
    assert (answer.body, answer.header("Content-Type")) == (body, content_type)


@pytest.mark.parametrize("chunk", [None, 5, [1], bytearray(b"x"), ("a",)])
async def test_what_can_not_be_written(chunk: Any, expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception GET /", logging.ERROR, count=1) as records:
        assert (await ask(lambda self: self.write(chunk))).status == 500
    assert records[0].exc_info is not None
    assert isinstance(records[0].exc_info[1], TypeError)


async def test_json_after_other_headers_keeps_its_type() -> None:
    def get(self: RequestHandler) -> None:
        self.set_header("X-A", "1")
        self.write({})

    assert (await ask(get)).header("Content-Type") == "application/json; charset=UTF-8"


async def test_values_of_headers() -> None:
    def get(self: RequestHandler) -> None:
        self.set_header("X-Int", 5)
        self.set_header("X-Date", dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC))
        self.set_header("X-Bytes", b"\xe9")
        self.set_header("X-Text", "é\tx")
        self.add_header("X-Many", "1")
        self.add_header("x-many", "2")
        self.set_header("X-Gone", "1")
        self.clear_header("X-Gone")
        self.clear_header("X-Never")
        self.clear_header("Server")

    answer = await ask(get)
    assert [answer.header(f"X-{name}") for name in ("Int", "Date", "Bytes", "Text", "Many", "Gone")] == [
        "5", "Thu, 02 Jan 2020 03:04:05 GMT", "é", "é\tx", "1, 2", None,
    ]  # fmt: skip
    assert "Server" not in answer.names


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\x00", "\x7f", b"a\rb", "中"])
@pytest.mark.parametrize("method", ["set_header", "add_header"])
async def test_headers_can_not_be_injected(method: str, value: str | bytes, expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1) as records:
        answer = await ask(lambda self: getattr(self, method)("X-A", value))
    assert answer.status == 500
    assert "X-Evil" not in answer.names
    assert records[0].exc_info is not None
    assert isinstance(records[0].exc_info[1], ValueError)


@pytest.mark.parametrize("way", [RequestHandler.set_header, RequestHandler.add_header])
@pytest.mark.parametrize("name", ["X\r\nY", "X Y", "", "X:"])
async def test_names_of_headers_are_checked(name: str, way: Callable[..., None], expect_log: ExpectLog) -> None:
    """The mistake is the application's: nothing is wrong with the request."""
    with expect_log("halny.application", "uncaught exception", count=1) as records:
        assert (await ask(lambda self: way(self, name, "x"))).status == 500
    assert records[0].exc_info is not None
    assert isinstance(records[0].exc_info[1], ValueError)


async def test_other_types_are_no_values_of_headers(expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1) as records:
        await ask(lambda self: self.set_header("X-A", 1.5))
    assert records[0].exc_info is not None
    assert isinstance(records[0].exc_info[1], TypeError)


@pytest.mark.parametrize(
    ("status", "reason", "line"),
    [
        (404, None, (404, "Not Found")),
        (299, None, (299, "Unknown")),
        (299, "My Reason", (299, "My Reason")),
        (404, "", (404, "Unknown")),
        (200, "a\r\nX-Evil: 1", (200, "Unknown")),
        (200, "<script>", (200, "Unknown")),
        (200, "é", (200, "Unknown")),
    ],
)
async def test_status_and_reason(status: int, reason: str | None, line: tuple[int, str]) -> None:
    answer = await ask(lambda self: (self.set_status(status, reason), self.write("x"))[1])
    assert ((answer.status, answer.reason), answer.body) == (line, b"x")


@pytest.mark.parametrize("status", [404.0, 404.5, HTTPStatus.NOT_FOUND, Decimal(404)])
@pytest.mark.parametrize("flush", [False, True])
async def test_numbers_of_all_kinds_are_statuses(status: Any, flush: bool) -> None:
    def get(self: RequestHandler, reason: str | None = None) -> None:
        self.set_status(status, reason)
        assert self.get_status() == 404
        self.write("x")
        if flush:
            self.flush()

    assert (await ask(get)).raw.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert (await ask(lambda self: get(self, "Gone Fishing"))).raw.startswith(b"HTTP/1.1 404 Gone Fishing\r\n")


@pytest.mark.parametrize(
    ("status", "kind"),
    [("404", TypeError), (b"404", TypeError), (None, TypeError), ([404], TypeError), (1000, ValueError),
     (99, ValueError), (False, ValueError)],
)  # fmt: skip
async def test_what_is_no_status_is_refused_where_it_is_set(status: Any, kind: type[Exception]) -> None:
    def get(self: RequestHandler) -> None:
        with pytest.raises(kind, match="a status is a number from 100 to 999, not ") as caught:
            self.set_status(status)
        assert repr(status) in str(caught.value)
        assert self.get_status() == 200
        self.write("x")

    assert (await ask(get)).body == b"x"


@pytest.mark.parametrize("reason", [5, b"Gone", ValueError("x")])
async def test_a_reason_that_is_no_text_is_refused(reason: Any) -> None:
    def get(self: RequestHandler) -> None:
        with pytest.raises(TypeError, match=r"^a reason phrase is text, not ") as caught:
            self.set_status(404, reason)
        assert str(caught.value).endswith(repr(reason))
        self.write("x")

    assert (await ask(get)).body == b"x"


async def test_a_redirect_whose_status_is_text() -> None:
    def get(self: RequestHandler) -> None:
        with pytest.raises(TypeError, match="not '301'"):
            self.redirect("/", status="301")  # type: ignore[arg-type]
        self.redirect("/", status=HTTPStatus.SEE_OTHER)

    assert (await ask(get)).status == 303


async def test_get_status_and_clear() -> None:
    def get(self: RequestHandler) -> None:
        self.set_status(404)
        self.set_header("X-A", "1")
        self.write("x")
        assert self.get_status() == 404
        self.clear()
        assert self.get_status() == 200

    answer = await ask(get)
    assert (answer.status, answer.body, "X-A" in answer.names) == (200, b"", False)


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body(status: int) -> None:
    plain = await ask(lambda self: self.set_status(status))
    assert (plain.status, plain.body, plain.names) == (status, b"", ["Server", "Date", "Connection"])

    def with_headers(self: RequestHandler) -> None:
        self.set_status(status)
        self.set_header("X-A", "1")
        self.set_header("Content-Language", "en")

    assert (await ask(with_headers)).names == ["Server", "Date", "X-A", "Connection"]


@pytest.mark.parametrize("status", [204, 304, 102])
@pytest.mark.parametrize("touched", [False, True])
async def test_a_body_where_there_must_be_none_is_an_error(status: int, touched: bool, expect_log: ExpectLog) -> None:
    def get(self: RequestHandler) -> None:
        if touched:
            self.set_header("X-A", "1")
        self.set_status(status)
        self.write("x")

    with expect_log("halny.application", "uncaught exception", count=1):
        answer = await ask(get)
    assert (answer.status, answer.text) == (500, "<html><title>500: Internal Server Error</title><body>500: Internal Server Error</body></html>")  # noqa: E501  # fmt: skip


async def test_an_interim_status_is_no_answer(expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1):
        assert (await ask(lambda self: self.set_status(103))).status == 500


async def test_head_has_the_headers_and_no_body() -> None:
    answer = await ask(lambda self: self.write("Hello"), method="HEAD")
    assert (answer.header("Content-Length"), answer.header("Etag"), answer.body) == ("5", ETAG, b"")

    def parts(self: RequestHandler) -> None:
        self.write("a")
        self.flush()
        self.write("b")

    assert (await ask(parts, method="HEAD")).raw.endswith(b"\r\n\r\n")


async def test_post_has_no_etag() -> None:
    assert "Etag" not in (await ask(lambda self: self.write("Hello"), method="POST")).names


@pytest.mark.parametrize(
    ("condition", "status"),
    [(ETAG, 304), (f"W/{ETAG}", 304), (f'"x", {ETAG}', 304), ("*", 304), ('"x"', 200), ("junk", 200), ("", 200)],
)
@pytest.mark.parametrize("touched", [False, True])
async def test_conditional_requests(condition: str, status: int, touched: bool) -> None:
    def get(self: RequestHandler) -> None:
        if touched:
            self.set_header("X-A", "1")
        self.write("Hello")

    answer = await ask(get, f"If-None-Match: {condition}")
    assert (answer.status, answer.body) == (status, b"" if status == 304 else b"Hello")
    assert answer.header("Etag") == ETAG
    assert ("Content-Type" in answer.names) == (status == 200)


async def test_a_subclass_computes_its_etag() -> None:
    def weak(self: RequestHandler) -> str:
        return 'W/"mine"'

    def none(self: RequestHandler) -> None:
        return None

    def true(self: RequestHandler) -> bool:
        return True

    answer = await ask(lambda self: self.write("x"), compute_etag=weak)
    assert answer.header("Etag") == 'W/"mine"'
    assert (await ask(lambda self: self.write("x"), 'If-None-Match: "mine"', compute_etag=weak)).status == 304
    assert "Etag" not in (await ask(lambda self: self.write("x"), compute_etag=none)).names
    always = await ask(lambda self: self.write("x"), check_etag_header=true)
    assert (always.status, always.body) == (304, b"")


async def test_an_etag_that_the_handler_has_set_stays() -> None:
    def get(self: RequestHandler) -> None:
        self.set_header("Etag", '"own"')
        self.write("x")

    assert (await ask(get)).header("Etag") == '"own"'


@pytest.mark.parametrize(
    ("arguments", "status"),
    [({}, 302), ({"permanent": True}, 301), ({"status": 307}, 307), ({"status": 303, "permanent": True}, 303)],
)
async def test_redirects(arguments: dict[str, Any], status: int) -> None:
    answer = await ask(lambda self: self.redirect("/é?a=b", **arguments))
    assert (answer.status, answer.header("Location"), answer.body) == (status, "/Ã©?a=b", b"")


@pytest.mark.parametrize("status", [200, 299, 400])
async def test_a_redirect_needs_a_status_of_redirects(status: int, expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1):
        assert (await ask(lambda self: self.redirect("/x", status=status))).status == 500


@pytest.mark.parametrize("url", ["/x\r\nSet-Cookie: a=b", "/x\ny", "/\x00"])
async def test_a_redirect_injects_nothing(url: str, expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1):
        answer = await ask(lambda self: self.redirect(url))
    assert (answer.status, answer.header("Location"), answer.header("Set-Cookie")) == (500, None, None)


@pytest.mark.parametrize("target", ["/home", "home", "?a=b"])
async def test_a_path_of_two_slashes_does_not_choose_the_host(target: str) -> None:
    cls = handler(lambda self: self.redirect(target))
    async with serving(Application([("//.*", cls)])) as server:
        assert (await server.get("//evil.example/x")).header("Location") == target


async def test_flush_sends_chunks() -> None:
    def get(self: RequestHandler) -> None:
        self.write("a")
        self.flush()
        self.flush()
        self.write("bc")
        self.flush()
        self.finish("d")

    answer = await ask(get)
    assert answer.header("Transfer-Encoding") == "chunked"
    assert "Etag" not in answer.names
    assert answer.raw.endswith(b"\r\n\r\n1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n0\r\n\r\n")


async def test_flush_with_a_length_is_not_chunked() -> None:
    async def get(self: RequestHandler) -> None:
        self.set_header("Content-Length", 2)
        self.write("a")
        await self.flush()
        self.write("b")

    answer = await ask(get)
    assert (answer.header("Content-Length"), answer.body) == ("2", b"ab")


@pytest.mark.parametrize("length", [1, 5])
async def test_a_wrong_length_is_an_error_page(length: int, expect_log: ExpectLog) -> None:
    def get(self: RequestHandler) -> None:
        self.set_header("Content-Length", length)
        self.write("abc")

    with expect_log("halny.application", "uncaught exception", count=1):
        answer = await ask(get)
    assert (answer.status, answer.header("Content-Length")) == (500, "93")


@pytest.mark.parametrize("again", ["finish", "write", "redirect", "render"])
async def test_nothing_comes_after_the_end(again: str, expect_log: ExpectLog) -> None:
    def get(self: RequestHandler) -> object:
        self.finish("a")
        call: Callable[[str], object] = getattr(self, again)
        return call("b")

    with expect_log("halny.application", "uncaught exception", count=1) as records:
        answer = await ask(get)
    assert (answer.status, answer.body) == (200, b"a")
    assert records[0].exc_info is not None
    assert isinstance(records[0].exc_info[1], RuntimeError)


async def test_flush_after_the_end_does_nothing() -> None:
    async def get(self: RequestHandler) -> None:
        self.finish("a")
        await self.flush()

    assert (await ask(get)).body == b"a"


async def test_no_redirect_after_the_head_is_sent(expect_log: ExpectLog) -> None:
    def get(self: RequestHandler) -> None:
        self.flush()
        self.redirect("/x")

    with expect_log("halny.application", "uncaught exception", count=1):
        assert (await ask(get)).body == b"<broken off>"


async def test_a_slow_client_slows_its_handler_down() -> None:
    written = 0

    class Endless(RequestHandler):
        async def get(self) -> None:
            nonlocal written
            with pytest.raises(StreamClosedError):
                while True:
                    self.write(b"x" * 100_000)
                    written += 100_000
                    await self.flush()
            done.set_result(None)

    done = asyncio.get_running_loop().create_future()
    async with serving(Application([("/", Endless)])) as server:
        reader, writer = await server.open()
        writer.write(request("GET", "/"))
        before = -1
        while before != written:  # until nothing more fits into the sockets' buffers
            before = written
            for _ in range(50):
                await asyncio.sleep(0)
            await reader.read(1)
        assert written < 50_000_000
        writer.transport.abort()
        await done


async def test_transforms_see_a_response_part_by_part() -> None:
    seen: list[tuple[bytes, bool]] = []

    class Upper(OutputTransform):
        def transform_first_chunk(self, status_code: int, headers: Any, chunk: bytes, finishing: bool) -> Any:
            seen.append((chunk, finishing))
            headers.pop("Content-Length", None)
            headers["X-Upper"] = "1"
            return 202, headers, chunk.upper()

        def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
            seen.append((chunk, finishing))
            return chunk.upper()

    class Parts(RequestHandler):
        def get(self) -> None:
            self.write("a")
            self.flush()
            self.write("b")

        def post(self) -> None:
            self.write("c")

    async with serving(Application([("/", Parts)], transforms=[Upper])) as server:
        answer = await server.get("/")
        assert (answer.status, answer.header("X-Upper"), answer.body) == (202, "1", b"AB")
        assert seen == [(b"a", False), (b"b", True)]
        assert (await server.post("/")).body == b"C"
        assert seen[2:] == [(b"c", True)]


async def test_a_plain_response_makes_nothing_that_it_does_not_need() -> None:
    found: dict[str, object] = {}

    class Plain(RequestHandler):
        def get(self) -> None:
            self.write("Hello")

        def on_finish(self) -> None:
            found.update({name: value for name, value in vars(self).items() if value is not None})

    async with serving(Application([("/", Plain)])) as server:
        await server.get("/")
    assert found
    for unused in ("header_fields", "new_cookie", "current_user", "locale", "active_modules", "own_loaders", "token"):
        assert f"_{unused}" not in found
    assert "ui" not in found


async def test_default_headers_of_a_subclass() -> None:
    class Mine(RequestHandler):
        def set_default_headers(self) -> None:
            self.set_header("Server", "mine")
            self.clear_header("Content-Type")

        def get(self) -> None:
            self.set_header("X-A", "1")
            self.clear()
            self.write("x")

    async with serving(Application([("/", Mine)])) as server:
        answer = await server.get("/")
    assert (answer.header("Server"), answer.header("Content-Type"), answer.header("X-A")) == ("mine", None, None)
