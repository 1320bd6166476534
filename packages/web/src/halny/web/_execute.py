"""The way of a request through its handler: `prepare`, the method, `finish`.

Strategy: `start` runs it as far as it goes without waiting, and returns a coroutine only where something has to be
awaited; a handler that waits for nothing never meets a task. `_execute` is the same way as a coroutine from its
beginning; instrumentation that replaces it is followed.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from halny.http import HTTPInputError
from halny.iostream import StreamClosedError

from ._errors import Errors
from ._exceptions import HTTPError
from ._security import Security

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from ._transforms import OutputTransform

application_log = logging.getLogger("halny.application")

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


_afterwards: set[asyncio.Future[Any]] = set()
"""What `on_finish` and `on_connection_close` returned and still runs; nothing else refers to it."""


class Execution(Errors, Security):
    """The part of `RequestHandler` that runs."""

    SUPPORTED_METHODS: tuple[str, ...] = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")
    """The methods that this handler may have; a subclass may add its own."""

    _stream_request_body = False
    """Whether the handler takes its request's body in a stream; `stream_request_body` sets it."""
    get: Any
    _prepared_future: asyncio.Future[None] | None = None
    _halny_body_future: asyncio.Future[None] | None = None

    def prepare(self) -> Awaitable[None] | None:
        """Called before the method, whatever it is; for subclasses. It may be a coroutine.

        Where it finishes the response, the method is not called.
        """
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a part of the body, in a handler that streams it; see `stream_request_body`.

        Args:
            chunk: the part. The next one waits for the awaitable that this may return.
        """
        raise RuntimeError(f"{type(self).__name__} streams its request's body but does not define data_received()")

    def on_connection_close(self) -> Awaitable[None] | None:
        """Called when the client goes away before the response is finished; for subclasses, to stop their work.

        An awaitable that it returns is run in the request's context.
        """
        return None

    async def _execute(self, transforms: list[OutputTransform], *args: bytes | None, **kwargs: bytes | None) -> None:
        """Run the request. Instrumentation wraps this; what it wraps is run in its place."""
        rest = self._halny_start(transforms, args, kwargs)  # type: ignore[arg-type]
        if rest is not None:
            await rest

    def _halny_start(
        self, transforms: list[OutputTransform], args: list[bytes | None], kwargs: dict[str, bytes | None]
    ) -> Coroutine[Any, Any, None] | None:
        """Run the request as far as it goes without waiting.

        Args:
            transforms: what changes the output.
            args: positional arguments from the path.
            kwargs: keyword arguments from the path.

        Returns:
            The rest of the way, or None where the request is answered.
        """
        if transforms:
            self._transforms = transforms
        try:
            request = self.request
            method = request.method
            if method not in self.SUPPORTED_METHODS:
                raise HTTPError(405)
            if request.body:
                self._halny_parse_body()
            self.path_args = [None if arg is None else self.decode_argument(arg) for arg in args] if args else []
            self.path_kwargs = (
                {name: None if arg is None else self.decode_argument(arg, name=name) for name, arg in kwargs.items()}
                if kwargs
                else {}
            )
            if method != "GET" and method not in SAFE_METHODS:
                self._halny_check_origin()
            result = self.prepare()
            if result is not None or (self._stream_request_body and not self._finished):
                return self._halny_continue_from_prepare(result)
            return None if self._finished else self._halny_call_method()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever an application raises
            # Nothing has waited yet: where something is cancelled, it is not this request.
            self._handle_request_exception(error)
            return None

    def _halny_parse_body(self) -> None:
        """Read a form, unless it came through another handler; a malformed one gets this handler's error page."""
        if self.request.body_arguments or self.request.files:
            return  # reading it again would double what is in it
        try:
            self.request.parse_body()
        except HTTPInputError as error:
            raise HTTPError(400, f"Invalid body: {error}") from None

    def _halny_call_method(self) -> Coroutine[Any, Any, None] | None:
        name = self.request.method
        args, kwargs = self.path_args, self.path_kwargs
        if name == "GET" and not args and not kwargs:
            result = self.get()  # as below, but faster found
        else:
            method = getattr(self, name.lower())
            result = method(*args, **kwargs) if args or kwargs else method()
        if result is not None:
            return self._halny_continue_from_method(result)
        if self._auto_finish and not self._finished:
            self.finish()
        return None

    async def _halny_continue_from_prepare(self, result: Awaitable[None] | None) -> None:
        try:
            if result is not None:
                await _checked(result, self, "prepare")
            if self._stream_request_body:
                await self._halny_receive_body()
            rest = None if self._finished else self._halny_call_method()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever an application raises
            self._halny_handle_awaited(error)
        else:
            if rest is not None:
                await rest
        finally:
            self._halny_let_body_come()

    async def _halny_continue_from_method(self, result: Awaitable[None]) -> None:
        try:
            await _checked(result, self, self.request.method.lower())
            if self._auto_finish and not self._finished:
                self.finish()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever an application raises
            self._halny_handle_awaited(error)

    def _halny_handle_awaited(self, error: BaseException) -> None:
        """Answer an exception of a coroutine, unless the request itself is cancelled, as it is when a loop ends."""
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise error
        self._handle_request_exception(error)

    # Streamed bodies

    def _halny_prepared(self) -> Awaitable[None] | None:
        """Return what ends when `prepare` is through and the body may come."""
        if self._halny_body_future is not None or self._finished:
            return None
        if self._prepared_future is None:
            self._prepared_future = asyncio.get_running_loop().create_future()
        return self._prepared_future

    async def _halny_receive_body(self) -> None:
        if self._finished or not self.request.has_body:
            return
        if self._halny_connection_gone:
            raise StreamClosedError  # who waits now would never be told
        self._halny_body_future = asyncio.get_running_loop().create_future()
        self._halny_let_body_come()
        await self._halny_body_future

    def _halny_let_body_come(self) -> None:
        if self._prepared_future is not None and not self._prepared_future.done():
            self._prepared_future.set_result(None)

    def _halny_body_complete(self) -> None:
        """Go on with the method: the streamed body has ended."""
        if self._halny_body_future is not None and not self._halny_body_future.done():
            self._halny_body_future.set_result(None)

    def _halny_body_failed(self, error: BaseException) -> None:
        """Answer what `data_received` raised; the method will not be called. To be called while it is handled."""
        self._handle_request_exception(error)
        self._halny_body_complete()

    # Ends

    def _halny_connection_closed(self) -> None:
        """Tell the handler that its client is gone; the connection may do so after a failed `flush` has."""
        if self._finished:
            self._halny_body_complete()  # it has answered, or is detached, but may still wait for its body
        if self._halny_connection_gone or self._finished:
            return
        self._halny_connection_gone = True
        if self._halny_body_future is not None and not self._halny_body_future.done():
            # The rest of the body will never come, and nobody waits for what the method would answer.
            self._halny_body_future.set_exception(StreamClosedError())
        try:
            result = self.on_connection_close()
        except Exception:  # noqa: BLE001 - whatever an application raises
            application_log.exception("uncaught exception in on_connection_close")
            return
        if result is not None:
            self._halny_run_afterwards(result, "on_connection_close")

    def _halny_run_afterwards(self, awaitable: Awaitable[None], name: str) -> None:
        future = asyncio.ensure_future(_checked(awaitable, self, name))
        _afterwards.add(future)
        future.add_done_callback(partial(_log_failure, self._request_summary(), name))


def _log_failure(request: str, name: str, future: asyncio.Future[Any]) -> None:
    _afterwards.discard(future)
    if not future.cancelled() and (error := future.exception()) is not None:
        application_log.error("uncaught exception in %s, after the request %s", name, request, exc_info=error)


async def _checked(result: Awaitable[None], handler: object, name: str) -> None:
    if not inspect.isawaitable(result):
        raise TypeError(f"{type(handler).__name__}.{name}() returned {result!r}, which is neither None nor awaitable")
    await result


ORIGINAL_EXECUTE: Final = vars(Execution)["_execute"]
"""What runs a request where nobody has replaced it."""
