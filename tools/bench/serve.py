"""Run one server with one application; a process of its own.

    python -m tools.bench.serve halny hello --port 8888

runs it by hand, for a profiler for example. The benchmark hands over a listening socket instead. The process pins
itself to its core and dies with its parent, so that nothing is left behind even when the benchmark is killed.
"""

from __future__ import annotations

import argparse
import atexit
import ctypes
import importlib
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._processes import BACKLOG, NOT_AVAILABLE
from ._servers import SERVERS
from ._site import Site
from ._workspace import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Do what the command line says."""
    options = _options()
    if options.fd is not None:
        _die_with_parent()
        os.register_at_fork(after_in_child=_die_with_parent)
    if options.cores:
        os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    _raise_file_limit()
    site = _site(options)
    try:
        serve, app = _load(options.server, options.app, site)
    except (ImportError, AttributeError) as error:
        # The file that a name could not be imported from, in parentheses, tells nothing about the case.
        print(str(error).partition(" (")[0], file=sys.stderr)
        raise SystemExit(NOT_AVAILABLE) from None
    if options.fd is None:
        print(f"{options.server} serves {options.app!r} at http{'s' if site.tls else ''}://127.0.0.1:{site.port}/")
    serve(app, site)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run one server with one application of the benchmark.")
    parser.add_argument("server", choices=sorted(SERVERS))
    parser.add_argument("app", help="the application, for example: hello")
    parser.add_argument("--case", help="the case it runs for (default: the application's name)")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fd", type=int, help="a bound socket to use instead of --port")
    parser.add_argument("--folder", type=Path, help="where static files and certificates are (default: made)")
    parser.add_argument("--cores", help="pin to these cores, separated by commas")
    parser.add_argument("--access-log", action="store_true")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--reuse-port", action="store_true")
    return parser.parse_args()


def _site(options: argparse.Namespace) -> Site:
    folder: Path | None = options.folder
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        atexit.register(shutil.rmtree, folder)
        prepare(folder)
    if options.fd is None:
        sock = socket.create_server(("127.0.0.1", options.port), backlog=BACKLOG)
    else:
        sock = socket.socket(fileno=options.fd)
    sock.setblocking(False)
    return Site(
        case=options.case or options.app,
        loop=SERVERS[options.server].loop,
        socket=sock,
        folder=folder,
        access_log=options.access_log,
        tls=options.tls,
        workers=options.workers,
        reuse_port=options.reuse_port,
    )


def _load(server: str, name: str, site: Site) -> tuple[Callable[[Any, Site], None], Any]:
    module = importlib.import_module(f"{__package__}.servers.{SERVERS[server].module}")
    make = module.APPS.get(name)
    if make is None:
        raise AttributeError(f"{server} has no {name!r} application")
    return module.serve, make(site)


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when the benchmark ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
