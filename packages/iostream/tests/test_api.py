"""The names, signatures and defaults that users of Tornado know, as literals."""

from __future__ import annotations

import binascii
import importlib
import inspect
import logging
from typing import Any

import pytest

ANY_FAMILY = "family=<AddressFamily.AF_UNSPEC: 0>"
BIND = f"(self, port, address=None, {ANY_FAMILY}, backlog=128, flags=None, reuse_port=False)"
LIMITS = "(self, max_buffer_size=None, read_chunk_size=None, max_write_buffer_size=None)"
RESOLVE = f"(self, host, port, {ANY_FAMILY})"

API: dict[str, dict[str, str]] = {
    "iostream": {
        "BaseIOStream": LIMITS,
        "BaseIOStream.close": "(self, exc_info=False)",
        "BaseIOStream.close_fd": "(self)",
        "BaseIOStream.closed": "(self)",
        "BaseIOStream.fileno": "(self)",
        "BaseIOStream.get_fd_error": "(self)",
        "BaseIOStream.read_bytes": "(self, num_bytes, partial=False)",
        "BaseIOStream.read_from_fd": "(self, buf)",
        "BaseIOStream.read_into": "(self, buf, partial=False)",
        "BaseIOStream.read_until": "(self, delimiter, max_bytes=None)",
        "BaseIOStream.read_until_close": "(self)",
        "BaseIOStream.read_until_regex": "(self, regex, max_bytes=None)",
        "BaseIOStream.reading": "(self)",
        "BaseIOStream.set_close_callback": "(self, callback)",
        "BaseIOStream.set_nodelay": "(self, value)",
        "BaseIOStream.write": "(self, data)",
        "BaseIOStream.write_to_fd": "(self, data)",
        "BaseIOStream.writing": "(self)",
        "IOStream": "(self, socket, *args, **kwargs)",
        "IOStream.close_fd": "(self)",
        "IOStream.connect": "(self, address, server_hostname=None)",
        "IOStream.fileno": "(self)",
        "IOStream.get_fd_error": "(self)",
        "IOStream.read_from_fd": "(self, buf)",
        "IOStream.set_nodelay": "(self, value)",
        "IOStream.start_tls": "(self, server_side, ssl_options=None, server_hostname=None)",
        "IOStream.write_to_fd": "(self, data)",
        "PipeIOStream": "(self, fd, *args, **kwargs)",
        "PipeIOStream.close_fd": "(self)",
        "PipeIOStream.fileno": "(self)",
        "PipeIOStream.read_from_fd": "(self, buf)",
        "PipeIOStream.write_to_fd": "(self, data)",
        "SSLIOStream": "(self, *args, **kwargs)",
        "SSLIOStream.connect": "(self, address, server_hostname=None)",
        "SSLIOStream.read_from_fd": "(self, buf)",
        "SSLIOStream.reading": "(self)",
        "SSLIOStream.wait_for_handshake": "(self)",
        "SSLIOStream.write_to_fd": "(self, data)",
        "SSLIOStream.writing": "(self)",
        "StreamClosedError": "(self, real_error=None)",
        "doctests": "()",
    },
    "netutil": {
        "add_accept_handler": "(sock, callback)",
        "bind_sockets": BIND.replace("self, ", ""),
        "bind_unix_socket": "(file, mode=384, backlog=128)",
        "is_valid_ip": "(ip)",
        "ssl_options_to_context": "(ssl_options, server_side=None)",
        "ssl_wrap_socket": "(socket, ssl_options, server_hostname=None, server_side=None, **kwargs)",
        "BlockingResolver.initialize": "(self)",
        "DefaultExecutorResolver.resolve": RESOLVE,
        "DefaultLoopResolver.resolve": RESOLVE,
        "ExecutorResolver.close": "(self)",
        "ExecutorResolver.initialize": "(self, executor=None, close_executor=True)",
        "ExecutorResolver.resolve": RESOLVE,
        "OverrideResolver.close": "(self)",
        "OverrideResolver.initialize": "(self, resolver, mapping)",
        "OverrideResolver.resolve": RESOLVE,
        "Resolver.close": "(self)",
        "Resolver.configurable_base": "()",
        "Resolver.configurable_default": "()",
        "Resolver.resolve": RESOLVE,
        "ThreadedResolver.initialize": "(self, num_threads=10)",
    },
    "tcpserver": {
        "TCPServer": "(self, ssl_options=None, max_buffer_size=None, read_chunk_size=None)",
        "TCPServer.add_socket": "(self, socket)",
        "TCPServer.add_sockets": "(self, sockets)",
        "TCPServer.bind": BIND,
        "TCPServer.handle_stream": "(self, stream, address)",
        "TCPServer.listen": BIND,
        "TCPServer.start": "(self, num_processes=1, max_restarts=None)",
        "TCPServer.stop": "(self)",
    },
    "tcpclient": {
        "TCPClient": "(self, resolver=None)",
        "TCPClient.close": "(self)",
        "TCPClient.connect": "(self, host, port, af=<AddressFamily.AF_UNSPEC: 0>, ssl_options=None,"
        " max_buffer_size=None, source_ip=None, source_port=None, timeout=None)",
    },
    "process": {
        "cpu_count": "()",
        "fork_processes": "(num_processes, max_restarts=None)",
        "task_id": "()",
        "Subprocess": "(self, *args, **kwargs)",
        "Subprocess.initialize": "()",
        "Subprocess.set_exit_callback": "(self, callback)",
        "Subprocess.uninitialize": "()",
        "Subprocess.wait_for_exit": "(self, raise_error=True)",
    },
}

BASES = {
    "iostream.IOStream": "BaseIOStream",
    "iostream.PipeIOStream": "BaseIOStream",
    "iostream.SSLIOStream": "IOStream",
    "iostream.StreamBufferFullError": "Exception",
    "iostream.StreamClosedError": "OSError",
    "iostream.UnsatisfiableReadError": "Exception",
    "netutil.BlockingResolver": "ExecutorResolver",
    "netutil.DefaultExecutorResolver": "Resolver",
    "netutil.DefaultLoopResolver": "Resolver",
    "netutil.ExecutorResolver": "Resolver",
    "netutil.OverrideResolver": "Resolver",
    "netutil.Resolver": "Configurable",
    "netutil.ThreadedResolver": "ExecutorResolver",
}


def look_up(module: str, name: str) -> Any:
    found: Any = importlib.import_module(f"halny.{module}")
    for part in name.split("."):
        found = getattr(found, part)
    return found


def spelled(function: Any) -> str:
    """The signature without annotations."""
    if inspect.isclass(function):
        function = function.__init__
    signature = inspect.signature(function)
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in API for name in API[module]])
def test_signature(module: str, name: str) -> None:
    assert spelled(look_up(module, name)) == API[module][name]


@pytest.mark.parametrize("name", BASES)
def test_base(name: str) -> None:
    module, _, name_in_module = name.partition(".")
    found = look_up(module, name_in_module)
    assert found.__bases__[0].__name__ == BASES[name] or BASES[name] in [base.__name__ for base in found.__mro__]


def test_values() -> None:
    assert look_up("process", "CalledProcessError").__module__ == "subprocess"
    assert look_up("process", "Subprocess.STREAM") is not None
    assert look_up("iostream", "gen_log") is logging.getLogger("halny.general")
    assert look_up("process", "hexlify") is binascii.hexlify
    assert look_up("iostream", "doctests")().countTestCases() == 0
    assert look_up("process", "gen_log") is logging.getLogger("halny.general")
    assert look_up("tcpserver", "app_log") is logging.getLogger("halny.application")
    assert look_up("netutil", "dummy_executor") is importlib.import_module("halny.concurrent").dummy_executor


@pytest.mark.parametrize("name", ["netutil", "process", "tcpclient", "tcpserver"])
def test_known_module_name(name: str) -> None:
    known = importlib.import_module(f"halny.{name}")
    owner = importlib.import_module(f"halny.iostream.{name}")
    assert known.__all__ == owner.__all__ == sorted(owner.__all__, key=isort_key)
    for exported in owner.__all__:
        assert getattr(known, exported) is getattr(owner, exported)


def isort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: how the linter sorts `__all__`."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
