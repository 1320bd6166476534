"""The server with OpenSSL's own client at the other end, which shows what a handshake came to."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import pytest

from halny.httpserver import HTTPServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from halny.http import HTTPServerRequest

TLS = Path(__file__).parents[1] / "packages" / "httpserver" / "tests" / "tls"
PATIENCE = 20.0

pytestmark = pytest.mark.needs("openssl")


def files(name: str, folder: Path = TLS) -> dict[str, str]:
    return {"certfile": str(folder / f"{name}.crt"), "keyfile": str(folder / f"{name}.key")}


def hello(request: HTTPServerRequest) -> None:
    connection: Any = request.connection
    body = f"hello {request.path} {connection.stream.socket.version()}".encode()
    connection.respond(200, "OK", b"Content-Length: %d\r\n" % len(body), body)


@asynccontextmanager
async def serving(**options: Any) -> AsyncGenerator[tuple[HTTPServer, int]]:
    server = HTTPServer(hello, **options)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    server.add_sockets([sock])
    try:
        yield server, sock.getsockname()[1]
    finally:
        server.stop()
        await server.close_all_connections()


@final
class SClient:
    """One `openssl s_client`: a connection with TLS between its pipes.

    Args:
        process: runs already.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr

    async def ask(self, path: str, *lines: str) -> str:
        self.stdin.write("\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode())
        head = await self.stdout.readuntil(b"\r\n\r\n")
        (length,) = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        return (await self.stdout.readexactly(length)).decode()

    async def summary(self) -> str:
        """What the handshake came to: everything that it says until it is through."""
        text = await self.stderr.readuntil(b"Verif")
        return (text + await self.stderr.readline()).decode()

    async def end(self) -> int:
        """Wait until the server has closed the connection, and the program has seen it."""
        assert await self.stdout.read() == b""
        return await self.process.wait()


@asynccontextmanager
async def connected(program: str, port: int, *options: str, trust: str = "localhost") -> AsyncGenerator[SClient]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        program, "s_client", "-connect", f"127.0.0.1:{port}", "-brief", "-ign_eof",
        "-verify_return_error", "-CAfile", str(TLS / f"{trust}.crt"), *options,
        stdin=pipe, stdout=pipe, stderr=pipe,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE):
            yield SClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize(("option", "version"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
async def test_keep_alive(program: Callable[[str], str], option: str, version: str) -> None:
    async with serving(ssl_options=files("localhost")) as (server, port):
        async with connected(program("openssl"), port, option, "-servername", "localhost") as client:
            summary = await client.summary()
            assert f"Protocol version: {version}" in summary
            assert "Verification: OK" in summary
            for path in ("/1", "/2", "/3"):
                assert await client.ask(path) == f"hello {path} {version}"
                assert server.connection_count == 1
            assert await client.ask("/last", "Connection: close") == f"hello /last {version}"
            client.stdin.close()
            assert await client.end() == 0  # it was closed as TLS asks for it: nobody has cut it off


async def test_versions_that_are_too_old(program: Callable[[str], str]) -> None:
    async with serving(ssl_options=files("localhost")) as (server, port):
        async with connected(program("openssl"), port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") as client:
            assert await client.end() != 0
        while server.connection_count:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-servername", "elsewhere.test", "-verify_hostname", "elsewhere.test"), "elsewhere"),
        (("-servername", "ELSEWHERE.test"), "elsewhere"),
        (("-servername", "localhost", "-verify_hostname", "localhost"), "localhost"),
        (("-servername", "nobody.test"), "localhost"),
        (("-noservername",), "localhost"),
    ],
)
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_the_name_chooses_the_certificate(
    program: Callable[[str], str], options: tuple[str, ...], expected: str, version: str
) -> None:
    names = {"elsewhere.test": files("elsewhere")}
    async with serving(ssl_options=files("localhost"), server_names=names) as (_, port):
        async with connected(program("openssl"), port, version, *options, trust=expected) as client:
            summary = await client.summary()
            assert f"Peer certificate: CN = {expected}" in summary.replace("CN=", "CN = ")
            assert "Verification: OK" in summary
            assert (await client.ask("/")).startswith("hello /")


async def test_certificates_are_read_anew(program: Callable[[str], str], tmp_path: Path) -> None:
    def put(name: str) -> None:
        for suffix in ("crt", "key"):
            (tmp_path / f"now.{suffix}").write_bytes((TLS / f"{name}.{suffix}").read_bytes())

    openssl = program("openssl")
    put("localhost")
    async with serving(ssl_options=files("now", tmp_path)) as (server, port):
        async with connected(openssl, port) as before:
            assert "Peer certificate: CN = localhost" in (await before.summary()).replace("CN=", "CN = ")
            put("elsewhere")
            async with connected(openssl, port) as still:
                assert "Verification: OK" in await still.summary()  # nobody has said that it is to be read
            server.reload_certificates()
            async with connected(openssl, port, trust="elsewhere") as after:
                summary = (await after.summary()).replace("CN=", "CN = ")
                assert "Peer certificate: CN = elsewhere.test" in summary
                assert "Verification: OK" in summary
                assert (await after.ask("/after")).startswith("hello /after")
            assert (await before.ask("/before")).startswith("hello /before")  # this one keeps the certificate it has
