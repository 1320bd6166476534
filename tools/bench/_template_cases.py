"""The templates that are measured, in each engine's own words, and their data."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Calls = dict[str, "Callable[[], bytes]"]

ROWS, CELLS = 1000, 10

# Two texts in five have something to escape.
TEXTS = (
    "alpha {}", "plain text number {}", "x{}", "name{}@example.com", "some longer text without any {}",
    "two words, {}", "Smith & Sons {}", "<b>bold {}</b>", 'so-called "{}"', "O'Neil the {}th",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Something to measure."""

    title: str
    calls: Callable[[], Calls]
    """Makes what each engine is to do."""
    wanted: dict[str, float] = field(default_factory=dict[str, float])
    """How many times as long the other engines must take at least."""
    compares: bool = True
    """Whether the calls give the page, so that it can be compared."""


def table_data() -> list[list[int | str]]:
    """Rows of integers and texts, each text another."""
    pick = random.Random(1)
    return [
        [row * CELLS + cell if cell % 2 == 0 else pick.choice(TEXTS).format(row) for cell in range(CELLS)]
        for row in range(ROWS)
    ]


TABLE = "<table>\n{% for row in table %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% END %}</tr>\n{% END %}</table>\n"
TABLE_MAKO = r"""<table>
% for row in table:
<tr>\
% for cell in row:
<td>${cell}</td>\
% endfor
</tr>
% endfor
</table>
"""


def table() -> Calls:
    data = table_data()
    ours = TABLE.replace("END", "end")
    halny = import_module("halny.template").Template(ours)
    tornado = import_module("tornado.template").Template(ours)
    jinja = environment().from_string(TABLE.replace("END", "endfor"))
    mako = import_module("mako.template").Template(TABLE_MAKO, default_filters=["h"], output_encoding="utf-8")
    return {
        "halny": lambda: halny.generate(table=data),
        "tornado": lambda: tornado.generate(table=data),
        "jinja2": lambda: jinja.render(table=data).encode(),
        "mako": lambda: mako.render(table=data),
    }


BASE = (
    "<!doctype html>\n<html><head><title>{% block title %}untitled{% ENDBLOCK %}</title></head>\n"
    "<body>\n{% block body %}{% ENDBLOCK %}\n<footer>{{ year }}</footer>\n</body></html>\n"
)
PAGE = (
    '{% extends "base.html" %}{% block title %}{{ title }}{% ENDBLOCK %}'
    "{% block body %}<h1>Hello, {{ user }}</h1>\n{% if items %}<ul>\n"
    "{% for item in items %}<li>{{ item }}</li>\n{% ENDFOR %}"
    "</ul>{% else %}<p>none</p>{% ENDIF %}{% ENDBLOCK %}"
)
PAGE_DATA: dict[str, Any] = {
    "year": 2026,
    "title": "A <title>",
    "user": "Ada & co",
    "items": ["one", "two <2>", "three", 4, "the 'fifth'"],
}


def page() -> Calls:
    ours = {"base.html": ending(BASE, "end"), "page.html": ending(PAGE, "end")}
    theirs = {"base.html": ending(BASE), "page.html": ending(PAGE)}
    # The engines' defaults for whitespace in .html differ; what is compared is rendering.
    halny = import_module("halny.template").DictLoader(ours, whitespace="all").load("page.html")
    tornado = import_module("tornado.template").DictLoader(ours, whitespace="all").load("page.html")
    jinja = environment(theirs).get_template("page.html")
    return {
        "halny": lambda: halny.generate(**PAGE_DATA),
        "tornado": lambda: tornado.generate(**PAGE_DATA),
        "jinja2": lambda: jinja.render(**PAGE_DATA).encode(),
    }


LINES = (
    '<div class="item">{{ item.name }} and {{ other }}</div>\n'
    "{% if cond %}\n<p>{{ text }}</p>\n{% else %}\n<b>no text</b>\n{% ENDIF %}\n"
    "{% for a in b %}\n<i>{{ a }}</i>\n{% ENDFOR %}\n"
    "<p>plain text</p>\n"
)


def compiling() -> Calls:
    long = LINES * (1000 // LINES.count("\n"))
    ours, theirs = ending(long, "end"), ending(long)
    halny, tornado = import_module("halny.template").Template, import_module("tornado.template").Template
    jinja = environment()
    return {
        "halny": lambda: halny(ours),
        "tornado": lambda: tornado(ours),
        "jinja2": lambda: jinja.from_string(theirs),
    }


def ending(template: str, end: str | None = None) -> str:
    """The template with Jinja2's ways to end a tag, or one way for all."""
    for name in ("block", "for", "if"):
        template = template.replace("END" + name.upper(), end or "end" + name)
    return template


def environment(templates: dict[str, str] | None = None) -> Any:
    jinja2 = import_module("jinja2")
    return jinja2.Environment(autoescape=True, keep_trailing_newline=True, loader=jinja2.DictLoader(templates or {}))


CASES = {
    "table": Case(
        f"A table of {ROWS} rows by {CELLS} cells: integers, and texts to escape",
        table,
        {"tornado": 4, "jinja2": 3, "mako": 2.5},
    ),
    "page": Case("A small page: inheritance, a loop, a condition", page, {"tornado": 2, "jinja2": 1.6}),
    "compile": Case("Compiling 1000 lines", compiling, {"jinja2": 1}, compares=False),
}
