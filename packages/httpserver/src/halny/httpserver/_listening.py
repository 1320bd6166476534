"""How listening sockets are served: by hand, or by the servers of the event loop.

Some connections begin with something else than HTTP. That may be a TLS handshake: loops' servers tell nobody of one
until it is over, so a peer that never ends its own would not be counted. It may be the header of the PROXY protocol,
which comes before everything else, TLS too: it is read from the socket before there is a transport, and never more
than the header. Such sockets are served by hand, and on asyncio's own loops all are: see `needs_own_listener`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, Final, cast, final

from halny.iostream.netutil import add_accept_handler

from ._context import ip_of
from ._protocol import HTTPProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._forwarding import Networks
    from ._proxy_header import ProxiedPeer
    from ._settings import ServerSettings
    from ._tls import Certificates

general_log = logging.getLogger("halny.general")

_TCP_INFO: Final = struct.Struct("=8x20xI")
"""The beginning of Linux's `struct tcp_info`; of a listening socket `tcpi_sacked` is the length of its queue."""


TLS_SHUTDOWN: Final = 24 * 3600.0
"""Seconds after which a loop ends a transport with TLS that was closed, whether or not the peer takes what is still to
be sent. That is judged by the server's sweep, which waits for a slow peer and ends others sooner: see `look`."""

_LARGE: Final = 4 * 1024 * 1024


def keep_freed_memory() -> None:
    """Let the C library keep some megabytes that were freed, instead of giving them back and asking for them anew.

    Event loops allocate 256 KiB for each read and free it. By default glibc returns such a block to the system each
    time, and the next read takes 64 page faults, which cost more than the read. It keeps twice the size of the largest
    block that was mapped for itself and freed (`M_TRIM_THRESHOLD` in mallopt(3)), so one of these is mapped and freed
    here; none of it is touched. Uploads take half the processor time. Elsewhere this does nothing.
    """
    bytes(_LARGE)


def send_at_once(sock: socket.socket) -> None:
    """Let small writes leave at once on all connections that a listening socket accepts, which inherit that from it.

    Asyncio sees to it by itself, but only where the socket was made with the number of its protocol, as those of
    `bind_sockets` are and those of `socket.create_server` are not.
    """
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def needs_own_listener(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether connections that begin with HTTP itself are better accepted by hand, too: it costs the same there.

    When the process has no descriptors left, asyncio's loops for selectors try again at once as many times as the queue
    is long, and log a traceback each time.

    Args:
        loop: runs the connections.
    """
    return isinstance(loop, asyncio.SelectorEventLoop)


@final
class Listener:
    """Serves one listening socket with protocols on the loop's own transports, as soon as it runs.

    Args:
        loop: runs the connections.
        settings: what they share.
        sock: listens already.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: ServerSettings, sock: socket.socket) -> None:
        self._loop = loop
        self._settings = settings
        self._server: asyncio.Server | None = None
        self._task = loop.create_task(self._serve(sock))

    async def _serve(self, sock: socket.socket) -> None:
        loop, settings = self._loop, self._settings
        options: dict[str, Any] = {"sock": sock, "backlog": _backlog(sock), "start_serving": False}

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
class Beginnings:
    """The connections of a server of which HTTP has not begun: nobody has asked for anything yet.

    Args:
        settings: has the connections of which it has, and their limit.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether one more may begin. Those that do so count as those that are turned away: there are never more
        connections than twice the limit, and those of which HTTP has begun are served up to the limit.
        """
        limit = self._settings.max_connections
        return limit is None or len(self._settings.connections) + len(self._waiting) < 2 * limit

    def add(self, task: asyncio.Task[None]) -> None:
        """Count one more, until HTTP has begun or its task is done."""
        self._tasks.add(task)
        self._waiting.add(task)
        task.add_done_callback(self._forget)

    def begun(self, task: asyncio.Task[None]) -> None:
        """HTTP has begun, which counts the connection itself: the task has nothing more to do but to end."""
        self._waiting.discard(task)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._waiting.discard(task)

    def cancel(self) -> None:
        """Close all of them."""
        for task in self._waiting:
            task.cancel()

    async def wait_until_none(self) -> None:
        """Wait until none is left."""
        if self._tasks:
            await asyncio.wait(self._tasks)


@final
class _Beginning(asyncio.Protocol):
    """Takes the place of HTTP's protocol until the transport is there.

    Args:
        begin: makes HTTP's protocol, or returns None where nobody listens any more.
    """

    def __init__(self, begin: Callable[[], HTTPProtocol | None]) -> None:
        self._begin = begin

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        protocol = self._begin()
        if protocol is None:
            cast("asyncio.Transport", transport).abort()
            return
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


@final
class PreparingListener:
    """Serves one listening socket by hand; connections may begin with a header of the PROXY protocol, or with TLS.

    Args:
        loop: runs the connections.
        settings: what they share.
        sock: listens already.
        certificates: for TLS, or None.
        preamble: what comes before that, or None.
        beginnings: counts the connections that are not yet HTTP's.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: ServerSettings,
        sock: socket.socket,
        certificates: Certificates | None,
        preamble: Preamble | None,
        beginnings: Beginnings,
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._certificates = certificates
        self._preamble = preamble
        self._beginnings = beginnings
        self._tasks: set[asyncio.Task[None]] = set()
        self._remove: Callable[[], None] = add_accept_handler(sock, self._accept)

    def close(self) -> None:
        """Accept nothing any more; connections of which HTTP has not begun are closed, others go on."""
        self._remove()
        for task in self._tasks:
            task.cancel()

    def _accept(self, sock: socket.socket, address: Any) -> None:
        ip = ip_of(address)
        if not self._beginnings.has_room:
            sock.close()
            self._settings.tell_of_cut_off(ip)
        elif self._preamble is not None and not self._preamble.is_taken_from(ip):
            sock.close()
        else:
            task = self._loop.create_task(self._begin(sock, ip))
            self._beginnings.add(task)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _begin(self, sock: socket.socket, ip: str) -> None:
        loop, settings = self._loop, self._settings
        task = cast("asyncio.Task[None]", asyncio.current_task())
        options: dict[str, Any] = {}
        certificates = self._certificates
        if certificates is not None:
            options = {
                "ssl": certificates.context,
                "ssl_handshake_timeout": settings.timeouts.handshake,
                "ssl_shutdown_timeout": TLS_SHUTDOWN,
            }

        def begin() -> HTTPProtocol | None:
            if task.cancelling():
                return None  # the server has stopped in this very turn
            self._beginnings.begun(task)
            self._tasks.discard(task)
            return HTTPProtocol(loop, settings, peer)

        try:
            peer = None if self._preamble is None else await self._preamble.read(sock, ip)
            await loop.connect_accepted_socket(lambda: _Beginning(begin), sock, **options)
        except OSError as error:  # the peer is gone, too slow, or its handshake failed
            general_log.debug("connection from %s ended: %s", ip, error)
            sock.close()
            if certificates is not None:
                certificates.examine(error)
        except BaseException:
            sock.close()
            raise


@final
class Preamble:
    """Reads the header of the PROXY protocol.

    Args:
        loop: runs the connections.
        timeout: how long it may take, in seconds.
        proxies: from whom one is taken, or None for everybody.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float, proxies: Networks | None) -> None:
        self._loop = loop
        self._timeout = timeout
        self._proxies = proxies

    def is_taken_from(self, ip: str) -> bool:
        """Return whether a peer may speak for others; one that may not leaves a line in the log."""
        if self._proxies is None or ip in self._proxies:
            return True
        general_log.info("connection from %s, which is no trusted proxy", ip)
        return False

    async def read(self, sock: socket.socket, ip: str) -> ProxiedPeer | None:
        """Read the header, and return for whom the peer speaks, or None if for itself.

        Raises:
            OSError: the peer is gone or too slow, or what it sent is no header.
        """
        from ._proxy_header import ProxyHeaderError, ProxyHeaderReader

        reader = ProxyHeaderReader()
        try:
            async with asyncio.timeout(self._timeout):
                while reader.missing:
                    reader.feed(await self._loop.sock_recv(sock, reader.missing))
        except ProxyHeaderError as error:
            general_log.info("malformed connection from %s: %s", ip, error)
            raise ConnectionAbortedError(str(error)) from error
        return reader.peer


def _backlog(sock: socket.socket) -> int:
    """Return the length of a listening socket's queue, which asyncio sets anew when it takes the socket over."""
    if sys.platform == "linux" and sock.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
            (backlog,) = _TCP_INFO.unpack(info)
            return int(backlog)
    return max(socket.SOMAXCONN, 128)
