from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import HTTPInputError, is_field_value, is_reason_phrase, is_token, is_valid_host, parse_host

TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("code", range(256))
def test_each_character_of_a_token(code: int) -> None:
    expected = chr(code) in TOKEN_CHARACTERS
    assert is_token(chr(code)) is expected
    assert is_token(bytes([code])) is expected
    assert is_token(f"a{chr(code)}b") is expected


def test_an_empty_token_is_none() -> None:
    assert not is_token("")
    assert not is_token(b"")


@pytest.mark.parametrize("text", ["a\n", "\na", "é", "a b", "ż"])
def test_not_tokens(text: str) -> None:
    assert not is_token(text)


@pytest.mark.parametrize("code", range(256))
def test_each_character_of_a_field_value(code: int) -> None:
    expected = code == 9 or (code >= 32 and code != 127)
    assert is_field_value(f"a{chr(code)}b") is expected
    assert is_field_value(b"a%cb" % code) is expected
    assert is_reason_phrase(f"a{chr(code)}b") is expected


def test_what_has_no_byte_is_no_field_value() -> None:
    assert not is_field_value("ż")
    assert not is_reason_phrase("ż")
    assert is_field_value("")
    assert is_reason_phrase("")


HOSTS: list[tuple[str, tuple[str, int | None]]] = [
    ("example.com", ("example.com", None)),
    ("example.com:80", ("example.com", 80)),
    ("example.com:", ("example.com", None)),  # RFC 3986 §3.2.3: the port may be empty
    ("example.com:0", ("example.com", 0)),
    ("example.com:65535", ("example.com", 65535)),
    ("localhost", ("localhost", None)),
    ("under_score.example", ("under_score.example", None)),
    ("a!$&'()*+;=~b", ("a!$&'()*+;=~b", None)),  # RFC 3986 §3.2.2, sub-delims
    ("ex%41mple.com:1", ("ex%41mple.com", 1)),
    ("xn--bcher-kva.example", ("xn--bcher-kva.example", None)),
    ("127.0.0.1:8888", ("127.0.0.1", 8888)),
    ("[::]", ("[::]", None)),
    ("[::1]:80", ("[::1]", 80)),
    ("[1:2:3:4:5:6:7:8]", ("[1:2:3:4:5:6:7:8]", None)),
    ("[1::8]", ("[1::8]", None)),
    ("[::ffff:1.2.3.4]:5", ("[::ffff:1.2.3.4]", 5)),
    ("[1:2:3:4:5:6:1.2.3.4]", ("[1:2:3:4:5:6:1.2.3.4]", None)),
    ("[v1.future:address]", ("[v1.future:address]", None)),
]


@pytest.mark.parametrize(("value", "expected"), HOSTS)
def test_hosts(value: str, expected: tuple[str, int | None]) -> None:
    assert parse_host(value) == expected
    assert is_valid_host(value)


@pytest.mark.parametrize(
    "value",
    [
        *("", ":", ":80", "a b", " a", "a ", "a\t", "a\n", "a\x00b", "a\x7f", "é", "ż"),
        *("a,b", "a.example, b.example", "user@example.com", "user:pw@example.com", "a/b", "a?b", "a#b", "a\\b", '"a"'),
        *("<a>", "{a}", "a|b", "a^b", "`a`", "a%", "a%4", "a%zz"),
        *("a:b", "a:65536", "a:99999", "a:123456", "a:-1", "a:+1", "a: 1", "a:1 ", "a:1_0", "a:\u0661", "a:1:2", "::1"),
        *(
            "[",
            "[]",
            "[::1",
            "::1]",
            "[::1]80",
            "[::1]:x",
            "[::1]:65536",
            "[::1]]",
            "[[::1]]",
            "[::1%25eth0]",
            "[::1%eth0]",
        ),
        *("[:]", "[:::]", "[1]", "[1:2]", "[1::2::3]", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7:8::]"),
        *("[1:2:3:4:5:6:7::8]x", "[12345::]", "[g::]", "[:1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:]", "[1.2.3.4]"),
        *(
            "[::1.2.3]",
            "[::1.2.3.256]",
            "[::1.2.3.04]",
            "[::1.2.3.4.5]",
            "[1.2.3.4::]",
            "[::1.2.3.4:1]",
            "[v.a]",
            "[v1.]",
            "[vg.a]",
        ),
        "[" + "0" * 100_000 + "::]",
    ],
)
def test_values_that_are_no_hosts(value: str) -> None:
    assert not is_valid_host(value)
    with pytest.raises(HTTPInputError):
        parse_host(value)


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_is_a_host(address: ipaddress.IPv6Address) -> None:
    assert is_valid_host(f"[{address}]:80")
    assert is_valid_host(f"[{address.exploded}]")


@given(st.text("0123456789abcdefg:.", max_size=40))
def test_ipv6_addresses_are_those_that_the_standard_library_knows(text: str) -> None:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        expected = False
    else:
        expected = True
    assert is_valid_host(f"[{text}]") is expected


@given(st.text())
def test_the_two_ways_to_judge_a_host_agree(value: str) -> None:
    try:
        parse_host(value)
    except HTTPInputError:
        assert not is_valid_host(value)
    else:
        assert is_valid_host(value)
