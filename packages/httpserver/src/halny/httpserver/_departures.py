"""Peers that have left while nothing is read from them.

Whoever waits for an endpoint is noticed to leave because reading goes on, up to a bound on what it may have sent behind
its request. Beyond that only the kernel knows of the end, and is asked, without reading what comes before it.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._ends import ConnectionEnds

_CAN_ASK: Final = hasattr(select, "poll")  # which Windows lacks
_ENDS: Final = getattr(select, "POLLRDHUP", 0)
"""The peer's half is closed: what Linux tells when asked. That both are, and errors, is told everywhere and always."""


def departed(connections: Iterable[ConnectionEnds]) -> list[ConnectionEnds]:
    """Return those connections that nothing is read from while an endpoint works, and whose peers have left.

    What a peer has sent before its end must have reached this side: while more is on its way, the end is not seen.

    Args:
        connections: may be any.
    """
    waiting: dict[int, ConnectionEnds] = {}
    for connection in connections:
        if connection.waits_unread:
            sock = connection.transport.get_extra_info("socket")  # with TLS the one below it
            descriptor = -1 if sock is None else sock.fileno()
            if descriptor >= 0:
                waiting[descriptor] = connection
    if not waiting or not _CAN_ASK:
        return []
    poll = select.poll()
    for descriptor in waiting:
        poll.register(descriptor, _ENDS)
    return [waiting[descriptor] for descriptor, _ in poll.poll(0)]
