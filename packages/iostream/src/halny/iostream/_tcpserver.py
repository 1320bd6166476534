"""A TCP server: sockets that listen at once, and a stream for each connection.

`TCPServer` keeps the listening sockets; what happens with a socket once it should serve is a pair of hooks,
`_start_serving` and `_stop_serving`. Its own hooks accept connections and hand streams to `handle_stream`; a server
that works on asyncio protocols (`halny.httpserver`) overrides them and inherits the rest.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._accept import add_accept_handler
from ._exceptions import StreamClosedError
from ._fork import fork_processes
from ._socket import IOStream
from ._sockets import DEFAULT_BACKLOG, bind_sockets
from ._ssl import ssl_options_to_context, wrap_connected
from ._tls import SSLIOStream
from ._unserved import expect_to_serve

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

app_log = logging.getLogger("halny.application")
general_log = logging.getLogger("halny.general")


class TCPServer:
    """A non-blocking TCP server; override [`handle_stream`][halny.iostream.tcpserver.TCPServer.handle_stream].

    Three ways to start it:

    * `listen(port)` serves in this process;
    * `bind(port)` then `start(n)` forks `n` processes that share the sockets;
    * `bind_sockets`, then perhaps `fork_processes`, then `add_sockets` leaves every step to you.

    Listening is synchronous: a port that is in use is an error of `listen` itself, before any loop runs, and
    connections that arrive before the loop starts wait in the kernel. With `ssl_options` each connection is a
    `SSLIOStream` whose handshake has begun when `handle_stream` is called.

    Without a running loop a server belongs to the loop of `IOLoop.current()`, which has to be started: `asyncio.run`
    makes another one, so there the server is started inside the coroutine that it runs. Where the server's loop never
    ran, the log says so at the end of the process.
    """

    def __init__(
        self,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
    ) -> None:
        """Makes a server that listens nowhere yet.

        Args:
            ssl_options: Serves TLS: a context, or what
                [`ssl_options_to_context`][halny.iostream.netutil.ssl_options_to_context] takes.
            max_buffer_size: See [`BaseIOStream`][halny.iostream.BaseIOStream].
            read_chunk_size: See `BaseIOStream`.

        Raises:
            KeyError: `ssl_options` has no `certfile`.
            TypeError: `ssl_options` are neither a context nor a mapping.
            ValueError: A file named in `ssl_options` does not exist, an option is unknown, or a context is a client's.
            OSError: A file can't be read, or (`ssl.SSLError`) does not hold what it should.
        """
        _check_files(ssl_options)
        self.ssl_options = ssl_options
        self._ssl_context = None if ssl_options is None else ssl_options_to_context(ssl_options, server_side=True)
        self.max_buffer_size = max_buffer_size
        self.read_chunk_size = read_chunk_size
        self._sockets: dict[int, socket.socket] = {}
        self._handlers: dict[int, Callable[[], None]] = {}
        self._pending_sockets: list[socket.socket] = []
        self._started = False
        self._stopped = False
        self._tasks: set[asyncio.Future[Any]] = set()

    def listen(
        self,
        port: int,
        address: str | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Listens on `port` and serves it; may be called several times, for several ports.

        Args:
            port: See [`bind_sockets`][halny.iostream.netutil.bind_sockets] for all arguments.
            address: Host name or IP address to listen on.
            family: Restricts the addresses.
            backlog: Length of the queue of waiting connections.
            flags: `getaddrinfo` flags.
            reuse_port: Sets `SO_REUSEPORT`.

        Raises:
            OSError: The address can't be bound.
        """
        self.add_sockets(bind_sockets(port, address, family, backlog, flags, reuse_port))

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Serves `sockets`, which must listen already and now belong to the server.

        Args:
            sockets: What [`bind_sockets`][halny.iostream.netutil.bind_sockets] returned, for example.
        """
        sockets = list(sockets)
        for sock in sockets:
            self._sockets[sock.fileno()] = sock
            self._start_serving(sock)
        expect_to_serve(sockets)

    def add_socket(self, socket: socket.socket) -> None:
        """Serves one listening socket; see `add_sockets`.

        Args:
            socket: A listening socket.
        """
        self.add_sockets([socket])

    def bind(
        self,
        port: int,
        address: str | None = None,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = DEFAULT_BACKLOG,
        flags: int | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Listens on `port` and leaves serving to `start`; `listen` does both.

        Args:
            port: See [`bind_sockets`][halny.iostream.netutil.bind_sockets] for all arguments.
            address: Host name or IP address to listen on.
            family: Restricts the addresses.
            backlog: Length of the queue of waiting connections.
            flags: `getaddrinfo` flags.
            reuse_port: Sets `SO_REUSEPORT`.

        Raises:
            OSError: The address can't be bound.
        """
        sockets = bind_sockets(port, address, family, backlog, flags, reuse_port)
        if self._started:
            self.add_sockets(sockets)
        else:
            self._pending_sockets.extend(sockets)

    def start(self, num_processes: int | None = 1, max_restarts: int | None = None) -> None:
        """Serves what `bind` bound, in this process or in several forked ones.

        With more than one process this call returns in each child, while the parent stays in it, starts children that
        died again, and leaves the program when all ended well. Fork before anything touches a loop.

        Args:
            num_processes: 1 for this process, more to fork as many, `None` or 0 for one each CPU core.
            max_restarts: See [`fork_processes`][halny.iostream.process.fork_processes].

        Raises:
            RuntimeError: The server was started before, a loop runs already, or too many children died.
        """
        if self._started:
            raise RuntimeError("the server was started already")
        if num_processes != 1:
            fork_processes(num_processes, max_restarts)
        self._started = True
        sockets, self._pending_sockets = self._pending_sockets, []
        self.add_sockets(sockets)

    def stop(self) -> None:
        """Stops listening and closes the listening sockets; connections already accepted go on."""
        self._stopped = True
        for sock in self._sockets.values():
            self._stop_serving(sock)
            sock.close()
        for sock in self._pending_sockets:
            sock.close()
        self._sockets.clear()
        self._pending_sockets.clear()

    def handle_stream(self, stream: IOStream, address: Any) -> Awaitable[None] | None:
        """Override this to serve one connection; a coroutine function is run as a task.

        The stream belongs to you and stays open when you return. When you raise, it is closed and the exception
        logged, at level DEBUG if the peer just went away (`StreamClosedError`).

        Args:
            stream: The connection.
            address: The peer's address, as `socket.accept` gives it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define handle_stream()")

    def _start_serving(self, sock: socket.socket) -> None:
        """Begins to serve a listening socket, now or, if no loop runs yet, as it starts."""
        self._handlers[sock.fileno()] = add_accept_handler(sock, self._handle_connection)

    def _stop_serving(self, sock: socket.socket) -> None:
        """The reverse of `_start_serving`: afterwards nothing watches `sock`, which is then closed."""
        self._handlers.pop(sock.fileno())()

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        stream = self._make_stream(connection)
        if stream is None:
            return
        try:
            result = self.handle_stream(stream, address)
        except BaseException as error:
            self._log_failure(stream, address, error)
            if not isinstance(error, Exception):
                raise
            return
        if result is not None:
            future = asyncio.ensure_future(_as_awaitable(result))
            self._tasks.add(future)
            future.add_done_callback(lambda done: self._finish(stream, address, done))

    def _make_stream(self, connection: socket.socket) -> IOStream | None:
        if self._ssl_context is None:
            return IOStream(connection, max_buffer_size=self.max_buffer_size, read_chunk_size=self.read_chunk_size)
        try:
            wrapped = wrap_connected(connection, self._ssl_context, None, server_side=True)
        except OSError as error:
            general_log.debug("connection was gone before its TLS handshake: %s", error)
            return None
        return SSLIOStream(wrapped, max_buffer_size=self.max_buffer_size, read_chunk_size=self.read_chunk_size)

    def _finish(self, stream: IOStream, address: Any, future: asyncio.Future[Any]) -> None:
        self._tasks.discard(future)
        if future.cancelled():
            stream.close()
            return
        error = future.exception()
        if error is not None:
            self._log_failure(stream, address, error)

    def _log_failure(self, stream: IOStream, address: Any, error: BaseException) -> None:
        if isinstance(error, StreamClosedError) or error is stream.error:  # the latter: its TLS handshake failed
            general_log.debug("connection from %r ended: %s", address, error)
        else:
            app_log.error("exception in handle_stream for %r", address, exc_info=error)
        stream.close()


def _as_awaitable(result: Awaitable[None]) -> Coroutine[Any, Any, None] | asyncio.Future[None]:
    if inspect.iscoroutine(result) or isinstance(result, asyncio.Future):
        return result
    return _await(result)


async def _await(result: Awaitable[None]) -> None:
    await result


def _check_files(ssl_options: dict[str, Any] | ssl.SSLContext | None) -> None:
    """Refuses options whose mistake would otherwise show at the first connection."""
    if not isinstance(ssl_options, Mapping):
        return
    if "certfile" not in ssl_options:
        raise KeyError('missing key "certfile" in ssl_options')
    for key in ("certfile", "keyfile"):
        name = ssl_options.get(key)
        if name is not None and not os.path.exists(name):  # noqa: PTH110 - bytes are paths too
            raise ValueError(f"{key} {name!r} does not exist")
