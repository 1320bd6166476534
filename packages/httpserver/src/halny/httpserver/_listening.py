"""How listening sockets are served: by asyncio's servers, or, behind a proxy that announces clients, by hand.

The header of the PROXY protocol comes before everything else, TLS too, so it is read from the socket before there is
a transport, and never more than the header.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, Final, final

from halny.iostream.netutil import add_accept_handler

from ._context import ip_of
from ._protocol import HTTPProtocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ._forwarding import Networks
    from ._settings import ServerSettings

general_log = logging.getLogger("halny.general")

_TCP_INFO: Final = struct.Struct("=8x20xI")
"""The beginning of Linux's `struct tcp_info`; of a listening socket `tcpi_sacked` is the length of its queue."""


_LARGE: Final = 4 * 1024 * 1024


def keep_freed_memory() -> None:
    """Let the C library keep some megabytes that were freed, instead of giving them back and asking for them anew.

    Event loops allocate 256 KiB for each read and free it. By default glibc returns such a block to the system each
    time, and the next read takes 64 page faults, which cost more than the read. It keeps twice the size of the largest
    block that was mapped for itself and freed (`M_TRIM_THRESHOLD` in mallopt(3)), so one of these is mapped and freed
    here; none of it is touched. Uploads take half the processor time. Elsewhere this does nothing.
    """
    bytes(_LARGE)


@final
class Listener:
    """Serves one listening socket with protocols on asyncio's own transports, as soon as the loop runs.

    Args:
        loop: runs the connections.
        settings: what they share.
        sock: listens already.
        context: for TLS, or None.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: ServerSettings,
        sock: socket.socket,
        context: ssl.SSLContext | None,
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._server: asyncio.Server | None = None
        self._task = loop.create_task(self._serve(sock, context))

    async def _serve(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        loop, settings = self._loop, self._settings
        options: dict[str, Any] = {"sock": sock, "backlog": _backlog(sock), "start_serving": False}
        if context is not None:
            options |= {"ssl": context, "ssl_handshake_timeout": settings.timeouts.header}

        def make() -> HTTPProtocol:
            return HTTPProtocol(loop, settings)

        if sock.family == getattr(socket, "AF_UNIX", None) and not isinstance(loop, asyncio.BaseEventLoop):
            self._server = await loop.create_unix_server(make, **options)  # uvloop's create_server takes TCP alone
        else:
            self._server = await loop.create_server(make, **options)
        await self._server.start_serving()

    def close(self) -> None:
        """Accept nothing any more; what was accepted goes on."""
        self._task.cancel()
        if self._server is not None:
            self._server.close()


@final
class ProxiedListener:
    """Serves one listening socket whose connections begin with a header of the PROXY protocol.

    Args:
        loop: runs the connections.
        settings: what they share.
        sock: listens already.
        context: for TLS, or None.
        proxies: from whom such a header is taken, or None for everybody.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: ServerSettings,
        sock: socket.socket,
        context: ssl.SSLContext | None,
        proxies: Networks | None,
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._context = context
        self._proxies = proxies
        self._remove: Callable[[], None] = add_accept_handler(sock, self._accept)
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Accept nothing any more; connections whose header has not come are closed, others go on."""
        self._remove()
        for task in self._tasks:
            task.cancel()

    def _accept(self, sock: socket.socket, address: Any) -> None:
        ip = ip_of(address)
        limit = self._settings.max_connections
        if self._proxies is not None and ip not in self._proxies:
            general_log.info("connection from %s, which is no trusted proxy", ip)
            sock.close()
        elif limit is not None and len(self._tasks) >= limit:
            sock.close()
        else:
            sock.setblocking(False)
            task = self._loop.create_task(self._begin(sock, ip))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _begin(self, sock: socket.socket, ip: str) -> None:
        from ._proxy_header import ProxyHeaderError, ProxyHeaderReader

        loop, settings = self._loop, self._settings
        reader = ProxyHeaderReader()
        options: dict[str, Any] = {}
        if self._context is not None:
            options = {"ssl": self._context, "ssl_handshake_timeout": settings.timeouts.header}
        try:
            async with asyncio.timeout(settings.timeouts.header):
                while reader.missing:
                    reader.feed(await loop.sock_recv(sock, reader.missing))
            await loop.connect_accepted_socket(lambda: HTTPProtocol(loop, settings, reader.peer), sock, **options)
        except ProxyHeaderError as error:
            general_log.info("malformed connection from %s: %s", ip, error)
            sock.close()
        except OSError as error:  # the peer is gone, too slow, or its handshake failed
            general_log.debug("connection from %s ended: %s", ip, error)
            sock.close()
        except BaseException:
            sock.close()
            raise


def _backlog(sock: socket.socket) -> int:
    """Return the length of a listening socket's queue, which asyncio sets anew when it takes the socket over."""
    if sys.platform == "linux" and sock.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
            (backlog,) = _TCP_INFO.unpack(info)
            return int(backlog)
    return max(socket.SOMAXCONN, 128)
