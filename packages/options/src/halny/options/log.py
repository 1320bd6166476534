"""Logs that are easy to read: `LogFormatter`, and `enable_pretty_logging` to use it.

Halny logs to `halny.access` (one line for each request), `halny.application` (errors in the application's code) and
`halny.general` (everything else), by the `logging` of the standard library. Importing this module changes nothing;
handlers are added only when `enable_pretty_logging` is called, or by `options.parse_command_line()`, which offers
`--logging` and the other options below. `--logging=none` leaves logging alone.
"""

from __future__ import annotations

import importlib
import logging
import logging.handlers
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from ._parser import OptionParser

__all__ = [
    "LogFormatter",
    "access_log",
    "app_log",
    "colorama",
    "define_logging_options",
    "enable_pretty_logging",
    "gen_log",
]

access_log = logging.getLogger("halny.access")
"""One line for each request."""
app_log = logging.getLogger("halny.application")
"""Errors in the application's code."""
gen_log = logging.getLogger("halny.general")
"""Everything else."""


def _colorama() -> ModuleType | None:
    # Only old Windows consoles need it, to understand the colours of all others.
    if os.name != "nt":
        return None
    try:
        return importlib.import_module("colorama")
    except ImportError:
        return None


colorama = _colorama()
"""The module `colorama` on Windows, where it is installed; else `None`."""

LOG_FILE_MAX_SIZE = 100 * 1000 * 1000
"""Bytes in a log file before it is rotated: what an editor still opens."""
LOG_FILE_NUM_BACKUPS = 10
"""Rotated files that are kept: with the size above, a gigabyte and a tenth at most."""

# A log line of a control character that a terminal obeys could hide, or forge, other lines.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class LogFormatter(logging.Formatter):
    """Formats a record as `[I 261120 12:00:00 module:17] message`, in colour where the terminal has it.

    Lines after the first, of the message or of a traceback, are indented, so that each record can be told from the
    next; control characters are shown and not obeyed.
    """

    DEFAULT_FORMAT = "%(color)s[%(levelname)1.1s %(asctime)s %(module)s:%(lineno)d]%(end_color)s %(message)s"
    """The format; `color` and `end_color` are known besides what `logging` knows."""
    DEFAULT_DATE_FORMAT = "%y%m%d %H:%M:%S"
    """The format of `asctime`, as for `time.strftime`."""
    DEFAULT_COLORS: ClassVar[dict[int, int]] = {
        logging.DEBUG: 4,
        logging.INFO: 2,
        logging.WARNING: 3,
        logging.ERROR: 1,
        logging.CRITICAL: 5,
    }
    """Levels, and the number of the ANSI colour of each: blue, green, yellow, red, magenta."""

    def __init__(
        self,
        fmt: str = DEFAULT_FORMAT,
        datefmt: str = DEFAULT_DATE_FORMAT,
        style: Literal["%", "{", "$"] = "%",
        color: bool = True,
        colors: Mapping[int, int] = DEFAULT_COLORS,
    ) -> None:
        """Make a formatter.

        Args:
            fmt: the format.
            datefmt: the format of the time.
            style: how fields are written in `fmt`, as for `logging.Formatter`.
            color: whether to use colour, where `sys.stderr` is a terminal that has it and `NO_COLOR` is not set.
            colors: levels, and the number of the colour of each.
        """
        super().__init__(fmt, datefmt, style)
        codes = dict(colors) if color and _stderr_supports_color() else {}
        self._colors = {level: f"\x1b[3{code}m" for level, code in codes.items()}

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record; of one that can't be formatted, what is known of it.

        Args:
            record: the record.
        """
        try:
            record.message = _visible(_text(record.msg, record))
        except Exception as error:  # noqa: BLE001 - a mistake in a log call must not end what it reports on
            record.message = f"Bad message ({error!r}): {record.__dict__!r}"
        record.asctime = self.formatTime(record, self.datefmt)
        fields: Any = record
        fields.color = self._colors.get(record.levelno, "")
        fields.end_color = "\x1b[0m" if fields.color else ""
        parts = [self.formatMessage(record)]
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            parts.append(_visible(record.exc_text))
        if record.stack_info:
            parts.append(_visible(self.formatStack(record.stack_info)))
        return "\n".join(part.rstrip() for part in parts).replace("\n", "\n    ")


def _text(message: Any, record: logging.LogRecord) -> str:
    if isinstance(message, bytes) and not record.args:
        return message.decode("utf-8", "backslashreplace")
    return record.getMessage()


def _visible(text: str) -> str:
    return text if text.isprintable() else text.translate(_CONTROLS)


def _stderr_supports_color() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    try:
        is_terminal = sys.stderr.isatty()
    except (AttributeError, ValueError):  # None under pythonw, or closed
        return False
    if is_terminal and os.name == "nt":
        if colorama is not None:
            colorama.just_fix_windows_console()
        return colorama is not None or "WT_SESSION" in os.environ
    return is_terminal


_ours: weakref.WeakSet[logging.Handler] = weakref.WeakSet()


def enable_pretty_logging(options: OptionParser | Any = None, logger: logging.Logger | None = None) -> None:
    """Send a logger's records to the terminal or to a file, formatted by `LogFormatter`, as the options say.

    Asking again puts the new handlers in the place of the old ones; handlers that others added stay.

    Args:
        options: where the options of `define_logging_options` are read from; `halny.options.options` by default.
        logger: the logger; the root logger by default.

    Raises:
        ValueError: an option has a value that makes no sense: the fault of the user.
        OSError: the log file can't be opened.
    """
    options = _options(options)
    if options.logging is None or options.logging.lower() == "none":
        return
    level = logging.getLevelNamesMapping().get(options.logging.upper())
    if level is None:
        raise ValueError(f"expected debug, info, warning, error, critical or none as logging, got {options.logging!r}")
    logger = logging.getLogger() if logger is None else logger
    # Before anything is taken away: if the file can't be opened, all stays as it was.
    file_handler = _file_handler(options) if options.log_file_prefix else None
    for handler in [handler for handler in logger.handlers if handler in _ours]:
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)
    if file_handler is not None:
        _add(logger, file_handler, LogFormatter(color=False))
    if options.log_to_stderr or (options.log_to_stderr is None and not logger.handlers):
        _add(logger, logging.StreamHandler(), LogFormatter())


def _add(logger: logging.Logger, handler: logging.Handler, formatter: LogFormatter) -> None:
    handler.setFormatter(formatter)
    _ours.add(handler)
    logger.addHandler(handler)


def _file_handler(options: Any) -> logging.Handler:
    if options.log_rotate_mode == "size":
        return logging.handlers.RotatingFileHandler(
            filename=options.log_file_prefix,
            maxBytes=options.log_file_max_size,
            backupCount=options.log_file_num_backups,
            encoding="utf-8",
        )
    if options.log_rotate_mode == "time":
        return logging.handlers.TimedRotatingFileHandler(
            filename=options.log_file_prefix,
            when=options.log_rotate_when,
            interval=options.log_rotate_interval,
            backupCount=options.log_file_num_backups,
            encoding="utf-8",
        )
    raise ValueError(f"expected 'size' or 'time' as log_rotate_mode, got {options.log_rotate_mode!r}")


def define_logging_options(options: OptionParser | Any = None) -> None:
    """Define the logging options, and have logging set up when the options are parsed.

    `halny.options.options` has them already.

    Args:
        options: the parser to define them in; `halny.options.options` by default.
    """
    options = _options(options)
    for name, default, kind, metavar, text in _OPTIONS:
        options.define(name, default=default, type=kind, metavar=metavar, help=text, group="logging")
    options.add_parse_callback(lambda: enable_pretty_logging(options))


def _options(options: Any) -> Any:
    if options is not None:
        return options
    from . import options as shared

    return shared


_OPTIONS: tuple[tuple[str, Any, type, str | None, str], ...] = (
    (
        "logging",
        "info",
        str,
        "debug|info|warning|error|none",
        "the least level that is logged; 'none' leaves logging alone",
    ),
    (
        "log_to_stderr",
        None,
        bool,
        None,
        "log to stderr, in colour if possible; the default where no other place is set",
    ),
    ("log_file_prefix", None, str, "PATH", "log to this file; rotated files get a suffix. Each process needs its own"),
    ("log_file_max_size", LOG_FILE_MAX_SIZE, int, None, "bytes in a log file before it is rotated"),
    ("log_file_num_backups", LOG_FILE_NUM_BACKUPS, int, None, "rotated files that are kept"),
    ("log_rotate_when", "midnight", str, None, "when to rotate by time: S, M, H, D, W0 to W6, or midnight"),
    ("log_rotate_interval", 1, int, None, "how many of these units to rotate after"),
    ("log_rotate_mode", "size", str, None, "what log files are rotated by: size or time"),
)
