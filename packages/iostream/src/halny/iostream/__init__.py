"""Buffered asynchronous streams, TCP servers and clients, name resolution and subprocesses."""

from ._base import BaseIOStream
from ._core import general_log as gen_log
from ._doctests import doctests
from ._exceptions import StreamBufferFullError, StreamClosedError, UnsatisfiableReadError
from ._pipe import PipeIOStream
from ._socket import IOStream
from ._tls import SSLIOStream
from ._transport import stream_on_transport
from ._version import __version__ as __version__

__all__ = [
    "BaseIOStream",
    "IOStream",
    "PipeIOStream",
    "SSLIOStream",
    "StreamBufferFullError",
    "StreamClosedError",
    "UnsatisfiableReadError",
    "doctests",
    "gen_log",
    "stream_on_transport",
]

# Tracebacks and pickles name an exception by the module that it is imported from, not by the private one that it is in.
for _exception in (StreamBufferFullError, StreamClosedError, UnsatisfiableReadError):
    _exception.__module__ = __name__
