r"""A TCP server; see [`TCPServer`][halny.iostream.tcpserver.TCPServer].

class EchoServer(TCPServer):
async def handle_stream(self, stream, address):
while True:
await stream.write(await stream.read_until(b"\n"))

server = EchoServer()
server.listen(8888)
"""

from __future__ import annotations

from ._core import app_log
from ._tcpserver import TCPServer

__all__ = ["TCPServer", "app_log"]
