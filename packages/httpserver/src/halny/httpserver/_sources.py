"""Makes every kind of application an `EndpointSource`, so that a connection has one way to hand requests over.

An object that offers endpoints itself is used as it is. An `HTTPServerConnectionDelegate` is told of the message
part by part, as a streaming endpoint; any other callable is called with the whole request.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any, cast, final

from halny.http import (
    Endpoint,
    EndpointSource,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    RequestStartLine,
    StreamingEndpoint,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from halny.http import HTTPConnection, HTTPHeaders, ResponseStartLine

application_log = logging.getLogger("halny.application")


def endpoint_source(application: object) -> EndpointSource:
    """Return the source of endpoints that an application is, offers, or is made into.

    Args:
        application: an `EndpointSource`; an object whose `endpoint_source()` gives one, or None where it is to be
            served in the delegate way; an `HTTPServerConnectionDelegate`; or a callable that takes the request.

    Raises:
        TypeError: it is none of these; the caller's fault.
    """
    if isinstance(application, EndpointSource):
        return application
    offer: Callable[[], EndpointSource | None] | None = getattr(application, "endpoint_source", None)
    offered = offer() if offer is not None else None
    if offered is not None:
        return offered
    if isinstance(application, HTTPServerConnectionDelegate):
        return DelegateSource(application)
    if callable(application):
        return CallableSource(application)
    raise TypeError(f"a server needs a delegate, a source of endpoints or a callable, not {application!r}")


@final
class CallableSource(EndpointSource):
    """Hands whole requests to a callable.

    Args:
        callback: is called with the request; a coroutine that it returns is run.
    """

    def __init__(self, callback: Callable[[HTTPServerRequest], object]) -> None:
        self._callback = callback

    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        """See `EndpointSource.find_endpoint`."""
        return _CallableEndpoint(self._callback, request)


@final
class _CallableEndpoint(Endpoint):
    def __init__(self, callback: Callable[[HTTPServerRequest], object], request: HTTPServerRequest) -> None:
        self._callback = callback
        self._request = request

    def run(self) -> Coroutine[Any, Any, None] | None:
        self._request.check_arguments()
        self._request.parse_body()
        result = self._callback(self._request)
        return _await(result) if inspect.isawaitable(result) else None


@final
class DelegateSource(EndpointSource):
    """Tells a delegate of each request's parts.

    Args:
        delegate: is asked for an `HTTPMessageDelegate` for each request.
    """

    def __init__(self, delegate: HTTPServerConnectionDelegate) -> None:
        self._delegate = delegate

    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        """See `EndpointSource.find_endpoint`."""
        connection = request.connection
        assert connection is not None
        return DelegateEndpoint(self._delegate.start_request(request.server_connection, connection), request)

    def on_close(self, server_connection: object) -> None:
        """Tell the delegate that a connection was closed."""
        self._delegate.on_close(server_connection)


@final
class DelegateEndpoint(StreamingEndpoint):
    def __init__(self, delegate: HTTPMessageDelegate, request: HTTPServerRequest) -> None:
        self._delegate = delegate
        self._request = request
        self._headers_taken: Awaitable[None] | None = None
        self._has_body = request.has_body

    def run(self) -> Coroutine[Any, Any, None] | None:
        request = self._request
        start_line = RequestStartLine(request.method, request.uri, request.version)
        taken = self._delegate.headers_received(start_line, request.headers)
        if self._has_body:
            self._headers_taken = taken
        elif taken is None:
            self._delegate.finish()
        else:
            return self._finish_after(taken)
        return None

    async def _finish_after(self, taken: Awaitable[None]) -> None:
        await taken
        self._delegate.finish()

    def wait_for_body(self) -> Awaitable[None] | None:
        return self._headers_taken

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._delegate.data_received(chunk)

    def body_complete(self) -> None:
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()


@final
class CallableDelegate(HTTPMessageDelegate):
    """Collects a message and hands the whole request to a callable.

    Args:
        callback: is called with the request.
        server_connection: stands for the connection.
        connection: takes the response.
    """

    def __init__(
        self, callback: Callable[[HTTPServerRequest], object], server_connection: object, connection: HTTPConnection
    ) -> None:
        self._callback = callback
        self._server_connection = server_connection
        self._connection = connection
        self._request: HTTPServerRequest | None = None
        self._pieces: list[bytes] = []

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        """See `HTTPMessageDelegate`."""
        self._request = HTTPServerRequest(
            start_line=cast("RequestStartLine", start_line),
            headers=headers,
            connection=self._connection,
            server_connection=self._server_connection,
        )

    def data_received(self, chunk: bytes) -> None:
        """See `HTTPMessageDelegate`."""
        self._pieces.append(chunk)

    def finish(self) -> None:
        """See `HTTPMessageDelegate`."""
        request = self._request
        assert request is not None
        request.body = b"".join(self._pieces)
        request.check_arguments()
        request.parse_body()
        result = self._callback(request)
        if inspect.isawaitable(result):
            task = asyncio.ensure_future(result)
            task.add_done_callback(_log_failure)


def _log_failure(future: asyncio.Future[object]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        application_log.error("exception in a request callback", exc_info=error)


async def _await(result: Awaitable[object]) -> None:
    await result
