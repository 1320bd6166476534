from __future__ import annotations

import asyncio
import socket
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from halny.iostream import cares, netutil

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


RESOLVERS: dict[str, Callable[[], netutil.Resolver]] = {
    "default": netutil.Resolver,
    "loop": netutil.DefaultLoopResolver,
    "default executor": netutil.DefaultExecutorResolver,
    "executor": lambda: netutil.ExecutorResolver(executor=ThreadPoolExecutor(1)),
    "blocking executor": netutil.ExecutorResolver,
    "blocking": netutil.BlockingResolver,
    "threaded": netutil.ThreadedResolver,
    "override": lambda: netutil.OverrideResolver(resolver=netutil.Resolver(), mapping={}),
}


@pytest.mark.parametrize("kind", RESOLVERS)
async def test_resolver(kind: str) -> None:
    resolver = RESOLVERS[kind]()
    assert await resolver.resolve("127.0.0.1", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert (socket.AF_INET, ("127.0.0.1", 81)) in await resolver.resolve("localhost", 81, socket.AF_INET)
    with pytest.raises(OSError):
        await resolver.resolve("an invalid host name", 80)
    resolver.close()


async def test_a_closed_executor_resolver_refuses() -> None:
    resolver = netutil.ExecutorResolver(executor=ThreadPoolExecutor(1))
    resolver.close()
    with pytest.raises(RuntimeError, match="closed"):
        await resolver.resolve("127.0.0.1", 80)


async def test_an_executor_that_is_not_the_resolvers_own_stays() -> None:
    with ThreadPoolExecutor(1) as executor:
        resolver = netutil.ExecutorResolver(executor=executor, close_executor=False)
        resolver.close()
        assert executor.submit(int).result() == 0


class _Recording(netutil.Resolver):
    def initialize(self) -> None:
        self.asked: list[tuple[str, int, int]] = []
        self.closed = False

    async def _answer(self) -> list[tuple[int, Any]]:
        return []

    def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> Awaitable[Any]:
        self.asked.append((host, port, family))
        return self._answer()

    def close(self) -> None:
        self.closed = True


async def test_overrides_from_the_most_specific() -> None:
    recording = _Recording()
    resolver = netutil.OverrideResolver(
        resolver=recording,
        mapping={
            ("a", 1, socket.AF_INET6): ("six", 66),
            ("a", 1): ("port", 11),
            "a": "host",
        },
    )
    for port, family in ((1, socket.AF_INET6), (1, socket.AF_INET), (2, socket.AF_INET)):
        await resolver.resolve("a", port, family)
    await resolver.resolve("b", 1)
    resolver.close()
    assert recording.asked == [
        ("six", 66, socket.AF_INET6),
        ("port", 11, socket.AF_INET),
        ("host", 2, socket.AF_INET),
        ("b", 1, socket.AF_UNSPEC),
    ]
    assert recording.closed


def test_the_implementation_can_be_configured() -> None:
    netutil.Resolver.configure("halny.netutil.DefaultExecutorResolver")
    try:
        assert isinstance(netutil.Resolver(), netutil.DefaultExecutorResolver)
    finally:
        netutil.Resolver.configure(None)
    assert isinstance(netutil.Resolver(), netutil.DefaultLoopResolver)


class _FakeChannel:
    """pycares' channel, as far as the resolver uses it."""

    def __init__(self) -> None:
        self.closed = False

    def getaddrinfo(self, host: str, port: int, *, family: int, type: int, callback: Any) -> None:
        if host == "good.test":
            nodes = [
                types.SimpleNamespace(family=socket.AF_INET6, addr=(b"::1", port, 0, 0)),
                types.SimpleNamespace(family=socket.AF_INET, addr=(b"127.0.0.1", port)),
            ]
            callback(types.SimpleNamespace(nodes=nodes), None)
        elif host == "bad.test":
            callback(None, 4)

    def close(self) -> None:
        self.closed = True


async def test_cares_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    fake: Any = types.ModuleType("pycares")
    fake.Channel = _FakeChannel
    fake.errno = types.SimpleNamespace(strerror={4: "Domain name not found"}.__getitem__)
    monkeypatch.setitem(sys.modules, "pycares", fake)
    resolver = cares.CaresResolver()
    assert await resolver.resolve("good.test", 80) == [
        (socket.AF_INET6, ("::1", 80, 0, 0)),
        (socket.AF_INET, ("127.0.0.1", 80)),
    ]
    with pytest.raises(socket.gaierror, match=r"'bad\.test': Domain name not found"):
        await resolver.resolve("bad.test", 80)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(resolver.resolve("hangs.test", 80), 0.01)
    resolver.close()
    assert resolver.channel.closed


def test_cares_resolver_without_pycares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycares", None)
    with pytest.raises(ImportError):
        cares.CaresResolver()


async def test_cares_resolver_with_the_real_pycares() -> None:
    pytest.importorskip("pycares")
    resolver = cares.CaresResolver()
    assert await resolver.resolve("127.0.0.1", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]
    resolver.close()
