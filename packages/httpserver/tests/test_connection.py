"""What an application gives `RequestConnection.respond`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPHeaders

from ._helpers import head, serving

if TYPE_CHECKING:
    from halny.http import HTTPServerRequest
    from tools.strict_tests.logs import ExpectLog


@pytest.mark.parametrize(
    "headers",
    [{"Content-Length": "2"}, "Content-Length: 2\r\n", [("Content-Length", "2")], None, bytearray(b"A: b\r\n")],
    ids=repr,
)
async def test_headers_that_are_none(headers: Any, expect_log: ExpectLog) -> None:
    errors: list[str] = []

    def serve(request: HTTPServerRequest) -> None:
        assert request.connection is not None
        try:
            request.connection.respond(200, "OK", headers, b"hi")
        except TypeError as error:
            errors.append(str(error))
            raise

    async with serving(serve) as server, await server.connect() as client:
        with expect_log("halny.application", "exception in GET /", logging.ERROR, count=1):
            assert (await client.ask(head())).status == 500
    assert errors == [f"headers are {headers!r}, expected HTTPHeaders, or bytes with a CRLF behind each line"]


@pytest.mark.parametrize("headers", [b"A: b\r\nContent-Length: 2\r\n", HTTPHeaders({"A": "b", "Content-Length": "2"})])
async def test_headers_of_both_kinds(headers: HTTPHeaders | bytes) -> None:
    def serve(request: HTTPServerRequest) -> None:
        assert request.connection is not None
        request.connection.respond(200, "OK", headers, b"hi")

    async with serving(serve) as server, await server.connect() as client:
        for _ in range(2):
            response = await client.ask(head())
            assert (response.status, response.headers, response.body) == (200, {"a": "b", "content-length": "2"}, b"hi")
