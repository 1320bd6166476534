# pyright: basic, reportMissingImports=false
# mypy: disable-error-code="import-not-found"
"""Starlette's applications, on uvicorn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tools.bench._site import ROUTES, TABLE_TEMPLATE, Site, table_rows

from ._uvicorn import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

__all__ = ["APPS", "serve"]


async def get_hello(request: Request) -> Response:
    return PlainTextResponse("Hello, world")


async def get_await(request: Request) -> Response:
    await asyncio.sleep(0)
    return PlainTextResponse("Hello, world")


async def get_item(request: Request) -> Response:
    item, query = request.path_params["item"], request.query_params["q"]
    return JSONResponse({"id": item, "query": query, "tags": ["red", "green"], "price": 12.5, "stock": None})


async def post_upload(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def post_upload_stream(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return PlainTextResponse(str(size))


def hello(site: Site) -> Starlette:
    return Starlette(routes=[Route("/", get_hello)])


def await_once(site: Site) -> Starlette:
    return Starlette(routes=[Route("/", get_await)])


def json(site: Site) -> Starlette:
    return Starlette(routes=[Route("/items/{item:int}", get_item)])


def upload(site: Site) -> Starlette:
    return Starlette(routes=[Route("/upload", post_upload, methods=["POST"])])


def upload_stream(site: Site) -> Starlette:
    return Starlette(routes=[Route("/upload", post_upload_stream, methods=["POST"])])


def static(site: Site) -> Starlette:
    return Starlette(routes=[Mount("/static", StaticFiles(directory=site.static))])


def routes(site: Site) -> Starlette:
    return Starlette(routes=[Route(f"/route/{number}", get_hello) for number in range(ROUTES)])


def table(site: Site) -> Starlette:
    import jinja2

    environment = jinja2.Environment(autoescape=True)
    template = environment.from_string(TABLE_TEMPLATE.replace("ENDFOR", "endfor"))

    async def get_table(request: Request) -> Response:
        return HTMLResponse(template.render(title="A table", rows=table_rows()))

    return Starlette(routes=[Route("/", get_table)])


APPS: dict[str, Callable[[Site], Starlette]] = {
    "hello": hello,
    "await": await_once,
    "json": json,
    "upload": upload,
    "upload-stream": upload_stream,
    "static": static,
    "routes": routes,
    "table": table,
}
