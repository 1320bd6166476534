"""A resolver that asks name servers by c-ares, without threads that wait for the C library: the extra `cares`.

    Resolver.configure("halny.iostream.cares.CaresResolver")

It reads `/etc/hosts` and `/etc/resolv.conf`, and knows no other sources of names that the system may have (mDNS, NIS).
"""

from __future__ import annotations

import asyncio
import importlib
import socket
from contextlib import suppress
from typing import Any

from ._resolver import Resolver


class CaresResolver(Resolver):
    """Looks names up with pycares, which has to be installed: `pip install halny-iostream[cares]`."""

    def initialize(self) -> None:
        """Makes the channel to the name servers.

        Raises:
            ImportError: pycares is not installed.
        """
        self._pycares: Any = importlib.import_module("pycares")
        self.channel: Any = self._pycares.Channel()

    def close(self) -> None:
        """Ends the channel; lookups that are under way fail."""
        self.channel.close()

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        """See `Resolver.resolve`.

        Args:
            host: A host name or IP address.
            port: Port to put into the addresses.
            family: Restricts the answer.

        Raises:
            OSError: The name has no address, or it could not be looked up.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Any, int | None]] = loop.create_future()

        def settle(answer: tuple[Any, int | None]) -> None:
            if not future.done():
                future.set_result(answer)

        def found(result: Any, error: int | None) -> None:  # called in c-ares' own thread
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(settle, (result, error))

        self.channel.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, callback=found)
        result, error = await future
        if error is not None:
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r}: {self._pycares.errno.strerror(error)}")
        return [(int(node.family), _address(node.addr)) for node in result.nodes]


def _address(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    host = parts[0]
    return (host.decode("ascii") if isinstance(host, bytes) else host, *parts[1:])


__all__ = ["CaresResolver"]
