"""What a server knows of the peer of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    import asyncio
    import socket
    import ssl


@final
class ConnectionContext:
    """The peer of a connection, as its requests see it.

    Args:
        transport: the connection's transport.
        protocol: `http` or `https` where the server was told which; else TLS decides.
    """

    __slots__ = ("_transport", "address", "protocol", "remote_ip")

    address: Any
    """The peer's socket address."""
    remote_ip: str
    """The peer's IP address; `0.0.0.0` for a socket that has none, such as a UNIX one."""
    protocol: str
    """`http` or `https`."""

    def __init__(self, transport: asyncio.Transport, protocol: str | None) -> None:
        self._transport = transport
        self.address = address = transport.get_extra_info("peername")
        # A UNIX socket's peer has a path, or nothing, where an internet peer has a tuple.
        self.remote_ip = address[0] if isinstance(address, tuple) else "0.0.0.0"  # noqa: S104 - means "unknown"
        if protocol is None:
            protocol = "http" if transport.get_extra_info("ssl_object") is None else "https"
        self.protocol = protocol

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
