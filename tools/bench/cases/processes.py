"""What a server costs as a whole: idle connections, and workers."""

from __future__ import annotations

from tools.bench._idle import CONNECTIONS, Idle
from tools.bench._workers import WORKERS, Workers

from .hello import REQUEST, is_hello

CASES = (
    Idle("idle", f"{CONNECTIONS:,} idle keep-alive connections", "hello", REQUEST, is_hello),
    Workers("workers", f"{WORKERS} forked workers on one listening socket", "counted", REQUEST, is_hello),
    Workers(
        "workers-ports",
        f"{WORKERS} forked workers with a socket each (`SO_REUSEPORT`)",
        "counted",
        REQUEST,
        is_hello,
        reuse_port=True,
    ),
)
