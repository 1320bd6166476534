"""A TCP server: `halny.iostream.tcpserver` under the name that users of Tornado know."""

from halny.iostream.tcpserver import (
    TCPServer,
    app_log,
)

__all__ = [
    "TCPServer",
    "app_log",
]
