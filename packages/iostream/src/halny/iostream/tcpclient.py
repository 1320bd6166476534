"""Connecting to hosts by name.

stream = await TCPClient().connect("example.com", 443, ssl_options={}, timeout=10)
"""

from __future__ import annotations

from ._tcpclient import TCPClient

__all__ = ["TCPClient"]
