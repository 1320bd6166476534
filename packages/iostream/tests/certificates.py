"""Certificates for tests: self-signed, for `localhost` and for another name, valid for a hundred years.

Made with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500
-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1`.
"""

from __future__ import annotations

import ssl
from pathlib import Path

_FOLDER = Path(__file__).parent / "tls"

CERTFILE = str(_FOLDER / "localhost.crt")
KEYFILE = str(_FOLDER / "localhost.key")


def server_context(name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_FOLDER / f"{name}.crt", _FOLDER / f"{name}.key")
    return context


def client_context(trusted: str = "localhost") -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(_FOLDER / f"{trusted}.crt"))
