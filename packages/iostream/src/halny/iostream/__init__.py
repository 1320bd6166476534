"""Buffered asynchronous streams, TCP servers and clients, name resolution and subprocesses."""

from ._version import __version__ as __version__

__all__: list[str] = []
