"""The event loop of Halny: IOLoop, run, periodic callbacks, generator coroutines, locks and queues over asyncio."""

from ._version import __version__ as __version__

__all__: list[str] = []
