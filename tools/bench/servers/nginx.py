"""nginx with one process, for static files."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench._site import Site

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    server {{
        listen 127.0.0.1:{port};
        location /static/ {{ alias {static}/; }}
    }}
}}
"""
"""Debian's settings for what matters here: sendfile and tcp_nopush are on."""


def static(site: Site) -> str:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    if program is None:
        raise ImportError("nginx is not installed")
    return program


APPS: dict[str, Callable[[Site], str]] = {"static": static}


def serve(app: str, site: Site) -> None:
    """Become nginx, on the port that was chosen; nginx opens a socket of its own."""
    configuration = site.folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=site.folder, port=site.port, static=site.static))
    site.socket.close()
    os.execv(app, [app, "-p", str(site.folder), "-c", str(configuration)])
