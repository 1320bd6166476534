from __future__ import annotations

import asyncio
import json
import logging
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import Application, Finish, HTTPError, RequestHandler

from ._helpers import Answer, handler, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tools.strict_tests.logs import ExpectLog

APPLICATION, GENERAL = "halny.application", "halny.general"


def page(status: int, reason: str) -> bytes:
    return f"<html><title>{status}: {reason}</title><body>{status}: {reason}</body></html>".encode()


async def ask(get: Callable[[Any], object], **settings: Any) -> Answer:
    async with serving(Application([("/", handler(get))], **settings)) as server:
        return await server.get("/")


def raising(error: BaseException) -> Callable[[Any], object]:
    def get(self: RequestHandler) -> None:
        self.set_header("X-Before", "1")
        self.write("before")
        raise error

    return get


async def test_an_exception_is_a_page_and_one_line_with_its_traceback(expect_log: ExpectLog) -> None:
    error = ValueError("secret")
    with expect_log(APPLICATION, r"^uncaught exception GET / \(127\.0\.0\.1\)\n", logging.ERROR, count=1) as records:
        answer = await ask(raising(error))
    assert (answer.status, answer.body) == (500, page(500, "Internal Server Error"))
    assert "X-Before" not in answer.names
    assert records[0].exc_info is not None
    assert records[0].exc_info[1] is error


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (HTTPError(404), 404, "Not Found"),
        (HTTPError(), 500, "Internal Server Error"),
        (HTTPError(404, reason="Gone Fishing"), 404, "Gone Fishing"),
        (HTTPError(404, reason="a\r\nX-Evil: 1"), 404, "Unknown"),
        (HTTPError(404, reason="<script>"), 404, "Unknown"),
        (HTTPError(777), 777, "Unknown"),
        (HTTPError(200), 200, "OK"),
    ],
)
async def test_http_errors_without_a_message_log_nothing(error: HTTPError, status: int, reason: str) -> None:
    answer = await ask(raising(error))
    assert (answer.status, answer.reason, answer.body) == (status, reason, page(status, reason))
    assert "X-Evil" not in answer.names


@pytest.mark.parametrize("status", [204, 304])
async def test_http_errors_without_a_body(status: int) -> None:
    answer = await ask(raising(HTTPError(status)))
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (HTTPError(404, "no %s", "cake"), "404 GET / (127.0.0.1): no cake"),
        (HTTPError(404, "100%"), "404 GET / (127.0.0.1): 100%"),
        (HTTPError(404, "%s"), "404 GET / (127.0.0.1): %s"),
    ],
)
async def test_the_message_of_an_http_error_is_a_warning(error: HTTPError, message: str, expect_log: ExpectLog) -> None:
    with expect_log(GENERAL, "", logging.WARNING, count=1) as records:
        answer = await ask(raising(error))
    assert records[0].getMessage() == message
    assert (records[0].exc_info, answer.body) == (None, page(404, "Not Found"))


async def test_a_message_that_can_not_be_put_together_still_gives_the_page(expect_log: ExpectLog) -> None:
    with expect_log(GENERAL, "", logging.WARNING, count=1) as records:
        assert (await ask(raising(HTTPError(404, "%s %s", "one")))).status == 404
    assert records[0].getMessage() == "404 GET / (127.0.0.1): '%s %s' % ('one',)"
    assert records[0].exc_info is None


class Code(int, Enum):
    GONE = 410


@pytest.mark.parametrize("status", [410.0, HTTPStatus.GONE, Code.GONE, Decimal(410), Fraction(410)])
async def test_numbers_of_all_kinds_are_statuses(status: Any, expect_log: ExpectLog) -> None:
    with expect_log(GENERAL, r"^410 GET / \(127\.0\.0\.1\): why$", logging.WARNING, count=1):
        answer = await ask(raising(HTTPError(status, "why")))
    assert (answer.status, answer.reason, answer.body) == (410, "Gone", page(410, "Gone"))
    assert (await ask(lambda self: self.send_error(status))).raw.startswith(b"HTTP/1.1 410 Gone\r\n")


@pytest.mark.parametrize("status", ["404", b"404", None, {"a": 1}, 1000, 99, 0, -1, True, float("nan")])
async def test_an_error_whose_status_is_none_is_500_and_says_what_it_was(status: Any, expect_log: ExpectLog) -> None:
    error = HTTPError(status)
    with expect_log(APPLICATION, "", logging.ERROR, count=1) as records:
        answer = await ask(raising(error))
    assert (answer.status, answer.body) == (500, page(500, "Internal Server Error"))
    assert records[0].getMessage() == (
        f"answered GET / (127.0.0.1) with 500: a status is a number from 100 to 999, not {status!r}"
    )
    assert records[0].exc_info is not None
    assert records[0].exc_info[1] is error  # whose traceback is that of the application
    assert error.__context__ is None


async def test_an_error_page_by_hand_with_a_status_that_is_none_shows_who_asked_for_it(expect_log: ExpectLog) -> None:
    def page_by_hand(self: RequestHandler) -> None:
        self.send_error("404")  # type: ignore[arg-type]

    with expect_log(APPLICATION, "not '404'$", logging.ERROR, count=1) as records:
        assert (await ask(page_by_hand)).status == 500
    assert records[0].exc_info is None
    assert "in page_by_hand" in str(records[0].stack_info)


@pytest.mark.parametrize("code", [10001, "E1"])
async def test_a_page_of_the_application_may_know_codes_of_its_own(code: Any) -> None:
    def write_error(self: RequestHandler, status_code: int, **kwargs: Any) -> None:
        self.set_status(200)
        self.finish({"code": status_code})

    get = raising(HTTPError(code))
    async with serving(Application([("/", handler(get, write_error=write_error))])) as server:
        answer = await server.get("/")
        assert (answer.status, answer.text) == (200, f'{{"code": {json.dumps(code)}}}')
        assert server.log == [(200, "/")]


async def test_finish_ends_as_it_stands() -> None:
    def get(self: RequestHandler) -> None:
        self.set_status(202)
        self.set_header("X-A", "1")
        self.write("part")
        raise Finish

    answer = await ask(get)
    assert (answer.status, answer.header("X-A"), answer.body) == (202, "1", b"part")
    assert (await ask(raising(Finish(" end")))).body == b"before end"

    def finished(self: RequestHandler) -> None:
        self.finish("all")
        raise Finish

    assert (await ask(finished)).body == b"all"


async def test_a_reason_is_escaped_on_the_page() -> None:
    answer = await ask(raising(HTTPError(404, reason="Salt & Pepper")))
    assert (answer.reason, answer.body) == ("Salt & Pepper", page(404, "Salt &amp; Pepper"))


async def test_send_error_by_hand() -> None:
    answer = await ask(lambda self: self.send_error(410))
    assert answer.body == page(410, "Gone")
    assert (await ask(lambda self: self.send_error(400, reason="Try again"))).reason == "Try again"
    assert (await ask(lambda self: self.send_error(400, reason="a\nb"))).reason == "Unknown"


@pytest.mark.parametrize("finished", [False, True])
async def test_no_error_page_after_the_head(finished: bool, expect_log: ExpectLog) -> None:
    def get(self: RequestHandler) -> None:
        self.write("a")
        if finished:
            self.finish()
        else:
            self.flush()
        self.send_error(500)

    with expect_log(GENERAL, "cannot send error response after headers written", logging.ERROR, count=1):
        answer = await ask(get)
    assert answer.body == (b"a" if finished else b"a<broken off>")


async def test_an_exception_in_the_middle_breaks_the_response_off(expect_log: ExpectLog) -> None:
    ended: list[int] = []

    class Middle(RequestHandler):
        async def get(self) -> None:
            self.write("a")
            await self.flush()
            raise ValueError

        def on_finish(self) -> None:
            ended.append(self.get_status())

    async with serving(Application([("/", Middle)])) as server:
        with expect_log(APPLICATION, "uncaught exception", count=1):
            assert (await server.get("/")).body == b"a<broken off>"
        assert (ended, server.log) == ([200], [(200, "/")])


async def test_an_exception_after_the_end_is_only_logged(expect_log: ExpectLog) -> None:
    def get(self: RequestHandler) -> None:
        self.finish("all")
        raise ValueError

    with expect_log(APPLICATION, "uncaught exception", count=1):
        assert (await ask(get)).body == b"all"


async def test_tracebacks_are_shown_where_they_are_asked_for(expect_log: ExpectLog) -> None:
    with expect_log(GENERAL, "no cake", count=1):
        answer = await ask(raising(HTTPError(404, "no %s", "cake")), serve_traceback=True)
    assert (answer.status, answer.header("Content-Type")) == (404, "text/plain; charset=UTF-8")
    assert answer.text.startswith("Traceback (most recent call last):\n")
    assert answer.text.endswith("HTTPError: HTTP 404: Not Found (no cake)\n")
    by_hand = await ask(lambda self: self.send_error(404), serve_traceback=True)
    assert by_hand.body == page(404, "Not Found")


async def test_a_subclass_writes_its_own_pages(expect_log: ExpectLog) -> None:
    seen: dict[str, Any] = {}

    class Own(RequestHandler):
        def get(self) -> None:
            raise HTTPError(409, reason="Clash")

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            seen.update(kwargs)
            self.write(f"{status_code} {self._reason}")

    async with serving(Application([("/", Own)])) as server:
        answer = await server.get("/")
        assert (answer.status, answer.body) == (409, b"409 Clash")
        assert isinstance(seen["exc_info"][1], HTTPError)
        assert (await server.post("/")).body == b"405 Method Not Allowed"


@pytest.mark.parametrize("status", [500, 204])
async def test_a_page_that_fails_leaves_what_it_has_written(status: int, expect_log: ExpectLog) -> None:
    class Failing(RequestHandler):
        def get(self) -> None:
            raise HTTPError(status)

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            self.write("partly")
            raise KeyError

    async with serving(Application([("/", Failing)])) as server:
        with expect_log(APPLICATION, "uncaught exception in write_error", count=1):
            answer = await server.get("/")
    assert (answer.status, answer.body) == (status, b"" if status == 204 else b"partly")


async def test_a_page_that_can_not_be_sent_breaks_off(expect_log: ExpectLog) -> None:
    class Short(RequestHandler):
        def get(self) -> None:
            raise HTTPError(404)

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            self.set_header("Content-Length", 5)

    async with serving(Application([("/", Short)])) as server:
        with expect_log(APPLICATION, "cannot send error response", count=1):
            assert await server.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    assert server.log == [(500, "/")]  # and not one that nobody has seen


async def test_a_subclass_logs_in_its_own_way() -> None:
    logged: list[tuple[object, object, bool]] = []

    class Own(RequestHandler):
        def get(self) -> None:
            raise ValueError("x")

        def log_exception(
            self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
        ) -> None:
            logged.append((typ, str(value), tb is not None))

    async with serving(Application([("/", Own)])) as server:
        assert (await server.get("/")).status == 500
    assert logged == [(ValueError, "x", True)]


async def test_a_logger_that_fails_does_not_keep_the_page_back(expect_log: ExpectLog) -> None:
    class Own(RequestHandler):
        def get(self) -> None:
            raise ValueError("x")

        def log_exception(self, typ: object, value: object, tb: object) -> None:
            raise RuntimeError

    async with serving(Application([("/", Own)])) as server:
        with expect_log(APPLICATION, "error in exception logger", count=1):
            assert (await server.get("/")).status == 500


async def test_the_summary_of_a_request_can_be_changed(expect_log: ExpectLog) -> None:
    class Own(RequestHandler):
        def get(self) -> None:
            raise HTTPError(400, "bad")

        def _request_summary(self) -> str:
            return "somebody"

    async with serving(Application([("/", Own)])) as server:
        with expect_log(GENERAL, "^400 somebody: bad$", count=1):
            await server.get("/")


async def test_an_await_that_is_cancelled_is_an_error_like_others(expect_log: ExpectLog) -> None:
    async def get(self: RequestHandler) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    with expect_log(APPLICATION, "uncaught exception", count=1) as records:
        assert (await ask(get)).status == 500
    assert records[0].exc_info is not None
    assert isinstance(records[0].exc_info[1], asyncio.CancelledError)


@pytest.mark.parametrize("entry", ["prepare", "get", "data_received"])
async def test_the_cancelled_error_of_another_is_an_error_like_others(entry: str, expect_log: ExpectLog) -> None:
    """Reading the result of a cancelled future raises it, and nothing here has waited."""

    def read(self: RequestHandler, chunk: bytes = b"") -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        future.result()

    members: dict[str, Any] = {"get": RequestHandler.prepare, entry: read}
    handler_class = type("Handler", (RequestHandler,), {"_stream_request_body": entry == "data_received", **members})
    async with serving(Application([("/", handler_class)])) as server:
        with expect_log(APPLICATION, "^uncaught exception", logging.ERROR, count=1):
            assert (await server.ask("GET", "/", [], b"body")).status == 500


def cancelled(*args: object, **kwargs: object) -> None:
    raise asyncio.CancelledError


async def aside(self: RequestHandler) -> None:
    await asyncio.sleep(0)
    raise HTTPError(404)


@pytest.mark.parametrize("get", [raising(HTTPError(404)), aside])
@pytest.mark.parametrize(
    ("name", "where", "status"),
    [
        ("write_error", "uncaught exception in write_error", 404),
        ("log_exception", "error in exception logger", 404),
        ("_log", "uncaught exception in write_error", 404),
        ("on_finish", "uncaught exception in write_error", 404),
        ("send_error", "exception in GET /", 500),
    ],
)
async def test_the_cancelled_error_of_another_does_not_keep_the_answer_back(
    get: Callable[[Any], object], name: str, where: str, status: int, expect_log: ExpectLog
) -> None:
    async with serving(Application([("/", handler(get, **{name: cancelled}))])) as server:
        with expect_log(APPLICATION, where, logging.ERROR, count=1):
            assert (await server.get("/")).status == status


async def test_a_summary_that_can_not_be_had_does_not_keep_the_answer_back(expect_log: ExpectLog) -> None:
    application = Application([("/", handler(raising(ValueError()), _request_summary=cancelled))])
    async with serving(application) as server:
        del application.settings["log_function"]  # the usual one asks for it too
        with expect_log(APPLICATION, "error in exception logger|uncaught exception in write_error", count=2):
            assert (await server.get("/")).status == 500


@pytest.mark.parametrize("name", ["_log", "on_finish"])
async def test_a_response_that_breaks_off_ends_whatever_comes_up(name: str, expect_log: ExpectLog) -> None:
    def get(self: RequestHandler) -> None:
        self.write("a")
        self.flush()
        raise HTTPError(500)

    async with serving(Application([("/", handler(get, **{name: cancelled}))])) as server:
        with (
            expect_log(GENERAL, "cannot send error response", count=1),
            expect_log(APPLICATION, "uncaught exception after the request", count=1),
        ):
            assert (await server.get("/")).body == b"a<broken off>"
