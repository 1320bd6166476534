"""What every connection of a server shares: its limits, its timeouts, its application, and the list of connections."""

from __future__ import annotations

import logging
import time
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, final

from halny.http import DEFAULT_LIMITS, EndpointSource, HeadReader, Limits

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ._ends import ConnectionEnds

application_log = logging.getLogger("halny.application")
general_log = logging.getLogger("halny.general")

KIB = 1024


@final
class Timeouts(NamedTuple):
    """How long a peer may take, in seconds; `math.inf` is for no limit. A handler's own time is not limited."""

    header: float = 30.0
    """For a head, from its first byte to its last. Slower is answered with 408: a peer that sends a head byte by
    byte would else keep a connection for ever."""

    idle: float = 75.0
    """Between a response and the next request; the connection is then closed. A little longer than the minute that
    proxies and browsers keep connections for, so that they close first."""

    body: float | None = None
    """For a whole body, or None for no limit but the rate. Slower is answered with 408."""

    body_rate: float = 240.0
    """Bytes in each second that a body must bring on the average, after `body_grace`; slower is answered with 408.
    Less than the slowest links that are in use, enough to end a body sent byte by byte. 0 is for no rate."""

    body_grace: float = 20.0
    """Seconds before `body_rate` counts, and how long a body may pause at the least."""

    write: float = 60.0
    """For a part of a response, of which the peer takes nothing in all that time; the connection is then cut off. A
    peer that asks for much and never reads would else hold what it asked for in memory."""

    handshake: float = 30.0
    """For a TLS handshake; the connection is then cut off. As long as for a head: it takes two round trips and little
    computing, and until it ends nobody knows who is there."""

    linger: float = 2.0
    """How long a connection that ends with an error response is read from and emptied, so that the response reaches
    the peer before the reset that unread bytes cause (RFC 9112, section 9.6)."""


@final
class ServerSettings:
    """The state that the connections of one server share."""

    DEFAULT_CHUNK_SIZE: ClassVar = 256 * KIB  # what event loops read at once: no part has to be cut

    __slots__ = (
        "_next_told", "chunk_size", "connections", "context", "decompress", "emptied", "idle_deadline", "keeps_alive",
        "limits", "max_buffer_size", "max_connections", "now", "on_close", "protocol", "read_ahead", "reader", "source",
        "tasks", "timeouts", "turned_away",
    )  # fmt: skip

    source: EndpointSource
    """Finds what answers a request."""
    limits: Limits
    timeouts: Timeouts
    protocol: str | None
    """`http` or `https` where it is told, else None."""
    keeps_alive: bool
    """Whether connections stay open after a response: not with `no_keep_alive`, nor while the server drains."""
    chunk_size: int
    """The largest part of a body in bytes that a streaming endpoint gets at once."""
    max_buffer_size: int | None
    """Bytes that a detached connection's stream may keep, or None for the stream's own default."""
    decompress: bool
    """Whether request bodies lose their content coding before an application gets them."""
    max_connections: int | None
    """How many connections are served at a time, or None for as many as there are descriptors."""
    read_ahead: int
    """Bytes that are read while a handler works; beyond them reading pauses. Reading goes on at all so that the
    peer's going away is noticed."""
    on_close: Callable[[object], None] | None
    """Is called with each connection that has come to its end, where somebody wants to know."""
    context: Context
    """What the context of every request is a copy of, so that none sees what another has set."""
    now: float
    """The loop's time when the connections were last looked over: coarse, and free to read."""
    idle_deadline: float
    """When a connection that becomes idle now has been idle for long enough."""
    emptied: asyncio.Event | None
    """Is set when the last connection is gone, for whoever waits for that."""

    def __init__(
        self,
        source: EndpointSource,
        *,
        limits: Limits = DEFAULT_LIMITS,
        timeouts: Timeouts | None = None,
        protocol: str | None = None,
        no_keep_alive: bool = False,
        chunk_size: int = DEFAULT_CHUNK_SIZE,
        max_buffer_size: int | None = None,
        decompress: bool = False,
        max_connections: int | None = None,
        on_close: Callable[[object], None] | None = None,
    ) -> None:
        self.source = source
        self.limits = limits
        self.timeouts = Timeouts() if timeouts is None else timeouts
        self.protocol = protocol
        self.keeps_alive = not no_keep_alive
        self.chunk_size = chunk_size
        self.max_buffer_size = max_buffer_size
        self.decompress = decompress
        self.max_connections = max_connections
        self.read_ahead = 64 * KIB
        self.on_close = on_close
        self.context = copy_context()
        self.reader = HeadReader(limits)
        self.set_time(0.0)
        self.connections: set[ConnectionEnds] = set()
        self.turned_away: set[ConnectionEnds] = set()  # those connections that are one too many
        self.emptied = None
        self.tasks: set[asyncio.Task[Any]] = set()
        self._next_told = 0.0

    def set_time(self, now: float) -> None:
        """The loop's time is `now`, in seconds."""
        self.now = now
        self.idle_deadline = now + self.timeouts.idle

    def tell_of_cut_off(self, peer: object) -> None:
        """A connection was closed without an answer, as twice `max_connections` are there. Said once a second.

        Args:
            peer: whose it was.
        """
        now = time.monotonic()
        if now >= self._next_told:
            self._next_told = now + 1.0
            general_log.info("refused connection from %s: more than twice %s connections", peer, self.max_connections)

    def forget(self, connection: ConnectionEnds) -> None:
        """A connection has come to its end, or belongs to somebody else from now on."""
        self.connections.discard(connection)
        self.turned_away.discard(connection)
        if self.emptied is not None and not self.connections:
            self.emptied.set()
        if self.on_close is not None:
            try:
                self.on_close(connection)
            except Exception:  # noqa: BLE001 - whatever an application raises
                application_log.exception("exception in on_close")
