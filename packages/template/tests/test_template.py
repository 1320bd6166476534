"""What templates put out: tables of templates with the output that Tornado 6.6.1 gives for them, as literals."""

from __future__ import annotations

import decimal
import enum
import inspect
import threading
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from halny.template import DictLoader, ParseError, Template
from halny.template._runtime import DEFAULTS
from halny.template.escape import xhtml_escape

if TYPE_CHECKING:
    from collections.abc import Callable


class ShoutingStr(str):
    def __str__(self) -> str:
        return "<other>"


class NamedInt(int):
    def __str__(self) -> str:
        return "<three>"

    def __format__(self, spec: str) -> str:
        return "format is not asked"


class ShoutingBytes(bytes):
    def __str__(self) -> str:
        return "<other>"


class Anything:
    def __str__(self) -> str:
        return "<any&thing>"

    def __format__(self, spec: str) -> str:
        return "format is not asked"


class Markup(str):
    def __html__(self) -> str:
        return "<b>html is not asked</b>"


class StrOfSubclass:
    def __str__(self) -> str:
        return ShoutingStr("<s>")


class Colour(enum.StrEnum):
    RED = "<red>"


class Number(enum.IntEnum):
    ONE = 1


VALUES: list[tuple[Any, bytes, bytes]] = [
    # value, escaped, raw
    ("a&<>\"'b", b"a&amp;&lt;&gt;&quot;&#x27;b", b"a&<>\"'b"),
    ("", b"", b""),
    ("é€\U0001f600", "é€\U0001f600".encode(), "é€\U0001f600".encode()),
    (b"a&<", b"a&amp;&lt;", b"a&<"),
    ("é<".encode(), "é&lt;".encode(), "é<".encode()),
    (1, b"1", b"1"),
    (-(10**30), b"-1000000000000000000000000000000", b"-1000000000000000000000000000000"),
    (1.5, b"1.5", b"1.5"),
    (1e300, b"1e+300", b"1e+300"),
    (float("nan"), b"nan", b"nan"),
    (-0.0, b"-0.0", b"-0.0"),
    (True, b"True", b"True"),
    (None, b"None", b"None"),
    (1 + 2j, b"(1+2j)", b"(1+2j)"),
    (decimal.Decimal("1.50"), b"1.50", b"1.50"),
    (Number.ONE, b"1", b"1"),
    (Colour.RED, b"&lt;red&gt;", b"<red>"),
    (ShoutingStr("<a>"), b"&lt;a&gt;", b"<a>"),
    (Markup("<h>"), b"&lt;h&gt;", b"<h>"),
    (NamedInt(3), b"&lt;three&gt;", b"<three>"),
    (ShoutingBytes(b"<q>"), b"&lt;q&gt;", b"<q>"),
    (Anything(), b"&lt;any&amp;thing&gt;", b"<any&thing>"),
    (StrOfSubclass(), b"&lt;s&gt;", b"<s>"),
    ([1, "<"], b"[1, &#x27;&lt;&#x27;]", b"[1, '<']"),
    (bytearray(b"<x>"), b"bytearray(b&#x27;&lt;x&gt;&#x27;)", b"bytearray(b'<x>')"),
]


@pytest.mark.parametrize(("value", "escaped", "raw"), VALUES, ids=[repr(value[0])[:30] for value in VALUES])
def test_each_kind_of_value(value: object, escaped: bytes, raw: bytes) -> None:
    assert Template("{{ v }}").generate(v=value) == escaped
    assert Template("{% raw v %}").generate(v=value) == raw
    assert Template("{% autoescape None %}{{ v }}").generate(v=value) == raw
    # A loop's variable takes a shorter way; a function of one's own takes the long one.
    assert Template("{% for v in vs %}{{ v }}{% raw v %}{% end %}").generate(vs=[value]) == escaped + raw
    assert Template("{{ v }}").generate(v=value, xhtml_escape=same) == raw


@pytest.mark.parametrize(
    "template", ["{{ v }}", "{% raw v %}", "{% autoescape None %}{{ v }}", "{% autoescape f %}{{ v }}"]
)
def test_bytes_that_are_not_utf8_raise(template: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        Template(template).generate(v=b"\xff", f=same)


@pytest.mark.parametrize("template", ["{{ v }}", "{% raw v %}", "\ud800", "{{ '\ud800' }}"])
def test_lone_surrogates_raise(template: str) -> None:
    with pytest.raises((UnicodeEncodeError, ParseError)):
        Template(template).generate(v="\ud800")


LANGUAGE: list[tuple[str, bytes]] = [
    # Brackets and comments.
    ("", b""),
    ("text", b"text"),
    ("{ {x}} {x} %} }} #} a{", b"{ {x}} {x} %} }} #} a{"),
    ("{{!x}} {%! x %} {#! x #}", b"{{x}} {% x %} {# x #}"),
    ("{{! x", b"{{ x"),
    ("{{{x}}}", b"{2}"),
    ("{{{{x}}}}", b"{{2}}"),
    ("{{ {1:2}[1] }}", b"2"),
    ("a{# {{ not }} {% this %} #}b{##}c", b"abc"),
    ('a{% comment foo "bar %}b', b"ab"),
    ("{{\nx\n}}|{%\nif x\n%}a{%\nend\n%}", b"2|a"),
    ("{%if x%}a{%end%}", b"a"),
    # Expressions.
    ("{{ x # a comment }}", b"2"),
    ("{{ x, 1 }}", b"(2, 1)"),
    ('{{ f"{x}!" }}', b"2!"),
    ("{{ len([y for y in range(x)]) }}", b"2"),
    ("{{ [y * x for y in (1, 2)] }}", b"[2, 4]"),
    ("{{ (y := 3) }}{{ y }}", b"33"),
    ("{{ identity(1,\n2) }}", b"(1, 2)"),
    ("{{ (lambda y: y + x)(1) }}", b"3"),
    ("{{ 'a&b' }}{{ 7 }}{{ True }}{{ None }}", b"a&amp;b7TrueNone"),
    # if
    ("{% if x == 1 %}a{% elif x == 2 %}b{% else %}c{% end %}", b"b"),
    ("{% if x == 1 %}a{% elif x == 3 %}b{% else %}c{% end %}", b"c"),
    ("{% if x == 1 %}a{% elif x == 3 %}b{% end %}", b""),
    ("{% if x %}{% end %}{% if x %}{% else %}{% end %}z", b"z"),
    ("{% if y := x %}{{ y }}{% end %}", b"2"),
    ("{% if x %}a{% end if %}", b"a"),
    # Loops.
    ("{% for y in (1, 2) %}{{ y }},{% end %}{{ y }}", b"1,2,2"),
    ("{% for y, (z, *w) in [(1, (2, 3))] %}{{ y }}{{ z }}{{ w }}{% end %}", b"12[3]"),
    ("{% for y in () %}x{% else %}empty{% end %}", b"empty"),
    ("{% for y in (1, 2) %}{% end %}", b""),
    ("{% for y in (1, 2, 3) %}{% if y == 2 %}{% break %}{% end %}{{ y }}{% else %}no{% end %}", b"1"),
    ("{% for y in (1, 2, 3) %}{% if y == 2 %}{% continue %}{% end %}{{ y }}{% end %}", b"13"),
    ("{% for y in (1, 2) %}{% for z in (3, 4) %}{% break %}{% else %}no{% end %}{{ z }}{% end %}", b"33"),
    ("{% for y in (1, 2) %}{% for z in () %}{% else %}{% break %}{% end %}no{% end %}{{ y }}", b"1"),
    ("{% set i = 0 %}{% while i < 3 %}{{ i }}{% set i += 1 %}{% else %}done{% end %}", b"012done"),
    ("{% while True %}{% break %}{% end %}", b""),
    # try
    ("{% try %}a{{ 1/0 }}{% except %}b{% end %}", b"ab"),
    ("{% try %}a{{ x }}b{{ 1/0 }}c{% except %}d{% end %}", b"a2bd"),
    ("{% try %}{{ 1/0 }}{% except KeyError %}a{% except ArithmeticError as e %}{{ e }}{% finally %}f{% end %}",
     b"division by zerof"),
    ("{% try %}a{% except %}b{% else %}c{% finally %}d{% end %}", b"acd"),
    ("{% try %}a{% finally %}d{% end %}", b"ad"),
    ("{% try %}{% except %}{% end %}", b""),
    ("{% try %}a{% apply identity %}b{{ 1/0 }}{% end %}{% except %}c{% end %}", b"ac"),
    ("{% for y in (1, 2) %}{% try %}{% break %}{% finally %}f{% end %}{% end %}", b"f"),
    # set and import
    ("{% set y = 1 %}{{ y }}", b"1"),
    ("{% set y, z = 1, 2 %}{{ y }}{{ z }}", b"12"),
    ("{% set y = 1; z = 2 %}{{ y }}{{ z }}", b"12"),
    ("{% set y = [] %}{% set y.append(1) %}{{ y }}", b"[1]"),
    ("{% set y: int = 1 %}{{ y }}", b"1"),
    ("{% import os.path %}{{ os.path.basename('a/b') }}", b"b"),
    ("{% from os import path as p, sep %}{{ sep }}{{ p.basename('a/b') }}", b"/b"),
    # apply
    ("{% apply upper %}a{{ x }}b{% end %}", b"A2B"),
    ("{% apply upper %}a{% apply identity %}b{% end %}c{% end %}d", b"ABCd"),
    ("{% apply show %}é<{{ '&' }}{% end %}", b"b'\\xc3\\xa9<&amp;'"),
    ("{% apply linkify %}http://a.b{% end %}", b'<a href="http://a.b">http://a.b</a>'),
    ("{% apply upper %}{% for y in 'abc' %}{% if y == 'b' %}{% continue %}{% end %}{{ y }}{% end %}{% end %}", b"AC"),
    # autoescape
    ("{{ '<' }}{% raw '<' %}{% raw 1 %}", b"&lt;<1"),
    ("{{ '<' }}{% autoescape None %}{{ '<' }}", b"<<"),
    ("{{ '<' }}{% block a %}{% autoescape None %}{{ '<' }}{% end %}", b"<<"),
    ("{{ ' ' }}{% autoescape url_escape %}{{ x }}", b"+2"),
    ("{{ '<' }}{% autoescape escape %}", b"&lt;"),
    ("{% autoescape show %}{{ 'é' }}{{ b'x' }}{{ 5 }}{{ None }}", b"b'\\xc3\\xa9'b'x'b'5'b'None'"),
    ("{% autoescape missing %}x", b"x"),
    # The namespace.
    ("{{ squeeze('a  b') }}{{ url_escape('a b') }}{{ escape('<') }}", b"a ba+b&amp;lt;"),
    ("{% raw json_encode('</') %}{% raw xhtml_escape('<') %}{{ datetime.date(2026, 1, 2) }}", b'"<\\/"&lt;2026-01-02'),
    ("{{ _tt_utf8('x') }}{{ isinstance('', _tt_string_types) }}{{ __name__ }}", b"xTrue&lt;string&gt;"),
    # Blocks on their own.
    ("{% block a %}x{% end %}{% block a %}y{% end %}", b"yy"),
    ("{% block a b %}x{% end %}{% block a-b %}y{% end %}", b"xy"),
    ("{% block a %}{% set y = 1 %}{% end %}{{ y }}", b"1"),
    ("{% apply upper %}{% block a %}x{% end %}{% end %}", b"X"),
    ("{% for y in (1, 2) %}{% block a %}{% break %}{% end %}{% end %}", b""),
    # Whitespace.
    ("a  b\n\n c\r\nd", b"a  b\n\n c\r\nd"),
    ("{% whitespace oneline %}a \n  b{% whitespace all %} \n c", b"a b \n c"),
    ("{% whitespace single %}a  b{{ x }} \n c{% if x %}{% whitespace all %}  {% end %}  d", b"a b2\nc    d"),
    ("{% whitespace oneline %}a <pre>  b  </pre>{{ x }}  c", b"a <pre>  b  </pre>2 c"),
    ("{% whitespace oneline %}a {# #} b", b"a  b"),
]  # fmt: skip


def same(text: bytes) -> bytes:
    return text


def marked(text: bytes) -> bytes:
    return b"E" + text


def exclaimed(text: bytes) -> bytes:
    return text + b"!"


def twice(text: bytes) -> bytes:
    return text * 2


def identity(*values: object) -> object:
    return values[0] if len(values) == 1 else values


def returning(result: object) -> Callable[[bytes], object]:
    return lambda _text: result


def upper(text: bytes) -> bytes:
    return text.upper()


NAMESPACE: dict[str, Any] = {
    "x": 2,
    "identity": identity,
    "upper": upper,
    "show": repr,
}


@pytest.mark.parametrize(("template", "output"), LANGUAGE, ids=[case[0][:50] for case in LANGUAGE])
def test_the_language(template: str, output: bytes) -> None:
    compiled = Template(template)
    assert compiled.generate(**NAMESPACE) == output
    assert b"".join(compiled.stream(**NAMESPACE)) == output
    # With the escape functions looked up for each value, the output is the same.

    def slow(text: bytes) -> str:
        return xhtml_escape(text)

    assert compiled.generate(**NAMESPACE, xhtml_escape=slow, escape=slow) == output


BASE = 'B[{% block a %}ba{% block n %}bn{% end %}{% end %}{% block c %}bc{{ "<" }}{% end %}]'

PAGES: list[tuple[str, dict[str, str], bytes]] = [
    # what, templates (the first is rendered), output
    ("outside blocks", {"c": 'junk{% extends "b" %}{% block a %}ca{% end %}tail', "b": BASE}, b"B[cabc&lt;]"),
    ("inner block", {"c": '{% extends "b" %}{% block n %}cn{% end %}', "b": BASE}, b"B[bacnbc&lt;]"),
    (
        "three levels",
        {
            "d": '{% extends "c" %}{% block n %}dn{% end %}',
            "c": '{% extends "b" %}{% block a %}{% block n %}X{% end %}{% end %}',
            "b": BASE,
        },
        b"B[dnbc&lt;]",
    ),
    (
        "autoescape is a file's",
        {"c": '{% extends "b" %}{% autoescape None %}{% block a %}{{ "<" }}{% end %}', "b": BASE},
        b"B[<bc&lt;]",
    ),
    ("include has its own", {"c": '{% autoescape None %}{{ "<" }}{% include "i" %}', "i": '{{ "<" }}'}, b"<&lt;"),
    ("and keeps it", {"c": '{{ 1 }}{% include "i" %}{{ "<" }}', "i": '{% autoescape None %}{{ "<" }}'}, b"1<&lt;"),
    (
        "block of an include",
        {"c": '{% extends "b" %}{% block q %}cq{% end %}', "b": '{% include "i" %}', "i": "{% block q %}iq{% end %}"},
        b"cq",
    ),
    ("set in an include", {"a": '{% include "i" %}{{ k }}', "i": "{% set k = 3 %}"}, b"3"),
    ("variable of a loop", {"a": '{% for v in (1, 2) %}{% include "i" %}{% end %}', "i": "{{ v }}"}, b"12"),
    (
        "block in a loop",
        {
            "c": '{% extends "b" %}{% block a %}-{{ x }}-{% end %}',
            "b": "{% for x in (1, 2) %}{% block a %}{{ x }}{% end %}{% end %}",
        },
        b"-1--2-",
    ),
    ("paths", {"d/a": '{% include "b" %}{% include "../c" %}{% include "./b" %}', "d/b": "B", "c": "C"}, b"BCB"),
    ("no quotes", {"a": "{% include b %}{% include 'b' %}", "b": "B"}, b"BB"),
    ("whitespace", {"b.html": 'a  a{% include "i.txt" %}', "i.txt": "b  b{% whitespace all %}"}, b"a ab  b"),
    ("included twice", {"a": '{% include "i" %}{% include "i" %}', "i": "{% block q %}x{% end %}"}, b"xx"),
    ("in try", {"a": '{% try %}a{% include "i" %}{% except %}c{% end %}', "i": "b{{ 1/0 }}"}, b"abc"),
]


@pytest.mark.parametrize(("templates", "output"), [page[1:] for page in PAGES], ids=[page[0] for page in PAGES])
def test_pages_of_several_templates(templates: dict[str, str], output: bytes) -> None:
    template = DictLoader(templates).load(next(iter(templates)))
    assert template.generate() == output
    assert b"".join(template.stream()) == output


@pytest.mark.parametrize(
    "templates",
    [
        {"a": '{% extends "b" %}{% set z = 1 %}{% block a %}{{ z }}{% end %}', "b": "{% block a %}x{% end %}"},
        {"a": '{% extends "b" %}{% import os %}{% block a %}{{ os }}{% end %}', "b": "{% block a %}x{% end %}"},
    ],
)
def test_what_stands_outside_the_blocks_of_a_child_does_not_run(templates: dict[str, str]) -> None:
    with pytest.raises(NameError):
        DictLoader(templates).load("a").generate()


class Modules:
    def Entry(self, text: str) -> str:
        return f"<b>{text}</b>"

    def Count(self, number: int) -> int:
        return number


def test_modules_are_raw_and_come_from_the_namespace() -> None:
    template = Template("{% module Entry('<') %}{% module Count(1) %}")
    assert template.generate(_tt_modules=Modules()) == b"<b><</b>1"
    with pytest.raises(NameError, match="_tt_modules"):
        template.generate()


# Where Halny differs from Tornado on purpose.


def test_apply_shares_the_variables_around_it() -> None:
    source = "{% set k = 1 %}{% apply f %}{{ k }}{% set k = 2 %}{% set new = 3 %}{% end %}{{ k }}{{ new }}"
    assert Template(source).generate(f=same) == b"123"


def test_any_expression_is_an_escape_or_apply_function() -> None:
    assert Template("{% autoescape None or f %}{{ 1 }}").generate(f=exclaimed) == b"1!"
    assert Template("{% apply lambda text: text + b'!' %}z{% end %}").generate() == b"z!"


# Escape functions.


def test_escape_functions_are_looked_up_when_the_template_runs() -> None:
    template = Template("{{ v }}{{ '<' }}{{ 7 }}{% raw '<' %}")
    assert template.generate(v="<") == b"&lt;&lt;7<"
    assert template.generate(v="<", xhtml_escape=marked) == b"E<E<E7<"
    assert template.generate(v="<") == b"&lt;&lt;7<"
    loader = DictLoader({"a": "{{ 7 }}"}, namespace={"xhtml_escape": marked})
    assert loader.load("a").generate() == b"E7"


def test_an_escape_function_of_the_templates_own() -> None:
    assert Template("{% set escape = f %}{% autoescape escape %}{{ 1 }}").generate(f=twice) == b"11"
    source = "{% from base64 import b64encode as xhtml_escape %}{{ 'a' }}"
    assert Template(source).generate() == b"YQ=="
    with pytest.raises(UnboundLocalError):
        Template("{{ 1 }}{% set xhtml_escape = 1 %}").generate()


def test_a_missing_escape_function_is_missed_when_it_is_used() -> None:
    template = Template("{% if x %}{{ 1 }}{% end %}{% autoescape nope %}")
    assert template.generate(x=False) == b""
    with pytest.raises(NameError, match="nope"):
        template.generate(x=True)


@pytest.mark.parametrize("source", ["{% autoescape f %}{{ 1 }}", "{% apply f %}1{% end %}"])
@pytest.mark.parametrize("result", ["é<", "é<".encode(), ShoutingStr("é<"), ShoutingBytes("é<".encode())])
def test_results_of_escape_functions(source: str, result: object) -> None:
    assert Template(source).generate(f=returning(result)) == "é<".encode()


@pytest.mark.parametrize("source", ["{% autoescape f %}{{ 1 }}", "{% apply f %}1{% end %}"])
@pytest.mark.parametrize("result", [None, 5, bytearray(b"x")])
def test_wrong_results_of_escape_functions(source: str, result: object) -> None:
    with pytest.raises(TypeError, match="expected str or bytes"):
        Template(source).generate(f=returning(result))


# Options and attributes.


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("x.html", b"a b\nc"),
        ("x.js", b"a b\nc"),
        ("x.txt", b"a  b \n\n c"),
        ("<string>", b"a  b \n\n c"),
        ("x.HTML", b"a  b \n\n c"),
    ],
)
def test_the_default_whitespace_comes_from_the_name(name: str, output: bytes) -> None:
    assert Template("a  b \n\n c", name=name).generate() == output


def test_whitespace_options() -> None:
    assert Template("a  b\n\n", compress_whitespace=True).generate() == b"a b\n"
    assert Template("a  b\n\n", name="x.html", compress_whitespace=False).generate() == b"a  b\n\n"
    assert Template("a  b\n\n", whitespace="oneline").generate() == b"a b "
    with pytest.raises(ValueError, match="not both"):
        Template("a", compress_whitespace=True, whitespace="all")
    with pytest.raises(ValueError, match="whitespace mode"):
        Template("a", whitespace="none")
    loader = DictLoader({"b.html": 'a  a\n\n{% include "i.txt" %}', "i.txt": "b  b"}, whitespace="oneline")
    assert loader.load("b.html").generate() == b"a a b b"


def test_autoescape_options() -> None:
    assert "compress_whitespace: 'bool | _Unset' = <unset>" in str(inspect.signature(Template))
    assert Template("{{ '<' }}", autoescape=None).generate() == b"<"
    assert Template("{{ '<' }}", autoescape="url_escape").generate() == b"%3C"
    loader = DictLoader({"a": '{{ "<" }}{% include "b" %}', "b": '{{ "<" }}'}, autoescape=None)
    assert loader.load("a").generate() == b"<<"
    assert Template("{{ '<' }}", loader=loader).generate() == b"<"
    assert Template("{{ '<' }}", loader=loader, autoescape="xhtml_escape").generate() == b"&lt;"
    assert (Template("").autoescape, Template("{% autoescape None %}").autoescape) == ("xhtml_escape", None)
    with pytest.raises(ParseError):
        Template("", autoescape="not a function")


def test_text_may_be_bytes() -> None:
    assert Template('é {{ "é" }}'.encode()).generate() == "é é".encode()
    with pytest.raises(ParseError, match=r"not UTF-8 .* at <string>:2"):
        Template(b"a\n\xff")
    for wrong in (5, None):
        with pytest.raises(TypeError, match="expected str"):
            Template(wrong)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_any_name_may_be_in_the_namespace() -> None:
    names = {"self": 1, "type": 2, "str": 3, "int": 4, "len": 5, "name": 6}
    assert Template("{{ self }}{{ type }}{{ str }}{{ int }}{{ len }}{{ name }}").generate(**names) == b"123456"
    assert b"".join(Template("{{ self }}").stream(**names)) == b"1"


def test_the_loaders_namespace_is_read_at_each_render() -> None:
    loader = DictLoader({"a": "{{ k }}"}, namespace={"k": 1})
    template = loader.load("a")
    assert template.generate() == b"1"
    loader.namespace["k"] = 2
    assert template.generate() == b"2"
    assert template.generate(k=3) == b"3"


def test_attributes() -> None:
    loader = DictLoader({"d/a.html": "x{{ y }}"}, namespace={"k": 1})
    template = loader.load("d/a.html")
    assert (template.name, template.loader, template.namespace) == ("d/a.html", loader, {"k": 1})
    assert repr(template) == "<Template 'd/a.html'>"
    assert template.compiled.co_filename == "d/a.html"
    assert not template.is_async
    assert Template("{{ __name__ }}", name="a/b.html").generate() == b"a/b_html"


def test_code_is_readable_source() -> None:
    code = Template("<p>{{ name }}</p>{% for x in y %}{{ x }}{% end %}", name="a.html").code
    assert code.startswith("# a.html\ndef _tt_execute(")
    assert "for x in y:" in code
    compile(code, "a.html", "exec")
    assert Template("{{ await x }}").code.count("async def") == 1


@pytest.mark.parametrize(
    "source",
    [
        r"a{{ '\n'.join(x) }}{b}",
        r"""{% for y in x %}{{ y + '\n' + "'" }}{% end %}""",
        r"""{{ f"{x}" + '\n' + "'" + '''"''' }}""",
    ],
)
def test_code_with_backslashes_and_quotes(source: str) -> None:
    code = Template(source).code
    names: dict[str, Any] = {}
    exec(compile(code, "x", "exec"), {"x": ["1", "{"]}, names)  # what is readable is Python too
    execute = FunctionType(names["_tt_execute"].__code__, {"x": ["1", "{"]}, None, DEFAULTS)
    assert execute().encode() == Template(source).generate(x=["1", "{"])


def test_a_template_renders_again_after_an_error_and_in_many_threads() -> None:
    template = Template("{% for x in xs %}{{ x() }}{% end %}")

    def fail() -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        template.generate(xs=[lambda: 1, fail])
    assert template.generate(xs=[lambda: 1]) == b"1"
    outputs: list[bytes] = []

    def render(number: int) -> None:
        outputs.extend(template.generate(xs=[lambda: number]) for _ in range(100))

    threads = [threading.Thread(target=render, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outputs) == sorted(str(number).encode() for number in range(4) for _ in range(100))
