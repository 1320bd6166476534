"""`HTTPServer`: listens, makes a connection's protocol for each client, and ends them.

The listening sockets are `TCPServer`'s; how they are served is this class's: by protocols on asyncio's own
transports, not by streams. Everything that connections share is in one `ServerSettings`.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, cast

from halny.http import HTTPServerConnectionDelegate
from halny.ioloop import IOLoop
from halny.ioloop.util import Configurable
from halny.iostream.netutil import DEFAULT_BACKLOG
from halny.iostream.tcpserver import TCPServer

from ._activation import listen_beside, reserve, shares_its_port
from ._checks import (
    body_size,
    check_application,
    check_server_names,
    check_switches,
    count,
    limits_of,
    networks,
    protocol_of,
    size,
    timeouts_of,
)
from ._listening import (
    Beginnings,
    Listener,
    Preamble,
    PreparingListener,
    keep_freed_memory,
    needs_own_listener,
    send_at_once,
)
from ._settings import ServerSettings
from ._sources import CallableDelegate, DelegateSource, endpoint_source
from ._sweep import Sweep
from ._tls import Certificates

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from halny.http import EndpointSource, HTTPConnection, HTTPMessageDelegate, HTTPServerRequest, Limits

    from ._settings import Timeouts
    from ._tls import TLSOptions


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
        trusted_downstream: Sequence[str] | None = None,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        max_connections: int | None = None,
        trusted_proxies: Sequence[str] | None = None,
        forwarded: bool = False,
        proxy_protocol: bool = False,
        server_names: Mapping[str, TLSOptions] | None = None,
    ) -> None:
        """Take the server's settings; a subclass that overrides this calls it.

        Args:
            request_callback: what answers: an application, a delegate, a source of endpoints, or a callable that
                gets each request.
            no_keep_alive: whether to close every connection after its response.
            xheaders: whether to believe what a proxy says of the client in `X-Real-Ip`, `X-Forwarded-For`,
                `X-Scheme` and `X-Forwarded-Proto`.
            ssl_options: a context, or the arguments of one; serves TLS.
            protocol: `http` or `https` where it is known better than the connection does.
            decompress_request: whether to take the content coding off request bodies.
            chunk_size: the largest part of a streamed body in bytes.
            max_header_size: bytes of a request's head; by default that of `limits`.
            idle_connection_timeout: seconds that a connection may wait for its next request; by default that of
                `timeouts`.
            body_timeout: seconds that a body may take; by default that of `timeouts`.
            max_body_size: bytes of a request's body; by default `max_buffer_size`, or that of `limits`.
            max_buffer_size: bytes of a body that is kept in memory.
            trusted_downstream: addresses and networks of further proxies, which are skipped in the list of hops.
            limits: every limit on what a request may have.
            timeouts: how long a peer may take.
            max_connections: how many connections are served at a time; more are answered with 503. There are at most
                twice as many, those that are turned away and those whose TLS handshake is not over among them.
            trusted_proxies: networks of the proxies that `xheaders`, `forwarded` and `proxy_protocol` believe, and
                `unix` for peers on UNIX sockets. By default they believe every peer.
            forwarded: whether to believe what a proxy says of the client in `Forwarded` (RFC 7239).
            proxy_protocol: whether every connection begins with a header of the PROXY protocol, version 1 or 2.
            server_names: certificates for the names that clients ask for, `*.example.org` among them; `ssl_options`
                has the one for all others.

        What is said by an argument of its own, such as `max_body_size`, holds whatever `limits` and `timeouts` say.

        Raises:
            TypeError: a setting has the wrong type, or nothing can be served by what should answer; the caller's fault.
            ValueError: a setting is out of its range, or settings exclude each other; the caller's fault.
            KeyError: `ssl_options` has no `certfile`.
            OSError: a certificate can't be read, or (`ssl.SSLError`) does not hold what it should.
        """
        check_switches(
            no_keep_alive=no_keep_alive,
            xheaders=xheaders,
            decompress_request=decompress_request,
            forwarded=forwarded,
            proxy_protocol=proxy_protocol,
        )
        chunk_size, max_buffer_size = size("chunk_size", chunk_size), size("max_buffer_size", max_buffer_size)
        max_header_size, max_body_size = size("max_header_size", max_header_size), body_size(max_body_size)
        check_server_names(server_names)
        # TCPServer makes its own context of the options, which also checks them; connections use `Certificates`'.
        TCPServer.__init__(self, ssl_options=ssl_options, max_buffer_size=max_buffer_size, read_chunk_size=chunk_size)
        self.request_callback = request_callback
        self.trusted_downstream = trusted_downstream
        self._keeps_alive = not no_keep_alive
        self._proxies = None if trusted_proxies is None else networks("trusted_proxies", trusted_proxies)
        if trusted_proxies and not (xheaders or forwarded or proxy_protocol):
            raise ValueError("trusted_proxies without xheaders, forwarded or proxy_protocol, which believe them")
        self._proxy_protocol = proxy_protocol
        source = self._endpoint_source(request_callback)
        self._settings = ServerSettings(
            source=self._behind_proxies(source, xheaders, forwarded) if xheaders or forwarded else source,
            limits=limits_of(limits, max_header_size, max_buffer_size if max_body_size is None else max_body_size),
            timeouts=timeouts_of(timeouts, idle_connection_timeout, body_timeout),
            protocol=protocol_of(protocol),
            no_keep_alive=no_keep_alive,
            chunk_size=ServerSettings.DEFAULT_CHUNK_SIZE if chunk_size is None else chunk_size,
            max_buffer_size=max_buffer_size,
            decompress=decompress_request,
            max_connections=count("max_connections", max_connections),
            on_close=self._close_listener(),
        )
        if server_names and ssl_options is None:
            raise ValueError("server_names without ssl_options, which has the certificate for all other names")
        self._certificates = None if ssl_options is None else Certificates(ssl_options, server_names)
        self._sweep: Sweep | None = None
        self._listeners: dict[int, Listener | PreparingListener] = {}
        self._beginnings = Beginnings(self._settings)

    def _endpoint_source(self, request_callback: object) -> EndpointSource:
        if type(self).start_request is not HTTPServer.start_request:
            return DelegateSource(self)  # a subclass wants to be told of every request
        check_application(request_callback)
        return endpoint_source(request_callback)

    def _behind_proxies(self, source: EndpointSource, xheaders: bool, forwarded: bool) -> EndpointSource:
        if xheaders and forwarded:
            raise ValueError("xheaders and forwarded: choose what your proxy writes, for it lets the other pass")
        from ._forwarding import Forwarding, ForwardingSource

        skipped = networks("trusted_downstream", self.trusted_downstream or ())
        forwarding = Forwarding(use_forwarded=forwarded, proxies=self._proxies, skipped=skipped)
        return ForwardingSource(source, forwarding)

    def _close_listener(self) -> Callable[[object], None] | None:
        """Return what wants to know of connections that have ended, if anything does."""
        callback = self.request_callback
        if type(self).on_close is not HTTPServer.on_close:
            return self.on_close
        if isinstance(callback, HTTPServerConnectionDelegate):
            inherited = type(callback).on_close is HTTPServerConnectionDelegate.on_close
            return None if inherited else callback.on_close
        return None

    # Serving

    def start(self, num_processes: int | None = 1, max_restarts: int | None = None) -> None:
        """See `TCPServer.start`. A port bound with `reuse_port=True` gets a socket in each of the processes.

        Args:
            num_processes: 1 for this process, more to fork as many, None or 0 for one each CPU core.
            max_restarts: how many processes that died are replaced.

        Raises:
            RuntimeError: the server was started before, a loop runs already, or too many children died.
        """
        if num_processes != 1 and not self._started:
            shared = [sock for sock in self._pending_sockets if shares_its_port(sock)]
            others = [sock for sock in self._pending_sockets if sock not in shared]
            held = [reserve(sock) for sock in shared]
            from halny.iostream.process import fork_processes

            fork_processes(num_processes, max_restarts)
            self._pending_sockets = others + [each for sock in held for each in listen_beside(sock, DEFAULT_BACKLOG)]
            num_processes = 1
        super().start(num_processes, max_restarts)

    def _start_serving(self, sock: socket.socket) -> None:
        """See `TCPServer._start_serving`: accepting begins as the loop runs."""
        loop = IOLoop.current().asyncio_loop
        if self._sweep is None:
            self._sweep = Sweep(loop, self._settings)
            keep_freed_memory()
        self._sweep.start()
        self._settings.context = copy_context()
        self._settings.keeps_alive = self._keeps_alive  # which `drain` has changed, where it was called before
        send_at_once(sock)
        preamble = Preamble(loop, self._settings.timeouts.header, self._proxies) if self._proxy_protocol else None
        if needs_own_listener(loop) or preamble is not None or self._certificates is not None:
            listener: Listener | PreparingListener = PreparingListener(
                loop, self._settings, sock, self._certificates, preamble, self._beginnings
            )
        else:
            listener = Listener(loop, self._settings, sock)
        self._listeners[sock.fileno()] = listener

    def _stop_serving(self, sock: socket.socket) -> None:
        """See `TCPServer._stop_serving`."""
        self._listeners.pop(sock.fileno()).close()

    def stop(self) -> None:
        """Stop listening. Open connections go on as before; `drain` and `close_all_connections` end them.

        Those of which HTTP has not begun, as their TLS handshake is not over, are closed, as those are which wait to
        be accepted. A server that has stopped may listen again.
        """
        super().stop()
        if self._sweep is not None:
            self._sweep.stop_when_empty()

    async def drain(self, timeout: float | None = 30.0) -> bool:  # noqa: ASYNC109 - the name that users expect
        """Stop gracefully: accept nothing more, answer what is being asked, and close.

        Idle connections are closed at once; the others with the response to the request that they carry, which says
        `Connection: close`. What was detached, such as a WebSocket, is for whoever took it over to end.

        Args:
            timeout: seconds after which what is left is cut off; None for no limit.

        Returns:
            Whether every connection came to its end in time.
        """
        self.stop()
        self._settings.keeps_alive = False
        for connection in list(self._settings.connections):
            connection.close_after_answer()
        try:
            async with asyncio.timeout(timeout):
                await self._wait_until_empty()
        except TimeoutError:
            await self.close_all_connections()
            return False
        return True

    async def close_all_connections(self) -> None:
        """Close every connection, whatever it is doing, and wait until none is left."""
        self._beginnings.cancel()
        await self._beginnings.wait_until_none()
        for connection in list(self._settings.connections):
            connection.abort()
        await self._wait_until_empty()

    async def _wait_until_empty(self) -> None:
        await self._beginnings.wait_until_none()
        settings = self._settings
        if settings.connections:
            if settings.emptied is None or settings.emptied.is_set():
                settings.emptied = asyncio.Event()
            await settings.emptied.wait()

    @property
    def connection_count(self) -> int:
        """How many connections are open: idle ones, those whose TLS handshake is not over, and those that are being
        turned away too, detached ones not.
        """
        return len(self._settings.connections) + len(self._beginnings)

    def reload_certificates(self) -> None:
        """Read the certificates' files anew, for the connections that are made from now on.

        Raises:
            RuntimeError: the server has no TLS, or got its certificates as `SSLContext`s; the caller's fault.
            OSError: a file can't be read, or (`ssl.SSLError`) does not hold what it should. Nothing is changed.
        """
        if self._certificates is None:
            raise RuntimeError("a server without ssl_options has no certificates")
        self._certificates.reload()

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
