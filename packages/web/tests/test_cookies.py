from __future__ import annotations

import datetime as dt
import re
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import format_timestamp
from halny.web import Application, HTTPError, RequestHandler, create_signed_value

from ._helpers import Answer, handler, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.strict_tests.logs import ExpectLog


async def ask(get: Callable[[Any], object], *headers: str, **settings: Any) -> Answer:
    async with serving(Application([("/", handler(get))], **settings)) as server:
        return await server.get("/", *headers)


async def cookies(get: Callable[[Any], object], *headers: str, **settings: Any) -> list[str]:
    return (await ask(get, *headers, **settings)).headers("Set-Cookie")


@pytest.mark.parametrize(
    ("arguments", "attributes", "expected"),
    [
        (("a", "b"), {}, "a=b; Path=/"),
        ((b"a", b"b"), {}, "a=b; Path=/"),
        (("a", ""), {}, 'a=""; Path=/'),
        (("a", "x;y"), {}, 'a="x\\073y"; Path=/'),
        (("a", 'x"y'), {}, 'a="x\\"y"; Path=/'),
        (("a", "é"), {}, 'a="\\351"; Path=/'),
        (("a", "b"), {"path": None}, "a=b"),
        (("a", "b"), {"path": "/x", "domain": "example.com"}, "a=b; Domain=example.com; Path=/x"),
        (("a", "b"), {"httponly": True, "secure": True, "samesite": "Lax"},
         "a=b; HttpOnly; Path=/; SameSite=Lax; Secure"),
        (("a", "b"), {"httponly": False, "secure": False, "samesite": None}, "a=b; Path=/"),
        (("a", "b"), {"max_age": 5}, "a=b; Max-Age=5; Path=/"),
        (("a", "b"), {"max_age": 0}, "a=b; Max-Age=0; Path=/"),
        (("a", "b"), {"max_age": "5"}, "a=b; Max-Age=5; Path=/"),
        (("a", "b"), {"partitioned": True, "secure": True}, "a=b; Partitioned; Path=/; Secure"),
        (("a", "b"), {"expires": dt.datetime(2030, 1, 1, tzinfo=dt.UTC)},
         "a=b; expires=Tue, 01 Jan 2030 00:00:00 GMT; Path=/"),
        (("a", "b"), {"expires": 1e9, "expires_days": 3}, "a=b; expires=Sun, 09 Sep 2001 01:46:40 GMT; Path=/"),
    ],
)  # fmt: skip
async def test_set_cookie(arguments: tuple[Any, Any], attributes: dict[str, Any], expected: str) -> None:
    assert await cookies(lambda self: self.set_cookie(*arguments, **attributes)) == [expected]


@pytest.mark.parametrize(("days", "offset"), [(1, 86400), (0.5, 43200), (0, 0), (-1, -86400)])
async def test_expires_days(days: float, offset: int) -> None:
    before = dt.datetime.now(dt.UTC).timestamp()
    (cookie,) = await cookies(lambda self: self.set_cookie("a", "b", expires_days=days))
    after = dt.datetime.now(dt.UTC).timestamp()
    possible = [format_timestamp(second + offset) for second in range(int(before), int(after) + 2)]
    assert cookie in [f"a=b; expires={date}; Path=/" for date in possible]


@pytest.mark.parametrize(
    ("name", "value", "attributes"),
    [
        ("a", "x y", {}),
        ("a", "x\r\nSet-Cookie: b=c", {}),
        ("a", "\x00", {}),
        ("a", "中", {}),
        ("a b", "x", {}),
        ("a=b", "x", {}),
        ("a;b", "x", {}),
        ("", "x", {}),
        ("expires", "x", {}),
        ("a", "b", {"path": "/x; Domain=evil.example"}),
        ("a", "b", {"path": "/x\r\nX-Evil: 1"}),
        ("a", "b", {"domain": "x;y"}),
        ("a", "b", {"domain": "x\n"}),
        ("a", "b", {"samesite": "Lax; Domain=evil.example"}),
        ("a", "b", {"samesite": "Perhaps"}),
        ("a", "b", {"max_age": "5; Domain=evil.example"}),
        ("a", "b", {"Max-Age": "5; Domain=evil.example"}),
        ("a", "b", {"partitioned": True}),
        ("a", "b", {"unknown": "x"}),
        ("a", "b", {"comment": "x"}),
    ],
)
async def test_nothing_can_be_injected(name: str, value: str, attributes: dict[str, Any]) -> None:
    def get(self: RequestHandler) -> None:
        with pytest.raises(ValueError) as caught, pytest.warns() if "Max-Age" in attributes else _nothing():
            self.set_cookie(name, value, **attributes)
        assert isinstance(caught.value, CookieError) or "max_age" in attributes or "Max-Age" in attributes

    assert await cookies(get) == []


class _nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("value", [5, None, ["x"]])
async def test_other_types_are_refused(value: Any) -> None:
    def get(self: RequestHandler) -> None:
        with pytest.raises(TypeError, match="must be str or bytes"):
            self.set_cookie("a", value)

    assert await cookies(get) == []


async def test_attributes_in_other_spellings_are_deprecated() -> None:
    def get(self: RequestHandler) -> None:
        with pytest.warns(DeprecationWarning, match="HttpOnly"):
            self.set_cookie("a", "b", HttpOnly=True)

    assert await cookies(get) == ["a=b; HttpOnly; Path=/"]


async def test_the_last_cookie_of_a_name_counts() -> None:
    def get(self: RequestHandler) -> None:
        self.set_cookie("a", "1", path="/x")
        self.set_cookie("b", "2")
        self.set_cookie("a", "3")

    assert await cookies(get) == ["b=2; Path=/", "a=3; Path=/"]


async def test_cookies_of_the_request() -> None:
    def get(self: RequestHandler) -> None:
        self.set_cookie("a", "new")
        self.write(
            repr([self.get_cookie("a"), self.get_cookie("x"), self.get_cookie("x", "y"), self.cookies["b"].value])
        )

    assert (await ask(get, 'Cookie: a=1; b="x\\073y"; bad[]=1; a=2')).text == "['2', None, 'y', 'x;y']"


async def test_clear_cookie() -> None:
    def get(self: RequestHandler) -> None:
        self.clear_cookie("a")
        self.clear_cookie("b", path="/x", domain="example.com", secure=True)
        for refused in ("expires", "max_age"):
            with pytest.raises(TypeError, match=refused):
                self.clear_cookie("c", **{refused: 1})

    found = [re.sub("expires=[^;]*", "expires=then", cookie) for cookie in await cookies(get)]
    assert found == [
        'a=""; expires=then; Path=/',
        'b=""; Domain=example.com; expires=then; Path=/x; Secure',
    ]


async def test_clear_all_cookies() -> None:
    found = await cookies(lambda self: self.clear_all_cookies(path="/x"), "Cookie: a=1; b=2")
    assert [re.sub("expires=[^;]*", "expires=then", cookie) for cookie in found] == [
        'a=""; expires=then; Path=/x',
        'b=""; expires=then; Path=/x',
    ]


async def test_cookies_leave_with_whatever_the_response_is() -> None:
    def error(self: RequestHandler) -> None:
        self.set_cookie("a", "b")
        raise HTTPError(400)

    def parts(self: RequestHandler) -> None:
        self.set_cookie("a", "b")
        self.flush()
        self.set_cookie("late", "c")

    def redirect(self: RequestHandler) -> None:
        self.set_cookie("a", "b")
        self.redirect("/")

    for get in (error, parts, redirect):
        assert await cookies(get) == ["a=b; Path=/"]
    answer = await ask(lambda self: (self.set_cookie("a", "b"), self.write("x"))[1])
    assert answer.names == ["Server", "Content-Type", "Date", "Etag", "Content-Length", "Set-Cookie", "Connection"]


# The cookies of programs: what they know is `_new_cookie`, a `SimpleCookie` that is there as soon as it is needed


async def test_there_are_no_cookies_before_one_is_set() -> None:
    def get(self: Any) -> None:
        assert not hasattr(self, "_new_cookie")
        self.set_cookie("a", "b")
        assert list(self._new_cookie) == ["a"]
        del self._new_cookie
        assert not hasattr(self, "_new_cookie")

    assert await cookies(get) == []


@pytest.mark.parametrize("before", [False, True])
async def test_cookies_of_others_leave_too(before: bool) -> None:
    def get(self: Any) -> None:
        if before:
            self.set_cookie("first", "1")
        if not hasattr(self, "_new_cookie"):
            self._new_cookie = SimpleCookie()
        self._new_cookie.update(SimpleCookie("theirs=2"))
        self._new_cookie["text"] = "x y"
        self._new_cookie["text"]["samesite"] = "Lax"
        self.set_cookie("last", "3")

    expected = ["theirs=2", 'text="x y"; SameSite=Lax', "last=3; Path=/"]
    assert await cookies(get) == (["first=1; Path=/", *expected] if before else expected)


async def test_a_cookie_that_is_set_can_be_changed() -> None:
    def get(self: Any) -> None:
        self._new_cookie = SimpleCookie("a=theirs; b=theirs")
        self.set_cookie("a", "b")
        cookie = self._new_cookie["a"]
        assert (cookie.key, cookie.value, cookie["path"], cookie["secure"]) == ("a", "b", "/", False)
        cookie["path"], cookie["secure"] = "/x", True
        with pytest.raises(CookieError, match="illegal character"):
            cookie["path"] = "/; Domain=evil.example"
        assert self._new_cookie.output().startswith("Set-Cookie: a=b; Path=/x; Secure")

    assert await cookies(get) == ["b=theirs", "a=b; Path=/x; Secure"]


async def test_cookies_can_not_be_anything() -> None:
    def get(self: Any) -> None:
        with pytest.raises(TypeError, match="must be a SimpleCookie, not None"):
            self._new_cookie = None

    assert await cookies(get) == []


async def test_a_cookie_of_others_that_can_not_leave_is_an_error(expect_log: ExpectLog) -> None:
    class Evil(Morsel[str]):
        def OutputString(self, attrs: object = None) -> str:
            return "a=b\r\nX-Evil: 1"

    def get(self: Any) -> None:
        self._new_cookie = SimpleCookie({"a": Evil()})

    with expect_log("halny.application", "uncaught exception", count=1):
        answer = await ask(get)
    assert (answer.status, answer.header("Set-Cookie"), answer.header("X-Evil")) == (500, None, None)


# Signed cookies


async def test_a_signed_cookie_comes_back() -> None:
    class Signed(RequestHandler):
        def get(self) -> None:
            self.set_signed_cookie("a", "é ;", httponly=True)

        def post(self) -> None:
            self.write(
                repr(
                    [self.get_signed_cookie("a"), self.get_signed_cookie("b"), self.get_signed_cookie_key_version("a")]
                )
            )

    async with serving(Application([("/", Signed)], cookie_secret="x")) as server:
        (cookie,) = (await server.get("/")).headers("Set-Cookie")
        value, *attributes = cookie.split("; ")
        assert [re.sub("expires=.*", "expires", part) for part in attributes] == ["expires", "HttpOnly", "Path=/"]
        good = await server.post("/", b"", f"Cookie: {value}")
        assert good.text == f"[{'é ;'.encode()!r}, None, 0]"
        swapped = await server.post("/", b"", f"Cookie: b={value[2:]}")
        assert swapped.text == "[None, None, None]"
        tampered = await server.post("/", b"", f"Cookie: {value[:-1]}{'0' if value[-1] != '0' else '1'}")
        assert tampered.text == "[None, None, 0]"


async def test_the_end_of_a_signed_cookie_is_up_to_its_reader() -> None:
    old = create_signed_value("x", "a", "v", clock=lambda: dt.datetime.now(dt.UTC).timestamp() - 2 * 86400).decode()

    def get(self: RequestHandler) -> None:
        assert self.get_signed_cookie("a") == b"v"
        assert self.get_signed_cookie("a", max_age_days=1) is None
        assert self.get_signed_cookie("a", value="junk") is None
        assert self.get_signed_cookie("other", value=old) is None
        one = create_signed_value("x", "a", "v", version=1).decode()
        assert self.get_signed_cookie("a", value=one) == b"v"
        assert self.get_signed_cookie("a", value=one, min_version=2) is None
        self.set_signed_cookie("s", "v", expires_days=None)

    (cookie,) = await cookies(get, f"Cookie: a={old}", cookie_secret="x")
    assert cookie.endswith("; Path=/")
    assert "expires" not in cookie


async def test_rotation_of_keys() -> None:
    old = create_signed_value({1: "one"}, "a", "v", key_version=1).decode()

    def get(self: RequestHandler) -> None:
        assert self.get_signed_cookie("a") == b"v"
        assert self.get_signed_cookie_key_version("a") == 1
        assert self.get_signed_cookie_key_version("none") is None
        assert self.create_signed_value("a", "v").startswith(b"2|1:2|")

    settings: dict[str, Any] = {"cookie_secret": {1: "one", 2: "two"}}
    assert (await ask(get, f"Cookie: a={old}", key_version=2, **settings)).status == 200


@pytest.mark.parametrize("settings", [{}, {"cookie_secret": ""}, {"cookie_secret": {1: "a"}}])
async def test_settings_that_are_missing(settings: dict[str, Any], expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1):
        assert (await ask(lambda self: self.set_signed_cookie("a", "b"), **settings)).status == 500


async def test_a_secret_that_is_none_is_told_without_its_value(expect_log: ExpectLog) -> None:
    with expect_log("halny.application", "uncaught exception", count=1) as records:
        assert (await ask(lambda self: self.set_signed_cookie("a", "b"), cookie_secret=4711)).status == 500
    assert records[0].exc_info is not None
    assert str(records[0].exc_info[1]) == (
        "a secret, such as the setting 'cookie_secret', is text, bytes or a dict of these, not int"
    )
    # As long as nothing is signed, nobody asks what it is.
    assert (await ask(lambda self: self.write(str(self.get_signed_cookie("a"))), cookie_secret=4711)).status == 200


def test_the_names_of_before() -> None:
    assert RequestHandler.set_secure_cookie is RequestHandler.set_signed_cookie
    assert RequestHandler.get_secure_cookie is RequestHandler.get_signed_cookie
    assert RequestHandler.get_secure_cookie_key_version is RequestHandler.get_signed_cookie_key_version
