"""A body that its endpoint takes as it comes.

Strategy: while the endpoint takes every part at once, parts go to it straight from the transport; as soon as it wants
to be waited for, a coroutine, run as a task in the request's context, waits, while the connection holds a bounded
number of bytes and lets the peer wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, final

from halny.http import HTTPRefusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator
    from contextvars import Context

    from halny.http import HTTPServerRequest, StreamingEndpoint

    from ._bodies import Body
    from ._connection import RequestConnection
    from ._running import RunningConnection


@final
class Upload:
    """Feeds a body to an endpoint.

    Args:
        protocol: the connection that it comes from.
        endpoint: takes it.
        request: announces it.
        answer: takes the response.
        context: the request's context.
    """

    __slots__ = (
        "_answer",
        "_context",
        "_endpoint",
        "_error",
        "_held",
        "_parts",
        "_protocol",
        "_request",
        "_stopped",
        "_taken",
        "_waiter",
        "body",
        "is_answered",
    )

    is_answered: bool
    """Whether the response is finished before the body was."""
    body: Body | None
    """Reads the body, once the endpoint wants it."""

    def __init__(
        self,
        protocol: RunningConnection,
        endpoint: StreamingEndpoint,
        request: HTTPServerRequest,
        answer: RequestConnection,
        context: Context,
    ) -> None:
        self._protocol = protocol
        self._endpoint = endpoint
        self._request = request
        self._answer = answer
        self._context = context
        self._held = b""
        self._waiter: asyncio.Future[None] | None = None
        self._parts: Iterator[bytes] | None = None
        self._taken: Awaitable[None] | None = None
        self._error: BaseException | None = None
        self._stopped = False
        self.is_answered = False
        self.body = None

    @property
    def waits_for_peer(self) -> bool:
        """Whether it is the peer that has to go on."""
        return self._waiter is not None and not self._waiter.done()

    def feed(self, data: bytes) -> None:
        """Take what the peer has sent."""
        if self.waits_for_peer:
            self._context.run(self._feed_directly, data)
            return
        self._held = self._held + data if self._held else data
        if len(self._held) > self._protocol.chunk_size:
            self._protocol.pause_reading()

    def stop(self) -> None:
        """Hand nothing more over: the response is finished, or the peer is gone."""
        self._stopped = True
        self._wake()

    def take_held(self) -> bytes:
        """Return what has come and was not handed over: for whoever takes the connection over."""
        held, self._held = self._held, b""
        return held

    async def run(self) -> None:
        """Hand the body over until it ends, or nobody wants it any more."""
        ready = self._endpoint.wait_for_body()
        if ready is not None:
            await ready
        if not self._stopped:
            await self._hand_all_over()
        if self.is_answered:
            self._endpoint.body_dropped()

    async def _hand_all_over(self) -> None:
        try:
            body = self.body = self._protocol.read_body(self._endpoint, self._request)
            if not self._held:  # else the body has begun without
                self._protocol.ask_for_body(self._request, self._answer)
            # What the endpoint has begun with is waited for even when nobody wants more: it may be a coroutine.
            while self._taken is not None or not (self._stopped or self._is_done(body)):
                await self._go_on(body)
        except HTTPRefusal as refusal:
            if not self._stopped:
                self._protocol.upload_refused(self, refusal)
            return
        if self._error is not None:
            raise self._error
        if not self._stopped:
            self._protocol.upload_complete(self, body.rest + self._held)
            self._endpoint.body_complete()

    def _is_done(self, body: Body) -> bool:
        return body.complete and self._parts is None and self._error is None

    async def _go_on(self, body: Body) -> None:
        """Do whatever is due: wait for the endpoint, hand on the rest, let others have their turn, or read."""
        if self._error is not None:
            raise self._error
        if self._taken is not None:
            taken, self._taken = self._taken, None
            await taken
        elif self._parts is not None:
            self._hand_over(self._parts)
        elif body.pending:
            await asyncio.sleep(0)  # many small chunks: others want their turn
            if not self._stopped:
                self._hand_over(self._split(body.feed(b"")))
        elif self._held:
            self._hand_over(self._split(body.feed(self.take_held())))
        else:
            await self._wait_for_peer()

    def _feed_directly(self, data: bytes) -> None:
        """Hand over what has come while the coroutine waits for it, and wake that only if it has to go on."""
        body = self.body
        assert body is not None
        try:
            self._hand_over(self._split(body.feed(data)))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the coroutine raises it
            self._error = error
        if self._error is not None or self._taken is not None or body.complete or body.pending:
            self._wake()

    def _hand_over(self, parts: Iterator[bytes]) -> None:
        """Hand over parts as long as nobody has to be waited for."""
        self._parts = parts
        for part in parts:
            if self._stopped:
                break
            taken = self._endpoint.data_received(part)
            if taken is not None:
                self._taken = taken
                return
        self._parts = None

    def _split(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield pieces in parts of the size that was asked for; many small ones of one read become one."""
        size = self._protocol.chunk_size
        if isinstance(pieces, list) and len(pieces) > 1:
            pieces = [b"".join(pieces)]
        for piece in pieces:
            if len(piece) <= size:
                yield piece
            else:
                for start in range(0, len(piece), size):
                    yield piece[start : start + size]

    async def _wait_for_peer(self) -> None:
        self._protocol.resume_reading()
        if self._held or self._stopped:
            return  # a transport may hand over what it has at once
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
