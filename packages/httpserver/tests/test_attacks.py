"""Bad input on a real socket: each is refused whole, once, and nothing after it is read.

What is malformed is tested byte by byte with the reader, in halny-http; here it is what the server makes of it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from halny.http import Limits

from ._helpers import Client, head, respond, said_of, serving
from ._sources import StreamingSource

if TYPE_CHECKING:
    from halny.http import HTTPServerRequest
    from tools.strict_tests.logs import ExpectLog

SMUGGLED = head("GET", "/smuggled")


def chunked(*chunks: bytes) -> bytes:
    return head("POST", "/", "Transfer-Encoding: chunked") + b"".join(chunks)


REFUSED = {
    # RFC 9112, section 6.3, and GHSA-qppv-j76h-2rpx
    **{f"Content-Length: {value}": (head("POST", "/", f"Content-Length: {value}"), 400) for value in (
        "+5", "-1", "1_0", "0x5", "5 5", "5,5", "5, 6", "", "\xb2", "5;", "9" * 40)},
    "two lengths": (head("POST", "/", "Content-Length: 5", "Content-Length: 6"), 400),
    "two equal lengths": (head("POST", "/", "Content-Length: 5", "Content-Length: 5"), 400),
    # RFC 9112, section 6.1, and GHSA-753j-mpmx-qq6g
    "length and coding": (head("POST", "/", "Content-Length: 5", "Transfer-Encoding: chunked"), 400),
    **{f"Transfer-Encoding: {value}": (head("POST", "/", f"Transfer-Encoding: {value}"), 400) for value in (
        "identity", "xchunked", "gzip, chunked", "chunked, chunked", "chunked;q=1", "\x0bchunked", "")},
    "coding in HTTP/1.0": (head("POST", "/", "Transfer-Encoding: chunked", version="HTTP/1.0"), 400),
    # RFC 9112, section 7.1
    **{f"chunk size {size!r}": (chunked(size + b"\r\nabcde\r\n0\r\n\r\n"), 400) for size in (
        b"+5", b"-5", b"0x5", b"5_0", b" 5", b"g", b"", b"1" * 17, b"5\n")},
    "chunk over 16 digits": (chunked(b"ffffffffffffffff\r\n"), 413),
    "chunk without its end": (chunked(b"5\r\nabcdeX\r\n"), 400),
    "chunk that ends in LF": (chunked(b"5\r\nabcde\n0\r\n\r\n"), 400),
    "chunk extension with a bare LF": (chunked(b"5;a\nb\r\nabcde\r\n"), 400),
    "endless chunk extension": (chunked(b"5;" + b"a" * 2000), 400),
    "endless trailer": (chunked(b"0\r\n" + b"A: b\r\n" * 3000), 400),
    "malformed trailer": (chunked(b"0\r\nA b\r\n\r\n"), 400),
    # RFC 9112, section 2.2 and 5
    "bare CR": (b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    "NUL": (head("GET", "/", "A: b\0c"), 400),
    "obs-fold": (head("GET", "/", "A: b", " c"), 400),
    "space before the colon": (head("GET", "/", "A : b"), 400),
    "empty name": (head("GET", "/", ": b"), 400),
    "illegal name": (head("GET", "/", "A(b): c"), 400),
    # RFC 9112, section 3.2
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (head("GET", "/", "Host: i"), 400),
    "malformed Host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "another Host in the target": (head("GET", "http://other/"), 400),
    # RFC 9112, section 3
    "illegal method": (head("G@T", "/"), 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/2.0": (head(version="HTTP/2.0"), 505),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    # RFC 6585, section 5, and RFC 9110, section 15.5.15
    "long head": (head("GET", "/", "A: " + "b" * 70_000), 431),
    "many headers": (head("GET", "/", *[f"A{number}: b" for number in range(300)]), 431),
    "long target": (head("GET", "/" + "a" * 40_000), 414),
    "long body": (head("POST", "/", "Content-Length: 2000"), 413),
    "unknown expectation": (head("POST", "/", "Content-Length: 2", "Expect: the-impossible"), 417),
}  # fmt: skip


@pytest.mark.parametrize("source", ["whole", "streamed"])
@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_refused(data: bytes, status: int, source: str, expect_log: ExpectLog) -> None:
    answered: list[str] = []

    def note(request: HTTPServerRequest) -> None:
        answered.append(request.uri)
        respond(request)

    streaming = StreamingSource()
    application = note if source == "whole" else streaming
    async with serving(application, max_body_size=1000) as server, await server.connect() as client:
        with expect_log("halny.general", f"^{said_of(status)} from 127.0.0.1: ", logging.INFO, count=1):
            client.send(data + SMUGGLED + SMUGGLED)
            response = await client.response()
        assert (response.status, response.headers["connection"]) == (status, "close")
        assert str(status).encode() in response.body
        client.send(SMUGGLED)
        assert await client.rest() == b""
    assert answered == []
    assert streaming.events.count("complete") == 0


@pytest.mark.parametrize("name", ["long head", "long target", "endless chunk extension", "many headers", "obs-fold"])
async def test_what_is_refused_in_small_pieces(name: str, expect_log: ExpectLog) -> None:
    data, status = REFUSED[name]
    async with serving() as server, await server.connect() as client:
        with expect_log("halny.general", f"^{said_of(status)} from 127.0.0.1: ", logging.INFO, count=1):
            for start in range(0, len(data), 997):
                client.send(data[start : start + 997])
                await asyncio.sleep(0)
            assert (await client.response()).status == status
        assert await client.rest() == b""


LIMITS = Limits(max_header_size=300, max_header_count=5, max_target_size=100, max_body_size=20)


def lines(count: int) -> bytes:
    return head("GET", "/", *[f"A{number}: b" for number in range(count - 1)])


ONE = b"1\r\nx\r\n"

OVER = {
    # What is just within a limit, and the shortest beginning of a message that is over it.
    "head": (head("GET", "/", "A: " + "b" * 268), (head()[:-2] + b"A: ").ljust(301, b"b"), 431),
    "count": (lines(5), lines(6), 431),
    "target": (head("GET", "/".ljust(100, "a")), head("GET", "/".ljust(101, "a")), 414),
    "endless target": (head(), b"GET /".ljust(301, b"a"), 414),
    "length": (head("POST", "/", "Content-Length: 20") + bytes(20), head("POST", "/", "Content-Length: 21"), 413),
    "chunk": (chunked(b"14\r\n" + bytes(20) + b"\r\n0\r\n\r\n"), chunked(b"15\r\n"), 413),
    "chunks": (chunked(ONE * 20 + b"0\r\n\r\n"), chunked(ONE * 20 + b"1\r\n"), 413),
}


async def drip(client: Client, data: bytes) -> None:
    """Send byte by byte, each in its turn of the loop, and let the server read them."""
    for byte in data:
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    for _ in range(10):  # the last ones are read too
        await asyncio.sleep(0)


@pytest.mark.parametrize("source", ["whole", "streamed"])
@pytest.mark.parametrize(("within", "over", "status"), OVER.values(), ids=OVER.keys())
async def test_limits_byte_by_byte(within: bytes, over: bytes, status: int, source: str, expect_log: ExpectLog) -> None:
    application = respond if source == "whole" else StreamingSource()
    async with serving(application, limits=LIMITS) as server, await server.connect() as client:
        await drip(client, within)
        assert (await client.response()).status == 200
        with expect_log("halny.general", f"^{said_of(status)} from 127.0.0.1: ", logging.INFO, count=1):
            reading = asyncio.ensure_future(client.response())
            await drip(client, over[:-1])
            assert not reading.done()
            client.send(over[-1:])
            response = await reading
        assert (response.status, response.headers["connection"]) == (status, "close")
        await drip(client, SMUGGLED)
        assert await client.rest() == b""


async def test_disconnects_at_every_stage_are_no_errors() -> None:
    request = head("POST", "/", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n" + head()
    for application in (None, StreamingSource()):
        async with serving(*([application] if application else [])) as server:
            for cut in range(len(request)):
                async with await server.connect() as client:
                    client.send(request[:cut])
                    await client.writer.drain()
                    if cut % 2:
                        client.writer.transport.abort()
            await server.until(lambda: not server.settings.connections and not server.settings.tasks)


async def test_many_arguments_and_parts_are_one_refusal(expect_log: ExpectLog) -> None:
    # GHSA-7cx3-6m66-7c5m: one line in the log for the whole body; and 1001 arguments.
    form = b"&".join(b"a=b" for _ in range(1001))
    parts = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 200 + b"--b--\r\n"
    for kind, body in (("application/x-www-form-urlencoded", form), ("multipart/form-data; boundary=b", parts)):
        async with serving() as server:
            with expect_log("halny.general", "refused request from 127.0.0.1: ", logging.INFO, count=1):
                line = f"Content-Length: {len(body)}"
                assert (await server.ask(head("POST", "/", line, f"Content-Type: {kind}") + body)).status == 400
    async with serving() as server:
        with expect_log("halny.general", "refused request from 127.0.0.1: ", logging.INFO, count=1):
            assert (await server.ask(head("GET", "/?" + form.decode()))).status == 400
