from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from halny.iostream import PipeIOStream
from halny.iostream.process import (
    CalledProcessError,
    Subprocess,
    cpu_count,
    fork_processes,
    task_id,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog

STREAM = Subprocess.STREAM


@pytest.fixture(params=["descriptor", "thread"])
def notice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways in which the end of a process can be learnt."""
    if request.param == "thread":

        def refuse(pid: int) -> int:
            raise OSError("restricted")

        monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)


def python(code: str, **options: Any) -> Subprocess:
    return Subprocess([sys.executable, "-c", code], **options)


async def test_streams() -> None:
    code = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.stderr.write('done')"
    process = python(code, stdin=STREAM, stdout=STREAM, stderr=STREAM)
    assert all(isinstance(stream, PipeIOStream) for stream in (process.stdin, process.stdout, process.stderr))
    await process.stdin.write(b"hello")
    process.stdin.close()
    assert await process.stdout.read_until_close() == b"HELLO"
    assert await process.stderr.read_until_close() == b"done"
    assert await process.wait_for_exit() == 0
    assert process.returncode == 0
    assert process.pid == process.proc.pid


async def test_errors_into_the_output() -> None:
    process = python("import sys; sys.stderr.write('err')", stdout=STREAM, stderr=subprocess.STDOUT)
    assert process.stdin is None
    assert await process.stdout.read_until_close() == b"err"
    assert await process.wait_for_exit() == 0


@pytest.mark.usefixtures("notice")
async def test_an_exit_status() -> None:
    process = python("raise SystemExit(3)")
    with pytest.raises(CalledProcessError) as caught:
        await process.wait_for_exit()
    assert caught.value.returncode == 3
    assert caught.value.cmd == [sys.executable, "-c", "raise SystemExit(3)"]
    assert await process.wait_for_exit(raise_error=False) == 3


@pytest.mark.usefixtures("notice")
async def test_a_child_that_dies() -> None:
    process = python("import time; time.sleep(1000)")
    waiting = process.wait_for_exit()
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(CalledProcessError, match="SIGKILL"):
        await waiting
    assert process.returncode == -signal.SIGKILL


@pytest.mark.usefixtures("notice")
async def test_exit_callbacks(expect_log: ExpectLog) -> None:
    def broken(returncode: int) -> None:
        raise ValueError("in the callback")

    process = python("raise SystemExit(2)")
    calls: list[int] = []
    process.set_exit_callback(broken)
    process.set_exit_callback(calls.append)
    with expect_log("halny.application", "exception in the exit callback", count=1):
        assert await process.wait_for_exit(raise_error=False) == 2
    assert calls == [2]
    process.set_exit_callback(calls.append)
    await asyncio.sleep(0)
    assert calls == [2, 2]


async def test_a_wait_that_is_given_up_leaves_the_process() -> None:
    process = python("input()", stdin=STREAM)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(process.wait_for_exit(), 0.01)
    assert process.returncode is None
    process.stdin.write(b"\n")
    assert await process.wait_for_exit() == 0
    process.stdin.close()


async def test_a_program_that_does_not_exist_leaves_nothing_open() -> None:
    with pytest.raises(FileNotFoundError):
        Subprocess(["/does/not/exist"], stdin=STREAM, stdout=STREAM, stderr=STREAM)


async def test_no_descriptor_for_a_pipe_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = os.pipe, [1]

    def pipe() -> tuple[int, int]:
        if not left:
            raise OSError(24, "Too many open files")
        left.pop()
        return real()

    monkeypatch.setattr(os, "pipe", pipe)
    with pytest.raises(OSError, match="Too many"):
        Subprocess(["true"], stdin=STREAM, stdout=STREAM)


async def test_a_child_that_stops_reading() -> None:
    process = python("pass", stdin=STREAM)
    await process.wait_for_exit()
    with pytest.raises(OSError, match="Stream is closed"):
        await process.stdin.write(bytes(1 << 20))
    assert process.stdin.closed()


def test_nothing_needs_to_be_initialized() -> None:
    before = signal.getsignal(signal.SIGCHLD)
    Subprocess.initialize()
    assert signal.getsignal(signal.SIGCHLD) is before
    Subprocess.uninitialize()


def test_cpu_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= cpu_count() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cpu_count() == 1


def test_this_is_no_child() -> None:
    assert task_id() is None


async def test_forking_in_a_running_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match="before the loop runs"):
        fork_processes(2)


def test_forking_where_there_is_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork", raising=False)
    with pytest.raises(RuntimeError, match="can't fork"):
        fork_processes(2)


def forking(tmp_path: Path, program: str, *, status: int) -> list[str]:
    """Runs a program that forks, and returns the lines it wrote to its log, sorted."""
    script, log = tmp_path / "program.py", tmp_path / "log"
    prelude = f"""
import logging, os, signal, sys, time
from halny.iostream.process import fork_processes, task_id
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout, level=logging.INFO)
def note(text):
    with open({str(log)!r}, "a") as file:
        file.write(text + "\\n")
"""
    script.write_text(prelude + program)
    log.write_text("")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    (tmp_path / "stderr").write_text(done.stderr)
    (tmp_path / "stdout").write_text(done.stdout)
    return sorted(log.read_text().splitlines())


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform can't fork")


@needs_fork
def test_each_child_has_a_number(tmp_path: Path) -> None:
    program = """
number = fork_processes(3)
note(f"{number} {task_id()}")
try:
    fork_processes(2)
except RuntimeError as error:
    note(str(error))
"""
    assert forking(tmp_path, program, status=0) == [
        "0 0",
        "1 1",
        "2 2",
        "this process is already child 0 of fork_processes()",
        "this process is already child 1 of fork_processes()",
        "this process is already child 2 of fork_processes()",
    ]
    assert "INFO starting 3 processes" in (tmp_path / "stdout").read_text()


@needs_fork
def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    program = f"""
marker = {str(tmp_path / "marker")!r}
number = fork_processes(2)
note(f"child {{number}}")
if number == 1 and not os.path.exists(marker):
    open(marker, "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
if number == 1 and not os.path.exists(marker + "2"):
    open(marker + "2", "w").close()
    sys.exit(7)
"""
    assert forking(tmp_path, program, status=0) == ["child 0", "child 1", "child 1", "child 1"]
    output = (tmp_path / "stdout").read_text()
    assert "was killed by SIGKILL, restarting" in output
    assert "exited with status 7, restarting" in output


@needs_fork
def test_too_many_deaths_end_the_others_too(tmp_path: Path) -> None:
    program = """
try:
    number = fork_processes(2, max_restarts=3)
except RuntimeError as error:
    note(str(error))
    try:
        os.wait()
    except ChildProcessError:
        note("no child is left")
    sys.exit(9)
if number == 0:
    sys.exit(1)
time.sleep(1000)
"""
    assert forking(tmp_path, program, status=9) == [
        "no child is left",
        "too many child restarts (max_restarts=3), giving up",
    ]


@needs_fork
def test_ending_the_parent_ends_the_children(tmp_path: Path) -> None:
    program = """
parent = os.getpid()
try:
    number = fork_processes(2)
except SystemExit as error:
    note(f"parent exits with {error.code}")
    try:
        os.wait()
    except ChildProcessError:
        note("no child is left")
    sys.exit(9)
note(str(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL))
if number == 0:
    while open(sys.argv[0] + "/../log").read().count("True") < 2:
        time.sleep(0.01)
    os.kill(parent, signal.SIGTERM)
time.sleep(1000)
"""
    program = program.replace('sys.argv[0] + "/../log"', repr(str(tmp_path / "log")))
    assert forking(tmp_path, program, status=9) == ["True", "True", "no child is left", "parent exits with 143"]


@needs_fork
def test_a_fork_that_fails_ends_the_children(tmp_path: Path) -> None:
    program = """
fork, times = os.fork, [1, 1]
def limited():
    if not times:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    times.pop()
    return fork()
os.fork = limited
try:
    fork_processes(3)
except OSError as error:
    note(str(error))
    try:
        os.wait()
    except ChildProcessError:
        note("no child is left")
    sys.exit(9)
time.sleep(1000)
"""
    assert forking(tmp_path, program, status=9) == ["[Errno 11] Resource temporarily unavailable", "no child is left"]


@needs_fork
def test_a_child_that_raises_does_not_return_into_the_parents_work(tmp_path: Path) -> None:
    program = """
number = fork_processes(2, max_restarts=0)
raise ValueError(f"in the child")
"""
    assert forking(tmp_path, program, status=1) == []
    assert "too many child restarts (max_restarts=0)" in (tmp_path / "stderr").read_text()
