"""Tracebacks of run-time errors point at the template's own lines and show them."""

from __future__ import annotations

import linecache
import sys
import traceback
from typing import TYPE_CHECKING

import pytest

from halny.template import DictLoader, Loader, Template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def frames(call: Callable[[], object]) -> list[tuple[str, int | None, str | None]]:
    """File, line and text of the traceback's last entries, from the first template on."""
    with pytest.raises(ZeroDivisionError) as info:
        call()
    entries = traceback.extract_tb(info.value.__traceback__)
    first = next(index for index, entry in enumerate(entries) if entry.name == "_tt_execute")
    return [(entry.filename, entry.lineno, entry.line) for entry in entries[first:]]


def test_a_template_of_its_own() -> None:
    template = Template("a\nb {{ 1 + 1 }}\n<p>{{ x / 0 }}</p>\n", name="own.html")
    assert frames(lambda: template.generate(x=1)) == [("own.html", 3, "<p>{{ x / 0 }}</p>")]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("\n{% if 1 / 0 %}{% end %}", 2),
        ("{% if 0 %}\n{% elif 1 / 0 %}{% end %}", 2),
        ("\n{% for x in [1 / 0] %}\n{% end %}", 2),
        ("{% for x in [0] %}\n\n{{ 1 / x }}\n{% end %}", 3),
        ("\n{% set x = 1 / 0 %}", 2),
        ("\n{% raw 1 / 0 %}", 2),
        ("\n{% apply fail %}\n{% end %}", 2),
        ("{% autoescape fail %}\n{{ 1 }}", 2),
        ("{{ f(1,\n 1 / 0) }}", 2),
        ("{% try %}\n{{ 1 / 0 }}\n{% except KeyError %}{% end %}", 2),
        ("\n{% module Fail() %}", 2),
    ],
)
def test_each_kind_of_tag(source: str, line: int) -> None:
    def fail(text: bytes) -> float:
        return 1 / 0

    class Modules:
        def Fail(self) -> float:
            return 1 / 0

    template = Template(source, name="kinds.html")
    first = frames(lambda: template.generate(fail=fail, f=max, _tt_modules=Modules()))[0]
    assert first == ("kinds.html", line, source.split("\n")[line - 1].strip())


TEMPLATES = {
    "base.html": "<html>\n{% block a %}{% end %}\n{{ shown(0) }}\n{% include 'foot.html' %}</html>",
    "child.html": "{% extends 'base.html' %}\n{% block a %}\n  {{ shown(1) }}{% end %}",
    "foot.html": "\n\n\n{{ [shown(2) for x in 'é'] }}",
}


@pytest.mark.parametrize(
    ("where", "entry"),
    [
        (0, ("base.html", 3, "{{ shown(0) }}")),
        (1, ("child.html", 3, "{{ shown(1) }}{% end %}")),
        (2, ("foot.html", 4, "{{ [shown(2) for x in 'é'] }}")),
    ],
)
def test_each_template_of_a_page(where: int, entry: tuple[str, int, str]) -> None:
    def shown(number: int) -> float:
        return 1 / (number - where)

    template = DictLoader(TEMPLATES).load("child.html")
    entries = frames(lambda: template.generate(shown=shown))
    assert entries[0] == entry
    assert entries[-1][0] == __file__
    assert all(number is not None and number < 1000 for _, number, _ in entries)


def test_the_expression_is_marked() -> None:
    template = DictLoader({"a": "\n{{ 1 + x/0 }}", "b": "{% include 'a' %}"}).load("b")
    with pytest.raises(ZeroDivisionError) as info:
        template.generate(x=1)
    text = "".join(traceback.format_exception(info.value))
    assert 'File "a", line 2, in _tt_execute\n    {{ 1 + x/0 }}\n' in text
    if sys.version_info >= (3, 13):
        assert "           ~^~\n" in text


def test_variables_can_be_seen() -> None:
    template = DictLoader({"a": "{% set y = 7 %}{{ x / 0 }}", "b": "{% include 'a' %}"}).load("b")
    with pytest.raises(ZeroDivisionError) as info:
        template.generate(x=1)
    last = list(traceback.walk_tb(info.value.__traceback__))[-1][0]
    assert last.f_locals["y"] == 7


def test_causes_and_contexts_too() -> None:
    source = "\n{% try %}{{ 1 / 0 }}{% except ZeroDivisionError as e %}\n{{ fail(e) }}{% end %}"
    template = DictLoader({"a": source, "b": "{% include 'a' %}"}).load("b")

    def fail(error: Exception) -> None:
        raise KeyError("other") from error

    with pytest.raises(KeyError) as info:
        template.generate(fail=fail)
    text = "".join(traceback.format_exception(info.value))
    assert 'File "a", line 2' in text
    assert 'File "a", line 3' in text


def test_chains_that_go_in_circles_end() -> None:
    template = DictLoader({"a": "{{ fail() }}", "b": "{% include 'a' %}"}).load("b")

    def fail() -> None:
        error = KeyError("x")
        other = ValueError("y")
        error.__cause__, other.__cause__ = other, error
        raise error

    with pytest.raises(KeyError):
        template.generate(fail=fail)


def test_files_are_shown_with_their_path_and_the_text_that_was_compiled(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("one\n{{ 1 / 0 }}\n")
    template = Loader(tmp_path).load("a.html")
    path.write_text("another\ntext\n")
    assert frames(template.generate) == [(str(path), 2, "{{ 1 / 0 }}")]
    linecache.checkcache()
    assert linecache.getline(str(path), 2) == "{{ 1 / 0 }}\n"


def test_a_template_without_a_name_is_not_shown_for_code_of_others() -> None:
    assert frames(Template("one\n{{ 1 / 0 }}").generate) == [("<template>", 2, "{{ 1 / 0 }}")]
    assert linecache.getline("<string>", 1) == ""


async def test_all_ways_of_rendering() -> None:
    template = DictLoader({"a": "\n{{ 1 / x }}", "b": "{% include 'a' %}"}).load("b")
    assert frames(lambda: list(template.stream(x=0)))[0] == ("a", 2, "{{ 1 / x }}")
    waiting = DictLoader({"a": "\n{{ 1 / await x }}", "b": "{% include 'a' %}"}).load("b")

    async def zero() -> int:
        return 0

    with pytest.raises(ZeroDivisionError) as info:
        await waiting.generate_async(x=zero())
    assert traceback.extract_tb(info.value.__traceback__)[-1].lineno == 2
    with pytest.raises(ZeroDivisionError) as info:
        _ = [chunk async for chunk in waiting.stream_async(x=zero())]
    assert traceback.extract_tb(info.value.__traceback__)[-1].filename == "a"


def test_an_error_that_was_handled_leaves_the_page_alone() -> None:
    template = DictLoader({"a": "{% try %}{{ 1 / 0 }}{% except %}x{% end %}", "b": "{% include 'a' %}"}).load("b")
    assert template.generate() == b"x"
