"""Accepting connections on a listening socket, fairly and through a shortage of descriptors.

One turn of the loop accepts a bounded number, so a flood of connections can't starve those already open. When the
process or the system runs out of descriptors or memory, or `accept` fails in any other way that lasts, the loop would
spin on the waiting connection: accepting pauses for a moment instead and says so.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any, final

from ._loop import current_loop, poller_of

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

ACCEPTS_PER_TURN = 64
"""Connections accepted in one turn of the loop: enough to empty a burst, little beside a turn's other work."""

ACCEPT_PAUSE_SECONDS = 1.0
"""Pause after running out of descriptors, as long as asyncio's own servers pause."""

_NETWORK_ERRORS = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "ENETDOWN",
        "ENETUNREACH",
        "ENONET",
        "ENOPROTOOPT",
        "EOPNOTSUPP",
        "EPERM",
        "EPROTO",
    )
    if hasattr(errno, name)
)
"""What `accept` tells about a connection that broke before it was accepted, see accept(2); the next may be well."""

general_log = logging.getLogger("halny.general")
app_log = logging.getLogger("halny.application")


def add_accept_handler(sock: socket.socket, callback: Callable[[socket.socket, Any], object]) -> Callable[[], None]:
    """Calls `callback(connection, address)` for each connection made to `sock`; returns what ends it.

    The connection is a non-blocking socket that belongs to the callback. When the callback raises, the connection is
    closed, the exception logged, and accepting goes on. `sock` itself stays open when accepting ends.

    Works before the loop runs: accepting then begins as it starts.

    Args:
        sock: A listening socket.
        callback: Receives the connected socket and the peer's address as `socket.accept` gives it.
    """
    return _Acceptor(current_loop(), sock, callback).stop


@final
class _Acceptor:
    __slots__ = ("_active", "_callback", "_loop", "_pause", "_poller", "_sock")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        callback: Callable[[socket.socket, Any], object],
    ) -> None:
        self._loop = loop
        self._poller = poller_of(loop)
        self._sock = sock
        self._callback = callback
        self._pause: asyncio.TimerHandle | None = None
        self._active = True
        self._poller.add_reader(sock.fileno(), self._accept)

    def stop(self) -> None:
        if not self._active:
            return
        self._active = False
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        elif self._sock.fileno() >= 0:
            self._poller.remove_reader(self._sock.fileno())

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if not self._active:
                return
            try:
                connection, address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _NETWORK_ERRORS:
                    continue
                self._pause_for(error)
                return
            self._hand_over(connection, address)

    def _hand_over(self, connection: socket.socket, address: Any) -> None:
        try:
            connection.setblocking(False)
            self._callback(connection, address)
        except Exception:  # noqa: BLE001 - logged; the next connection must be accepted
            app_log.exception("exception in the callback for a connection from %r", address)
            connection.close()

    def _pause_for(self, error: OSError) -> None:
        general_log.error("can't accept connections: %s; trying again in %s s", error, ACCEPT_PAUSE_SECONDS)
        self._poller.remove_reader(self._sock.fileno())
        self._pause = self._loop.call_later(ACCEPT_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._poller.add_reader(self._sock.fileno(), self._accept)
