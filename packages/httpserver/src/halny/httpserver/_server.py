"""`HTTPServer`: listens, makes a connection's protocol for each client, and ends them.

The listening sockets are `TCPServer`'s; how they are served is this class's: by protocols on asyncio's own
transports, not by streams. Everything that connections share is in one `ServerSettings`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from halny.http import DEFAULT_LIMITS, HTTPServerConnectionDelegate, Limits
from halny.ioloop import IOLoop
from halny.ioloop.util import Configurable
from halny.iostream.netutil import ssl_options_to_context
from halny.iostream.tcpserver import TCPServer

from ._protocol import HTTPProtocol
from ._settings import ServerSettings, Timeouts
from ._sources import CallableDelegate, DelegateSource, endpoint_source
from ._sweep import Sweep

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from halny.http import EndpointSource, HTTPConnection, HTTPMessageDelegate, HTTPServerRequest

_TCP_INFO: Final = struct.Struct("=8x20xI")
"""The beginning of Linux's `struct tcp_info`; of a listening socket `tcpi_sacked` is the length of its queue."""


class HTTPServer(TCPServer, Configurable, HTTPServerConnectionDelegate):
    """Serves HTTP/1.1 on any number of sockets.

        async def main():
            server = HTTPServer(application)
            server.listen(8888)
            await asyncio.Event().wait()

        asyncio.run(main())

    Args:
        *args: what `initialize` takes.
        **kwargs: what `initialize` takes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: `Configurable` has called `initialize`, which subclasses override in its place."""

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        """See `Configurable`."""
        return HTTPServer

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        """See `Configurable`."""
        return HTTPServer

    def initialize(
        self,
        request_callback: object,
        no_keep_alive: bool = False,
        xheaders: bool = False,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        protocol: str | None = None,
        decompress_request: bool = False,
        chunk_size: int | None = None,
        max_header_size: int | None = None,
        idle_connection_timeout: float | None = None,
        body_timeout: float | None = None,
        max_body_size: int | None = None,
        max_buffer_size: int | None = None,
        trusted_downstream: list[str] | None = None,
    ) -> None:
        """Take the server's settings; a subclass that overrides this calls it.

        Args:
            request_callback: what answers: an application, a delegate, a source of endpoints, or a callable that
                gets each request.
            no_keep_alive: whether to close every connection after its response.
            xheaders: whether to believe what a proxy says of the client.
            ssl_options: a context, or the arguments of one; serves TLS.
            protocol: `http` or `https` where it is known better than the connection does.
            decompress_request: whether to take the content coding off request bodies.
            chunk_size: the largest part of a streamed body in bytes.
            max_header_size: bytes of a request's head.
            idle_connection_timeout: seconds that a connection may wait for its next request.
            body_timeout: seconds that a body may take.
            max_body_size: bytes of a request's body; by default `max_buffer_size`.
            max_buffer_size: bytes of a body that is kept in memory.
            trusted_downstream: addresses of proxies that `xheaders` skips.
        """
        TCPServer.__init__(self, ssl_options=ssl_options, max_buffer_size=max_buffer_size, read_chunk_size=chunk_size)
        self.request_callback = request_callback
        defaults, timeouts = DEFAULT_LIMITS, Timeouts()
        max_body = max_body_size if max_body_size is not None else max_buffer_size
        limits = Limits(
            max_header_size=max_header_size or defaults.max_header_size,
            max_target_size=min(defaults.max_target_size, max_header_size or defaults.max_header_size),
            max_body_size=max_body if max_body is not None else defaults.max_body_size,
        )
        timeouts = Timeouts(
            idle=idle_connection_timeout if idle_connection_timeout is not None else timeouts.idle, body=body_timeout
        )
        self._settings = ServerSettings(
            source=self._endpoint_source(request_callback),
            limits=limits,
            timeouts=timeouts,
            protocol=protocol,
            no_keep_alive=no_keep_alive,
            chunk_size=chunk_size or ServerSettings.DEFAULT_CHUNK_SIZE,
        )
        self._ssl_context = None if ssl_options is None else ssl_options_to_context(ssl_options, server_side=True)
        self._sweep: Sweep | None = None
        self._servers: dict[int, asyncio.Task[asyncio.Server]] = {}

    def _endpoint_source(self, request_callback: object) -> EndpointSource:
        if type(self).start_request is not HTTPServer.start_request:
            return DelegateSource(self)  # a subclass wants to be told of every request
        return endpoint_source(request_callback)

    # Serving

    def _start_serving(self, sock: socket.socket) -> None:
        """See `TCPServer._start_serving`: an asyncio server on the socket, which starts as the loop does."""
        loop = IOLoop.current().asyncio_loop
        if self._sweep is None:
            self._sweep = Sweep(loop, self._settings)
            self._sweep.start()
        settings = self._settings
        serving = loop.create_server(
            lambda: HTTPProtocol(loop, settings), sock=sock, ssl=self._ssl_context, backlog=_backlog(sock)
        )
        self._servers[sock.fileno()] = loop.create_task(serving)

    def _stop_serving(self, sock: socket.socket) -> None:
        """See `TCPServer._stop_serving`."""
        task = self._servers.pop(sock.fileno())
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result().close()
        else:
            task.cancel()

    def stop(self) -> None:
        """Stop listening. Open connections go on until they are idle; `close_all_connections` ends them."""
        super().stop()
        if self._sweep is not None and not self._settings.connections:
            self._sweep.stop()

    async def close_all_connections(self) -> None:
        """Close every connection, whatever it is doing, and wait until none is left."""
        connections = self._settings.connections
        for connection in list(connections):
            connection.abort()
        if connections:
            emptied = self._settings.emptied = asyncio.Event()
            await emptied.wait()
        if self._sweep is not None:
            self._sweep.stop()

    # The delegate way

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Return what is told of a request; a subclass may override this to see every request.

        Args:
            server_conn: stands for the connection.
            request_conn: takes the response.
        """
        callback = self.request_callback
        if isinstance(callback, HTTPServerConnectionDelegate):
            return callback.start_request(server_conn, request_conn)
        return CallableDelegate(cast("Callable[[HTTPServerRequest], object]", callback), server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """A connection was closed; see `HTTPServerConnectionDelegate.on_close`.

        Args:
            server_conn: stands for the connection.
        """
        callback = self.request_callback
        if isinstance(callback, HTTPServerConnectionDelegate):
            callback.on_close(server_conn)


def _backlog(sock: socket.socket) -> int:
    """Return the length of a listening socket's queue, which asyncio sets anew when it takes the socket over."""
    if sys.platform == "linux" and sock.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
            (backlog,) = _TCP_INFO.unpack(info)
            return int(backlog)
    return max(socket.SOMAXCONN, 128)
