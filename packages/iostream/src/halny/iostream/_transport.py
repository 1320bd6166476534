"""Streams on an asyncio transport, which keep the interface of streams on a socket.

A transport pushes: what arrives is fed to the reading side, which pauses the transport when it has read ahead enough.
What is written goes to the transport at once; its buffer limit is zero, so that it tells when everything was sent, and
until then the writes are pending. Used where a transport exists already: a connection that an HTTP server hands over,
with or without TLS, and streams in memory.
"""

# pyright: reportPrivateUsage=false
# (the classes here are parts of a stream, or look into one)

from __future__ import annotations

import asyncio
import errno
import os
import ssl
import threading
from typing import TYPE_CHECKING, Any

from ._base import BaseIOStream
from ._core import CLOSED, State
from ._exceptions import StreamClosedError
from ._reads import MAX_RECEIVE
from ._socket import IOStream, tls_context
from ._tls import TLS_SEND_SIZE, SSLIOStream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._buffers import Buffer, WriteBuffer

CLOSE_LINGER_SECONDS = 30.0
"""How long a closed stream may go on sending what its transport holds, before the peer is cut off."""

SHARED_BUFFER_SIZE = 262144
"""Bytes received at once: what asyncio's own transports read, which would allocate as much for every read."""


class _Shared(threading.local):
    """One buffer for all streams of a thread: a transport fills it and has it emptied in one go."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(SHARED_BUFFER_SIZE))


_shared = _Shared()
_CAN_SHARE = os.name != "nt"  # Proactor fills the buffer while the loop goes on


class StreamProtocol(asyncio.BufferedProtocol):
    """Feeds a stream; until it has one it keeps what arrives."""

    def __init__(self) -> None:
        self.stream: TransportStream | None = None
        self.early = bytearray()
        self.ended = False
        self._view = _shared.view if _CAN_SHARE else memoryview(bytearray(SHARED_BUFFER_SIZE // 4))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Returns where the transport puts what it receives."""
        wanted = SHARED_BUFFER_SIZE if self.stream is None else self.stream._wanted()
        return self._view[:wanted]

    def buffer_updated(self, nbytes: int) -> None:
        """Takes what the transport has put there."""
        data = bytes(self._view[:nbytes])
        if self.stream is None:
            self.early += data
        else:
            self.stream._arrived(data)

    def eof_received(self) -> bool:
        """Ends the stream: one that is closed by its peer is closed."""
        self.ended = True
        if self.stream is not None:
            self.stream._close(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the stream."""
        self.ended = True
        if self.stream is not None:
            self.stream._lost(exc)

    def pause_writing(self) -> None:
        """The transport holds bytes."""
        if self.stream is not None:
            self.stream._backlogged = True

    def resume_writing(self) -> None:
        """The transport has sent all it had."""
        if self.stream is not None:
            self.stream._drained()


class TransportStream(IOStream):
    """A stream on an asyncio transport."""

    _linger: asyncio.TimerHandle | None = None
    _paused = False
    _gone = False

    def __init__(
        self,
        transport: asyncio.Transport,
        data: bytes | bytearray = b"",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Takes over a connected transport, whose protocol is replaced.

        Args:
            transport: Any transport that both reads and writes.
            data: Bytes that were received before.
            *args: See [`BaseIOStream`][halny.iostream.BaseIOStream].
            **kwargs: See `BaseIOStream`.
        """
        BaseIOStream.__init__(self, *args, **kwargs)
        self._transport = transport
        self._read_buffer += data
        protocol = StreamProtocol()
        protocol.stream = self
        transport.set_protocol(protocol)
        # The least each kind takes: TLS pauses at the limit, the others above it.
        transport.set_write_buffer_limits(high=1 if transport.get_extra_info("sslcontext") else 0, low=0)
        self._backlogged = transport.get_write_buffer_size() > 0
        if transport.is_closing():
            self._close(None)
        elif not self._has_room():
            self._pause()
        elif not transport.is_reading():
            transport.resume_reading()

    @property
    def socket(self) -> Any:
        """The transport's view of the socket, `None` if there is none or the stream is closed."""
        return None if self._state is CLOSED else self._transport.get_extra_info("socket")

    @socket.setter
    def socket(self, value: Any) -> None:
        raise AttributeError("the socket of a stream on a transport can't be replaced")

    def fileno(self) -> int:
        """Returns the socket's descriptor, -1 if there is none."""
        sock = self.socket
        return -1 if sock is None else sock.fileno()

    def close_fd(self) -> None:
        """Cuts the connection off; use `close` to close a stream."""
        self._transport.abort()

    def get_fd_error(self) -> Exception | None:
        """Returns `None`: the transport tells errors by itself."""
        return None

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Returns `None`: the transport delivers by itself.

        Args:
            buf: Not touched.
        """
        return None

    def write_to_fd(self, data: memoryview) -> int:
        """Hands `data` to the transport.

        Args:
            data: What to send.
        """
        try:
            return self._send(data)
        except BlockingIOError:
            return 0

    def set_nodelay(self, value: bool) -> None:
        """Sends small writes at once; asyncio's own transports do from the start.

        Args:
            value: `False` lets the system join small writes again.
        """
        if self._state is not CLOSED and hasattr(self.socket, "setsockopt"):
            super().set_nodelay(value)

    def connect(self, address: Any, server_hostname: str | None = None) -> asyncio.Future[Any]:
        """Refuses: the transport is connected.

        Args:
            address: Not used.
            server_hostname: Not used.

        Raises:
            RuntimeError: Always: the caller's fault.
        """
        raise RuntimeError("a stream on a transport is connected already")

    def start_tls(
        self,
        server_side: bool,
        ssl_options: Mapping[str, Any] | ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> asyncio.Future[SSLIOStream]:
        """Turns the connection into a TLS one; see `IOStream.start_tls`.

        Args:
            server_side: Which side this is.
            ssl_options: A context or options.
            server_hostname: A client's: the name to check the certificate against.

        Raises:
            ssl.SSLError: The handshake failed.
            StreamClosedError: The peer went away.
            ValueError: See `IOStream.start_tls`.
        """
        self._check_idle_for_tls()
        context = tls_context(server_side, ssl_options, server_hostname)
        task = self._loop.create_task(self._upgrade(context, server_side, server_hostname))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _upgrade(self, context: ssl.SSLContext, server_side: bool, server_hostname: str | None) -> SSLIOStream:
        self._check_idle_for_tls()
        protocol = StreamProtocol()
        limits = (self.max_buffer_size, self.read_chunk_size, self.max_write_buffer_size)
        callback, self._close_callback = self._close_callback, None
        self._state = CLOSED
        self._end_writes()
        self._pause()
        try:
            transport = await self._loop.start_tls(
                self._transport,
                protocol,
                context,
                server_side=server_side,
                server_hostname=None if server_side else server_hostname,
            )
        except BaseException as error:
            self.error = error
            self._transport.abort()
            self._close_callback = callback
            self._run_close_callback()
            if isinstance(error, (OSError, ValueError)) and not isinstance(error, ssl.SSLError):
                raise StreamClosedError(error) from error
            raise
        if transport is None:  # the connection was lost as the handshake ended
            self._close_callback = callback
            self._run_close_callback()
            raise StreamClosedError
        stream = TransportSSLStream(transport, protocol.early, *limits)
        stream.set_close_callback(callback)
        if protocol.ended:
            stream._close(None)
        return stream

    # --- from the protocol ----------------------------------------------------------------------------------------

    def _wanted(self) -> int:
        read = self._read
        size = self.read_chunk_size if read is None else read.wanted(self.read_chunk_size)
        return min(size, MAX_RECEIVE)

    def _arrived(self, data: bytes) -> None:
        if self._state is CLOSED:
            return
        self._fed(data)
        if not self.closed() and not self._has_room():
            self._pause()

    def _released(self) -> bool:
        return self._gone

    def _drained(self) -> None:
        self._backlogged = False
        if self._state is not CLOSED:
            self._flush()

    def _lost(self, error: Exception | None) -> None:
        self._gone = True
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._close(error)

    # --- driver ---------------------------------------------------------------------------------------------------

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _watch_reading(self) -> None:
        if self._paused and self._has_room() and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def _watch_writing(self, wanted: bool) -> None:
        """The transport sends by itself."""

    def _check_writable(self) -> None:
        if self._transport.is_closing():
            raise BrokenPipeError(errno.EPIPE, "the transport is closing")

    def _send(self, data: Buffer) -> int:
        self._check_writable()
        self._transport.write(data)
        return len(data)

    def _send_some(self, buffer: WriteBuffer) -> int:
        self._check_writable()
        buffers = buffer.buffers()
        # Before they are handed over: the transport may ask for more in the middle of it.
        buffer.advance(sum(map(len, buffers)))
        self._transport.writelines(buffers)
        return 0

    def _unsent(self) -> int:
        return len(self._write_buffer) + self._transport.get_write_buffer_size()

    def _release(self, was: State) -> None:
        transport = self._transport
        if self.error is not None:
            transport.abort()
            return
        if self._write_buffer and not transport.is_closing():
            transport.writelines(self._write_buffer.take_all())
        transport.close()
        holds = transport.get_write_buffer_size() or transport.get_extra_info("sslcontext")  # which waits for the peer
        if holds and not self._loop.is_closed():
            self._linger = self._loop.call_later(CLOSE_LINGER_SECONDS, transport.abort)


class TransportSSLStream(TransportStream, SSLIOStream):
    """A stream on an asyncio transport with TLS, whose handshake is done.

    A transport with TLS notices only at its next write that what it sits on is full. So it is given a little at a time,
    and nothing while it is.
    """

    @property
    def socket(self) -> Any:
        """What `stream.socket` offers with TLS: the socket's methods and those of `ssl.SSLObject`."""
        if self._state is CLOSED:
            return None
        return _SecureSocket(self._transport.get_extra_info("socket"), self._transport.get_extra_info("ssl_object"))

    @socket.setter
    def socket(self, value: Any) -> None:
        raise AttributeError("the socket of a stream on a transport can't be replaced")

    def wait_for_handshake(self) -> asyncio.Future[Any]:
        """Returns at once: the handshake is done."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._state is CLOSED:
            return self._failed(future)
        future.set_result(self)
        return future

    def _send(self, data: Buffer) -> int:
        self._check_writable()
        sent = 0
        view = memoryview(data)
        while sent < len(view) and not self._backlogged:
            piece = view[sent : sent + TLS_SEND_SIZE]
            self._transport.write(piece)
            sent += len(piece)
        if not sent:
            raise BlockingIOError
        return sent

    def _send_some(self, buffer: WriteBuffer) -> int:
        self._check_writable()
        if self._backlogged:
            raise BlockingIOError
        piece = buffer.head(TLS_SEND_SIZE)[:TLS_SEND_SIZE]
        buffer.advance(len(piece))  # before it is handed over, as above
        self._transport.write(piece)
        return 0

    def _unsent(self) -> int:
        return len(self._write_buffer)  # what the transport holds is not only ours: records, alerts, tickets


class _SecureSocket:
    """The parts of an `ssl.SSLSocket` that programs look at, put together again."""

    __slots__ = ("_socket", "_tls")

    def __init__(self, sock: Any, tls: Any) -> None:
        self._socket = sock
        self._tls = tls

    def __getattr__(self, name: str) -> Any:
        if name in _OF_TLS:
            return getattr(self._tls, name)
        return getattr(self._socket, name)


_OF_TLS = frozenset(
    {
        "cipher",
        "compression",
        "context",
        "get_channel_binding",
        "getpeercert",
        "selected_alpn_protocol",
        "server_hostname",
        "server_side",
        "session",
        "session_reused",
        "shared_ciphers",
        "version",
    }
)


def stream_on_transport(transport: asyncio.Transport, data: bytes | bytearray = b"", **limits: Any) -> IOStream:
    """Returns a stream on a connected transport, a `SSLIOStream` if the transport has TLS.

    Everything works as on a stream of its own socket, except that `connect` is refused. Closing it lets the transport
    send what it still holds.

    Args:
        transport: The transport, whose protocol is replaced.
        data: Bytes that the former protocol received and did not use.
        **limits: Arguments of [`BaseIOStream`][halny.iostream.BaseIOStream].
    """
    secure = transport.get_extra_info("ssl_object") is not None
    return (TransportSSLStream if secure else TransportStream)(transport, data, **limits)
