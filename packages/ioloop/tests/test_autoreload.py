from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import IOLoop, _reloading, _supervisor, autoreload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog

PATIENCE = 60


class Program:
    """A program in a folder of its own, run by the command, whose output is read line by line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.generation = 0

    def write(self, name: str, text: str) -> None:
        """Write a file as editors do: another one in its place, that is certain to look newer."""
        self.generation += 1
        path = self.folder / name
        new = path.with_suffix(".new")
        new.write_text(textwrap.dedent(text))
        status = new.stat()
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns + self.generation * 2_000_000_000))
        new.replace(path)

    def start(self, *arguments: str, module: str = "halny.ioloop.autoreload", flags: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", *flags, *(("-m", module) if module else ()), *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def until(self, expected: str) -> list[str]:
        """Read lines until one holds `expected`, and return them."""
        assert self.process is not None
        assert self.process.stdout is not None
        lines: list[str] = []
        timer = threading.Timer(PATIENCE, self.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                lines.append(line.rstrip("\n"))
                if expected in line:
                    return lines
        finally:
            timer.cancel()
            timer.join()
        raise AssertionError(f"{expected!r} did not come: {lines}")

    def kill(self) -> None:
        assert self.process is not None
        # The child has the pipe, too: reading ends only when both are gone.
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()

    def end(self) -> None:
        if self.process is not None:
            self.kill()
            self.process.communicate()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    yield made
    made.end()


def test_a_syntax_error_and_its_correction(program: Program) -> None:
    program.write("helper.py", "VALUE = = 1\n")
    program.write("main.py", "import sys, helper\nprint('value', helper.VALUE, sys.argv, __name__)\n")
    program.start("--until-success", "main.py", "one", "--two")
    lines = program.until("waiting for a change")
    assert "SyntaxError: invalid syntax" in lines
    assert not any("_supervisor" in line or "runpy" in line for line in lines), lines
    program.write("helper.py", "VALUE = 1\n")
    program.until("helper.py modified; restarting")
    program.until("value 1 ['main.py', 'one', '--two'] __main__")
    assert program.process is not None
    assert program.process.wait(PATIENCE) == 0


def test_an_error_in_the_script_itself(program: Program) -> None:
    program.write("main.py", "def broken(:\n")
    program.start("--until-success", "main.py")
    program.until("ended with status 1; waiting for a change")
    program.write("main.py", "raise KeyError('second')\n")
    program.until("KeyError: 'second'")
    program.until("waiting for a change")
    program.write("main.py", "print('third')\n")
    program.until("third")
    assert program.process is not None
    assert program.process.wait(PATIENCE) == 0


def test_a_running_program_is_restarted_with_its_hooks(program: Program) -> None:
    program.write("extra.txt", "x")
    program.write(
        "main.py",
        """
        import threading
        from halny.autoreload import add_reload_hook, watch
        watch("extra.txt")
        add_reload_hook(lambda: 1 / 0)
        add_reload_hook(lambda: print("hook"))
        print("running")
        threading.Event().wait()
        """,
    )
    program.start("main.py", module="halny.autoreload", flags=("-X", "dev", "-W", "error"))
    program.until("running")
    program.write("extra.txt", "y")
    lines = program.until("running")
    assert "hook" in lines
    assert "ZeroDivisionError: division by zero" in lines


def test_a_module_with_a_loop_that_watches_itself(program: Program) -> None:
    program.write(
        "app.py",
        """
        import asyncio, sys, threading
        from halny import autoreload
        from halny.ioloop import run
        async def main():
            autoreload.start(check_time=20)
            autoreload.add_reload_hook(lambda: print("hook in", threading.current_thread().name))
            print("running", sys.argv[1:], sys.path[0] != "")
            await asyncio.Event().wait()
        run(main())
        """,
    )
    program.start("-m", "app", "argument")
    program.until("running ['argument'] True")
    program.write("app.py", (program.folder / "app.py").read_text() + "\n")
    lines = program.until("running")
    assert "hook in MainThread" in lines


@pytest.mark.parametrize("how", ["start", "wait"])
def test_without_the_command_the_process_replaces_itself(program: Program, how: str) -> None:
    body = "run(main())" if how == "start" else "autoreload.wait()"
    program.write(
        "main.py",
        f"""
        import asyncio, os, sys
        from halny import autoreload
        from halny.ioloop import run
        async def main():
            autoreload.start(check_time=20)
            await asyncio.Event().wait()
        print("running", os.getpid(), sys.argv, sys.flags.dev_mode)
        os.chdir("/")
        {body}
        """,
    )
    program.start("main.py", "x", module="", flags=("-X", "dev"))
    first = program.until("running")[-1]
    program.write("main.py", (program.folder / "main.py").read_text() + "\n")
    second = program.until("running")[-1]
    assert first == second
    assert first.endswith("['main.py', 'x'] True")


def test_without_until_success_it_is_run_again_after_success(program: Program) -> None:
    program.write("main.py", "print('first')\n")
    program.start("main.py")
    program.until("first")
    program.until("ended with status 0; waiting for a change")
    program.write("main.py", "import sys\nsys.exit(7)\n")
    program.until("ended with status 7; waiting for a change")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_parent_and_the_child(program: Program, number: int, status: int) -> None:
    program.write("main.py", "import os, time\nprint('child', os.getpid(), flush=True)\ntime.sleep(600)\n")
    program.start("main.py")
    child = int(program.until("child")[-1].split()[1])
    assert program.process is not None
    if number == signal.SIGINT:
        os.kill(child, number)  # the terminal sends it to both
    program.process.send_signal(number)
    assert program.process.wait(PATIENCE) == status
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.parametrize("words", [["main.py"], ["-m", "main"]])
def test_a_killed_program_leaves_the_script_to_watch(program: Program, words: list[str]) -> None:
    program.write("main.py", "import os\nos._exit(9)\n")
    program.start("--until-success", *words)
    program.until("ended with status 9; waiting for a change")
    program.write("main.py", "print('better')\n")
    program.until("better")


@pytest.mark.parametrize("arguments", [[], ["--until-success"], ["-m"], ["--unknown", "x.py"]])
def test_usage(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["autoreload", *arguments])
    with pytest.raises(SystemExit) as caught:
        autoreload.main()
    assert caught.value.code == 2
    assert "usage: python -m halny.ioloop.autoreload" in capsys.readouterr().err


def test_parse() -> None:
    parse = _supervisor.parse
    assert parse(["a.py", "-m", "x"]) == _supervisor.Program("a.py", False, ["-m", "x"], False)
    assert parse(["--until-success", "-m", "x", "y"]) == _supervisor.Program("x", True, ["y"], True)


def test_start_twice_is_one_watch_and_two_loops_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog
) -> None:
    started: list[Any] = []

    class Thread:
        def __init__(self, **options: Any) -> None:
            started.append(options)

        def start(self) -> None:
            pass

    monkeypatch.setattr("halny.ioloop.autoreload.threading.Thread", Thread)
    monkeypatch.setattr(_reloading, "stand_back", lambda: None)
    first = IOLoop()
    autoreload.start()
    autoreload.start()
    assert len(started) == 1
    second = IOLoop()
    with expect_log("halny.general", "started more than once", count=1):
        autoreload.start()
    assert len(started) == 2
    first.close()
    second.close()
    with pytest.raises(ValueError, match="check_time must be positive"):
        autoreload.start(0)


def test_the_watch_ends_with_its_loop() -> None:
    loop = IOLoop()
    autoreload.start(check_time=1)
    loop.close()
    for thread in threading.enumerate():
        if thread.name == "halny autoreload":
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["-m", "halny.autoreload", "-x.py"], []),
        (["-um", "halny.autoreload"], ["-u"]),
        (["-uX", "dev", "-Pm", "halny.autoreload"], ["-uX", "dev", "-P"]),
        (["-mhalny.autoreload"], []),
        (["-W", "error", "-Xdev", "-Wmodule", "-m", "halny.autoreload"], ["-W", "error", "-Xdev", "-Wmodule"]),
        (["--check-hash-based-pycs", "never", "-m", "x"], ["--check-hash-based-pycs", "never"]),
        (["autoreload.py", "-u"], []),
    ],
)
def test_options_of_the_interpreter_are_kept(
    words: list[str], kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", *words])
    assert _supervisor.interpreter_flags() == kept
