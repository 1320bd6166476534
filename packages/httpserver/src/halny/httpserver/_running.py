"""How endpoints run, and what becomes of one that fails.

A coroutine runs as a task of its request's context, which the server refers to for as long as it is suspended.
Endpoints never run inside a parser.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from halny.http import CONTINUE, HTTPInputError, HTTPOutputError, HTTPRefusal
from halny.iostream import StreamClosedError

from ._bodies import body_reader, decoded, take_coding
from ._connection import ResponseState
from ._ends import REFUSED, ConnectionEnds
from ._states import State
from ._stream_view import StreamView
from ._upload import Upload
from ._writing import NEVER

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context

    from halny.http import Endpoint, HTTPServerRequest, StreamingEndpoint

    from ._bodies import Body
    from ._connection import RequestConnection

application_log = logging.getLogger("halny.application")


class RunningConnection(ConnectionEnds):
    """The part of a connection that runs endpoints."""

    __slots__ = ()

    def _run(self, endpoint: Endpoint, request: HTTPServerRequest) -> None:
        context, answer = self._context, self._answer
        assert context is not None
        assert answer is not None
        try:
            coroutine = context.run(type(endpoint).run, endpoint)
            if coroutine is not None:
                self._start(coroutine, context, request, answer)
        except HTTPInputError as error:
            self._refuse_unless_answered(answer, as_refusal(error), REFUSED)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever an application raises
            self._fail(request, answer, error)

    def _start(
        self,
        coroutine: Coroutine[Any, Any, None],
        context: Context,
        request: HTTPServerRequest,
        answer: RequestConnection,
    ) -> None:
        """Run a coroutine of an endpoint, which may have answered already."""
        task: asyncio.Task[None]
        if sys.version_info >= (3, 12):
            task = asyncio.Task(coroutine, loop=self._loop, context=context, eager_start=True)
            if task.done():
                self._task_done(request, answer, task)
                return
        else:
            task = self._loop.create_task(coroutine, context=context)
        self._settings.tasks.add(task)  # nothing else refers to it while it is suspended
        task.add_done_callback(partial(self._task_done, request, answer))

    def _task_done(self, request: HTTPServerRequest, answer: RequestConnection, task: asyncio.Task[None]) -> None:
        self._settings.tasks.discard(task)
        if task.cancelled():
            self._fail(request, answer, None)
            return
        error = task.exception()
        if isinstance(error, HTTPInputError):
            self._refuse_unless_answered(answer, as_refusal(error), REFUSED)
        elif error is not None:
            self._fail(request, answer, error)

    def _fail(self, request: HTTPServerRequest, answer: RequestConnection, error: BaseException | None) -> None:
        """An endpoint raised, or was cancelled: what it has not answered gets a 500, or no end if it has begun."""
        if error is not None and not isinstance(error, StreamClosedError):
            what = request.method, request.uri, answer.context
            application_log.error("exception in %s %s (%s)", *what, exc_info=error)
        self._refuse_unless_answered(answer, HTTPRefusal(500, "an endpoint failed"), None)

    def _refuse_unless_answered(self, answer: RequestConnection, refusal: HTTPRefusal, reason: str | None) -> None:
        if answer is self._answer and self._state is State.ANSWERING and answer.state is not ResponseState.FINISHED:
            self._refuse(refusal, reason)

    # Bodies

    def _expect_body(self, request: HTTPServerRequest, answer: RequestConnection) -> None:
        """A head announces a body. What takes its coding off is settled before an application sees the head."""
        self._body_due = True
        self._max_body_size = None
        answer.expect_body()
        self._coding = take_coding(request.headers) if self._settings.decompress else ""

    def read_body(self, endpoint: Endpoint, request: HTTPServerRequest) -> Body:
        """Return what reads the body of a request, within the limit of its endpoint."""
        limits = self._settings.limits
        limit = self._max_body_size
        if limit is None:
            limit = endpoint.max_body_size
        if limit is None:
            limit = limits.max_body_size
        body = body_reader(request, limit, limits)
        return decoded(body, self._coding, limit) if self._coding else body

    def ask_for_body(self, request: HTTPServerRequest, answer: RequestConnection) -> None:
        """Tell a peer that waits for it to send the body; not within a response (RFC 9110, section 10.1.1)."""
        if request.expect_continue and answer.state is ResponseState.EMPTY:
            self.send(CONTINUE)

    def _begin_upload(self, endpoint: StreamingEndpoint, request: HTTPServerRequest) -> None:
        answer, context = self._answer, self._context
        if answer is None or context is None or self._state is not State.ANSWERING:
            return  # the endpoint wants no body, and `response_finished` has seen to the connection
        if self._clock is None:
            self.set_body_timeout(answer, self._settings.timeouts.body)
        upload = self._upload = Upload(self, endpoint, request, answer, context)
        self._start(upload.run(), context, request, answer)

    @property
    def chunk_size(self) -> int:
        """The largest part of a body that an endpoint gets at once, in bytes."""
        return self._settings.chunk_size

    def upload_complete(self, upload: Upload, rest: bytes) -> None:
        """The streamed body has ended; `rest` came after it. Called by the `Upload`."""
        if upload is self._upload and self._answer is not None:
            self._upload = None
            self._body_complete(self._answer)
            self._held = rest + self._held
            self.resume_reading()

    def _body_complete(self, answer: RequestConnection) -> None:
        """There is nothing more to come of the request."""
        self._body_due = False
        self._body = self._collected = self._clock = None
        # A response may have begun, and somebody has to see that the peer reads on.
        self.deadline = self._settings.now + 1.0 if self._writing_paused else NEVER
        answer.body_received(keeps_alive=self._settings.keeps_alive)

    # Handing the connection over

    def detach(self, answer: RequestConnection) -> tuple[asyncio.Transport, bytes]:
        """Give the transport away, with the bytes that were read and not used; see `RequestConnection.detach`."""
        if answer is not self._answer or self._state is not State.ANSWERING or self.is_gone:
            raise HTTPOutputError(f"{answer!r} has no connection that could be detached")
        self._flush()
        upload, ahead = self._upload, self._ahead
        unread = self._held
        if ahead is not None:
            data, position = ahead
            unread = data[position:]
        if upload is not None:
            unread = upload.take_held() + unread
        self._held = b""
        self._wake_waiters()
        self._forget_request()
        self.resume_reading()
        self._state = State.DETACHED
        self.deadline = NEVER
        self._settings.forget(self)
        return self._transport, unread

    @property
    def stream(self) -> StreamView:
        """The connection as a stream that can be looked at but not read; made when it is first asked for."""
        view = self._stream_view
        if view is None:
            view = self._stream_view = StreamView(self)
        return view


def as_refusal(error: HTTPInputError) -> HTTPRefusal:
    """Return the refusal that answers an error of the peer."""
    return error if isinstance(error, HTTPRefusal) else HTTPRefusal(400, str(error))
