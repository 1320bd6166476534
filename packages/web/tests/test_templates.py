from __future__ import annotations

import gc
import re
from typing import TYPE_CHECKING, Any

import pytest

import halny.web.locale
from halny.http import HTTPServerRequest
from halny.template import DictLoader, Loader
from halny.web import Application, RequestHandler, UIModule

from ._helpers import Answer, handler, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog

PAGE = "<html><head></head><body>%s</body></html>"


def application(templates: dict[str, str], get: Callable[[Any], object], **settings: Any) -> Application:
    routes: list[Any] = [("/", handler(get), None, "home")]
    return Application(routes, template_loader=DictLoader(templates), **settings)


async def render(template: str, /, *, settings: dict[str, Any] | None = None, **names: Any) -> Answer:
    app = application({"x.html": template}, lambda self: self.render("x.html", **names), **(settings or {}))
    async with serving(app) as server:
        return await server.get("/")


async def test_a_page_is_rendered_and_sent() -> None:
    answer = await render("<p>{{ name }}</p>", name="<Ada>")
    assert (answer.status, answer.text) == (200, "<p>&lt;Ada&gt;</p>")
    assert answer.header("Content-Type") == "text/html; charset=UTF-8"


async def test_what_every_template_can_use(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("static")
    template = (
        "{{ type(handler).__name__ }} {{ request.path }} {{ current_user }} {{ locale.code }} {{ _('text') }} "
        "{{ pgettext('context', 'text') }} {{ reverse_url('home') }} {{ static_url('s.txt') }} {{ linkify('x') }} "
        "{{ datetime.__name__ }} {{ xsrf_form_html()[:6] }}"
    )
    text = (await render(template, settings={"static_path": str(tmp_path)})).text
    assert re.sub("v=[0-9a-f]+", "v=hash", text) == (
        "Handler / None en_US text text / /static/s.txt?v=hash x datetime &lt;input"
    )


async def test_a_handler_adds_to_the_namespace() -> None:
    class Adding(RequestHandler):
        def get_template_namespace(self) -> dict[str, Any]:
            return {**super().get_template_namespace(), "a": "default", "b": "default"}

        def get(self) -> None:
            self.finish(self.render_string("x.html", a="given"))

    loader = DictLoader({"x.html": "{{ a }} {{ b }}"})
    async with serving(Application([("/", Adding)], template_loader=loader)) as server:
        assert (await server.get("/")).text == "given default"


async def test_ui_methods_get_the_handler_first() -> None:
    def shout(handler: RequestHandler, text: str) -> str:
        return f"{handler.request.method} {text.upper()}"

    answer = await render("{{ shout('x') }}", settings={"ui_methods": {"shout": shout}})
    assert answer.text == "GET X"


async def test_what_was_written_before_stays() -> None:
    app = application({"x.html": "page"}, lambda self: (self.write("before "), self.render("x.html"))[1])
    async with serving(app) as server:
        assert (await server.get("/")).text == "before page"


@pytest.mark.parametrize(
    ("template", "error"),
    [("{{ 1 / 0 }}", "ZeroDivisionError"), ("{% module None() %}", "None"), ("{{ nothing }}", "NameError")],
)
async def test_a_template_that_fails_is_an_error_page(template: str, error: str, expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception GET /", count=1):
        assert (await render(template)).status == 500


async def test_a_template_that_awaits_says_how_it_is_rendered(expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1) as records:
        answer = await render("<p>{{ await price() }}</p>")
    assert answer.status == 500
    assert records[0].exc_info is not None
    assert "expected generate_async" in str(records[0].exc_info[1])


async def test_a_template_that_awaits() -> None:
    pages = DictLoader({"x.html": "{{ request.path }} {{ await price(2) }} {% module linkify('<') %}"})

    async def price(count: int) -> int:
        return 3 * count

    class Awaiting(RequestHandler):
        async def get(self) -> None:
            self.finish(await pages.load("x.html").generate_async(price=price, **self.get_template_namespace()))

    async with serving(Application([("/", Awaiting)])) as server:
        assert (await server.get("/")).text == "/ 6 &lt;"


async def test_a_template_that_is_not_there_is_an_error_page(expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception GET /", count=1):
        async with serving(application({}, lambda self: self.render("x.html"))) as server:
            assert (await server.get("/")).status == 500


# Where templates are


async def test_templates_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "base.html").write_text("<b>{% block b %}{% end %}</b>   \n\n  end")
    (tmp_path / "x.html").write_text("{% extends base.html %}{% block b %}{{ '<' }}{% end %}")
    cls = handler(lambda self: self.render("x.html"))
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "<b>&lt;</b>\nend"),
        ({"autoescape": None}, "<b><</b>\nend"),
        ({"template_whitespace": "all"}, "<b>&lt;</b>   \n\n  end"),
    ]
    for settings, text in cases:
        async with serving(Application([("/", cls)], template_path=str(tmp_path), **settings)) as server:
            assert (await server.get("/")).text == text


@pytest.mark.parametrize("name", [False, 5, "", len])
def test_the_setting_autoescape_is_a_name(name: object) -> None:
    application = Application(template_path="unused", autoescape=name)  # an application without templates may have it
    made = RequestHandler(application, HTTPServerRequest("GET", "/"))
    with pytest.raises(TypeError, match="'autoescape' is the name of a function, or None for none, not ") as caught:
        made.create_template_loader("unused")
    assert str(caught.value).endswith(repr(name))


@pytest.mark.parametrize("name", ["../secret.html", "/etc/passwd", "a/../../secret.html"])
async def test_no_template_is_outside_the_folder(name: str, tmp_path: Path, expect_log: ExpectLog) -> None:
    (tmp_path / "secret.html").write_text("secret")
    (tmp_path / "templates").mkdir()
    app = Application([("/", handler(lambda self: self.render(name)))], template_path=str(tmp_path / "templates"))
    async with serving(app) as server:
        with expect_log("halny.application", "uncaught exception", count=1):
            assert b"secret" not in (await server.get("/")).raw


async def test_a_handler_has_templates_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text("own")

    class Own(RequestHandler):
        def get_template_path(self) -> str:
            return str(tmp_path)

        def get(self) -> None:
            self.render("x.html")

    async with serving(Application([("/", Own)], template_path="/nowhere")) as server:
        assert (await server.get("/")).text == "own"


async def test_without_a_path_templates_are_beside_the_file_that_renders(tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text("beside")
    program = tmp_path / "program.py"
    program.write_text("def get(self):\n    self.render('x.html')\n")
    names: dict[str, Any] = {}
    exec(compile(program.read_text(), str(program), "exec"), names)
    async with serving(Application([("/", handler(names["get"]))])) as server:
        assert (await server.get("/")).text == "beside"


async def test_templates_are_compiled_once_or_for_each_request(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["old", "old"]),
        ({"compiled_template_cache": False}, ["old", "new"]),
    ]
    for settings, texts in cases:
        (tmp_path / "x.html").write_text("old")
        cls = handler(lambda self: self.render("x.html"))
        async with serving(Application([("/", cls)], template_path=str(tmp_path), **settings)) as server:
            first = (await server.get("/")).text
            (tmp_path / "x.html").write_text("new")
            assert [first, (await server.get("/")).text] == texts


async def test_loaders_of_handlers_and_applications_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text("{{ '<' }}")
    made: list[str] = []

    class Raw(RequestHandler):
        def create_template_loader(self, template_path: str) -> Loader:
            made.append(template_path)
            return Loader(template_path, autoescape=None)

        def get(self) -> None:
            self.render("x.html")

    escaped = handler(lambda self: self.render("x.html"))
    app = Application([("/raw", Raw), ("/", escaped)], template_path=str(tmp_path))
    async with serving(app) as server:
        texts = [(await server.get(path)).text for path in ("/raw", "/", "/raw", "/")]
    assert texts == ["<", "&lt;", "<", "&lt;"]
    assert made == [str(tmp_path)]


async def test_loaders_can_be_forgotten(tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text("old")
    cls: Any = handler(lambda self: self.render("x.html"))
    app = Application([("/", cls)], template_path=str(tmp_path))
    async with serving(app) as server:
        assert (await server.get("/")).text == "old"
        (tmp_path / "x.html").write_text("new")
        assert (await server.get("/")).text == "old"
        cls._template_loaders.clear()
        assert (await server.get("/")).text == "new"
    assert list(cls._template_loaders) == [app]
    del app, server
    gc.collect()
    assert len(cls._template_loaders) == 0


# What UI modules bring


class Entry(UIModule):
    def render(self, text: str) -> str:
        return f"<i>{text}</i>"

    def embedded_javascript(self) -> str:
        return "entry();"

    def javascript_files(self) -> list[str]:
        return ["/a.js", "https://cdn.example/b.js?x&y", "/a.js"]

    def embedded_css(self) -> str:
        return "i {}"

    def css_files(self) -> str:
        return "/a.css?x&y"

    def html_head(self) -> str:
        return "<meta>"

    def html_body(self) -> str:
        return "<div></div>"


WITH_ENTRY: dict[str, Any] = {"ui_modules": {"Entry": Entry}}


async def test_modules_bring_what_they_need_once() -> None:
    text = (await render(PAGE % "{% module Entry('1') %}{% module Entry('2') %}", settings=WITH_ENTRY)).text
    assert text == (
        "<html><head>"
        '<link href="/a.css?x&amp;y" type="text/css" rel="stylesheet"/>\n'
        '<style type="text/css">\ni {}\n</style>\n'
        "<meta>\n"
        "</head><body><i>1</i><i>2</i>"
        '<script src="/a.js" type="text/javascript"></script>'
        '<script src="https://cdn.example/b.js?x&amp;y" type="text/javascript"></script>\n'
        '<script type="text/javascript">\n//<![CDATA[\nentry();\n//]]>\n</script>\n'
        "<div></div>\n"
        "</body></html>"
    )


async def test_a_page_without_modules_is_left_alone() -> None:
    assert (await render(PAGE % "x", settings=WITH_ENTRY)).text == PAGE % "x"


@pytest.mark.parametrize("page", ["{% module Entry('1') %}", "<body>{% module Entry('1') %}</body>"])
async def test_a_page_needs_a_place_for_what_modules_bring(page: str, expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1) as records:
        assert (await render(page, settings=WITH_ENTRY)).status == 500
    assert records[0].exc_info is not None
    assert "need a </" in str(records[0].exc_info[1])


async def test_a_handler_renders_links_in_its_own_way() -> None:
    class Own(RequestHandler):
        def get(self) -> None:
            self.render("x.html")

        def render_linked_js(self, js_files: Any) -> str:
            return f"js={list(js_files)}"

        def render_embed_js(self, js_embed: Any) -> bytes:
            return b"js=" + b",".join(js_embed)

        def render_linked_css(self, css_files: Any) -> str:
            return f"css={list(css_files)}"

        def render_embed_css(self, css_embed: Any) -> bytes:
            return b"css=" + b",".join(css_embed)

    loader = DictLoader({"x.html": PAGE % "{% module Entry('1') %}"})
    async with serving(Application([("/", Own)], template_loader=loader, **WITH_ENTRY)) as server:
        text = (await server.get("/")).text
    assert text == (
        "<html><head>css=['/a.css?x&y']\ncss=i {}\n<meta>\n</head><body><i>1</i>"
        "js=['/a.js', 'https://cdn.example/b.js?x&y', '/a.js']\njs=entry();\n<div></div>\n</body></html>"
    )


# URLs


async def test_static_urls(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("static")

    def get(self: RequestHandler) -> None:
        self.include_host = "own" in self.request.query  # type: ignore[attr-defined]
        self.write(
            " ".join([self.static_url("s.txt"), self.static_url("s.txt", include_host=True, include_version=False)])
        )

    async with serving(Application([("/", handler(get))], static_path=str(tmp_path))) as server:
        text = (await server.get("/")).text
        assert re.fullmatch(r"/static/s\.txt\?v=[0-9a-f]+ http://example\.com/static/s\.txt", text)
        assert (await server.get("/?own")).text.startswith("http://example.com/static/s.txt?v=")


async def test_static_urls_need_a_path(expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1) as records:
        assert (await render("{{ static_url('x') }}")).status == 500
    assert records[0].exc_info is not None
    assert "'static_path' setting" in str(records[0].exc_info[1])


async def test_another_class_may_make_static_urls() -> None:
    class Static:
        @classmethod
        def make_static_url(cls, settings: dict[str, Any], path: str, **kwargs: Any) -> str:
            return f"/other/{path}?{kwargs}"

    app = application({"x.html": "{{ static_url('x', version=1) }}"}, lambda self: self.render("x.html"))
    app.settings.update(static_path="anywhere", static_handler_class=Static)
    async with serving(app) as server:
        assert (await server.get("/")).text == "/other/x?{&#x27;version&#x27;: 1}"


async def test_reverse_url_of_a_handler() -> None:
    def get(self: RequestHandler, *args: str) -> None:
        self.write(self.reverse_url("named", "a b", 5))

    app = Application([("/", handler(get)), ("/x/([^/]*)/([0-9]+)", handler(get), None, "named")])  # fmt: skip
    async with serving(app) as server:
        assert (await server.get("/")).text == "/x/a%20b/5"


async def test_pages_are_in_the_users_language(tmp_path: Path) -> None:
    (tmp_path / "pl.csv").write_text('"Hello","Cześć"\n', encoding="utf-8")
    try:
        halny.web.locale.load_translations(tmp_path)
        app = application({"x.html": "{{ _('Hello') }}"}, lambda self: self.render("x.html"))
        async with serving(app) as server:
            assert (await server.get("/", "Accept-Language: pl")).text == "Cześć"
            assert (await server.get("/")).text == "Hello"
    finally:
        (tmp_path / "pl.csv").unlink()
        halny.web.locale.load_translations(tmp_path)
