"""A small site that shows what Halny does, until Ctrl-C.

tools/hatch run demo
tools/hatch run demo --port 8000 --address 0.0.0.0
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import signal
import sys
from typing import TYPE_CHECKING

import halny.ioloop
import halny.web
from halny.httpserver import HTTPServer
from halny.netutil import bind_sockets

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Halny</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
  body { max-width: 38rem; margin: 2rem auto; padding: 0 1rem; }
  input, button { font: inherit; padding: .2rem .5rem; }
</style>
<h1>Hello from Halny</h1>
<p>This page comes from a handler. So do these:</p>
<ul>
  <li><a href="/hello/Tatra">/hello/Tatra</a>: a part of the path becomes an argument
  <li><a href="/json?number=7&amp;number=8">/json?number=7&amp;number=8</a>: a dict becomes JSON
  <li><a href="/wait?seconds=0.5">/wait?seconds=0.5</a>: a handler that waits, while others are served
  <li><a href="/nowhere">/nowhere</a>: a page that is not there
</ul>
<form method="post" action="/greet"><label>Your name <input name="name"></label> <button>Greet</button></form>
</html>
"""

MAX_WAIT = 5.0
"""Seconds that `/wait` waits at most: a visitor must not hold a connection for as long as he likes."""


class MainHandler(halny.web.RequestHandler):
    def get(self) -> None:
        self.write(PAGE)


class HelloHandler(halny.web.RequestHandler):
    def get(self, name: str) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.write(f"Hello, {name}\n")


class GreetHandler(halny.web.RequestHandler):
    def post(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.write(f"Hello, {self.get_body_argument('name') or 'stranger'}\n")


class JSONHandler(halny.web.RequestHandler):
    def get(self) -> None:
        self.write({"numbers": self.get_arguments("number"), "method": self.request.method})


class WaitHandler(halny.web.RequestHandler):
    async def get(self) -> None:
        try:
            seconds = float(self.get_argument("seconds", "1"))
        except ValueError:
            raise halny.web.HTTPError(400, reason="seconds is not a number") from None
        seconds = min(max(seconds, 0.0), MAX_WAIT)
        await asyncio.sleep(seconds)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.write(f"waited {seconds:g} seconds\n")


def make_app() -> halny.web.Application:
    return halny.web.Application(
        [
            (r"/", MainHandler),
            (r"/hello/(\w+)", HelloHandler),
            (r"/greet", GreetHandler),
            (r"/json", JSONHandler),
            (r"/wait", WaitHandler),
        ]
    )


async def serve(address: str, port: int) -> None:
    stopped = asyncio.Event()
    _on_signals(stopped.set)
    sockets = bind_sockets(port, address)
    server = HTTPServer(make_app())
    server.add_sockets(sockets)
    shown = f"[{address}]" if ":" in address else address
    port = sockets[0].getsockname()[1]
    print(f"Halny's demo is at http://{shown}:{port}/ (Ctrl-C stops it)", flush=True)
    await stopped.wait()
    server.stop()
    await server.close_all_connections()


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows: Ctrl-C raises KeyboardInterrupt instead
            return


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/hatch run demo", description="Serve a small site with Halny.")
    parser.add_argument("--port", type=int, default=8888, help="the TCP port, or 0 for a free one (default: 8888)")
    parser.add_argument("--address", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    options = parser.parse_args()
    if not 0 <= options.port < 65536:
        parser.error(f"--port must lie between 0 and 65535, not {options.port}")
    try:
        halny.ioloop.run(serve(options.address, options.port))
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            print(f"port {options.port} is taken: choose another one with --port", file=sys.stderr)
        else:
            reason = error.strerror or error
            print(
                f"can't listen on {options.address}:{options.port} ({reason}): see --address and --port",
                file=sys.stderr,
            )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
