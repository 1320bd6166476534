"""A handler is gone when its request is: what it holds need not wait for the garbage collector, which may take long."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from halny.template import DictLoader
from halny.web import Application, HTTPError, RequestHandler, UIModule

from ._helpers import serving

if TYPE_CHECKING:
    from collections.abc import Generator


class Greeting(UIModule):
    def render(self, name: str) -> str:
        return f"<b>{name}</b>"


def shout(handler: RequestHandler, text: str) -> str:
    return text.upper()


TEMPLATES = {
    "plain.html": "{{ handler.request.path }}",
    "methods.html": "{{ shout('a') }}",
    "modules.html": "{% module Greeting('a') %}{% module Template('part.html') %}{% module xsrf_form_html() %}",
    "part.html": "{{ set_resources(embedded_css='') }}part",
    "broken.html": "{% module Greeting('a') %}{{ 1 / 0 }}",
}
HANDLERS: list[weakref.ref[RequestHandler]] = []


class Remembered(RequestHandler):
    def initialize(self) -> None:
        HANDLERS.append(weakref.ref(self))

    def log_exception(self, typ: object, value: object, tb: object) -> None:
        """Log nothing: what tests see of the log keeps exceptions, and those keep the frames that they came from."""


class Plain(Remembered):
    def get(self) -> None:
        self.write("x")


class Page(Remembered):
    def get(self, name: str) -> None:
        self.render(name + ".html")


class Parts(Remembered):
    async def get(self) -> None:
        self.write(self.render_string("modules.html"))
        await self.flush()
        await asyncio.sleep(0)
        self.write(self.ui.shout("b"))


class Personal(Remembered):
    def get(self) -> None:
        self.set_cookie("a", "b")
        self.write(self.locale.translate(self.get_argument("a")))
        self.write(self.xsrf_token)
        self.write(repr((self.current_user, self.cookies)))


class Refusing(Remembered):
    def get(self) -> None:
        raise HTTPError(404)

    async def post(self) -> None:
        await asyncio.sleep(0)
        raise HTTPError(403)


class Failing(Remembered):
    def get(self) -> None:
        raise ValueError

    async def post(self) -> None:
        await asyncio.sleep(0)
        raise ValueError


class FailingAtTheEnd(Page):
    def on_finish(self) -> None:
        raise ValueError


ROUTES = [
    ("/", Plain), ("/page/(.*)", Page), ("/parts", Parts), ("/personal", Personal), ("/refusing", Refusing),
    ("/failing", Failing), ("/end/(.*)", FailingAtTheEnd),
]  # fmt: skip


def application() -> Application:
    return Application(
        ROUTES, template_loader=DictLoader(TEMPLATES), ui_modules={"Greeting": Greeting}, ui_methods={"shout": shout}
    )


@contextmanager
def no_collector() -> Generator[None]:
    HANDLERS.clear()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def left(method: str, path: str) -> list[RequestHandler | None]:
    """Ask several times, and return the handlers that are left."""
    async with serving(application()) as server:
        await server.ask(method, path)  # what is made for the first request may stay
        with no_collector():
            for _ in range(3):
                await server.ask(method, path)
            assert len(HANDLERS) == 3
            return [found for handler in HANDLERS if (found := handler()) is not None]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/page/plain"), ("GET", "/page/methods"), ("GET", "/page/modules"), ("GET", "/parts"),
        ("GET", "/personal?a=b"), ("GET", "/refusing"), ("POST", "/refusing"), ("DELETE", "/"), ("GET", "/failing"),
        ("POST", "/failing"), ("GET", "/page/broken"), ("GET", "/end/modules"),
    ],
)  # fmt: skip
async def test_nothing_is_left_of_a_handler(method: str, path: str) -> None:
    assert await left(method, path) == []
