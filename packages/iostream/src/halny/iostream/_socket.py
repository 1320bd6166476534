"""Streams on a socket."""

from __future__ import annotations

import errno
import os
import socket as socket_module
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._base import BaseIOStream
from ._core import CLOSED, OPEN, State
from ._ssl import client_context, ssl_options_to_context, wrap_connected

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Mapping
    from typing import Self

    from ._buffers import Buffer, WriteBuffer
    from ._tls import SSLIOStream

_CAN_GATHER = hasattr(socket_module.socket, "sendmsg")  # Windows can't


class IOStream(BaseIOStream):
    r"""A stream on a socket that is connected, or that `connect` will connect.

        stream = IOStream(socket.socket())
        await stream.connect(("127.0.0.1", 8888))
        await stream.write(b"hello\n")
        answer = await stream.read_until(b"\n")

    Use [`TCPClient`][halny.iostream.tcpclient.TCPClient] to connect to a host by name, and
    [`TCPServer`][halny.iostream.tcpserver.TCPServer] to be connected to.
    """

    socket: Any
    """The socket, which belongs to the stream; `None` once that is closed."""

    _connect_future: asyncio.Future[Any] | None = None

    def __init__(self, socket: socket_module.socket, *args: Any, **kwargs: Any) -> None:
        """Takes over `socket`, which becomes non-blocking.

        Args:
            socket: A stream socket; one of TLS needs a `SSLIOStream`.
            *args: See [`BaseIOStream`][halny.iostream.BaseIOStream].
            **kwargs: See `BaseIOStream`.
        """
        super().__init__(*args, **kwargs)
        self.socket = socket
        socket.setblocking(False)

    def fileno(self) -> int:
        """Returns the socket's descriptor, -1 once the stream is closed."""
        sock = self.socket
        return -1 if sock is None else int(sock.fileno())

    def close_fd(self) -> None:
        """Closes the socket; use `close` to close a stream."""
        self.socket.close()
        self.socket = None

    def get_fd_error(self) -> Exception | None:
        """Returns the socket's pending error (`SO_ERROR`), if there is one."""
        code = self.socket.getsockopt(socket_module.SOL_SOCKET, socket_module.SO_ERROR)
        return OSError(code, os.strerror(code)) if code else None

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Receives into `buf`; see `BaseIOStream.read_from_fd`.

        Args:
            buf: Where the bytes go.
        """
        try:
            return int(self.socket.recv_into(buf))
        except BlockingIOError:
            return None

    def write_to_fd(self, data: memoryview) -> int:
        """Sends some of `data`; see `BaseIOStream.write_to_fd`.

        Args:
            data: What to send.
        """
        return int(self.socket.send(data))

    def set_nodelay(self, value: bool) -> None:
        """Sends small writes at once (`TCP_NODELAY`), instead of waiting for more to fill a packet.

        Args:
            value: `False` lets the system join small writes again.
        """
        if self._state is not CLOSED and self.socket.family in (socket_module.AF_INET, socket_module.AF_INET6):
            with suppress(OSError):  # the peer may be gone, which the next read or write will tell
                self.socket.setsockopt(socket_module.IPPROTO_TCP, socket_module.TCP_NODELAY, 1 if value else 0)

    def connect(self, address: Any, server_hostname: str | None = None) -> asyncio.Future[Self]:
        """Connects the socket; the future's result is the stream.

        Reads and writes may begin before: they wait. A host name in `address` would be looked up on the spot and block
        the loop; [`TCPClient`][halny.iostream.tcpclient.TCPClient] doesn't.

        Args:
            address: What `socket.connect` takes.
            server_hostname: For `SSLIOStream`: the name to check the certificate against.

        Raises:
            StreamClosedError: The peer can't be reached; `real_error` is the `OSError`.
            RuntimeError: The stream is connecting already.
            TypeError: `address` is none for this socket (or an `OverflowError`, for a port): the caller's fault, the
                stream is as it was.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._state is CLOSED:
            return self._failed(future)
        if self._state is not OPEN:
            raise RuntimeError(f"the stream is {self._state.value} already")
        self._unwatch_reading()
        error = self._begin_connecting(address)
        self._state = State.CONNECTING
        self._connect_future = future
        if error is None:
            self._watch_writing(True)
        else:
            self._close(error)
        return future

    def _begin_connecting(self, address: Any) -> OSError | None:
        try:
            self.socket.connect(address)
        except BlockingIOError as error:
            # A Unix socket's queue is full, says Linux; the poller would call this socket writable, not connected.
            return error if error.errno == errno.EAGAIN else None
        except InterruptedError:
            return None
        except OSError as error:
            return error
        return None

    def start_tls(
        self,
        server_side: bool,
        ssl_options: Mapping[str, Any] | ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> asyncio.Future[SSLIOStream]:
        """Turns the connection into a TLS one; the future's result is the new stream, its handshake done.

        This stream is closed without closing the connection, and its close callback moves to the new one. Nothing may
        be pending or buffered: a peer that sends before the handshake would otherwise slip plain text into the secure
        stream.

        Args:
            server_side: Which side this is.
            ssl_options: A context or options; a client's default verifies the peer with the system's authorities.
            server_hostname: A client's: the name to check the certificate against.

        Raises:
            ssl.SSLError: The handshake failed, for instance on the certificate (`ssl.SSLCertVerificationError`).
            StreamClosedError: The peer went away.
            ValueError: Bytes are buffered or a read or write is pending, a server has no `ssl_options`, or a client
                no `server_hostname` although its context checks names: the caller's fault, the stream is as it was.
        """
        self._check_idle_for_tls()
        context = tls_context(server_side, ssl_options, server_hostname)
        sock = self._give_up_socket()
        try:
            wrapped = wrap_connected(sock, context, server_hostname, server_side)
        except (OSError, ValueError) as error:
            self.error = error
            self._run_close_callback()
            if isinstance(error, ValueError):
                raise  # a name that can't be one
            return self._failed(self._loop.create_future())
        stream = self._secured(wrapped)
        future = stream.wait_for_handshake()
        # Whoever cancels the wait never gets the new stream, and could not close it.
        future.add_done_callback(lambda done: stream.close() if done.cancelled() else None)
        return future

    def _secured(self, wrapped: ssl.SSLSocket) -> SSLIOStream:
        from ._tls import SSLIOStream  # it is a subclass of this class

        stream = SSLIOStream(
            wrapped,
            max_buffer_size=self.max_buffer_size,
            read_chunk_size=self.read_chunk_size,
            max_write_buffer_size=self.max_write_buffer_size,
        )
        stream.set_close_callback(self._close_callback)
        self._close_callback = None
        return stream

    def _check_idle_for_tls(self) -> None:
        if self._state is not OPEN or self.reading() or self.writing() or self._read_buffer:
            raise ValueError(
                f"{self!r} is not idle (a read or write is pending or bytes are buffered): can't start TLS"
            )

    def _give_up_socket(self) -> socket_module.socket:
        self._unwatch_reading()
        self._watch_writing(False)
        sock: socket_module.socket = self.socket
        self.socket = None
        self._state = CLOSED
        self._end_writes()
        return sock

    # --- driver ---------------------------------------------------------------------------------------------------

    def _receive(self, size: int) -> bytes:
        return self.socket.recv(size)  # type: ignore[no-any-return]

    def _send(self, data: Buffer) -> int:
        return self.socket.send(data)  # type: ignore[no-any-return]

    def _send_some(self, buffer: WriteBuffer) -> int:
        if not _CAN_GATHER:
            return self.socket.send(buffer.head(0))  # type: ignore[no-any-return]
        buffers = buffer.buffers()
        return self.socket.send(buffers[0]) if len(buffers) == 1 else self.socket.sendmsg(buffers)  # type: ignore[no-any-return]

    def _on_writable(self) -> None:
        if self._state is State.CONNECTING:
            self._on_connected()
        else:
            self._flush()

    def _on_connected(self) -> None:
        error = self.get_fd_error()
        if error is not None:
            self._close(error)
            return
        self._open()

    def _open(self) -> None:
        """Begins what waited for the connection."""
        self._state = OPEN
        future, self._connect_future = self._connect_future, None
        if future is not None and not future.done():
            future.set_result(self)
        if self.reading() or self._close_callback is not None:
            self._watch_reading()
        self._flush()

    def _end_reads(self) -> None:
        future, self._connect_future = self._connect_future, None
        if future is not None:
            self._failed(future)
        super()._end_reads()


def tls_context(
    server_side: bool, ssl_options: Mapping[str, Any] | ssl.SSLContext | None, server_hostname: str | None
) -> ssl.SSLContext:
    """Returns the context for one side of a connection, and refuses what could not work."""
    if ssl_options is not None:
        context = ssl_options_to_context(ssl_options, server_side)
    elif server_side:
        raise ValueError("the server's side of TLS needs ssl_options with a certificate")
    else:
        context = client_context()
    if not server_side:
        if context.check_hostname and not server_hostname:
            raise ValueError("server_hostname is needed to check the certificate, expected a host name or IP address")
        _check_hostname(server_hostname)
    return context


def _check_hostname(name: str | None) -> None:
    """Refuses what `ssl` would refuse too, but only when it has taken the socket."""
    if not name:
        return
    try:
        name.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"server_hostname is {name!r}, expected a host name or IP address") from error
    if name.startswith(".") or "\0" in name:
        raise ValueError(f"server_hostname is {name!r}, expected a host name or IP address")
