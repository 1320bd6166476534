"""Serves WSGI applications (PEP 3333), such as those made with Django or Flask.

    from concurrent.futures import ThreadPoolExecutor
    from halny.httpserver import HTTPServer
    from halny.wsgi import WSGIContainer

    server = HTTPServer(WSGIContainer(application, ThreadPoolExecutor(16)))
    server.listen(8888)

Strategy: an application is run from its call to its iterable's `close()` by one thread of the executor, which hands
each block to the loop and waits until the client keeps up. Without an executor it runs on the loop's own thread, where
nothing else goes on meanwhile: good for what answers at once, and for nothing else.

Bodies of requests are collected before the application is called, with two exceptions, which need an executor: a large
body is read by the application as it comes, and so is one that the client sends only when it is asked to.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import closing
from contextvars import copy_context
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import unquote_to_bytes

from halny.http import (
    Endpoint,
    EndpointSource,
    HTTPOutputError,
    HTTPServerRequest,
    StreamingEndpoint,
    split_host_and_port,
)
from halny.ioloop.concurrent import dummy_executor
from halny.iostream import StreamClosedError

from ._wsgi_input import RequestInput
from ._wsgi_response import SERVER, Response
from ._wsgi_thread import ApplicationThread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from concurrent.futures import Executor

    from ._wsgi_response import WSGIApplication

    Answer = Callable[[HTTPServerRequest, RequestInput], Coroutine[Any, Any, None]]

__all__ = ["WSGIContainer", "access_log", "dummy_executor", "to_wsgi_str"]

access_log = logging.getLogger("halny.access")
application_log = logging.getLogger("halny.application")

MAX_COLLECTED: Final = 64 * 1024
"""Bytes of a body that is collected before an application is called. A client that sends no more keeps no thread
waiting, however slow it is; and with so many of a larger body there, the thread has something to do."""


def to_wsgi_str(s: bytes) -> str:
    """Return bytes as the text that WSGI makes of them: one character for each byte.

    Args:
        s: the bytes.
    """
    return s.decode("latin-1")


class WSGIContainer:
    """Runs a WSGI application behind an `HTTPServer`, or behind a `FallbackHandler`.

    Responses are streamed as the application makes them. With an executor behind an `HTTPServer`, bodies of more than
    64 KiB are read as they come: reading `wsgi.input` waits, and lets the client wait where the application is the
    slower one; when the client leaves it raises `ConnectionAbortedError`. `100 Continue` is sent when the application
    reads. Other bodies are collected first, up to the server's `max_body_size`.

    Args:
        wsgi_application: the application.
        executor: runs it, in threads of its own. By default it runs on the loop's thread and blocks it.
        stream_chunked: whether bodies whose length nobody knows beforehand are read as they come too. Then they have
            no `CONTENT_LENGTH`, and end where `wsgi.input` does: PEP 3333 has no such thing, so that Django takes them
            to be empty; Flask and others look at `wsgi.input_terminated`. By default they are collected, and have one.

    Raises:
        TypeError: the application can't be called, or the executor runs nothing; the caller's fault.
    """

    def __init__(
        self, wsgi_application: WSGIApplication, executor: Executor | None = None, *, stream_chunked: bool = False
    ) -> None:
        if not callable(wsgi_application):
            raise TypeError(f"the WSGI application is {wsgi_application!r}, expected a callable")
        if executor is not None and not callable(getattr(executor, "submit", None)):
            raise TypeError(f"executor is {executor!r}, expected for example ThreadPoolExecutor(16)")
        self.wsgi_application = wsgi_application
        self.executor: Executor = dummy_executor if executor is None else executor
        self.stream_chunked = stream_chunked
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
        if type(self).__call__ is not WSGIContainer.__call__:
            return None
        wants_whole_requests = type(self).handle_request is not WSGIContainer.handle_request
        streams = self.executor is not dummy_executor and not wants_whole_requests
        return _WSGIEndpoints(self, self._answer if streams else None)

    async def handle_request(self, request: HTTPServerRequest) -> None:
        """Run the application on a request. What it raises is logged and answered with 500.

        Args:
            request: the request, whole.
        """
        await self._answer(request, None)

    async def _answer(self, request: HTTPServerRequest, body: RequestInput | None) -> None:
        environ = self.environ(request)
        if body is not None:
            environ["wsgi.input"] = body.as_file()
            environ.pop("CONTENT_LENGTH", None)
            if "Content-Length" in request.headers:
                environ["CONTENT_LENGTH"] = request.headers["Content-Length"]
        response = Response(self.wsgi_application, environ, request)
        try:
            await self._run(response, body)
        except StreamClosedError:
            pass  # the client has gone, and the application's iterable is closed
        except Exception as error:  # noqa: BLE001 - whatever an application raises
            if not _comes_of(error, body):
                application_log.exception("exception in the WSGI application for %s %s", request.method, request.uri)
                response.fail()
        request.mark_finished()
        if body is None or not body.is_broken:  # else nobody got what the application said
            self._log(response.code, request)

    async def _run(self, response: Response, body: RequestInput | None) -> None:
        if self.executor is dummy_executor:
            with closing(response.blocks()) as blocks:
                for block in blocks:
                    await response.send(block)
        else:
            loop, context = asyncio.get_running_loop(), copy_context()
            thread = ApplicationThread(response, body, loop)
            try:
                await loop.run_in_executor(self.executor, context.run, thread.run)
            finally:
                thread.break_off()
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
        # `OPTIONS *` and CONNECT have no path: for PEP 3333 that is an empty one, for any other begins with a slash.
        path = request.path if request.path.startswith("/") else ""
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": to_wsgi_str(unquote_to_bytes(path)),
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


def _comes_of(error: Exception, body: RequestInput | None) -> bool:
    """Return whether an error is only what became of one of the client's: of a body that has no end."""
    return body is not None and body.is_broken and isinstance(error, (OSError, HTTPOutputError))


@final
class _WSGIEndpoints(EndpointSource):
    def __init__(self, container: WSGIContainer, answer: Answer | None) -> None:
        self._container = container
        self._answer = answer

    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        if self._answer is not None and request.has_body:
            begin_at = _begin_at(request, stream_chunked=self._container.stream_chunked)
            if begin_at is not None:
                return _StreamingWSGIEndpoint(self._answer, request, begin_at)
        return _WSGIEndpoint(self._container, request)


def _begin_at(request: HTTPServerRequest, *, stream_chunked: bool) -> int | None:
    """Return how much of a body must be there before its application is called, or None for all of it."""
    headers = request.headers
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        return None  # the server may take the coding off, and then its length is not known
    length = headers.get("Content-Length")
    if length is None and not stream_chunked:
        return None
    if headers.get("Expect", "").lower() == "100-continue" and request.version != "HTTP/1.0":
        return 0
    if length is None:
        return 1
    return MAX_COLLECTED if int(length) > MAX_COLLECTED else None


@final
class _WSGIEndpoint(Endpoint):
    """Runs the application on the whole request, whose forms are its own business."""

    def __init__(self, container: WSGIContainer, request: HTTPServerRequest) -> None:
        self._container = container
        self._request = request

    def run(self) -> Coroutine[Any, Any, None]:
        return self._container.handle_request(self._request)


@final
class _StreamingWSGIEndpoint(StreamingEndpoint):
    """Runs the application while the body is still on its way."""

    def __init__(self, answer: Answer, request: HTTPServerRequest, begin_at: int) -> None:
        self._answer = answer
        self._request = request
        self._is_asked_for = not begin_at
        self._body = RequestInput(asyncio.get_running_loop(), begin_at)

    async def run(self) -> None:
        body = self._body
        try:
            await body.begun
            if not body.is_broken:
                await self._answer(self._request, body)
        finally:
            body.break_off("the request is over")

    def wait_for_body(self) -> Awaitable[None] | None:
        return self._body.wanted if self._is_asked_for else None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._body.put(chunk)

    def body_complete(self) -> None:
        self._body.complete()

    def on_connection_close(self) -> None:
        if getattr(self._request.connection, "is_closed", True):
            self._body.break_off("the client has gone before it sent all of the body")
        else:
            self._body.break_off("the server has refused the rest of the body: it is malformed, too large or too slow")
