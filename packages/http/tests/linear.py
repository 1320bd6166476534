"""The clock of the linear-time guards.

The advisories that these guards stand for were quadratic: 60 KB took seconds. 50 ms is ten times what linear code
takes on a slow machine, and the best of three runs does not notice what else the machine does.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 0.05
SIZE = 60_000


def seconds(call: Callable[[], object]) -> float:
    """The processor time that the call takes, without what measuring coverage would add."""
    best = float("inf")
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        for _ in range(3):
            start = time.process_time()
            call()
            best = min(best, time.process_time() - start)
    finally:
        sys.settrace(trace)
    return best
