from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import Application, HTTPError, OutputTransform, RequestHandler, stream_request_body

from ._helpers import Answer, DelegateApplication, request, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tools.strict_tests.logs import ExpectLog


APPLICATION = "halny.application"
WAYS = [Application, DelegateApplication]


class Recorder(RequestHandler):
    """Tells what is called, in which order."""

    calls: list[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls.append("init")

    def set_default_headers(self) -> None:
        self.calls.append("set_default_headers")

    def initialize(self, **kwargs: Any) -> None:
        self.calls.append(f"initialize {kwargs}")

    async def prepare(self) -> None:
        self.calls.append("prepare")

    async def get(self) -> None:
        self.calls.append("get")

    def on_finish(self) -> None:
        self.calls.append("on_finish")

    async def _execute(self, *args: Any, **kwargs: Any) -> None:
        self.calls.append("_execute")
        await super()._execute(*args, **kwargs)


@pytest.mark.parametrize("way", WAYS)
async def test_the_order_of_calls(way: type[Application]) -> None:
    Recorder.calls = []
    async with serving(way([("/", Recorder, {"a": 1})])) as server:
        await server.get("/")
    assert Recorder.calls == [
        "set_default_headers", "initialize {'a': 1}", "init", "_execute", "prepare", "get", "on_finish",
    ]  # fmt: skip


async def test_instrumentation_wraps_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The methods that tracers replace on the class are the ones that are called."""
    calls: list[str] = []

    def wrap(name: str) -> None:
        original = getattr(RequestHandler, name)

        def wrapped(self: RequestHandler, *args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(RequestHandler, name, wrapped)

    for name in ("__init__", "_execute", "prepare", "on_finish", "log_exception"):
        wrap(name)

    class Failing(RequestHandler):
        def get(self) -> None:
            raise HTTPError(400)

    async with serving(Application([("/", Failing)])) as server:
        assert (await server.get("/")).status == 400
    assert calls == ["__init__", "_execute", "prepare", "log_exception", "on_finish"]


async def test_an_execute_of_a_subclass_may_wrap_the_original() -> None:
    spans: list[tuple[str, int]] = []

    class Traced(RequestHandler):
        async def _execute(self, transforms: Any, *args: Any, **kwargs: Any) -> None:
            try:
                await super()._execute(transforms, *args, **kwargs)
            finally:
                spans.append((self.request.uri, self.get_status()))

        async def get(self, name: str) -> None:
            await asyncio.sleep(0)
            self.write(name)

    async with serving(Application([("/(.*)", Traced)])) as server:
        assert (await server.get("/abc")).body == b"abc"
    assert spans == [("/abc", 200)]


@pytest.mark.parametrize("way", WAYS)
async def test_an_execute_of_a_subclass_has_transforms_of_its_own(way: type[Application]) -> None:
    seen: list[int] = []

    class Traced(RequestHandler):
        async def _execute(self, transforms: Any, *args: Any, **kwargs: Any) -> None:
            seen.append(len(transforms))
            transforms.append(OutputTransform(self.request))
            await super()._execute(transforms, *args, **kwargs)

    async with serving(way([("/", Traced)])) as server:
        for _ in range(2):
            await server.get("/")
    assert seen == [0, 0]


@pytest.mark.parametrize("way", WAYS)
async def test_prepare_may_answer(way: type[Application]) -> None:
    class Sync(RequestHandler):
        def prepare(self) -> None:
            self.finish("prepared")

        def get(self) -> None:
            raise AssertionError

    class Async(Sync):
        async def prepare(self) -> None:  # type: ignore[override]
            await asyncio.sleep(0)
            self.redirect("/elsewhere")

    async with serving(way([("/sync", Sync), ("/async", Async)])) as server:
        assert (await server.get("/sync")).body == b"prepared"
        assert (await server.get("/async")).status == 302


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


class Context(RequestHandler):
    seen: list[str]

    def prepare(self) -> None:
        assert VARIABLE.get() == "unset"
        VARIABLE.set(self.request.path)

    async def get(self) -> None:
        await asyncio.sleep(0)
        self.seen.append("get " + VARIABLE.get())
        if self.request.path == "/error":
            raise ValueError
        self.write(VARIABLE.get())

    def on_finish(self) -> Awaitable[None] | None:
        self.seen.append("on_finish " + VARIABLE.get())
        return self.afterwards()

    async def afterwards(self) -> None:
        await asyncio.sleep(0)
        self.seen.append("afterwards " + VARIABLE.get())
        self.done.set()

    def log_exception(self, typ: object, value: object, tb: object) -> None:
        self.seen.append("log_exception " + VARIABLE.get())

    done: asyncio.Event


@pytest.mark.parametrize("way", WAYS)
async def test_a_request_has_a_context_from_prepare_to_its_end(way: type[Application]) -> None:
    Context.seen = []
    async with serving(way([("/.*", Context)])) as server:
        for path, calls in (
            ("/a", ["get", "on_finish", "afterwards"]),
            ("/error", ["get", "log_exception", "on_finish", "afterwards"]),
        ):
            Context.done = asyncio.Event()
            await server.get(path)
            await Context.done.wait()
            assert Context.seen == [f"{call} {path}" for call in calls]
            Context.seen.clear()
    assert VARIABLE.get() == "unset"


async def test_pipelined_requests_have_contexts_of_their_own() -> None:
    Context.seen = []
    Context.done = asyncio.Event()
    async with serving(Application([("/.*", Context)])) as server:
        raw = await server.send(request("GET", "/one", close=False) + request("GET", "/two"))
    assert raw.count(b"HTTP/1.1 200 OK") == 2
    assert raw.index(b"/one") < raw.index(b"/two")


async def test_what_fails_after_the_request_is_logged_once(expect_log: ExpectLog) -> None:
    class Failing(RequestHandler):
        def get(self) -> None:
            self.write("x")

        async def on_finish(self) -> None:
            done.set()
            raise ValueError

    done = asyncio.Event()
    async with serving(Application([("/", Failing)])) as server:
        with expect_log(APPLICATION, "uncaught exception in on_finish, after the", logging.ERROR, count=1):
            assert (await server.get("/")).body == b"x"
            await done.wait()
            await asyncio.sleep(0)


def raiser(name: str) -> type[RequestHandler]:
    """A handler that raises in one of its entry points."""

    def fail(self: RequestHandler, *args: Any, **kwargs: Any) -> None:
        raise ValueError(name)

    async def fail_later(self: RequestHandler, *args: Any, **kwargs: Any) -> None:
        await asyncio.sleep(0)
        raise ValueError(name)

    entry, _, how = name.partition(" ")

    def get(self: RequestHandler) -> None:
        self.write("x")

    members: dict[str, Any] = {"get": get, entry: fail_later if how else fail}
    return type("Raiser", (RequestHandler,), members)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ("initialize", 500),
        ("set_default_headers", 500),
        ("prepare", 500),
        ("prepare later", 500),
        ("get", 500),
        ("get later", 500),
        ("on_finish", 200),
        ("compute_etag", 500),
    ],
)
async def test_every_entry_point_may_raise(
    entry: str, status: int, way: type[Application], expect_log: ExpectLog
) -> None:
    async with serving(way([("/", raiser(entry))])) as server:
        with expect_log(APPLICATION, "exception", logging.ERROR, count=1) as records:
            answer = await server.get("/")
    assert answer.status == status
    assert records[0].exc_info is not None
    assert str(records[0].exc_info[1]) == entry


@pytest.mark.parametrize("result", [5, "text", [1]])
@pytest.mark.parametrize("entry", ["prepare", "get"])
async def test_what_is_returned_must_be_awaitable(entry: str, result: object, expect_log: ExpectLog) -> None:
    def odd(self: RequestHandler) -> object:
        return result

    cls = type("Odd", (RequestHandler,), {"get": RequestHandler.clear, entry: odd})
    async with serving(Application([("/", cls)])) as server:
        with expect_log(APPLICATION, "uncaught exception", count=1) as records:
            assert (await server.get("/")).status == 500
    assert records[0].exc_info is not None
    assert isinstance(records[0].exc_info[1], TypeError)


async def test_an_initialize_that_waits_is_refused(expect_log: ExpectLog) -> None:
    class Waiting(RequestHandler):
        async def initialize(self) -> None:
            raise AssertionError

    async with serving(Application([("/", Waiting)])) as server:
        with expect_log(APPLICATION, "exception in", count=1) as records:
            assert (await server.get("/")).status == 500
    assert records[0].exc_info is not None
    assert "Waiting.initialize() must not be a coroutine" in str(records[0].exc_info[1])


@pytest.mark.parametrize("way", WAYS)
async def test_methods(way: type[Application]) -> None:
    class Coffee(RequestHandler):
        SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "BREW")

        def brew(self) -> None:
            self.write("coffee")

        def get(self) -> None:
            self.write("tea")

        head = get

    async with serving(way([("/", Coffee)])) as server:
        assert (await server.ask("BREW", "/")).body == b"coffee"
        assert (await server.ask("HEAD", "/")).header("Content-Length") == "3"
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "PREPARE"):
            answer = await server.ask(method, "/")
            assert (answer.status, answer.reason) == (405, "Method Not Allowed")


async def test_a_handler_may_finish_later() -> None:
    class Later(RequestHandler):
        def get(self) -> None:
            self._auto_finish = False
            asyncio.get_running_loop().call_soon(self.finish, "later")

    async with serving(Application([("/", Later)])) as server:
        assert (await server.get("/")).body == b"later"


async def test_a_handler_may_go_on_after_its_answer() -> None:
    class On(RequestHandler):
        def get(self) -> Awaitable[None]:
            self.finish("answer")
            return self.work()

        async def work(self) -> None:
            await asyncio.sleep(0)
            done.set()

    done = asyncio.Event()
    async with serving(Application([("/", On)])) as server:
        assert (await server.get("/")).body == b"answer"
        await done.wait()


async def test_a_finish_of_a_subclass_is_the_one_that_is_called() -> None:
    class Api(RequestHandler):
        def get(self, name: str) -> None:
            if name == "error":
                raise HTTPError(409)
            self.write(name)

        def finish(self, chunk: Any = None) -> asyncio.Future[None]:
            self.set_header("X-Api", "1")
            return super().finish(chunk)

    async with serving(Application([("/(.*)", Api)])) as server:
        for path, status in (("/x", 200), ("/error", 409)):
            answer = await server.get(path)
            assert (answer.status, answer.header("X-Api")) == (status, "1")


async def test_a_request_that_is_cancelled_is_no_error_of_its_handler() -> None:
    class Cancelled(RequestHandler):
        async def get(self) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

    async with serving(Application([("/", Cancelled)])) as server:
        assert (await server.get("/")).status == 500


# Streamed bodies


@stream_request_body
class Upload(RequestHandler):
    calls: list[str]

    def prepare(self) -> Awaitable[None] | None:
        self.calls.append("prepare")
        self.received = b""
        return asyncio.sleep(0) if "async" in self.request.query else None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self.received += chunk
        return asyncio.sleep(0) if "async" in self.request.query else None

    def post(self) -> None:
        self.calls.append("post")
        self.write(self.received)


CHUNKED = (
    b"POST /%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("query", ["", "?async"])
async def test_streamed_bodies(query: str, way: type[Application]) -> None:
    async with serving(way([("/", Upload)]), chunk_size=2) as server:
        for raw in (
            request("POST", f"/{query}", [], b"abcde"),
            CHUNKED % query.encode(),
            request("POST", f"/{query}", ["Expect: 100-continue"], b"abcde"),
        ):
            Upload.calls = []
            answer = await server.send(raw)
            answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert Answer.parse(answer).body == b"abcde"
            assert Upload.calls == ["prepare", "post"]
        assert (await server.ask("POST", f"/{query}")).body == b""


async def test_continue_waits_for_prepare() -> None:
    @stream_request_body
    class Picky(RequestHandler):
        async def prepare(self) -> None:
            await asyncio.sleep(0)
            raise HTTPError(401)

    async with serving(Application([("/", Picky)])) as server:
        raw = request("POST", "/", ["Expect: 100-continue", "Content-Length: 5"])
        assert (await server.send(raw)).startswith(b"HTTP/1.1 401 Unauthorized\r\n")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("query", ["", "?async"])
async def test_a_body_that_is_not_read_is_not_the_next_request(query: str, way: type[Application]) -> None:
    @stream_request_body
    class Early(RequestHandler):
        def prepare(self) -> Awaitable[None] | None:
            if query:
                return self.later()
            self.finish("early")
            return None

        async def later(self) -> None:
            self.finish("early")

    class Hidden(RequestHandler):
        def get(self) -> None:
            raise AssertionError

    async with serving(way([("/", Early), ("/hidden", Hidden)])) as server:
        raw = request("POST", f"/{query}", [], request("GET", "/hidden"), close=False)
        answer = await server.send(raw)
        assert server.log == [(200, f"/{query}")]
    assert (answer.count(b"HTTP/1.1"), answer[-5:]) == (1, b"early")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("query", ["", "?async"])
async def test_data_received_may_raise(query: str, way: type[Application], expect_log: ExpectLog) -> None:
    @stream_request_body
    class Failing(RequestHandler):
        def data_received(self, chunk: bytes) -> Awaitable[None] | None:
            if query:
                return self.later()
            raise HTTPError(422, "bad chunk")

        async def later(self) -> None:
            await asyncio.sleep(0)
            raise HTTPError(422, "bad chunk")

        def post(self) -> None:
            raise AssertionError

    async with serving(way([("/", Failing)])) as server:
        with expect_log("halny.general", "422 .* bad chunk", count=1):
            assert (await server.post(f"/{query}", b"abc")).status == 422


async def test_data_received_is_needed(expect_log: ExpectLog) -> None:
    @stream_request_body
    class Lacking(RequestHandler):
        def post(self) -> None:
            raise AssertionError

    async with serving(Application([("/", Lacking)])) as server:
        with expect_log(APPLICATION, "uncaught exception", count=1) as records:
            assert (await server.post("/", b"abc")).status == 500
    assert records[0].exc_info is not None
    assert "does not define data_received" in str(records[0].exc_info[1])


@pytest.mark.parametrize("way", WAYS)
async def test_the_limit_of_a_handler(way: type[Application]) -> None:
    class Small(RequestHandler):
        max_body_size = 10

        def post(self) -> None:
            self.write(str(len(self.request.body)))

    async with serving(way([("/", Small)])) as server:
        assert (await server.post("/", b"x" * 10)).body == b"10"
        answer = await server.post("/", b"x" * 11)
        assert (answer.status, answer.header("Connection")) == (413, "close")
        assert b"413" in answer.body
        chunked = CHUNKED.replace(b"%b", b"").replace(b"3\r\nabc", b"b\r\nabcdefghijk")
        assert (await server.send(chunked)).startswith(b"HTTP/1.1 413 ")


async def test_a_connection_can_be_taken_over() -> None:
    class Upgrade(RequestHandler):
        async def get(self) -> None:
            stream = self.detach()
            await stream.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            await stream.write((await stream.read_until(b"\n")).upper())
            stream.close()

        def on_finish(self) -> None:
            raise AssertionError

    async with serving(Application([("/", Upgrade)])) as server:
        raw = await server.send(request("GET", "/", close=False) + b"hello\n")
    assert raw == b"HTTP/1.1 101 Switching Protocols\r\n\r\nHELLO\n"


@pytest.mark.parametrize("value", [int, 5, "Handler", print])
def test_only_handlers_stream(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^expected a subclass of RequestHandler, got "):
        stream_request_body(value)


async def test_what_a_coroutine_returns_is_not_looked_at() -> None:
    class Returns(RequestHandler):
        async def prepare(self) -> Any:
            return "prepared"

        async def get(self) -> Any:
            self.write("written")
            return "returned"

    async with serving(Application([("/", Returns)])) as server:
        answer = await server.get("/")
    assert (answer.status, answer.body) == (200, b"written")
