from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import Application, HTTPError, RequestHandler, authenticated
from halny.web._security import MAX_TOKEN_LENGTH

from ._helpers import Answer, handler, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tools.strict_tests.logs import ExpectLog

    from ._helpers import Server

TOKEN = "9a2d5b5c7c1d4e7f8a9bacbdcedfe0f1"
MASKED = "2|01020304|9b2f58587d1f4d7b8b99afb9cfdde3f5|1300000000"
REMASKED = "2|ffffffff|65d2a4a383e2b1807564534231201f0e|5"
OTHER = "2|01020304|9b2f58587d1f4d7b8b99afb9cfdde3f6|1300000000"
GENERAL = "halny.general"


class Form(RequestHandler):
    def get(self) -> None:
        self.write(self.xsrf_form_html())

    def post(self) -> None:
        self.write("done")

    put = patch = delete = post


class FormOfUser(Form):
    def get_current_user(self) -> str:
        return "somebody"


def xsrf(**settings: Any) -> Application:
    routes: list[tuple[Any, ...]] = [("/", Form), ("/user", FormOfUser)]
    return Application(routes, xsrf_cookies=True, **settings)


def token_of(answer: Answer) -> str:
    match = re.fullmatch(r'<input type="hidden" name="_xsrf" value="([^"]*)"/>', answer.text)
    assert match is not None
    return match[1]


async def refused(
    server: Server, log: ExpectLog, message: str, *headers: str, method: str = "POST", body: bytes = b""
) -> None:
    with log(GENERAL, f"^403 {method} / .*: {message}$", count=1):
        if method == "POST":
            answer = await server.post("/", body, *headers)
        else:
            answer = await server.ask(method, "/", headers, body)
    assert (answer.status, answer.reason) == (403, "Forbidden")


@pytest.mark.parametrize("version", [1, 2])
async def test_a_form_and_its_cookie_belong_together(version: int) -> None:
    async with serving(xsrf(xsrf_cookie_version=version)) as server:
        page = await server.get("/")
        token = token_of(page)
        (cookie,) = page.headers("Set-Cookie")
        assert cookie == f"_xsrf={token}; Path=/"
        assert re.fullmatch("[0-9a-f]{32}" if version == 1 else r"2\|[0-9a-f]{8}\|[0-9a-f]{32}\|[0-9]{10}", token)
        assert (await server.post("/", f"_xsrf={token}".encode(), f"Cookie: _xsrf={token}")).body == b"done"


async def test_every_page_has_another_mask() -> None:
    async with serving(xsrf()) as server:
        pages = [await server.get("/", f"Cookie: _xsrf={MASKED}") for _ in range(2)]
        tokens = [token_of(page) for page in pages]
        assert len({MASKED, *tokens}) == 3
        assert [page.headers("Set-Cookie") for page in pages] == [[], []]
        for token in tokens:
            assert token.endswith("|1300000000")
            assert (await server.post("/", f"_xsrf={token}".encode(), f"Cookie: _xsrf={MASKED}")).body == b"done"


async def test_the_cookie_of_a_user_lasts_for_a_month() -> None:
    async with serving(xsrf()) as server:
        (cookie,) = (await server.get("/user")).headers("Set-Cookie")
    assert re.search("; expires=.* GMT; Path=/$", cookie)


async def test_the_cookie_can_be_named_and_have_attributes() -> None:
    attributes = {"httponly": True, "samesite": "Strict", "expires_days": None}
    async with serving(xsrf(xsrf_cookie_name="__Host-x", xsrf_cookie_kwargs={**attributes, "secure": True})) as server:
        page = await server.get("/user")
        token = token_of(page)
        assert page.headers("Set-Cookie") == [f"__Host-x={token}; HttpOnly; Path=/; SameSite=Strict; Secure"]
        assert (await server.post("/", f"_xsrf={token}".encode(), f"Cookie: __Host-x={token}")).body == b"done"


@pytest.mark.parametrize("sent", ["", "2|junk", "3|01020304|0102|1", "2|01020304||1"])
async def test_a_cookie_that_is_none_is_replaced(sent: str) -> None:
    async with serving(xsrf()) as server:
        page = await server.get("/", f"Cookie: _xsrf={sent}")
    assert page.headers("Set-Cookie") == [f"_xsrf={token_of(page)}; Path=/"]


@pytest.mark.parametrize("cookie", [TOKEN, MASKED])
@pytest.mark.parametrize("sent", [TOKEN, MASKED, REMASKED, TOKEN.upper()])
@pytest.mark.parametrize("place", ["form", "query", "X-Xsrftoken", "X-Csrftoken"])
async def test_both_versions_are_taken_everywhere(cookie: str, sent: str, place: str) -> None:
    headers = [f"Cookie: _xsrf={cookie}"]
    if place.startswith("X-"):
        headers.append(f"{place}: {sent}")
    path = f"/?_xsrf={sent}" if place == "query" else "/"
    async with serving(xsrf()) as server:
        answer = await server.post(path, f"_xsrf={sent}".encode() if place == "form" else b"", *headers)
    assert answer.body == b"done"


@pytest.mark.parametrize("cookie", [None, TOKEN, MASKED])
async def test_a_missing_token_is_refused(cookie: str | None, expect_log: ExpectLog) -> None:
    headers = [] if cookie is None else [f"Cookie: _xsrf={cookie}"]
    async with serving(xsrf()) as server:
        for body in (b"", b"_xsrf=", b"_xsrf=%20", b"other=1"):
            await refused(server, expect_log, "'_xsrf' argument missing from POST", *headers, body=body)
        await refused(
            server, expect_log, "'_xsrf' argument missing from POST", *headers, "X-Requested-With: XMLHttpRequest"
        )
        for method in ("PUT", "PATCH", "DELETE"):
            await refused(server, expect_log, f"'_xsrf' argument missing from {method}", *headers, method=method)


@pytest.mark.parametrize("cookie", [None, "", "2|junk", TOKEN, MASKED])
@pytest.mark.parametrize("sent", [OTHER, "9a2d5b5c7c1d4e7f8a9bacbdcedfe0f2", "9a", "junk"])
async def test_a_wrong_token_is_refused(cookie: str | None, sent: str, expect_log: ExpectLog) -> None:
    headers = [] if cookie is None else [f"Cookie: _xsrf={cookie}"]
    async with serving(xsrf()) as server:
        message = "XSRF cookie does not match POST argument"
        await refused(server, expect_log, message, *headers, body=f"_xsrf={sent}".encode())
        await refused(server, expect_log, message, *headers, f"X-Xsrftoken: {sent}")


@pytest.mark.parametrize(
    "sent", ["2|", "2|junk", "2|01020304||1", "3|01020304|0102|1", "1|x", "2|0102030|0102|1", "2|01020304|01|x"]
)
async def test_a_malformed_token_is_refused(sent: str, expect_log: ExpectLog) -> None:
    async with serving(xsrf()) as server:
        for cookie in (MASKED, sent):
            await refused(
                server,
                expect_log,
                "'_xsrf' argument has invalid format",
                f"Cookie: _xsrf={cookie}",
                body=f"_xsrf={sent}".encode(),
            )


@pytest.mark.parametrize("sent", [f"2|01020304|{'9b' * 64}|1", "9a" * (MAX_TOKEN_LENGTH // 2)])
async def test_tokens_may_be_longer_than_ours(sent: str) -> None:
    async with serving(xsrf()) as server:
        assert (await server.post("/", f"_xsrf={sent}".encode(), f"Cookie: _xsrf={sent}")).body == b"done"


@pytest.mark.parametrize(
    "sent", [f"2|01020304|{'9b' * 65}|1", f"2|01020304|{'9b' * 1_000_000}|1", "9" * (MAX_TOKEN_LENGTH + 1)]
)
async def test_a_token_that_is_too_long_is_none(sent: str, expect_log: ExpectLog) -> None:
    """One in a body may have megabytes, and taking it apart would keep everybody else waiting."""
    async with serving(xsrf()) as server:
        message = "'_xsrf' argument has invalid format"
        await refused(server, expect_log, message, f"Cookie: _xsrf={TOKEN}", body=f"_xsrf={sent}".encode())
        page = await server.get("/", f"Cookie: _xsrf={sent[:2000]}")
    assert page.headers("Set-Cookie") == [f"_xsrf={token_of(page)}; Path=/"]


async def test_there_is_no_token_before_it_is_used() -> None:
    def get(self: Any) -> None:
        assert not hasattr(self, "_xsrf_token")
        if self.request.query:
            self._xsrf_token = b"of the application"
            assert self.xsrf_token == b"of the application"
        else:
            assert self.xsrf_token is self._xsrf_token

    async with serving(Application([("/", handler(get))])) as server:
        assert (await server.get("/")).header("Set-Cookie") is not None
        assert (await server.get("/?own")).header("Set-Cookie") is None


async def test_an_unknown_version_is_an_error(expect_log: ExpectLog) -> None:
    async with serving(xsrf(xsrf_cookie_version=3)) as server:
        with expect_log("halny.application", "uncaught exception", count=1):
            assert (await server.get("/")).status == 500


async def test_safe_methods_need_no_token() -> None:
    class Safe(RequestHandler):
        def get(self) -> None:
            self.write("safe")

        head = options = get

    async with serving(Application([("/", Safe)], xsrf_cookies=True, cross_origin_protection=True)) as server:
        for method in ("GET", "HEAD", "OPTIONS"):
            assert (await server.ask(method, "/", ["Sec-Fetch-Site: cross-site"])).status == 200


async def test_what_is_not_there_needs_no_token() -> None:
    async with serving(xsrf(cross_origin_protection=True)) as server:
        assert (await server.post("/nowhere", b"", "Sec-Fetch-Site: cross-site", "Origin: null")).status == 404
        assert (await server.ask("BREW", "/")).status == 405


async def test_a_handler_may_do_without() -> None:
    class Api(Form):
        def check_xsrf_cookie(self) -> None:
            pass

    async with serving(Application([("/", Api)], xsrf_cookies=True)) as server:
        assert (await server.post("/")).body == b"done"


# The protection that needs no tokens

ORIGINS = ["https://partner.example"]


def protected(**settings: Any) -> Application:
    return Application([("/", Form)], cross_origin_protection=True, **settings)


@pytest.mark.parametrize(
    ("site", "origin", "good", "good_if_trusted"),
    [
        (None, None, True, True),
        (None, "http://example.com", True, True),
        (None, "https://example.com", True, True),
        (None, "https://EXAMPLE.com", True, True),
        (None, "https://partner.example", False, True),
        (None, "https://evil.example", False, False),
        (None, "http://example.com:81", False, False),
        (None, "http://example.com.evil.example", False, False),
        (None, "http://evil@example.com", False, False),
        (None, "http://example.com/", False, False),
        (None, "http://example.com, http://example.com", False, False),
        (None, "example.com", False, False),
        (None, "null", False, False),
        (None, "", False, False),
        ("same-origin", None, True, True),
        ("same-origin", "https://evil.example", True, True),
        ("none", None, True, True),
        ("none", "null", True, True),
        ("same-site", None, False, False),
        ("same-site", "http://example.com", False, False),
        ("same-site", "https://partner.example", False, True),
        ("cross-site", None, False, False),
        ("cross-site", "http://example.com", False, False),
        ("cross-site", "https://partner.example", False, True),
        ("cross-site", "https://PARTNER.example", False, False),
        ("cross-site", "null", False, False),
        ("Same-Origin", None, False, False),
        ("junk", "http://example.com", False, False),
        ("", None, False, False),
    ],
)
@pytest.mark.parametrize("trusted", [False, True])
async def test_where_a_request_comes_from(
    site: str | None, origin: str | None, good: bool, good_if_trusted: bool, trusted: bool, expect_log: ExpectLog
) -> None:
    headers = [
        f"{name}: {value}" for name, value in (("Sec-Fetch-Site", site), ("Origin", origin)) if value is not None
    ]
    async with serving(protected(trusted_origins=ORIGINS) if trusted else protected()) as server:
        if good_if_trusted if trusted else good:
            assert (await server.post("/", b"", *headers)).body == b"done"
        else:
            message = re.escape(f"Sec-Fetch-Site {site!r} and Origin {origin!r} not allowed")
            await refused(server, expect_log, message, *headers)
            await refused(server, expect_log, message, *headers, method="DELETE")


async def test_two_fields_do_not_hide_each_other(expect_log: ExpectLog) -> None:
    async with serving(protected()) as server:
        with expect_log(GENERAL, "not allowed", count=1):
            answer = await server.post("/", b"", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site")
        assert answer.status == 403


async def test_a_handler_trusts_whom_it_wants() -> None:
    class Trusting(Form):
        def check_trusted_origin(self, origin: str) -> bool:
            return origin.endswith(".example")

    async with serving(Application([("/", Trusting)], cross_origin_protection=True)) as server:
        assert (await server.post("/", b"", "Sec-Fetch-Site: cross-site", "Origin: https://x.example")).body == b"done"


async def test_nobody_is_asked_about_no_origin(expect_log: ExpectLog) -> None:
    class Trusting(Form):
        def check_trusted_origin(self, origin: str) -> bool:
            return True

    async with serving(Application([("/", Trusting)], cross_origin_protection=True)) as server:
        await refused(server, expect_log, ".* Origin None not allowed", "Sec-Fetch-Site: cross-site")


async def test_both_protections_at_once(expect_log: ExpectLog) -> None:
    good = [f"Cookie: _xsrf={TOKEN}", f"X-Xsrftoken: {TOKEN}"]
    async with serving(xsrf(cross_origin_protection=True)) as server:
        assert (await server.post("/", b"", *good)).body == b"done"
        await refused(server, expect_log, "Sec-Fetch-Site 'cross-site' .*", *good, "Sec-Fetch-Site: cross-site")
        await refused(server, expect_log, "'_xsrf' argument missing from POST", "Sec-Fetch-Site: same-origin")


async def test_prepare_comes_after_the_check(expect_log: ExpectLog) -> None:
    class Prepared(Form):
        def prepare(self) -> None:
            raise AssertionError

    async with serving(Application([("/", Prepared)], xsrf_cookies=True)) as server:
        await refused(server, expect_log, "'_xsrf' argument missing from POST")


# Users


class Profile(RequestHandler):
    def get_current_user(self) -> str | None:
        self.add_header("X-Asked", "1")
        return self.get_cookie("user")

    @authenticated
    def get(self, *args: str) -> None:
        self.write(f"{self.current_user} {self.current_user}")

    @authenticated
    async def post(self, *args: str) -> None:
        self.write(self.current_user)

    head = get


@pytest.mark.parametrize("cookie", ["Cookie: user=ada"])
async def test_users_get_in_and_are_asked_for_once(cookie: str) -> None:
    async with serving(Application([("/(.*)", Profile)], login_url="/login")) as server:
        answer = await server.get("/x", cookie)
        assert (answer.text, answer.header("X-Asked")) == ("ada ada", "1")
        assert (await server.post("/x", b"", cookie)).text == "ada"


@pytest.mark.parametrize(
    ("login_url", "path", "location"),
    [
        ("/login", "/x", "/login?next=%2Fx"),
        ("/login", "/x?a=1&b=2", "/login?next=%2Fx%3Fa%3D1%26b%3D2"),
        ("/login", "//evil.example/x", "/login?next=%2Fevil.example%2Fx"),
        ("/login", "///evil.example", "/login?next=%2Fevil.example"),
        ("/login", "/\\evil.example", "/login?next=%2Fevil.example"),
        ("/login?a=1", "/x", "/login?a=1"),
        ("https://sso.example/in", "/x", "https://sso.example/in?next=http%3A%2F%2Fexample.com%2Fx"),
        ("//sso.example/in", "/x", "//sso.example/in?next=http%3A%2F%2Fexample.com%2Fx"),
    ],
)
async def test_others_are_sent_to_the_login_url(login_url: str, path: str, location: str) -> None:
    async with serving(Application([("/(.*)", Profile)], login_url=login_url)) as server:
        for method in ("GET", "HEAD"):
            answer = await server.ask(method, path)
            assert (answer.status, answer.header("Location")) == (302, location)
        assert (await server.post(path)).status == 403


async def test_a_handler_has_a_login_url_of_its_own() -> None:
    class Own(Profile):
        def get_login_url(self) -> str:
            return "/own"

    async with serving(Application([("/", Own)])) as server:
        assert (await server.get("/")).header("Location") == "/own?next=%2F"


async def test_the_login_url_is_needed(expect_log: ExpectLog) -> None:
    async with serving(Application([("/", Profile)])) as server:
        with expect_log("halny.application", "uncaught exception", count=1) as records:
            assert (await server.get("/")).status == 500
    assert records[0].exc_info is not None
    assert "'login_url' setting" in str(records[0].exc_info[1])


async def test_the_user_may_be_set_in_prepare() -> None:
    class Prepared(Profile):
        async def prepare(self) -> None:
            self.current_user = "set"

        def get_current_user(self) -> str:
            raise AssertionError

    async with serving(Application([("/", Prepared)])) as server:
        assert (await server.get("/")).text == "set set"


async def test_nobody_is_the_default() -> None:
    def get(self: RequestHandler) -> Awaitable[None] | None:
        assert self.current_user is None
        raise HTTPError(204)

    async with serving(Application([("/", handler(get))])) as server:
        assert (await server.get("/")).status == 204
