"""Listening sockets: bound at once, clear about why they could not be.

Knows sockets and address families, nothing of loops. What a platform may lack (`AF_UNIX`, `SO_REUSEPORT`, IPv6,
`fchmod`) is looked up when it is needed.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_BACKLOG = 128
"""Connections the kernel keeps waiting for `accept`; Linux's own default limit was 128 for decades."""

STALE_CHECK_SECONDS = 1.0
"""How long `bind_unix_socket` waits to learn whether anybody still listens on an existing socket file."""

_ZONE = re.compile(r"[0-9A-Za-z_.~-]{1,64}\Z")


def bind_sockets(
    port: int | str,
    address: str | None = None,
    family: socket.AddressFamily = socket.AF_UNSPEC,
    backlog: int = DEFAULT_BACKLOG,
    flags: int | None = None,
    reuse_port: bool = False,
) -> list[socket.socket]:
    """Returns listening, non-blocking sockets for `port`, one for each address that `address` stands for.

    Either all addresses are bound or none: on an error the sockets opened before it are closed. With port 0 the
    system chooses a port, the same one for every address.

    Args:
        port: TCP port, 0 to 65535; as text it may be the name of a service.
        address: A host name or IP address. `None` and `""` mean every interface, IPv4 and IPv6.
        family: `socket.AF_INET` or `socket.AF_INET6` to restrict the addresses.
        backlog: Length of the kernel's queue of connections that wait to be accepted.
        flags: `getaddrinfo` flags, `socket.AI_PASSIVE` when `None`.
        reuse_port: Sets `SO_REUSEPORT`, with which several processes can listen on one port.

    Raises:
        OSError: The name can't be resolved, or an address can't be bound; the message names the address
            (`EADDRINUSE`: something else listens there).
        TypeError: `port` is no integer.
        ValueError: `port` is out of range, or `reuse_port` where the platform has no `SO_REUSEPORT`.
    """
    port = _check_port(port)
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("reuse_port=True, but this platform has no SO_REUSEPORT")
    if family == socket.AF_UNSPEC and not socket.has_ipv6:
        family = socket.AF_INET
    if flags is None:
        flags = socket.AI_PASSIVE
    sockets: list[socket.socket] = []
    try:
        for info in _addresses(port, address or None, family, flags):
            chosen = sockets[0].getsockname()[1] if port == 0 and sockets else info[4][1]
            sock = _bind_one(info, chosen, backlog, reuse_port)
            if sock is not None:
                sockets.append(sock)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    if not sockets:
        raise OSError(errno.EADDRNOTAVAIL, f"no address of {address!r} can be bound on this machine")
    return sockets


def _check_port(port: object) -> int | str:
    """Returns a port number, or the name of a service. Programs pass texts that they have of their environment."""
    if isinstance(port, bool) or not isinstance(port, (int, str)):
        raise TypeError(f"port is {port!r}, expected an integer from 0 to 65535")
    if isinstance(port, str):
        if not (port.isascii() and port.isdigit() and len(port) <= 5):
            return port
        port = int(port)
    if not 0 <= port <= 65535:
        raise ValueError(f"port is {port!r}, expected an integer from 0 to 65535")
    return port


_AddressInfo = tuple[int, int, int, str, Any]


def _addresses(port: int | str, address: str | None, family: int, flags: int) -> Iterator[_AddressInfo]:
    """Yields what `getaddrinfo` finds, each once, IPv4 first so that port 0 is chosen where it is scarcer."""
    found = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, 0, flags)
    yield from sorted(dict.fromkeys(found), key=lambda info: info[0])


def _bind_one(info: _AddressInfo, port: int, backlog: int, reuse_port: bool) -> socket.socket | None:
    """Returns the listening socket, or None where the machine lacks the family or address (IPv6 in a container)."""
    family, kind, proto, _, address = info
    # macOS has this address for "localhost" too; without its zone it can't be bound.
    if sys.platform == "darwin" and address[0] == "fe80::1" and family == socket.AF_INET6:
        return None
    try:
        sock = socket.socket(family, kind, proto)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    address = (address[0], port, *address[2:])
    try:
        _set_listen_options(sock, reuse_port)
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL and family == socket.AF_INET6:
            return None
        raise OSError(error.errno, f"can't listen on {_show(address)}: {error.strerror}") from error
    except BaseException:
        sock.close()
        raise
    return sock


def _set_listen_options(sock: socket.socket, reuse_port: bool) -> None:
    sock.setblocking(False)
    if os.name != "nt":  # there SO_REUSEADDR lets two programs take one port
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if sock.family == socket.AF_INET6 and hasattr(socket, "IPPROTO_IPV6"):
        # Each family has a socket of its own; a dual-stack one would take IPv4's port too.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _show(address: tuple[Any, ...]) -> str:
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def bind_unix_socket(
    file: str | os.PathLike[str] | bytes, mode: int = 0o600, backlog: int = DEFAULT_BACKLOG
) -> socket.socket:
    r"""Returns a listening, non-blocking Unix socket at `file`.

    A stale socket file, on which nobody listens any more, is replaced; anything else at that path is refused. The
    socket has its `mode` from the moment it exists, as far as the platform allows. A name that starts with `"\0"`
    is in Linux's abstract namespace and has neither file nor mode.

    Args:
        file: Path of the socket.
        mode: Permission bits of the file.
        backlog: Length of the kernel's queue of connections that wait to be accepted.

    Raises:
        OSError: The path can't be bound, or (`EADDRINUSE`) a server listens on it.
        ValueError: The path exists and is not a socket, or the platform has no Unix sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise ValueError("this platform has no Unix sockets")
    path = os.fsdecode(file)
    abstract = path.startswith("\0")
    if not abstract:
        _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if not abstract:
            with suppress(OSError, AttributeError):  # Linux creates the file with the socket's own mode
                os.fchmod(sock.fileno(), mode)
        sock.bind(path)
        if not abstract:
            os.chmod(path, mode)  # noqa: PTH101 - the path may be undecodable bytes
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"can't listen on {path!r}: {error.strerror or error}") from error
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ValueError(f"{path!r} exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(STALE_CHECK_SECONDS)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108 - see above
            return
        except FileNotFoundError:
            return
        except OSError:
            pass  # a full backlog or missing rights: somebody is there
    raise OSError(errno.EADDRINUSE, f"can't listen on {path!r}: a server listens there already")


def is_valid_ip(ip: str) -> bool:
    """Tells whether `ip` is an IPv4 address with four parts or an IPv6 address, and nothing else.

    The old spellings that some C libraries take (`"1"`, `"127.1"`, `"0x7f.1"`) are refused: two programs would read
    them differently. An IPv6 address may have a zone (`"fe80::1%eth0"`).

    Args:
        ip: Text to check.
    """
    try:
        if ":" not in ip:
            socket.inet_pton(socket.AF_INET, ip)
            return True
        host, percent, zone = ip.partition("%")
        socket.inet_pton(socket.AF_INET6, host)
    except (OSError, ValueError, TypeError):
        return False
    return not percent or _ZONE.match(zone) is not None
