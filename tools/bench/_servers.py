"""The servers that can be measured: their names, how they run, and the module of `servers/` that makes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    """A server as users run it."""

    name: str
    module: str
    """The module of `tools.bench.servers` with its applications."""
    loop: str
    """`asyncio` or `uvloop`; a server that brings its own loop ignores it."""
    title: str
    only_where_named: bool = False
    """Takes part only in the cases that name it."""
    logs: bool = True
    """Has an access log."""


SERVERS = {
    server.name: server
    for server in (
        Server("halny", "halny_apps", "uvloop", "Halny, `halny.ioloop.run` with uvloop"),
        Server("halny-asyncio", "halny_apps", "asyncio", "Halny, `asyncio.run`"),
        Server("tornado", "tornado_apps", "asyncio", "Tornado, `asyncio.run`"),
        Server("tornado-uvloop", "tornado_apps", "uvloop", "Tornado, `uvloop.run`"),
        Server("aiohttp", "aiohttp_apps", "uvloop", "aiohttp on uvloop"),
        Server("uvicorn", "asgi_apps", "uvloop", "uvicorn (httptools, uvloop), a bare ASGI application"),
        Server("starlette", "starlette_apps", "uvloop", "uvicorn (httptools, uvloop), Starlette"),
        Server("nginx", "nginx", "own", "nginx, one process", only_where_named=True),
        Server("limit", "limit", "uvloop", "the limit: a protocol on uvloop that parses with httptools"),
    )
}

SAME_API = ("tornado", "tornado-uvloop", "halny", "halny-asyncio")
"""Run the same program, so they must give the same answers; the first one that runs is the reference."""
