"""The table is what Tornado 6.6.1 makes of these texts."""

from __future__ import annotations

import time
from typing import Any

import pytest

from halny.template.escape import linkify

TABLE: list[tuple[str, str]] = [
    # text, HTML
    ("http://a.com", '<a href="http://a.com">http://a.com</a>'),
    ("hello http://world.com/!", 'hello <a href="http://world.com/">http://world.com/</a>!'),
    ("hello http://world.com/with?param=true&stuff=yes", 'hello <a href="http://world.com/with?param=true&amp;stuff=yes">http://world.com/with?param=true&amp;stuff=yes</a>'),
    ("http://url.com/w(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", '<a href="http://url.com/w">http://url.com/w</a>(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'),
    ("http://url.com/withmany.......................................", '<a href="http://url.com/withmany">http://url.com/withmany</a>.......................................'),
    ("http://url.com/withmany((((((((((((((((((((((((((((((((((a)", '<a href="http://url.com/withmany">http://url.com/withmany</a>((((((((((((((((((((((((((((((((((a)'),
    ("http://foo.com/blah_blah", '<a href="http://foo.com/blah_blah">http://foo.com/blah_blah</a>'),
    ("http://foo.com/blah_blah/", '<a href="http://foo.com/blah_blah/">http://foo.com/blah_blah/</a>'),
    ("(Something like http://foo.com/blah_blah)", '(Something like <a href="http://foo.com/blah_blah">http://foo.com/blah_blah</a>)'),
    ("http://foo.com/blah_blah_(wikipedia)", '<a href="http://foo.com/blah_blah_(wikipedia)">http://foo.com/blah_blah_(wikipedia)</a>'),
    ("http://foo.com/blah_(blah)_(wikipedia)_blah", '<a href="http://foo.com/blah_(blah)_(wikipedia)_blah">http://foo.com/blah_(blah)_(wikipedia)_blah</a>'),
    ("http://foo.com/blah_blah.", '<a href="http://foo.com/blah_blah">http://foo.com/blah_blah</a>.'),
    ("http://foo.com/blah_blah/.", '<a href="http://foo.com/blah_blah/">http://foo.com/blah_blah/</a>.'),
    ("<http://foo.com/blah_blah>", '&lt;<a href="http://foo.com/blah_blah">http://foo.com/blah_blah</a>&gt;'),
    ("<http://foo.com/blah_blah/>", '&lt;<a href="http://foo.com/blah_blah/">http://foo.com/blah_blah/</a>&gt;'),
    ("http://foo.com/blah_blah,", '<a href="http://foo.com/blah_blah">http://foo.com/blah_blah</a>,'),
    ("http://www.example.com/wpstyle/?p=364.", '<a href="http://www.example.com/wpstyle/?p=364">http://www.example.com/wpstyle/?p=364</a>.'),
    ("rdar://1234", "rdar://1234"),
    ("rdar:/1234", "rdar:/1234"),
    ("http://userid:password@example.com:8080", '<a href="http://userid:password@example.com:8080">http://userid:password@example.com:8080</a>'),
    ("http://userid@example.com", '<a href="http://userid@example.com">http://userid@example.com</a>'),
    ("message://%3c330e7f8409726r6a4ba78dkf1fd71420c1bf6ff@mail.gmail.com%3e", "message://%3c330e7f8409726r6a4ba78dkf1fd71420c1bf6ff@mail.gmail.com%3e"),
    ("http://䨿.ws/䨿", '<a href="http://䨿.ws/䨿">http://䨿.ws/䨿</a>'),
    ("<tag>http://example.com</tag>", '&lt;tag&gt;<a href="http://example.com">http://example.com</a>&lt;/tag&gt;'),
    ("Just a www.example.com link.", 'Just a <a href="http://www.example.com">www.example.com</a> link.'),
    ("http://[::1]/x", '<a href="http://[::1]/x">http://[::1]/x</a>'),
    ("HTTP://A.COM", "HTTP://A.COM"),
    ("ftp://x.y/z", "ftp://x.y/z"),
    ("javascript:alert(1)", "javascript:alert(1)"),
    ("javascript://x", "javascript://x"),
    ("mailto:a@b.c", "mailto:a@b.c"),
    ('https://a.b"c', '<a href="https://a.b&quot;c">https://a.b&quot;c</a>'),
    ("http://a.b'c", '<a href="http://a.b">http://a.b</a>&#x27;c'),
    ("http://a.b<c>", '<a href="http://a.b">http://a.b</a>&lt;c&gt;'),
    ("http://a.b&amp;c", '<a href="http://a.b&amp;amp;c">http://a.b&amp;amp;c</a>'),
    ("http://a.b&c=<", '<a href="http://a.b&amp;c">http://a.b&amp;c</a>=&lt;'),
    ("&lt;http://a.b&gt;", '&amp;lt;<a href="http://a.b&amp;gt">http://a.b&amp;gt</a>;'),
    ("x@www.a.com", 'x@<a href="http://www.a.com">www.a.com</a>'),
    ("WWW.a.com", "WWW.a.com"),
    ("www.a", '<a href="http://www.a">www.a</a>'),
    ("www.", "www."),
    ("http:///a", '<a href="http:///a">http:///a</a>'),
    ("http:/a", '<a href="http:/a">http:/a</a>'),
    ("http:a", "http:a"),
    ("http://", '<a href="http://">http://</a>'),
    ("http://.", '<a href="http://">http://</a>.'),
    ("http://-", '<a href="http://-">http://-</a>'),
    ("http://a.", '<a href="http://a">http://a</a>.'),
    ("http://a..b", '<a href="http://a..b">http://a..b</a>'),
    ("a:http://b", 'a:<a href="http://b">http://b</a>'),
    ("xhttp://b.c", "xhttp://b.c"),
    ("_http://b.c", "_http://b.c"),
    (".http://b.c", '.<a href="http://b.c">http://b.c</a>'),
    ("http://b.c http://d.e", '<a href="http://b.c">http://b.c</a> <a href="http://d.e">http://d.e</a>'),
    ("http://a.b/c;d=e?f#g", '<a href="http://a.b/c;d=e?f#g">http://a.b/c;d=e?f#g</a>'),
    ("http://a.b/(c", '<a href="http://a.b/">http://a.b/</a>(c'),
    ("http://a.b/(c)d", '<a href="http://a.b/(c)d">http://a.b/(c)d</a>'),
    ("http://a.b/((c))", '<a href="http://a.b/">http://a.b/</a>((c))'),
    ("http://a.b/c)", '<a href="http://a.b/c">http://a.b/c</a>)'),
    ("http://a.b/c!", '<a href="http://a.b/c">http://a.b/c</a>!'),
    ("http://a.b/c?", '<a href="http://a.b/c">http://a.b/c</a>?'),
    ("http://a.b/c...", '<a href="http://a.b/c">http://a.b/c</a>...'),
    ("http://a.b/é", '<a href="http://a.b/é">http://a.b/é</a>'),
    ("http://a.b/c\nx", '<a href="http://a.b/c">http://a.b/c</a>\nx'),
    ("h://x", "h://x"),
    ("git+ssh://x.y", "git+ssh://x.y"),
    ("http://www.a.com", '<a href="http://www.a.com">http://www.a.com</a>'),
    ("www.a.com/b", '<a href="http://www.a.com/b">www.a.com/b</a>'),
    ("http://a.b:80/c", '<a href="http://a.b:80/c">http://a.b:80/c</a>'),
    ("http://a.b/c]", '<a href="http://a.b/c">http://a.b/c</a>]'),
    ("http://a.b/c}", '<a href="http://a.b/c">http://a.b/c</a>}'),
    ("http://a.b/*", '<a href="http://a.b/">http://a.b/</a>*'),
    ("http://a.b/c*", '<a href="http://a.b/c">http://a.b/c</a>*'),
    ("http://a.b|c", '<a href="http://a.b|c">http://a.b|c</a>'),
    ("http://a.b/c|d", '<a href="http://a.b/c|d">http://a.b/c|d</a>'),
    ("http://a.b/~c", '<a href="http://a.b/~c">http://a.b/~c</a>'),
    ("http://a.b/c@d", '<a href="http://a.b/c@d">http://a.b/c@d</a>'),
    ("http://a.b/c%20d", '<a href="http://a.b/c%20d">http://a.b/c%20d</a>'),
    ("http://a_b.c/", '<a href="http://a_b.c/">http://a_b.c/</a>'),
    ("foo.http://x.com", 'foo.<a href="http://x.com">http://x.com</a>'),
    ('a "http://q.com" b', 'a &quot;<a href="http://q.com">http://q.com</a>&quot; b'),
    ("http://a.b/&quot;x", '<a href="http://a.b/&amp;quot;x">http://a.b/&amp;quot;x</a>'),
    ("http://a.b/&quot;", '<a href="http://a.b/&amp;quot">http://a.b/&amp;quot</a>;'),
    ("(www.a.com)", '(<a href="http://www.a.com">www.a.com</a>)'),
    ("(see http://a.b/c_(d)).", '(see <a href="http://a.b/c_(d)">http://a.b/c_(d)</a>).'),
    ("http://a.b/c'd'", '<a href="http://a.b/c">http://a.b/c</a>&#x27;d&#x27;'),
    ("http://a.b/_", '<a href="http://a.b/_">http://a.b/_</a>'),
    ("http://a.b/-", '<a href="http://a.b/-">http://a.b/-</a>'),
    ("http://a.b/=", '<a href="http://a.b/">http://a.b/</a>='),
    ("http://a.b/#", '<a href="http://a.b/">http://a.b/</a>#'),
    ("http://a.b/?", '<a href="http://a.b/">http://a.b/</a>?'),
    ("http://a.b/+", '<a href="http://a.b/">http://a.b/</a>+'),
    ("http://a.b/$", '<a href="http://a.b/">http://a.b/</a>$'),
    ("http://a.b/c,d", '<a href="http://a.b/c,d">http://a.b/c,d</a>'),
    ("http://a.b/c,,", '<a href="http://a.b/c">http://a.b/c</a>,,'),
    ("http://a.b/.c", '<a href="http://a.b/.c">http://a.b/.c</a>'),
    ("http://a.b//", '<a href="http://a.b//">http://a.b//</a>'),
    ("www.a.com:80", '<a href="http://www.a.com:80">www.a.com:80</a>'),
    ("www..a", '<a href="http://www..a">www..a</a>'),
    ("www.a.com.", '<a href="http://www.a.com">www.a.com</a>.'),
    ("www.a_b.com", '<a href="http://www.a_b.com">www.a_b.com</a>'),
    ("://x", "://x"),
    ("1http://a.b", "1http://a.b"),
    ("http://a.b/()", '<a href="http://a.b/()">http://a.b/()</a>'),
    ("http://a.b/(a)(b)", '<a href="http://a.b/(a)(b)">http://a.b/(a)(b)</a>'),
    ("http://a.b/(a b)", '<a href="http://a.b/">http://a.b/</a>(a b)'),
    ("http://a.b/(a.b)", '<a href="http://a.b/(a.b)">http://a.b/(a.b)</a>'),
    ("http://a.b/(a/b)", '<a href="http://a.b/(a/b)">http://a.b/(a/b)</a>'),
    ("http://a.b/(a&amp;b)", '<a href="http://a.b/(a&amp;amp;b)">http://a.b/(a&amp;amp;b)</a>'),
    ("http://(a)", '<a href="http://(a)">http://(a)</a>'),
    ("http://(a", '<a href="http://">http://</a>(a'),
    ("http://)", '<a href="http://">http://</a>)'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "html"), TABLE)
def test_links(text: str, html: str) -> None:
    assert linkify(text) == html
    assert linkify(text.encode()) == html
    if "www" not in text:
        assert linkify(text, require_protocol=True) == html


def test_www_without_a_protocol() -> None:
    assert linkify("see www.a.com", require_protocol=True) == "see www.a.com"
    assert linkify("http://www.a.com www.b.com", require_protocol=True) == (
        '<a href="http://www.a.com">http://www.a.com</a> www.b.com'
    )


@pytest.mark.parametrize(
    ("protocols", "html"),
    [
        (["ftp"], '<a href="ftp://x.y">ftp://x.y</a> http://a.b javascript://x'),
        (["http", "ftp"], '<a href="ftp://x.y">ftp://x.y</a> <a href="http://a.b">http://a.b</a> javascript://x'),
        ([], "ftp://x.y http://a.b javascript://x"),
    ],
)
def test_permitted_protocols(protocols: list[str], html: str) -> None:
    assert linkify("ftp://x.y http://a.b javascript://x", permitted_protocols=protocols) == html


@pytest.mark.parametrize(
    ("params", "first"),
    [
        ("", '<a href="http://a.com">'),
        ('rel="nofollow"', '<a href="http://a.com" rel="nofollow">'),
        (' rel="x" ', '<a href="http://a.com" rel="x">'),
        ('title="{}"'.format, '<a href="http://a.com" title="http://a.com">'),
        ("".format, '<a href="http://a.com">'),
        (" x ".format, '<a href="http://a.com" x>'),
    ],
)
def test_extra_params(params: Any, first: str) -> None:
    assert linkify("http://a.com", extra_params=params) == first + "http://a.com</a>"


def test_extra_params_get_the_url_of_a_link_without_protocol() -> None:
    urls: list[str] = []

    def params(url: str) -> str:
        urls.append(url)
        return ""

    linkify("www.a.com?b&c", extra_params=params)
    assert urls == ["http://www.a.com?b&amp;c"]


SHORT: list[tuple[str, str]] = [
    # URL, what is shown
    ("http://www.external-link.com/this/is/a/very/long/path/indeed/yes.html", "http://www.external-link.com/this..."),
    ("http://www.external-link.com", "http://www.external-link.com"),
    ("http://a.com/xxxxxxxxxxxxxxxxx", "http://a.com/xxxxxxxxxxxxxxxxx"),
    ("http://a.com/xxxxxxxxxxxxxxxxxx", "http://a.com/xxxxxxxx..."),
    ("http://a.com/b/" + "x" * 40, "http://a.com/b..."),
    ("http://a.com/b?" + "c" * 30, "http://a.com/b..."),
    ("http://a.com?" + "c" * 30, "http://a.com?" + "c" * 30),
    ("http://a.com/?" + "c" * 30, "http://a.com/..."),
    ("http://a.com/a.html?q=" + "x" * 40, "http://a.com/a..."),
    ("http://a.com/aaa#" + "b" * 30, "http://a.com/aaa#bbbb..."),
    ("http://" + "a" * 38, "http://" + "a" * 38),
    ("http://" + "a" * 39, "http://" + "a" * 23 + "..."),
    ("http://" + "a" * 31 + "/bb", "http://" + "a" * 31 + "/bb"),
    ("http://" + "a" * 26 + "/b/c", "http://" + "a" * 26 + "/b/c"),
    ("http:///" + "a" * 30 + "/" + "b" * 17, "http:///" + "a" * 22 + "..."),
    ("http:/" + "a" * 30 + "/" + "b" * 17, "http:/" + "a" * 30 + "/bbbbbbbb..."),
    ("www." + "a" * 42, "www." + "a" * 26 + "..."),
    ("www.a.com/" + "b" * 30, "www.a.com/bbbbbbbb..."),
    # An entity is shown whole or not at all.
    ("http://a.com/abc&d/" + "y" * 40, "http://a.com/abc&amp;..."),
    ("http://a.com/abcdefg&d/" + "y" * 40, "http://a.com/abcdefg..."),
    ("http://" + "&" * 5 + "a" * 39, "http://&amp;&amp;&amp;&amp;..."),
]


@pytest.mark.parametrize(("url", "shown"), SHORT)
def test_shortening(url: str, shown: str) -> None:
    html = linkify(url, shorten=True)
    href = ("" if url.startswith("http") else "http://") + url.replace("&", "&amp;")
    title = f' title="{href}"' if shown.endswith("...") else ""
    assert html == f'<a href="{href}"{title}>{shown}</a>'


def test_wrong_values() -> None:
    with pytest.raises(TypeError):
        linkify(None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(UnicodeDecodeError):
        linkify(b"\xff")


HOSTILE = [
    "http://", "www.", "(", "http://a(", "www.a(", "http://a.b/(((", "&amp;", "a", "a-", ":/", "http://a....", 'http://a&"',
    "http:/", "www.,", "'", "http://a()", "http://a(b)c", "-", "a-:/", "www.www", "(www.a", "&www.a(", "a:/(", 'www.!"',
    "http://.(", "http://a/..(x", "www.a(b www.", "http://.....", ".", "(a)", "http://x) ", "\u00e9:/",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    size = 200_000 // len(unit)
    for text in (unit * size, "http://a" + unit * size, "http://(" + unit * size, unit * size + "("):
        start = time.process_time()
        linkify(text, shorten=True)
        assert time.process_time() - start < 5  # quadratic would be an hour
