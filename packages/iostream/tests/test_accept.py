from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import IOLoop
from halny.iostream import _accept, netutil

from .sockets import closing_all

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog


async def test_connections_are_accepted_until_removed() -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (listener,):
        accepted: asyncio.Queue[tuple[socket.socket, Any]] = asyncio.Queue()
        remove = netutil.add_accept_handler(listener, lambda sock, address: accepted.put_nowait((sock, address)))
        with socket.create_connection(listener.getsockname()) as client:
            connection, address = await accepted.get()
            assert address == client.getsockname()
            assert connection.gettimeout() == 0
            connection.close()
        remove()
        remove()
        with socket.create_connection(listener.getsockname()):
            for _ in range(10):
                await asyncio.sleep(0)
            assert accepted.empty()


def test_accepting_begins_when_the_loop_starts() -> None:
    loop = IOLoop(make_current=True)
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (listener,):
        accepted: list[socket.socket] = []

        def callback(connection: socket.socket, address: Any) -> None:
            accepted.append(connection)
            loop.stop()

        remove = netutil.add_accept_handler(listener, callback)
        with socket.create_connection(listener.getsockname()):
            loop.start()
        remove()
        accepted[0].close()
    loop.close()


async def test_a_callback_that_raises_ends_only_its_connection(expect_log: ExpectLog) -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (listener,):
        served = asyncio.Event()

        def callback(connection: socket.socket, address: Any) -> None:
            if address == bad.getsockname():
                raise ValueError("not this one")
            connection.close()
            served.set()

        with socket.create_connection(listener.getsockname()) as bad, socket.create_connection(listener.getsockname()):
            remove = netutil.add_accept_handler(listener, callback)
            with expect_log("halny.application", "exception in the callback", logging.ERROR, count=1):
                await served.wait()
            bad.settimeout(5)
            assert bad.recv(1) == b""
        remove()


class _Listener:
    """A listening socket that fails first, and counts."""

    def __init__(self, sock: socket.socket, errors: list[OSError]) -> None:
        self.sock = sock
        self.errors = errors
        self.calls = 0

    def fileno(self) -> int:
        return self.sock.fileno()

    def accept(self) -> tuple[socket.socket, Any]:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.sock.accept()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EINVAL])
async def test_running_out_of_descriptors_pauses(
    code: int, monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog
) -> None:
    monkeypatch.setattr(_accept, "ACCEPT_PAUSE_SECONDS", 0.02)
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (real,):
        listener: Any = _Listener(real, [OSError(code, os.strerror(code))])
        accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
        with socket.create_connection(real.getsockname()):
            remove = netutil.add_accept_handler(listener, lambda sock, _: accepted.put_nowait(sock))
            with expect_log("halny.general", "can't accept connections", logging.ERROR, count=1):
                (await accepted.get()).close()
        assert listener.calls <= 3  # it did not spin meanwhile
        remove()


async def test_removing_during_the_pause(monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog) -> None:
    monkeypatch.setattr(_accept, "ACCEPT_PAUSE_SECONDS", 3600)
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (real,):
        listener: Any = _Listener(real, [OSError(errno.EMFILE, "none left")])
        with socket.create_connection(real.getsockname()):
            with expect_log("halny.general", "can't accept"):
                remove = netutil.add_accept_handler(listener, lambda sock, _: sock.close())
                while listener.errors:
                    await asyncio.sleep(0)
            remove()


async def test_a_peer_that_left_before_it_was_accepted() -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (real,):
        listener: Any = _Listener(
            real, [OSError(code, os.strerror(code)) for code in (errno.ECONNABORTED, errno.EPROTO)]
        )
        accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
        with socket.create_connection(real.getsockname()):
            remove = netutil.add_accept_handler(listener, lambda sock, _: accepted.put_nowait(sock))
            (await accepted.get()).close()
        remove()


async def test_one_turn_accepts_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_accept, "ACCEPTS_PER_TURN", 3)
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (listener,):
        accepted: list[socket.socket] = []
        clients = [socket.create_connection(listener.getsockname()) for _ in range(10)]
        remove = netutil.add_accept_handler(listener, lambda sock, _: accepted.append(sock))
        counts: list[int] = []
        while len(accepted) < 10:
            await asyncio.sleep(0)
            counts.append(len(accepted))
        assert all(after - before <= 3 for before, after in zip([0, *counts], counts, strict=False))
        remove()
        for sock in accepted + clients:
            sock.close()
