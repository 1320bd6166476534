"""Sockets that listen, names that resolve, and TLS settings.

sockets = bind_sockets(8888)
remove = add_accept_handler(sockets[0], lambda connection, address: ...)
"""

from __future__ import annotations

from halny.ioloop.concurrent import dummy_executor

from ._accept import ACCEPTS_PER_TURN, add_accept_handler
from ._resolver import (
    BlockingResolver,
    DefaultExecutorResolver,
    DefaultLoopResolver,
    ExecutorResolver,
    OverrideResolver,
    Resolver,
    ThreadedResolver,
)
from ._sockets import DEFAULT_BACKLOG, bind_sockets, bind_unix_socket, is_valid_ip
from ._ssl import ssl_options_to_context, ssl_wrap_socket

__all__ = [
    "ACCEPTS_PER_TURN",
    "DEFAULT_BACKLOG",
    "BlockingResolver",
    "DefaultExecutorResolver",
    "DefaultLoopResolver",
    "ExecutorResolver",
    "OverrideResolver",
    "Resolver",
    "ThreadedResolver",
    "add_accept_handler",
    "bind_sockets",
    "bind_unix_socket",
    "dummy_executor",
    "is_valid_ip",
    "ssl_options_to_context",
    "ssl_wrap_socket",
]
