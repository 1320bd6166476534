"""How much of what was sent a peer has not taken yet, and whether it takes anything at all.

A transport knows only what it holds itself. The kernel holds megabytes more, takes nothing new until about a third of
them is gone, and lets a slow peer seem to stand still for minutes; a transport over TLS does not count what the one
below it holds; and what is sent by `os.sendfile` no transport knows of. All of that passes the kernel's queue, which
is not empty before the rest is. So the kernel is asked, where it can be: on Linux and macOS. Elsewhere what the
transport says has to do.

To ask takes some microseconds, so it is done for connections that are looked at, and never on the way of a request.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if sys.platform == "linux":
    import fcntl
    import termios

if TYPE_CHECKING:
    import asyncio

_QUEUE: Final = struct.Struct("=i")
_ACKNOWLEDGED: Final = struct.Struct("=120xQ")
"""The beginning of Linux's `struct tcp_info`, up to `tcpi_bytes_acked`."""

_SO_NWRITE: Final = 0x1024
"""macOS: bytes that the kernel holds for a peer. Python has no name for it."""

_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


class Progress(NamedTuple):
    """How far a peer is with what was sent to it."""

    left: int
    """Bytes that it has not taken, as far as they are known. What is below TLS is not counted, but is not there
    without bytes that are."""

    mark: int
    """Changes when the peer takes something. It counts what the peer has acknowledged, where that is known: then more
    that is sent does not change it."""


NOTHING_LEFT: Final = Progress(0, 0)
"""The peer has taken everything, or is gone."""


def progress(transport: asyncio.Transport) -> Progress:
    """Return how far the peer is; of a transport that is closed, or unlike a socket, what it says itself.

    Args:
        transport: of a connection, with TLS or without, on any loop.
    """
    try:
        left = transport.get_write_buffer_size()
    except AttributeError:  # asyncio's over TLS that somebody has closed twice
        return NOTHING_LEFT
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return Progress(left, left)
    try:
        left += _queued(sock)
        return Progress(left, _acknowledged(sock, left))
    except OSError:  # a kernel that does not tell
        return Progress(left, left)


def _queued(sock: Any) -> int:
    """Return how many bytes the kernel holds that the peer has not acknowledged."""
    if sys.platform == "linux":
        (queued,) = _QUEUE.unpack(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_QUEUE.size)))
        return int(queued)
    elif sys.platform == "darwin":
        return int(sock.getsockopt(socket.SOL_SOCKET, _SO_NWRITE))
    else:
        return 0


def _acknowledged(sock: Any, otherwise: int) -> int:
    if sys.platform == "linux" and sock.family in _INTERNET:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.size)
        if len(info) == _ACKNOWLEDGED.size:  # since Linux 4.1
            return int(_ACKNOWLEDGED.unpack(info)[0])
    return otherwise
