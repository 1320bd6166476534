"""A TCP server: `halny.iostream.tcpserver` under the name that users of Tornado know."""

from halny.iostream.tcpserver import (
    TCPServer,
)

__all__ = [
    "TCPServer",
]
