"""What an application refuses when it is made, and what it must not refuse."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPMessageDelegate, HTTPServerConnectionDelegate, HTTPServerRequest
from halny.routing import AnyMatches, PathMatches, Router, Rule, RuleRouter, URLSpec
from halny.web import Application, ErrorHandler, GZipContentEncoding, RequestHandler, StaticFileHandler, url

from ._helpers import handler, serving

if TYPE_CHECKING:
    from pathlib import Path

Hello = handler(lambda self: self.write("hello"))


class Echo(RequestHandler):
    def get(self, text: str) -> None:
        self.write(text)


TARGETS = "the target of a rule is a handler class or its full name, a router, a callable or a list of rules, not "


def refused(make: Any, message: str, *notes: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value).startswith(message)
    assert getattr(caught.value, "__notes__", []) == [*notes]


# Targets


@pytest.mark.parametrize("matcher", ["/", PathMatches("/")])
def test_a_target_that_answers_nothing(matcher: Any) -> None:
    refused(lambda: Application([("/a", Hello), (matcher, 5)]), TARGETS + "5", f"in the rule ({matcher!r}, 5)")


def test_hints_at_what_was_meant() -> None:
    made = object.__new__(Hello)
    for target, hint in {
        made: "give the class, Handler, without calling it",
        os: "name the handler in that module",
    }.items():
        rule = ("/", target)
        refused(lambda: Application([rule]), f"{TARGETS}{target!r}: {hint}", f"in the rule {rule!r}")  # noqa: B023
    refused(lambda: Application([("/", "os")]), f"{TARGETS}{os!r}: name", "in the rule ('/', 'os')")


def test_rules_in_lists_and_for_hosts() -> None:
    refused(
        lambda: Application([("/.*", [("/a", 5)])]),
        TARGETS,
        "in the rule ('/a', 5)",
        "in the rule ('/.*', [('/a', 5)])",
    )
    refused(lambda: Application().add_handlers(".*", [("/", 5)]), TARGETS, "in the rule ('/', 5)")
    refused(lambda: Application().wildcard_router.add_rules([("/", 5)]), TARGETS, "in the rule ('/', 5)")
    spec = url("/", 5, name="x")
    refused(lambda: Application([spec]), TARGETS, "in the rule URLSpec('/$', 5, kwargs=None, name='x')")


async def test_targets_of_all_kinds() -> None:
    class Empty(Router):
        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
            return None

        def __bool__(self) -> bool:
            return False

    def call(request: HTTPServerRequest) -> None:
        raise AssertionError

    targets: list[Any] = [
        Hello, "halny.web.RequestHandler", Empty(), RuleRouter(), Application(), HTTPServerConnectionDelegate(), call,
        partial(call), type("Called", (), {"__call__": call})(), int, [], [("/x", Hello)], (("/x", Hello),),
        [url("/x", [("/x", Hello)])],
    ]  # fmt: skip
    Application([(f"/{number}", target) for number, target in enumerate(targets)])


@pytest.mark.parametrize("target", [None, False, 0])
async def test_rules_that_are_switched_off(target: object) -> None:
    application = Application([url("/a/(.*)", target, name="elsewhere"), ("/a/(.*)", Echo)])
    assert application.reverse_url("elsewhere", "x") == "/a/x"
    async with serving(application) as server:
        assert (await server.get("/a/x")).text == "x"


async def test_rules_that_get_their_target_later() -> None:
    application = Application([("/a", None)])
    application.wildcard_router.rules[0].target = Hello
    application.wildcard_router.rules.append(Rule(PathMatches("/b"), Hello))
    async with serving(application) as server:
        assert [(await server.get(path)).text for path in ("/a", "/b")] == ["hello", "hello"]


async def test_who_finds_handlers_in_another_way_may_have_other_targets() -> None:
    class Own(Application):
        def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
            rule = self.wildcard_router.rules[0]
            return self.get_handler_delegate(request, ErrorHandler, {"status_code": rule.target})

    async with serving(Own([("/", 410)], default_handler_class="unused")) as server:
        assert (await server.get("/")).status == 410
    assert RuleRouter([("/", 5)]).rules[0].target == 5


async def test_routers_that_know_more_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    application = Application()
    kind = type(application.wildcard_router)
    original = kind.get_target_delegate

    def tell(self: Any, target: Any, request: HTTPServerRequest, **params: Any) -> Any:
        return original(self, Hello if target == 5 else target, request, **params)

    monkeypatch.setattr(kind, "get_target_delegate", tell)
    async with serving(Application([("/", 5)])) as server:
        assert (await server.get("/")).text == "hello"


# Lists


@pytest.mark.parametrize("handlers", [("/", Hello), "/", {"/": Hello}])
def test_a_single_rule_that_is_in_no_list(handlers: Any) -> None:
    message = "a rule is a tuple of a pattern and its target, or a Rule, not '/'; even a single one is in a list"
    for make in (Application, RuleRouter, partial(Application().add_handlers, ".*")):
        refused(partial(make, handlers), message)


@pytest.mark.parametrize("handlers", [url("/", Hello), Hello, 5])
def test_what_is_no_list_of_rules(handlers: Any) -> None:
    for make in (Application, RuleRouter, partial(Application().add_handlers, ".*")):
        refused(partial(make, handlers), f"rules are a list, even a single one, not {handlers!r}")


def test_rules_that_come_one_by_one() -> None:
    rules: Any = (rule for rule in [("/", Hello), url("/x", Hello)])
    assert [type(rule) for rule in Application(rules).wildcard_router.rules] == [URLSpec, URLSpec]


# Arguments


@pytest.mark.parametrize(
    ("kwargs", "hint"), [(["a"], ""), ([("a", 1)], ""), (5, ""), ("name", ": the name of a route comes fourth")]
)
def test_arguments_that_are_no_dict(kwargs: Any, hint: str) -> None:
    message = f"the arguments of a handler's initialize() are a dict, not {kwargs!r}{hint}"
    refused(lambda: Application([("/", Hello, kwargs)]), message, f"in the rule ('/', {Hello!r}, {kwargs!r})")


@pytest.mark.parametrize("kwargs", [None, {}, [], (), "", {"late": 1}])
def test_arguments_that_are_taken(kwargs: Any) -> None:
    Application([("/", Hello, kwargs), Rule(AnyMatches(), print, 5)])  # type: ignore[arg-type]


async def test_who_makes_handlers_in_another_way_may_have_other_arguments() -> None:
    class Own(Application):
        def get_handler_delegate(
            self,
            request: Any,
            target_class: Any,
            target_kwargs: Any = None,
            path_args: Any = None,
            path_kwargs: Any = None,
        ) -> Any:
            return super().get_handler_delegate(request, target_class, {"status_code": target_kwargs[0]})

    async with serving(Own([("/", ErrorHandler, [410])])) as server:
        assert (await server.get("/")).status == 410


# Static files


def test_static_files_without_a_directory() -> None:
    class Mine(StaticFileHandler):
        pass

    for kind in (StaticFileHandler, Mine):
        refused(
            lambda: Application([("/(.*)", kind, {"default_filename": "x"})]),  # noqa: B023
            f"{kind.__name__} needs the argument 'path', the directory of its files, but has {{'default_",
            f"in the rule ('/(.*)', {kind!r}, {{'default_filename': 'x'}})",
        )
    for path in (5, b"/tmp", ["/tmp"]):
        message = f"the argument 'path' of StaticFileHandler is a directory, as text or a path, not {path!r}"
        with pytest.raises(TypeError) as caught:
            Application(static_path=path, debug=True, autoreload=False)
        assert str(caught.value) == message


def test_static_files_that_are_found_otherwise(tmp_path: Path) -> None:
    class Initialized(StaticFileHandler):
        def initialize(self) -> None:  # type: ignore[override]
            self.root = "/"

    class Made(StaticFileHandler):
        def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
            super().__init__(application, request, path="/", **kwargs)

    class Several(StaticFileHandler):
        pass

    directory: dict[str, Any] = {"path": tmp_path}
    Application([
        ("/a(.*)", Initialized), ("/b(.*)", Made), ("/c(.*)", Several, {"path": ["/a", "/b"]}),
        ("/d(.*)", StaticFileHandler, directory), ("/e(.*)", StaticFileHandler, {"path": None}),
    ])  # fmt: skip


# Settings


@pytest.mark.parametrize("value", [5, "halny.web.ErrorHandler", int, object.__new__(Hello)])
def test_default_handlers(value: object) -> None:
    message = f"the setting 'default_handler_class' is a subclass of RequestHandler, not {value!r}"
    refused(lambda: Application(default_handler_class=value), message)


def test_transforms() -> None:
    refused(lambda: Application(transforms=[5]), "an output transform is a subclass of OutputTransform, not 5")  # type: ignore[list-item]
    for wrong in (5, GZipContentEncoding):
        message = f"transforms are a list of classes, even a single one, not {wrong!r}"
        refused(lambda: Application(transforms=wrong), message)  # type: ignore[arg-type]  # noqa: B023
    refused(lambda: Application().add_transform(5), "an output transform is a subclass")  # type: ignore[arg-type]
    taken: list[Any] = [
        (),
        [GZipContentEncoding],
        {GZipContentEncoding},
        [partial(GZipContentEncoding)],
    ]
    for transforms in taken:
        Application(transforms=transforms)
