"""A connection's state, and what it sends: the lowest part of the protocol.

`WritingConnection` knows the transport and bytes, nothing of requests. `ConnectionEnds` adds how connections end,
`RunningConnection` how endpoints run, `HTTPProtocol` how messages are read.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final

from halny.iostream import StreamClosedError

from ._sendfile import FileSender
from ._states import CLOSED, DETACHED, IDLE, State

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context

    from halny.http import Endpoint, HeadBuffer, HTTPServerRequest

    from ._bodies import Body, Collector
    from ._clock import BodyClock
    from ._connection import RequestConnection
    from ._context import ConnectionContext
    from ._proxy_header import ProxiedPeer
    from ._settings import ServerSettings
    from ._stream_view import StreamView
    from ._upload import Upload

NEVER: Final = math.inf
"""A deadline that does not come."""

MAX_JOINED_WRITES: Final = 16
"""How many responses to pipelined requests are collected for one write."""

MAX_JOINED_SIZE: Final = 32 * 1024
"""Bytes from which a response is not worth joining: copying it costs more than a write saves."""


WRITTEN_PER_TURN: Final = 256 * 1024
"""Bytes that may be written, by whoever waits for them, before others get their turn. A transport that sends all at
once never makes a writer wait; and one over TLS, whose peer is gone, drops all at once and says nothing of it until
the loop has its turn."""

COST_OF_WRITE: Final = 1024
"""What a write counts for in bytes beside those that it has: small ones take time too."""


class WritingConnection(asyncio.Protocol):
    """The state of one connection, and the way out of it.

    Args:
        loop: the loop that runs it.
        settings: what it shares with the server's other connections.
        peer: whom the PROXY protocol names, where it is used.
    """

    __slots__ = (
        "__weakref__",
        "_ahead",
        "_answer",
        "_body",
        "_body_due",
        "_clock",
        "_coding",
        "_collected",
        "_context",
        "_endpoint",
        "_head",
        "_held",
        "_loop",
        "_max_body_size",
        "_out",
        "_peer",
        "_reading_paused",
        "_request",
        "_settings",
        "_stall",
        "_state",
        "_stream_view",
        "_transport",
        "_unwaited",
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

    _transport: asyncio.Transport

    def __init__(
        self, loop: asyncio.AbstractEventLoop, settings: ServerSettings, peer: ProxiedPeer | None = None
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._peer = peer
        self._state: State = IDLE
        self._held = b""
        self._ahead: tuple[bytes, int] | None = None
        self._head: HeadBuffer | None = None
        self._body: Body | None = None
        self._body_due = False
        self._max_body_size: int | None = None
        self._coding = ""
        self._collected: Collector | None = None
        self._answer: RequestConnection | None = None
        self._request: HTTPServerRequest | None = None
        self._endpoint: Endpoint | None = None
        self._context: Context | None = None
        self._upload: Upload | None = None
        self._clock: BodyClock | None = None
        self._out: list[bytes] | None = None
        self._unwaited = 0
        self._waiters: list[asyncio.Future[None]] | None = None
        self._stream_view: StreamView | None = None
        self._stall: tuple[int, float] | None = None  # while the peer is behind: see `look`
        self._reading_paused = False
        self._writing_paused = False

    def send(self, data: bytes) -> None:
        """Write to the peer; what is written to one that is gone is dropped."""
        out = self._out
        if out is not None:
            out.append(data)
            if len(data) >= MAX_JOINED_SIZE:
                self._flush()
                self._out = []
        elif self._state is not CLOSED:
            try:
                self._transport.write(data)
            except RuntimeError:
                if not self._transport.is_closing():  # which uvloop minds, and asyncio does not
                    raise

    def send_with_body(self, head: bytes, body: bytes) -> None:
        """Write a head and a large body, as `send` does, without a copy of the body where the transport makes none."""
        if self._out is not None:
            self._flush()
        transport = self._transport
        if transport.is_closing():
            return  # asyncio's transports would watch a descriptor that is closed
        transport.writelines((head, body))
        if not self._writing_paused and transport.get_write_buffer_size():
            # asyncio's `writelines` forgets to look whether that was too much (Python 3.12 and 3.13); this looks.
            transport.set_write_buffer_limits()

    def send_and_wait(self, data: bytes) -> asyncio.Future[None]:
        """Write to the peer, and return what ends when it keeps up, or fails with `StreamClosedError`."""
        self.send(data)
        if self._writing_paused or self.is_gone:
            return self.add_waiter()
        self._unwaited += len(data) + COST_OF_WRITE
        if self._unwaited > WRITTEN_PER_TURN:
            self._unwaited = 0
            self._loop.call_soon(self._end_turn)
            return self.add_waiter()
        future: asyncio.Future[None] = self._loop.create_future()
        future.set_result(None)
        return future

    def _end_turn(self) -> None:
        if not self._writing_paused:
            self._wake_waiters()

    def add_waiter(self) -> asyncio.Future[None]:
        """Return what ends when the transport is ready for more, or fails with `StreamClosedError`."""
        future: asyncio.Future[None] = self._loop.create_future()
        if self.is_gone:
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
        """Whether the connection is closed, or about to be."""
        return self._state is CLOSED or self._transport.is_closing()

    @property
    def transport(self) -> asyncio.Transport:
        """What carries the bytes."""
        return self._transport

    @property
    def max_buffer_size(self) -> int | None:
        """Bytes that a stream which takes the connection over may keep."""
        return self._settings.max_buffer_size

    def send_file(self, file: int, offset: int, count: int) -> Coroutine[Any, Any, None]:
        """Send a part of a file behind what has been written; until it is done nothing else may be written."""
        self._flush()
        return FileSender(self._loop, self._transport, self).send(file, offset, count)

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._writing_paused = True
        self.deadline = min(self.deadline, self._settings.now + 1.0)  # somebody has to see that the peer reads on

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._writing_paused = False

    def pause_reading(self) -> None:
        """Let the peer wait; the reverse of `resume_reading`."""
        if not self._reading_paused and self._state is not CLOSED:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes from the peer again."""
        if self._reading_paused and self._state is not CLOSED:
            self._reading_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close the connection at once; what has not been sent is lost: for a peer that is gone, or takes nothing."""
        if self._state is not CLOSED and self._state is not DETACHED:
            self._out = None
            self._transport.abort()

    def _join_writes(self) -> None:
        """Collect what is written from here on, until `_flush`."""
        if self._out is None:
            self._out = []
        elif len(self._out) >= MAX_JOINED_WRITES:
            self._flush()
            self._out = []

    def _flush(self) -> None:
        out, self._out = self._out, None
        if out:
            self.send(out[0] if len(out) == 1 else b"".join(out))

    def _wake_waiters(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def _fail_waiters(self, exc: BaseException | None) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                _set_closed(waiter, exc)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.name} {self._request!r}>"


def _set_closed(future: asyncio.Future[None], exc: BaseException | None) -> None:
    """Fail a future because the peer is gone, which nobody needs to notice."""
    future.set_exception(StreamClosedError(real_error=exc))
    future.exception()
