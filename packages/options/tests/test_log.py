from __future__ import annotations

import io
import logging
import logging.handlers
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

from halny.options import OptionParser
from halny.options import log as log_module
from halny.options.log import LogFormatter, define_logging_options, enable_pretty_logging

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def record(message: Any = "hello %s", *args: Any, level: int = logging.INFO, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("name", level, "/path/module.py", 17, message, args, None)
    vars(made).update(more)
    return made


def formatter(**options: Any) -> LogFormatter:
    return LogFormatter(fmt="%(color)s[%(levelname)1.1s %(module)s:%(lineno)d]%(end_color)s %(message)s", **options)


# --- LogFormatter ---


def test_a_line() -> None:
    assert formatter().format(record("hello %s", "you")) == "[I module:17] hello you"
    assert LogFormatter().format(record("hello")).startswith("[I ")


def test_the_default_format_has_the_time() -> None:
    line = LogFormatter(datefmt="DATE").format(record("hello"))
    assert line == "[I DATE module:17] hello"


@pytest.mark.parametrize(
    ("message", "args", "expected"),
    [
        ("é", (), "é"),
        (b"caf\xc3\xa9 \xff", (), "café \\xff"),
        ("%s", (b"\xff",), "b'\\xff'"),
        ("a\nb", (), "a\n    b"),
        ("tab\tstays", (), "tab\tstays"),
        ("\x1b[31mred\r\x00\x7f\x9b", (), "\\x1b[31mred\\x0d\\x00\\x7f\\x9b"),
        (KeyError("x"), (), "'x'"),
    ],
)
def test_messages(message: Any, args: Any, expected: str) -> None:
    assert formatter().format(record(message, *args)) == f"[I module:17] {expected}"


def test_a_message_that_cannot_be_formatted_is_told_anyway() -> None:
    line = formatter().format(record("%d items", "many"))
    assert "Bad message (TypeError(" in line
    assert "many" in line


def test_tracebacks_are_indented() -> None:
    try:
        raise KeyError("x\x1b")
    except KeyError:
        made = record("failed")
        made.exc_info = sys.exc_info()
    lines = formatter().format(made).splitlines()
    assert lines[0] == "[I module:17] failed"
    assert lines[1] == "    Traceback (most recent call last):"
    assert lines[-1] == "    KeyError: 'x\\x1b'"
    assert all(line.startswith("    ") for line in lines[1:])
    stacked = record("here", stack_info="Stack:\n  File x")
    assert formatter().format(stacked) == "[I module:17] here\n    Stack:\n      File x"


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    coloured = "\x1b[31m[E module:17]\x1b[0m hello"
    plain = "[E module:17] hello"
    made = record("hello", level=logging.ERROR)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert formatter().format(made) == plain
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert formatter().format(made) == coloured
    assert formatter(color=False).format(made) == plain
    assert formatter(colors={}).format(made) == plain
    assert formatter(colors={logging.ERROR: 6}).format(made) == coloured.replace("31", "36")
    monkeypatch.setenv("NO_COLOR", "1")
    assert formatter().format(made) == plain
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert formatter().format(made) == plain
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", None)
    assert formatter().format(made) == plain


def test_colour_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("WT_SESSION", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("halny.options.log.os.name", "nt")
    supports: Any = log_module._stderr_supports_color  # pyright: ignore[reportPrivateUsage]
    assert not supports()
    monkeypatch.setenv("WT_SESSION", "1")
    assert supports()
    called: list[bool] = []
    fake = types.ModuleType("colorama")
    vars(fake)["just_fix_windows_console"] = lambda: called.append(True)
    monkeypatch.setattr(log_module, "colorama", fake)
    assert supports()
    assert called == [True]


def test_other_styles() -> None:
    assert LogFormatter(fmt="{levelname} {message}", style="{").format(record("hello")) == "INFO hello"
    assert LogFormatter(fmt="$levelname $message", style="$").format(record("hello")) == "INFO hello"


# --- enable_pretty_logging ---


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.Logger("of this test")  # noqa: LOG001 - on its own: nothing reaches the root logger
    yield made
    for handler in made.handlers:
        handler.close()


@pytest.fixture
def options(tmp_path: Path) -> OptionParser:
    parser = OptionParser()
    define_logging_options(parser)
    return parser


def kinds(logger: logging.Logger) -> list[str]:
    return [type(handler).__name__ for handler in logger.handlers]


def test_to_the_terminal(options: OptionParser, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    enable_pretty_logging(options, logger)
    assert logger.level == logging.INFO
    logger.info("hello")
    logger.debug("not this")
    assert out.getvalue().endswith("] hello\n")


def test_asking_twice_adds_no_second_handler(options: OptionParser, logger: logging.Logger, tmp_path: Path) -> None:
    for _ in range(3):
        enable_pretty_logging(options, logger)
    assert kinds(logger) == ["StreamHandler"]
    options.log_file_prefix = str(tmp_path / "log")
    options.log_to_stderr = True
    for _ in range(3):
        enable_pretty_logging(options, logger)
    assert kinds(logger) == ["RotatingFileHandler", "StreamHandler"]


def test_handlers_of_others_stay_and_are_enough(options: OptionParser, logger: logging.Logger) -> None:
    other = logging.NullHandler()
    logger.addHandler(other)
    enable_pretty_logging(options, logger)
    assert logger.handlers == [other]


@pytest.mark.parametrize("value", [None, "none", "NONE"])
def test_none_leaves_logging_alone(options: OptionParser, logger: logging.Logger, value: Any) -> None:
    options.logging = value
    enable_pretty_logging(options, logger)
    assert not logger.handlers
    assert logger.level == logging.NOTSET


def test_rotation_by_size(options: OptionParser, logger: logging.Logger, tmp_path: Path) -> None:
    options.log_file_prefix = str(tmp_path / "log")
    options.log_file_max_size = 200
    options.log_file_num_backups = 2
    enable_pretty_logging(options, logger)
    assert kinds(logger) == ["RotatingFileHandler"]
    for number in range(20):
        logger.info("line %d é", number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert all(path.stat().st_size <= 200 for path in tmp_path.iterdir())
    assert "line 19 é" in (tmp_path / "log").read_text(encoding="utf-8")


def test_rotation_by_time(options: OptionParser, logger: logging.Logger, tmp_path: Path) -> None:
    options.log_file_prefix = str(tmp_path / "log")
    options.log_rotate_mode = "time"
    options.log_rotate_when = "H"
    options.log_rotate_interval = 6
    enable_pretty_logging(options, logger)
    handler = logger.handlers[0]
    assert isinstance(handler, logging.handlers.TimedRotatingFileHandler)
    assert (handler.when, handler.interval, handler.backupCount) == ("H", 6 * 3600, 10)
    logger.info("hello")
    handler.doRollover()
    logger.info("again")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("name", "value"), [("log_rotate_mode", "weight"), ("logging", "loud")])
def test_bad_values(options: OptionParser, logger: logging.Logger, tmp_path: Path, name: str, value: str) -> None:
    enable_pretty_logging(options, logger)
    before = logger.handlers[:]
    options.log_file_prefix = str(tmp_path / "log")
    options[name] = value
    with pytest.raises(ValueError, match=value):
        enable_pretty_logging(options, logger)
    assert logger.handlers == before


def test_a_log_file_that_cannot_be_opened(options: OptionParser, logger: logging.Logger, tmp_path: Path) -> None:
    enable_pretty_logging(options, logger)
    before = logger.handlers[:]
    options.log_file_prefix = str(tmp_path / "missing" / "log")
    with pytest.raises(FileNotFoundError):
        enable_pretty_logging(options, logger)
    assert logger.handlers == before


def test_parsing_enables_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(log_module, "enable_pretty_logging", asked.append)
    parser = OptionParser()
    define_logging_options(parser)
    parser.parse_command_line(["program", "--logging=debug"], final=False)
    assert not asked
    parser.parse_command_line(["program"])
    assert asked == [parser]


def test_the_loggers_have_their_names() -> None:
    loggers = (log_module.access_log, log_module.app_log, log_module.gen_log)
    assert [logger.name for logger in loggers] == ["halny.access", "halny.application", "halny.general"]
