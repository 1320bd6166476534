from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import IOLoop
from halny.ioloop.platform import SelectorThread

if TYPE_CHECKING:
    from collections.abc import Generator

    from tools.strict_tests.logs import ExpectLog


@pytest.fixture(params=["asyncio", "proactor", "uvloop"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[IOLoop]:
    """An IOLoop whose descriptors asyncio watches, or a thread as on Windows, or uvloop."""
    if request.param == "proactor":
        monkeypatch.setattr(asyncio, "ProactorEventLoop", asyncio.SelectorEventLoop, raising=False)
    given = pytest.importorskip("uvloop").new_event_loop() if request.param == "uvloop" else asyncio.SelectorEventLoop()
    made = IOLoop(asyncio_loop=given)
    assert isinstance(made.selector_loop, SelectorThread) == (request.param == "proactor")
    yield made
    made.close(all_fds=True)


@pytest.fixture
def pair() -> Generator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def test_a_socket_object_is_handed_to_its_handler(loop: IOLoop, pair: Pair) -> None:
    ours, theirs = pair
    seen: list[tuple[Any, int]] = []

    def handler(fd: Any, events: int) -> None:
        seen.append((fd, events))
        ours.recv(10)
        loop.stop()

    loop.add_handler(ours, handler, loop.READ)
    theirs.send(b"x")
    loop.start()
    loop.remove_handler(ours)
    assert seen == [(ours, loop.READ)]


def test_a_descriptor_for_reading_and_writing(loop: IOLoop, pair: Pair) -> None:
    ours, theirs = pair
    seen: list[tuple[Any, int]] = []

    def handler(fd: int, events: int) -> None:
        seen.append((fd, events))
        if events == loop.WRITE:
            loop.update_handler(fd, loop.READ)
            theirs.send(b"x")
        else:
            ours.recv(10)
            loop.stop()

    loop.add_handler(ours.fileno(), handler, loop.READ | loop.WRITE | loop.ERROR)
    loop.start()
    loop.remove_handler(ours.fileno())
    assert seen == [(ours.fileno(), loop.WRITE), (ours.fileno(), loop.READ)]


def test_readiness_is_told_again_until_it_is_used(loop: IOLoop, pair: Pair) -> None:
    ours, theirs = pair
    count = 0

    def handler(fd: Any, events: int) -> None:
        nonlocal count
        count += 1
        if count == 3:
            loop.remove_handler(ours)
            loop.stop()

    loop.add_handler(ours, handler, loop.READ)
    theirs.send(b"x")
    loop.start()
    assert count == 3


def test_a_peer_that_closes_is_readable(loop: IOLoop, pair: Pair) -> None:
    ours, theirs = pair

    def handler(fd: Any, events: int) -> None:
        loop.stop()

    loop.add_handler(ours, handler, loop.READ)
    theirs.close()
    loop.start()
    loop.remove_handler(ours)


def test_a_handler_that_raises_is_logged_and_called_again(loop: IOLoop, pair: Pair, expect_log: ExpectLog) -> None:
    ours, theirs = pair
    calls = 0

    def handler(fd: Any, events: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyError("x")
        loop.stop()

    loop.add_handler(ours, handler, loop.READ)
    theirs.send(b"x")
    with expect_log("halny.application", "Exception in handler", count=1):
        loop.start()
    loop.remove_handler(ours)


def test_a_handler_may_be_a_coroutine_function(loop: IOLoop, pair: Pair) -> None:
    ours, theirs = pair

    async def handler(fd: Any, events: int) -> None:
        loop.remove_handler(fd)
        await asyncio.sleep(0)
        loop.stop()

    loop.add_handler(ours, handler, loop.READ)
    theirs.send(b"x")
    loop.start()


def test_misuse(loop: IOLoop, pair: Pair) -> None:
    ours, _ = pair
    loop.add_handler(ours, print, loop.READ)
    with pytest.raises(ValueError, match="added twice"):
        loop.add_handler(ours.fileno(), print, loop.READ)
    loop.remove_handler(ours)
    loop.remove_handler(ours)
    with pytest.raises(KeyError):
        loop.update_handler(ours, loop.WRITE)
    with pytest.raises(AttributeError):
        loop.add_handler(object(), print, loop.READ)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_a_descriptor_that_cannot_be_watched_is_not_kept() -> None:
    loop = IOLoop(make_current=False, asyncio_loop=asyncio.SelectorEventLoop())
    with pytest.raises((OSError, ValueError)):
        loop.add_handler(2**30, print, loop.READ)
    assert not loop.handlers
    loop.close()


def test_close_leaves_descriptors_open_unless_it_is_told() -> None:
    for all_fds in (False, True):
        loop = IOLoop(make_current=False)
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        loop.add_handler(ours, print, loop.READ)
        loop.add_handler(read, print, loop.READ)
        loop.close(all_fds=all_fds)
        assert (ours.fileno() == -1) == all_fds
        if all_fds:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(read)
            loop.close_fd(read)
        else:
            ours.close()
            os.close(read)
        theirs.close()
        os.close(write)


def test_removing_after_close_does_nothing() -> None:
    loop = IOLoop(make_current=False)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        loop.add_handler(ours, print, loop.READ)
        loop.asyncio_loop.close()
        loop.remove_handler(ours)
        assert not loop.handlers
        loop.close()


def test_a_socket_that_was_closed_too_early_can_still_be_removed(loop: IOLoop) -> None:
    ours, theirs = socket.socketpair()
    loop.add_handler(ours, print, loop.READ | loop.WRITE)
    ours.close()
    loop.remove_handler(ours)
    loop.remove_handler(ours)
    theirs.close()
    assert not loop.handlers


def test_a_cancelled_handler_is_not_logged(loop: IOLoop, pair: Pair) -> None:
    ours, theirs = pair

    def handler(fd: Any, events: int) -> None:
        loop.stop()
        raise asyncio.CancelledError

    loop.add_handler(ours, handler, loop.READ | loop.WRITE)
    loop.update_handler(ours, loop.READ)
    theirs.send(b"x")
    loop.start()
    loop.update_handler(ours, loop.NONE)
    loop.remove_handler(ours)
