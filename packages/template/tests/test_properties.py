"""What holds for every text and every template."""

from __future__ import annotations

import contextlib
import html
import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from halny.template import DictLoader, ParseError, Template, filter_whitespace
from halny.template._source import Source
from halny.template._tokens import Kind, tokenize
from halny.template.escape import (
    json_decode,
    json_encode,
    linkify,
    recursive_unicode,
    squeeze,
    to_unicode,
    url_escape,
    url_unescape,
    utf8,
    xhtml_escape,
    xhtml_unescape,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
MARKUP = st.lists(st.sampled_from(["<", ">", "&", '"', "'", "&lt;", "&amp", "&#39;", "a", "é", ";", "#", "\n"])).map(
    "".join
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | MARKUP,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT | MARKUP, inner),
    max_leaves=20,
)


@given(TEXT | MARKUP)
def test_unescape_is_the_reverse_of_escape(text: str) -> None:
    escaped = xhtml_escape(text)
    assert xhtml_unescape(escaped) == text
    assert html.unescape(escaped) == text
    assert not set(escaped) & set("<>\"'")
    assert re.fullmatch(r"(?:[^&]|&(?:amp|lt|gt|quot|#x27);)*", escaped)
    assert xhtml_escape(utf8(text)) == escaped


@given(TEXT | MARKUP)
def test_unescaping_takes_any_text(text: str) -> None:
    assert xhtml_unescape(text) == html.unescape(text)


@given(TEXT, st.booleans())
def test_url_unescape_is_the_reverse_of_url_escape(text: str, plus: bool) -> None:
    escaped = url_escape(text, plus=plus)
    assert escaped.isascii()
    assert url_unescape(escaped, plus=plus) == text
    assert url_unescape(escaped, encoding=None, plus=plus) == utf8(text)


@given(st.binary(), st.booleans())
def test_urls_hold_any_bytes(data: bytes, plus: bool) -> None:
    assert url_unescape(url_escape(data, plus=plus), encoding=None, plus=plus) == data


@given(VALUES)
def test_json_decode_is_the_reverse_of_json_encode(value: Any) -> None:
    text = json_encode(value)
    assert json_decode(text) == value
    assert json.loads(text) == value
    assert not re.search(r"</|<!--|<script", text, re.IGNORECASE)
    assert text.isascii()


@given(TEXT)
def test_text_and_bytes(text: str) -> None:
    assert to_unicode(utf8(text)) == text
    assert recursive_unicode({utf8(text): [utf8(text)]}) == {text: [text]}


@given(TEXT)
def test_squeezed_text_stays(text: str) -> None:
    squeezed = squeeze(text)
    assert squeeze(squeezed) == squeezed
    assert "  " not in squeezed


@given(TEXT)
def test_filtered_whitespace_stays(text: str) -> None:
    for mode in ("all", "single", "oneline"):
        filtered = filter_whitespace(mode, text)
        assert filter_whitespace(mode, filtered) == filtered
        assert "".join(filtered.split()) == "".join(text.split())


URLS = st.lists(st.sampled_from([*"aé/.,:;!?()&<>\"' -_", "http://", "www.", "https:/", "ftp://", "x" * 30])).map(
    "".join
)


@given(URLS | TEXT, st.booleans(), st.booleans())
def test_links_change_nothing_but_add_tags(text: str, shorten: bool, require: bool) -> None:
    linked = linkify(text, shorten=shorten, require_protocol=require)
    without = re.sub(r'<a href="[^"<>]*" title="([^"<>]*)">[^<>]*</a>', _shown_whole, linked)
    without = re.sub(r'<a href="[^"<>]*">([^<>]*)</a>', r"\1", without)
    assert without == xhtml_escape(text)


def _shown_whole(link: re.Match[str]) -> str:
    return link[1] if "...</a>" in link[0] and ">http" in link[0] else link[1].removeprefix("http://")


@given(TEXT, TEXT)
def test_text_of_a_template_is_put_out_as_it_is(text: str, value: str) -> None:
    plain = text.replace("{", "")
    assert Template(plain).generate() == utf8(plain)
    page = Template(plain + "{{ v }}" + plain)
    assert page.generate(v=value) == utf8(plain + xhtml_escape(value) + plain)
    assert b"".join(page.stream(v=value)) == page.generate(v=value)


@given(st.text())
def test_tokens_cover_the_text(text: str) -> None:
    with contextlib.suppress(ParseError):
        source = Source(text, "t")
        for token in tokenize(source):
            assert text.startswith(token.value, token.inner)
            assert token.start <= token.inner
            assert token.kind is not Kind.TEXT or token.start == token.inner


TAGS = [
    "if",
    "elif",
    "else",
    "end",
    "for",
    "while",
    "try",
    "except",
    "finally",
    "set",
    "raw",
    "apply",
    "block",
    "extends",
    "include",
    "import",
    "from",
    "break",
    "continue",
    "autoescape",
    "whitespace",
    "module",
    "comment",
    "async",
    "yield",
    "",
]
PYTHON = [
    "x",
    "x in y",
    "x = 1",
    "(",
    ")",
    "[",
    "]",
    "{",
    "'",
    '"',
    "'a'",
    "None",
    "lambda",
    "lambda: 1",
    "await x",
    "yield",
    ":",
    "#",
    ";",
    "\n",
    "\\",
    "*",
    "**",
    ",",
    "=",
    ":=",
    "(x := 1)",
    "f'{x}'",
    "f'{",
    "1",
    "1e9",
    "0777",
    "as",
    "import",
    "for x in y",
    "async",
    "if",
    "else",
    "not",
    "\x00",
    "\ud800",
    "é",
    "_tt_b",
    "__debug__",
    "x.y",
    "x[0]",
    "@",
    "->",
    "...",
    "all",
    "a.html",
    "%",
    "}",
    "9" * 5000,
    "(" * 250,
    "-" * 3000,
]
CODE = st.lists(st.sampled_from(PYTHON), max_size=6).map(" ".join) | st.text(max_size=20)
PIECES = st.one_of(
    st.text(max_size=10),
    st.builds("{{{{ {} }}}}".format, CODE),
    st.builds("{{% {} {} %}}".format, st.sampled_from(TAGS), CODE),
    st.builds("{{% {} %}}".format, st.sampled_from(TAGS)),
    st.sampled_from(["{{", "{%", "{#", "}}", "%}", "#}", "{{!", "{%!", "\n"]),
)
TEMPLATES = st.lists(PIECES, max_size=8).map("".join)


@settings(max_examples=500, deadline=None)
@given(TEMPLATES)
def test_the_compiler_raises_nothing_but_parse_error(text: str) -> None:
    error: ParseError | None = None
    try:
        assert isinstance(Template(text, name="t.html").code, str)
    except ParseError as raised:
        error = raised
    if error is not None:
        assert 0 < error.lineno <= text.count("\n") + 1
        assert error.line == text.split("\n")[error.lineno - 1].removesuffix("\r")


@settings(max_examples=200, deadline=None)
@given(TEMPLATES, TEMPLATES)
def test_nor_do_several_templates(first: str, second: str) -> None:
    loader = DictLoader(
        {"a.html": first, "b.html": f"{{% extends 'a.html' %}}{second}", "c": "{% include 'a.html' %}" + second}
    )
    for name in ("b.html", "c"):
        places: list[tuple[str | None, int]] = []
        try:
            loader.load(name)
        except ParseError as error:
            places.append((error.filename, error.lineno))
        assert all(file in {"a.html", name} and line > 0 for file, line in places)
        assert loader._loading == []  # pyright: ignore[reportPrivateUsage]
