"""What is left of a connection that its application has closed, for as long as the peer may still be sending.

To close a socket with something unread makes the kernel send a reset, which may destroy what is on its way to the peer
(RFC 9112, section 9.6). So the transport gets another protocol, which reads and drops until the peer is done, and the
connection itself is over at once: it is left with a transport that is closed, so that whatever is still written goes
nowhere, and whoever waits for the end is told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, final

from ._ends import ConnectionEnds
from ._states import State
from ._writing import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._context import ConnectionContext
    from ._settings import ServerSettings


@final
class Lingering(ConnectionEnds):
    """Ends a transport, and counts as a connection until it has ended.

    Args:
        loop: runs it.
        settings: has the connections and the timeouts.
        transport: is to be ended; what it holds is still sent.
        context: what is known of the peer.
    """

    __slots__ = ()

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: ServerSettings,
        transport: asyncio.Transport,
        context: ConnectionContext,
    ) -> None:
        super().__init__(loop, settings)
        self._transport = transport
        self.context = context
        self.deadline = NEVER
        self._reading_paused = True  # it may be, and to resume twice does no harm

    def begin(self) -> None:
        """Take the transport over, and end it."""
        self._settings.connections.add(self)
        self._transport.set_protocol(self)
        self._end(linger=True)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`: nobody wants it."""

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`: this is what was waited for."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`. Whoever wanted to know of the connection's end knows of it."""
        self._state = State.CLOSED
        self.deadline = NEVER
        settings = self._settings
        settings.connections.discard(self)
        if settings.emptied is not None and not settings.connections:
            settings.emptied.set()


@final
class ClosedTransport(asyncio.Transport):
    """Stands for a transport that somebody else ends: closed, and taking anything without doing it."""

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return True

    def close(self) -> None:
        """See `asyncio.BaseTransport`."""

    def abort(self) -> None:
        """See `asyncio.WriteTransport`."""

    def get_write_buffer_size(self) -> int:
        """See `asyncio.WriteTransport`."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See `asyncio.WriteTransport`."""

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """See `asyncio.WriteTransport`."""

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        """See `asyncio.WriteTransport`."""

    def can_write_eof(self) -> bool:
        """See `asyncio.WriteTransport`."""
        return False

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
