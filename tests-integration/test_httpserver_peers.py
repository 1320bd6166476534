"""The server with programs that others wrote: curl as a client, over TLS too, and nginx as a proxy in front."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from halny.httpserver import HTTPServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from halny.http import HTTPServerRequest

TLS = Path(__file__).parents[1] / "packages" / "httpserver" / "tests" / "tls"
PATIENCE = 20.0


def tell(request: HTTPServerRequest) -> None:
    body = f"{request.protocol} {request.remote_ip} {request.version} {request.method} {len(request.body)}".encode()
    assert request.connection is not None
    request.connection.respond(200, "OK", b"Content-Length: %d\r\n" % len(body), body)


@asynccontextmanager
async def serving(**options: Any) -> AsyncGenerator[int]:
    server = HTTPServer(tell, **options)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    server.add_sockets([sock])
    try:
        yield sock.getsockname()[1]
    finally:
        server.stop()
        await server.close_all_connections()


async def output(*command: str, data: bytes = b"") -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    try:
        out, _ = await asyncio.wait_for(process.communicate(data), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode(errors="replace")


@pytest.mark.needs("curl")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "http 127.0.0.1 HTTP/1.1 GET 0"),
        (("--http1.0",), "http 127.0.0.1 HTTP/1.0 GET 0"),
        (("--http2",), "http 127.0.0.1 HTTP/1.1 GET 0"),  # an Upgrade that nobody takes
        (("--http2", "-d", "abc"), "http 127.0.0.1 HTTP/1.1 POST 3"),
        (("-H", "Expect: 100-continue", "-d", "abc"), "http 127.0.0.1 HTTP/1.1 POST 3"),
        (("-T", "-", "-H", "Expect:"), "http 127.0.0.1 HTTP/1.1 PUT 5"),  # in chunks
    ],
)
async def test_curl(program: Callable[[str], str], options: tuple[str, ...], expected: str) -> None:
    async with serving() as port:
        out = await output(program("curl"), "-sS", "-m", "15", *options, f"http://127.0.0.1:{port}/", data=b"input")
    assert out == expected


@pytest.mark.needs("curl")
async def test_curl_over_tls(program: Callable[[str], str]) -> None:
    certificates = {"certfile": str(TLS / "localhost.crt"), "keyfile": str(TLS / "localhost.key")}
    async with serving(ssl_options=certificates) as port:
        trust = ("--cacert", certificates["certfile"], "--resolve", f"localhost:{port}:127.0.0.1")
        out = await output(program("curl"), "-sS", "-m", "15", *trust, f"https://localhost:{port}/")
    assert out == "https 127.0.0.1 HTTP/1.1 GET 0"


CONFIGURATION = """
daemon off; master_process off; worker_processes 1; error_log {folder}/error.log; pid {folder}/pid;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream halny {{ server 127.0.0.1:{port}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{front};
    location / {{
      proxy_pass http://halny; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header X-Real-Ip $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Scheme https;
    }}
  }}
}}
"""


@pytest.mark.needs("nginx", "curl")
async def test_nginx_in_front(program: Callable[[str], str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        front = sock.getsockname()[1]
    async with serving(xheaders=True, trusted_proxies=["127.0.0.0/8"]) as port:
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=tmp_path, port=port, front=front))
        nginx = await asyncio.create_subprocess_exec(
            program("nginx"), "-c", str(configuration), "-p", str(tmp_path), "-e", str(tmp_path / "error.log")
        )
        try:
            wait = ("--retry", "20", "--retry-connrefused", "--retry-max-time", "15")  # until nginx listens
            url = f"http://127.0.0.1:{front}/"
            out = await output(program("curl"), "-s", *wait, "-H", "X-Forwarded-For: 6.6.6.6", "-d", "abc", url)
            assert out == "https 127.0.0.1 HTTP/1.1 POST 3"
            again = await output(program("curl"), "-sS", "-m", "15", url, url, url)
            assert again == "https 127.0.0.1 HTTP/1.1 GET 0" * 3
        finally:
            nginx.terminate()
            await nginx.wait()
