"""Every public name that users of Tornado 6.6 know of these modules, and how it is called."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Names and signatures, without annotations; None where only the name matters.
MODULES = [
    "halny.ioloop",
    "halny.gen",
    "halny.concurrent",
    "halny.locks",
    "halny.queues",
    "halny.util",
    "halny.autoreload",
    "halny.platform.asyncio",
    "halny.ioloop.autoreload",
    "halny.ioloop.concurrent",
    "halny.ioloop.gen",
    "halny.ioloop.locks",
    "halny.ioloop.platform",
    "halny.ioloop.queues",
    "halny.ioloop.util",
]

API: dict[str, dict[str, str | None]] = {
    "halny.ioloop": {
        "app_log": None,
        "IOLoop": None,
        "IOLoop.ERROR": None,
        "IOLoop.NONE": None,
        "IOLoop.READ": None,
        "IOLoop.WRITE": None,
        "IOLoop.add_callback": "(self, callback, *args, **kwargs)",
        "IOLoop.add_callback_from_signal": "(self, callback, *args, **kwargs)",
        "IOLoop.add_future": "(self, future, callback)",
        "IOLoop.add_handler": "(self, fd, handler, events)",
        "IOLoop.add_timeout": "(self, deadline, callback, *args, **kwargs)",
        "IOLoop.call_at": "(self, when, callback, *args, **kwargs)",
        "IOLoop.call_later": "(self, delay, callback, *args, **kwargs)",
        "IOLoop.clear_current": "()",
        "IOLoop.clear_instance": "()",
        "IOLoop.close": "(self, all_fds=False)",
        "IOLoop.close_fd": "(self, fd)",
        "IOLoop.configurable_base": "(cls)",
        "IOLoop.configurable_default": "(cls)",
        "IOLoop.configure": "(cls, impl, **kwargs)",
        "IOLoop.current": "(instance=True)",
        "IOLoop.initialize": "(self, make_current=True)",
        "IOLoop.install": "(self)",
        "IOLoop.instance": "()",
        "IOLoop.make_current": "(self)",
        "IOLoop.remove_handler": "(self, fd)",
        "IOLoop.remove_timeout": "(self, timeout)",
        "IOLoop.run_in_executor": "(self, executor, func, *args)",
        "IOLoop.run_sync": "(self, func, timeout=None)",
        "IOLoop.set_default_executor": "(self, executor)",
        "IOLoop.spawn_callback": "(self, callback, *args, **kwargs)",
        "IOLoop.split_fd": "(self, fd)",
        "IOLoop.start": "(self)",
        "IOLoop.stop": "(self)",
        "IOLoop.time": "(self)",
        "IOLoop.update_handler": "(self, fd, events)",
        "PeriodicCallback": "(self, callback, callback_time, jitter=0)",
        "PeriodicCallback.is_running": "(self)",
        "PeriodicCallback.start": "(self)",
        "PeriodicCallback.stop": "(self)",
    },
    "halny.gen": {
        "app_log": None,
        "moment": None,
        "Multi": "(children, quiet_exceptions=())",
        "convert_yielded": "(yielded)",
        "coroutine": "(func)",
        "is_coroutine_function": "(func)",
        "maybe_future": "(x)",
        "multi": "(children, quiet_exceptions=())",
        "multi_future": "(children, quiet_exceptions=())",
        "sleep": "(duration)",
        "with_timeout": "(timeout, future, quiet_exceptions=(), *, message=None)",
        "BadYieldError": None,
        "KeyReuseError": None,
        "LeakedCallbackError": None,
        "Return": "(self, value=None)",
        "ReturnValueIgnoredError": None,
        "Runner": "(self, ctx_run, gen, result_future, first_yielded)",
        "Runner.handle_exception": "(self, typ, value, tb)",
        "Runner.handle_yield": "(self, yielded)",
        "Runner.run": "(self)",
        "UnknownKeyError": None,
        "WaitIterator": "(self, *args, **kwargs)",
        "WaitIterator.done": "(self)",
        "WaitIterator.next": "(self)",
    },
    "halny.concurrent": {
        "FUTURES": None,
        "app_log": None,
        "dummy_executor": None,
        "chain_future": "(a, b)",
        "future_add_done_callback": "(future, callback)",
        "future_set_exc_info": "(future, exc_info)",
        "future_set_exception_unless_cancelled": "(future, exc)",
        "future_set_result_unless_cancelled": "(future, value)",
        "is_future": "(x)",
        "run_on_executor": "(*args, **kwargs)",
        "DummyExecutor": None,
        "DummyExecutor.shutdown": "(self, wait=True, cancel_futures=False)",
        "DummyExecutor.submit": "(self, fn, *args, **kwargs)",
        "ReturnValueIgnoredError": None,
    },
    "halny.locks": {
        "BoundedSemaphore": "(self, value=1)",
        "BoundedSemaphore.release": "(self)",
        "Condition": None,
        "Condition.notify": "(self, n=1)",
        "Condition.notify_all": "(self)",
        "Condition.wait": "(self, timeout=None)",
        "Event": "(self)",
        "Event.clear": "(self)",
        "Event.is_set": "(self)",
        "Event.set": "(self)",
        "Event.wait": "(self, timeout=None)",
        "Lock": "(self)",
        "Lock.acquire": "(self, timeout=None)",
        "Lock.release": "(self)",
        "Semaphore": "(self, value=1)",
        "Semaphore.acquire": "(self, timeout=None)",
        "Semaphore.release": "(self)",
    },
    "halny.queues": {
        "LifoQueue": None,
        "PriorityQueue": None,
        "Queue": "(self, maxsize=0)",
        "Queue.maxsize": None,
        "Queue.empty": "(self)",
        "Queue.full": "(self)",
        "Queue.get": "(self, timeout=None)",
        "Queue.get_nowait": "(self)",
        "Queue.join": "(self, timeout=None)",
        "Queue.put": "(self, item, timeout=None)",
        "Queue.put_nowait": "(self, item)",
        "Queue.qsize": "(self)",
        "Queue.task_done": "(self)",
        "QueueEmpty": None,
        "QueueFull": None,
    },
    "halny.util": {
        "doctests": "()",
        "errno_from_exception": "(e)",
        "exec_in": "(code, glob, loc=None)",
        "import_object": "(name)",
        "raise_exc_info": "(exc_info)",
        "re_unescape": "(s)",
        "timedelta_to_seconds": "(td)",
        "ArgReplacer": "(self, func, name)",
        "ArgReplacer.get_old_value": "(self, args, kwargs, default=None)",
        "ArgReplacer.replace": "(self, new_value, args, kwargs)",
        "Configurable": None,
        "Configurable.configurable_base": "(cls)",
        "Configurable.configurable_default": "(cls)",
        "Configurable.configure": "(cls, impl, **kwargs)",
        "Configurable.configured_class": "(cls)",
        "Configurable.initialize": "(self)",
        "GzipDecompressor": "(self)",
        "GzipDecompressor.unconsumed_tail": None,
        "GzipDecompressor.decompress": "(self, value, max_length=0)",
        "GzipDecompressor.flush": "(self)",
        "ObjectDict": None,
    },
    "halny.autoreload": {
        "gen_log": None,
        "add_reload_hook": "(fn)",
        "main": "()",
        "start": "(check_time=500)",
        "wait": "()",
        "watch": "(filename)",
    },
    "halny.platform.asyncio": {
        "to_asyncio_future": "(tornado_future)",
        "to_tornado_future": "(asyncio_future)",
        "AddThreadSelectorEventLoop": "(self, real_loop)",
        "AddThreadSelectorEventLoop.MY_ATTRIBUTES": None,
        "AddThreadSelectorEventLoop.add_reader": "(self, fd, callback, *args)",
        "AddThreadSelectorEventLoop.add_writer": "(self, fd, callback, *args)",
        "AddThreadSelectorEventLoop.close": "(self)",
        "AddThreadSelectorEventLoop.remove_reader": "(self, fd)",
        "AddThreadSelectorEventLoop.remove_writer": "(self, fd)",
        "AsyncIOLoop": None,
        "AsyncIOLoop.close": "(self, all_fds=False)",
        "AsyncIOLoop.initialize": "(self, **kwargs)",
        "AsyncIOMainLoop": None,
        "AsyncIOMainLoop.initialize": "(self, **kwargs)",
        "BaseAsyncIOLoop": None,
        "BaseAsyncIOLoop.add_callback": "(self, callback, *args, **kwargs)",
        "BaseAsyncIOLoop.add_callback_from_signal": "(self, callback, *args, **kwargs)",
        "BaseAsyncIOLoop.add_handler": "(self, fd, handler, events)",
        "BaseAsyncIOLoop.call_at": "(self, when, callback, *args, **kwargs)",
        "BaseAsyncIOLoop.close": "(self, all_fds=False)",
        "BaseAsyncIOLoop.initialize": "(self, asyncio_loop, **kwargs)",
        "BaseAsyncIOLoop.remove_handler": "(self, fd)",
        "BaseAsyncIOLoop.remove_timeout": "(self, timeout)",
        "BaseAsyncIOLoop.run_in_executor": "(self, executor, func, *args)",
        "BaseAsyncIOLoop.set_default_executor": "(self, executor)",
        "BaseAsyncIOLoop.start": "(self)",
        "BaseAsyncIOLoop.stop": "(self)",
        "BaseAsyncIOLoop.update_handler": "(self, fd, events)",
        "SelectorThread": "(self, real_loop)",
        "SelectorThread.add_reader": "(self, fd, callback, *args)",
        "SelectorThread.add_writer": "(self, fd, callback, *args)",
        "SelectorThread.close": "(self)",
        "SelectorThread.remove_reader": "(self, fd)",
        "SelectorThread.remove_writer": "(self, fd)",
    },
}

# Where Halny takes more than that, or says the same in another way.
EXTRA = {
    # It makes room for what the subclasses take.
    ("halny.ioloop", "IOLoop.initialize"): "(self, make_current=True, *, asyncio_loop=None)",
}


def plain(function: Any) -> str:
    """Return a signature without annotations, and with the constructor's `self`."""
    signature = inspect.signature(function)
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


CASES = [(module, name, expected) for module, names in API.items() for name, expected in names.items()]


@pytest.mark.parametrize(("module", "name", "expected"), CASES)
def test_every_name_is_there_and_is_called_the_same(module: str, name: str, expected: str | None) -> None:
    holder: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        holder = getattr(holder, part)
    found = getattr(holder, last)
    if expected is None:
        return
    if inspect.isclass(found):
        found = found.__init__
    elif inspect.ismethod(found):
        found = found.__func__
    expected = EXTRA.get((module, name), expected)
    assert plain(found) == expected


@pytest.mark.parametrize("module", MODULES)
def test_each_module_can_be_imported_alone(module: str) -> None:
    program = (
        f"import sys, {module} as module\n"
        "assert len(set(module.__all__)) == len(module.__all__)\n"
        "for name in module.__all__: getattr(module, name)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


def test_nothing_that_goes_away_or_that_only_unix_has() -> None:
    forbidden = re.compile(
        r"event_loop_policy|EventLoopPolicy|get_event_loop\(|asyncio\.iscoroutinefunction"
        r"|^(?:import|from) (?:fcntl|grp|pwd|resource|termios|curses|posix)\b|os\.fork\b|AF_UNIX|SO_REUSEPORT",
        re.MULTILINE,
    )
    for module in MODULES:
        file = importlib.import_module(module).__file__
        assert file is not None
        for path in Path(file).parent.glob("*.py"):
            assert not forbidden.search(path.read_text(encoding="utf-8")), path
