"""A chat over TCP: run it, then connect with `nc localhost 8888` from two terminals.

Each line is a message. The first line of a connection is the user's name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from typing import Any

from halny.ioloop import run
from halny.iostream import IOStream, StreamBufferFullError, StreamClosedError
from halny.iostream.tcpserver import TCPServer

log = logging.getLogger("chat")

MAX_LINE = 1000  # bytes: what one user can make the server keep
MAX_UNSENT = 64 * 1024  # bytes that may wait for a user who does not read
NAME_SECONDS = 60  # to say one's name


class ChatServer(TCPServer):
    """One room; `users` are the streams of those in it, by name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.users: dict[str, IOStream] = {}

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        stream.set_nodelay(True)
        stream.max_write_buffer_size = MAX_UNSENT
        try:
            async with asyncio.timeout(NAME_SECONDS):
                name = await self.ask_name(stream)
        except (StreamClosedError, TimeoutError):
            stream.close()
            return
        self.users[name] = stream
        self.tell(f"* {name} has joined, {len(self.users)} here")
        try:
            while True:
                self.tell(f"{name}: {await read_line(stream)}")
        except StreamClosedError:  # an ordinary end: the user left, or sent a line that is too long
            pass
        finally:
            stream.close()
            del self.users[name]
            self.tell(f"* {name} has left")

    async def ask_name(self, stream: IOStream) -> str:
        while True:
            await stream.write(b"Your name? ")
            name = await read_line(stream)
            if name.isidentifier() and name not in self.users:
                return name
            await stream.write(b"Letters and digits please, and not a name in use.\n")

    def tell(self, text: str) -> None:
        """Sends a line to everybody; nobody waits for those who read slowly."""
        line = text.encode() + b"\n"
        for stream in list(self.users.values()):
            try:
                stream.write(line)
            except StreamBufferFullError:
                stream.close()  # its own handle_stream does the rest
            except StreamClosedError:
                pass


async def read_line(stream: IOStream) -> str:
    line = await stream.read_until(b"\n", max_bytes=MAX_LINE)
    return line.decode("utf-8", "replace").strip()


async def main(port: int) -> None:
    logging.basicConfig(level=logging.INFO)
    server = ChatServer()
    server.listen(port)
    log.info("chat on port %d", port)
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8888))
