"""The state machine of a connection, on real sockets: order, limits, waiting, and every way out."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from halny.iostream import StreamClosedError

from ._helpers import PATIENCE, Client, Serving, echo, head, later, respond, serving

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog

EMPTY = HTTPHeaders()


def begin(request: HTTPServerRequest, headers: dict[str, str] | None = None, code: int = 200) -> Any:
    connection: Any = request.connection
    connection.write_headers(ResponseStartLine("HTTP/1.1", code, "OK"), HTTPHeaders(headers or {}))
    return connection


# Order


@pytest.mark.parametrize("callback", [echo, later(echo)], ids=["at once", "later"])
async def test_pipelined_requests_are_answered_in_order(callback: Any) -> None:
    # RFC 9112, section 9.3.2. Bodies by length and in chunks between them.
    sent = b""
    for number in range(40):
        sent += head("GET", f"/{number}")
        sent += head("POST", f"/{number}", "Content-Length: 3") + b"abc"
        sent += head("PUT", f"/{number}", "Transfer-Encoding: chunked") + b"2\r\nde\r\n0\r\n\r\n"
    async with serving(callback) as server, await server.connect() as client:
        client.send(sent)
        for number in range(40):
            assert (await client.response()).body == b"GET /%d " % number
            assert (await client.response()).body == b"POST /%d abc" % number
            assert (await client.response()).body == b"PUT /%d de" % number


@pytest.mark.parametrize("callback", [echo, later(echo)], ids=["at once", "later"])
async def test_a_message_may_be_cut_anywhere(callback: Any) -> None:
    sent = head("POST", "/a", "Content-Length: 3") + b"abc" + head("GET", "/b")
    for cut in range(1, len(sent)):
        async with serving(callback) as server, await server.connect() as client:
            client.send(sent[:cut])
            await client.writer.drain()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            client.send(sent[cut:])
            assert (await client.response()).body == b"POST /a abc"
            assert (await client.response()).body == b"GET /b "


async def test_thousands_of_pipelined_requests_let_others_have_their_turn() -> None:
    turns: list[bytes] = []

    def note(request: HTTPServerRequest) -> None:
        turns.append(request.uri.encode())
        respond(request)

    async with serving(note) as server, await server.connect() as flood, await server.connect() as other:
        assert await other.is_open()
        flood.send(head("GET", "/flood") * 20_000)
        await server.until(lambda: len(turns) > 100)
        other.send(head("GET", "/other"))
        reading = asyncio.create_task(flood.reader.readexactly(20_000 * 43))
        assert (await other.response()).status == 200
        await asyncio.wait_for(reading, PATIENCE)
        assert turns.index(b"/other") < 19_000


async def test_a_peer_that_does_not_read_gets_no_more_answers() -> None:
    # Answers to pipelined requests must not pile up in memory while nobody takes them.
    async with serving(lambda request: respond(request, bytes(100_000))) as server, await server.connect() as client:
        client.send(head() * 500)
        protocol = await only_connection(server)
        await server.until(lambda: protocol._writing_paused and protocol._held)
        held = protocol.transport.get_write_buffer_size()
        assert held < 1_000_000
        for _ in range(500):
            assert len((await client.response()).body) == 100_000


async def only_connection(server: Serving) -> Any:
    await server.until(lambda: server.settings.connections)
    return server.connection


@pytest.mark.parametrize("ahead", [head("GET", "/2")[:9], head("POST", "/2", "Content-Length: 3") + b"a"])
async def test_a_part_of_a_message_that_came_while_writing_was_paused_is_gone_on_with(ahead: bytes) -> None:
    whole = head("GET", "/2") if ahead.startswith(b"GET") else head("POST", "/2", "Content-Length: 3") + b"abc"
    big = bytes(8_000_000)
    async with (
        serving(lambda request: respond(request, big if request.uri == "/1" else b"2")) as server,
        await server.connect() as client,
    ):
        client.send(head("GET", "/1") + ahead)
        protocol = await only_connection(server)
        await server.until(lambda: protocol._writing_paused)
        client.send(whole[len(ahead) :])
        assert (await client.response()).body == big
        assert (await client.response()).body == b"2"


async def test_requests_in_one_packet_do_not_see_each_others_context() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    async def serve(request: HTTPServerRequest) -> None:
        seen.append(variable.get())
        variable.set(request.uri)
        await asyncio.sleep(0)
        respond(request)

    async with serving(serve) as server, await server.connect() as client:
        client.send(head("GET", "/1") + head("GET", "/2") + head("GET", "/3"))
        for _ in range(3):
            await client.response()
    assert seen == ["unset"] * 3


# Framing


@pytest.mark.parametrize(
    ("method", "code", "version", "expected"),
    [
        ("GET", 200, "HTTP/1.1", {"transfer-encoding": "chunked"}),
        ("HEAD", 200, "HTTP/1.1", {}),
        ("GET", 204, "HTTP/1.1", {}),
        ("GET", 304, "HTTP/1.1", {}),
        ("GET", 200, "HTTP/1.0", {}),
    ],
)
async def test_a_response_without_length_is_framed_by_request_and_status(
    method: str, code: int, version: str, expected: dict[str, str]
) -> None:
    # RFC 9112, section 6.3
    def serve(request: HTTPServerRequest) -> None:
        connection = begin(request, code=code)
        connection.write(b"abc")
        connection.write(b"")
        connection.write(b"def")
        connection.finish()

    async with serving(serve) as server, await server.connect() as client:
        response = await client.ask(head(method, version=version), method)
        assert {name: value for name, value in response.headers.items() if name != "connection"} == expected
        no_body = method == "HEAD" or code in (204, 304)
        assert response.body == (b"" if no_body else b"abcdef")
        if version == "HTTP/1.0":
            assert await client.rest() == b""
        else:
            client.send(head(method))
            assert (await client.response(method)).status == code


async def test_http_1_0_keeps_the_connection_only_if_asked() -> None:
    async with serving() as server:
        async with await server.connect() as client:
            response = await client.ask(head("GET", "/", "Connection: keep-alive", version="HTTP/1.0"))
            assert response.headers["connection"] == "Keep-Alive"
            assert await client.is_open()
        async with await server.connect() as client:
            assert (await client.ask(head(version="HTTP/1.0"))).body == b"GET / "
            assert await client.rest() == b""


@pytest.mark.parametrize("options", [{}, {"no_keep_alive": True}])
async def test_close_closes_after_the_response(options: dict[str, Any]) -> None:
    async with serving(**options) as server, await server.connect() as client:
        line = () if options else ("Connection: close",)
        response = await client.ask(head("GET", "/", *line) + head("GET", "/never"))
        assert response.headers["connection"] == "close"
        assert await client.rest() == b""


async def test_a_large_last_response_is_not_cut_short_for_a_slow_reader() -> None:
    big = bytes(20_000_000)
    async with serving(lambda request: respond(request, big)) as server, await server.connect() as client:
        client.send(head("GET", "/", "Connection: close"))
        await client.reader.readuntil(b"\r\n\r\n")
        received = 0
        while received < len(big):  # each of the looks is later than the time that a closing connection has
            server.look(5.0)
            received += len(await client.reader.readexactly(1_000_000))
        assert await client.rest() == b""


# Expect: 100-continue (RFC 9110, section 10.1.1)


async def test_continue_is_sent_when_a_whole_body_is_wanted() -> None:
    async with serving() as server, await server.connect() as client:
        request = head("POST", "/", "Content-Length: 3", "Expect: 100-continue")
        assert (await client.ask(request)).status == 100
        assert (await client.ask(b"abc")).body == b"POST / abc"
        # With the body at hand there is no need for it.
        assert (await client.ask(request + b"abc")).status == 200
        # And none where there is no body.
        assert (await client.ask(head("GET", "/", "Expect: 100-continue"))).status == 200


async def test_continue_is_not_sent_for_a_body_over_its_limit(expect_log: ExpectLog) -> None:
    async with serving(max_body_size=10) as server, await server.connect() as client:
        with expect_log("halny.general", "at most 10", logging.INFO):
            response = await client.ask(head("POST", "/", "Content-Length: 11", "Expect: 100-continue"))
        assert (response.status, response.headers["connection"]) == (413, "close")
        assert await client.rest() == b""


# Waiting and disconnecting


@pytest.mark.parametrize("behind", [b"", head("GET", "/behind"), head("GET", "/behind") * 50])
async def test_a_client_that_leaves_is_noticed_while_the_handler_waits(behind: bytes) -> None:
    gone = asyncio.Event()

    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.set_close_callback(gone.set)
        with pytest.raises(StreamClosedError):
            await gone.wait()
            begin(request)
            await connection.write(b"nobody reads this")

    async with serving(serve) as server:
        async with await server.connect() as client:
            client.send(head() + behind)
            await only_connection(server)
        await asyncio.wait_for(gone.wait(), PATIENCE)
        await server.until(lambda: not server.settings.connections and not server.settings.tasks)


async def test_more_than_is_read_ahead_waits_in_the_kernel() -> None:
    release = asyncio.Event()

    async def serve(request: HTTPServerRequest) -> None:
        await release.wait()
        echo(request)

    async with serving(serve) as server, await server.connect() as client:
        body = bytes(1_000_000)
        client.send(head("GET", "/1") + head("POST", "/2", "Content-Length: 1000000") + body)
        protocol = await only_connection(server)
        await server.until(lambda: protocol._reading_paused)
        assert len(protocol._held) <= 64 * 1024 + 256 * 1024
        release.set()
        assert (await client.response()).body == b"GET /1 "
        assert (await client.response()).body == b"POST /2 " + body


async def test_a_late_writer_can_not_write_into_another_response() -> None:
    connections: list[Any] = []

    def serve(request: HTTPServerRequest) -> None:
        connections.append(request.connection)
        respond(request, request.uri.encode())

    async with serving(serve) as server, await server.connect() as client:
        assert (await client.ask(head("GET", "/1"))).body == b"/1"
        first = connections[0]
        for late in (
            lambda: first.respond(200, "OK", b"Content-Length: 0\r\n", b""),
            lambda: first.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), EMPTY),
            lambda: first.write(b"late"),
            first.finish,
            first.detach,
        ):
            with pytest.raises(Exception, match=r"can't be written twice|no connection that could be detached"):
                late()
        first.abort()
        first.set_body_timeout(0.0)
        assert (await client.ask(head("GET", "/2"))).body == b"/2"


async def test_an_endpoint_that_fails_is_answered_once(expect_log: ExpectLog) -> None:
    def fail(request: HTTPServerRequest) -> None:
        if request.uri == "/begun":
            begin(request, {"Content-Length": "10"}).write(b"abc")
        if request.uri == "/finished":
            respond(request)
        raise ValueError("broken")

    for callback in (fail, later(fail)):
        with expect_log("halny.application", "exception in", logging.ERROR, count=3):
            async with serving(callback) as server:
                async with await server.connect() as client:
                    response = await client.ask(head())
                    assert (response.status, response.headers["connection"]) == (500, "close")
                    assert b"broken" not in response.body
                    assert await client.rest() == b""
                async with await server.connect() as client:
                    client.send(head("GET", "/begun"))
                    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                        await client.response()  # the peer must see that it is broken off
                async with await server.connect() as client:
                    assert (await client.ask(head("GET", "/finished"))).status == 200


async def test_a_task_that_is_cancelled_is_answered() -> None:
    async def serve(request: HTTPServerRequest) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async with serving(serve) as server:
        assert (await server.ask(head())).status == 500


async def test_nothing_after_a_refused_message_is_read(expect_log: ExpectLog) -> None:
    seen: list[str] = []

    def note(request: HTTPServerRequest) -> None:
        seen.append(request.uri)
        respond(request)

    async with serving(note) as server, await server.connect() as client:
        with expect_log("halny.general", "malformed", logging.INFO, count=1):
            client.send(head("GET", "/1") + head("GET", "/2", "Content-Length: +3") + head("GET", "/3"))
            assert (await client.response()).status == 200
            response = await client.response()
            assert (response.status, response.headers["connection"]) == (400, "close")
            client.send(head("GET", "/4"))
            assert await client.rest() == b""
    assert seen == ["/1"]


async def test_an_answer_survives_what_the_server_does_not_read(expect_log: ExpectLog) -> None:
    # RFC 9112, section 9.6: closing at once would reset the connection and destroy the answer.
    async with serving(max_body_size=10) as server, await server.connect() as client:
        with expect_log("halny.general", "at most 10", logging.INFO):
            client.send(head("POST", "/", "Content-Length: 5000000") + bytes(5_000_000))
            await asyncio.sleep(0)
            assert (await client.response()).status == 413
            assert await client.rest() == b""


async def test_empty_lines_before_a_request_are_skipped(expect_log: ExpectLog) -> None:
    # RFC 9112, section 2.2; cut anywhere, and no more than a few.
    async with serving() as server, await server.connect() as client:
        assert (await client.ask(b"\r\n\r\n" + head())).status == 200
        for byte in b"\r\n":
            client.send(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0.001)
        assert (await client.ask(head())).status == 200
        assert (await client.ask(head() + b"\r\n" + head())).status == 200
        assert (await client.response()).status == 200
        with expect_log("halny.general", "empty lines", logging.INFO):
            assert (await client.ask(b"\r\n" * 5 + head())).status == 400


async def test_empty_lines_are_counted_until_a_request_begins(expect_log: ExpectLog) -> None:
    async with serving() as server, await server.connect() as client:
        assert (await client.ask(head())).status == 200
        protocol = server.connection
        for _ in range(2):
            protocol.data_received(b"\r\n\r\n")
            assert protocol.is_idle
        protocol.data_received(head())
        assert (await client.response()).status == 200
        protocol.data_received(b"\r\n\r\n")
        protocol.data_received(b"\r\n\r\n" + head())
        assert (await client.response()).status == 200
        protocol.data_received(b"\r\n" * 4)
        with expect_log("halny.general", "empty lines", logging.INFO):
            protocol.data_received(b"\r\n")
        assert (await client.response()).status == 400


async def test_an_upgrade_that_nobody_takes_is_an_ordinary_request() -> None:
    async with serving() as server, await server.connect() as client:
        upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")
        assert (await client.ask(head("POST", "/", *upgrade, "Content-Length: 3") + b"abc")).body == b"POST / abc"
        assert await client.is_open()


async def test_interim_responses_come_before_the_final_one() -> None:
    def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        hints = HTTPHeaders({"Link": "</style.css>; rel=preload"})
        connection.write_headers(ResponseStartLine("HTTP/1.1", 103, "Early Hints"), hints)
        respond(request)

    async with serving(serve) as server, await server.connect() as client:
        assert (await client.ask(head())).status == 103
        assert (await client.response()).status == 200
        hints = await client.ask(head("GET", "/", "Connection: close"))
        assert (hints.status, hints.headers) == (103, {"link": "</style.css>; rel=preload"})
        assert (await client.response()).headers["connection"] == "close"


async def test_a_response_shorter_than_announced_is_broken_off(expect_log: ExpectLog) -> None:
    def serve(request: HTTPServerRequest) -> None:
        connection = begin(request, {"Content-Length": "10"})
        connection.write(b"abc")
        connection.finish()

    async with serving(serve) as server, await server.connect() as client:
        with expect_log("halny.application", "exception in", logging.ERROR):
            client.send(head())
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await client.response()


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_handler_may_end_the_connection(end: str) -> None:
    async def serve(request: HTTPServerRequest) -> None:
        connection: Any = request.connection
        connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders({"Content-Length": "5"}))
        getattr(connection, end)()

    async with serving(serve) as server, await server.connect() as client:
        client.send(head())
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.response()


async def test_no_request_leaves_garbage_behind() -> None:
    # What a request makes is freed by reference counts: a collector that has nothing to do does not stop the loop.
    async def wait(request: HTTPServerRequest) -> None:
        await asyncio.sleep(0)
        echo(request)

    async with serving(lambda request: wait(request) if request.uri == "/later" else echo(request)) as server:
        async with await server.connect() as client:
            await exchange(client)
            gc.collect()
            gc.disable()
            try:
                for _ in range(50):
                    await exchange(client)
                gc.set_debug(gc.DEBUG_SAVEALL)
                gc.collect()
                ours = [each for each in gc.garbage if type(each).__module__.startswith("halny")]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
    assert ours == []


async def exchange(client: Client) -> None:
    for sent in (
        head(),
        head("GET", "/later"),
        head("POST", "/", "Content-Length: 3") + b"abc",
        head("POST", "/later", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
    ):
        assert (await client.ask(sent)).status == 200


async def test_an_idle_connection_holds_nothing() -> None:
    async with serving() as server, await server.connect() as client:
        assert (await client.ask(head("POST", "/", "Content-Length: 3") + b"abc")).status == 200
        protocol = server.connection
        for name in ("_answer", "_request", "_endpoint", "_context", "_body", "_collected", "_head", "_upload", "_out"):
            assert getattr(protocol, name) is None
        assert protocol._held == b""
