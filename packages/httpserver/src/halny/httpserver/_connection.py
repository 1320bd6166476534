"""One request's side of a connection: takes the response and frames it.

Strategy: an object of its own for each request, so that a handler that answers late, twice, or after its client went
away can't write into somebody else's response. It knows HTTP's framing; the protocol below it knows the transport.
"""

from __future__ import annotations

import logging
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, final

from halny.http import (
    LAST_CHUNK,
    BodyFraming,
    HTTPConnection,
    HTTPHeaders,
    HTTPOutputError,
    connection_line,
    frame_response,
    has_body,
    status_line,
    switches_protocol,
    without_framing,
)
from halny.http import (
    chunk as frame_chunk,
)
from halny.iostream import stream_on_transport

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from halny.http import HTTPServerRequest, RequestStartLine, ResponseStartLine
    from halny.iostream import IOStream

    from ._context import ConnectionContext
    from ._protocol import HTTPProtocol
    from ._stream_view import StreamView

application_log = logging.getLogger("halny.application")


class ResponseState(Enum):
    """How far the response to a request is."""

    EMPTY = auto()
    BODY = auto()
    SENDING_FILE = auto()
    """As `BODY`, but nothing may be written, nor the response finished, until the file is sent."""
    FINISHED = auto()
    DETACHED = auto()


_EMPTY: Final = ResponseState.EMPTY
_FINISHED: Final = ResponseState.FINISHED

_OK: Final = status_line(200, "OK")

LARGE_BODY: Final = 32 * 1024
"""Bytes from which it costs more to put a body behind its head than to give the kernel both."""


@final
class RequestConnection(HTTPConnection):
    """Takes the response to one HTTP/1.1 request."""

    keep_alive: bool
    """Whether the connection stays open after this response."""
    may_be_followed: bool
    """Whether the peer may have sent another request behind this one."""
    method: str
    """The request's method."""

    _framing: BodyFraming
    _left: int

    def __init__(self, protocol: HTTPProtocol, request: HTTPServerRequest, keep_alive: bool) -> None:
        # The request itself is not kept: it refers to this.
        self._protocol = protocol
        self.method = request.method
        self._version = request.version
        self.may_be_followed = request.keep_alive
        self.keep_alive = keep_alive and request.keep_alive
        self._state: ResponseState = _EMPTY
        self._close_callback: Callable[[], object] | None = None

    @property
    def context(self) -> ConnectionContext:
        """What is known of the peer."""
        return self._protocol.context

    @property
    def state(self) -> ResponseState:
        """How far the response is."""
        return self._state

    @property
    def is_closed(self) -> bool:
        """Whether the peer is gone, or the connection is closed."""
        return self._protocol.is_gone

    @property
    def no_keep_alive(self) -> bool:
        """Whether the connection closes after this response; the name that Tornado's users know."""
        return not self.keep_alive

    @no_keep_alive.setter
    def no_keep_alive(self, value: bool) -> None:
        if value:
            self.keep_alive = self._may_stay = False

    def expect_body(self) -> None:
        """Let the connection end with a response that comes before the body has been read."""
        self._may_stay = self.keep_alive
        self.keep_alive = False

    def body_received(self, *, keeps_alive: bool) -> None:
        """The reverse of `expect_body`, unless the head of the response has said otherwise by now."""
        if self._state is _EMPTY:
            self.keep_alive = self._may_stay and keeps_alive

    def respond(self, code: int, reason: str, headers: HTTPHeaders | bytes, body: bytes) -> None:
        """Send a whole response; see `HTTPConnection.respond`. Of a peer that is gone nothing is said.

        Args:
            code: the status code.
            reason: the reason phrase, checked by the caller.
            headers: the header fields. As bytes, each line with its CRLF, they are sent as they are, and looked at by
                nobody: they must carry the right `Content-Length`, and neither `Connection` nor `Transfer-Encoding`.
                For a peer cuts the stream by what they say.
            body: the content; left out where the request's method or the status allows none.

        Raises:
            TypeError: `headers` are neither; the caller's fault.
            HTTPOutputError: the request was answered already, or the headers are not those of this body.
        """
        if isinstance(headers, bytes):
            usual = self.keep_alive and self._version == "HTTP/1.1"
            extra = b"\r\n" if usual else connection_line(self._version, keep_alive=self.keep_alive) + b"\r\n"
        else:
            headers, extra = self._frame_whole(code, headers, body)
        if self._state is not _EMPTY:
            self._require(_EMPTY)
        line = _OK if code == 200 and reason == "OK" else status_line(code, reason)
        self._state = _FINISHED
        protocol = self._protocol
        if (code != 200 or self.method != "GET") and not has_body(self.method, code):
            body = b""
            if switches_protocol(self.method, code):
                self.keep_alive = False
                headers = without_framing(headers)
        if len(body) < LARGE_BODY:
            protocol.send(b"".join((line, headers, extra, body)))
        else:
            protocol.send_with_body(b"".join((line, headers, extra)), body)
        protocol.response_finished(self)

    def _frame_whole(self, code: int, headers: HTTPHeaders, body: bytes) -> tuple[bytes, bytes]:
        """Return the header lines of a whole response, and those that have to be added with the line that ends them."""
        if not isinstance(headers, HTTPHeaders):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"headers are {headers!r}, expected HTTPHeaders, or bytes with a CRLF behind each line")
        if (
            headers.get("Content-Length") == str(len(body))
            and "Transfer-Encoding" not in headers
            and "Connection" not in headers
            and has_body(self.method, code)
        ):
            # What most responses are; `frame_response` says the same of them.
            return headers.to_bytes(), connection_line(self._version, keep_alive=self.keep_alive) + b"\r\n"
        frame = frame_response(
            method=self.method, version=self._version, keep_alive=self.keep_alive, code=code, headers=headers
        )
        if frame.framing is not BodyFraming.NONE and (
            frame.framing is not BodyFraming.LENGTH or frame.length != len(body)
        ):
            raise HTTPOutputError(f"a whole response needs the Content-Length of its body, {len(body)}")
        self.keep_alive = frame.keep_alive
        return headers.to_bytes(), frame.extra + b"\r\n"

    def write_headers(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> asyncio.Future[None]:
        """Write the head of the response; see `HTTPConnection.write_headers`."""
        _, code, reason = start_line
        if not isinstance(code, int):
            raise HTTPOutputError(f"a server writes a status line, not {start_line!r}")
        frame = frame_response(
            method=self.method, version=self._version, keep_alive=self.keep_alive, code=code, headers=headers
        )
        lines = headers.to_bytes()
        if switches_protocol(self.method, code):
            lines = without_framing(lines)
        data = status_line(code, reason) + lines + frame.extra + b"\r\n"
        self._require(_EMPTY)
        if 100 <= code < 200 and code != 101:
            # An interim response: the final one is still to come (RFC 9110, section 15.2). HTTP/1.0 knows none.
            interim = status_line(code, reason) + lines + b"\r\n"  # whether the connection stays says the final one
            return self._protocol.send_and_wait(b"" if self._version == "HTTP/1.0" else interim)
        self._framing = frame.framing
        self._left = frame.length
        if chunk:
            data += self._frame(chunk)  # which may be too much; then nothing has been sent yet
        self.keep_alive = frame.keep_alive
        self._state = ResponseState.BODY
        return self._protocol.send_and_wait(data)

    def write(self, chunk: bytes) -> asyncio.Future[None]:
        """Write a part of the body; see `HTTPConnection.write`."""
        self._require(ResponseState.BODY)
        return self._protocol.send_and_wait(self._frame(chunk))

    async def send_file(self, file: int, offset: int, count: int) -> None:
        """Write a part of the body that is in a file; see `HTTPConnection.send_file`."""
        self._require(ResponseState.BODY)
        if offset < 0 or count < 0:
            raise ValueError(f"offset and count of a part of a file must not be negative, got {offset!r} and {count!r}")
        if self._framing is BodyFraming.NONE or not count:
            return
        if self._framing is BodyFraming.CHUNKED:
            raise HTTPOutputError("a file is sent only in a response with a Content-Length")
        if self._framing is BodyFraming.LENGTH:
            self._take(count)
        self._state = ResponseState.SENDING_FILE
        await self._protocol.send_file(file, offset, count)
        self._require(ResponseState.SENDING_FILE)
        self._state = ResponseState.BODY

    def finish(self) -> None:
        """End the response; see `HTTPConnection.finish`."""
        self._require(ResponseState.BODY)
        if self._framing is BodyFraming.LENGTH and self._left:
            # What was promised can't be had any more, so the peer must not take the next response for it.
            self.abort()
            raise HTTPOutputError(f"response ends {self._left} bytes short of its Content-Length")
        self._state = _FINISHED
        if self._framing is BodyFraming.CHUNKED:
            self._protocol.send(LAST_CHUNK)
        self._protocol.response_finished(self)

    def set_close_callback(self, callback: Callable[[], object] | None) -> None:
        """Set what is called when the peer goes away before the response is finished.

        Args:
            callback: takes no arguments; None takes it away.
        """
        self._close_callback = callback

    def set_body_timeout(self, timeout: float) -> None:
        """Set how long this request's body may take.

        Args:
            timeout: seconds from now.
        """
        self._protocol.set_body_timeout(self, timeout)

    def set_max_body_size(self, max_body_size: int) -> None:
        """Set how large this request's body may be, while its head has just been read.

        Args:
            max_body_size: bytes.
        """
        self._protocol.set_max_body_size(self, max_body_size)

    @property
    def stream(self) -> StreamView:
        """The connection as a stream that can be looked at; `detach` gives one that can be used."""
        return self._protocol.stream

    def detach(self) -> IOStream:
        """Take the connection over from HTTP, with TLS and the bytes that came behind the request.

        The response, if any, is the caller's from here on: `write_headers` for a `101` comes before this.

        Returns:
            A stream, which belongs to the caller.

        Raises:
            HTTPOutputError: the request was answered already, its connection is closed, or a file is being sent.
        """
        transport, unread = self.detach_transport()
        return stream_on_transport(transport, unread, max_buffer_size=self._protocol.max_buffer_size)

    def detach_transport(self) -> tuple[asyncio.Transport, bytes]:
        """As `detach`, for a protocol that takes the stream's place: it is to be set at once.

        Over TLS, a transport that is closed waits for a peer that takes its time for as long as a day: whoever does not
        want that aborts it after a while, as the stream of `detach` does.

        Returns:
            The transport, and the bytes that came behind the request.

        Raises:
            HTTPOutputError: the request was answered already, its connection is closed, or a file is being sent.
        """
        if self._state is ResponseState.SENDING_FILE:
            raise HTTPOutputError(
                f"{self!r} has a file on its way: await `send_file` before the connection is detached"
            )
        detached = self._protocol.detach(self)
        self._state = ResponseState.DETACHED
        self._close_callback = None
        return detached

    def close(self) -> None:
        """Close the connection, unless it serves another request by now; what has been written is still sent."""
        self.keep_alive = False
        self._protocol.close_for(self)

    def abort(self) -> None:
        """Break the response off, so that the peer can tell that it is not complete.

        What has been written is still sent, and so are the responses before this one.
        """
        if self._state is not _FINISHED and self._state is not ResponseState.DETACHED:
            self._state = _FINISHED
            self.keep_alive = False
            self._protocol.close()

    def connection_lost(self) -> None:
        """Tell whoever asked that the peer is gone; called by the protocol."""
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            try:
                callback()
            except Exception:  # noqa: BLE001 - whatever an application raises
                application_log.exception("exception in the close callback of %r", self)

    @property
    def server_connection(self) -> HTTPProtocol:
        """The connection that carried this request and may carry others."""
        return self._protocol

    def mark_finished(self) -> None:
        """Refuse any response from now on: the server has answered in the application's place."""
        self._state = _FINISHED

    def _frame(self, data: bytes) -> bytes:
        framing = self._framing
        if framing is BodyFraming.CHUNKED:
            return frame_chunk(data) if data else b""
        if framing is BodyFraming.NONE:
            return b""
        if framing is BodyFraming.LENGTH:
            self._take(len(data))
        return data

    def _take(self, count: int) -> None:
        if count > self._left:
            raise HTTPOutputError(f"{count} bytes written where Content-Length leaves {self._left}")
        self._left -= count

    def _require(self, state: ResponseState) -> None:
        if self._state is not state:
            raise HTTPOutputError(f"response is {self._state.name}, expected {state.name}: it can't be written twice")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} response={self._state.name}>"
