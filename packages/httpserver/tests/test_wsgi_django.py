"""A Django application behind the server: routes, forms with and without CSRF protection, uploads, streams, errors."""

from __future__ import annotations

import importlib
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from halny.wsgi import WSGIContainer

from ._helpers import head, serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from tools.strict_tests.logs import ExpectLog

FORM = "Content-Type: application/x-www-form-urlencoded"


def views() -> list[Any]:
    """The application's routes: what Django knows as its URL configuration."""
    http = importlib.import_module("django.http")
    static = importlib.import_module("django.views.static")
    csrf = importlib.import_module("django.views.decorators.csrf")
    path = importlib.import_module("django.urls").path

    def hello(request: Any, name: str) -> Any:
        return http.HttpResponse(f"{request.method} {name} {request.GET.get('q')} {request.headers.get('X-A')}")

    def form(request: Any) -> Any:
        return http.JsonResponse({"field": request.POST.get("field"), "size": len(request.body)})

    def token(request: Any) -> Any:
        return http.HttpResponse(importlib.import_module("django.middleware.csrf").get_token(request))

    def upload(request: Any) -> Any:
        file = request.FILES["file"]
        return http.HttpResponse(f"{type(file).__name__} {file.size} {request.POST['field']}")

    def raw(request: Any) -> Any:
        return http.HttpResponse(str(sum(map(len, iter(lambda: request.read(10_000), b"")))))

    def stream(request: Any) -> Any:
        return http.StreamingHttpResponse(bytes([65 + number]) * 1000 for number in range(3))

    def broken(request: Any) -> Any:
        raise LookupError("broken")

    return [
        path("hello/<name>", hello),
        path("form", csrf.csrf_exempt(form)),
        path("protected", form),
        path("token", token),
        path("upload", csrf.csrf_exempt(upload)),
        path("raw", csrf.csrf_exempt(raw)),
        path("stream", stream),
        path("broken", broken),
        path("static/<path:path>", static.serve, {"document_root": Path(__file__).parent}),
    ]


@pytest.fixture(scope="module")
def application() -> Any:
    pytest.importorskip("django", reason="Django is not installed")
    settings = importlib.import_module("django.conf").settings
    if not settings.configured:
        settings.configure(
            SECRET_KEY="a secret of the tests",
            ALLOWED_HOSTS=["h"],
            LOGGING_CONFIG=None,
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware", "django.middleware.common.CommonMiddleware"],
            ROOT_URLCONF=__name__,
        )
    global urlpatterns  # the name by which Django asks this module for its routes
    urlpatterns = views()
    return importlib.import_module("django.core.wsgi").get_wsgi_application()


urlpatterns: list[Any] = []


@pytest.fixture(params=["loop", "threads"])
def container(request: pytest.FixtureRequest, application: Any) -> Generator[WSGIContainer]:
    if request.param == "loop":
        yield WSGIContainer(application)
        return
    with ThreadPoolExecutor(2) as threads:
        yield WSGIContainer(application, threads)


def form(target: str, body: bytes, *lines: str) -> bytes:
    return head("POST", target, FORM, f"Content-Length: {len(body)}", *lines) + body


async def test_routes(container: WSGIContainer, expect_log: ExpectLog) -> None:
    async with serving(container) as server, await server.connect() as client:
        response = await client.ask(head("GET", "/hello/caf%C3%A9?q=a%20b", "X-A: 1"))
        assert (response.status, response.body) == (200, "GET café a b 1".encode())
        assert int(response.headers["content-length"]) == len(response.body)
        assert (await client.ask(head("HEAD", "/hello/x"), "HEAD")).body == b""
        with (
            expect_log("django.request", "Not Found: /nowhere", logging.WARNING, count=1),
            expect_log("halny.access", "^404 GET /nowhere", logging.WARNING, count=1),
        ):
            assert (await client.ask(head("GET", "/nowhere"))).status == 404
            await server.until(lambda: not server.settings.tasks)


async def test_forms(container: WSGIContainer) -> None:
    async with serving(container) as server, await server.connect() as client:
        response = await client.ask(form("/form", b"field=a+value"))
        assert response.body == b'{"field": "a value", "size": 13}'
        chunks = head("POST", "/form", FORM, "Transfer-Encoding: chunked") + b"6\r\nfield=\r\n3\r\nall\r\n0\r\n\r\n"
        assert (await client.ask(chunks)).body == b'{"field": "all", "size": 9}'


async def test_forms_with_csrf_protection(container: WSGIContainer, expect_log: ExpectLog) -> None:
    async with serving(container) as server, await server.connect() as client:
        given = await client.ask(head("GET", "/token"))
        (cookie,) = re.findall(r"csrftoken=\w+", given.headers["set-cookie"])
        body = b"field=x&csrfmiddlewaretoken=" + given.body
        response = await client.ask(form("/protected", body, f"Cookie: {cookie}"))
        assert (response.status, b'"field": "x"' in response.body) == (200, True)
        with (
            expect_log("django.security.csrf", "Forbidden", logging.WARNING, count=1),
            expect_log("halny.access", "^403 POST /protected", logging.WARNING, count=1),
        ):
            assert (await client.ask(form("/protected", body))).status == 403
            await server.until(lambda: not server.settings.tasks)


@pytest.mark.parametrize(("size", "kind"), [(5, "InMemory"), (3_000_000, "Temporary")])
async def test_uploads(container: WSGIContainer, size: int, kind: str) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + bytes(size) + b"\r\n--b--\r\n"
    )
    lines = ("Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body)}")
    async with serving(container) as server, await server.connect() as client:
        assert (
            await client.ask(head("POST", "/upload", *lines) + body)
        ).body == f"{kind}UploadedFile {size} value".encode()
        assert (await client.ask(head("GET", "/hello/x"))).status == 200
        raw = head("PUT", "/raw", f"Content-Length: {size}", "Expect: 100-continue")
        assert (await client.ask(raw)).status == 100
        assert (await client.ask(bytes(size))).body == str(size).encode()


async def test_streams_and_files(container: WSGIContainer) -> None:
    async with serving(container) as server, await server.connect() as client:
        response = await client.ask(head("GET", "/stream"))
        assert response.headers["transfer-encoding"] == "chunked"
        assert response.body == b"A" * 1000 + b"B" * 1000 + b"C" * 1000
        response = await client.ask(head("GET", "/static/test_wsgi_django.py"))
        assert response.body == Path(__file__).read_bytes()
        since = f"If-Modified-Since: {response.headers['last-modified']}"
        response = await client.ask(head("GET", "/static/test_wsgi_django.py", since))
        assert (response.status, response.body) == (304, b"")


async def test_a_view_that_fails(container: WSGIContainer, expect_log: ExpectLog) -> None:
    with (
        expect_log("django.request", "Internal Server Error: /broken", logging.ERROR, count=1),
        expect_log("halny.access", "^500 GET /broken", logging.ERROR, count=1),
    ):
        async with serving(container) as server, await server.connect() as client:
            response = await client.ask(head("GET", "/broken"))
            assert (response.status, b"broken" in response.body) == (500, False)
            assert (await client.ask(head("GET", "/hello/x"))).status == 200


async def test_a_client_that_leaves_within_an_upload(application: Any, expect_log: ExpectLog) -> None:
    with (
        ThreadPoolExecutor(1) as threads,
        expect_log("django.request", "Internal Server Error: /raw", logging.ERROR, count=1) as records,
    ):
        async with serving(WSGIContainer(application, threads)) as server:
            async with await server.connect() as client:
                client.send(head("PUT", "/raw", "Content-Length: 200000", "Expect: 100-continue"))
                assert (await client.response()).status == 100
                client.send(bytes(100_000))
                await server.until(lambda: server.connection._received() == 100_000)
            await server.until(lambda: not server.settings.tasks)
            assert (await server.ask(head("GET", "/hello/x"))).status == 200
    assert "UnreadablePostError" in repr(records[0].exc_info)  # Django's own name for it, and Django's own line
