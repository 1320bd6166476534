"""One connection: bytes in from the transport, requests to endpoints, responses out.

Strategy: an `asyncio.Protocol` with one state. A request is read, answered, and only then is the next one looked at, so
nothing is ever parsed ahead; while a handler waits, what the peer sends is held as bytes, up to a bound at which
reading pauses. Endpoints never run inside a parser. A response leaves in one write, and those to requests that came in
one read leave together. There is no timer here: `deadline` is looked at by the server's sweep.

An idle connection has no parser, no buffer and no request.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from contextvars import copy_context
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast, final

from halny.http import (
    CONTINUE,
    ChunkedBody,
    HeadBuffer,
    HTTPInputError,
    HTTPRefusal,
    HTTPServerRequest,
    LengthBody,
    StreamingEndpoint,
    skip_empty_lines,
)
from halny.iostream import StreamClosedError

from ._clock import BodyClock
from ._connection import RequestConnection, ResponseState
from ._context import ConnectionContext
from ._refusal import refusal_response
from ._sendfile import FileSender
from ._upload import Upload

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context

    from halny.http import BodyReader, Endpoint, RequestHead

    from ._settings import ServerSettings

general_log = logging.getLogger("halny.general")
application_log = logging.getLogger("halny.application")

_NEVER: Final = math.inf

MAX_MESSAGES_PER_TURN: Final = 64
"""How many pipelined requests one connection has answered before the others get their turn."""

MAX_JOINED_WRITES: Final = 16
"""How many responses to pipelined requests are collected for one write."""


class State(Enum):
    """What a connection is waiting for."""

    IDLE = auto()
    """The first byte of a request."""
    HEAD = auto()
    """The rest of a head."""
    BODY = auto()
    """The rest of a body that is collected for its endpoint."""
    ANSWERING = auto()
    """The endpoint's response; the request is complete, or its body goes to an `Upload`."""
    LINGERING = auto()
    """The peer's end, after a response that closes the connection."""
    DETACHED = auto()
    """Nothing: the transport belongs to somebody else."""
    CLOSED = auto()
    """Nothing: the connection is gone."""


@final
class HTTPProtocol(asyncio.Protocol):
    """Serves one HTTP/1.1 connection.

    Args:
        loop: the loop that runs it.
        settings: what it shares with the server's other connections.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_body",
        "_clock",
        "_collected",
        "_context",
        "_endpoint",
        "_head",
        "_held",
        "_loop",
        "_out",
        "_reading_paused",
        "_request",
        "_settings",
        "_state",
        "_transport",
        "_upload",
        "_waiters",
        "_writing_paused",
        "context",
        "deadline",
    )

    context: ConnectionContext
    """What is known of the peer."""
    deadline: float
    """The time of the loop at which the connection has waited long enough for the peer, or infinity."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: ServerSettings) -> None:
        self._loop = loop
        self._settings = settings
        self._state = State.IDLE
        self._held = b""
        self._head: HeadBuffer | None = None
        self._body: BodyReader | None = None
        self._collected: list[bytes] | None = None
        self._answer: RequestConnection | None = None
        self._request: HTTPServerRequest | None = None
        self._endpoint: Endpoint | None = None
        self._context: Context | None = None
        self._upload: Upload | None = None
        self._clock: BodyClock | None = None
        self._out: list[bytes] | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        self._reading_paused = False
        self._writing_paused = False

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        settings = self._settings
        self._transport = cast("asyncio.Transport", transport)
        self.context = ConnectionContext(self._transport, settings.protocol)
        self.deadline = settings.now + settings.timeouts.idle
        settings.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        state = self._state
        if state is State.IDLE and not self._held and not self._writing_paused and data[0] != 13:
            # The usual case, kept short: one whole request without a body.
            if data.find(b"\r\n\r\n") + 4 == len(data):
                try:
                    self._begin_request(data)
                except HTTPRefusal as refusal:
                    self._refuse(refusal)
                return
            self._read(data)
        elif state is State.ANSWERING or self._held:
            self._hold(data)
        elif state is not State.LINGERING:
            self._read(data)

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`. A peer that has closed its half is taken to be gone, as most then are."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`. A peer that goes away is no error."""
        if self._state is State.DETACHED:
            return
        unanswered = self._endpoint if self._state is State.ANSWERING else None
        answer, context = self._answer, self._context
        self._state = State.CLOSED
        self.deadline = math.inf
        settings = self._settings
        settings.connections.discard(self)
        if settings.emptied is not None and not settings.connections:
            settings.emptied.set()
        self._forget_request()
        self._held = b""
        self._fail_waiters(exc)
        if unanswered is not None and answer is not None and context is not None:
            answer.keep_alive = False
            self._loop.call_soon(unanswered.on_connection_close, context=context)
            self._loop.call_soon(answer.connection_lost, context=context)

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._writing_paused = False
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)
        if self._held:
            self._resume()

    # Reading

    def _read(self, data: bytes) -> None:
        """Read and answer messages until one has to wait: for the peer, its endpoint, the transport, or its turn."""
        turn = MAX_MESSAGES_PER_TURN
        try:
            while data and turn and not self._writing_paused:
                state = self._state
                if state is State.IDLE:
                    data = self._begin_message(data)
                    turn -= 1
                elif state is State.HEAD:
                    data = self._continue_head(data)
                elif state is State.BODY:
                    data = self._continue_body(data)
                else:
                    break
        except HTTPRefusal as refusal:
            self._refuse(refusal)
            return
        if self._out is not None:
            self._flush()
        if data:
            self._hold(data)
            if self._state is State.IDLE:
                self._loop.call_soon(self._resume)

    def _begin_message(self, data: bytes) -> bytes:
        if data[0] == 13:  # a CR
            data = skip_empty_lines(data, self._settings.limits)
            if not data:
                return b""
        end = data.find(b"\r\n\r\n") + 4
        if end == len(data):
            self._begin_request(data)
            return b""
        if end > 3:
            return self._begin_one_of_several(data[:end], data[end:])
        self._state = State.HEAD
        self._head = HeadBuffer(self._settings.limits)
        self.deadline = self._settings.now + self._settings.timeouts.header
        return self._continue_head(data)

    def _continue_head(self, data: bytes) -> bytes:
        assert self._head is not None
        complete = self._head.feed(data)
        if complete is None:
            return b""
        self._head = None
        return self._begin_one_of_several(*complete)

    def _begin_one_of_several(self, head: bytes, rest: bytes) -> bytes:
        """Begin a request that has bytes behind it, so that its response may leave together with the next."""
        if rest:
            self._join_writes()
        self._begin_request(head)
        return rest

    def _begin_request(self, data: bytes) -> None:
        settings = self._settings
        self._state = State.ANSWERING
        self.deadline = _NEVER
        head = settings.reader.read(data)
        keep_alive = head.keep_alive and not settings.no_keep_alive and not settings.draining
        answer = self._answer = RequestConnection(self, head, keep_alive=keep_alive)
        request = self._request = HTTPServerRequest.from_head(head, answer)
        self._context = copy_context()
        try:
            endpoint = self._endpoint = settings.source.find_endpoint(request)
        except HTTPInputError as error:
            raise HTTPRefusal(400, str(error)) from error
        except Exception as error:  # noqa: BLE001 - whatever an application raises
            self._fail(answer, error)
            return
        if not head.content_length and not head.chunked:
            self._run(endpoint)
        elif isinstance(endpoint, StreamingEndpoint):
            self._collected = []  # an endpoint that answers at once leaves a body behind, not the next request
            self._run(endpoint)
            self._begin_upload(endpoint, head)
        else:
            self._begin_body(endpoint, head)

    def _begin_body(self, endpoint: Endpoint, head: RequestHead) -> None:
        self._body = self._body_reader(endpoint, head)
        self._collected = []
        self._state = State.BODY
        self.set_body_timeout(self._settings.timeouts.body)
        if head.expect_continue:
            self.send(CONTINUE)

    def _body_reader(self, endpoint: Endpoint, head: RequestHead) -> BodyReader:
        limit = endpoint.max_body_size
        if limit is None:
            limit = self._settings.limits.max_body_size
        if head.content_length > limit:
            raise HTTPRefusal(413, f"body of {head.content_length} bytes, at most {limit} are allowed")
        if head.chunked:
            return ChunkedBody(limit, self._settings.limits)
        return LengthBody(head.content_length)

    def _continue_body(self, data: bytes) -> bytes:
        body, collected = self._body, self._collected
        assert body is not None
        assert collected is not None
        assert self._request is not None
        assert self._endpoint is not None
        collected += body.feed(data)
        if not body.complete:
            if body.pending:
                self.pause_reading()
                self._loop.call_soon(self._continue_pending)
            return b""
        self._request.body = collected[0] if len(collected) == 1 else b"".join(collected)
        self._body = self._collected = self._clock = None
        self.deadline = math.inf
        self._state = State.ANSWERING
        rest = body.rest
        if rest:
            self._join_writes()
        self._run(self._endpoint)
        return rest

    def _continue_pending(self) -> None:
        """Go on with a body of many small chunks, now that other connections have had their turn."""
        if self._state is not State.BODY:
            return
        self.resume_reading()
        try:
            rest = self._continue_body(b"")
        except HTTPRefusal as refusal:
            self._refuse(refusal)
            return
        self._read(rest)

    def _hold(self, data: bytes) -> None:
        """Keep what came while nobody could take it, and stop reading when it is too much."""
        if self._upload is not None:
            self._upload.feed(data)
            return
        self._held = self._held + data if self._held else data
        if len(self._held) > self._settings.read_ahead:
            self.pause_reading()

    def _resume(self) -> None:
        """Go on with what was held, unless something else has come in between."""
        if self._state is State.IDLE and not self._writing_paused:
            held, self._held = self._held, b""
            self.resume_reading()
            if held:
                self._read(held)

    def pause_reading(self) -> None:
        """Let the peer wait; the reverse of `resume_reading`."""
        if not self._reading_paused and self._state is not State.CLOSED:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes from the peer again."""
        if self._reading_paused and self._state is not State.CLOSED:
            self._reading_paused = False
            self._transport.resume_reading()

    # Streamed bodies

    def _begin_upload(self, endpoint: StreamingEndpoint, head: RequestHead) -> None:
        if self._state is not State.ANSWERING:
            return  # the endpoint has refused the body, and `response_finished` has seen to the connection
        body = self._body_reader(endpoint, head)
        answer = self._answer
        assert self._context is not None
        assert answer is not None
        self.set_body_timeout(self._settings.timeouts.body)
        self._upload = Upload(self, endpoint, body, expects_continue=head.expect_continue)
        self._collected = None
        self._start(self._upload.run(), self._context, answer)

    @property
    def chunk_size(self) -> int:
        """The largest part of a body that an endpoint gets at once, in bytes."""
        return self._settings.chunk_size

    def upload_complete(self, upload: Upload, rest: bytes) -> None:
        """The streamed body has ended; `rest` came after it. Called by the `Upload`."""
        if upload is self._upload:
            self._upload = self._clock = None
            self.deadline = math.inf
            self.resume_reading()
            if rest:
                self._hold(rest)

    def upload_refused(self, upload: Upload, refusal: HTTPRefusal) -> None:
        """The streamed body is malformed or too large. Called by the `Upload`."""
        if upload is self._upload and self._state is State.ANSWERING:
            endpoint, context = self._endpoint, self._context
            self._refuse(refusal)
            if endpoint is not None and context is not None:
                self._loop.call_soon(endpoint.on_connection_close, context=context)

    # Running endpoints

    def _run(self, endpoint: Endpoint) -> None:
        context, answer = self._context, self._answer
        assert context is not None
        assert answer is not None
        try:
            coroutine = context.run(endpoint.run)
        except HTTPInputError as error:
            self._refuse_unless_answered(answer, HTTPRefusal(400, str(error)))
        except Exception as error:  # noqa: BLE001 - whatever an application raises
            self._fail(answer, error)
        else:
            if coroutine is not None:
                self._start(coroutine, context, answer)

    def _start(self, coroutine: Coroutine[Any, Any, None], context: Context, answer: RequestConnection) -> None:
        """Run a coroutine of an endpoint, which may have answered already."""
        task: asyncio.Task[None]
        if sys.version_info >= (3, 12):
            task = asyncio.Task(coroutine, loop=self._loop, context=context, eager_start=True)
            if task.done():
                self._task_done(answer, task)
                return
        else:
            task = self._loop.create_task(coroutine, context=context)
        self._settings.tasks.add(task)  # nothing else refers to it while it is suspended
        task.add_done_callback(partial(self._task_done, answer))

    def _task_done(self, answer: RequestConnection, task: asyncio.Task[None]) -> None:
        self._settings.tasks.discard(task)
        if task.cancelled():
            self._fail(answer, None)
            return
        error = task.exception()
        if isinstance(error, HTTPInputError):
            self._refuse_unless_answered(answer, HTTPRefusal(400, str(error)))
        elif error is not None:
            self._fail(answer, error)

    def _fail(self, answer: RequestConnection, error: BaseException | None) -> None:
        """An endpoint raised, or was cancelled: what it has not answered gets a 500, or no end if it has begun."""
        if error is not None and not isinstance(error, StreamClosedError):
            application_log.error("exception in %r", answer, exc_info=error)
        if answer is self._answer and self._state is State.ANSWERING:
            self._refuse_unless_answered(answer, HTTPRefusal(500, "an endpoint failed"), log=False)

    def _refuse_unless_answered(self, answer: RequestConnection, refusal: HTTPRefusal, *, log: bool = True) -> None:
        if answer is not self._answer or answer.state is ResponseState.FINISHED:
            return
        self._refuse(refusal, log=log)

    # Writing

    def send(self, data: bytes) -> None:
        """Write to the peer; what is written to one that is gone is dropped."""
        if self._out is not None:
            self._out.append(data)
        elif self._state is not State.CLOSED:
            self._transport.write(data)

    def send_and_wait(self, data: bytes) -> asyncio.Future[None]:
        """Write to the peer, and return what ends when it keeps up, or fails with `StreamClosedError`."""
        self.send(data)
        if self._writing_paused or self._state is State.CLOSED:
            return self.add_waiter()
        future: asyncio.Future[None] = self._loop.create_future()
        future.set_result(None)
        return future

    def add_waiter(self) -> asyncio.Future[None]:
        """Return what ends when the transport is ready for more, or fails with `StreamClosedError`."""
        future: asyncio.Future[None] = self._loop.create_future()
        if self._state is State.CLOSED:
            _set_closed(future, None)
        elif self._waiters is None:
            self._waiters = [future]
        else:
            self._waiters.append(future)
        return future

    def remove_waiter(self, waiter: asyncio.Future[None]) -> None:
        """Forget what `add_waiter` returned; it may be forgotten already."""
        if self._waiters is not None and waiter in self._waiters:
            self._waiters.remove(waiter)

    @property
    def is_gone(self) -> bool:
        """Whether the connection is closed."""
        return self._state is State.CLOSED or self._transport.is_closing()

    def send_file(self, file: int, offset: int, count: int) -> Coroutine[Any, Any, None]:
        """Send a part of a file behind what has been written; until it is done nothing else may be written."""
        self._flush()
        return FileSender(self._loop, self._transport, self).send(file, offset, count)

    def _join_writes(self) -> None:
        if self._out is None:
            self._out = []
        elif len(self._out) >= MAX_JOINED_WRITES:
            self._flush()
            self._out = []

    def _flush(self) -> None:
        out, self._out = self._out, None
        if out and self._state is not State.CLOSED:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _fail_waiters(self, exc: BaseException | None) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                _set_closed(waiter, exc)

    def response_finished(self, answer: RequestConnection) -> None:
        """A request has been answered. Called by its `RequestConnection`."""
        if answer is not self._answer or self._state is State.CLOSED:
            return
        unread_body = self._upload is not None or self._body is not None or self._collected is not None
        if unread_body or not answer.keep_alive:
            # Of a body that nobody wants the rest is not waited for: the connection ends with this response.
            self._end(linger=unread_body or self._out is not None or bool(self._held))
            return
        self._forget_request()
        self._state = State.IDLE
        self.deadline = self._settings.now + self._settings.timeouts.idle
        if self._held:
            self._loop.call_soon(self._resume)

    def _forget_request(self) -> None:
        self._answer = self._request = self._endpoint = self._context = None
        self._body = self._collected = self._head = self._clock = None
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.stop()

    # Ends

    def _refuse(self, refusal: HTTPRefusal, *, log: bool = True) -> None:
        """Answer what can't be served, and end the connection."""
        if log:
            general_log.info("malformed HTTP message from %s: %s", self.context, refusal)
        answer = self._answer
        if answer is not None and answer.state is not ResponseState.EMPTY:
            self.abort()  # half of another response is on its way; the peer must see that it is broken off
            return
        head_only = answer is not None and answer.method == "HEAD"
        self.send(refusal_response(refusal.status, head_only=head_only))
        if answer is not None:
            answer.mark_finished()
        self._end(linger=True)

    def _end(self, *, linger: bool) -> None:
        """End the connection after what has been written: at once, or as soon as the peer has read it.

        To close while the peer has sent what nobody read would make the kernel send a reset, which may destroy the
        response on its way (RFC 9112, section 9.6).
        """
        self._flush()
        self._forget_request()
        self._held = b""
        self._state = State.LINGERING
        self.deadline = self._settings.now + self._settings.timeouts.linger + 1.0
        if not linger or not self._transport.can_write_eof():
            self._transport.close()
            return
        self.resume_reading()
        self._transport.write_eof()

    def close(self) -> None:
        """Close the connection; what has been written is still sent."""
        if self._state is not State.CLOSED and self._state is not State.DETACHED:
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once; what has not been sent is lost."""
        if self._state is not State.CLOSED and self._state is not State.DETACHED:
            self._out = None
            self._transport.abort()

    def close_after_answer(self) -> None:
        """Take no further request: close now if none is being answered, else after the response."""
        if self._state is State.IDLE and not self._held:
            self.close()
        elif self._answer is not None:
            self._answer.keep_alive = False

    @property
    def is_idle(self) -> bool:
        """Whether no request is being read or answered."""
        return self._state is State.IDLE and not self._held

    # Timeouts

    def set_body_timeout(self, timeout: float | None) -> None:
        """Set how long the body of the current request may take, in seconds from now; None for no limit."""
        now = self._settings.now
        clock = self._clock = BodyClock(now, timeout, self._settings.timeouts)
        self.deadline = clock.next_look(now)

    def set_max_body_size(self, max_body_size: int) -> None:
        """Set how large the body of the current request may be, while none of it has been read."""
        if self._endpoint is not None:
            self._endpoint.max_body_size = max_body_size

    def look(self, now: float) -> None:
        """Do what is due at `deadline`. Called by the server's sweep."""
        state = self._state
        if state is State.IDLE:
            self.close()
        elif state is State.HEAD:
            self._refuse(HTTPRefusal(408, "the head took too long"))
        elif state is State.LINGERING:
            self.abort()
        elif self._clock is not None:
            self._look_at_body(now, self._clock)

    def _look_at_body(self, now: float, clock: BodyClock) -> None:
        upload = self._upload
        if upload is not None and not upload.waits_for_peer:
            clock.pause(now)
        elif clock.is_slow(now, self._received()):
            refusal = HTTPRefusal(408, "the body took too long")
            if upload is not None:
                self.upload_refused(upload, refusal)
            else:
                self._refuse(refusal)
            return
        self.deadline = clock.next_look(now)

    def _received(self) -> int:
        body = self._body if self._upload is None else self._upload.body
        return 0 if body is None else body.received

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.name} {self._request!r}>"


def _set_closed(future: asyncio.Future[None], exc: BaseException | None) -> None:
    """Fail a future because the peer is gone, which nobody needs to notice."""
    future.set_exception(StreamClosedError(real_error=exc))
    future.exception()
