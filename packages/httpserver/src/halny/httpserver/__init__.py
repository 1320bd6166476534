"""A fast and strict HTTP/1.1 server over asyncio."""

from ._activation import inherited_sockets
from ._connection import RequestConnection
from ._server import HTTPServer
from ._settings import Timeouts
from ._sources import CallableDelegate, DelegateEndpoint
from ._version import __version__ as __version__

__all__ = [
    "CallableDelegate",
    "DelegateEndpoint",
    "HTTPServer",
    "RequestConnection",
    "Timeouts",
    "inherited_sockets",
]
