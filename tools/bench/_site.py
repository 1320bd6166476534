"""What a server is given to run one case: its socket, its files, and how it shall run."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from pathlib import Path

TABLE_ROWS = 1000
ROUTES = 1000

CERTIFICATE = "certificate.pem"
KEY = "key.pem"
STATIC = "static"
COUNTERS = "counters"
STATIC_SIZES = {"1k": 1 << 10, "100k": 100 << 10, "10m": 10 << 20}

TABLE_TEMPLATE = (
    "<!DOCTYPE html><html><head><title>{{ title }}</title></head><body><table>"
    "{% for row in rows %}<tr><td>{{ row['id'] }}</td><td>{{ row['name'] }}</td><td>{{ row['email'] }}</td>"
    "<td>{{ row['note'] }}</td></tr>{% ENDFOR %}</table></body></html>"
)
"""`ENDFOR` stands for what ends a loop: `end` with Tornado's syntax, `endfor` with Jinja's."""


@dataclass(frozen=True, slots=True)
class Site:
    """One server's orders."""

    case: str
    loop: str
    socket: socket.socket
    folder: Path
    access_log: bool = False
    tls: bool = False
    workers: int = 0
    """Processes to fork; 0 means to serve in this one."""
    reuse_port: bool = False
    """Each worker listens on a socket of its own."""

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        port: int = self.socket.getsockname()[1]
        return port

    @property
    def static(self) -> Path:
        """The folder with the static files."""
        return self.folder / STATIC

    def certificate(self) -> tuple[str, str]:
        """The files with the certificate and its key."""
        return str(self.folder / CERTIFICATE), str(self.folder / KEY)

    def tls_context(self) -> ssl.SSLContext | None:
        """A server's context, or None for plain HTTP."""
        if not self.tls:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.certificate())
        return context


def table_rows() -> list[dict[str, object]]:
    """The rows of the rendered table: some text must be escaped."""
    return [
        {
            "id": number,
            "name": f"Person <{number}> & family",
            "email": f"person{number}@example.org",
            "note": "said \"yes\" & 'no'" if number % 10 == 0 else "a plain note of ordinary length",
        }
        for number in range(TABLE_ROWS)
    ]
