"""Processes that share listening sockets: fork some, watch them, start those again that die.

The parent never returns from `fork_processes`; whatever ends it, its children are ended and reaped first, so that
none of them goes on serving unattended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

DEFAULT_MAX_RESTARTS = 100
"""Deaths after which the parent gives up: a program that always crashes must not fork for ever."""

general_log = logging.getLogger("halny.general")

_task_id: int | None = None


def cpu_count() -> int:
    """Returns the number of CPUs this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def task_id() -> int | None:
    """Returns the number (from 0) of this child of `fork_processes`, `None` in any other process."""
    return _task_id


def fork_processes(num_processes: int | None, max_restarts: int | None = None) -> int:
    """Starts `num_processes` children; returns in each of them its number, and never in the parent.

    The parent waits: a child that exits with a status other than 0, or by a signal, is started again under the same
    number. When all have exited with 0 the parent leaves by `SystemExit(0)`; SIGTERM and an interrupt end the children
    too. Must be called before anything makes a
    loop: children that share one disturb each other.

    Args:
        num_processes: How many; `None` and numbers below 1 mean one for each CPU.
        max_restarts: Restarts altogether before giving up, `None` for 100.

    Raises:
        RuntimeError: In the parent when too many children died (the others are ended first); or the caller's fault:
            a loop is running, this is already such a child, or the platform can't fork.
        OSError: The system can't fork; children already started are ended first.
    """
    _check_can_fork()
    if max_restarts is None:
        max_restarts = DEFAULT_MAX_RESTARTS
    if num_processes is None or num_processes < 1:
        num_processes = cpu_count()
    general_log.info("starting %d processes", num_processes)
    children: dict[int, int] = {}
    _exit_on_sigterm()
    try:
        for number in range(num_processes):
            if _start_child(number, children):
                return number
        restarted = _supervise(children, max_restarts)
    except BaseException:
        if _task_id is None:
            _end(children)
        raise
    if restarted is not None:
        return restarted
    sys.exit(0)


def _check_can_fork() -> None:
    if not hasattr(os, "fork"):
        raise RuntimeError("this platform can't fork; start the processes from outside with reuse_port=True")
    if _task_id is not None:
        raise RuntimeError(f"this process is already child {_task_id} of fork_processes()")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "fork_processes() must be called before the loop runs: leave start(n) and fork_processes() outside of"
        " the coroutine, and call asyncio.run(), or IOLoop.current().start(), after them"
    )


def _start_child(number: int, children: dict[int, int]) -> bool:
    """Forks child `number`; returns True in the child."""
    global _task_id
    # Held back until the child has its own handler: a signal that comes right after the fork would be lost.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        pid = os.fork()
        if pid:
            children[pid] = number
            return False
        _task_id = number
        children.clear()
        if _can_set_handlers() and signal.getsignal(signal.SIGTERM) is _exit:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return True
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _exit_on_sigterm() -> None:
    """Lets SIGTERM end the parent as an exception, so that it ends its children, unless the program has other plans."""
    if _can_set_handlers() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _can_set_handlers() -> bool:
    return threading.current_thread() is threading.main_thread()


def _exit(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)  # as shells count


def _supervise(children: dict[int, int], max_restarts: int) -> int | None:
    """Reaps and restarts until no child is left; returns a number only in a restarted child."""
    restarts = 0
    while children:
        pid, status = os.wait()
        number = children.pop(pid, None)
        if number is None:
            continue  # a child of somebody else in this process
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            general_log.info("child %d (pid %d) exited normally", number, pid)
            continue
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"exited with status {code}"
        restarts += 1
        if restarts > max_restarts:
            general_log.error("child %d (pid %d) %s; %d restarts were enough", number, pid, how, max_restarts)
            raise RuntimeError(f"too many child restarts (max_restarts={max_restarts}), giving up")
        general_log.warning("child %d (pid %d) %s, restarting", number, pid, how)
        if _start_child(number, children):
            return number
    return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end(children: dict[int, int]) -> None:
    """Asks the children to end, and waits until they have."""
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    for pid in children:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
    children.clear()
