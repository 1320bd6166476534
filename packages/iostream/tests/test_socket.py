"""Streams on sockets: connecting, and peers that end, reset or half-close at every stage."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import IOLoop
from halny.iostream import BaseIOStream, IOStream, StreamClosedError
from halny.iostream.netutil import bind_sockets, bind_unix_socket

from .sockets import closing_all, free_port, reset
from .streampairs import tcp_sockets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def closed(stream: BaseIOStream) -> None:
    event = asyncio.Event()
    stream.set_close_callback(event.set)
    await event.wait()


async def test_connect() -> None:
    with closing_all(bind_sockets(0, "127.0.0.1")) as (listener,):
        stream = IOStream(socket.socket())
        waiting = stream.connect(listener.getsockname())
        written = stream.write(b"before it is connected")
        read = stream.read_bytes(2)
        with pytest.raises(RuntimeError, match="is connecting already"):
            stream.connect(listener.getsockname())
        listener.setblocking(True)
        peer, _ = listener.accept()
        with peer:
            assert await waiting is stream
            await written
            assert peer.recv(100) == b"before it is connected"
            peer.sendall(b"ok")
            assert await read == b"ok"
        stream.close()


async def test_connection_refused() -> None:
    stream = IOStream(socket.socket())
    waiting, written, read = stream.connect(("127.0.0.1", free_port())), stream.write(b"x"), stream.read_bytes(1)
    for future in (waiting, written, read):
        with pytest.raises(StreamClosedError) as caught:
            await future
        assert isinstance(caught.value.real_error, ConnectionRefusedError)
        assert caught.value.real_error is stream.error
    assert (stream.closed(), stream.fileno(), stream.socket) == (True, -1, None)
    with pytest.raises(StreamClosedError):
        await stream.connect(("127.0.0.1", 1))


async def test_an_address_that_can_not_be_connected_to() -> None:
    stream = IOStream(socket.socket())
    with pytest.raises(StreamClosedError) as caught:
        await stream.connect(("256.256.256.256", 1))
    assert isinstance(caught.value.real_error, socket.gaierror)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses")
async def test_a_unix_socket_whose_queue_is_full(tmp_path: Path) -> None:
    with bind_unix_socket(tmp_path / "socket", backlog=0):
        streams = [IOStream(socket.socket(socket.AF_UNIX)) for _ in range(4)]
        waiting = [stream.connect(str(tmp_path / "socket")) for stream in streams]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert outcomes[0] is streams[0]
        assert isinstance(outcomes[-1], StreamClosedError)
        assert isinstance(outcomes[-1].real_error, BlockingIOError)
        for stream in streams:
            stream.close()


async def test_an_address_that_can_not_be_one_leaves_the_stream_as_it_was() -> None:
    with closing_all(bind_sockets(0, "127.0.0.1")) as (listener,):
        stream = IOStream(socket.socket())
        with pytest.raises(OverflowError):
            stream.connect(("127.0.0.1", 99999))
        with pytest.raises(TypeError):
            stream.connect("127.0.0.1")
        assert await stream.connect(listener.getsockname()) is stream
        stream.close()


async def test_closing_while_connecting() -> None:
    with closing_all(bind_sockets(0, "127.0.0.1")) as (listener,):
        stream = IOStream(socket.socket())
        waiting = stream.connect(listener.getsockname())
        stream.close()
        with pytest.raises(StreamClosedError):
            await waiting


async def test_a_close_callback_set_while_connecting() -> None:
    with closing_all(bind_sockets(0, "127.0.0.1")) as (listener,):
        listener.setblocking(True)
        stream = IOStream(socket.socket())
        waiting = stream.connect(listener.getsockname())
        event = asyncio.Event()
        stream.set_close_callback(event.set)
        peer, _ = listener.accept()
        await waiting
        peer.close()
        await event.wait()


ENDS: dict[str, Callable[[socket.socket], None]] = {
    "end": socket.socket.close,
    "half-close": lambda sock: sock.shutdown(socket.SHUT_WR),
    "reset": reset,
}


@pytest.fixture(params=ENDS)
def end(request: pytest.FixtureRequest) -> Any:
    """Ends the peer's side in one of three ways; closes it in any case after the test."""
    socks: list[socket.socket] = []

    def ends(sock: socket.socket) -> type[BaseException] | None:
        socks.append(sock)
        ENDS[request.param](sock)
        return ConnectionResetError if request.param == "reset" else None

    yield ends
    for sock in socks:
        sock.close()


async def arrived(stream: IOStream, count: int) -> None:
    while len(stream._read_buffer) < count:  # pyright: ignore[reportPrivateUsage]
        await asyncio.sleep(0)


async def fails(future: asyncio.Future[Any], cause: type[BaseException] | None) -> None:
    with pytest.raises(StreamClosedError) as caught:
        await future
    assert caught.value.real_error is caught.value.__cause__
    if cause is None:
        assert caught.value.real_error is None
    else:
        assert isinstance(caught.value.real_error, (cause, BrokenPipeError))


class TestAPeerThatEnds:
    async def test_before_a_read(self, end: Any) -> None:
        left, right = tcp_sockets()
        stream = IOStream(left)
        await fails_after(end(right), stream, stream.read_bytes)

    async def test_during_a_read(self, end: Any) -> None:
        left, right = tcp_sockets()
        stream = IOStream(left)
        right.sendall(b"half a li")
        pending = stream.read_until(b"\n")
        await arrived(stream, 9)
        await fails(pending, end(right))
        assert await stream.read_bytes(9) == b"half a li"

    async def test_while_nobody_reads(self, end: Any) -> None:
        left, right = tcp_sockets()
        stream = IOStream(left)
        waiting = asyncio.ensure_future(closed(stream))
        await asyncio.sleep(0)
        cause = end(right)
        await waiting
        assert stream.error is None if cause is None else isinstance(stream.error, cause)

    async def test_during_a_write(self, end: Any) -> None:
        left, right = tcp_sockets()
        stream = IOStream(left)
        pending = stream.write(bytes(1 << 24))
        assert not pending.done()
        read = stream.read_bytes(1)
        end(right)  # whatever it is, bytes that nobody took make a reset of a full close
        for future in (read, pending):
            with pytest.raises(StreamClosedError) as caught:
                await future
            assert caught.value.real_error is stream.error

    async def test_during_read_until_close(self, end: Any) -> None:
        left, right = tcp_sockets()
        stream = IOStream(left)
        pending = stream.read_until_close()
        right.sendall(b"all of it?")
        await arrived(stream, 10)
        cause = end(right)
        if cause is None:
            assert await pending == b"all of it?"
        else:  # what came may not be all of it, and is not passed off as that
            await fails(pending, cause)
            assert await stream.read_bytes(10) == b"all of it?"


async def fails_after(cause: type[BaseException] | None, stream: IOStream, read: Any) -> None:
    await fails(read(1), cause)
    assert stream.closed()


async def test_a_half_closed_peer_still_gets_what_was_written_before() -> None:
    left, right = tcp_sockets()
    stream = IOStream(left)
    right.sendall(b"question\n")
    question = await stream.read_until(b"\n")
    await stream.write(question)
    right.shutdown(socket.SHUT_WR)
    await closed(stream)
    with right:
        assert right.recv(100) == b"question\n"
        assert right.recv(100) == b""


async def test_writing_to_a_peer_that_is_gone() -> None:
    left, right = tcp_sockets()
    stream = IOStream(left)
    reset(right)
    with pytest.raises(StreamClosedError) as caught:
        while True:
            await stream.write(b"x")
            await asyncio.sleep(0)
    assert isinstance(caught.value.real_error, OSError)


async def test_nobody_has_to_look_at_a_failure() -> None:
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    left, right = tcp_sockets()
    stream = IOStream(left)
    for future in (stream.read_bytes(1), stream.write(bytes(1 << 24)), stream.write([b"a", b"b"])):
        del future
    right.close()
    await closed(stream)
    with pytest.raises(StreamClosedError):
        stream.write(b"x")
    stream.read_bytes(1)
    del stream
    gc.collect()
    await asyncio.sleep(0)
    assert problems == []


async def test_a_close_callback_that_raises(expect_log: Any) -> None:
    def callback() -> None:
        raise ValueError("in the callback")

    left, right = tcp_sockets()
    stream = IOStream(left)
    stream.set_close_callback(callback)
    with expect_log("halny.application", "exception in the close callback", count=1):
        stream.close()
        await asyncio.sleep(0)
    right.close()


async def test_a_removed_close_callback_is_not_called() -> None:
    left, right = tcp_sockets()
    stream = IOStream(left)
    stream.set_close_callback(lambda: pytest.fail("called"))
    stream.set_close_callback(None)
    stream.close()
    await asyncio.sleep(0)
    right.close()


async def test_reading_ahead_is_bounded_and_goes_on() -> None:
    left, right = tcp_sockets()
    stream = IOStream(left, read_chunk_size=1000)
    stream.set_close_callback(lambda: None)
    right.setblocking(False)
    sent = 0
    try:
        while True:
            sent += right.send(bytes(65536))
    except BlockingIOError:
        pass
    for _ in range(100):
        await asyncio.sleep(0)
    assert 1000 <= len(stream._read_buffer) <= 2000  # pyright: ignore[reportPrivateUsage]
    right.close()
    assert len(await stream.read_bytes(sent)) == sent
    assert await stream.read_until_close() == b""


async def test_one_stream_does_not_starve_the_others() -> None:
    left, right = tcp_sockets()
    other_left, other_right = tcp_sockets()
    busy, other = IOStream(left, read_chunk_size=16), IOStream(other_left)
    right.sendall(b"x" * 60_000)
    other_right.sendall(b"y")
    much = busy.read_bytes(60_000)
    assert await other.read_bytes(1) == b"y"
    assert not much.done()
    await much
    for opened in (busy, other, right, other_right):
        opened.close()


async def test_options_of_the_socket() -> None:
    left, right = tcp_sockets()
    stream = IOStream(left)
    for value in (True, False):
        stream.set_nodelay(value)
        assert bool(left.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is value
    assert stream.fileno() == left.fileno()
    assert stream.get_fd_error() is None
    assert left.gettimeout() == 0
    assert stream.io_loop is IOLoop.current()
    stream.close()
    stream.set_nodelay(True)
    right.close()
    unix_left, unix_right = socket.socketpair()
    unix = IOStream(unix_left)
    unix.set_nodelay(True)
    unix.close()
    unix_right.close()


async def test_repr_tells_the_state() -> None:
    left, right = tcp_sockets()
    stream = IOStream(left)
    assert repr(stream).startswith("<IOStream open at 0x")
    stream.close()
    assert repr(stream).startswith("<IOStream closed at 0x")
    right.close()


@pytest.mark.parametrize(("option", "value"), [("max_buffer_size", 0), ("max_buffer_size", -1)])
async def test_sizes_that_are_refused(option: str, value: int) -> None:
    left, right = socket.socketpair()
    with left, right, pytest.raises(ValueError, match=f"{option} must be positive, got {value}"):
        IOStream(left, **{option: value})


async def test_arguments_that_are_refused() -> None:
    left, right = tcp_sockets()
    stream = IOStream(left)
    with pytest.raises(ValueError, match="must not be empty"):
        stream.read_until(b"")
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        stream.read_bytes(-1)
    with pytest.raises(TypeError):
        stream.read_into(b"read-only")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="expected bytes"):
        stream.read_until_regex("text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        stream.read_until("text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        stream.read_bytes(1.5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert not stream.reading()
    assert not stream.closed()
    pending = stream.read_until(bytearray(b";"))  # type: ignore[arg-type,unused-ignore] # pyright: ignore[reportArgumentType]
    right.sendall(b"a;")
    assert await pending == b"a;"
    stream.close()
    right.close()


async def test_a_driver_with_a_bug_ends_its_stream(expect_log: Any) -> None:
    class Broken(IOStream):
        def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
            raise KeyError("a bug")

    left, right = tcp_sockets()
    stream = Broken(left)
    pending = stream.read_bytes(1)
    right.sendall(b"x")
    with expect_log("halny.application", "exception in <Broken open", count=1):
        with pytest.raises(StreamClosedError) as caught:
            await pending
    assert isinstance(caught.value.real_error, KeyError)
    right.close()


def test_closing_after_the_loop_was_closed() -> None:
    left, right = tcp_sockets()

    async def main() -> IOStream:
        stream = IOStream(left)
        stream.set_close_callback(lambda: None)
        stream.read_bytes(1)
        stream.write(bytes(1 << 24))
        return stream

    stream = asyncio.run(main())
    stream.close()
    assert left.fileno() == -1
    right.close()


def test_a_stream_made_before_the_loop_runs() -> None:
    loop = IOLoop()
    left, right = tcp_sockets()
    stream = IOStream(left)
    pending = stream.read_bytes(2)
    right.sendall(b"ok")

    async def main() -> bytes:
        return await pending

    assert loop.run_sync(main) == b"ok"
    assert stream.io_loop is loop
    stream.close()
    right.close()
    loop.close()


async def test_a_closed_stream_is_freed_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            left, right = tcp_sockets()
            stream, peer = IOStream(left), IOStream(right)
            stream.set_close_callback(lambda: None)
            stream.write(b"line\n")
            await peer.read_until(b"\n")
            pending = stream.read_bytes(1)
            peer.close()
            with pytest.raises(StreamClosedError):
                await pending
            freed = [weakref.ref(stream), weakref.ref(peer)]
            del stream, peer, pending
            await asyncio.sleep(0)
            assert [reference() for reference in freed] == [None, None]
    finally:
        gc.enable()


async def test_connections_leave_no_memory_behind() -> None:
    async def connection() -> None:
        left, right = tcp_sockets()
        stream, peer = IOStream(left), IOStream(right)
        stream.write(b"line\n")
        await peer.read_until(b"\n")
        peer.close()
        with pytest.raises(StreamClosedError):
            await stream.read_bytes(1)

    for _ in range(5):
        await connection()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(50):
        await connection()
    gc.collect()
    assert len(gc.get_objects()) < before + 50


async def test_a_subclass_may_keep_bytes_of_its_own() -> None:
    class Doubling(IOStream):
        kept = b""

        def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
            if not self.kept:
                received = bytearray(100)
                count = super().read_from_fd(received)
                if not count:
                    return count
                self.kept = bytes(received[:count]) * 50
            piece, self.kept = self.kept[:10], self.kept[10:]
            buf[: len(piece)] = piece
            return len(piece)

    left, right = tcp_sockets()
    stream = Doubling(left)
    right.sendall(b"ab")
    for _ in range(20):
        assert await stream.read_bytes(5) in (b"ababa", b"babab")
    right.sendall(b"cd")
    right.close()
    assert await stream.read_until_close() == b"cd" * 50
    stream.close()


async def test_a_subclass_may_override_the_public_hooks() -> None:
    class Shouting(IOStream):
        def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
            count = super().read_from_fd(buf)
            if count:
                buf[:count] = bytes(buf[:count]).upper()
            return count

        def write_to_fd(self, data: memoryview) -> int:
            return super().write_to_fd(memoryview(bytes(data).upper()))

    left, right = tcp_sockets()
    stream, peer = Shouting(left), IOStream(right)
    peer.write(b"hello\n")
    assert await stream.read_until(b"\n") == b"HELLO\n"
    stream.write(b"world\n")
    stream.write([b"more", b"\n"])
    assert await peer.read_until_regex(b"\n.*\n") == b"WORLD\nMORE\n"
    stream.close()
    peer.close()
