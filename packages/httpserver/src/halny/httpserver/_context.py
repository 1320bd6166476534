"""What a server knows of the peer of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    import asyncio
    import socket
    import ssl

    from ._proxy_header import ProxiedPeer

UNKNOWN_IP: Final = "0.0.0.0"  # noqa: S104 - no address to listen on, but what Tornado's users know as "unknown"
"""The address of a peer that has none."""


@final
class ConnectionContext:
    """The peer of a connection, as its requests see it.

    Args:
        transport: the connection's transport.
        protocol: `http` or `https` where the server was told which; else TLS decides.
        peer: whom the PROXY protocol names in the place of the transport's peer.
    """

    __slots__ = ("_transport", "address", "peer_ip", "peer_protocol", "protocol", "remote_ip")

    address: Any
    """The peer's socket address."""
    remote_ip: str
    """The client's IP address, for the current request; `0.0.0.0` for a socket that has none, such as a UNIX one."""
    protocol: str
    """`http` or `https`, for the current request."""
    peer_ip: str
    """The peer's own IP address, whatever a request's headers say."""
    peer_protocol: str
    """The connection's own protocol, whatever a request's headers say."""

    def __init__(self, transport: asyncio.Transport, protocol: str | None, peer: ProxiedPeer | None = None) -> None:
        self._transport = transport
        self.address = transport.get_extra_info("peername") if peer is None else peer.address
        self.peer_ip = self.remote_ip = ip_of(self.address)
        if protocol is None:
            secure = transport.get_extra_info("ssl_object") is not None or (peer is not None and peer.is_secure)
            protocol = "https" if secure else "http"
        self.peer_protocol = self.protocol = protocol

    @property
    def address_family(self) -> int | None:
        """The socket's address family."""
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        return None if sock is None else sock.family

    def get_ssl_certificate(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """Return the peer's certificate, or None where there is no TLS or it sent none.

        Args:
            binary_form: whether to return its DER form.
        """
        ssl_object: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return None if ssl_object is None else ssl_object.getpeercert(binary_form)

    def __str__(self) -> str:
        return self.remote_ip if isinstance(self.address, tuple) else str(self.address)


def ip_of(address: Any) -> str:
    """Return the IP address of a socket address. A UNIX socket's is a path, or nothing, and not a tuple."""
    if not isinstance(address, tuple):
        return UNKNOWN_IP
    return str(address[0])  # pyright: ignore[reportUnknownArgumentType]
