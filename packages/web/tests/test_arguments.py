from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import Application, FallbackHandler, MissingArgumentError, RequestHandler

from ._helpers import DelegateApplication, handler, serving

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog


class Echo(RequestHandler):
    def get(self, *args: str, **kwargs: str) -> None:
        strip = "raw" not in self.request.query
        self.write(
            {
                "last": self.get_argument("a", None, strip),
                "all": self.get_arguments("a", strip),
                "query": self.get_query_arguments("a", strip),
                "body": self.get_body_arguments("a", strip),
                "args": self.path_args,
                "kwargs": self.path_kwargs,
            }
        )

    post = get


ROUTES = [(r"/", Echo), (r"/path/([^/]*)/(.*)", Echo), (r"/named/(?P<first>[^/]*)(?:/(?P<rest>.+))?", Echo)]


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", []),
        ("?a=1", ["1"]),
        ("?a=1&a=2&b=3", ["1", "2"]),
        ("?a=", [""]),
        ("?a", [""]),
        ("?a=%20x%20", ["x"]),
        ("?a=+x+&raw=1", [" x "]),
        ("?a=%C3%A9", ["é"]),
        ("?a=x%00y%09z%1Fw%0A", ["x y\tz w"]),
        ("?a=1;a=2", ["1;a=2"]),
    ],
)
async def test_arguments_of_the_query(query: str, values: list[str]) -> None:
    async with serving(Application(ROUTES)) as server:
        answer = await server.get("/" + query)
    assert _json(answer.text)["all"] == values
    assert _json(answer.text)["last"] == (values[-1] if values else None)


async def test_arguments_of_query_and_body_are_told_apart() -> None:
    async with serving(Application(ROUTES)) as server:
        answer = await server.post("/?a=1&a=2", b"a=3&a=4")
    assert _json(answer.text) == {
        "last": "4",
        "all": ["1", "2", "3", "4"],
        "query": ["1", "2"],
        "body": ["3", "4"],
        "args": [],
        "kwargs": {},
    }


async def test_a_body_that_is_no_form_has_no_arguments() -> None:
    async with serving(Application(ROUTES)) as server:
        answer = await server.ask("POST", "/?a=1", ["Content-Type: application/json"], b'{"a": 2}')
    assert _json(answer.text)["all"] == ["1"]


@pytest.mark.parametrize(
    ("path", "args", "kwargs"),
    [
        ("/path/x/y", ["x", "y"], {}),
        ("/path//", ["", ""], {}),
        ("/path/a%2Fb/c%20d+e", ["a/b", "c d+e"], {}),
        ("/path/%C3%A9/x", ["é", "x"], {}),
        ("/named/x", [], {"first": "x", "rest": None}),
        ("/named/x/y/z", [], {"first": "x", "rest": "y/z"}),
    ],
)
async def test_arguments_of_the_path(path: str, args: list[str], kwargs: dict[str, str | None]) -> None:
    async with serving(Application(ROUTES)) as server:
        answer = _json((await server.get(path)).text)
    assert (answer["args"], answer["kwargs"]) == (args, kwargs)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/?a=%ff", b"", r"400 POST /\?a=%ff \(127.0.0.1\): Invalid unicode in a: b'\\xff'"),
        ("/", b"a=%ff", r"Invalid unicode in a: b'\\xff'"),
        ("/path/%ff/x", b"", r"Invalid unicode in url: b'\\xff'"),
        ("/named/%ff", b"", r"Invalid unicode in first: b'\\xff'"),
    ],
)
async def test_what_is_not_utf8_is_refused(path: str, body: bytes, message: str, expect_log: ExpectLog) -> None:
    async with serving(Application(ROUTES)) as server:
        with expect_log("halny.general", message, count=1):
            assert (await server.post(path, body)).status == 400


async def test_a_subclass_may_decode_otherwise() -> None:
    class Latin(Echo):
        def decode_argument(self, value: bytes, name: str | None = None) -> str:
            return f"{name}:{value.decode('latin-1')}"

    async with serving(Application([(r"/(.*)", Latin)])) as server:
        answer = _json((await server.get("/%e9?a=%ff")).text)
    assert (answer["all"], answer["args"]) == (["a:ÿ"], ["None:é"])


async def test_a_missing_argument_is_refused(expect_log: ExpectLog) -> None:
    class Needs(RequestHandler):
        def get(self) -> None:
            self.get_argument("a")

        def post(self) -> None:
            self.get_body_argument("a")

        def put(self) -> None:
            self.get_query_argument("a")

    async with serving(Application([("/", Needs)])) as server:
        for method, path in (("GET", "/"), ("POST", "/?a=1"), ("PUT", "/")):
            with expect_log("halny.general", f"400 {method} .*: Missing argument a", count=1):
                answer = await server.ask(method, path)
            assert (answer.status, answer.reason) == (400, "Bad Request")


def test_the_error_names_the_argument() -> None:
    error = MissingArgumentError("a%s")
    assert (error.arg_name, error.status_code, str(error)) == (
        "a%s",
        400,
        "HTTP 400: Bad Request (Missing argument a%s)",
    )


async def test_defaults_take_the_place_of_missing_arguments() -> None:
    class Defaults(RequestHandler):
        def get(self) -> None:
            self.write(
                repr([self.get_argument("a", None), self.get_query_argument("a", "x"), self.get_body_argument("a", "")])
            )

    async with serving(Application([("/", Defaults)])) as server:
        assert (await server.get("/")).text == "[None, 'x', '']"


async def test_more_arguments_than_allowed_are_refused(expect_log: ExpectLog) -> None:
    allowed, too_many = "&".join(["a=1"] * 1000), "&".join(["a=1"] * 1001)
    async with serving(Application(ROUTES)) as server:
        assert (await server.get(f"/?{allowed}")).status == 200
        assert (await server.post("/", allowed.encode())).status == 200
        with expect_log("halny.general", "more than 1000 arguments", logging.INFO, count=1):
            assert (await server.get(f"/?{too_many}")).status == 400
        with expect_log("halny.general", "400 POST / .*: Invalid body: .*more than 1000 arguments", count=1):
            assert (await server.post("/", too_many.encode())).status == 400


class OwnPage(Echo):
    """Has its own pages for errors."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish({"error": status_code, "message": kwargs["exc_info"][1].log_message})


@pytest.mark.parametrize("way", [Application, DelegateApplication])
@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=b"])
async def test_a_malformed_form_gets_the_page_of_its_handler(
    content_type: str, way: type[Application], expect_log: ExpectLog
) -> None:
    async with serving(way([("/", OwnPage)])) as server:
        with expect_log("halny.general", "400 POST / .*: Invalid body: ", count=1):
            answer = await server.ask("POST", "/", [f"Content-Type: {content_type}"], b"no form")
    assert answer.status == 400
    assert str(_json(answer.text)["message"]).startswith("Invalid body: ")
    assert server.log == [(400, "/")]


async def test_what_bytes_are_not_text_is_said_in_full(expect_log: ExpectLog) -> None:
    """Pages show `log_message`, which has nothing to be put in."""
    async with serving(Application([("/", OwnPage)])) as server:
        with expect_log("halny.general", "", count=1):
            assert _json((await server.get("/?a=%ff")).text)["message"] == r"Invalid unicode in a: b'\xff'"


async def test_arguments_of_programs_may_be_text() -> None:
    def get(self: RequestHandler) -> None:
        own: Any = {"a": ["x", " y\x01z "], "b": [b"bytes"]}
        self.request.arguments = self.request.query_arguments = self.request.body_arguments = own
        values = [self.get_argument("a"), self.get_query_argument("a"), self.get_body_argument("a", strip=False)]
        self.write(repr([*values, self.get_arguments("a"), self.get_argument("b")]))

    async with serving(Application([("/", handler(get))])) as server:
        assert (await server.get("/")).text == "['y z', 'y z', ' y z ', ['x', 'y z'], 'bytes']"


async def test_a_form_that_comes_through_another_handler_is_read_once() -> None:
    inner = Application([("/", Echo)], log_function=str)
    async with serving(Application([("/", FallbackHandler, {"fallback": inner})])) as server:
        answer = await server.post("/", b"a=1&a=2")
    assert _json(answer.text)["body"] == ["1", "2"]


def _json(text: str) -> dict[str, object]:
    import json

    return dict(json.loads(text))
