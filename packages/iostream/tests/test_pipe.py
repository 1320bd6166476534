# pyright: reportPrivateUsage=false
# (limits and platform switches are set for the tests)

from __future__ import annotations

import asyncio
import os
import tempfile

import pytest

from halny.iostream import PipeIOStream, StreamClosedError, _pipe, _socket

from .streampairs import pipe, unix


async def test_a_reader_that_leaves_ends_the_writer() -> None:
    reader, writer = os.pipe()
    stream = PipeIOStream(writer)
    event = asyncio.Event()
    stream.set_close_callback(event.set)
    os.close(reader)
    await event.wait()
    assert stream.closed()
    assert stream.fileno() == -1


async def test_a_write_to_a_reader_that_left() -> None:
    reader, writer = os.pipe()
    stream = PipeIOStream(writer)
    os.close(reader)
    with pytest.raises(StreamClosedError) as caught:
        await stream.write(b"x")
    assert isinstance(caught.value.real_error, BrokenPipeError)


async def test_a_descriptor_that_is_not_open() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        PipeIOStream(1_000_000)


async def test_a_file_can_not_be_polled() -> None:
    with tempfile.TemporaryFile() as file:
        stream = PipeIOStream(os.dup(file.fileno()))
        with pytest.raises(PermissionError):
            stream.read_bytes(1)
        assert not stream.reading()
        stream.close()


async def test_nodelay_means_nothing_to_a_pipe() -> None:
    reader, writer = os.pipe()
    stream = PipeIOStream(writer)
    stream.set_nodelay(True)
    assert stream.get_fd_error() is None
    stream.close()
    os.close(reader)


async def test_without_gathering_system_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pipe, "_CAN_GATHER", False)
    monkeypatch.setattr(_socket, "_CAN_GATHER", False)
    for first, second in (await pipe(), await unix()):
        written = first.write([b"one ", b"two", bytes(100_000)])
        assert await second.read_bytes(7) == b"one two"
        assert len(await second.read_bytes(100_000)) == 100_000
        await written
        first.close()
        second.close()


async def test_the_public_hooks() -> None:
    writer, reader = await pipe()
    assert reader.read_from_fd(bytearray(1)) is None
    assert writer.write_to_fd(memoryview(b"x")) == 1
    assert reader.read_from_fd(bytearray(1)) == 1
    writer.close()
    reader.close()
