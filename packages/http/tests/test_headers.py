from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import HTTPHeaders, HTTPInputError, HTTPOutputError

from .linear import LIMIT, seconds


def pairs(headers: HTTPHeaders) -> list[tuple[str, str]]:
    return list(headers.get_all())


def test_names_ignore_case() -> None:
    headers = HTTPHeaders({"content-TYPE": "a"})
    assert headers["Content-Type"] == headers["CONTENT-TYPE"] == headers.get("content-type") == "a"
    assert "cOntent-type" in headers
    assert list(headers) == ["Content-Type"]
    headers["CONTENT-type"] = "b"
    assert pairs(headers) == [("Content-Type", "b")]
    del headers["content-type"]
    assert not headers


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("etag", "Etag"),
        ("ETag", "Etag"),
        ("WWW-authenticate", "Www-Authenticate"),
        ("x", "X"),
        ("x-ws-foo--b_c.d", "X-Ws-Foo--B_c.d"),
        ("-a-", "-A-"),
        ("x-1a", "X-1a"),
        ("X" * 100 + "-y", "X" + "x" * 99 + "-Y"),
    ],
)
def test_names_are_kept_in_one_form(name: str, normal: str) -> None:
    for _ in range(2):
        assert list(HTTPHeaders({name: "a"})) == [normal]


def test_made_like_a_dict() -> None:
    assert pairs(HTTPHeaders()) == []
    assert pairs(HTTPHeaders({"a": "b"}, c="d")) == [("A", "b"), ("C", "d")]
    assert pairs(HTTPHeaders([("a", "b"), ("c", "d"), ("A", "e")])) == [("A", "e"), ("C", "d")]
    assert pairs(HTTPHeaders(a="b")) == [("A", "b")]


def test_repeated_values() -> None:
    headers = HTTPHeaders({"a": "1"})
    headers.add("A", "2")
    headers.add("b", "3")
    headers.add("a", "1")
    assert headers["a"] == headers.get("a") == "1,2,1"
    assert headers.get_list("a") == ["1", "2", "1"]
    assert headers.get_list("b") == ["3"]
    assert headers.get_list("c") == []
    assert pairs(headers) == [("A", "1"), ("A", "2"), ("A", "1"), ("B", "3")]
    assert list(headers.items()) == [("A", "1,2,1"), ("B", "3")]
    assert len(headers) == 2
    headers["a"] = "4"
    assert headers.get_list("a") == ["4"]


def test_a_list_that_was_got_is_a_copy() -> None:
    headers = HTTPHeaders({"a": "1"})
    headers.get_list("a").append("2")
    assert headers.get_list("a") == ["1"]


def test_what_is_missing() -> None:
    headers = HTTPHeaders()
    with pytest.raises(KeyError):
        headers["a-b"]
    with pytest.raises(KeyError):
        del headers["a-b"]
    assert headers.get("a") is None
    assert headers.get("a", "b") == "b"
    assert headers.get("a", 1) == 1
    number: object = 1
    assert number not in headers
    assert headers.pop("a", "c") == "c"
    assert headers.setdefault("a", "d") == "d"


NAMES_THAT_ARE_NONE = [
    "", " ", " a", "a ", "a b", "a:", "a\t", "a\n", "\n", "a\r\n", "a\0", "(a)", "a/b", "\u0142", "\xe9", 'a"',
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES_THAT_ARE_NONE)
def test_illegal_names(name: str) -> None:
    """RFC 9110, section 5.1: a name is a token."""
    headers = HTTPHeaders()
    with pytest.raises(HTTPInputError):
        headers.add(name, "x")
    with pytest.raises(HTTPInputError):
        headers[name] = "x"
    if name != "a:":  # in a line, a second colon is a part of the value
        with pytest.raises(HTTPInputError):
            headers.parse_line(f"{name}: x")
    assert not headers


@pytest.mark.parametrize("code", [*range(9), *range(10, 32), 127])
def test_control_characters(code: int) -> None:
    """RFC 9110, section 5.5: none but the tab."""
    headers = HTTPHeaders()
    for value in (chr(code), f"a{chr(code)}", f"{chr(code)}a", f"a{chr(code)}b"):
        with pytest.raises(HTTPInputError):
            headers.add("a", value)
        with pytest.raises(HTTPInputError):
            headers["a"] = value
    with pytest.raises(HTTPInputError):
        headers.parse_line(f"a: b{chr(code)}c")
    assert not headers


@pytest.mark.parametrize("value", ["", "a", "a b", "a\tb", "\xa0a", "a\x85", "\xff", "\x80"])
def test_values(value: str) -> None:
    headers = HTTPHeaders()
    headers.add("a", value)
    headers.parse_line(f"b:{value}")
    headers["c"] = value
    assert [got for _, got in pairs(headers)] == [value] * 3


def test_space_around_a_value_is_not_a_part_of_it() -> None:
    headers = HTTPHeaders()
    for value in (" a", "a ", "\ta", " "):
        with pytest.raises(HTTPInputError, match="space around"):
            headers.add("a", value)
    headers.parse_line("a: \t b \t")
    assert headers["a"] == "b"


def test_characters_that_are_no_bytes() -> None:
    headers = HTTPHeaders()
    with pytest.raises(HTTPInputError, match="ISO-8859-1"):
        headers.add("a", "\u0142")
    with pytest.raises(HTTPInputError):
        headers.parse_line("a: \u0142")
    headers.add("a", "\u0142", _chars_are_bytes=False)
    headers.parse_line("a: \u0142", _chars_are_bytes=False)
    headers["b"] = "\u0142"
    assert HTTPHeaders.parse("a: \u0142", _chars_are_bytes=False)["a"] == "\u0142"
    with pytest.raises(HTTPOutputError, match="ISO-8859-1"):  # of the application: nobody's request is malformed
        headers.to_bytes()


# Text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a: b", [("A", "b")]),
        ("a:b\r\n", [("A", "b")]),
        ("a: b: c \n", [("A", "b: c")]),
        ("a:", [("A", "")]),
        ("", []),
        ("\r\n", []),
        ("\n", []),
    ],
)
def test_lines(line: str, expected: list[tuple[str, str]]) -> None:
    headers = HTTPHeaders()
    headers.parse_line(line)
    assert pairs(headers) == expected


@pytest.mark.parametrize(
    "line", ["a", "a\r\n", "\r", "a: b\r", "a: b\r\r\n", "a: b\n\n", " a: b", "\ta: b", " ", " c", "a : b", ":b", ": b"]
)
def test_lines_that_are_none(line: str) -> None:
    headers = HTTPHeaders({"x": "y"})
    with pytest.raises(HTTPInputError):
        headers.parse_line(line)
    assert pairs(headers) == [("X", "y")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a: b\r\nc: d\r\n", [("A", "b"), ("C", "d")]),
        ("a: b\nc: d", [("A", "b"), ("C", "d")]),
        ("a: b\r\na: c\r\n\r\n", [("A", "b"), ("A", "c")]),
    ],
)
def test_texts(text: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(HTTPHeaders.parse(text)) == expected


@pytest.mark.parametrize("text", ["a: b\r\n c\r\n", "a: b\rc: d\r\n", "a\r\n", "a: b\r\r\n", "a: \0\r\n"])
def test_texts_that_are_no_headers(text: str) -> None:
    with pytest.raises(HTTPInputError):
        HTTPHeaders.parse(text)


def test_written() -> None:
    headers = HTTPHeaders.parse("a: b\r\nc: d\r\na: \xe9\r\n")
    assert str(headers) == "A: b\nA: \xe9\nC: d\n"
    assert repr(headers) == "HTTPHeaders([('A', 'b'), ('A', '\xe9'), ('C', 'd')])"
    assert headers.to_bytes() == b"A: b\r\nA: \xe9\r\nC: d\r\n"
    assert HTTPHeaders().to_bytes() == b""


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb: c", "a\rb", "a\0"])
def test_what_went_round_the_checks_is_not_written(value: str) -> None:
    for headers in (
        HTTPHeaders.from_values({"A": [value]}),
        HTTPHeaders.from_values({value: ["a"]}),
        HTTPHeaders.from_values({"A": ["b", value]}),
    ):
        with pytest.raises(HTTPOutputError):
            headers.to_bytes()


# What a reader hands over


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (b"", []),
        (b"a: b", [("A", "b")]),
        (b"a: b\r\nC:d \t\r\nA:\r\na: \xe9: x", [("A", "b"), ("A", ""), ("A", "\xe9: x"), ("C", "d")]),
        (b"a: \x85\xa0", [("A", "\x85\xa0")]),
    ],
)
def test_sections(section: bytes, expected: list[tuple[str, str]]) -> None:
    assert pairs(HTTPHeaders.from_section(section)) == expected
    headers = HTTPHeaders.from_section(section)
    headers.add("x", "y")
    assert pairs(headers) == [*expected, ("X", "y")]
    assert "X" not in HTTPHeaders.from_section(section)


def test_values_that_are_known_to_be_valid() -> None:
    values = {"A": ["1", "2"]}
    headers = HTTPHeaders.from_values(values)
    headers.add("b", "3")
    assert values == {"A": ["1", "2"], "B": ["3"]}
    assert headers["a"] == "1,2"


# Copies


def test_copies_are_independent() -> None:
    headers = HTTPHeaders.parse("a: 1\r\na: 2\r\n")
    for other in (headers.copy(), copy.copy(headers), copy.deepcopy(headers), HTTPHeaders(headers)):
        assert other == headers
        other.add("a", "3")
        other["b"] = "4"
        assert pairs(headers) == [("A", "1"), ("A", "2")]
        assert other.get_list("a") == ["1", "2", "3"]


class Subclass(HTTPHeaders):
    pass


def test_pickled() -> None:
    headers = Subclass.parse("a: 1\r\na: 2\r\n")
    headers["b"] = " \u0142 "
    again = pickle.loads(pickle.dumps(headers))
    assert type(again) is Subclass
    assert pairs(again) == pairs(headers)
    assert pairs(pickle.loads(pickle.dumps(HTTPHeaders.from_section(b"a: b")))) == [("A", "b")]


def test_equality() -> None:
    assert HTTPHeaders(a="b") == HTTPHeaders(A="b") == HTTPHeaders.from_section(b"a: b")
    assert HTTPHeaders(a="b") != HTTPHeaders(a="c")
    assert HTTPHeaders(a="b") == {"A": "b"}
    assert HTTPHeaders(a="b") != {"a": "b"}
    assert HTTPHeaders() != 1
    joined = HTTPHeaders.parse("a: b\r\na: c")
    assert joined != HTTPHeaders(a="b,c")
    assert joined == {"A": "b,c"}
    with pytest.raises(TypeError):
        hash(joined)


# Linear time: CVE-2025-67725


def test_thousands_of_repeated_names() -> None:
    text = "X: y\r\n" * 5000

    def run() -> None:
        headers = HTTPHeaders.from_section(text.removesuffix("\r\n").encode())
        assert len(headers["x"]) == 9999
        assert len(headers.to_bytes()) == len(text)
        assert len(headers.copy().get_list("x")) == 5000

    assert seconds(run) < LIMIT
    assert seconds(lambda: HTTPHeaders.parse(text)["x"]) < LIMIT


def test_thousands_of_other_names() -> None:
    section = "\r\n".join([f"x-{number}: y" for number in range(5000)]).encode()
    assert seconds(lambda: len(HTTPHeaders.from_section(section))) < LIMIT


@pytest.mark.parametrize(
    "text", ["a" * 60_000 + ": b", "a: " + " " * 60_000 + "b", "-" * 60_000 + ": b", "a: b" + ":" * 60_000]
)
def test_long_lines(text: str) -> None:
    assert seconds(lambda: HTTPHeaders.parse(text)) < LIMIT


# Properties

NAMES = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}", fullmatch=True)
VALUES = st.from_regex(r"([!-~\x80-\xff]([\t -~\x80-\xff]{0,12}[!-~\x80-\xff])?)?", fullmatch=True)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=20))
def test_what_was_written_is_read_again(fields: list[tuple[str, str]]) -> None:
    headers = HTTPHeaders()
    for name, value in fields:
        headers.add(name, value)
    written = headers.to_bytes()
    assert HTTPHeaders.from_section(written.removesuffix(b"\r\n")) == headers
    assert HTTPHeaders.parse(written.decode("latin-1")) == headers
    assert pairs(pickle.loads(pickle.dumps(headers))) == pairs(headers)
    for name, _ in fields:
        expected = [value for other, value in fields if other.lower() == name.lower()]
        assert headers.get_list(name) == expected
        assert headers[name] == ",".join(expected)


@given(st.text(max_size=40))
def test_a_line_is_a_header_or_refused(line: str) -> None:
    headers = HTTPHeaders()
    try:
        headers.parse_line(line)
    except HTTPInputError:
        assert not headers
        return
    assert len(headers) == bool(line.strip("\r\n"))
    assert headers.to_bytes().count(b"\r\n") == len(headers)


@pytest.mark.parametrize("value", [5, b"five", None])
def test_values_of_other_types(value: Any) -> None:
    headers = HTTPHeaders()
    expected = f"header 'X-A' has the value {value!r} of type {type(value).__name__}, expected str"
    with pytest.raises(TypeError, match=re.escape(expected)):
        headers["x-a"] = value
    with pytest.raises(TypeError, match=re.escape(expected)):
        headers.add("X-A", value)
    with pytest.raises(TypeError, match=re.escape(expected)):
        HTTPHeaders({"X-A": value})
    assert "X-A" not in headers
