from __future__ import annotations

import datetime as dt
import time
from http.cookies import CookieError, SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import CookieFormatError, SetCookie, format_timestamp, parse_cookie

from .linear import LIMIT, SIZE, seconds


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ("", {}),
        (" ", {}),
        ("a=b", {"a": "b"}),
        ("a=b; c=d", {"a": "b", "c": "d"}),
        ("a=b;c=d", {"a": "b", "c": "d"}),
        ("a=1; a=2", {"a": "2"}),
        (" a\t=\tb ;", {"a": "b"}),
        ("a=", {"a": ""}),
        ("=x", {"": "x"}),
        ("x", {"": "x"}),
        ("a=b; x; c=d", {"a": "b", "": "x", "c": "d"}),
        ("; ;=;a=b;;", {"a": "b"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=b,c=d", {"a": "b,c=d"}),
        ("a,b=c", {"a,b": "c"}),
        ("$Version=1; x=y", {"$Version": "1", "x": "y"}),
        ("a=b c", {"a": "b c"}),
        ('"a"=b', {'"a"': "b"}),
        ('a="b"', {"a": "b"}),
        ('a=""', {"a": ""}),
        ('a="', {"a": '"'}),
        ('a="b" "c"', {"a": 'b" "c'}),
        ('a="b;c"; d=e', {"a": '"b', "": 'c"', "d": "e"}),
        (r'a="\"x\\"', {"a": '"x\\'}),
        (r'a="\101\073\351"', {"a": "A;é"}),
        (r'a="\400\9\x"', {"a": "4009x"}),
        ('a="b\\"', {"a": "b\\"}),
        ("a=\xc3\xa0", {"a": "\xc3\xa0"}),  # an à in UTF-8, which ends in a NBSP when read as Latin-1
        ("\xe9=1", {"\xe9": "1"}),
    ],
)
def test_cookies_are_read_as_browsers_do(cookie: str, expected: dict[str, str]) -> None:
    assert parse_cookie(cookie) == expected


@pytest.mark.parametrize(
    "cookie",
    [
        'a="' + "\\a" * (SIZE // 2) + '"',
        'a="' + "\\" * SIZE + '"',
        'a="' + "\\101" * (SIZE // 4) + '"',
        'a="' * (SIZE // 3),
        "=;" * (SIZE // 2),
        ";" * SIZE,
        "a=b;" * (SIZE // 4),
        "a" * SIZE,
        " " * SIZE + "a",
        "a=" + " \t" * (SIZE // 2) + "b",
    ],
)
def test_cookies_take_linear_time(cookie: str) -> None:
    """GHSA-8w49-h785-mj3c (CVE-2024-52804)."""
    assert seconds(lambda: parse_cookie(cookie)) < LIMIT


@given(st.text())
def test_reading_never_raises(cookie: str) -> None:
    parse_cookie(cookie)


def test_a_cookie_with_every_attribute() -> None:
    cookie = SetCookie(
        "a",
        "b",
        domain="example.com",
        expires=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        path="/x",
        max_age=5,
        httponly=True,
        secure=True,
        samesite="Lax",
        partitioned=True,
    )
    expected = (
        "a=b; Domain=example.com; expires=Wed, 01 Jan 2020 00:00:00 GMT; HttpOnly; Max-Age=5; Partitioned; "
        "Path=/x; SameSite=Lax; Secure"
    )
    assert str(cookie) == expected
    assert cookie.OutputString() == expected
    assert repr(cookie) == f"<SetCookie: {expected}>"
    assert (cookie.name, cookie.key, cookie.value, cookie.coded_value) == ("a", "a", "b", "b")
    assert (cookie["max-age"], cookie["Path"], cookie["secure"]) == ("5", "/x", True)
    with pytest.raises(KeyError):
        cookie["nothing"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, "a=b; Path=/"),
        ({"path": None}, "a=b"),
        ({"path": ""}, "a=b"),
        ({"max_age": 0}, "a=b; Max-Age=0; Path=/"),
        ({"max_age": -1}, "a=b; Max-Age=-1; Path=/"),
        ({"max_age": "5"}, "a=b; Max-Age=5; Path=/"),
        ({"expires": 0}, "a=b; expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"),
        ({"samesite": "none", "secure": True}, "a=b; Path=/; SameSite=none; Secure"),
        ({"samesite": "Strict"}, "a=b; Path=/; SameSite=Strict"),
        ({"domain": ".example.com"}, "a=b; Domain=.example.com; Path=/"),
    ],
)
def test_attributes(attributes: dict[str, Any], expected: str) -> None:
    assert str(SetCookie("a", "b", **attributes)) == expected


@pytest.mark.parametrize(
    ("value", "coded"),
    [
        ("", '""'),
        ('b"c', r'"b\"c"'),
        ("b\\c", r'"b\\c"'),
        ("b;c", r'"b\073c"'),
        ("b,c", r'"b\054c"'),
        ("é", r'"\351"'),
        ("b\x7f", r'"b\177"'),
        ("a/b?c=d&e@f(g)h[i]<j>{k}", "a/b?c=d&e@f(g)h[i]<j>{k}"),
    ],
)
def test_values_are_quoted_if_need_be(value: str, coded: str) -> None:
    assert SetCookie("a", value, path=None).OutputString() == f"a={coded}"
    assert parse_cookie(f"a={coded}") == {"a": value}


@pytest.mark.parametrize(
    "name", ["", "a b", "a=b", "a;b", "a,b", "a\r\nb", "a\x00", "é", "path", "Expires", "SECURE", '"a"']
)
def test_illegal_names(name: str) -> None:
    with pytest.raises(CookieFormatError):
        SetCookie(name, "b")


@pytest.mark.parametrize("value", ["b c", "b\tc", "b\r\nSet-Cookie: x=y", "b\x00", "ż", " "])
def test_illegal_values(value: str) -> None:
    with pytest.raises(CookieFormatError):
        SetCookie("a", value)


@pytest.mark.parametrize("attribute", ["domain", "path", "samesite"])
@pytest.mark.parametrize("value", ["x;y", "x\r\ny", "x\ny", "x\x00", "x y", "x\x7f", "x,y", "é", "ż", ";", "x; Secure"])
def test_attributes_can_not_bring_others_with_them(attribute: str, value: str) -> None:
    """GHSA-78cv-mqj4-43f7, GHSA-fqwm-6jpj-5wxc (CVE-2026-35536)."""
    attributes: dict[str, Any] = {attribute: value}
    with pytest.raises(CookieFormatError):
        SetCookie("a", "b", **attributes)


@pytest.mark.parametrize("max_age", ["5; Secure", "x", "", "5\r\n6"])
def test_max_age_is_a_number(max_age: str) -> None:
    with pytest.raises(ValueError):
        SetCookie("a", "b", max_age=max_age)


@pytest.mark.parametrize(
    "attributes",
    [{"samesite": "foo"}, {"samesite": "Lax "}, {"partitioned": True}, {"partitioned": True, "secure": False}],
)
def test_attributes_that_make_no_sense(attributes: dict[str, Any]) -> None:
    with pytest.raises(CookieFormatError):
        SetCookie("a", "b", **attributes)


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("path", "/x", "Path=/x"),
        ("Domain", "example.com", "Domain=example.com"),
        ("max-age", 5, "Max-Age=5"),
        ("max-age", "0", "Max-Age=0"),
        ("httponly", True, "HttpOnly"),
        ("secure", 1, "Secure"),
        ("samesite", "Lax", "SameSite=Lax"),
        ("expires", "Wed, 01-Jan-2020 00:00:00 GMT", "expires=Wed, 01-Jan-2020 00:00:00 GMT"),
        ("expires", dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "expires=Wed, 01 Jan 2020 00:00:00 GMT"),
    ],
)
def test_attributes_are_changed_as_programs_know_it(attribute: str, value: object, expected: str) -> None:
    cookie = SetCookie("a", "b", path=None)
    cookie[attribute] = value
    assert cookie.output() == f"Set-Cookie: a=b; {expected}"
    cookie[attribute] = ""
    assert cookie.OutputString(None) == "a=b"
    cookie[attribute] = None
    assert str(cookie) == "a=b"


def test_a_number_of_seconds_counts_from_now_as_programs_know_it() -> None:
    before = int(time.time())
    cookie = SetCookie("a", "b")
    cookie["expires"] = 3600
    after = int(time.time())
    assert cookie["expires"] in [format_timestamp(second + 3600) for second in range(before, after + 2)]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("path", "/; Secure"),
        ("domain", "x\r\ny"),
        ("samesite", "Perhaps"),
        ("expires", "now; Secure"),
        ("max-age", "5; Secure"),
        ("partitioned", True),
        ("comment", "x"),
    ],
)
def test_changed_attributes_are_checked_too(attribute: str, value: object) -> None:
    cookie = SetCookie("a", "b")
    with pytest.raises(ValueError):
        cookie[attribute] = value
    assert str(cookie) == "a=b; Path=/"


def test_a_partitioned_cookie_stays_secure() -> None:
    cookie = SetCookie("a", "b", partitioned=True, secure=True)
    with pytest.raises(CookieFormatError, match="can't be partitioned"):
        cookie["secure"] = False
    cookie["partitioned"] = False
    cookie["secure"] = False
    assert str(cookie) == "a=b; Path=/"


def test_expires_is_a_moment() -> None:
    wrong: Any = "Wed, 01 Jan 2020 00:00:00 GMT; Secure"
    with pytest.raises(TypeError):
        SetCookie("a", "b", expires=wrong)


def test_the_error_is_what_programs_catch() -> None:
    assert issubclass(CookieFormatError, CookieError)
    assert issubclass(CookieFormatError, ValueError)


VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF))


@given(VALUES)
def test_what_was_written_is_read_again(value: str) -> None:
    cookie = SetCookie("a", value, path=None)
    assert parse_cookie(str(cookie)) == {"a": value}


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
def test_the_standard_library_reads_what_was_written(value: str) -> None:
    jar = SimpleCookie(SetCookie("a", value, path="/x", httponly=True).OutputString())
    assert jar["a"].value == value
    assert jar["a"]["path"] == "/x"


@given(st.text(), st.text(), st.text(), st.text())
def test_nothing_gets_out_of_its_place(name: str, value: str, domain: str, path: str) -> None:
    try:
        text = str(SetCookie(name, value, domain=domain, path=path))
    except CookieFormatError:
        return
    assert text.isascii()
    assert text.isprintable()
    assert text.count(";") == bool(domain) + bool(path)
