"""The files that servers need: static content, and a certificate that is made for this run."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

from ._site import CERTIFICATE, KEY, STATIC, STATIC_SIZES

if TYPE_CHECKING:
    from pathlib import Path


def prepare(folder: Path) -> None:
    """Write the static files and, where the `openssl` command is there, the certificate."""
    static = folder / STATIC
    static.mkdir()
    for name, size in STATIC_SIZES.items():
        # Random, so that nobody gains from compressing it.
        (static / f"{name}.bin").write_bytes(os.urandom(size))
    if shutil.which("openssl") is not None:
        _make_certificate(folder)


def _make_certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / KEY), "-out", str(folder / CERTIFICATE)]
    subprocess.run(command, check=True, capture_output=True)


def client_context(folder: Path) -> ssl.SSLContext | None:
    """A context that trusts the run's certificate, or None if there is none."""
    certificate = folder / CERTIFICATE
    return ssl.create_default_context(cafile=str(certificate)) if certificate.exists() else None
