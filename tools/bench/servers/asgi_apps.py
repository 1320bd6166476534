# pyright: basic
"""Bare ASGI applications on uvicorn: what a framework could reach there if it cost nothing."""

from __future__ import annotations

import asyncio
import json as json_module
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ._uvicorn import serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from tools.bench._site import Site

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]

__all__ = ["APPS", "serve"]


async def _answer(send: Send, body: bytes, content_type: bytes = b"text/plain; charset=utf-8") -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def hello(site: Site) -> App:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await _answer(send, b"Hello, world")

    return app


def await_once(site: Site) -> App:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await asyncio.sleep(0)
        await _answer(send, b"Hello, world")

    return app


def json(site: Site) -> App:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        item = int(scope["path"].rpartition("/")[2])
        query = parse_qs(scope["query_string"].decode())["q"][0]
        value = {"id": item, "query": query, "tags": ["red", "green"], "price": 12.5, "stock": None}
        await _answer(send, json_module.dumps(value).encode(), b"application/json")

    return app


def upload(site: Site) -> App:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        chunks = []
        while (message := await receive()).get("more_body"):
            chunks.append(message["body"])
        chunks.append(message["body"])
        await _answer(send, str(len(b"".join(chunks))).encode())

    return app


def upload_stream(site: Site) -> App:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        size = 0
        while (message := await receive()).get("more_body"):
            size += len(message["body"])
        size += len(message["body"])
        await _answer(send, str(size).encode())

    return app


APPS: dict[str, Callable[[Site], App]] = {
    "hello": hello,
    "await": await_once,
    "json": json,
    "upload": upload,
    "upload-stream": upload_stream,
}
