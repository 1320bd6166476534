"""One connection: bytes in from the transport, requests to endpoints, responses out.

Strategy: an `asyncio.Protocol` with one state. A request is read, answered, and only then is the next one looked at, so
nothing is ever parsed ahead; while a handler waits, what the peer sends is held as bytes, up to a bound at which
reading pauses. Endpoints never run inside a parser. A response leaves in one write, and those to requests that came in
one read leave together. There is no timer here: `deadline` is looked at by the server's sweep.

An idle connection has no parser, no buffer and no request.

This module reads. How endpoints run is in `_running`, how connections end in `_ends`, how they write in `_writing`.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from typing import TYPE_CHECKING, Final, cast, final

from halny.http import (
    HeadBuffer,
    HTTPInputError,
    HTTPRefusal,
    HTTPServerRequest,
    StreamingEndpoint,
    skip_empty_lines,
)

from ._bodies import Collector
from ._connection import RequestConnection
from ._context import ConnectionContext
from ._ends import REFUSED, TURNED_AWAY
from ._running import RunningConnection, as_refusal
from ._states import ANSWERING, BODY, CLOSED, DETACHED, HEAD, IDLE, LINGERING
from ._writing import NEVER

if TYPE_CHECKING:
    import asyncio

    from halny.http import Endpoint

application_log = logging.getLogger("halny.application")

MAX_MESSAGES_PER_TURN: Final = 64
"""How many pipelined requests one connection has answered before the others get their turn."""

_CR: Final = 13


@final
class HTTPProtocol(RunningConnection):
    """Serves one HTTP/1.1 connection.

    Args:
        loop: the loop that runs it.
        settings: what it shares with the server's other connections.
        peer: whom the PROXY protocol names, where it is used.
    """

    __slots__ = ()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        settings = self._settings
        self._transport = cast("asyncio.Transport", transport)
        self.context = ConnectionContext(self._transport, settings.protocol, self._peer)
        self.deadline = settings.idle_deadline
        settings.connections.add(self)
        limit = settings.max_connections
        if limit is not None and len(settings.connections) - len(settings.turned_away) > limit:
            self._turn_away(limit)

    def _turn_away(self, limit: int) -> None:
        """Answer a connection that is one too many; when as many again are being turned away, cut it off."""
        settings = self._settings
        settings.turned_away.add(self)
        if len(settings.connections) > 2 * limit:
            settings.tell_of_cut_off(self.context)
            self.abort()
        else:
            self._refuse(HTTPRefusal(503, f"more than {limit} connections"), TURNED_AWAY)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        state = self._state
        if state is IDLE and not self._held and not self._writing_paused:
            # The usual case, kept short: one whole request without a body. The reader refuses more than one head, and
            # empty lines before one.
            if data.endswith(b"\r\n\r\n"):
                try:
                    self._begin_request(data)
                    return
                except HTTPRefusal as refusal:
                    if data.find(b"\r\n\r\n") + 4 == len(data) and data[0] != _CR:
                        self._refuse(refusal)
                        return
                self._state = IDLE
                self.deadline = self._settings.idle_deadline
            self._read(data)
        elif state is ANSWERING:
            self._hold(data)
        elif state is IDLE or state is HEAD or state is BODY:
            if not self._held:
                self._read(data)
                return
            self._hold(data)
            if self._held[0] == _CR:  # empty lines were held
                self._resume()

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`. A peer that has closed its half is taken to be gone, as most then are."""
        # With TLS the transport waits until the peer has taken what it was sent; somebody has to see that it does.
        self.deadline = min(self.deadline, self._settings.now + 1.0)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`. A peer that goes away is no error."""
        if self._state is DETACHED:
            return
        endpoint = self._endpoint if self._state is ANSWERING else None
        answer, context = self._answer, self._context
        self._state = CLOSED
        self.deadline = NEVER
        self._forget_request()
        self._held = b""
        self._out = None
        if answer is not None and context is not None:
            answer.keep_alive = False
            self._loop.call_soon(_tell_of_close, endpoint, answer, context=context)
        self._fail_waiters(exc)  # which goes on after whoever answers was told
        view, self._stream_view = self._stream_view, None
        if view is not None:
            view.lost(exc)
        self._settings.forget(self)

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._writing_paused = False
        self._stall = None
        self._wait_anew()
        self._wake_waiters()
        if self._held:
            self._resume()

    # Reading

    def _read(self, data: bytes) -> None:
        """Read and answer messages until one has to wait: for the peer, its endpoint, the transport, or its turn."""
        turn = MAX_MESSAGES_PER_TURN
        position = 0
        try:
            while position < len(data) and turn and not self._writing_paused:
                state = self._state
                if state is IDLE:
                    turn -= 1
                    if data[position] == _CR:
                        data, position = data[position:], 0
                        rest = skip_empty_lines(data, self._settings.limits)
                        if rest in (b"", b"\r"):
                            break  # they are held, and counted again with those that may still come
                        data = rest
                    position = self._begin_message(data, position)
                elif state is HEAD:
                    data, position = self._continue_head(data[position:]), 0
                elif state is BODY:
                    data, position = self._continue_body(data[position:]), 0
                else:
                    break
        except HTTPRefusal as refusal:
            self._ahead = None
            self._refuse(refusal)
            return
        if self._out is not None:
            self._flush()
        if position < len(data):
            self._hold(data[position:])
            if not turn and self._state is not ANSWERING:
                self._loop.call_soon(self._resume, context=self._settings.context)

    def _begin_message(self, data: bytes, position: int) -> int:
        """Begin with what is at `position`, and return how far it was read."""
        end = data.find(b"\r\n\r\n", position) + 4
        if end > 3:
            self._begin_with_more(data[position:end], data, end)
            return end
        self._state = HEAD
        self._head = HeadBuffer(self._settings.limits)
        self.deadline = self._settings.now + self._settings.timeouts.header
        self._continue_head(data[position:])
        return len(data)

    def _continue_head(self, data: bytes) -> bytes:
        assert self._head is not None
        complete = self._head.feed(data)
        if complete is None:
            return b""
        self._head = None
        head, rest = complete
        self._begin_with_more(head, rest, 0)
        return rest

    def _begin_with_more(self, head: bytes, data: bytes, position: int) -> None:
        """Begin a request with perhaps more behind it, so that its response may leave together with the next."""
        if position == len(data):
            self._begin_request(head)
            return
        self._join_writes()
        self._ahead = (data, position)
        self._begin_request(head)
        self._ahead = None

    def _begin_request(self, data: bytes) -> None:
        settings = self._settings
        self._state = ANSWERING
        self.deadline = NEVER
        request = self._request = settings.reader.read(data)
        request.connection = answer = self._answer = RequestConnection(self, request, settings.keeps_alive)
        context = self._context = settings.context.copy()
        has_body = request.content_length or request.chunked
        if has_body:
            self._expect_body(request, answer)
        try:
            endpoint = self._endpoint = settings.source.find_endpoint(request)
            if self._answer is not answer:
                return  # it was answered while its endpoint was looked for
            if not has_body:
                # As `_run` does it; on everybody's way.
                coroutine = context.run(type(endpoint).run, endpoint)
                if coroutine is not None:
                    self._start(coroutine, context, request, answer)
            elif isinstance(endpoint, StreamingEndpoint):
                self._run(endpoint, request)
                self._begin_upload(endpoint, request)
            else:
                self._begin_body(endpoint, request, answer)
        except HTTPInputError as error:
            self._refuse_unless_answered(answer, as_refusal(error), REFUSED)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - whatever an application raises
            self._fail(request, answer, error)

    def _begin_body(self, endpoint: Endpoint, request: HTTPServerRequest, answer: RequestConnection) -> None:
        try:
            self._body = self.read_body(endpoint, request)
        except HTTPRefusal as refusal:
            self._refuse(refusal)
            return
        self._collected = Collector(0 if self._coding else request.content_length)
        self._state = BODY
        self.set_body_timeout(answer, self._settings.timeouts.body)
        if self._ahead is None:  # else the body has begun without
            self.ask_for_body(request, answer)

    def _continue_body(self, data: bytes) -> bytes:
        """Take what belongs to the body, and return the rest."""
        body, collected = self._body, self._collected
        assert body is not None
        assert collected is not None
        collected.add(body.feed(data))
        if not body.complete:
            if body.pending:
                self.pause_reading()
                self._loop.call_soon(self._continue_pending, context=self._settings.context)
            return b""
        request, endpoint, answer = self._request, self._endpoint, self._answer
        assert request is not None
        assert endpoint is not None
        assert answer is not None
        request.body = collected.whole()
        self._body_complete(answer)
        self._state = ANSWERING
        rest = body.rest
        if rest:
            self._join_writes()
            self._ahead = (rest, 0)
        self._run(endpoint, request)
        self._ahead = None
        return rest

    def _continue_pending(self) -> None:
        """Go on with a body of many small chunks, now that other connections have had their turn."""
        body = self._body
        if body is None or not body.pending or self._state is not BODY:
            return
        try:
            rest = self._continue_body(b"")
        except HTTPRefusal as refusal:
            self._refuse(refusal)
            return
        if rest:
            self._read(rest)
        self._read_on()

    def _hold(self, data: bytes) -> None:
        """Keep what came while nobody could take it, and stop reading when it is too much."""
        if self._upload is not None:
            self._upload.feed(data)
        elif self._state is not LINGERING and self._state is not DETACHED:
            self._held = self._held + data if self._held else data
            if len(self._held) > self._settings.read_ahead:
                self.pause_reading()

    def _resume(self) -> None:
        """Go on with what was held, unless something has to be waited for."""
        state = self._state
        if self._writing_paused or not (state is IDLE or state is HEAD or state is BODY):
            return
        held, self._held = self._held, b""
        if self._transport.is_closing():
            return  # the peer, which over TLS has said goodbye, gets no answer any more
        if held:
            self._read(held)
        self._read_on()

    def _read_on(self) -> None:
        """Resume reading, if there is room for what comes."""
        body = self._body
        if len(self._held) <= self._settings.read_ahead and (body is None or not body.pending):
            self.resume_reading()

    def response_finished(self, answer: RequestConnection) -> None:
        """A request has been answered. Called by its `RequestConnection`."""
        if answer is not self._answer or self._state is CLOSED:
            return
        if self._body_due or not answer.keep_alive:
            # Of a body that nobody wants the rest is not waited for: the connection ends with this response.
            if self._upload is not None:
                self._upload.is_answered = True
            self._end(linger=self._body_due or bool(self._held) or self._ahead is not None or answer.may_be_followed)
            return
        self._answer = self._request = self._endpoint = self._context = None
        self._state = IDLE
        self.deadline = self._settings.idle_deadline
        if self._held:
            self._loop.call_soon(self._resume, context=self._settings.context)


def _tell_of_close(endpoint: Endpoint | None, answer: RequestConnection) -> None:
    """Tell whoever works on a request that its client is gone."""
    try:
        if endpoint is not None:
            endpoint.on_connection_close()
    except Exception:  # noqa: BLE001 - whatever an application raises
        application_log.exception("exception in on_connection_close")
    answer.connection_lost()
