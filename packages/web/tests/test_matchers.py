"""Matchers: what they match, what they say of it, and the reverse."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import HTTPHeaders, HTTPServerRequest
from halny.routing import AnyMatches, DefaultHostMatches, HostMatches, Matcher, PathMatches, Rule
from halny.web import Application, RequestHandler


def request(path: str = "/", host: str = "example.com", **headers: str) -> HTTPServerRequest:
    return HTTPServerRequest("GET", path, headers=HTTPHeaders({"Host": host, **headers}))


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/a", "/a", {}),
        ("/a", "/a?b=c", {}),
        ("/a", "/ab", None),
        ("/a", "/b/a", None),
        ("/a$", "/a", {}),
        ("/a.*", "/abc", {}),
        ("/a/(.*)/(.*)", "/a/b/c", {"path_args": [b"b", b"c"], "path_kwargs": {}}),
        ("/a/(.*)", "/a/", {"path_args": [b""], "path_kwargs": {}}),
        ("/a(/x)?", "/a", {"path_args": [None], "path_kwargs": {}}),
        ("/a/(?P<x>.*)/(?P<y>.*)", "/a/b/c", {"path_args": [], "path_kwargs": {"x": b"b", "y": b"c"}}),
        ("/a(?P<x>/x)?", "/a", {"path_args": [], "path_kwargs": {"x": None}}),
        ("/a/(.*)", "/a/%C3%A9+%2f%zz", {"path_args": [b"\xc3\xa9+/%zz"], "path_kwargs": {}}),
        ("/a/(?:b|c)", "/a/c", {}),
    ],
)
def test_paths(pattern: str, path: str, expected: dict[str, Any] | None) -> None:
    assert PathMatches(pattern).match(request(path)) == expected
    assert PathMatches(re.compile(pattern + "$")).match(request(path)) == expected


def test_groups_are_all_named_or_none() -> None:
    with pytest.raises(ValueError, match="all named or all positional"):
        PathMatches("/(a)/(?P<b>c)")


@pytest.mark.parametrize(
    ("pattern", "args", "path"),
    [
        ("/a", (), "/a"),
        ("^/a$", (), "/a"),
        ("/a/([0-9]+)", (1,), "/a/1"),
        ("/a/(?P<x>.*)", ("b c/d",), "/a/b%20c/d"),
        (r"/a\.b/(.*)", (b"\xff",), "/a.b/%FF"),
        ("/a/(.*)/b/(.*)/c", ("x", "y?"), "/a/x/b/y%3F/c"),
        ("/a%20(.*)", ("é",), "/a%20%C3%A9"),
        ("/a%s(.*)", ("x",), "/a%sx"),
    ],
)
def test_reversing(pattern: str, args: tuple[Any, ...], path: str) -> None:
    assert PathMatches(pattern).reverse(*args) == path
    assert PathMatches(pattern).match(request(path)) is not None


@pytest.mark.parametrize("pattern", ["/(?:a|b)/(.*)", r"/\d+", "/((a)b)", "/a/([^)]*)"])
def test_what_can_not_be_reversed(pattern: str) -> None:
    with pytest.raises(ValueError, match="cannot reverse url regex"):
        PathMatches(pattern).reverse("x")


@pytest.mark.parametrize("args", [(), ("x", "y")])
def test_reversing_with_the_wrong_number_of_arguments(args: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"takes 1 arguments, not {len(args)}"):
        PathMatches("/(.*)").reverse(*args)


@pytest.mark.parametrize(
    ("pattern", "literal", "prefix"),
    [
        ("/a", "/a", "/a"),
        (r"/a\.b-c_d~", "/a.b-c_d~", "/a.b-c_d~"),
        ("/caf%C3%A9", "/caf%C3%A9", "/caf%C3%A9"),
        ("", "", ""),
        ("/a.b", None, "/a"),
        ("/a+", None, "/a"),
        ("/ab?", None, "/a"),
        ("/ab*/c", None, "/a"),
        ("/ab{2}", None, "/a"),
        (r"/a\.?", None, "/a"),
        ("/a/(.*)", None, "/a/"),
        ("/a|/b", None, ""),
        ("(?i)/a", None, ""),
        (r"/\d", None, "/"),
        ("/[ab]", None, "/"),
    ],
)
def test_literals_and_prefixes(pattern: str, literal: str | None, prefix: str) -> None:
    matcher = PathMatches(pattern)
    assert (matcher.literal, matcher.prefix) == (literal, prefix)


@given(st.text("/ab.-?*+|()[]{}\\d$^%", max_size=12), st.text("/ab.-?", max_size=8))
def test_literals_and_prefixes_agree_with_the_regular_expression(pattern: str, path: str) -> None:
    try:
        matcher = PathMatches(pattern)
    except (re.error, ValueError, FutureWarning):
        return
    matches = matcher.match_path(path) is not None
    if matcher.literal is not None:
        assert matches == (path == matcher.literal)
    if matches:
        assert path.startswith(matcher.prefix)


@pytest.mark.parametrize(
    ("pattern", "host", "matches"),
    [
        ("example.com", "example.com", True),
        ("example.com", "EXAMPLE.com:8080", True),
        ("example.com", "example.com.evil.org", False),
        ("example.com", "www.example.com", False),
        (r".*\.example\.com", "www.example.com", True),
        ("::1", "[::1]:80", False),
    ],
)
def test_hosts(pattern: str, host: str, matches: bool) -> None:
    assert HostMatches(pattern).match(request(host=host)) == ({} if matches else None)
    assert HostMatches(re.compile(pattern + "$")).match(request(host=host)) == ({} if matches else None)


def test_default_hosts() -> None:
    application = Application(default_host="example.com")
    matcher = DefaultHostMatches(application, re.compile("example.com$"))
    assert matcher.match(request(host="other.org")) == {}
    assert matcher.match(request(host="other.org", **{"X-Real-Ip": "1.2.3.4"})) is None
    application.default_host = "another.org"
    assert matcher.match(request(host="other.org")) is None
    application.default_host = None
    assert matcher.match(request(host="other.org")) is None


def test_any() -> None:
    assert AnyMatches().match(request()) == {}
    assert AnyMatches().reverse("x") is None
    assert Rule(AnyMatches(), RequestHandler).reverse() is None
    assert Matcher().reverse() is None
    with pytest.raises(NotImplementedError):
        Matcher().match(request())


@pytest.mark.parametrize("matcher", [PathMatches, HostMatches])
def test_what_is_no_regular_expression_is_named(matcher: type[PathMatches | HostMatches]) -> None:
    with pytest.raises(re.error, match="unterminated character set") as caught:
        matcher("/files/[a-z")
    assert caught.value.__notes__ == ["in the pattern '/files/[a-z$' of a route"]


def test_matchers_show_what_they_ask() -> None:
    application = Application()
    host = HostMatches(r".*\.example\.com")
    default = DefaultHostMatches(application, host.host_pattern)
    assert [repr(matcher) for matcher in (AnyMatches(), PathMatches("/a"), host, default)] == [
        "AnyMatches()",
        "PathMatches('/a$')",
        r"HostMatches('.*\\.example\\.com$')",
        rf"DefaultHostMatches({application!r}, '.*\\.example\\.com$')",
    ]
