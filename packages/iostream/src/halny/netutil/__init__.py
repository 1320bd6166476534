"""Sockets, name resolution and TLS settings: `halny.iostream.netutil` under the name that users of Tornado know."""

from halny.iostream.netutil import (
    ACCEPTS_PER_TURN,
    DEFAULT_BACKLOG,
    BlockingResolver,
    DefaultExecutorResolver,
    DefaultLoopResolver,
    ExecutorResolver,
    OverrideResolver,
    Resolver,
    ThreadedResolver,
    add_accept_handler,
    bind_sockets,
    bind_unix_socket,
    dummy_executor,
    is_valid_ip,
    ssl_options_to_context,
    ssl_wrap_socket,
)

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
