"""Connecting to hosts by name: `halny.iostream.tcpclient` under the name that users of Tornado know."""

from halny.iostream.tcpclient import (
    TCPClient,
)

__all__ = [
    "TCPClient",
]
