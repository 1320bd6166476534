from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import pytest

from halny.template import DictLoader
from halny.web import Application, RequestHandler, TemplateModule, UIModule, is_absolute

from ._helpers import Answer, handler, serving

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog

PAGE = "<head></head><body>%s</body>"


class Greeting(UIModule):
    made = 0

    def __init__(self, handler: RequestHandler) -> None:
        super().__init__(handler)
        type(self).made += 1

    def render(self, name: str, times: int = 1) -> str:
        return f"<b>{name}</b>" * times


class FromTemplate(UIModule):
    def render(self) -> bytes:
        return self.render_string("part.html", extra=self.current_user)


async def ask(templates: dict[str, str], **settings: Any) -> Answer:
    class Page(RequestHandler):
        def get_current_user(self) -> str:
            return "ada"

        def get(self) -> None:
            self.render("x.html")

    async with serving(Application([("/", Page)], template_loader=DictLoader(templates), **settings)) as server:
        return await server.get("/")


async def test_a_module_is_made_once_and_used_often() -> None:
    Greeting.made = 0
    template = (
        "{% module Greeting('a') %}{% module Greeting('b', times=2) %}"
        "{{ modules.Greeting('c') }}{{ modules['Greeting']('d') }}"
    )
    answer = await ask({"x.html": template}, ui_modules={"Greeting": Greeting})
    assert answer.text == "<b>a</b><b>b</b><b>b</b>&lt;b&gt;c&lt;/b&gt;&lt;b&gt;d&lt;/b&gt;"
    assert Greeting.made == 1


async def test_a_module_renders_a_template() -> None:
    templates = {"x.html": "{% module FromTemplate() %}", "part.html": "<i>{{ extra }} {{ handler.request.path }}</i>"}
    assert (await ask(templates, ui_modules={"FromTemplate": FromTemplate})).text == "<i>ada /</i>"


async def test_a_module_knows_its_handler() -> None:
    class Knowing(UIModule):
        def render(self) -> str:
            assert self.request is self.handler.request
            assert self.ui is self.handler.ui
            return f"{self.current_user} {self.locale.code} {self.ui.shout('x')}"

    def shout(handler: RequestHandler, text: str) -> str:
        return text.upper()

    settings: dict[str, Any] = {"ui_modules": {"K": Knowing}, "ui_methods": {"shout": shout}}
    assert (await ask({"x.html": "{% module K() %}"}, **settings)).text == "ada en_US X"


async def test_the_modules_that_are_always_there() -> None:
    templates = {
        "x.html": "{% module linkify('http://a.example', shorten=True) %}{% module Template('part.html', v='<') %}"
        "{% module xsrf_form_html() %}",
        "part.html": "<i>{{ v }}</i>",
    }
    text = (await ask(templates)).text
    assert text.startswith(
        '<a href="http://a.example">http://a.example</a><i>&lt;</i><input type="hidden" name="_xsrf"'
    )


async def test_a_template_asks_for_resources() -> None:
    resources = (
        "css_files='/t.css', javascript_files=['/t.js'], embedded_css='t {}', embedded_javascript='t();',"
        " html_head='<meta>', html_body='<hr>'"
    )
    templates = {
        "x.html": PAGE
        % "{% module Template('a.html') %}{% module Template('a.html') %}{% module Template('b.html') %}",
        "a.html": f"{{{{ set_resources({resources}) }}}}A",
        "b.html": "{{ set_resources(embedded_css='b {}') }}B",
    }
    assert (await ask(templates)).text == (
        '<head><link href="/t.css" type="text/css" rel="stylesheet"/>\n'
        '<style type="text/css">\nt {}\nb {}\n</style>\n<meta>\n</head>'
        '<body>AAB<script src="/t.js" type="text/javascript"></script>\n'
        '<script type="text/javascript">\n//<![CDATA[\nt();\n//]]>\n</script>\n<hr>\n</body>'
    )


async def test_a_template_asks_for_the_same_each_time(expect_log: ExpectLog) -> None:
    templates = {
        "x.html": PAGE % "{% module Template('a.html', v=1) %}{% module Template('a.html', v=2) %}",
        "a.html": "{{ set_resources(embedded_css='%d' % v) }}",
    }
    with expect_log("halny.application", "uncaught exception", count=1) as records:
        assert (await ask(templates)).status == 500
    assert records[0].exc_info is not None
    assert "different resources for the same template" in str(records[0].exc_info[1])


async def test_a_module_that_is_not_there(expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1) as records:
        assert (await ask({"x.html": "{% module Nope() %}"})).status == 500
    assert records[0].exc_info is not None
    assert "there is no UI module 'Nope'" in str(records[0].exc_info[1])


async def test_a_module_without_render(expect_log: ExpectLog) -> None:
    class Empty(UIModule):
        pass

    with expect_log("halny.application", "uncaught exception", count=1) as records:
        assert (await ask({"x.html": "{% module E() %}"}, ui_modules={"E": Empty})).status == 500
    assert records[0].exc_info is not None
    assert "Empty does not define render()" in str(records[0].exc_info[1])


def test_modules_and_methods_come_from_python_modules_too() -> None:
    found: Any = types.ModuleType("found")
    found.Greeting, found.UIModule = Greeting, UIModule
    found.shout = print
    found._private = found.Upper = found.shout
    found.number = 5
    more = {"Other": FromTemplate}
    app = Application(ui_modules=[found, more], ui_methods=[found, {"Named": print}])
    assert sorted(app.ui_modules) == ["Greeting", "Other", "Template", "UIModule", "linkify", "xsrf_form_html"]
    assert sorted(app.ui_methods) == ["Named", "shout"]
    assert app.ui_modules["Template"] is TemplateModule


@pytest.mark.parametrize("settings", [{"ui_modules": {"a": 5}}, {"ui_modules": {"a": int}}, {"ui_methods": {"a": 5}}])
def test_what_is_no_module_or_method_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="for the UI m"):
        Application(**settings)


@pytest.mark.parametrize("setting", ["ui_modules", "ui_methods"])
@pytest.mark.parametrize("value", ["x", b"x", 5, ["x"], [{}, 5]])
def test_what_names_no_modules_or_methods_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"a list of these in the setting '{setting}', got (b?'x'|5)$"):
        Application(**{setting: value})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a", True),
        ("http://a", True),
        ("https://a", True),
        ("//a", True),
        ("a.js", False),
        ("httpd.js", False),
        ("", False),
    ],
)
def test_is_absolute(path: str, expected: bool) -> None:
    assert is_absolute(path) is expected


async def test_there_are_no_modules_before_one_is_used() -> None:
    class Page(RequestHandler):
        def get(self) -> None:
            self.render_string("plain.html")
            assert not hasattr(self, "_active_modules")
            page = self.render_string("x.html")
            assert list(vars(self)["_active_modules"]) == ["Greeting"]
            self.finish(page)

    templates = DictLoader(
        {"plain.html": "{% if 0 %}{% module Greeting('a') %}{% end %}", "x.html": "{% module Greeting('b') %}"}
    )
    async with serving(
        Application([("/", Page)], template_loader=templates, ui_modules={"Greeting": Greeting})
    ) as server:
        assert (await server.get("/")).text == "<b>b</b>"


async def test_the_namespace_can_be_replaced() -> None:
    def get(self: RequestHandler) -> None:
        self.ui = {"own": "yes"}
        self.render("x.html")

    loader = DictLoader({"x.html": "{{ own }}"})
    async with serving(Application([("/", handler(get))], template_loader=loader)) as server:
        assert (await server.get("/")).text == "yes"
