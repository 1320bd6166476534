# pyright: basic, reportMissingImports=false
# mypy: disable-error-code="import-not-found"
"""How uvicorn runs an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from tools.bench._site import Site

IDLE_TIMEOUT = 600
"""Seconds; uvicorn closes an idle connection after 5, and the case of idle connections holds them longer."""


def serve(app: Any, site: Site) -> None:
    """Run the application until the process is killed."""
    certificate, key = site.certificate() if site.tls else (None, None)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        access_log=site.access_log,
        log_level="info" if site.access_log else "warning",
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_keep_alive=IDLE_TIMEOUT,
    )
    uvicorn.Server(config).run(sockets=[site.socket])
