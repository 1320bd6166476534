"""The program of the guide 'Write your own protocol', in this process and as a process of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from halny.iostream.tcpclient import TCPClient
from halny.iostream.testing import memory_stream_pair

from .sockets import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from halny.iostream import IOStream

PROGRAM = Path(__file__).parent / "examples" / "chat.py"


@pytest.fixture(scope="module")
def chat() -> Any:
    spec = importlib.util.spec_from_file_location("chat_example", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def server(chat: Any) -> Any:
    made = chat.ChatServer()
    made.listen(0, "127.0.0.1")
    yield made
    made.stop()


async def join(server: Any, name: str) -> IOStream:
    (sock,) = server._sockets.values()
    stream = await TCPClient().connect("127.0.0.1", sock.getsockname()[1])
    assert await stream.read_bytes(11) == b"Your name? "
    stream.write(name.encode() + b"\n")
    return stream


async def leave(server: Any, *streams: IOStream) -> None:
    for stream in streams:
        stream.close()
    while server._tasks:
        await asyncio.sleep(0)
    assert server.users == {}


async def test_two_users_talk(server: Any) -> None:
    anna = await join(server, "anna")
    assert await anna.read_until(b"\n") == b"* anna has joined, 1 here\n"
    jan = await join(server, "jan")
    for stream in (anna, jan):
        assert await stream.read_until(b"\n") == b"* jan has joined, 2 here\n"
    jan.write("cześć\r\n".encode())
    for stream in (anna, jan):
        assert await stream.read_until(b"\n") == "jan: cześć\n".encode()
    jan.close()
    assert await anna.read_until(b"\n") == b"* jan has left\n"
    await leave(server, anna)


@pytest.mark.parametrize("name", ["anna", "a b", "", "<x>"])
async def test_a_name_that_is_refused(server: Any, name: str) -> None:
    anna = await join(server, "anna")
    await anna.read_until(b"\n")
    other = await join(server, name)
    assert (await other.read_until(b"\n")).startswith(b"Letters and digits")
    await leave(server, anna, other)


async def test_a_line_that_is_too_long_ends_the_connection(server: Any) -> None:
    anna = await join(server, "anna")
    jan = await join(server, "jan")
    await anna.read_until(b"2 here\n")
    jan.write(b"x" * 2000)
    assert await anna.read_until(b"\n") == b"* jan has left\n"
    await leave(server, anna, jan)


async def test_a_user_who_does_not_read_is_dropped(server: Any, chat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MAX_UNSENT", 2000)
    anna = await join(server, "anna")
    deaf = await join(server, "deaf")
    await anna.read_until(b"2 here\n")
    server.users["deaf"].socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    while "deaf" in server.users:
        anna.write(b"y" * 900 + b"\n")
        await anna.read_until(b"\n")
    await leave(server, anna, deaf)


async def test_a_user_without_name_is_not_waited_for(server: Any, chat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "NAME_SECONDS", 0.01)
    (sock,) = server._sockets.values()
    stream = await TCPClient().connect("127.0.0.1", sock.getsockname()[1])
    assert await stream.read_until_close() == b"Your name? "
    await leave(server, stream)


async def test_without_sockets(chat: Any) -> None:
    server = chat.ChatServer()
    user, connection = memory_stream_pair()
    task = asyncio.create_task(server.handle_stream(connection, "somewhere"))
    assert await user.read_bytes(11) == b"Your name? "
    user.write(b"anna\n")
    assert await user.read_until(b"\n") == b"* anna has joined, 1 here\n"
    user.close()
    await task


@pytest.fixture
def running() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-X", "dev", str(PROGRAM), str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert f"chat on port {port}" in line, line + process.stderr.read()
        yield port
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "Traceback" not in (rest := process.stderr.read()), rest
        assert "Warning" not in rest, rest


def test_the_program_runs_by_itself(running: int) -> None:
    with socket.create_connection(("127.0.0.1", running), timeout=20) as sock, sock.makefile("rwb") as file:
        assert file.read(11) == b"Your name? "
        file.write(b"anna\n")
        file.flush()
        assert file.readline() == b"* anna has joined, 1 here\n"
