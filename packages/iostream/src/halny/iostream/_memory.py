"""A pair of asyncio transports in memory: what one writes the other's protocol receives, in later turns of the loop."""

# pyright: reportPrivateUsage=false
# (the classes here are parts of a stream, or look into one)

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._buffers import Buffer

CAPACITY = 65536
"""Bytes delivered in one turn, as a socket's buffer would take; what is beyond waits at the writer."""


@final
class MemoryTransport(asyncio.Transport):
    """One end of a connection in memory; `connected_transports` makes both."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._peer: MemoryTransport = self
        self._protocol: asyncio.BaseProtocol | None = None
        self._pending = bytearray()  # what this end has written and the other not received
        self._reading = True
        self._closing = False
        self._lost = False
        self._writing_paused = False
        self._high = CAPACITY
        self._scheduled = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Returns `default`: there is no socket."""
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Replaces who receives."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Returns who receives."""
        if self._protocol is None:
            raise RuntimeError("the transport has no protocol yet")
        return self._protocol

    def is_closing(self) -> bool:
        """Tells whether this end is closed or closing."""
        return self._closing

    def is_reading(self) -> bool:
        """Tells whether this end receives."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Lets the other end wait."""
        self._reading = False

    def resume_reading(self) -> None:
        """The reverse of `pause_reading`."""
        self._reading = True
        self._peer._schedule()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Sets when the protocol is told to pause; it is told to resume when nothing is left."""
        self._high = CAPACITY if high is None else high

    def get_write_buffer_size(self) -> int:
        """Returns how many bytes wait."""
        return len(self._pending)

    def write(self, data: Buffer) -> None:
        """Queues `data` for the other end."""
        if self._closing:
            return
        self._pending += data
        if len(self._pending) > self._high and not self._writing_paused:
            self._writing_paused = True
            self.get_protocol().pause_writing()
        self._schedule()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Queues several buffers."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Returns `False`: an end that is closed is closed both ways."""
        return False

    def close(self) -> None:
        """Closes this end once everything is delivered."""
        self._closing = True
        self._schedule()

    def abort(self) -> None:
        """Closes this end and drops what is not delivered."""
        self._pending.clear()
        self.close()

    def _schedule(self) -> None:
        if not self._scheduled and not self._lost:
            self._scheduled = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        peer = self._peer
        if peer._closing:
            self._pending.clear()
            if self._closing:
                self._finish()
            return  # else the peer's end tells this one
        if self._pending:
            if not peer._reading:
                return
            chunk = bytes(self._pending[:CAPACITY])
            del self._pending[: len(chunk)]
            peer._receive(chunk)
        if self._pending:
            self._schedule()
            return
        if self._writing_paused and not self._closing:
            self._writing_paused = False
            self.get_protocol().resume_writing()
        if self._closing:
            self._finish()

    def _receive(self, data: bytes) -> None:
        protocol = self.get_protocol()
        if isinstance(protocol, asyncio.BufferedProtocol):
            while data and not self._closing:
                target = memoryview(protocol.get_buffer(len(data)))
                count = min(len(target), len(data))
                target[:count] = data[:count]
                data = data[count:]
                protocol.buffer_updated(count)
        elif isinstance(protocol, asyncio.Protocol):
            protocol.data_received(data)

    def _finish(self) -> None:
        if self._lost:
            return
        self._lost = True
        self.get_protocol().connection_lost(None)
        peer = self._peer
        if not peer._closing:
            protocol = peer.get_protocol()
            if isinstance(protocol, (asyncio.BufferedProtocol, asyncio.Protocol)):
                protocol.eof_received()
            peer.abort()


def connected_transports() -> tuple[MemoryTransport, MemoryTransport]:
    """Returns two transports of the running loop that are connected to each other."""
    loop = asyncio.get_running_loop()
    left, right = MemoryTransport(loop), MemoryTransport(loop)
    left._peer, right._peer = right, left
    return left, right
