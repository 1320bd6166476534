"""Ends what takes too long: one look a second at all connections, instead of a timer for each.

Nobody is judged by time in which the loop was blocked: what a peer has sent meanwhile is read only afterwards.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, final

from ._departures import departed

if TYPE_CHECKING:
    import asyncio

    from ._settings import ServerSettings

general_log = logging.getLogger("halny.general")

INTERVAL: Final = 1.0
"""Seconds between two looks: timeouts are met with about this precision."""

MAX_GAP: Final = 2 * INTERVAL
"""Seconds since the last look beyond which something has blocked the loop: a busy one is late by less."""


@final
class Sweep:
    """Looks at a server's connections while there are any.

    Args:
        loop: the loop that runs them.
        settings: has the connections, and is told the time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: ServerSettings) -> None:
        self._loop = loop
        self._settings = settings
        self._handle: asyncio.TimerHandle | None = None
        self._stops_when_empty = False

    def start(self) -> None:
        """Begin to look; the reverse of `stop_when_empty`."""
        self._stops_when_empty = False
        if self._handle is None:
            self._settings.set_time(self._loop.time())
            self._handle = self._loop.call_later(INTERVAL, self._look)

    def stop_when_empty(self) -> None:
        """Look until no connection is left, and then no more."""
        self._stops_when_empty = True
        if not self._settings.connections and self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        settings = self._settings
        now = self._loop.time()
        gap = now - settings.now
        settings.set_time(now)
        if gap > MAX_GAP:
            due = []
            for connection in settings.connections:
                connection.excuse(now, gap)
        else:
            due = [each for each in settings.connections if each.deadline <= now]
        if self._stops_when_empty and not settings.connections:
            self._handle = None
        else:
            self._handle = self._loop.call_later(INTERVAL, self._look)
        for connection in due:
            try:
                connection.look(now)
            except Exception:  # noqa: BLE001 - the others must not wait for what fails here
                general_log.exception("could not look at %r", connection)
        for connection in departed(settings.connections):
            connection.close()
