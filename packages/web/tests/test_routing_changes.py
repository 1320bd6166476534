"""Rules, routers and matchers that are changed or patched after they were made: they mean what they say."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from halny.routing import AnyMatches, HostMatches, PathMatches, ReversibleRuleRouter, Router, Rule, RuleRouter
from halny.web import Application, RequestHandler, URLSpec

from ._helpers import DelegateApplication, Server, handler, serving

if TYPE_CHECKING:
    from halny.http import HTTPMessageDelegate, HTTPServerRequest

WAYS = pytest.mark.parametrize("kind", [Application, DelegateApplication])

One = handler(lambda self: self.write("one"))


class Two(RequestHandler):
    def get(self, *args: str) -> None:
        self.write("two")


async def text(server: Server, path: str, host: str = "a") -> str:
    raw = await server.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = raw.partition(b"\r\n\r\n")
    return body.decode() if b" 200 " in head.partition(b"\r\n")[0] else head.split(b" ")[1].decode()


@WAYS
async def test_a_compiled_pattern_matches_whatever_begins_so(kind: type[Application]) -> None:
    rules: list[Any] = [
        Rule(PathMatches(re.compile("/admin")), One),
        Rule(PathMatches(re.compile("/exact$")), One),
        URLSpec(re.compile("/url/"), One),
        (r"/(.*)", Two),
    ]
    async with serving(kind(rules)) as server:
        for path, expected in {
            "/admin": "one", "/admin/x": "one", "/administrator": "one", "/exact": "one", "/exact/x": "two",
            "/url/": "one", "/url/x": "one", "/url": "two",
        }.items():  # fmt: skip
            assert await text(server, path) == expected, path


@WAYS
async def test_the_only_rule_of_the_default_router_counts(kind: type[Application]) -> None:
    app = kind([("/", One)])
    async with serving(app) as server:
        assert await text(server, "/", "bad.example") == "one"
        app.default_router.rules[0] = Rule(HostMatches("good.example"), app.wildcard_router)
        assert await text(server, "/", "good.example") == "one"
        assert await text(server, "/", "bad.example") == "404"
        app.default_router.rules[0].matcher = HostMatches("other.example")
        assert await text(server, "/", "good.example") == "404"
        assert await text(server, "/", "other.example") == "one"


@WAYS
async def test_another_default_router_while_serving(kind: type[Application]) -> None:
    class Own(Router):
        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
            return app.get_handler_delegate(request, Two) if request.path == "/two" else None

    app = kind([("/", One)])
    async with serving(app) as server:
        assert await text(server, "/") == "one"
        app.default_router = ReversibleRuleRouter([Rule(HostMatches("good.example"), app.wildcard_router)])  # type: ignore[assignment]
        assert [await text(server, "/", host) for host in ("good.example", "bad.example")] == ["one", "404"]
        app.default_router = Own()  # type: ignore[assignment]
        assert [await text(server, path) for path in ("/two", "/")] == ["two", "404"]


@WAYS
async def test_rules_that_are_assigned(kind: type[Application]) -> None:
    app = kind([("/a", One)])
    router = app.wildcard_router
    async with serving(app) as server:
        assert await text(server, "/a") == "one"
        router.rules = [Rule(PathMatches("/b"), Two), *router.rules]
        assert [await text(server, path) for path in ("/a", "/b")] == ["one", "two"]
        router.rules[0] = Rule(PathMatches("/c"), Two)
        assert [await text(server, path) for path in ("/b", "/c")] == ["404", "two"]
        router.rules[0].matcher = PathMatches("/d")
        assert [await text(server, path) for path in ("/c", "/d")] == ["404", "two"]
        router.rules[0].target = One
        assert await text(server, "/d") == "one"
        router.rules[0].matcher = PathMatches("/e/.*")
        router.rules[0].target = RuleRouter([Rule(AnyMatches(), app.wildcard_router)])
        assert await text(server, "/a") == "one"


@pytest.mark.parametrize("where", ["class", "object"])
async def test_patched_ways_to_a_handler(where: str) -> None:
    seen: list[str] = []
    app = Application([("/", One)])
    original = Application.find_handler

    def find_handler(self: Application, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        seen.append(request.path)
        return original(self, request, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        if where == "class":
            patch.setattr(Application, "find_handler", find_handler)
        else:
            patch.setattr(app, "find_handler", find_handler.__get__(app))
        async with serving(app) as server:
            assert await text(server, "/") == "one"
    assert seen == ["/"]


async def test_a_patched_matcher() -> None:
    def match(self: PathMatches, request: HTTPServerRequest) -> dict[str, Any]:
        return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PathMatches, "match", match)
        async with serving(Application([("/nothing/like/it", One)])) as server:
            assert await text(server, "/") == "one"


async def test_names_of_a_subclass_are_its_own() -> None:
    class Mine(ReversibleRuleRouter):
        def find(self) -> None:
            raise AssertionError("nobody calls this")

    app = Application([Rule(AnyMatches(), Mine([Rule(PathMatches("/"), Application([("/", One)]))]))])
    async with serving(app) as server:
        assert await text(server, "/") == "one"


@pytest.mark.parametrize("rule", [One, "/path", b"/path", 5])
def test_what_is_no_rule(rule: Any) -> None:
    with pytest.raises(TypeError, match="a rule is a tuple of a pattern and its target"):
        Application([rule])


@pytest.mark.parametrize("pattern", [5, b"/x", re.compile(b"/x"), None])
def test_what_is_no_pattern(pattern: Any) -> None:
    with pytest.raises(TypeError, match="a path's pattern is text") as caught:
        Application([(pattern, One)])
    assert "in the rule" in caught.value.__notes__[0]


async def test_a_nested_application_reloads_too(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[bool] = []
    monkeypatch.setattr("halny.ioloop.autoreload.start", lambda: started.append(True))

    def make() -> Application:  # where no loop runs
        return Application([Rule(AnyMatches(), Application([("/", One)], debug=True))])

    app = await asyncio.to_thread(make)
    assert started == []
    async with serving(app) as server:
        for _ in range(2):
            assert await text(server, "/") == "one"
    assert started == [True]


def test_a_handler_class_is_no_rule_of_its_own() -> None:
    with pytest.raises(TypeError, match="not <class"):
        Application([RequestHandler])  # type: ignore[list-item]
