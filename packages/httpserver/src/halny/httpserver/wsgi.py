"""Serves WSGI applications (PEP 3333), such as those made with Django or Flask.

    from concurrent.futures import ThreadPoolExecutor
    from halny.httpserver import HTTPServer
    from halny.wsgi import WSGIContainer

    server = HTTPServer(WSGIContainer(application, ThreadPoolExecutor(16)))
    server.listen(8888)

Strategy: an application is run from its call to its iterable's `close()` by one thread of the executor, which hands
each block to the loop and waits until the client keeps up. Without an executor it runs on the loop's own thread, where
nothing else goes on meanwhile: good for what answers at once, and for nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import closing, suppress
from contextvars import copy_context
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import unquote_to_bytes

from halny.http import (
    Endpoint,
    EndpointSource,
    HTTPHeaders,
    HTTPOutputError,
    HTTPServerRequest,
    ResponseStartLine,
    format_timestamp,
    split_host_and_port,
)
from halny.ioloop.concurrent import dummy_executor
from halny.iostream import StreamClosedError

from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
    from concurrent.futures import Executor
    from types import TracebackType

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    WSGIApplication = Callable[[dict[str, Any], Callable[..., Callable[[bytes], object]]], Iterable[bytes]]

__all__ = ["WSGIContainer", "access_log", "dummy_executor", "to_wsgi_str"]

access_log = logging.getLogger("halny.access")
application_log = logging.getLogger("halny.application")

SERVER: Final = f"HalnyServer/{__version__}"
"""The value of `Server` in a response that has none of its own."""

_HEAD_OF_500: Final = b"Content-Type: text/html; charset=UTF-8\r\nContent-Length: %d\r\n"

_HOP_BY_HOP: Final = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
"""Headers of the connection, which an application must not set (PEP 3333, "Other HTTP Features")."""


def to_wsgi_str(s: bytes) -> str:
    """Return bytes as the text that WSGI makes of them: one character for each byte.

    Args:
        s: the bytes.
    """
    return s.decode("latin-1")


class WSGIContainer:
    """Runs a WSGI application behind an `HTTPServer`, or behind a `FallbackHandler`.

    Request bodies are collected before the application is called, up to the server's `max_body_size`. Responses are
    streamed as the application makes them.

    Args:
        wsgi_application: the application.
        executor: runs it, in threads of its own. By default it runs on the loop's thread and blocks it.
    """

    def __init__(self, wsgi_application: WSGIApplication, executor: Executor | None = None) -> None:
        self.wsgi_application = wsgi_application
        self.executor: Executor = dummy_executor if executor is None else executor
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, request: HTTPServerRequest) -> asyncio.Task[None]:
        """Answer a request.

        Args:
            request: the request, whole.

        Returns:
            A task that ends with the response. It need not be awaited, and raises nothing.
        """
        task = asyncio.get_running_loop().create_task(self.handle_request(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def endpoint_source(self) -> EndpointSource | None:
        """Return the source of this application's endpoints, or None where a subclass has its own `__call__`."""
        return _WSGIEndpoints(self) if type(self).__call__ is WSGIContainer.__call__ else None

    async def handle_request(self, request: HTTPServerRequest) -> None:
        """Run the application on a request. What it raises is logged and answered with 500.

        Args:
            request: the request, whole.
        """
        response = _Response(self.wsgi_application, self.environ(request), request)
        try:
            await self._run(response)
        except StreamClosedError:
            pass  # the client has gone, and the application's iterable is closed
        except Exception:  # noqa: BLE001 - whatever an application raises
            application_log.exception("exception in the WSGI application for %s %s", request.method, request.uri)
            response.fail()
        request.mark_finished()
        self._log(response.code, request)

    async def _run(self, response: _Response) -> None:
        if self.executor is dummy_executor:
            with closing(response.blocks()) as blocks:
                for block in blocks:
                    await response.send(block)
        else:
            loop, context = asyncio.get_running_loop(), copy_context()
            await loop.run_in_executor(self.executor, lambda: context.run(_run_in_thread, response, loop))
        await response.finish()

    def environ(self, request: HTTPServerRequest) -> dict[str, Any]:
        """Return the environment in which the application is called for a request (PEP 3333).

        Headers whose name has an underscore are left out: they would take the place of the ones with a hyphen. So is
        `Proxy`, which CGI programs would read as `HTTP_PROXY` of their own environment.

        Args:
            request: the request.
        """
        host, port = split_host_and_port(request.host)
        headers = request.headers
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": to_wsgi_str(unquote_to_bytes(request.path)),
            "QUERY_STRING": request.query,
            "REMOTE_ADDR": request.remote_ip or "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port if port is not None else 443 if request.protocol == "https" else 80),
            "SERVER_PROTOCOL": request.version,
            "SERVER_SOFTWARE": SERVER,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": request.protocol,
            "wsgi.input": BytesIO(request.body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": self.executor is not dummy_executor,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if "Content-Type" in headers:
            environ["CONTENT_TYPE"] = headers["Content-Type"]
        if request.body or "Content-Length" in headers:
            environ["CONTENT_LENGTH"] = str(len(request.body))  # that of what is there, however it came
        for name in headers:
            variable = "HTTP_" + name.upper().replace("-", "_")
            if "_" not in name and variable not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_PROXY"):
                environ[variable] = ("; " if variable == "HTTP_COOKIE" else ",").join(headers.get_list(name))
        return environ

    def _log(self, status_code: int, request: HTTPServerRequest) -> None:
        level = logging.INFO if status_code < 400 else logging.WARNING if status_code < 500 else logging.ERROR
        if access_log.isEnabledFor(level):
            summary = f"{request.method} {request.uri} ({request.remote_ip})"
            access_log.log(level, "%d %s %.2fms", status_code, summary, 1000.0 * request.request_time())


def _run_in_thread(response: _Response, loop: asyncio.AbstractEventLoop) -> None:
    """Run an application in a thread of its own, and wait after each block until the client keeps up."""

    def emit(block: bytes) -> None:
        asyncio.run_coroutine_threadsafe(response.send(block), loop).result()

    response.emit = emit
    with closing(response.blocks()) as blocks:
        for block in blocks:
            emit(block)


@final
class _WSGIEndpoints(EndpointSource):
    def __init__(self, container: WSGIContainer) -> None:
        self._container = container

    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        return _WSGIEndpoint(self._container, request)


@final
class _WSGIEndpoint(Endpoint):
    """Runs the application on the whole request, whose forms are its own business."""

    def __init__(self, container: WSGIContainer, request: HTTPServerRequest) -> None:
        self._container = container
        self._request = request

    def run(self) -> Coroutine[Any, Any, None]:
        return self._container.handle_request(self._request)


@final
class _Response:
    """What an application says in answer to one request."""

    def __init__(self, application: WSGIApplication, environ: dict[str, Any], request: HTTPServerRequest) -> None:
        assert request.connection is not None
        self._application = application
        self._environ = environ
        self._connection = request.connection
        self._status: tuple[int, str] | None = None
        self._headers = HTTPHeaders()
        self._written: list[bytes] = []
        self._is_begun = False
        self._head_sent = False
        self.emit: Callable[[bytes], object] | None = None
        """Sends a block at once and waits; set where the application has a thread of its own."""

    @property
    def code(self) -> int:
        """The status code, for the log; 500 until the application has said one."""
        return 500 if self._status is None else self._status[0]

    def blocks(self) -> Generator[bytes]:
        """Run the application: yield its blocks, none of them empty, and close its iterable whatever happens."""
        result = self._application(self._environ, self._start_response)
        try:
            yield from self._take_written()
            if isinstance(result, (list, tuple)) and not self._is_begun:
                body = b"".join(result)
                if "Content-Length" not in self._headers and self._status is not None:
                    self._headers["Content-Length"] = str(len(body))
                result_blocks: Iterable[bytes] = [body]
            else:
                result_blocks = result
            for block in result_blocks:
                yield from self._take_written()
                if block:
                    self._is_begun = True
                    yield block  # PEP 3333: an empty block sends nothing, not even the head
            yield from self._take_written()
        finally:
            close: Callable[[], object] | None = getattr(result, "close", None)
            if close is not None:
                close()

    def _take_written(self) -> Iterator[bytes]:
        written, self._written = self._written, []
        if written:
            self._is_begun = True
            yield b"".join(written)

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """The `start_response` of PEP 3333."""
        if exc_info is not None and exc_info[1] is not None:
            try:
                if self._is_begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it refers to this frame
        elif self._status is not None:
            raise RuntimeError("start_response() was called twice without exc_info")
        code, _, reason = status.partition(" ")
        if not (len(code) == 3 and code.isascii() and code.isdigit()):
            raise ValueError(f"malformed status {status!r}, expected for example '200 OK'")
        checked = HTTPHeaders()
        for name, value in headers:
            if name.lower() in _HOP_BY_HOP:
                raise ValueError(f"header {name!r} is for the server to set")
            checked.add(name, value)
        self._status, self._headers = (int(code), reason), checked
        return self._write

    def _write(self, data: bytes) -> None:
        """The `write()` of PEP 3333: what it gets leaves before the next block is asked for."""
        if not data:
            return
        if self.emit is None:
            self._written.append(bytes(data))  # leaves as soon as the loop has its thread back
        else:
            self._is_begun = True
            self.emit(bytes(data))

    async def send(self, block: bytes) -> None:
        """Send a block, the head before the first, and wait until the client keeps up."""
        if not block:
            return
        if self._head_sent:
            await self._connection.write(block)
        else:
            await self._send_head(block)

    async def _send_head(self, block: bytes | None) -> None:
        if self._status is None:
            raise RuntimeError("the WSGI application did not call start_response()")
        code, reason = self._status
        headers = self._headers
        if code not in (204, 304) and "Content-Type" not in headers:
            headers["Content-Type"] = "text/html; charset=UTF-8"
        if "Server" not in headers:
            headers["Server"] = SERVER
        if "Date" not in headers:
            headers["Date"] = format_timestamp(time.time())
        written = self._connection.write_headers(ResponseStartLine("HTTP/1.1", code, reason), headers, block)
        self._head_sent = True
        await written

    async def finish(self) -> None:
        """End the response; one without any block has its head still to be sent."""
        if not self._head_sent:
            if self._status is not None and self._status[0] not in (204, 304):
                self._headers.setdefault("Content-Length", "0")
            await self._send_head(None)
        self._connection.finish()

    def fail(self) -> None:
        """Answer with 500 in the application's place, or break off what it has begun."""
        if not self._head_sent:
            self._status = (500, "Internal Server Error")
            body = b"<html><title>500: Internal Server Error</title><body>500: Internal Server Error</body></html>"
            with suppress(HTTPOutputError):  # the server may have answered in our place
                self._connection.respond(500, "Internal Server Error", _HEAD_OF_500 % len(body), body)
            return
        abort: Callable[[], object] | None = getattr(self._connection, "abort", None)
        if abort is not None:
            abort()
