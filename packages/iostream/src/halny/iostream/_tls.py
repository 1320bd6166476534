"""Streams with TLS on a socket.

The handshake is a state of the stream, in which reads and writes wait. OpenSSL may hold decrypted bytes that no poller
sees, so a read looks there first; and it may have to write in order to read, or the reverse, for which the other
direction is watched until it is through.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._core import CLOSED, OPEN, State
from ._exceptions import StreamClosedError
from ._socket import IOStream, tls_context
from ._ssl import wrap_connected

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from typing import Self

    from ._buffers import Buffer, WriteBuffer

TLS_SEND_SIZE = 65536
"""The most that OpenSSL is offered at once, four full records. It wants to see the same bytes again after it could not
send them, so the offer never gets shorter than it was."""

_GONE = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


class SSLIOStream(IOStream):
    """A stream with TLS.

    Made from a plain socket it connects, as a client; made from a connected `ssl.SSLSocket` (see
    [`ssl_wrap_socket`][halny.iostream.netutil.ssl_wrap_socket], with `do_handshake_on_connect=False`) it begins the
    handshake by itself. Reads and writes wait for the handshake, and fail with it; `wait_for_handshake` tells when the
    peer's certificate (`stream.socket.getpeercert()`) is known.

    A peer that ends without TLS's own farewell has ended all the same, as is common: where the length of what it
    sends matters, the protocol on top has to tell it.
    """

    _wakes = False  # what arrives may be noticed in the middle of something else
    _receives_whole = False  # a record at a time, of which a read may leave a part
    _handshake_future: asyncio.Future[Any] | None = None
    _read_needs_write = False
    _write_needs_read = False
    _server_hostname: str | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Takes over a socket.

        Args:
            *args: See [`IOStream`][halny.iostream.IOStream].
            **kwargs: See `IOStream`; and `ssl_options`, a context or a mapping, for a socket yet to be connected.
        """
        self._ssl_options: Mapping[str, Any] | ssl.SSLContext | None = kwargs.pop("ssl_options", None)
        super().__init__(*args, **kwargs)
        if isinstance(self.socket, ssl.SSLSocket) and _is_connected(self.socket):
            self._begin_handshake()

    def connect(  # pyright: ignore[reportIncompatibleMethodOverride] - nobody puts another result into it
        self, address: Any, server_hostname: str | None = None
    ) -> asyncio.Future[Self]:
        """Connects the socket and does the handshake; the future's result is the stream.

        Args:
            address: What `socket.connect` takes.
            server_hostname: The name to check the certificate against.

        Raises:
            ssl.SSLError: The handshake failed, for instance on the certificate (`ssl.SSLCertVerificationError`).
            StreamClosedError: The peer can't be reached, or went away: see `real_error`.
            ValueError: No `server_hostname`, although the context checks names.
        """
        if not isinstance(self.socket, ssl.SSLSocket) and self._state is OPEN:
            self._ssl_options = tls_context(False, self._ssl_options, server_hostname)
            self._server_hostname = server_hostname
        return super().connect(address)

    def wait_for_handshake(self) -> asyncio.Future[Self]:
        """Waits for the handshake; the future's result is the stream.

        Raises:
            ssl.SSLError: The handshake failed, for instance on the certificate (`ssl.SSLCertVerificationError`).
            StreamClosedError: The peer went away.
            RuntimeError: Somebody waits already.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._state is CLOSED:
            if isinstance(self.error, ssl.SSLError) and not isinstance(self.error, _GONE):
                future.set_exception(self.error)
                future.exception()
            return self._failed(future)
        if self._handshake_future is not None and not self._handshake_future.done():
            raise RuntimeError("already waiting for the handshake")
        if self._state is OPEN and self._is_secure():
            future.set_result(self)
        else:
            self._handshake_future = future
        return future

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Decrypts into `buf`; see `BaseIOStream.read_from_fd`.

        Args:
            buf: Where the bytes go.
        """
        try:
            return int(self.socket.recv_into(buf))
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLWantWriteError:
            self._want_write_to_read()
            return None

    def write_to_fd(self, data: memoryview) -> int:
        """Encrypts and sends some of `data`; see `BaseIOStream.write_to_fd`.

        Args:
            data: What to send.
        """
        try:
            return self._send(data)
        except BlockingIOError:
            return 0

    def close_fd(self) -> None:
        """Closes the socket; use `close` to close a stream."""
        if self.error is None and self._is_secure():
            with suppress(OSError, ValueError):  # says goodbye, without waiting for the answer
                self.socket.unwrap()
        super().close_fd()

    # --- handshake ------------------------------------------------------------------------------------------------

    def _is_secure(self) -> bool:
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.version() is not None

    def _open(self) -> None:
        """The TCP connection is there."""
        if not isinstance(self.socket, ssl.SSLSocket):
            context = tls_context(False, self._ssl_options, self._server_hostname)
            self._watch_writing(False)  # the wrapped socket is another object with the same descriptor
            try:
                self.socket = wrap_connected(self.socket, context, self._server_hostname, server_side=False)
            except (OSError, ValueError) as error:  # a ValueError: a name that can't be one
                self._close(error)
                return
        self._begin_handshake()

    def _begin_handshake(self) -> None:
        self._state = State.HANDSHAKING
        self._loop.call_soon(self._handshake)

    def _handshake(self) -> None:
        if self._state is not State.HANDSHAKING:
            return
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            self._watch_writing(False)
            self._watch_readable()
            return
        except ssl.SSLWantWriteError:
            self._unwatch_reading()
            self._watch_writing(True)
            return
        except (OSError, ValueError) as error:  # a ValueError: the name can't be in a certificate
            self._refuse_handshake(error)
            return
        future, self._handshake_future = self._handshake_future, None
        self._unsure = self._poller_forgets
        super()._open()
        if future is not None and not future.done():
            future.set_result(self)

    def _refuse_handshake(self, error: OSError | ValueError) -> None:
        """Who waits for the handshake gets TLS's own error, unless it only says that the peer left."""
        waiting = (self._connect_future, self._handshake_future)
        self._connect_future = self._handshake_future = None
        gone = isinstance(error, _GONE) or not isinstance(error, ssl.SSLError)
        for future in waiting:
            if future is not None and not future.done():
                future.set_exception(StreamClosedError(error) if gone else error)
                future.exception()  # nobody needs to look at it
        self._close(error)

    def _end_reads(self) -> None:
        future, self._handshake_future = self._handshake_future, None
        if future is not None:
            self._failed(future)
        super()._end_reads()

    # --- driver ---------------------------------------------------------------------------------------------------

    def _may_hide_bytes(self) -> bool:
        return bool(self.socket.pending())

    def _on_readable(self) -> None:
        if self._state is State.HANDSHAKING:
            self._handshake()
            return
        if self._write_needs_read:
            self._write_needs_read = False
            self._flush()
            if self._state is CLOSED:
                return
        super()._on_readable()

    def _on_writable(self) -> None:
        if self._state is State.HANDSHAKING:
            self._handshake()
            return
        if self._read_needs_write:
            self._read_needs_write = False
            super()._on_readable()
            if self._state is CLOSED:
                return
        super()._on_writable()

    def _want_write_to_read(self) -> None:
        self._read_needs_write = True
        self._watch_writing(True)

    def _receive(self, size: int) -> bytes:
        try:
            return self.socket.recv(size)  # type: ignore[no-any-return]
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        except ssl.SSLWantWriteError:
            self._want_write_to_read()
            raise BlockingIOError from None

    def _send(self, data: Buffer) -> int:
        if len(data) > TLS_SEND_SIZE:
            data = memoryview(data)[:TLS_SEND_SIZE]
        try:
            return self.socket.send(data)  # type: ignore[no-any-return]
        except ssl.SSLWantWriteError:
            raise BlockingIOError from None
        except ssl.SSLWantReadError:
            self._write_needs_read = True
            self._watch_readable()
            raise BlockingIOError from None

    def _send_some(self, buffer: WriteBuffer) -> int:
        return self._send(buffer.head(TLS_SEND_SIZE))


def _is_connected(sock: ssl.SSLSocket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
