"""The stages between tokens and code, each on its own."""

from __future__ import annotations

import ast
import time
from types import FunctionType
from typing import TYPE_CHECKING

import pytest

from halny.template import ParseError
from halny.template._compile import compile_code, compile_tree
from halny.template._forms import Form
from halny.template._nodes import Apply, Block, Code, File, If, Include, Jump, Loop, Output, Text, Try
from halny.template._parse import parse
from halny.template._python import Fragment, awaits, moved, parse_code, parse_expression, parse_handler, parse_head
from halny.template._resolve import MAX_FILES, bodies, resolve
from halny.template._runtime import DEFAULTS
from halny.template._source import STRIDE, Source

if TYPE_CHECKING:
    from collections.abc import Sequence


def fragment(code: str, before: str = "") -> Fragment:
    return Fragment(Source(before + code, "t"), code, len(before))


def parsed(text: str, name: str = "t") -> File:
    return parse(Source(text, name), "all", "xhtml_escape")


# Source.


def test_places_in_a_source() -> None:
    source = Source("ab\né{{x}}\r\n\n", "t")
    assert [source.line(offset) for offset in (0, 2, 3, 10, 11, 12)] == [1, 1, 2, 2, 3, 4]
    assert source.place(6) == (2, 4)  # "é" has two bytes
    assert [source.line_text(line) for line in range(6)] == ["", "ab", "é{{x}}", "", "", ""]
    assert source.lines() == ["ab\n", "é{{x}}\r\n", "\n", "\n"]
    assert repr(source) == "<Source 't' 4 lines>"
    assert (source.filename, Source("", "t", "/x/t").filename) == ("t", "/x/t")


@pytest.mark.parametrize("offsets", [range(16), range(15, -1, -1), (3, 3, 9, 2, 15, 0)])
def test_places_in_any_order(offsets: Sequence[int]) -> None:
    text = "aé€😀b\néé\n\u2028x€yz"
    source = Source(text, "t")
    for offset in offsets:
        before = text[:offset].split("\n")
        assert source.place(offset) == (len(before), len(before[-1].encode()))


def test_one_long_line_takes_linear_time() -> None:
    source = Source("é{{ a }}" * 100_000, "t")
    start = time.process_time()
    parse(source, "all", "xhtml_escape")
    parse_code(fragment("x = 1; " * 100_000), (ast.Assign,), "an assignment")
    assert time.process_time() - start < 20  # quadratic would be minutes


# Python in templates.


@pytest.mark.parametrize("code", ["x", "x.y", "f(1,\n  y)", "'é' + x", "[a for a in b]", "lambda: 1", "x # y"])
def test_expressions_have_the_places_of_the_template(code: str) -> None:
    before = "line\né{{ "
    tree = parse_expression(fragment(code, before))
    text = before + code
    assert tree.lineno == 2
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            assert ast.get_source_segment(text, node) == node.id
    assert ast.unparse(tree) == ast.unparse(ast.parse(code, mode="eval"))


def test_a_prefix_has_the_place_of_what_follows() -> None:
    tree = parse_expression(fragment("Entry(x)", "{% "), prefix="_tt_modules.")
    assert ast.unparse(tree) == "_tt_modules.Entry(x)"
    assert (tree.col_offset, tree.end_col_offset) == (3, 11)
    assert all(getattr(node, "col_offset", 3) >= 3 for node in ast.walk(tree))


@pytest.mark.parametrize("code", ["if x", "while x", "for x in y", "async for x in y", "if (x :=\n y)"])
def test_heads(code: str) -> None:
    head = parse_head(fragment(code, "\n\n  "))
    assert (head.lineno, head.col_offset) == (3, 2)


def test_a_handlers_head() -> None:
    handler = parse_handler(fragment("except (A, B) as c", "\n "))
    assert (handler.lineno, handler.col_offset, handler.name) == (2, 1, "c")


@pytest.mark.parametrize("code", ["except A:\n pass\nexcept B", "except A: pass\nfinally", "except: pass #", "else"])
def test_what_is_not_a_handlers_head(code: str) -> None:
    with pytest.raises(ParseError):
        parse_handler(fragment(code))


def test_code_of_one_kind() -> None:
    assert [ast.unparse(statement) for statement in parse_code(fragment("a = 1; b = 2"), (ast.Assign,), "x")] == [
        "a = 1",
        "b = 2",
    ]
    with pytest.raises(ParseError, match="expected an assignment, not 'pass'"):
        parse_code(fragment("pass"), (ast.Assign,), "an assignment")


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        ("await x", True),
        ("f(await x)", True),
        ("[y async for y in x]", True),
        ("[await y for y in x]", True),
        ("x", False),
        ("[y for y in x]", False),
        ("awaits", False),
    ],
)
def test_what_awaits(code: str, waits: bool) -> None:
    assert awaits(None, parse_expression(fragment(code))) is waits


def test_moving_a_tree_leaves_it_alone() -> None:
    tree = parse_expression(fragment("f(x, *[1, 2], k='a')"))
    before = ast.dump(tree, include_attributes=True)
    copy = moved(tree, 100)
    assert ast.dump(tree, include_attributes=True) == before
    assert ast.dump(copy) == ast.dump(tree)
    assert {node.lineno for node in ast.walk(copy) if isinstance(node, ast.expr)} == {101}


# Nodes.


def test_the_parser_makes_nodes() -> None:
    file = parsed(
        "a{{ b }}{% raw c %}{% set d = 1 %}{% if e %}1{% elif f %}2{% else %}3{% end %}"
        "{% for g in h %}{% break %}{% end %}{% try %}{% except %}{% end %}{% apply i %}{% end %}"
        "{% block j %}{% end %}{% include 'k' %}"
    )
    assert [type(node) for node in file.body] == [Text, Output, Output, Code, If, Loop, Try, Apply, Block, Include]
    branches = file.body[4]
    assert isinstance(branches, If)
    assert [ast.unparse(test) for test, _ in branches.branches] == ["e", "f"]
    assert branches.otherwise == [Text("3", 1)]
    loop = file.body[5]
    assert isinstance(loop, Loop)
    assert loop.body == [Jump(ast.Break, 1)]


def test_whitespace_is_filtered_piece_by_piece() -> None:
    file = parse(Source("a  {# #}  b{{!  c", "t"), "single", None)
    assert file.body == [Text("a ", 1), Text(" b", 1), Text("{{", 1), Text(" c", 1)]


def test_what_a_file_says_of_itself() -> None:
    file = parsed("{% extends 'b' %}{% autoescape f %}")
    assert file.extends == Include("b", 1)
    assert file.autoescape == "f"
    assert file.body == []


# Pages.


def test_resolving_finds_blocks_and_includes_without_a_loader() -> None:
    files = {
        "base": parsed("{% block a %}{% end %}{% include 'inc' %}", "base"),
        "inc": parsed("{% block b %}{% end %}", "inc"),
    }
    child = parsed("{% extends 'base' %}{% if 1 %}{% block b %}{% end %}{% end %}", "child")
    asked: list[tuple[str, str]] = []

    def find(name: str, parent: str) -> File:
        asked.append((name, parent))
        return files[name]

    page = resolve(child, find)
    assert asked == [("base", "child"), ("inc", "base")]
    assert page.files == [child, files["base"], files["inc"]]
    assert page.root is files["base"]
    assert {name: file.source.name for name, (_, file) in page.blocks.items()} == {"a": "base", "b": "child"}
    assert list(page.includes.values()) == [files["inc"]]


def test_circles_are_found_without_a_loader_that_finds_them() -> None:
    a, b = parsed("{% extends 'b' %}", "a"), parsed("{% extends 'a' %}", "b")
    with pytest.raises(ParseError, match="circular 'extends' of 'a' at b:1"):
        resolve(a, lambda name, parent: {"a": a, "b": b}[name])
    c = parsed("\n{% include 'c' %}", "c")
    with pytest.raises(ParseError, match="circular 'include' of 'c' at c:2"):
        resolve(c, lambda name, parent: c)
    d, e = parsed("{% include 'e' %}", "d"), parsed("\n{% include 'd' %}", "e")
    with pytest.raises(ParseError, match="circular 'include' of 'd' at e:2"):
        resolve(d, lambda name, parent: {"d": d, "e": e}[name])


def test_a_loader_that_goes_in_circles() -> None:
    def find(name: str, parent: str) -> File:
        raise RecursionError

    with pytest.raises(ParseError, match="circular use of templates"):
        resolve(parsed("{% include 'x' %}"), find)


def test_a_chain_without_end() -> None:
    def find(name: str, parent: str) -> File:
        return parsed(f"{{% extends '{int(name) + 1}' %}}", name)

    with pytest.raises(ParseError, match=f"more than {MAX_FILES} templates in one page"):
        resolve(parsed("{% extends '0' %}"), find)


def test_a_block_inside_itself() -> None:
    # Files can't say that; a page that was put together wrongly must not go on for ever.
    file = parsed("\n{% block a %}{% block a %}{% end %}{% end %}")
    page = resolve(file, lambda name, parent: file)
    outer = file.body[1]
    assert isinstance(outer, Block)
    page.blocks["a"] = (outer, file)
    with pytest.raises(ParseError, match="block 'a' is inside itself at t:2"):
        compile_tree(page, Form())


def test_bodies_in_the_order_of_the_text() -> None:
    file = parsed("{% try %}1{% except %}2{% else %}3{% finally %}4{% end %}{% for x in y %}5{% else %}6{% end %}7")
    texts = [[node.text for node in body if isinstance(node, Text)] for node in file.body for body in bodies(node)]
    assert texts == [["1"], ["2"], ["3"], ["4"], ["5"], ["6"]]


# Code.


def tree(text: str, **form: bool) -> str:
    return ast.unparse(compile_tree(resolve(parsed(text), lambda name, parent: parsed("")), Form(**form)).tree)


def test_texts_are_one_literal() -> None:
    assert "_tt_b.append('ab{{ cd')" in tree("a{# #}b{{! c{% block x %}d{% end %}")


def test_text_and_values_are_one_append() -> None:
    code = tree("a{% block x %}b{% end %}{{ c }}d{% raw e %}{% if f %}{% end %}g")
    assert code.count(".append(") == 2
    assert "f'ab{" in code
    assert "_tt_b.append('g')" in code


def test_values_in_try_are_appended_one_by_one() -> None:
    assert tree("{% try %}a{{ b }}c{{ d }}e{% finally %}{% end %}").count(".append(") == 3


def test_literals_are_escaped_at_compile_time() -> None:
    assert "a&lt;b1<" in tree("a{{ '<b' }}{{ 1 }}{% raw '<' %}")
    assert "&lt;" not in tree("{{ '<' }}", fast=False)


def test_what_is_learned_on_the_way() -> None:
    def outcome(text: str) -> tuple[bool, tuple[str, ...], str | None]:
        found = compile_tree(resolve(parsed(text), lambda name, parent: parsed("")), Form())
        return found.awaits, found.escapes, found.constant

    assert outcome("") == (False, (), "")
    assert outcome("ab") == (False, (), "ab")
    assert outcome("a{{ '<' }}") == (False, ("xhtml_escape",), "a&lt;")
    assert outcome("{{ x }}") == (False, ("xhtml_escape",), None)
    assert outcome("{% raw await x %}") == (True, (), None)


def test_long_runs_are_cut() -> None:
    assert tree("{{ x }}" * 100).count(".append(") == 2


def test_lines_of_other_files_bear_their_number() -> None:
    base = parsed("{{ y }}{% block a %}{% end %}", "base")
    page = resolve(parsed("{% extends 'base' %}\n\n{% block a %}{{ x }}{% end %}", "child"), lambda name, parent: base)
    lines = {getattr(node, "lineno", 0) for node in ast.walk(compile_tree(page, Form()).tree)}
    assert {3, STRIDE + 1} <= lines


def test_the_function_runs_on_its_own() -> None:
    page = resolve(parsed("a{{ b }}"), lambda name, parent: parsed(""))
    code = compile_code(page, compile_tree(page, Form()).tree)
    assert FunctionType(code, {"b": "<"}, None, DEFAULTS)() == "a&lt;"
