"""The requests that are sent, and one way to send them by hand and read the answer.

The template that the load generator fills in is the one that the probe fills in, so that what is checked before the
timing is what is timed. Each request carries a running number in its target and in one header, and the headers that a
browser sends, because a server that is only ever asked for `GET / HTTP/1.1` with one header is another server.
"""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl

NUMBER = "{n}"
"""Stands in a target where the running number goes; exactly once."""

FIRST_NUMBER = 10_000_000
"""The numbers have eight digits, so that every request, and every echo of it, has one length."""

BROWSER_HEADERS = (
    ("Connection", "keep-alive"),
    ("sec-ch-ua", '"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("Upgrade-Insecure-Requests", "1"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Sec-Fetch-Site", "none"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-User", "?1"),
    ("Sec-Fetch-Dest", "document"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Cookie", "session=6c1f0e3a52f14f0b9d2c; theme=dark"),
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request with a hole where its running number goes."""

    target: str
    method: str = "GET"
    body: bytes = b""

    def __post_init__(self) -> None:
        if self.target.count(NUMBER) != 1:
            raise ValueError(f"a target needs {NUMBER!r} exactly once, got {self.target!r}")

    def head(self, port: int) -> str:
        """The request's head, with `NUMBER` in the target and in a header."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in BROWSER_HEADERS]
        lines.append(f"X-Request-Id: {NUMBER}")
        if self.method == "POST":
            lines += ["Content-Type: application/octet-stream", f"Content-Length: {len(self.body)}"]
        return "\r\n".join(lines) + "\r\n\r\n"

    def pieces(self, port: int) -> bytes:
        """The head as `load.lua` wants it: cut by NUL where the number goes."""
        return self.head(port).replace(NUMBER, "\0").encode("ascii")

    def filled(self, port: int, number: int) -> bytes:
        """The whole request with its number."""
        return self.head(port).replace(NUMBER, str(number)).encode("ascii") + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it came."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    size: int
    """Bytes on the wire, head and body."""

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Probe:
    """One keep-alive connection that sends the benchmark's requests one at a time."""

    def __init__(self, port: int, tls: ssl.SSLContext | None, timeout: float = 20) -> None:
        self._port = port
        sock = socket.create_connection(("127.0.0.1", port), timeout)
        try:
            self.sock = sock if tls is None else tls.wrap_socket(sock, server_hostname="127.0.0.1")
        except BaseException:
            sock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.sock.close()

    def ask(self, request: Request, number: int) -> Answer:
        """Send one request and read the answer.

        Raises:
            http.client.HTTPException: the server's answer is no HTTP, or it hung up.
            OSError: the connection failed or took too long.
        """
        self.sock.sendall(request.filled(self._port, number))
        response = http.client.HTTPResponse(self.sock, method=request.method)
        try:
            response.begin()
            body = response.read()
        finally:
            response.close()
        headers = tuple(response.getheaders())
        head = len(f"HTTP/1.1 {response.status} {response.reason}\r\n\r\n")
        head += sum(len(name) + len(value) + 4 for name, value in headers)
        return Answer(response.status, headers, body, head + len(body))
