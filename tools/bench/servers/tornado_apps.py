# pyright: basic, reportMissingImports=false
# mypy: disable-error-code="import-not-found", disallow-subclassing-any=False
"""Tornado's applications."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
from typing import TYPE_CHECKING, Any

import tornado.web
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from tools.bench._site import COUNTERS, ROUTES, TABLE_TEMPLATE, Site, table_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class HelloHandler(RequestHandler):
    def get(self) -> None:
        self.write("Hello, world")


class AwaitHandler(RequestHandler):
    async def get(self) -> None:
        await asyncio.sleep(0)
        self.write("Hello, world")


class ItemHandler(RequestHandler):
    def get(self, item: str) -> None:
        query = self.get_argument("q")
        self.write({"id": int(item), "query": query, "tags": ["red", "green"], "price": 12.5, "stock": None})


class UploadHandler(RequestHandler):
    def post(self) -> None:
        self.write(str(len(self.request.body)))


def hello(site: Site) -> Application:
    return Application([(r"/", HelloHandler)])


def await_once(site: Site) -> Application:
    return Application([(r"/", AwaitHandler)])


def json(site: Site) -> Application:
    return Application([(r"/items/([0-9]+)", ItemHandler)])


def upload(site: Site) -> Application:
    return Application([(r"/upload", UploadHandler)])


def upload_stream(site: Site) -> Application:
    @tornado.web.stream_request_body
    class StreamHandler(RequestHandler):
        def prepare(self) -> None:
            self.size = 0

        def data_received(self, chunk: bytes) -> None:
            self.size += len(chunk)

        def post(self) -> None:
            self.write(str(self.size))

    return Application([(r"/upload", StreamHandler)])


def static(site: Site) -> Application:
    return Application([(r"/static/(.*)", tornado.web.StaticFileHandler, {"path": str(site.static)})])


def routes(site: Site) -> Application:
    return Application([(f"/route/{number}", HelloHandler) for number in range(ROUTES)])


def table(site: Site) -> Application:
    from tornado.template import DictLoader

    class TableHandler(RequestHandler):
        def get(self) -> None:
            self.render("table.html", title="A table", rows=table_rows())

    loader = DictLoader({"table.html": TABLE_TEMPLATE.replace("ENDFOR", "end")})
    return Application([(r"/", TableHandler)], template_loader=loader)


def counted(site: Site) -> Application:
    # Each worker counts its requests in a slot of memory that it shares with the benchmark.
    with (site.folder / COUNTERS).open("r+b") as file:
        counters = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")

    class CountedHandler(RequestHandler):
        def get(self) -> None:
            counters[os.getpid() % len(counters)] += 1
            self.write("Hello, world")

    return Application([(r"/", CountedHandler)])


APPS: dict[str, Callable[[Site], Application]] = {
    "hello": hello,
    "await": await_once,
    "json": json,
    "upload": upload,
    "upload-stream": upload_stream,
    "static": static,
    "routes": routes,
    "table": table,
    "counted": counted,
}


def serve(app: Application, site: Site) -> None:
    """Run the application until the process is killed."""
    if site.access_log:
        logging.basicConfig(level=logging.INFO)
    sockets = [site.socket]
    if site.workers:
        from tornado.netutil import bind_sockets
        from tornado.process import fork_processes

        fork_processes(site.workers)
        if site.reuse_port:
            sockets = bind_sockets(site.port, "127.0.0.1", reuse_port=True)

    async def main() -> None:
        server = HTTPServer(app, ssl_options=site.tls_context())
        server.add_sockets(sockets)
        await asyncio.Event().wait()

    run(main(), site.loop)


# How it runs; all above is the same for Tornado and Halny, but for the imports.
def run(main: Coroutine[Any, Any, None], loop: str) -> None:
    """Run on plain asyncio or on uvloop."""
    if loop == "asyncio":
        asyncio.run(main)
    else:
        import uvloop

        uvloop.run(main)
