"""The connection below a request, as programs look at it: `request.connection.stream`.

A view: it reads and writes nothing and takes nothing over. `RequestConnection.detach` gives a real stream.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ._ends import ConnectionEnds

application_log = logging.getLogger("halny.application")

_OF_TLS: Final = frozenset(
    ["cipher", "compression", "context", "get_channel_binding", "getpeercert", "selected_alpn_protocol", "version"]
)
"""What programs ask of a socket with TLS, and only its TLS side knows."""


@final
class StreamView:
    """What can be asked of a connection without taking it over.

    Args:
        connection: is looked at.
    """

    def __init__(self, connection: ConnectionEnds) -> None:
        self._connection = connection
        self._close_callback: Callable[[], object] | None = None
        self.error: BaseException | None = None
        """Why the connection was lost, where its transport said so."""

    def closed(self) -> bool:
        """Return whether the connection is closed."""
        return self._connection.is_gone

    def writing(self) -> bool:
        """Return whether bytes wait to be sent."""
        return not self.closed() and self._transport.get_write_buffer_size() > 0

    @property
    def socket(self) -> Any:
        """The socket, to be asked and not to be read; with TLS it answers what an `ssl.SSLSocket` does. None once
        the connection is closed.
        """
        if self.closed():
            return None
        sock = self._transport.get_extra_info("socket")
        tls = self._transport.get_extra_info("ssl_object")
        return sock if tls is None else _TLSSocketView(sock, tls)

    def fileno(self) -> int:
        """Return the descriptor of the socket, or -1 where there is none."""
        sock = self.socket
        return -1 if sock is None else int(sock.fileno())

    def set_nodelay(self, value: bool) -> None:
        """Set whether small writes leave at once, which they do from the beginning.

        Args:
            value: False lets the system join them.
        """
        sock = self.socket
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1 if value else 0)

    def set_close_callback(self, callback: Callable[[], object] | None) -> None:
        """Set what is called when the connection is closed, whenever that is and by whomever.

        Args:
            callback: takes no arguments; None takes it away.
        """
        self._close_callback = callback

    def close(self) -> None:
        """Close the connection; what has been written still reaches the peer, even one that is sending."""
        self._connection.close()

    def lost(self, error: BaseException | None) -> None:
        """Tell whoever asked that the connection is closed; called by it."""
        self.error = error
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            try:
                callback()
            except Exception:  # noqa: BLE001 - whatever an application raises
                application_log.exception("exception in the close callback of a stream")

    @property
    def _transport(self) -> asyncio.Transport:
        return self._connection.transport


@final
class _TLSSocketView:
    """A socket below TLS, and what TLS knows of it."""

    def __init__(self, sock: Any, tls: Any) -> None:
        self._socket = sock
        self._tls = tls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tls if name in _OF_TLS else self._socket, name)
