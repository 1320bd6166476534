"""Makes every kind of application an `EndpointSource`, so that a connection has one way to hand requests over.

An object that offers endpoints itself is used as it is. An `HTTPServerConnectionDelegate` is told of the message
part by part, as a streaming endpoint; any other callable is called with the whole request.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any, Final, cast, final

from halny.http import (
    Endpoint,
    EndpointSource,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPOutputError,
    HTTPRefusal,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    RequestStartLine,
    StreamingEndpoint,
    responses,
)
from halny.iostream import StreamClosedError

from ._connection import RequestConnection, ResponseState
from ._running import as_refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    from halny.http import HTTPConnection, HTTPHeaders, ResponseStartLine

application_log = logging.getLogger("halny.application")
general_log = logging.getLogger("halny.general")

_tasks: Final[set[asyncio.Future[object]]] = set()
"""What callbacks returned to `CallableDelegate`: nothing else may refer to a task while it is suspended."""


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
        result = _as_awaitable(self._callback(self._request), self._callback, self._request)
        return None if result is None else _await(result)


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
    """Tells a delegate of one message, part by part, and in any case of its end.

    A message that ends before `finish`, because the delegate raises, or the response is finished before the body has
    come, or the peer goes away or is refused, ends with `on_connection_close`. That is not called for a connection
    that the delegate has taken over itself.

    Args:
        delegate: is told.
        request: the request, whose body is not there yet.
    """

    def __init__(self, delegate: HTTPMessageDelegate, request: HTTPServerRequest) -> None:
        self._delegate = delegate
        self._request = request
        self._headers_taken: Awaitable[None] | None = None
        self._has_body = request.has_body
        self._is_told_of_close = False

    def run(self) -> Coroutine[Any, Any, None] | None:
        request = self._request
        start_line = RequestStartLine(request.method, request.uri, request.version)
        try:
            taken = self._delegate.headers_received(start_line, request.headers)
        except BaseException:
            self.on_connection_close()
            raise
        if self._look_for_end():
            if taken is not None:  # nobody asks for the body any more, so what the delegate has begun is ended here
                return self.until_taken(taken)
        elif not self._has_body:
            if taken is not None:
                return self._finish_after(taken)
            self._finish()
        elif taken is not None:
            self._headers_taken = _Taking(self, taken)
        return None

    async def _finish_after(self, taken: Awaitable[None]) -> None:
        try:
            await taken
        except BaseException:
            self.on_connection_close()
            raise
        if not self._look_for_end():
            self._finish()

    def _finish(self) -> None:
        if self._is_told_of_close:
            return  # the peer went away while the delegate was waited for
        try:
            self._delegate.finish()
        except BaseException:
            self.on_connection_close()
            raise

    def wait_for_body(self) -> Awaitable[None] | None:
        return self._headers_taken

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        try:
            taken = self._delegate.data_received(chunk)
        except BaseException:
            self.on_connection_close()
            raise
        self._look_for_end()
        return None if taken is None else _Taking(self, taken)

    async def until_taken(self, taken: Awaitable[None]) -> None:
        """Wait for what the delegate has returned."""
        try:
            await taken
        except BaseException:
            self.on_connection_close()
            raise
        self._look_for_end()

    def body_complete(self) -> None:
        self._finish()

    def body_dropped(self) -> None:
        self.on_connection_close()

    def on_connection_close(self) -> None:
        if self._is_told_of_close:
            return
        self._is_told_of_close = True
        try:
            self._delegate.on_connection_close()
        except Exception:  # noqa: BLE001 - whatever a delegate raises, often behind an error of its own
            application_log.exception("exception in on_connection_close")

    def _look_for_end(self) -> bool:
        """Return whether nobody wants the body any more; a delegate that has not taken the connection over is told."""
        state = getattr(self._request.connection, "state", None)
        if state is ResponseState.FINISHED:
            self.on_connection_close()
        return state is ResponseState.FINISHED or state is ResponseState.DETACHED


@final
class _Taking:
    """Waits for what a delegate has returned, if anybody waits: a coroutine of ours would complain where nobody does.

    Args:
        endpoint: waits.
        taken: what the delegate has returned.
    """

    __slots__ = ("_endpoint", "_taken")

    def __init__(self, endpoint: DelegateEndpoint, taken: Awaitable[None]) -> None:
        self._endpoint = endpoint
        self._taken = taken

    def __await__(self) -> Generator[Any, Any, None]:
        return self._endpoint.until_taken(self._taken).__await__()


@final
class CallableDelegate(HTTPMessageDelegate):
    """Collects a message and hands the whole request to a callable.

    Args:
        callback: is called with the request; an awaitable that it returns is run as a task. What that raises is logged
            and answered, as what the callback raises is.
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
        result = _as_awaitable(self._callback(request), self._callback, request)
        if result is not None:
            task = asyncio.ensure_future(result)
            _tasks.add(task)
            task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Future[object]) -> None:
        _tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled():
            return
        refusal = HTTPRefusal(500, "a request callback failed")
        if isinstance(error, HTTPInputError):
            refusal = as_refusal(error)
            general_log.info("malformed HTTP message from %s: %s", getattr(self._connection, "context", None), error)
        elif error is not None and not isinstance(error, StreamClosedError):
            application_log.error("exception in %r", self._connection, exc_info=error)
        self._refuse(refusal)

    def _refuse(self, refusal: HTTPRefusal) -> None:
        """Answer in the callback's place, or break off what it has begun."""
        connection = self._connection
        reason = responses.get(refusal.status, "Unknown")
        try:
            connection.respond(refusal.status, reason, b"Content-Length: 0\r\n", b"")
        except HTTPOutputError:
            if isinstance(connection, RequestConnection):
                connection.abort()  # which does nothing to a response that is complete


def _as_awaitable(result: object, callback: object, request: HTTPServerRequest) -> Awaitable[object] | None:
    """Return what a callable returned if it can be awaited. What is meant for the client would never reach it."""
    if inspect.isawaitable(result):
        return result
    has_answered = getattr(request.connection, "state", None) is not ResponseState.EMPTY
    if isinstance(result, (str, bytes, dict)) and not has_answered:
        raise TypeError(
            f"{callback!r} returned {repr(cast('object', result))[:100]}, and has not answered: the response is sent by"
            " request.connection.respond(), and what is returned is None or awaitable"
        )
    return None


async def _await(result: Awaitable[object]) -> None:
    await result
