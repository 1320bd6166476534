"""How long a body may take: a deadline, and an average rate below which a peer is only holding on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from ._settings import Timeouts


@final
class BodyClock:
    """Judges whether a body comes fast enough.

    Args:
        now: when the body began, by the loop's clock.
        timeout: how long it may take in all, in seconds, or None.
        timeouts: gives the rate and the grace.
    """

    __slots__ = ("_limit", "_paused", "_seen", "_started", "_timeouts")

    def __init__(self, now: float, timeout: float | None, timeouts: Timeouts) -> None:
        self._started = now
        self._limit = math.inf if timeout is None else now + timeout
        self._timeouts = timeouts
        self._paused = 0.0
        self._seen = now

    def is_slow(self, now: float, received: int) -> bool:
        """Return whether the peer has taken too long.

        Args:
            now: the loop's time.
            received: how many bytes of the body have come.
        """
        self._seen = now
        if now >= self._limit:
            return True
        spent = now - self._started - self._paused - self._timeouts.body_grace
        return spent > 0 and received < spent * self._timeouts.body_rate

    def pause(self, now: float) -> None:
        """Leave out the time since the last look: the body waited for us, not for the peer."""
        self._paused += now - self._seen
        self._limit += now - self._seen
        self._seen = now

    def next_look(self, now: float) -> float:
        """Return when to look again."""
        return min(self._limit, now + 1.0)
