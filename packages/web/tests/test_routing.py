"""Rules and routers: which target answers, in both ways of asking, and the paths of names."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import random
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    ResponseStartLine,
)
from halny.httpserver import HTTPServer
from halny.routing import (
    AnyMatches,
    HostMatches,
    Matcher,
    PathMatches,
    ReversibleRouter,
    ReversibleRuleRouter,
    Router,
    Rule,
    RuleRouter,
    URLSpec,
)
from halny.web import Application, RequestHandler, url

from ._helpers import DelegateApplication, Server, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog

WAYS = pytest.mark.parametrize("kind", [Application, DelegateApplication])


class Say(RequestHandler):
    def initialize(self, what: str = "") -> None:
        self.what = what

    def get(self, *args: str | None, **kwargs: str | None) -> None:
        self.write(f"{self.what} {args} {kwargs}")


def say(pattern: Any, what: str) -> tuple[Any, ...]:
    return (pattern, Say, {"what": what})


async def answers(application: Any, *paths: str, host: str = "example.com") -> list[str]:
    async with serving(application) as server:
        found = [await server.get(path, f"X-Ignored: {host}") for path in paths]
    return [answer.text if answer.status == 200 else str(answer.status) for answer in found]


@WAYS
async def test_the_first_rule_that_matches_answers(kind: type[Application]) -> None:
    application = kind([
        say("/a", "first"), say("/a", "second"), say("/b.*", "pattern"), say("/bc", "literal behind it"),
        say("/c", "literal before"), say("/c.*", "pattern behind"),
    ])  # fmt: skip
    assert await answers(application, "/a", "/bc", "/c", "/cd", "/d") == [
        "first () {}", "pattern () {}", "literal before () {}", "pattern behind () {}", "404",
    ]  # fmt: skip


@WAYS
async def test_arguments(kind: type[Application]) -> None:
    application = kind([
        say("/u/([0-9]+)/(.*)", "u"), say("/n/(?P<x>[^/]*)(?P<y>/.*)?", "n"), say("/lit/([a-z]*)", "l"),
        say("/lit/x", "x"),
    ])  # fmt: skip
    assert await answers(application, "/u/1/a%20b", "/n/1", "/n/%C3%A9/y", "/lit/x") == [
        "u ('1', 'a b') {}", "n () {'x': '1', 'y': None}", "n () {'x': 'é', 'y': '/y'}", "l ('x',) {}",
    ]  # fmt: skip


@WAYS
async def test_rules_that_are_added_and_removed_while_serving(kind: type[Application]) -> None:
    application = kind([say("/a", "a")])
    rules = application.wildcard_router.rules
    async with serving(application) as server:
        assert (await server.get("/b")).status == 404
        application.wildcard_router.add_rules([say("/b", "b")])
        assert (await server.get("/b")).text == "b () {}"
        rules.insert(0, Rule(PathMatches("/a"), Say, {"what": "new"}))
        assert (await server.get("/a")).text == "new () {}"
        del rules[0]
        assert (await server.get("/a")).text == "a () {}"
        rules.reverse()
        rules.clear()
        assert (await server.get("/a")).status == 404


@WAYS
async def test_lists_of_rules_and_routers_inside(kind: type[Application]) -> None:
    class Mine(Router):
        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
            if request.path != "/m/mine":
                return None
            return application.get_handler_delegate(request, Say, {"what": f"mine {kwargs}"})

    application = kind()
    application.wildcard_router.add_rules([
        (PathMatches("/m/.*"), Mine()),
        (PathMatches("/l/.*"), [say("/l/a", "in the list"), (PathMatches("/l/d/.*"), [say("/l/d/b", "deep")])]),
        (HostMatches("other.org"), [say(".*", "other host")]),
        say("/m/(.*)", "behind"),
        say("/l/(.*)", "behind"),
    ])  # fmt: skip
    assert await answers(application, "/m/mine", "/m/x", "/l/a", "/l/d/b", "/l/d/c") == [
        "mine {} () {}", "behind ('x',) {}", "in the list () {}", "deep () {}", "behind ('d/c',) {}",
    ]  # fmt: skip


@WAYS
async def test_applications_and_callables_as_targets(kind: type[Application]) -> None:
    class Connections(HTTPServerConnectionDelegate):
        def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
            class Delegate(HTTPMessageDelegate):
                body = b""

                def data_received(self, chunk: bytes) -> None:
                    self.body += chunk

                def finish(self) -> None:
                    headers = HTTPHeaders({"Content-Length": str(len(self.body))})
                    request_conn.write_headers(ResponseStartLine("", 200, "OK"), headers, self.body)
                    request_conn.finish()

            return Delegate()

    def call(request: HTTPServerRequest) -> None:
        assert request.connection is not None
        request.connection.respond(200, "OK", b"Content-Length: 6\r\n", b"called")

    class Body(RequestHandler):
        def post(self) -> None:
            self.write(b"inner " + self.request.body)

    inner = kind([say("/i/a", "inner"), ("/i/body", Body)], log_function=str)
    application = kind([
        (PathMatches("/i/.*"), inner), (PathMatches("/f"), call), (PathMatches("/d"), Connections()),
        say("/x", "outer"),
    ])  # fmt: skip
    async with serving(application) as server:
        assert (await server.get("/i/a")).text == "inner () {}"
        assert (await server.get("/i/b")).status == 404
        assert (await server.ask("POST", "/i/body", body=b"body")).body == b"inner body"
        assert (await server.get("/f")).body == b"called"
        assert (await server.ask("POST", "/d", body=b"delegate")).body == b"delegate"
        assert (await server.get("/x")).text == "outer () {}"


async def test_routers_that_serve_alone() -> None:
    api, admin = Application([say("/.*", "api")]), Application([say("/admin", "admin")])
    for inner in (api, admin):
        inner.settings["log_function"] = str
    router = RuleRouter([(HostMatches("api.example.com"), api), Rule(PathMatches("/admin.*"), admin), ("/n.*", [])])
    http_server = HTTPServer(router)
    http_server.listen(0, "127.0.0.1")
    (sock,) = http_server._sockets.values()  # pyright: ignore[reportPrivateUsage]
    server = Server(sock.getsockname()[1])
    try:
        raw = await server.send(b"GET /admin HTTP/1.1\r\nHost: api.example.com:80\r\nConnection: close\r\n\r\n")
        assert raw.endswith(b"api () {}")
        assert (await server.get("/admin")).text == "admin () {}"
        assert (await server.get("/nothing")).status == 404
    finally:
        http_server.stop()
        await http_server.close_all_connections()


async def test_routers_with_ways_of_their_own() -> None:
    class Finds(RuleRouter):
        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
            return application.get_handler_delegate(request, Say, {"what": "found"})

    class Tells(RuleRouter):
        def get_target_delegate(
            self, target: Any, request: HTTPServerRequest, **target_params: Any
        ) -> HTTPMessageDelegate | None:
            assert target is Say
            return application.get_handler_delegate(request, Say, {"what": f"told {target_params}"})

    class Processes(RuleRouter):
        def process_rule(self, rule: Rule) -> Rule:
            return Rule(rule.matcher, Application([say(".*", "processed")], log_function=str))

    application = Application()
    application.wildcard_router.add_rules([
        (PathMatches("/f"), Finds()), (PathMatches("/t"), Tells([("/t", Say)])),
        (PathMatches("/p"), Processes([("/p", Say)])),
    ])  # fmt: skip
    assert await answers(application, "/f", "/t", "/p") == ["found () {}", "told {} () {}", "processed () {}"]


@WAYS
async def test_matchers_of_an_application(kind: type[Application]) -> None:
    class Query(Matcher):
        def __init__(self, result: dict[str, Any] | None) -> None:
            self.result = result

        def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
            return self.result if "q" in request.query else None

    class OnlyGets(PathMatches):
        def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
            return super().match(request) if request.method == "GET" else None

    application = kind([
        Rule(Query({"path_kwargs": {"k": b"v"}}), Say), Rule(OnlyGets("/a"), Say, {"what": "get"}), say("/a", "any"),
    ])  # fmt: skip
    async with serving(application) as server:
        assert (await server.get("/a?q")).text == " () {'k': 'v'}"
        assert (await server.get("/a")).text == "get () {}"
        assert (await server.ask("HEAD", "/a")).status == 405


@pytest.mark.parametrize("seed", range(20))
async def test_both_ways_find_the_same(seed: int) -> None:
    pieces = ["/a", "/b", "/a/", "/b/", "/c", "/c/.*", "/.*", "/a/(x?)", "(/b)?/c", "/a|/b", "/[ab]/c", "/ab?", "/b/c+"]
    chooser = random.Random(seed)
    rules = [say(chooser.choice(pieces), str(number)) for number in range(8)]
    application = Application(rules)
    for path in ("/", "/a", "/b", "/c", "/a/", "/a/x", "/b/c", "/b/cc", "/c/c", "/ab", "/abc", "x", ""):
        request = HTTPServerRequest("GET", path, connection=None)
        found = application.wildcard_router._halny_find(request)
        expected = next(
            (rule for rule in application.wildcard_router.rules if rule.matcher.match(request) is not None), None
        )
        assert (found[0] if isinstance(found, tuple) else found) is expected
        if isinstance(found, tuple):
            rule, args, kwargs = found
            params = rule.matcher.match(request)
            assert params is not None
            assert (args, kwargs) == (params.get("path_args", []), params.get("path_kwargs", {}))


# Rules


def test_rules_and_what_makes_them() -> None:
    spec = url("/x", RequestHandler, {"a": 1}, "n")
    assert isinstance(spec, URLSpec)
    assert (spec.regex.pattern, spec.handler_class, spec.kwargs, spec.name) == ("/x$", RequestHandler, {"a": 1}, "n")
    assert repr(spec).startswith("URLSpec('/x$', <class 'halny.web")
    assert repr(Rule(AnyMatches(), 1, {"a": 1}, "n")).endswith(", 1, kwargs={'a': 1}, name='n')")
    assert URLSpec("/x", "halny.web.RequestHandler").handler_class is RequestHandler
    plain = RuleRouter([("/x", 1), [AnyMatches(), 2], Rule(AnyMatches(), 3)]).rules
    assert [(type(rule), rule.target) for rule in plain] == [(Rule, 1), (Rule, 2), (Rule, 3)]


@pytest.mark.parametrize("rule", [("/x",), ("/x", 1, 2, 3, 4), ()])
def test_rules_of_the_wrong_length(rule: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="two to four parts"):
        Application([rule])


def test_names() -> None:
    application = Application([
        url("/a/(.*)", RequestHandler, name="a"),
        (PathMatches("/n.*"), [url("/n/([0-9]+)", RequestHandler, name="nested")]),
        (PathMatches("/i.*"), Application([url("/i/(.*)/(.*)", RequestHandler, name="inner")])),
    ])  # fmt: skip
    application.add_handlers("host", [url("/h", RequestHandler, name="host")])
    assert application.reverse_url("a", "x y") == "/a/x%20y"
    assert application.reverse_url("nested", 5) == "/n/5"
    assert application.reverse_url("host") == "/h"
    assert application.reverse_url("inner", 1, 2) == "/i/1/2"
    with pytest.raises(KeyError, match="zz not found in named urls"):
        application.reverse_url("zz")


def test_a_name_that_comes_twice(expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "multiple handlers named n", count=1):
        application = Application([url("/x", RequestHandler, name="n"), url("/y", RequestHandler, name="n")])
    assert application.reverse_url("n") == "/y"


async def test_urls_in_handlers() -> None:
    class Echo(RequestHandler):
        def get(self, x: str) -> None:
            self.write(self.reverse_url("n", x))

    assert await answers(Application([url("/x/(.*)", Echo, name="n")]), "/x/a%20b") == ["/x/a%20b"]


def test_routers_that_are_only_interfaces() -> None:
    request = HTTPServerRequest("GET", "/")
    with pytest.raises(NotImplementedError):
        Router().find_handler(request)
    with pytest.raises(NotImplementedError):
        ReversibleRouter().reverse_url("x")
    assert ReversibleRuleRouter([Rule(PathMatches("/a"), 1, name="n")]).reverse_url("n") == "/a"
    assert ReversibleRuleRouter().reverse_url("n") is None
    assert RuleRouter().find_handler(request) is None


@pytest.mark.parametrize("make", [Application, RuleRouter])
def test_a_pattern_that_is_none_is_told_with_its_rule(make: type[Application | RuleRouter]) -> None:
    with pytest.raises(re.error, match="missing \\)") as caught:
        make([("/good", RequestHandler), ("/bad/(.*", RequestHandler, {"a": 1})])
    assert caught.value.__notes__ == [
        "in the pattern '/bad/(.*$' of a route",
        f"in the rule ('/bad/(.*', {RequestHandler!r}, {{'a': 1}})",
    ]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no_such_package.views.Handler", ModuleNotFoundError, "No module named 'no_such_package'"),
        ("halny.web.NoSuchHandler", ImportError, "module 'halny.web' has no attribute 'NoSuchHandler'"),
    ],
)
def test_a_handler_that_can_not_be_imported_is_told_with_its_rule(
    name: str, error: type[ImportError], message: str
) -> None:
    imported = f"on the import of {name!r}, the target of the rule for PathMatches('/a$')"
    for matcher in ("/a", PathMatches("/a")):
        with pytest.raises(error, match=re.escape(message)) as caught:
            Application([(matcher, name)])
        assert caught.value.__notes__ == [imported, f"in the rule ({matcher!r}, {name!r})"]
    with pytest.raises(error) as caught:
        url("/a", name)
    assert caught.value.__notes__ == [imported]


def test_a_module_of_handlers_that_is_broken_is_told_with_its_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_views.py").write_text("class Handler(:\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(SyntaxError) as caught:
        Application([("/a", "broken_views.Handler")])
    assert caught.value.__notes__[-1] == "in the rule ('/a', 'broken_views.Handler')"
