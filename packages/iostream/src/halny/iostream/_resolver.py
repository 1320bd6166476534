"""From a host name to addresses, in ways that can be chosen: the loop's, an executor's, overridden names.

Every resolver gives `(family, address)` pairs in the order in which they should be tried, and raises `OSError`
(`socket.gaierror`) when there are none.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from halny.ioloop.concurrent import dummy_executor
from halny.ioloop.util import Configurable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from concurrent.futures import Executor, ThreadPoolExecutor

DEFAULT_RESOLVER_THREADS = 10
"""Threads of a `ThreadedResolver`: a few slow names do not hold up the others."""

Addresses = list[tuple[int, Any]]


class Resolver(Configurable):
    """Finds the addresses of a host; `Resolver()` gives the implementation that `Resolver.configure` chose.

    The default is [`DefaultLoopResolver`][halny.iostream.netutil.DefaultLoopResolver]. Subclass it to look names up
    elsewhere, and hand an instance to [`TCPClient`][halny.iostream.tcpclient.TCPClient].
    """

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return Resolver

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return DefaultLoopResolver

    def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Awaitable[list[tuple[int, Any]]]:
        """Returns the addresses of `host` as `(family, address)`, where `address` is what `socket.connect` takes.

        Args:
            host: A host name or IP address.
            port: Port to put into the addresses.
            family: `socket.AF_INET` or `socket.AF_INET6` to restrict the answer.

        Raises:
            OSError: The name has no address, or it could not be looked up.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define resolve()")

    def close(self) -> None:
        """Frees what the resolver holds, such as threads; it can't be used afterwards."""


def _lookup(host: str, port: int, family: int) -> Addresses:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    return [(entry[0], entry[4]) for entry in found]


class DefaultLoopResolver(Resolver):
    """Asks the event loop's `getaddrinfo`."""

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        """See `Resolver.resolve`.

        Args:
            host: A host name or IP address.
            port: Port to put into the addresses.
            family: Restricts the answer.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        return [(entry[0], entry[4]) for entry in found]


class DefaultExecutorResolver(Resolver):
    """Calls `socket.getaddrinfo` in the loop's default executor."""

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        """See `Resolver.resolve`.

        Args:
            host: A host name or IP address.
            port: Port to put into the addresses.
            family: Restricts the answer.
        """
        return await asyncio.get_running_loop().run_in_executor(None, _lookup, host, port, family)


class ExecutorResolver(Resolver):
    """Calls `socket.getaddrinfo` in an executor of your own; without one it blocks the loop."""

    def initialize(self, executor: Executor | None = None, close_executor: bool = True) -> None:
        """Sets the resolver up; the arguments are those of its constructor.

        Args:
            executor: Where names are looked up; `None` looks them up on the spot.
            close_executor: Whether `close` shuts the executor down.
        """
        self.executor: Executor | None = executor if executor is not None else dummy_executor
        self.close_executor = executor is not None and close_executor

    def close(self) -> None:
        """Shuts the executor down if the resolver owns it, without waiting for a lookup that hangs."""
        if self.close_executor and self.executor is not None:
            self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = None

    def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Awaitable[list[tuple[int, Any]]]:
        """See `Resolver.resolve`.

        Args:
            host: A host name or IP address.
            port: Port to put into the addresses.
            family: Restricts the answer.

        Raises:
            RuntimeError: The resolver was closed.
        """
        if self.executor is None:
            raise RuntimeError("the resolver is closed")
        future: Any = self.executor.submit(_lookup, host, port, family)
        # An executor of ours may give a future of the loop, any other gives one of its own.
        return asyncio.wrap_future(future)


class BlockingResolver(ExecutorResolver):
    """Looks names up on the spot and blocks the loop meanwhile; only for tools that do nothing else."""

    def initialize(self) -> None:  # type: ignore[override]
        """Takes no arguments."""
        super().initialize()


class ThreadedResolver(ExecutorResolver):
    """Looks names up in threads that all instances share; [`DefaultExecutorResolver`] is the simpler choice."""

    _threads: ThreadPoolExecutor | None = None

    def initialize(  # type: ignore[override]
        self, num_threads: int = DEFAULT_RESOLVER_THREADS
    ) -> None:
        """Sets the resolver up; the first one of the process decides the number of threads.

        Args:
            num_threads: Size of the pool.
        """
        if ThreadedResolver._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            ThreadedResolver._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="halny-resolver")
        super().initialize(executor=ThreadedResolver._threads, close_executor=False)


class OverrideResolver(Resolver):
    """Replaces some hosts before another resolver is asked, like `/etc/hosts` for one program.

    The mapping's keys are, from the most to the least specific, `(host, port, family)`, `(host, port)` and `host`; the
    value of a `host` is a host, that of the others a `(host, port)`.
    """

    def initialize(self, resolver: Resolver, mapping: Mapping[Any, Any]) -> None:
        """Sets the resolver up; the arguments are those of its constructor.

        Args:
            resolver: Asked with the replaced names. It belongs to this resolver, which closes it.
            mapping: Names to replace; it is not copied.
        """
        self.resolver = resolver
        self.mapping = mapping

    def close(self) -> None:
        """Closes the other resolver."""
        self.resolver.close()

    def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Awaitable[list[tuple[int, Any]]]:
        """See `Resolver.resolve`.

        Args:
            host: A host name or IP address.
            port: Port to put into the addresses.
            family: Restricts the answer.
        """
        if (host, port, family) in self.mapping:
            host, port = self.mapping[(host, port, family)]
        elif (host, port) in self.mapping:
            host, port = self.mapping[(host, port)]
        elif host in self.mapping:
            host = self.mapping[host]
        return self.resolver.resolve(host, port, family)
