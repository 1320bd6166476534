"""The header by which a proxy says for whom it has connected: the PROXY protocol, versions 1 and 2. No I/O.

The header has no length of its own in version 1, and what comes after it may be a TLS handshake, which must not be
touched. So the reader says how many bytes belong to the header for certain, and is fed just those.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Any, Final, NamedTuple, final

_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_MAX_LINE: Final = 107
"""Bytes of a header of version 1, by its specification."""

_MAX_BLOCK: Final = 4096
"""Bytes behind the fixed part of version 2: addresses take 36, and what proxies say of TLS some hundreds."""

_TLV_SSL: Final = 0x20
_CLIENT_SSL: Final = 0x01


class ProxyHeaderError(Exception):
    """The peer's header is none; the fault is the peer's, or that of whoever let it connect."""


@final
class ProxiedPeer(NamedTuple):
    """The client, as the proxy names it."""

    address: Any
    """The client's socket address; None where it has none that we know."""
    is_secure: bool = False
    """Whether the client speaks TLS with the proxy."""


@final
class ProxyHeaderReader:
    """Reads one header, either version.

    while reader.missing:
        reader.feed(receive(reader.missing))
    """

    __slots__ = ("_data", "missing", "peer")

    missing: int
    """How many bytes belong to the header for certain; 0 when it is complete."""
    peer: ProxiedPeer | None
    """The client; None where the proxy speaks for itself (a health check), or does not know."""

    def __init__(self) -> None:
        self._data = b""
        self.missing = len(_SIGNATURE)
        self.peer = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes, at most `missing`.

        Raises:
            ProxyHeaderError: this is no such header.
        """
        if not data:
            raise ProxyHeaderError("the connection ended within its PROXY header")
        self._data += data
        header = self._data
        if header.startswith(b"PROXY "):
            self._read_line(header)
        elif header.startswith(_SIGNATURE):
            self._read_block(header)
        elif _SIGNATURE.startswith(header) or b"PROXY ".startswith(header):
            self.missing -= len(data)
        else:
            raise ProxyHeaderError(f"no PROXY header: {header[:20]!r}")

    def _read_line(self, header: bytes) -> None:
        if header.endswith(b"\r\n"):
            self.missing = 0
            self.peer = _read_version_1(header)
        elif len(header) >= _MAX_LINE or b"\n" in header:
            raise ProxyHeaderError(f"malformed PROXY header {header!r}")
        else:
            self.missing = 1 if header.endswith(b"\r") else 2

    def _read_block(self, header: bytes) -> None:
        if len(header) < 16:
            self.missing = 16 - len(header)
            return
        (size,) = struct.unpack_from("!H", header, 14)
        if header[12] >> 4 != 2 or size > _MAX_BLOCK:
            raise ProxyHeaderError(f"PROXY header of version {header[12] >> 4} with {size} bytes")
        self.missing = 16 + size - len(header)
        if not self.missing:
            self.peer = _read_version_2(header)


def _read_version_1(line: bytes) -> ProxiedPeer | None:
    parts = line[:-2].decode("latin-1").split(" ")
    if parts[1] == "UNKNOWN":
        return None
    try:
        _, family, source, destination, source_port, destination_port = parts
        version = {"TCP4": 4, "TCP6": 6}[family]
        if "%" in source or "%" in destination:
            raise ValueError("a zone means something on the proxy's host alone")  # and `ipaddress` takes any text
        address = ipaddress.ip_address(source)
        if version != address.version or version != ipaddress.ip_address(destination).version:
            raise ValueError(f"{source!r} and {destination!r} are not both of {family}")
        _read_port(destination_port)
        return ProxiedPeer(_socket_address(address, _read_port(source_port)))
    except (KeyError, ValueError) as error:
        raise ProxyHeaderError(f"malformed PROXY header {line!r}") from error


def _read_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise ValueError(f"{text!r} is no port")
    return int(text)


def _read_version_2(header: bytes) -> ProxiedPeer | None:
    command, family = header[12] & 15, header[13]
    if command == 0:
        return None  # LOCAL: the proxy itself
    if command != 1:
        raise ProxyHeaderError(f"PROXY header with command {command}")
    size = {0x11: 12, 0x21: 36, 0x31: 216}.get(family)
    if size is None:
        return None  # a transport that is none of ours
    if len(header) < 16 + size:
        raise ProxyHeaderError(f"PROXY header of {len(header)} bytes for family {family:#x}")
    is_secure = _is_secure(header[16 + size :])
    if family == 0x31:
        return ProxiedPeer(None, is_secure)
    length = 4 if family == 0x11 else 16
    (port,) = struct.unpack_from("!H", header, 16 + 2 * length)
    return ProxiedPeer(_socket_address(ipaddress.ip_address(header[16 : 16 + length]), port), is_secure)


def _is_secure(tlvs: bytes) -> bool:
    """Look for what says that the client speaks TLS among the type-length-value triples."""
    position = 0
    while position + 3 <= len(tlvs):
        kind, size = struct.unpack_from("!BH", tlvs, position)
        value = tlvs[position + 3 : position + 3 + size]
        if len(value) < size:
            raise ProxyHeaderError("PROXY header ends within a value")
        if kind == _TLV_SSL and value and value[0] & _CLIENT_SSL:
            return True
        position += 3 + size
    return False


def _socket_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> tuple[Any, ...]:
    return (str(address), port) if address.version == 4 else (str(address), port, 0, 0)
