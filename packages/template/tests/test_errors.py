"""Every kind of wrong template gives a ParseError at the right place, and nothing else."""

from __future__ import annotations

import pickle

import pytest

from halny.template import DictLoader, ParseError, Template, TemplateNotFound, _emit
from halny.template._errors import MAX_SHOWN
from halny.template._loaders import MAX_LOADING
from halny.template._parse import MAX_BRANCHES, MAX_DEPTH
from halny.template._resolve import MAX_FILES, MAX_INCLUDES
from halny.template._source import MAX_LINES

WRONG: list[tuple[str, int, str]] = [
    # template, line, message
    ("a\n{{ x", 2, "missing }}"),
    ("a\n{% if x", 2, "missing %}"),
    ("a\n{# x", 2, "missing #}"),
    ("a\n{{ x }", 2, "missing }}"),
    ("a\n{{ }}", 2, "empty expression"),
    ("a\n{% %}", 2, "empty tag"),
    ("a\n{% (x) %}", 2, "unknown operator"),
    ("\n\n{% foo %}", 3, "unknown operator: 'foo'"),
    ("{% iff x %}", 1, "unknown operator: 'iff'"),
    ("{% async while x %}", 1, "unknown operator"),
    ("{% match x %}", 1, "unknown operator: 'match'"),
    # Expressions.
    ("\n{{ a b }}", 2, "invalid syntax"),
    ('\n{{ "a }}', 2, "unterminated string literal"),
    ('\n{{ "}}" }}', 2, "unterminated string literal"),
    ('{{ """a }}', 1, "unterminated triple-quoted string literal"),
    ("{{ (x }}", 1, "'(' was never closed"),
    ("{{ x) + (x }}", 1, "unmatched ')'"),
    ("{{ x if x else }}", 1, ""),
    ("{{ x; y }}", 1, "invalid syntax"),
    ("{{ x = 1 }}", 1, "invalid syntax"),
    ("{{ x!r }}", 1, "invalid syntax"),
    ("{{ *x }}", 1, ""),
    ("{{ \x00 }}", 1, ""),
    ("{{ x\n\n+ }}", 3, "invalid syntax"),
    ("\n{{ f(1,\n2 3) }}", 3, ""),
    ("\n{{ (yield) }}", 2, "'yield'"),
    ("{% set x = yield 1 %}", 1, "'yield'"),
    ("{{ [(yield) for y in x] }}", 1, "'yield'"),
    ("\n{{ lambda: await x }}", 2, "'await' outside"),
    ("\n{{ lambda x, x: 1 }}", 2, "duplicate argument"),
    ("\n{{ [x := 1 for x in y] }}", 2, "cannot rebind"),
    ("{{ " + "(" * 300 + ")" * 300 + " }}", 1, "too many nested parentheses"),
    ("\n{{ " + "-" * 100_000 + "1 }}", 2, "too deep"),
    ("\n{{ x" + ".a" * 100_000 + " }}", 2, "too deep"),
    ("\n{{ x" + ".a" * 300 + " }}", 2, "too deep: more than 300 levels"),
    ("\n{% set x = 1" + " + x" * 300 + " %}", 2, "too deep: more than 300 levels"),
    ("{{ " + "9" * 10_000 + " }}", 1, "integer string conversion"),
    # Nesting.
    ("a\n{% if x %}\n\n", 2, "missing {% end %} for 'if'"),
    ("{% if x %}\n{% for y in x %}{% end %}", 1, "missing {% end %} for 'if'"),
    ("a\n{% end %}", 2, "{% end %} without a beginning"),
    ("{% if x %}{% end %}\n{% end %}", 2, "{% end %} without a beginning"),
    ("\n{% else %}", 2, "outside any tag"),
    ("{% block a %}\n{% else %}{% end %}", 2, "stands inside 'block'"),
    ("{% for x in y %}\n{% elif x %}{% end %}", 2, "stands inside 'for'"),
    ("{% if x %}\n{% except %}{% end %}", 2, "stands inside 'if'"),
    ("{% if x %}\n{% finally %}{% end %}", 2, "stands inside 'if'"),
    ("{% if x %}{% else %}\n{% elif y %}{% end %}", 2, "'elif' behind 'else'"),
    ("{% if x %}{% else %}\n{% else %}{% end %}", 2, "a second 'else'"),
    ("{% for x in y %}{% else %}\n{% else %}{% end %}", 2, "a second 'else'"),
    ("{% if x %}\n{% else y %}{% end %}", 2, "stands alone"),
    ("\n{% try %}x{% end %}", 2, "'try' needs"),
    ("\n{% try %}{% else %}{% end %}", 2, "the 'else' of a 'try'"),
    ("{% try %}{% finally %}\n{% except %}{% end %}", 2, "'except' behind"),
    ("{% try %}{% finally %}\n{% else %}{% end %}", 2, "the 'else' of a 'try'"),
    ("{% try %}{% finally %}\n{% finally %}{% end %}", 2, "a second 'finally'"),
    ("{% try %}{% except %}\n{% except E %}{% end %}", 2, "must be the last"),
    ("{% try %}\n{% except E as %}{% end %}", 2, ""),
    ("{% try %}\n{% except* E %}{% end %}", 2, "unknown operator"),
    ("{% try %}\n{% except *E %}{% end %}", 2, "a single 'except'"),
    ("{% try x %}{% except %}{% end %}", 1, "stands alone"),
    ("\n{% break %}", 2, "'break' outside a loop"),
    ("\n{% continue %}", 2, "'continue' outside a loop"),
    ("{% for x in y %}{% else %}\n{% break %}{% end %}", 2, "'break' outside a loop"),
    ("{% for x in y %}{% apply f %}\n{% break %}{% end %}{% end %}", 2, "'break' outside a loop"),
    ("{% for x in y %}\n{% break x %}{% end %}", 2, "stands alone"),
    ("{% block a %}x{% end %}{% for x in y %}{% block a %}\n{% break %}{% end %}{% end %}", 2, "outside a loop"),
    # Heads.
    ("\n{% if %}{% end %}", 2, "invalid syntax"),
    ("\n{% if x: %}{% end %}", 2, "invalid syntax"),
    ("\n{% if x: pass\nif y %}{% end %}", 2, "a single condition or loop"),
    ("\n{% if x: pass\nelse %}{% end %}", 2, "a single condition or loop"),
    ("\n{% if x # y %}{% end %}", 2, "expected ':'"),
    ("\n{% for x %}{% end %}", 2, "invalid syntax"),
    ("\n{% for x in %}{% end %}", 2, "invalid syntax"),
    ("\n{% for f() in x %}{% end %}", 2, "cannot assign"),
    ("\n{% while %}{% end %}", 2, "invalid syntax"),
    # Other tags.
    ("\n{% set %}", 2, "'set' needs"),
    ("\n{% set x = %}", 2, "invalid syntax"),
    ("\n{% set f() = 1 %}", 2, "cannot assign"),
    ("\n{% set import os %}", 2, "expected an assignment"),
    ("\n{% set x = 1; import os %}", 2, "expected an assignment"),
    ("\n{% set return %}", 2, "expected an assignment"),
    ("\n{% set None = 1 %}", 2, "cannot assign to None"),
    ("\n{% set __debug__ = 1 %}", 2, "cannot assign to __debug__"),
    ("\n{% set # x %}", 2, "expected an assignment"),
    ("\n{% set _tt_b = 1 %}", 2, "the engine's own"),
    ("\n{% set _\uff54t_escape = str %}", 2, "the engine's own"),
    ("\n{% for _tt_b in x %}{% end %}", 2, "the engine's own"),
    ("\n{% import os as _tt_b %}", 2, "the engine's own"),
    ("{% try %}\n{% except E as _tt_b %}{% end %}", 2, "the engine's own"),
    ("\n{{ (_tt_b := 1) }}", 2, "the engine's own"),
    ("\n{% import %}", 2, "'import' needs"),
    ("\n{% import 1 %}", 2, "invalid syntax"),
    ("\n{% from x %}", 2, ""),
    ("\n{% from x import * %}", 2, "import *"),
    ("\n{% from __future__ import annotations %}", 2, "__future__"),
    ("\n{% raw %}", 2, "'raw' needs"),
    ("\n{% raw a b %}", 2, "invalid syntax"),
    ("\n{% module %}", 2, "'module' needs"),
    ("\n{% module 1 %}", 2, "invalid syntax"),
    ("\n{% apply %}{% end %}", 2, "'apply' needs"),
    ("\n{% apply f g %}{% end %}", 2, "invalid syntax"),
    ("\n{% block %}{% end %}", 2, "'block' needs"),
    ("\n{% autoescape %}", 2, "'autoescape' needs"),
    ("\n{% autoescape a b %}", 2, "invalid syntax"),
    ("\n{% whitespace %}", 2, "whitespace mode"),
    ("\n{% whitespace none %}", 2, "whitespace mode"),
    ("\n{% extends %}", 2, "needs the name of a template"),
    ("\n{% include %}", 2, "needs the name of a template"),
    ("\n{% include '' %}", 2, "needs the name of a template"),
    ("\n{% include 'x %}", 2, "unclosed quote"),
    ("\n{% include \"x' %}", 2, "unclosed quote"),
    ("\n{% include ' %}", 2, "unclosed quote"),
    ("\n{% include 'a' 'b' %}", 2, "the name of one template"),
    ("\n{% include 'a' %}", 2, "no loader"),
    ("\n{% extends 'a' %}", 2, "no loader"),
    ("{% if x %}\n{% extends 'a' %}{% end %}", 2, "'extends' inside 'if'"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "line", "message"), WRONG, ids=[case[0][:40] for case in WRONG])
def test_wrong_templates(template: str, line: int, message: str) -> None:
    with pytest.raises(ParseError) as info:
        Template(template, name="page.html")
    error = info.value
    assert (error.filename, error.lineno) == ("page.html", line)
    assert message in error.message
    assert error.line == template.split("\n")[line - 1]
    assert str(error).startswith(f"{error.message} at page.html:{line}")
    assert len(str(error)) < 3 * MAX_SHOWN + 200


PAGES: list[tuple[dict[str, str], str, int, str]] = [
    # templates (the first is loaded), the file and the line of the error, message
    ({"a": "\n{% include 'no' %}"}, "a", 2, "can't load 'no': no such template"),
    ({"a": "\n{% extends 'no' %}"}, "a", 2, "can't load 'no': no such template"),
    ({"a": "{% extends 'b' %}\n{% include 'no' %}", "b": ""}, "a", 2, "can't load 'no'"),
    ({"a": "\n{% include '../a' %}"}, "a", 2, "can't load '../a'"),
    ({"a": "\n{% include 'b' %}", "b": "\n\n{{ x y }}"}, "b", 3, "invalid syntax"),
    ({"a": "\n{% extends 'b' %}", "b": "\n\n{% end %}"}, "b", 3, "without a beginning"),
    ({"a": "\n{% extends 'a' %}"}, "a", 2, "circular use of templates: a → a"),
    ({"a": "{% if 0 %}\n{% include 'a' %}{% end %}"}, "a", 2, "circular use of templates: a → a"),
    ({"a": "{% extends 'b' %}", "b": "\n{% extends 'a' %}"}, "b", 2, "circular use of templates: a → b → a"),
    ({"a": "{% include 'b' %}", "b": "\n{% include 'c' %}", "c": "\n\n{% include 'b' %}"}, "c", 3, "b → c → b"),
    ({"a": "{% extends 'b' %}", "b": "\n{% include 'a' %}"}, "b", 2, "circular use of templates: a → b → a"),
    ({"a": "\n{% include 'b' %}", "b": "{% extends 'c' %}", "c": ""}, "a", 2, "which extends another template"),
    ({"a": "{% extends 'b' %}\n{% extends 'c' %}", "b": "", "c": ""}, "a", 2, "a second 'extends'"),
    ({"a": "{% include 'b' %}", "b": "\n{{ lambda: await x }}"}, "b", 2, "'await' outside"),
    (
        {"a": "{% extends 'b' %}\n{% block q %}\n{{ lambda: await x }}{% end %}", "b": "{% block q %}{% end %}"},
        "a",
        3,
        "'await' outside",
    ),
    # A block that was written in a loop and is put elsewhere.
    (
        {
            "a": "{% extends 'b' %}{% for x in y %}{% block q %}\n{% break %}{% end %}{% end %}",
            "b": "{% block q %}{% end %}",
        },
        "a",
        2,
        "'break' outside a loop",
    ),
    (
        {
            "a": "{% extends 'b' %}{% for x in y %}{% block q %}\n{% continue %}{% end %}{% end %}",
            "b": "{% for x in y %}{% apply f %}{% block q %}{% end %}{% end %}{% end %}",
        },
        "a",
        2,
        "'continue' outside a loop",
    ),
]


@pytest.mark.parametrize(("templates", "file", "line", "message"), PAGES)
def test_wrong_pages(templates: dict[str, str], file: str, line: int, message: str) -> None:
    loader = DictLoader(templates)
    for _ in range(2):  # nothing is left behind that would make the second time another
        with pytest.raises(ParseError) as info:
            loader.load("a")
        assert (info.value.filename, info.value.lineno) == (file, line)
        assert message in info.value.message
        assert "a" not in loader.templates


def test_a_template_of_the_same_name_as_one_that_it_extends() -> None:
    loader = DictLoader({"a": "{% extends 'b' %}", "b": ""})
    with pytest.raises(ParseError, match="circular"):
        Template("{% extends 'a' %}", name="b", loader=loader)


# Limits.


def test_depth() -> None:
    inside = "{% if x %}" * MAX_DEPTH + "!" + "{% end %}" * MAX_DEPTH
    assert Template(inside).generate(x=1) == b"!"
    with pytest.raises(ParseError, match=f"more than {MAX_DEPTH} tags") as info:
        Template("{% if x %}\n" * MAX_DEPTH + "{% if x %}" + "{% end %}" * (MAX_DEPTH + 1))
    assert info.value.lineno == MAX_DEPTH + 1


def test_depth_of_a_page() -> None:
    deep = "{% if x %}" * (MAX_DEPTH - 1)
    ends = "{% end %}" * (MAX_DEPTH - 1)
    loader = DictLoader({f"{n}": f"{deep}{{% include '{n + 1}' %}}{ends}" for n in range(3)} | {"3": "x"})
    with pytest.raises(ParseError, match="page is too deep"):
        loader.load("0")


def test_depth_of_loops_is_pythons() -> None:
    with pytest.raises(ParseError, match="too many statically nested blocks") as info:
        Template("{% for x in y %}\n" * 30 + "{% end %}" * 30)
    assert info.value.lineno in {21, 22}  # versions of Python differ


def test_branches() -> None:
    branches = "".join(f"{{% elif x == {n} %}}{n}\n" for n in range(1, MAX_BRANCHES))
    assert Template(f"{{% if x == 0 %}}{branches}{{% end %}}").generate(x=MAX_BRANCHES - 1) == b"%d\n" % (
        MAX_BRANCHES - 1
    )
    with pytest.raises(ParseError, match=f"more than {MAX_BRANCHES} branches"):
        Template(f"{{% if x == 0 %}}{branches}{{% elif y %}}{{% end %}}")


def test_depth_of_expressions() -> None:
    assert Template("{{ 1" + " + 1" * 250 + " }}").generate() == b"251"
    loader = DictLoader(
        {"a": "{% include 'b' %}", "b": "\n{{ 1" + " + 1" * 250 + " }}", "c": "\n{{ x" + ".a" * 1000 + " }}"}
    )
    assert loader.load("a").generate() == b"\n251"
    with pytest.raises(ParseError, match="too deep") as info:
        loader.load("c")
    assert info.value.lineno == 2


def test_lines() -> None:
    with pytest.raises(ParseError, match=f"more than {MAX_LINES} lines"):
        Template("\n" * MAX_LINES)
    with pytest.raises(ParseError, match=f"more than {MAX_LINES} lines"):
        Template("{{ (" + "\r" * MAX_LINES + "x) }}")


def test_chain_of_templates() -> None:
    loader = DictLoader({f"{n}": f"{{% include '{n + 1}' %}}" for n in range(MAX_LOADING + 1)})
    with pytest.raises(ParseError, match=f"more than {MAX_LOADING} templates") as info:
        loader.load("0")
    assert info.value.filename == str(MAX_LOADING - 1)


def test_files_of_a_page() -> None:
    templates = {f"i{n}": "" for n in range(MAX_FILES)}
    loader = DictLoader({"a": "".join(f"{{% include 'i{n}' %}}\n" for n in range(MAX_FILES)), **templates})
    with pytest.raises(ParseError, match=f"more than {MAX_FILES} templates in one page") as info:
        loader.load("a")
    assert info.value.lineno == MAX_FILES


def test_includes_of_a_page() -> None:
    # Each template includes the next one twice: without a limit this would go on for 2 ** 40 includes.
    loader = DictLoader({f"{n}": f"{{% include '{n + 1}' %}}" * 2 for n in range(40)} | {"40": "x"})
    with pytest.raises(ParseError, match=f"more than {MAX_INCLUDES} includes"):
        loader.load("0")


def test_pieces_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _emit.MAX_PIECES == 50_000
    monkeypatch.setattr(_emit, "MAX_PIECES", 500)
    # Each block is put out where its name stands, so every one of these doubles the page.
    blocks = [
        f"{{% block b{n} %}}{{% block b{n + 1} %}}{{% end %}}{{% block b{n + 1} %}}{{% end %}}{{% end %}}"
        for n in range(40)
    ]
    with pytest.raises(ParseError, match="more than 500 nodes"):
        Template("".join(blocks) + "{% block b0 %}{% block b1 %}{% end %}{% end %}")
    with pytest.raises(ParseError, match="more than 500 nodes"):
        Template("{{ x }}" * 501)
    with pytest.raises(ParseError, match="more than 500 nodes"):
        Template("{% for x in y %}{{ x }}{% end %}" * 251)


# The exceptions themselves.


def test_parse_error() -> None:
    error = ParseError("wrong", "a.html", 3, line="  {% x %}")
    assert (error.message, error.filename, error.lineno, error.line) == ("wrong", "a.html", 3, "  {% x %}")
    assert str(error) == "wrong at a.html:3\n    {% x %}"
    assert str(ParseError("wrong")) == "wrong at None:0"
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.line) == (str(error), error.line)


def test_template_not_found() -> None:
    error = TemplateNotFound("a.html")
    assert isinstance(error, FileNotFoundError)
    assert isinstance(error, KeyError)
    assert (str(error), error.name) == ("no such template: 'a.html'", "a.html")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.name) == (TemplateNotFound, str(error), "a.html")
