"""Connecting to a host by name.

The addresses of a host are tried as RFC 8305 ("happy eyeballs") describes: in the resolver's order, but with the
families taking turns, and the next attempt begun when the one before has failed or not succeeded for a moment. The
first connection wins and the others are closed. Whatever ends `connect` (a timeout, its caller's cancellation), no
socket is left behind.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from halny.ioloop import TimeoutError as HalnyTimeoutError

from ._exceptions import StreamClosedError
from ._resolver import Resolver
from ._socket import IOStream
from ._sockets import is_valid_ip

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

ATTEMPT_DELAY_SECONDS = 0.25
"""How long one address may be slow before the next one is tried too: RFC 8305, section 5."""

MAX_ADDRESSES = 64
"""Addresses that are tried at most: a name server must not make us connect to thousands."""


class TCPClient:
    """Connects to hosts by name."""

    def __init__(self, resolver: Resolver | None = None) -> None:
        """Makes a client.

        Args:
            resolver: Looks the names up; the configured default if `None`. One given here is not closed by `close`.
        """
        self._own_resolver = resolver is None
        self.resolver = Resolver() if resolver is None else resolver

    def close(self) -> None:
        """Closes the resolver, if the client made it."""
        if self._own_resolver:
            self.resolver.close()

    async def connect(
        self,
        host: str,
        port: int,
        af: socket.AddressFamily = socket.AF_UNSPEC,
        ssl_options: Mapping[str, Any] | ssl.SSLContext | None = None,
        max_buffer_size: int | None = None,
        source_ip: str | None = None,
        source_port: int | None = None,
        timeout: float | dt.timedelta | None = None,  # noqa: ASYNC109 - it is the known signature
    ) -> IOStream:
        """Returns a stream that is connected to `host`, a `SSLIOStream` if there are `ssl_options`.

        Args:
            host: A host name or IP address; with TLS, its certificate must be for it.
            port: TCP port.
            af: `socket.AF_INET` or `socket.AF_INET6` to restrict the addresses.
            ssl_options: A context or options; `{}` verifies the host by the system's authorities.
            max_buffer_size: See [`BaseIOStream`][halny.iostream.BaseIOStream].
            source_ip: IP address to connect from, the system's choice by default.
            source_port: Port to connect from.
            timeout: Seconds, or a timedelta, for all of it: the name, the connection, and TLS.

        Raises:
            halny.ioloop.TimeoutError: It took longer than `timeout`.
            StreamClosedError: No address could be connected to; `real_error` is the `OSError` of the first one.
            ssl.SSLError: TLS failed, for instance on the certificate.
            OSError: The name can't be resolved, or nothing can be sent from `source_ip` and `source_port`.
            ValueError: `source_ip` is no IP address: the caller's fault.
        """
        if source_ip is not None and not is_valid_ip(source_ip):
            raise ValueError(f"source_ip is {source_ip!r}, expected an IP address")
        seconds = timeout.total_seconds() if isinstance(timeout, dt.timedelta) else timeout
        source = None if source_ip is None and source_port is None else (source_ip, source_port or 0)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                addresses = await self.resolver.resolve(host, port, af)
                stream = await _Race(addresses, source, max_buffer_size).run()
                if ssl_options is None:
                    return stream
                return await _secure(stream, ssl_options, host)
        except TimeoutError as error:
            if not limit.expired():
                raise  # a resolver's own
            raise HalnyTimeoutError(f"could not connect to {host}:{port} within {seconds} s") from error


async def _secure(stream: IOStream, ssl_options: Mapping[str, Any] | ssl.SSLContext, host: str) -> IOStream:
    try:
        return await stream.start_tls(False, ssl_options=ssl_options, server_hostname=host)
    finally:
        stream.close()  # does nothing once the connection has moved to the stream with TLS


class _Race:
    """Attempts to connect to several addresses, of which one may win."""

    def __init__(
        self,
        addresses: Sequence[tuple[int, Any]],
        source: tuple[str | None, int] | None,
        max_buffer_size: int | None,
    ) -> None:
        self._addresses = in_turns(addresses)[:MAX_ADDRESSES]
        self._source = source
        self._max_buffer_size = max_buffer_size
        self._attempts: dict[asyncio.Future[IOStream], IOStream] = {}
        self._errors: list[OSError] = []

    async def run(self) -> IOStream:
        """Returns the first stream that is connected, and closes the others."""
        winner: IOStream | None = None
        try:
            for number, (family, address) in enumerate(self._addresses, 1):
                self._begin(family, address)
                last = number == len(self._addresses)
                winner = await self._wait(None if last else ATTEMPT_DELAY_SECONDS)
                if winner is not None:
                    return winner
        finally:
            for stream in self._attempts.values():
                if stream is not winner:
                    stream.close()
        if not self._errors:
            raise socket.gaierror(socket.EAI_NONAME, "the resolver gave no address")
        raise self._errors[0]

    def _begin(self, family: int, address: Any) -> None:
        try:
            sock = socket.socket(family)
        except OSError as error:
            self._errors.append(error)
            return
        try:
            if self._source is not None:
                host, port = self._source
                sock.bind((host or ("::" if family == socket.AF_INET6 else ""), port))
            stream = IOStream(sock, max_buffer_size=self._max_buffer_size)
        except OSError as error:
            sock.close()
            self._errors.append(error)
            return
        self._attempts[stream.connect(address)] = stream

    async def _wait(self, seconds: float | None) -> IOStream | None:
        """Waits for a connection, until `seconds` have passed or no attempt is left."""
        loop = asyncio.get_running_loop()
        deadline = None if seconds is None else loop.time() + seconds
        while self._attempts:
            left = None if deadline is None else max(0.0, deadline - loop.time())
            done, _ = await asyncio.wait(self._attempts, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return None
            for future in sorted(done, key=list(self._attempts).index):
                error = future.exception()
                if error is None:
                    return future.result()
                self._errors.append(error if isinstance(error, OSError) else StreamClosedError(error))
                del self._attempts[future]
        return None


def in_turns(addresses: Sequence[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Returns the addresses with families in turns, beginning with that of the first: RFC 8305, section 4."""
    if not addresses:
        return []
    first = addresses[0][0]
    ours = [entry for entry in addresses if entry[0] == first]
    others = [entry for entry in addresses if entry[0] != first]
    return [entry for entry in chain.from_iterable(zip_longest(ours, others)) if entry is not None]
