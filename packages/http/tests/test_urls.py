from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import (
    HTTPInputError,
    encode_username_password,
    parse_arguments,
    percent_decode,
    qs_to_qsl,
    split_host_and_port,
    url_concat,
)

from .linear import LIMIT, SIZE, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("abc", b"abc"),
        (b"abc", b"abc"),
        ("a+b", b"a+b"),
        ("%41%42", b"AB"),
        ("%c3%b3%C3%B3", "óó".encode()),
        ("%", b"%"),
        ("%4", b"%4"),
        ("%zz%41%4", b"%zzA%4"),
        ("%%41", b"%A"),
        ("%25%34%31", b"%41"),  # what comes out is not decoded again
        ("\xff%ff", b"\xff\xff"),
        ("%\u0661\u0661".encode(), "%\u0661\u0661".encode()),
    ],
)
def test_percent_decoding(text: str | bytes, expected: bytes) -> None:
    assert percent_decode(text) == expected


@given(st.binary())
def test_percent_decoding_agrees_with_the_standard_library(data: bytes) -> None:
    assert percent_decode(data) == unquote_to_bytes(data)
    assert percent_decode(quote_plus(data, safe="").replace("+", "%20")) == data


@pytest.mark.parametrize("piece", ["%41", "%", "%4", "%41a", "%zz", "%%41"])
def test_percent_decoding_takes_linear_time(piece: str) -> None:
    """Tornado 6.6.1: slow percent-decoding."""
    text = piece * (SIZE // len(piece))
    assert seconds(lambda: percent_decode(text)) < LIMIT
    assert seconds(lambda: parse_arguments("a=" + text)) < LIMIT


ARGUMENTS: list[tuple[str, dict[str, list[bytes]]]] = [
    ("", {}),
    ("a=1", {"a": [b"1"]}),
    ("a=1&b=2&a=3", {"a": [b"1", b"3"], "b": [b"2"]}),
    ("a=1&b=2;c=3", {"a": [b"1"], "b": [b"2;c=3"]}),  # CVE-2020-28476
    ("a=+%20%2B", {"a": [b"  +"]}),
    ("a+b%20c=1", {"a b c": [b"1"]}),
    ("a=b=c", {"a": [b"b=c"]}),
    ("a", {"a": [b""]}),
    ("a=", {"a": [b""]}),
    ("=a", {"": [b"a"]}),
    ("&&a=1&", {"a": [b"1"]}),
    ("=&", {"": [b""]}),
    ("a=%zz&b=%4&c=%", {"a": [b"%zz"], "b": [b"%4"], "c": [b"%"]}),
    ("%C3%B3=%C3%B3", {"Ã³": ["ó".encode()]}),
    ("\xe9=\xff", {"\xe9": [b"\xff"]}),
    ("a=%41&b+%42=%c3%b3+x%2B", {"a": [b"A"], "b B": ["ó x+".encode()]}),
    ("a%3db=%41&c=%42", {"a=b": [b"A"], "c": [b"B"]}),
    ("%41=%26&b=c", {"A": [b"&"], "b": [b"c"]}),
    ("a=%%26%3&b=%2&26=%3", {"a": [b"%&%3"], "b": [b"%2"], "26": [b"%3"]}),
    ("a=%26%3D&b=%00", {"a": [b"&="], "b": [b"\x00"]}),
]


@pytest.mark.parametrize(("query", "expected"), ARGUMENTS)
def test_arguments(query: str, expected: dict[str, list[bytes]]) -> None:
    assert parse_arguments(query) == expected
    assert parse_arguments(query.encode("latin-1")) == expected


def test_blank_values_may_be_left_out() -> None:
    assert parse_arguments("a=&b&c=1&=", keep_blank_values=False) == {"c": [b"1"]}


def test_the_number_of_arguments_is_limited() -> None:
    assert len(parse_arguments("&".join(["a=1"] * 1000))["a"]) == 1000
    with pytest.raises(HTTPInputError, match="1000"):
        parse_arguments("&".join(["a=1"] * 1001))
    with pytest.raises(HTTPInputError):
        parse_arguments("&" * 1000)
    assert parse_arguments("a=1&a=2", max_arguments=2) == {"a": [b"1", b"2"]}
    with pytest.raises(HTTPInputError):
        parse_arguments("a=1&a=2", max_arguments=1)


def test_arguments_beyond_latin_1_are_the_callers_mistake() -> None:
    with pytest.raises(UnicodeEncodeError):
        parse_arguments("a=ż")


@given(st.text("a=&%+23d641;\xff") | st.text(st.characters(max_codepoint=255)))
def test_arguments_agree_with_the_standard_library(query: str) -> None:
    result = [(name, value.decode("latin-1")) for name, value in qs_to_qsl(parse_arguments(query))]
    expected = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
    assert sorted(result) == sorted(expected)


@given(st.dictionaries(st.text(st.characters(max_codepoint=255)), st.lists(st.binary(), min_size=1)))
def test_what_was_encoded_is_read_again(arguments: dict[str, list[bytes]]) -> None:
    pairs = qs_to_qsl(arguments)
    query = "&".join(f"{quote_plus(name, encoding='latin-1')}={quote_plus(value)}" for name, value in pairs)
    assert parse_arguments(query) == arguments


@pytest.mark.parametrize(
    ("url", "args", "expected"),
    [
        ("http://e.com/foo", {"c": "d"}, "http://e.com/foo?c=d"),
        ("http://e.com/foo?a=b", {"c": "d"}, "http://e.com/foo?a=b&c=d"),
        ("http://e.com/foo?a=b", [("c", "d"), ("c", "d2")], "http://e.com/foo?a=b&c=d&c=d2"),
        ("http://e.com/foo?a=b", (("c", "d"),), "http://e.com/foo?a=b&c=d"),
        ("http://e.com/foo?", {}, "http://e.com/foo"),
        ("http://e.com/foo#tab", [("y", "y")], "http://e.com/foo?y=y#tab"),
        ("http://e.com/p?r=1&t=2#x", [("y", "/y"), ("z", "ż")], "http://e.com/p?r=1&t=2&y=%2Fy&z=%C5%BC#x"),
        ("http://e.com?q", None, "http://e.com?q"),
        ("http://e.com?a", {"a": 1}, "http://e.com?a=&a=1"),
        ("http://e.com", {"a": b"\xff"}, "http://e.com?a=%FF"),
        ("http://e.com?a=%ff", {"b": "1"}, "http://e.com?a=%FF&b=1"),  # not UTF-8, and not lost
        ("/x;p?q=1", {"é": "é"}, "/x;p?q=1&%C3%A9=%C3%A9"),
    ],
)
def test_url_concat(url: str, args: Any, expected: str) -> None:
    assert url_concat(url, args) == expected


@pytest.mark.parametrize("args", ["s", 1, {"a"}, iter(())])
def test_url_concat_takes_pairs_alone(args: Any) -> None:
    with pytest.raises(TypeError, match="should be dict, list or tuple"):
        url_concat("http://e.com", args)


def test_url_concat_refuses_malformed_hosts() -> None:
    with pytest.raises(ValueError):
        url_concat("http://[::1/", {"a": "b"})


@pytest.mark.parametrize(
    ("netloc", "expected"),
    [
        ("example.com", ("example.com", None)),
        ("example.com:1234", ("example.com", 1234)),
        ("example.com:080", ("example.com", 80)),
        ("[::1]", ("[::1]", None)),
        ("[::1]:80", ("[::1]", 80)),
        ("::1", ("::1", None)),
        ("", ("", None)),
        (":80", (":80", None)),
        ("a:", ("a:", None)),
        ("a:b", ("a:b", None)),
        ("a:65535", ("a", 65535)),
        ("a:65536", ("a:65536", None)),
        ("a:" + "9" * 10_000, ("a:" + "9" * 10_000, None)),
        ("a:+5", ("a:+5", None)),
        ("a:-1", ("a:-1", None)),
        ("a:1_0", ("a:1_0", None)),
        ("a: 80", ("a: 80", None)),
        ("a:80\n", ("a:80\n", None)),
        ("a:\u0663", ("a:\u0663", None)),
    ],
)
def test_split_host_and_port(netloc: str, expected: tuple[str, int | None]) -> None:
    assert split_host_and_port(netloc) == expected


def test_qs_to_qsl() -> None:
    assert list(qs_to_qsl({"a": [b"1", b"2"], "b": [], "c": [b"3"]})) == [("a", b"1"), ("a", b"2"), ("c", b"3")]


@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [
        ("a", "b", b"a:b"),
        ("", "", b":"),
        ("a", "b:c", b"a:b:c"),
        ("ż", "z\u0307", b"\xc5\xbc:\xc5\xbc"),  # normal form C (RFC 7617 §2.1)
        (b"\xff", b"\xfe", b"\xff:\xfe"),
    ],
)
def test_encode_username_password(username: str | bytes, password: str | bytes, expected: bytes) -> None:
    assert encode_username_password(username, password) == expected


@pytest.mark.parametrize("username", ["a:b", b"a:b", ":"])
def test_user_names_have_no_colon(username: str | bytes) -> None:
    """RFC 7617 §2: everything behind the first colon is the password."""
    with pytest.raises(ValueError, match="colon"):
        encode_username_password(username, "c")
