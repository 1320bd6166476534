"""The same requests over both ways from a connection to a handler: the answers, and the log, are the same."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import Application, Finish, HTTPError, RequestHandler, stream_request_body

from ._helpers import FORM, DelegateApplication, request, serving

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog


class Everything(RequestHandler):
    def initialize(self, greeting: str = "hello") -> None:
        self.greeting = greeting

    async def prepare(self) -> None:
        if "wait" in self.request.query:
            await asyncio.sleep(0)

    def get(self, *args: str, **kwargs: str) -> None:
        self.set_cookie("c", "v")
        self.write({"greeting": self.greeting, "args": args, "kwargs": kwargs, "a": self.get_arguments("a")})

    async def post(self, *args: str) -> None:
        await asyncio.sleep(0)
        self.write(repr([self.request.body, self.request.body_arguments, sorted(self.request.files)]))

    def put(self, *args: str) -> None:
        self.write("part")
        self.flush()
        self.write(" by part")

    def delete(self, *args: str) -> None:
        raise HTTPError(409, reason="Not Now")

    def patch(self, *args: str) -> None:
        self.set_status(202)
        raise Finish


@stream_request_body
class Streamed(RequestHandler):
    size = 0

    def data_received(self, chunk: bytes) -> None:
        self.size += len(chunk)

    def post(self) -> None:
        self.write(str(self.size))


class Limited(RequestHandler):
    max_body_size = 4

    def post(self) -> None:
        self.write(self.request.body)


ROUTES: list[tuple[Any, ...]] = [
    ("/", Everything),
    ("/greet", Everything, {"greeting": "good day"}),
    ("/args/([^/]*)/(.*)", Everything),
    ("/named/(?P<name>.*)", Everything),
    ("/streamed", Streamed),
    ("/limited", Limited),
]
MULTIPART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\ncontent\r\n--b--\r\n'
EXPECTED: list[tuple[bytes, str]] = [
    (request("GET", "/"), "200"),
    (request("GET", "/?wait&a=1&a=2"), "200"),
    (request("GET", "/greet"), "200"),
    (request("GET", "/args/x/%20y"), "200"),
    (request("GET", "/named/n"), "200"),
    (request("HEAD", "/"), "405"),
    (request("GET", "/nowhere"), "404"),
    (request("POST", "/nowhere", [FORM], b"a=1"), "404"),
    (request("POST", "/", [FORM], b"a=1&b=2"), "200"),
    (request("POST", "/", ["Content-Type: multipart/form-data; boundary=b"], MULTIPART), "200"),
    (request("POST", "/", ["Content-Type: multipart/form-data; boundary=b"], MULTIPART[:-4]), "400"),
    (request("POST", "/", [FORM], b"&".join([b"a=1"] * 1001)), "400"),
    (request("GET", "/?" + "&".join(["a=1"] * 1001)), "400"),
    (request("POST", "/", ["Expect: 100-continue"], b"x"), "200"),
    (request("PUT", "/"), "200"),
    (request("DELETE", "/"), "409"),
    (request("PATCH", "/"), "202"),
    (request("OPTIONS", "/"), "405"),
    (request("BREW", "/"), "405"),
    (request("POST", "/streamed", [], b"x" * 1000), "200"),
    (request("POST", "/streamed"), "200"),
    (request("POST", "/streamed?" + "&".join(["a=1"] * 1001), [], b"x"), "400"),
    (request("POST", "/limited", [], b"1234"), "200"),
    (request("POST", "/limited", [], b"12345"), "413"),
    (request("GET", "/", close=False) + request("GET", "/greet"), "200"),
    (
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "200",
    ),
    (b"GET / HTTP/1.0\r\n\r\n", "200"),
]


@pytest.mark.parametrize(("raw", "status"), EXPECTED)
async def test_both_ways_answer_the_same(raw: bytes, status: str, expect_log: ExpectLog) -> None:
    answers: list[bytes] = []
    logs: list[list[tuple[int, str]]] = []
    for way in (Application, DelegateApplication):
        # A malformed form is a warning; what is refused before any handler is none.
        is_form = raw.startswith(b"POST / ") and status == "400"
        lines = expect_log("halny.general", "Invalid body", count=1) if is_form else contextlib.nullcontext()
        async with serving(way(ROUTES)) as server:
            with lines:
                raw_answer = await server.send(raw)
            answer = re.sub(rb"Date: [^\r]*", b"Date: then", raw_answer)
            # With some of the body there already, 100 may be left out (RFC 9110, section 10.1.1).
            answers.append(answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))
            logs.append(server.log)
    assert answers[0] == answers[1]
    assert logs[0] == logs[1]
    assert answers[0].split()[1].decode() == status
