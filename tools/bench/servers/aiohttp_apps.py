# pyright: basic, reportMissingImports=false
# mypy: disable-error-code="import-not-found"
"""aiohttp's applications."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import uvloop
from aiohttp import web

from tools.bench._site import ROUTES, TABLE_TEMPLATE, Site, table_rows

if TYPE_CHECKING:
    from collections.abc import Callable


async def get_hello(request: web.Request) -> web.Response:
    return web.Response(text="Hello, world")


async def get_await(request: web.Request) -> web.Response:
    await asyncio.sleep(0)
    return web.Response(text="Hello, world")


async def get_item(request: web.Request) -> web.Response:
    item, query = request.match_info["item"], request.query["q"]
    return web.json_response({"id": int(item), "query": query, "tags": ["red", "green"], "price": 12.5, "stock": None})


async def post_upload(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def post_upload_stream(request: web.Request) -> web.Response:
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
    return web.Response(text=str(size))


def hello(site: Site) -> web.Application:
    return _application(web.get("/", get_hello))


def await_once(site: Site) -> web.Application:
    return _application(web.get("/", get_await))


def json(site: Site) -> web.Application:
    return _application(web.get(r"/items/{item:[0-9]+}", get_item))


def upload(site: Site) -> web.Application:
    return _application(web.post("/upload", post_upload))


def upload_stream(site: Site) -> web.Application:
    return _application(web.post("/upload", post_upload_stream))


def static(site: Site) -> web.Application:
    return _application(web.static("/static", site.static))


def routes(site: Site) -> web.Application:
    return _application(*(web.get(f"/route/{number}", get_hello) for number in range(ROUTES)))


def table(site: Site) -> web.Application:
    import jinja2

    environment = jinja2.Environment(autoescape=True)
    template = environment.from_string(TABLE_TEMPLATE.replace("ENDFOR", "endfor"))

    async def get_table(request: web.Request) -> web.Response:
        return web.Response(text=template.render(title="A table", rows=table_rows()), content_type="text/html")

    return _application(web.get("/", get_table))


APPS: dict[str, Callable[[Site], web.Application]] = {
    "hello": hello,
    "await": await_once,
    "json": json,
    "upload": upload,
    "upload-stream": upload_stream,
    "static": static,
    "routes": routes,
    "table": table,
}


def _application(*rules: web.AbstractRouteDef) -> web.Application:
    app = web.Application(client_max_size=100 << 20)
    app.add_routes(rules)
    return app


def serve(app: web.Application, site: Site) -> None:
    """Run the application until the process is killed."""
    if site.access_log:
        logging.basicConfig(level=logging.INFO)

    async def main() -> None:
        runner = web.AppRunner(app, access_log=logging.getLogger("aiohttp.access") if site.access_log else None)
        await runner.setup()
        await web.SockSite(runner, site.socket, ssl_context=site.tls_context()).start()
        await asyncio.Event().wait()

    uvloop.run(main())
