from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import (
    HTTPInputError,
    encode_header_parameters,
    is_token,
    parse_header_parameters,
    split_header_parameters,
)

from .linear import LIMIT, SIZE, seconds

# The same whether it is read leniently or strictly.
CLEAR: list[tuple[str, tuple[str, dict[str, str]]]] = [
    ("", ("", {})),
    ("text/html", ("text/html", {})),
    (" text/html\t", ("text/html", {})),
    ("text/html;", ("text/html", {})),
    (";a=b", ("", {"a": "b"})),
    ('form-data; name="a;b"; filename=x', ("form-data", {"name": "a;b", "filename": "x"})),
    ('a; B=c ;D ="e"', ("a", {"b": "c", "d": "e"})),
    ("a; flag; b=c", ("a", {"b": "c"})),
    (r'a; b="c\"d\\e"', ("a", {"b": r"c\"d\\e".replace(r"\"", '"').replace(r"\\", "\\")})),
    (r'a; b="C:\dir\file.txt"', ("a", {"b": r"C:\dir\file.txt"})),
    ('a; b=""', ("a", {"b": ""})),
    ("a; b=", ("a", {"b": ""})),
    ("a; b=x y", ("a", {"b": "x y"})),
    ("a; b='x'", ("a", {"b": "'x'"})),
    ("a; b=c=d", ("a", {"b": "c=d"})),
    ("a; b=\xc3\xa0", ("a", {"b": "\xc3\xa0"})),  # NBSP is part of an à that is read as Latin-1, and no whitespace
    ("a; b*=utf-8''%e2%82%ac", ("a", {"b": "€"})),
    ("a; b*=UTF-8'en'%e2%82%ac; b=euro", ("a", {"b": "€"})),
    ("a; b*=iso-8859-1''%e9", ("a", {"b": "é"})),
    ("a; b*=us-ascii''x%20y", ("a", {"b": "x y"})),
]

# Read leniently as is shown, and refused when it matters.
UNCLEAR: list[tuple[str, tuple[str, dict[str, str]]]] = [
    ("a; b=c; b=d", ("a", {"b": "d"})),
    ("a; b=c; B=d", ("a", {"b": "d"})),
    ('a; b="x', ("a", {"b": '"x'})),
    ('a; b="x; c=d', ("a", {"b": '"x; c=d'})),
    ('a; b="x\\', ("a", {"b": '"x\\'})),
    ('a; b="c"d', ("a", {"b": '"c"d'})),
    ('a; b=c"d', ("a", {"b": 'c"d'})),
    ('a; b="c" "d"', ("a", {"b": '"c" "d"'})),
    ("a; b*=utf-8''%ff", ("a", {})),
    ("a; b*=utf-8''%ff; b=c", ("a", {"b": "c"})),
    ("a; b*=us-ascii''%ff", ("a", {})),
    ("a; b*=utf-8''\u20ac", ("a", {})),
    ("a; b*=idna''x", ("a", {})),  # a codec of Python that is slow, and no charset of RFC 8187
    ("a; b*=utf-8'x", ("a", {})),
    ("a; b*=x", ("a", {})),
]


@pytest.mark.parametrize(("line", "expected"), CLEAR)
@pytest.mark.parametrize("strict", [False, True])
def test_parameters(line: str, expected: tuple[str, dict[str, str]], strict: bool) -> None:
    assert parse_header_parameters(line, strict=strict) == expected


@pytest.mark.parametrize(("line", "expected"), UNCLEAR)
def test_parameters_that_two_readers_may_read_differently(line: str, expected: tuple[str, dict[str, str]]) -> None:
    assert parse_header_parameters(line) == expected
    with pytest.raises(HTTPInputError):
        parse_header_parameters(line, strict=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("skipped", []),
        (";", [""]),
        (";a;b", ["a", "b"]),
        ("; a ;\tb=c ", ["a", "b=c"]),
        (';a="b;c";d', ['a="b;c"', "d"]),
        (r';a="b\";c";d', [r'a="b\";c"', "d"]),
        (r';a="b\\";c', [r'a="b\\"', "c"]),
        (';a="b;c', ['a="b;c']),
        (';a="b"";c";d', ['a="b"";c"', "d"]),
    ],
)
def test_splitting(text: str, expected: list[str]) -> None:
    assert list(split_header_parameters(text)) == expected


@pytest.mark.parametrize(
    "line",
    [
        "a;" * (SIZE // 2),
        'a; b="' + ";" * SIZE + '"',
        'a; b="' + ";" * SIZE,
        'a;b=""' * (SIZE // 6),
        'a; b="' + '\\"' * (SIZE // 2) + '"',
        'a; b="' + "\\" * SIZE,
        '"\\' * (SIZE // 2),
        '"' * SIZE,
        '";' * (SIZE // 2),
        "a; b*=utf-8''" + "%41" * (SIZE // 3),
        ";".join(f"a{number}=b" for number in range(SIZE // 7)),
        "a; b=" + " " * SIZE + "c",
    ],
)
def test_parameters_take_linear_time(line: str) -> None:
    """GHSA-jhmp-mqwm-3gq8 (CVE-2025-67726)."""
    assert seconds(lambda: parse_header_parameters(line)) < LIMIT
    assert seconds(lambda: list(split_header_parameters(line))) < LIMIT


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "key"),
        ({"a": "b", "c": None}, "key; a=b; c"),
        ({"a": 15}, "key; a=15"),
        ({"a": "b c"}, 'key; a="b c"'),
        ({"a": ""}, 'key; a=""'),
        ({"a": 'q"\\'}, r'key; a="q\"\\"'),
    ],
)
def test_encoding(params: dict[str, object | None], expected: str) -> None:
    assert encode_header_parameters("key", params) == expected


@pytest.mark.parametrize(
    "params", [{"a": "b\r\nX: y"}, {"a": "\x00"}, {"a": "ż"}, {"a b": "c"}, {"": "c"}, {"a;b": None}]
)
def test_encoding_refuses_what_would_be_something_else(params: dict[str, object | None]) -> None:
    with pytest.raises(ValueError):
        encode_header_parameters("key", params)


def test_encoding_refuses_keys_that_end_the_field() -> None:
    with pytest.raises(ValueError, match="header field"):
        encode_header_parameters("key\r\nX: y", {})


FIELD_TEXT = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]))


@given(st.dictionaries(st.text("abcdefghij-_.0123456789", min_size=1).filter(is_token), FIELD_TEXT))
def test_what_was_encoded_is_read_again(params: dict[str, str]) -> None:
    line = encode_header_parameters("key", params)
    assert parse_header_parameters(line, strict=True) == ("key", params)


@given(st.text("ab;=\"\\* \t%'"))
def test_reading_leniently_never_raises_and_strictly_agrees_or_refuses(line: str) -> None:
    lenient = parse_header_parameters(line)
    try:
        strict = parse_header_parameters(line, strict=True)
    except HTTPInputError:
        return
    assert strict == lenient
