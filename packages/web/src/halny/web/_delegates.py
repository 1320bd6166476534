"""Hands requests to handlers, in both of the ways in which a server offers them.

`HandlerEndpoint` and `StreamingHandlerEndpoint` are the endpoint way: the server collects the body, or streams it.
`HandlerDelegate` is the delegate way, for whatever finds handlers by its own rules. All of them make the handler late:
when the request is complete, or when its body begins to stream.
"""

# What handlers have for the framework, and not for those who write them, has a name with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
from typing import TYPE_CHECKING, Any, Final, cast, final

from halny.http import Endpoint, HTTPMessageDelegate, HTTPOutputError, HTTPServerRequest, StreamingEndpoint
from halny.iostream import StreamClosedError

from ._execute import ORIGINAL_EXECUTE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from halny.http import HTTPConnection, HTTPHeaders, RequestStartLine, ResponseStartLine

    from ._application import Application
    from ._handler import RequestHandler
    from ._routing import Router
    from ._transforms import OutputTransform

application_log = logging.getLogger("halny.application")

_NO_TRANSFORMS: Final[list[OutputTransform]] = []


class _Call:
    """A handler class and what it is to be called with."""

    max_body_size: int | None
    """How many bytes of body the request may have, or None for the server's own limit."""

    def __init__(
        self,
        application: Application,
        request: HTTPServerRequest,
        handler_class: type[RequestHandler],
        handler_kwargs: dict[str, Any],
        path_args: list[bytes | None],
        path_kwargs: dict[str, bytes | None],
    ) -> None:
        self.application = application
        self.request = request
        self.handler_class = handler_class
        self.handler_kwargs = handler_kwargs
        self.path_args = path_args
        self.path_kwargs = path_kwargs
        self.max_body_size = handler_class.max_body_size
        self.handler: RequestHandler | None = None

    def run(self) -> Coroutine[Any, Any, None] | None:
        """Make the handler and run it; see `Endpoint.run`."""
        application, request = self.application, self.request
        if "&" in request.query:  # else there is one argument at most
            request.check_arguments()
        if application.forgets_versions:
            application.static_handler_class.reset()
        handler_class, handler_kwargs = self.handler_class, self.handler_kwargs
        handler = self.handler = (
            handler_class(application, request, **handler_kwargs)
            if handler_kwargs
            else handler_class(application, request)
        )
        kinds = application.transforms
        transforms = [kind(request) for kind in kinds] if kinds else _NO_TRANSFORMS
        if handler_class._execute is not ORIGINAL_EXECUTE:
            executed: Any = handler._execute(list(transforms), *self.path_args, **self.path_kwargs)
            return executed if executed is None or asyncio.iscoroutine(executed) else _wait(executed)
        return handler._halny_start(transforms, self.path_args, self.path_kwargs)

    def hand_over(self, chunk: bytes) -> Awaitable[None] | None:
        """Give the handler a part of the body; what it raises is answered like any other exception."""
        handler = self.handler
        assert handler is not None
        try:
            taken = handler.data_received(chunk)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever an application raises
            handler._halny_body_failed(error)
            return None
        return None if taken is None else _wait_for(handler, taken)

    def on_connection_close(self) -> None:
        """Tell the handler, if there is one yet, that its client is gone."""
        if self.handler is not None:
            self.handler._halny_connection_closed()


async def _wait(awaitable: Awaitable[None]) -> None:
    await awaitable


async def _wait_for(handler: RequestHandler, taken: Awaitable[None]) -> None:
    try:
        await taken
    except (Exception, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
            raise  # it is the request that is cancelled, as it is when a loop ends
        handler._halny_body_failed(error)


@final
class HandlerEndpoint(_Call, Endpoint):
    """Runs a handler on a whole message."""


@final
class StreamingHandlerEndpoint(_Call, StreamingEndpoint):
    """Runs a handler that takes its request's body in a stream."""

    def wait_for_body(self) -> Awaitable[None] | None:
        """See `StreamingEndpoint.wait_for_body`."""
        assert self.handler is not None
        return self.handler._halny_prepared()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """See `StreamingEndpoint.data_received`."""
        return self.hand_over(chunk)

    def body_complete(self) -> None:
        """See `StreamingEndpoint.body_complete`."""
        assert self.handler is not None
        self.handler._halny_body_complete()

    def body_dropped(self) -> None:
        """See `StreamingEndpoint.body_dropped`: the handler, which has answered, waits no longer."""
        self.body_complete()


@final
class HandlerDelegate(_Call, HTTPMessageDelegate):
    """Runs a handler in the delegate way."""

    def __init__(self, *args: Any) -> None:
        _Call.__init__(self, *args)
        self._pieces: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._context = contextvars.copy_context()

    def endpoint(self) -> Endpoint:
        """Return the endpoint that does the same."""
        kind = StreamingHandlerEndpoint if self.handler_class._stream_request_body else HandlerEndpoint
        return kind(
            self.application, self.request, self.handler_class, self.handler_kwargs, self.path_args, self.path_kwargs
        )

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """See `HTTPMessageDelegate`."""
        if self.max_body_size is not None:
            set_limit = getattr(self.request.connection, "set_max_body_size", None)
            if set_limit is not None:
                set_limit(self.max_body_size)
        if not self.handler_class._stream_request_body:
            return None
        self._run()
        assert self.handler is not None
        return self._context.run(self.handler._halny_prepared)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """See `HTTPMessageDelegate`."""
        if self.handler is None:
            self._pieces.append(chunk)
            return None
        taken = self._context.run(self.hand_over, chunk)
        return None if taken is None else self._start(cast("Coroutine[Any, Any, None]", taken))

    def finish(self) -> None:
        """See `HTTPMessageDelegate`."""
        if self.handler is not None:
            self.handler._halny_body_complete()
            return
        request = self.request
        request.body = b"".join(self._pieces)
        self._run()

    def on_connection_close(self) -> None:
        """See `HTTPMessageDelegate`."""
        self._context.run(super().on_connection_close)

    def _run(self) -> None:
        coroutine = self._context.run(self.run)
        if coroutine is not None:
            self._start(coroutine)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine in the context of the request, which nothing else has while a delegate is told of it."""
        loop = asyncio.get_running_loop()
        task: asyncio.Task[None]
        if sys.version_info >= (3, 12):
            task = asyncio.Task(coroutine, loop=loop, context=self._context, eager_start=True)
        else:
            task = loop.create_task(coroutine, context=self._context)
        if task.done():
            self._task_done(task)
        else:
            self._tasks.add(task)
            task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """Answer in the place of a handler that was cancelled, or of an `_execute` of its own that failed."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled():
            return
        request = self.request
        if error is not None and not isinstance(error, StreamClosedError):
            application_log.error("exception in %s %s", request.method, request.uri, exc_info=error)
        connection: Any = request.connection
        try:
            connection.respond(500, "Internal Server Error", b"Content-Length: 0\r\n", b"")
        except HTTPOutputError:
            abort = getattr(connection, "abort", None)
            if abort is not None:
                abort()  # which does nothing to a response that is complete


@final
class RoutingDelegate(HTTPMessageDelegate):
    """Asks a router who is told of a request, once its head is there.

    Args:
        router: is asked.
        server_connection: stands for the connection.
        connection: takes the response.
    """

    def __init__(self, router: Router, server_connection: object, connection: HTTPConnection) -> None:
        self._router = router
        self._server_connection = server_connection
        self._halny_connection = connection
        self._delegate: HTTPMessageDelegate | None = None

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """See `HTTPMessageDelegate`."""
        request = HTTPServerRequest(
            connection=self._halny_connection,
            server_connection=self._server_connection,
            start_line=cast("RequestStartLine", start_line),
            headers=headers,
        )
        self._delegate = self._router.find_handler(request)
        if self._delegate is None:
            self._delegate = _NotFoundDelegate(self._halny_connection)
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """See `HTTPMessageDelegate`."""
        return None if self._delegate is None else self._delegate.data_received(chunk)

    def finish(self) -> None:
        """See `HTTPMessageDelegate`."""
        if self._delegate is not None:
            self._delegate.finish()

    def on_connection_close(self) -> None:
        """See `HTTPMessageDelegate`."""
        if self._delegate is not None:
            self._delegate.on_connection_close()


@final
class _NotFoundDelegate(HTTPMessageDelegate):
    """Answers a request for which a router has nothing."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._halny_connection = connection

    def finish(self) -> None:
        self._halny_connection.respond(404, "Not Found", b"Content-Length: 0\r\n", b"")
