"""Listening sockets that come from elsewhere: inherited by the process, or made once for each worker."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

from halny.iostream.netutil import bind_sockets

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_DESCRIPTOR: Final = 3
"""The descriptor after standard input, output and error, where inherited sockets begin."""

MAX_INHERITED: Final = 1024
"""How many sockets can be inherited: what a process may have open where nobody has asked for more."""


def inherited_sockets(unset_environment: bool = True) -> list[socket.socket]:
    """Return the listening sockets that the process was started with (systemd's socket activation).

    Whoever starts the process opens them, says in `LISTEN_FDS` how many, and in `LISTEN_PID` for whom. So the port
    is open before the program runs and while it restarts, and the program needs no right to open it.

        server.add_sockets(inherited_sockets() or bind_sockets(8888))

    Args:
        unset_environment: whether to remove the variables, so that no child takes them to be its own.

    Returns:
        The sockets, non-blocking; none where the process was started without.

    Raises:
        ValueError: `LISTEN_FDS` is no number, or a descriptor no listening stream socket; whoever started it is at
            fault.
    """
    count, pid = os.environ.get("LISTEN_FDS", ""), os.environ.get("LISTEN_PID", "")
    if unset_environment:
        for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
            os.environ.pop(name, None)
    if not count or pid != str(os.getpid()):
        return []
    if not (count.isascii() and count.isdigit() and len(count) <= 4 and int(count) <= MAX_INHERITED):
        raise ValueError(f"LISTEN_FDS is {count!r}, expected a number up to {MAX_INHERITED}")
    return sockets_of_descriptors(range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count)))


def sockets_of_descriptors(descriptors: Iterable[int]) -> list[socket.socket]:
    """Return the listening sockets that descriptors stand for.

    Args:
        descriptors: open ones, which belong to the sockets from then on.

    Raises:
        ValueError: one is no listening stream socket.
    """
    sockets: list[socket.socket] = []
    for descriptor in descriptors:
        try:
            sock = socket.socket(fileno=descriptor)
        except OSError as error:
            raise ValueError(f"inherited descriptor {descriptor} is no socket: {error}") from error
        if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.detach()
            raise ValueError(f"inherited descriptor {descriptor} is no listening stream socket")
        sock.setblocking(False)
        os.set_inheritable(descriptor, False)
        sockets.append(sock)
    return sockets


def shares_its_port(sock: socket.socket) -> bool:
    """Return whether other sockets may listen on the same port (`SO_REUSEPORT`)."""
    option: int | None = getattr(socket, "SO_REUSEPORT", None)
    internet = sock.family in (socket.AF_INET, socket.AF_INET6)
    return internet and option is not None and sock.getsockopt(socket.SOL_SOCKET, option) != 0


def reserve(sock: socket.socket) -> socket.socket:
    """Replace a listening socket by one that holds its port and does not listen.

    A parent that goes on listening would be given its share of the connections, which it never accepts.

    Args:
        sock: shares its port; it is closed.
    """
    held = socket.socket(sock.family, sock.type)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    held.bind(sock.getsockname())
    sock.close()
    return held


def listen_beside(held: socket.socket, backlog: int) -> list[socket.socket]:
    """Return what listens on the port that a socket of `reserve` holds; it is closed.

    Args:
        held: the reservation.
        backlog: how many connections may wait to be accepted.
    """
    address, port = held.getsockname()[:2]
    sockets = bind_sockets(port, address, held.family, backlog, reuse_port=True)
    held.close()
    return sockets
