from __future__ import annotations

import json
import time
from typing import Any

import pytest

from halny.template.escape import (
    json_decode,
    json_encode,
    native_str,
    parse_qs_bytes,
    recursive_unicode,
    squeeze,
    to_basestring,
    to_unicode,
    unicode_type,
    url_escape,
    url_unescape,
    utf8,
    xhtml_escape,
    xhtml_unescape,
)


class Other(str):
    def __str__(self) -> str:
        return "<not asked>"


class OtherBytes(bytes):
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return "<not asked>"


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<>&\"'\n`=/", "&lt;&gt;&amp;&quot;&#x27;\n`=/"),
        ("&lt;", "&amp;lt;"),
        ("<script>'\"</script>", "&lt;script&gt;&#x27;&quot;&lt;/script&gt;"),
        ("é€<", "é€&lt;"),
        ("é<".encode(), "é&lt;"),
        (Other("<a"), "&lt;a"),
        (OtherBytes(b"<a"), "&lt;a"),
    ],
)
def test_xhtml_escape(value: str | bytes, escaped: str) -> None:
    assert xhtml_escape(value) == escaped
    assert type(xhtml_escape(value)) is str


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("&lt;&gt;&amp;&quot;&#39;&#x27;&#X27;&apos;", "<>&\"''''"),
        ("&nbsp;&eacute;&foo;&amp", "\xa0é&foo;&"),
        (b"&lt;", "<"),
        ("&amp;lt;", "&lt;"),
        ("&#128;&#0;&#xD800;&#1114112;&#x110000;", "€\ufffd\ufffd\ufffd\ufffd"),
        ("&notit;&copy &AMP;", "¬it;© &"),
        ("&#;&#x;&#xzz;& lt;&#-5;", "&#;&#x;&#xzz;& lt;&#-5;"),
        ("&#65 &#1_0;", "A _0;"),
        ("&#" + "9" * 10_000 + ";a", "\ufffda"),
        ("&#x" + "f" * 10_000 + "a", "\ufffd"),
        ("&#" + "0" * 10_000 + "65;b", "Ab"),
        ("&#X" + "0" * 10_000 + "41b", "\u041b"),
        ("&#" + "0" * 10_000, "\ufffd"),
    ],
)
def test_xhtml_unescape(value: str | bytes, text: str) -> None:
    assert xhtml_unescape(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "</script>"}, '{"a": "<\\/script>"}'),
        ("a/b", '"a/b"'),
        ("é\u2028", '"\\u00e9\\u2028"'),
        ({1: 2}, '{"1": 2}'),
        ((1, 2.5, None, True), "[1, 2.5, null, true]"),
        ("1 < 2 <b>", '"1 < 2 <b>"'),
        ("<!-- <script>", '"\\u003c!-- \\u003cscript>"'),
        ("<SCRIPT </ScRipt", '"\\u003cSCRIPT <\\/ScRipt"'),
        ({"<!--": 1}, '{"\\u003c!--": 1}'),
    ],
)
def test_json_encode(value: object, text: str) -> None:
    assert json_encode(value) == text
    assert json.loads(json_encode(value)) == json.loads(json.dumps(value))


def test_json_that_cannot_be() -> None:
    for value in (b"x", object(), {1, 2}):
        with pytest.raises(TypeError):
            json_encode(value)
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        json_encode(circle)


def test_json_decode() -> None:
    assert json_decode('{"a": 1}') == json_decode(b'{"a": 1}') == {"a": 1}
    assert json_decode('"é"'.encode()) == "é"
    assert json_decode(" 1 ") == 1
    for text in ("{", "", "x", "[1,]"):
        with pytest.raises(json.JSONDecodeError):
            json_decode(text)
    with pytest.raises(RecursionError):
        json_decode("[" * 100_000)


def test_squeeze() -> None:
    assert squeeze("a  b\n\tc ") == "a b c"
    assert squeeze("\x00\x01 a\x1fb") == "a b"
    assert squeeze("a\xa0 b") == "a\xa0 b"
    assert squeeze("\u2003 x") == "x"
    assert squeeze("") == ""


def test_url_escape() -> None:
    assert url_escape("a b/é+&=~") == "a+b%2F%C3%A9%2B%26%3D~"
    assert url_escape("a b/é+&=~", plus=False) == "a%20b/%C3%A9%2B%26%3D~"
    assert url_escape(b"\xff a") == "%FF+a"
    assert url_escape("") == ""


def test_url_unescape() -> None:
    assert url_unescape("a+b%20%C3%A9%2B") == "a b é+"
    assert url_unescape("a+b%20%C3%A9%2B", plus=False) == "a+b é+"
    assert url_unescape("a+b%20%C3%A9%2B", encoding=None) == "a b é+".encode()
    assert url_unescape("a+b%ff", encoding=None, plus=False) == b"a+b\xff"
    assert url_unescape(b"a+b%ff", encoding=None) == b"a b\xff"
    assert url_unescape(b"\xff", encoding=None) == b"\xff"
    assert url_unescape(b"a+b%ff") == "a b\ufffd"
    assert url_unescape("%C3%A9", encoding="latin-1") == "Ã©"
    assert url_unescape("%zz%é%41") == "%zz%éA"
    assert url_unescape("%zz%é%41", encoding=None) == "%zz%éA".encode()
    with pytest.raises(LookupError):
        url_unescape("%ff", encoding="no such encoding")


@pytest.mark.parametrize(
    ("query", "fields", "blanks"),
    [
        ("", {}, {}),
        (None, {}, {}),
        ("a=1&b=2&a=3", {"a": [b"1", b"3"], "b": [b"2"]}, {}),
        ("a=%ff&b=%C3%A9", {"a": [b"\xff"], "b": [b"\xc3\xa9"]}, {}),
        (b"a=\xff&b=%C3%A9", {"a": [b"\xff"], "b": [b"\xc3\xa9"]}, {}),
        ("a=&b", {}, {"a": [b""], "b": [b""]}),
        ("a;b=1", {"a;b": [b"1"]}, {}),
        ("a=1;b=2", {"a": [b"1;b=2"]}, {}),
        ("a+b=c+d", {"a b": [b"c d"]}, {}),
        ("%C3%A9=1", {"Ã©": [b"1"]}, {}),
        ("a=漢", {"a": ["漢".encode()]}, {}),
    ],
)
def test_parse_qs_bytes(
    query: str | bytes | None, fields: dict[str, list[bytes]], blanks: dict[str, list[bytes]]
) -> None:
    assert parse_qs_bytes(query) == fields
    assert parse_qs_bytes(query, keep_blank_values=True) == (blanks or fields)


def test_parse_qs_bytes_refuses() -> None:
    with pytest.raises(ValueError, match="bad query field"):
        parse_qs_bytes("a", strict_parsing=True)
    assert parse_qs_bytes("a=1&b=2", max_num_fields=2) == {"a": [b"1"], "b": [b"2"]}
    with pytest.raises(ValueError, match="Max number of fields exceeded"):
        parse_qs_bytes("a=1&b=2", max_num_fields=1)


def test_text_and_bytes() -> None:
    assert (utf8("é"), utf8(b"\xff"), utf8(None)) == (b"\xc3\xa9", b"\xff", None)
    assert (to_unicode(b"\xc3\xa9"), to_unicode("é"), to_unicode(None)) == ("é", "é", None)
    assert native_str is to_basestring is to_unicode
    assert unicode_type is str
    with pytest.raises(UnicodeDecodeError):
        to_unicode(b"\xff")
    with pytest.raises(UnicodeEncodeError):
        utf8("\ud800")


def test_recursive_unicode() -> None:
    value = {b"a": [b"b", (b"c", {"d": b"\xc3\xa9"})], "s": {b"x"}, "n": None, "i": 5}
    assert recursive_unicode(value) == {"a": ["b", ("c", {"d": "é"})], "s": {b"x"}, "n": None, "i": 5}
    with pytest.raises(UnicodeDecodeError):
        recursive_unicode([b"\xff"])


@pytest.mark.parametrize("value", [None, 5, bytearray(b"x"), ["a"]])
@pytest.mark.parametrize("function", [xhtml_escape, xhtml_unescape, json_decode, url_escape, url_unescape, squeeze])
def test_what_is_neither_text_nor_bytes(function: Any, value: object) -> None:
    with pytest.raises(TypeError):
        function(value)


@pytest.mark.parametrize("value", [5, bytearray(b"x"), ["a"]])
@pytest.mark.parametrize("function", [utf8, to_unicode, parse_qs_bytes])
def test_what_is_neither_text_nor_bytes_nor_none(function: Any, value: object) -> None:
    with pytest.raises(TypeError, match="expected str, bytes or None"):
        function(value)


@pytest.mark.parametrize("function", [xhtml_escape, xhtml_unescape, json_decode, url_unescape])
def test_bytes_that_are_not_utf8(function: Any) -> None:
    with pytest.raises(UnicodeDecodeError):
        function(b"\xff")


@pytest.mark.parametrize("unit", ["&", "&#", "&#x", "&#9", "&amp", "&a", "&#00000000", "<", "&;"])
def test_unescaping_takes_linear_time(unit: str) -> None:
    text = unit * 30_000
    start = time.process_time()
    xhtml_unescape(text)
    assert time.process_time() - start < 2  # quadratic would be minutes
