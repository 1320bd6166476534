"""Forms with files that stream to disk, and what becomes of bad ones."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import Application, HTTPError, RequestHandler, UploadHandler, stream_request_body
from halny.web._static_content import in_thread

from ._helpers import Answer, DelegateApplication, request, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from halny.http import SpooledFile
    from tools.strict_tests.logs import ExpectLog

MULTIPART = "Content-Type: multipart/form-data; boundary=XX"
LARGE = bytes(range(256)) * 8192  # 2 MiB


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return f"--XX\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


class Upload(UploadHandler):
    kept: SpooledFile | None = None

    async def post(self) -> None:
        files = {
            name: [(f.filename, f.size, f.file.read(3).decode()) for f in fs] for name, fs in self.form.files.items()
        }
        for spooled in self.form.files.get("file", []):
            type(self).kept = spooled
        await asyncio.sleep(0)
        self.write({"files": files, "a": self.get_arguments("a"), "b": self.get_body_arguments("b")})


async def ask(cls: type[RequestHandler], body: bytes, *headers: str, **settings: Any) -> Answer:
    async with serving(Application([("/", cls)], **settings)) as server:
        return await server.ask("POST", "/?a=query", headers or (MULTIPART,), body)


@pytest.mark.parametrize("kind", [Application, DelegateApplication])
async def test_a_form(kind: type[Application]) -> None:
    body = form(part("a", b"1"), part("file", LARGE, "x.bin"), part("b", b"2"), part("file", b"abc", "y"))
    async with serving(kind([("/", Upload)])) as server:
        answer = await server.ask("POST", "/?a=query", (MULTIPART,), body)
        assert answer.text == (
            '{"files": {"file": [["x.bin", 2097152, "\\u0000\\u0001\\u0002"], ["y", 3, "abc"]]},'
            ' "a": ["query", "1"], "b": ["2"]}'
        )
        assert Upload.kept is not None
        assert Upload.kept.file.closed  # with the request


async def test_a_form_without_files_and_no_body_at_all() -> None:
    assert (await ask(Upload, form(part("b", b"")))).text == '{"files": {}, "a": ["query"], "b": [""]}'
    assert (await ask(Upload, b"")).text == '{"files": {}, "a": ["query"], "b": []}'


async def test_a_body_in_chunks_cut_anywhere() -> None:
    body = form(part("file", b"0123456789", "x"), part("b", b"2"))
    async with serving(Application([("/", Upload)])) as server:
        for size in (1, 2, 7, 50):
            head = (
                f"POST / HTTP/1.1\r\nHost: h\r\n{MULTIPART}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            )
            chunks = b"".join(
                b"%x\r\n%b\r\n" % (len(body[i : i + size]), body[i : i + size]) for i in range(0, len(body), size)
            )
            answer = Answer.parse(await server.send(head.encode() + chunks + b"0\r\n\r\n"))
            assert answer.text == '{"files": {"file": [["x", 10, "012"]]}, "a": [], "b": ["2"]}'


class Limited(Upload):
    max_body_size = 1000
    max_fields_size = 100
    max_file_size = 200
    spool_size = 50


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ((MULTIPART,), form(part("file", b"x" * 201, "f")), 413),
        ((MULTIPART,), form(part("b", b"x" * 101)), 413),
        ((MULTIPART,), form(*[part("b", b"")] * 101), 413),
        ((MULTIPART,), b"--XX\r\n", 400),
        ((MULTIPART,), b"nonsense", 400),
        ((MULTIPART,), part("file", b"x", "f"), 400),
        ((MULTIPART,), b"--XX\r\nContent-Disposition: inline\r\n\r\n\r\n--XX--\r\n", 400),
        (("Content-Type: multipart/form-data",), form(), 400),
        (("Content-Type: multipart/form-data; boundary=\xe9",), form(), 400),
        (("Content-Type: multipart/form-data; boundary=a; boundary=b",), form(), 400),
        (("Content-Type: multipart/form-data; boundary=XX; boundary=XX",), form(part("b", b"1")), 400),
        (("Content-Type: text/plain",), b"text", 415),
        ((), b"text", 415),
        ((MULTIPART, "Content-Encoding: gzip"), b"text", 415),
    ],
)
async def test_what_is_refused_gets_a_page(
    headers: tuple[str, ...], body: bytes, status: int, expect_log: ExpectLog
) -> None:
    if len(body) > 1000:
        answer = await ask(Limited, body, *headers)  # the server refuses it in the handler's place
    else:
        with expect_log("halny.general", f"{status} POST", count=1):
            answer = await ask(Limited, body, *(headers or ("X-Nothing: 1",)))
    assert answer.status == status
    assert f"<title>{status}: ".encode() in answer.body


async def test_a_body_over_the_handlers_limit_gets_a_page() -> None:
    class Small(RequestHandler):
        max_body_size = 10

        def post(self) -> None:
            self.write("taken")

    @stream_request_body
    class Stream(Small):
        def data_received(self, chunk: bytes) -> None:
            pass

    class Large(Small):
        max_body_size = 5000

    app = Application([("/small", Small), ("/stream", Stream), ("/large", Large)])
    async with serving(app, max_body_size=1000) as server:
        for path in ("/small", "/stream"):
            assert (await server.ask("POST", path, body=b"x" * 10)).body == b"taken"
            answer = await server.ask("POST", path, body=b"x" * 11)
            assert answer.status == 413
            assert b"<title>413: " in answer.body
            assert answer.header("Connection") == "close"
        assert (await server.ask("POST", "/large", body=b"x" * 5000)).body == b"taken"
        assert (await server.ask("POST", "/large", body=b"x" * 5001)).status == 413


async def test_fields_are_arguments_even_where_arguments_were_looked_at_before() -> None:
    calls: list[object] = []

    class Early(Upload):
        def prepare(self) -> None:
            calls.append(self.get_arguments("a"))
            calls.append(dict(self.request.arguments))

        def on_finish(self) -> None:
            calls.append("on_finish")

    answer = await ask(Early, form(part("a", b"1")))
    assert answer.text == '{"files": {}, "a": ["query", "1"], "b": []}'
    assert calls == [["query"], {"a": [b"query"]}, "on_finish"]


async def test_who_may_not_upload_is_refused_before_the_body() -> None:
    class Closed(Upload):
        async def prepare(self) -> None:
            await asyncio.sleep(0)
            raise HTTPError(401)

    async with serving(Application([("/", Closed)])) as server:
        head = request("POST", "/", [MULTIPART, "Expect: 100-continue", "Content-Length: 1000000"])
        raw = await server.send(head)
    assert raw.startswith(b"HTTP/1.1 401 ")


async def test_a_file_is_not_closed_while_a_thread_writes_to_it(tmp_path: Path) -> None:
    """The client leaves while its second piece is written: only then is the file dropped, and nothing written after."""
    first, second, dropped = asyncio.Event(), asyncio.Event(), asyncio.Event()
    go_on = threading.Event()
    errors: list[BaseException | None] = []
    handlers: list[UploadHandler] = []

    class Slow(UploadHandler):
        spool_size = 10
        upload_directory = str(tmp_path)

        def data_received(self, chunk: bytes) -> Any:
            handlers.append(self)
            (second if first.is_set() else first).set()
            return super().data_received(chunk)

        def _halny_feed(self, chunk: bytes) -> None:
            if len(handlers) == 2:
                go_on.wait()
            try:
                super()._halny_feed(chunk)
            except BaseException as error:
                errors.append(error)
                raise
            errors.append(None)

        def _halny_connection_closed(self) -> None:
            super()._halny_connection_closed()
            go_on.set()

        def _halny_drop_if_put_off(self) -> None:
            super()._halny_drop_if_put_off()
            if len(errors) == 2:
                dropped.set()

    async with serving(Application([("/", Slow)])) as server:
        _, writer = await server.open()
        writer.write(request("POST", "/", [MULTIPART, "Content-Length: 1000000"]) + part("file", b"x" * 1000, "f"))
        async with asyncio.timeout(10):
            await first.wait()
            writer.write(part("file", b"y" * 1000, "g"))
            await second.wait()
            writer.transport.abort()
            await dropped.wait()
        handler = handlers[0]
        reader = handler._halny_reader  # pyright: ignore[reportPrivateUsage]
        assert reader is not None
        with pytest.raises(ValueError, match="the reader is closed"):
            reader.feed(b"")
        late = UploadHandler.data_received(handler, b"what comes late")
        assert late is not None
        await late
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)  # the server's task ends in one of the next turns
    assert errors == [None, None]


async def test_a_client_that_leaves_takes_its_half_of_a_file_with_it() -> None:
    """At once, though the handler has still something else to wait for."""
    fed, gone = asyncio.Event(), asyncio.Event()
    readers: list[Any] = []

    class Waiting(UploadHandler):
        async def data_received(self, chunk: bytes) -> None:
            assert super().data_received(chunk) is None
            fed.set()
            await gone.wait()

        def on_connection_close(self) -> None:
            readers.append(self._halny_reader)
            with pytest.raises(ValueError, match="the reader is closed"):
                readers[0].feed(b"")
            gone.set()

    async with serving(Application([("/", Waiting)])) as server:
        _, writer = await server.open()
        writer.write(request("POST", "/", [MULTIPART, "Content-Length: 1000000"]) + part("file", b"x", "f"))
        async with asyncio.timeout(10):
            await fed.wait()
            writer.transport.abort()
            await gone.wait()
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)  # the server's task ends in one of the next turns
    assert readers != [None]


async def test_a_client_that_leaves_later_does_not_take_the_file_from_the_handler() -> None:
    begun, gone, read = asyncio.Event(), asyncio.Event(), asyncio.Event()
    contents: list[bytes] = []

    class Working(UploadHandler):
        async def post(self) -> None:
            begun.set()
            await gone.wait()
            contents.append(self.form.files["file"][0].file.read())
            read.set()

        def on_connection_close(self) -> None:
            gone.set()

    async with serving(Application([("/", Working)])) as server:
        _, writer = await server.open()
        writer.write(request("POST", "/", [MULTIPART], form(part("file", b"content", "f"))))
        async with asyncio.timeout(10):
            await begun.wait()
            writer.transport.abort()
            await read.wait()
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)
    assert contents == [b"content"]


async def test_a_client_that_leaves_in_the_middle(tmp_path: Path) -> None:
    started, fed = asyncio.Event(), asyncio.Event()
    released = threading.Event()
    handlers: list[Left] = []

    class Left(UploadHandler):
        spool_size = 10  # so that a thread writes
        upload_directory = str(tmp_path)

        def data_received(self, chunk: bytes) -> Any:
            handlers.append(self)
            return self.feed(super().data_received(chunk))

        async def feed(self, taken: Awaitable[None] | None) -> None:
            assert taken is not None
            started.set()
            await taken
            fed.set()

        def _halny_feed(self, chunk: bytes) -> None:
            released.wait()  # the client leaves while its bytes are written
            super()._halny_feed(chunk)

        def on_connection_close(self) -> None:
            released.set()

        def post(self) -> None:
            raise AssertionError("the body never ends")

    async with serving(Application([("/", Left)])) as server:
        _, writer = await server.open()
        head = request("POST", "/", [MULTIPART, "Content-Length: 1000000"])
        writer.write(head + part("file", b"x" * 1000, "f"))
        await started.wait()
        writer.transport.abort()
        await fed.wait()
        reader = handlers[0]._halny_reader  # pyright: ignore[reportPrivateUsage]
        assert reader is not None
        with pytest.raises(ValueError, match="the reader is closed"):
            reader.feed(b"")
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)  # the server's task ends in one of the next turns


async def test_files_go_where_they_are_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directories: list[str | None] = []
    original = tempfile.SpooledTemporaryFile

    def make(max_size: int, dir: str | None) -> Any:
        directories.append(dir)
        return original(max_size=max_size, dir=dir)

    class There(Upload):
        upload_directory = str(tmp_path)

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", make)
    await ask(There, form(part("file", LARGE, "f")))
    assert directories == [str(tmp_path)]


async def test_mixed_into_an_applications_own_base() -> None:
    class Base(RequestHandler):
        def set_default_headers(self) -> None:
            self.set_header("X-Base", "1")

    class Mixed(UploadHandler, Base):
        def post(self) -> None:
            self.write(self.form.files["f"][0].file.read())

    answer = await ask(Mixed, form(part("f", b"content", "name")))
    assert (answer.body, answer.header("X-Base")) == (b"content", "1")


@pytest.mark.parametrize("kind", [Application, DelegateApplication])
@pytest.mark.parametrize("is_async", [True, False])
async def test_what_data_received_raises_is_answered(
    kind: type[Application], is_async: bool, expect_log: ExpectLog
) -> None:
    @stream_request_body
    class Raises(RequestHandler):
        def data_received(self, chunk: bytes) -> Any:
            if is_async:
                return self.wait_and_raise()
            raise HTTPError(422, "on purpose")

        async def wait_and_raise(self) -> None:
            await asyncio.sleep(0)
            raise HTTPError(422, "on purpose")

        def post(self) -> None:
            raise AssertionError("must not be called")

    async with serving(kind([("/", Raises)])) as server:
        with expect_log("halny.general", "422 POST / .*on purpose", count=1):
            answer = await server.ask("POST", "/", body=b"x" * 100_000)
    assert answer.status == 422


async def test_limits_to_the_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is as large as a limit passes, and as long as everything fits into memory no thread has to help."""
    threads: list[object] = []

    async def count(function: Any, *args: Any) -> Any:
        threads.append(function)
        return await in_thread(function, *args)

    monkeypatch.setattr("halny.web._uploads.in_thread", count)
    fields = form(part("b", b"x" * 99))  # and a byte for the name

    class Exact(Upload):
        max_fields_size = 100
        max_file_size = 200
        spool_size = len(fields)

    assert (await ask(Exact, fields)).status == 200
    assert threads == []
    assert (await ask(Exact, form(part("file", b"x" * 200, "f")))).status == 200
    assert threads


def test_limits_are_those_that_are_documented() -> None:
    limits = (UploadHandler.max_fields_size, UploadHandler.max_file_size, UploadHandler.spool_size)
    assert limits == (2 * 1024**2, None, 256 * 1024)
    assert UploadHandler.upload_directory is None


async def test_the_token_against_forged_requests_is_not_looked_for_in_the_form(expect_log: ExpectLog) -> None:
    token = f"2|00000000|{'0' * 32}|1"
    cookie = f"Cookie: _xsrf={token}"
    fields = form(part("_xsrf", token.encode()), part("b", b"1"))
    async with serving(Application([("/", Upload)], xsrf_cookies=True)) as server:
        with expect_log("halny.general", "'_xsrf' argument missing", count=1):
            assert (await server.ask("POST", "/", (MULTIPART, cookie), fields)).status == 403
        assert (await server.ask("POST", f"/?_xsrf={token}", (MULTIPART, cookie), fields)).status == 200
        assert (await server.ask("POST", "/", (MULTIPART, cookie, f"X-Xsrftoken: {token}"), fields)).status == 200


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_body_over_its_limit_is_refused_by_the_server(is_streamed: bool, expect_log: ExpectLog) -> None:
    called: list[str] = []

    class Base(RequestHandler):
        max_body_size = 100

        def prepare(self) -> None:
            called.append("prepare")

        def post(self) -> None:
            called.append("post")

        def write_error(self, status_code: int, **kwargs: Any) -> None:
            called.append("write_error")

        def on_connection_close(self) -> None:
            called.append("on_connection_close")

        def on_finish(self) -> None:
            called.append("on_finish")

    class Streamed(Base, UploadHandler):
        pass

    def log(handler: RequestHandler) -> None:
        called.append("log")

    async with serving(Application([("/", Streamed if is_streamed else Base)], log_function=log)) as server:
        with expect_log("halny.general", "at most 100 are allowed", logging.INFO, count=1):
            answer = await server.ask("POST", "/", (MULTIPART,), form(part("a", b"x" * 100)))
    assert (answer.status, answer.header("Connection")) == (413, "close")
    assert b"<title>413: " in answer.body
    assert called == (["prepare", "on_connection_close", "on_finish"] if is_streamed else [])
