"""The parent that `python -m halny.ioloop.autoreload` is: it runs a program as a child, and again when a file changes.

The parent imports nothing of the program, so no mistake in it can end the parent. The child runs this same module,
which runs the program as `__main__`, watches its files, and when it ends reports them to the parent: when the child
has died of a syntax error, the parent watches for the correction.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _reloading
from ._watching import Snapshot, wait_for_change

if TYPE_CHECKING:
    from types import TracebackType

USAGE = """\
usage: python -m halny.ioloop.autoreload [--until-success] script.py [arguments]
       python -m halny.ioloop.autoreload [--until-success] -m module [arguments]

Runs a program, and runs it again whenever one of its source files changes.
With --until-success, only until it has ended with status 0 for the first time.
"""

_FLAGS = re.compile(r"(-(?:-[a-z-]+|[A-VY-Za-bd-ln-z?]*))([cmWX]?)")
"""A long option, or letters up to the one that takes an argument."""

PATIENCE = 5.0
"""Seconds that a child has to end after it was asked to; then it is made to."""


@dataclass(frozen=True)
class Program:
    """What to run, from the command line."""

    target: str
    is_module: bool
    arguments: list[str]
    until_success: bool


def parse(arguments: list[str]) -> Program | None:
    """Return what the command line asks for, or `None` if it makes no sense."""
    rest = list(arguments)
    until_success = bool(rest) and rest[0] == "--until-success"
    if until_success:
        rest.pop(0)
    is_module = bool(rest) and rest[0] == "-m"
    if is_module:
        rest.pop(0)
    if not rest or (rest[0].startswith("-") and not is_module):
        return None
    return Program(rest[0], is_module, rest[1:], until_success)


# --- the parent -------------------------------------------------------------------------------------------------------


def supervise(program: Program, arguments: list[str]) -> int:
    """Run the program again and again, and return the status to end with."""
    command = [sys.executable, *interpreter_flags(), "-m", "halny.ioloop.autoreload", *arguments]
    known: dict[str, Any] = {}
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _terminate)
    with tempfile.TemporaryDirectory(prefix="halny-autoreload-") as folder:
        report = Path(folder, "files.json")
        while True:
            status = _run_child(command, report)
            if status == _reloading.RELOAD:
                continue
            if status == 0 and program.until_success:
                return 0
            known = _read_report(report) or known or _own_files(program)
            _say(f"ended with status {status}; waiting for a change")
            changed = wait_for_change(Snapshot(lambda: known, known), threading.Event())  # noqa: B023 - used before the next turn
            _say(f"{changed} modified; restarting")


def _run_child(command: list[str], report: Path) -> int:
    report.unlink(missing_ok=True)
    environment = {**os.environ, _reloading.REPORT_VARIABLE: str(report)}
    process = subprocess.Popen(command, env=environment)  # noqa: S603 - our own command line
    try:
        return process.wait()
    except KeyboardInterrupt:
        # The terminal has sent the signal to the child too.
        _end(process, ask=False)
        raise
    except BaseException:
        _end(process, ask=True)
        raise


def _end(process: subprocess.Popen[bytes], *, ask: bool) -> None:
    if ask:
        process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _terminate(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def interpreter_flags() -> list[str]:
    """Return the options that this interpreter was started with, such as `-X dev`, for the child."""
    flags: list[str] = []
    words = iter(sys.orig_argv[1:])
    for word in words:
        match = _FLAGS.match(word)
        if match is None:
            break
        flag, ending = match.groups()
        if ending in {"c", "m"}:  # what runs, behind letters that may be joined to it, as in `-um module`
            flags += [flag] if flag != "-" else []
            break
        flags.append(word)
        if match.end() == len(word) and (ending in {"W", "X"} or word == "--check-hash-based-pycs"):
            flags.append(next(words, ""))
    return flags


def _read_report(report: Path) -> dict[str, Any]:
    try:
        files: dict[str, list[int]] = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # it was killed, or ended by os._exit
    return {path: tuple(stamp) for path, stamp in files.items()}


def _own_files(program: Program) -> dict[str, Any]:
    """Return the state of the files that the program itself is likely to be, when it could tell nothing."""
    target = program.target
    if program.is_module:
        stem = target.replace(".", os.sep)
        likely = [f"{stem}.py", os.path.join(stem, "__main__.py"), os.path.join(stem, "__init__.py")]  # noqa: PTH118
    else:
        likely = [target]
    snapshot = Snapshot(list)
    for path in likely:
        snapshot.note(os.path.abspath(path))  # noqa: PTH100
    return snapshot.stamps


def _say(message: str) -> None:
    sys.stderr.write(f"autoreload: {message}\n")
    sys.stderr.flush()


# --- the child --------------------------------------------------------------------------------------------------------


def run_supervised(program: Program) -> int:
    """Run the program in this process, report its files at its end, and return its status."""
    sys.argv[1:] = program.arguments
    if not program.is_module:
        _reloading.watch(program.target)
        if not sys.flags.safe_path:
            sys.path[0] = os.path.dirname(os.path.abspath(program.target))  # noqa: PTH100, PTH120 - as python itself does
    _reloading.watch_in_thread()
    try:
        if program.is_module:
            runpy.run_module(program.target, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(program.target, run_name="__main__")
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the program's last exception, shown as the interpreter would
        _watch_where_it_failed(error)
        shown = error.with_traceback(_without_our_frames(error.__traceback__))
        sys.excepthook(type(shown), shown, shown.__traceback__)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    finally:
        _reloading.report()
    return 0


def _watch_where_it_failed(error: BaseException) -> None:
    """Watch the files that are not, or no longer, in `sys.modules`, because importing them failed."""
    if isinstance(error, SyntaxError) and error.filename:
        _reloading.watch(error.filename)
    traceback = error.__traceback__
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if os.path.exists(filename):  # noqa: PTH110 - and not "<frozen importlib>"
            _reloading.watch(filename)
        traceback = traceback.tb_next


def _without_our_frames(traceback: TracebackType | None) -> TracebackType | None:
    ours = {__file__, runpy.__file__, "<frozen runpy>"}
    while traceback is not None and traceback.tb_frame.f_code.co_filename in ours:
        traceback = traceback.tb_next
    return traceback
