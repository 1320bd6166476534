"""The event loop of Halny: IOLoop, run, periodic callbacks, generator coroutines, locks and queues over asyncio."""

from ._loop import IOLoop
from ._periodic import PeriodicCallback
from ._run import run
from ._version import __version__ as __version__
from .concurrent import app_log
from .util import TimeoutError  # noqa: A004 - the public name

__all__ = ["IOLoop", "PeriodicCallback", "TimeoutError", "app_log", "run"]
