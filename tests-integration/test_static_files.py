"""Large static files among other answers on one connection: plain and over TLS, on asyncio's loop and on uvloop.

A file leaves by the kernel on a descriptor of its own, or piece by piece over TLS, while everything else leaves through
the transport. Each test reads what comes slowly and compares every byte.
"""

from __future__ import annotations

import asyncio
import importlib.util
import random
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from halny.httpserver import HTTPServer
from halny.web import Application, RequestHandler, StaticFileHandler

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

TLS = Path(__file__).parents[1] / "packages" / "httpserver" / "tests" / "tls"
LARGE_SIZE = 3_000_017
"""Several pieces, however they are cut, and an odd end."""
WRITTEN = random.Random(1).randbytes(1_500_000)
"""What a handler writes: more than the buffers of both sides of a connection take, so that some of it waits."""
PATIENCE = 60.0
SMALL_BUFFER = 32 * 1024
"""Bytes that the kernel keeps for each side of a connection, so that answers have to wait for their clients."""

Open = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def run_on_asyncio(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def run_on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    uvloop.run(main)


no_uvloop = pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
pytestmark = [
    pytest.mark.parametrize(
        "run", [pytest.param(run_on_asyncio, id="asyncio"), pytest.param(run_on_uvloop, id="uvloop", marks=no_uvloop)]
    ),
    pytest.mark.parametrize("tls", [pytest.param(False, id="plain"), pytest.param(True, id="tls")]),
]


class Files(StaticFileHandler):
    """Tells when it has ended."""

    ended: asyncio.Queue[str]

    def on_finish(self) -> None:
        self.ended.put_nowait(self.path)


class Written(RequestHandler):
    """Writes without waiting, so that the transport's buffer is full when the next answer begins."""

    def get(self) -> None:
        self.write(WRITTEN[: int(self.get_argument("size", str(len(WRITTEN))))])


class Flushed(RequestHandler):
    async def get(self) -> None:
        for begin in range(0, len(WRITTEN), 200_000):
            self.write(WRITTEN[begin : begin + 200_000])
            await self.flush()


class Mixed(RequestHandler):
    """Does not wait for what it has written before it has the connection send a file."""

    def initialize(self, path: Path) -> None:
        self.file = path

    async def get(self) -> None:
        connection = self.request.connection
        assert connection is not None
        self.set_header("Content-Length", len(WRITTEN) + LARGE_SIZE + 3)
        self.write(WRITTEN)
        _ = self.flush()
        with self.file.open("rb") as file:
            sending = connection.send_file(file.fileno(), 0, LARGE_SIZE)
            assert sending is not None
            await sending
        self.write(b"end")


class Site:
    """An application with files, served, and connections to it."""

    def __init__(self, root: Path, tls: bool) -> None:
        self.root = root
        self.tls = tls
        self.large = random.Random(2).randbytes(LARGE_SIZE)
        self.small = b"small" * 20
        (root / "large.bin").write_bytes(self.large)
        (root / "small.txt").write_bytes(self.small)

    @asynccontextmanager
    async def served(self) -> AsyncGenerator[None]:
        Files.ended = asyncio.Queue()
        rules: list[Any] = [("/written", Written), ("/flushed", Flushed)]
        rules += [("/mixed", Mixed, {"path": self.root / "large.bin"}), ("/(.*)", Files, {"path": str(self.root)})]
        options: dict[str, Any] = {}
        if self.tls:
            options["ssl_options"] = {"certfile": str(TLS / "localhost.crt"), "keyfile": str(TLS / "localhost.key")}
        server = HTTPServer(Application(rules), **options)
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)  # its connections inherit it
        self.address = listener.getsockname()
        listener.setblocking(False)
        server.add_sockets([listener])
        try:
            yield
        finally:
            server.stop()
            await server.close_all_connections()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Open]:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, self.address)
        secured: dict[str, Any] = {}
        if self.tls:
            context = ssl.create_default_context(cafile=str(TLS / "localhost.crt"))
            secured = {"ssl": context, "server_hostname": "localhost"}
        reader, writer = await asyncio.open_connection(sock=sock, limit=SMALL_BUFFER, **secured)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    def content(self, path: str) -> bytes:
        return {"/small.txt": self.small, "/large.bin": self.large}.get(path, WRITTEN)


def ask(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


async def read_answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> tuple[int, bytes]:
    """Read an answer, slowly: a little at a time, with turns of the loop in between."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split()[1])
    if not has_body:
        return status, b""
    if b"Transfer-Encoding: chunked" in head:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        assert await reader.readexactly(2) == b"\r\n"
        return status, body
    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    pieces: list[bytes] = []
    while length:
        pieces.append(await reader.read(min(length, 10_007)))
        assert pieces[-1], "the connection was closed early"
        length -= len(pieces[-1])
        await asyncio.sleep(0)
    return status, b"".join(pieces)


def check(run: Callable[..., None], root: Path, tls: bool, talk: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    """Run a conversation with a served site, which must close what it opens."""

    async def main() -> None:
        site = Site(root, tls)
        before = open_descriptors()
        async with asyncio.timeout(PATIENCE), site.served():
            await talk(site)
        async with asyncio.timeout(PATIENCE):
            while open_descriptors() - before:  # transports close their sockets in a later turn of the loop
                await asyncio.sleep(0)

    run(main())


def open_descriptors() -> set[str]:
    """What the process has open: sockets, and files below a test's folder."""
    found = set[str]()
    for descriptor in Path("/proc/self/fd").glob("*"):  # nowhere but on Linux
        with suppress(OSError):
            place = str(descriptor.readlink())
            if place.startswith("socket:") or place.endswith(("large.bin", "small.txt")):
                found.add(f"{descriptor.name} {place}")
    return found


def test_answers_that_follow_each_other(run: Callable[..., None], tls: bool, tmp_path: Path) -> None:
    """All asked for at once; each begins while what was before it still waits in the transport, or has just left."""

    async def talk(site: Site) -> None:
        paths = ["/small.txt", "/large.bin", "/written", "/large.bin", "/large.bin", "/flushed", "/large.bin"]
        paths += ["/small.txt", "/written", "/written", "/small.txt"]
        async with site.connection() as (reader, writer):
            for _ in range(2):  # the second time on a connection that has sent files
                writer.write(b"".join([ask(path) for path in paths]))
                for path in paths:
                    assert await read_answer(reader) == (200, site.content(path)), path

    check(run, tmp_path, tls, talk)


def test_a_file_waits_for_what_is_written(run: Callable[..., None], tls: bool, tmp_path: Path) -> None:
    async def talk(site: Site) -> None:
        async with site.connection() as (reader, writer):
            writer.write(ask("/mixed") * 2)
            for _ in range(2):
                assert await read_answer(reader) == (200, WRITTEN + site.large + b"end")

    check(run, tmp_path, tls, talk)


def test_parts_and_heads_among_them(run: Callable[..., None], tls: bool, tmp_path: Path) -> None:
    ranges = [(0, 1), (1, 300_000), (299_999, 2_000_000), (LARGE_SIZE - 200_000, LARGE_SIZE), (7, LARGE_SIZE)]

    async def talk(site: Site) -> None:
        async with site.connection() as (reader, writer):
            for begin, end in ranges:
                writer.write(ask("/written") + ask("/large.bin", f"Range: bytes={begin}-{end - 1}"))
                writer.write(ask("/large.bin", method="HEAD") + ask("/small.txt"))
            for begin, end in ranges:
                assert await read_answer(reader) == (200, WRITTEN)
                assert await read_answer(reader) == (206, site.large[begin:end])
                assert await read_answer(reader, has_body=False) == (200, b"")
                assert await read_answer(reader) == (200, site.small)

    check(run, tmp_path, tls, talk)


def test_many_connections_at_once(run: Callable[..., None], tls: bool, tmp_path: Path) -> None:
    async def one(site: Site, number: int) -> None:
        begin = number * 1000
        async with site.connection() as (reader, writer):
            writer.write(ask("/written") + ask("/large.bin", f"Range: bytes={begin}-") + ask("/small.txt"))
            assert await read_answer(reader) == (200, WRITTEN)
            assert (await read_answer(reader))[1] == site.large[begin:]
            assert await read_answer(reader) == (200, site.small)

    async def talk(site: Site) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(one(site, number))

    check(run, tmp_path, tls, talk)


def test_clients_that_leave_in_the_middle(run: Callable[..., None], tls: bool, tmp_path: Path) -> None:
    """Their descriptors are given to the connections that come, which must get nothing of what they were sent."""

    async def leave(site: Site, behind: bytes, count: int) -> None:
        async with site.connection() as (reader, writer):
            writer.write(ask("/large.bin") + behind)
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(count)
            writer.transport.abort()

    async def stay(site: Site) -> None:
        async with site.connection() as (reader, writer):
            for path in ("/large.bin", "/written", "/small.txt"):
                writer.write(ask(path))
                assert await read_answer(reader) == (200, site.content(path))

    async def talk(site: Site) -> None:
        async with asyncio.TaskGroup() as group:
            for count in (0, 1, 20_000, 500_000):
                for behind in (b"", ask("/large.bin") + ask("/written")):
                    group.create_task(leave(site, behind, count))
                group.create_task(stay(site))
        assert [await Files.ended.get() for _ in range(8 + 4 * 2)].count("small.txt") == 4
        await stay(site)

    check(run, tmp_path, tls, talk)
