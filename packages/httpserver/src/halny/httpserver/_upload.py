"""A body that its endpoint takes as it comes.

Strategy: one coroutine for each upload, run as a task in the request's context. It hands parts over one at a time
and waits for the endpoint after each, while the connection holds a bounded number of bytes and lets the peer wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, final

from halny.http import CONTINUE, HTTPRefusal

if TYPE_CHECKING:
    from halny.http import BodyReader, StreamingEndpoint

    from ._protocol import HTTPProtocol


@final
class Upload:
    """Feeds a body to an endpoint.

    Args:
        protocol: the connection that it comes from.
        endpoint: takes it.
        body: tells its content from its framing.
        expects_continue: whether the peer waits to be told that the body is wanted.
    """

    __slots__ = ("_endpoint", "_expects_continue", "_held", "_protocol", "_stopped", "_waiter", "body")

    def __init__(
        self, protocol: HTTPProtocol, endpoint: StreamingEndpoint, body: BodyReader, *, expects_continue: bool
    ) -> None:
        self._protocol = protocol
        self._endpoint = endpoint
        self._expects_continue = expects_continue
        self._held = b""
        self._waiter: asyncio.Future[None] | None = None
        self._stopped = False
        self.body = body

    @property
    def waits_for_peer(self) -> bool:
        """Whether it is the peer that has to go on."""
        return self._waiter is not None

    def feed(self, data: bytes) -> None:
        """Take what the peer has sent."""
        self._held = self._held + data if self._held else data
        if len(self._held) > self._protocol.chunk_size:
            self._protocol.pause_reading()
        self._wake()

    def stop(self) -> None:
        """Hand nothing more over: the response is finished, or the peer is gone."""
        self._stopped = True
        self._wake()

    async def run(self) -> None:
        """Hand the body over until it ends, or nobody wants it any more."""
        ready = self._endpoint.wait_for_body()
        if ready is not None:
            await ready
        if self._expects_continue and not self._stopped and not self._held:
            self._protocol.send(CONTINUE)
        try:
            await self._hand_over()
        except HTTPRefusal as refusal:
            self._protocol.upload_refused(self, refusal)
            return
        if not self._stopped:
            self._protocol.upload_complete(self, self.body.rest)
            self._endpoint.body_complete()

    async def _hand_over(self) -> None:
        body, size = self.body, self._protocol.chunk_size
        while not self._stopped and not body.complete:
            if not self._held and not body.pending:
                await self._wait_for_peer()
                continue
            held, self._held = self._held, b""
            for piece in body.feed(held):
                if not await self._hand_over_piece(piece, size):
                    return
            if body.pending:
                await asyncio.sleep(0)  # many small chunks: others want their turn

    async def _hand_over_piece(self, piece: bytes, size: int) -> bool:
        """Hand over a piece in parts of at most `size` bytes, and return whether more is wanted."""
        for start in range(0, len(piece), size):
            taken = self._endpoint.data_received(piece[start : start + size] if len(piece) > size else piece)
            if taken is not None:
                await taken
            if self._stopped:
                return False
        return True

    async def _wait_for_peer(self) -> None:
        self._protocol.resume_reading()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
