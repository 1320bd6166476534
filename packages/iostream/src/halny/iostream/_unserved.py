"""Says at the end of a process which of its servers nobody was ever served by.

A server may listen before its loop runs. Where another loop runs in its place, as `asyncio.run` makes one of its own,
the kernel accepts connections that are never answered, and nothing else would tell. Only what listens before any loop
runs is remembered, and only until its loop does.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
from typing import TYPE_CHECKING

from ._loop import current_loop

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

general_log = logging.getLogger("halny.general")

_unserved: dict[int, Sequence[socket.socket]] = {}


def expect_to_serve(sockets: Sequence[socket.socket]) -> None:
    """Remembers listening sockets until the loop runs that will serve them; where one runs already, does nothing."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _unserved[id(sockets)] = sockets
        current_loop().call_soon(_unserved.pop, id(sockets), None)


def _tell() -> None:
    for sockets in _unserved.values():
        names = [repr(sock.getsockname()) for sock in sockets if sock.fileno() != -1]
        if names:
            general_log.warning(
                "nobody was served on %s: the server was started before the loop, and its loop never ran. asyncio.run()"
                " makes a loop of its own: start the server inside the coroutine that it runs, or run the server's loop"
                " by IOLoop.current().start()",
                ", ".join(names),
            )


atexit.register(_tell)
