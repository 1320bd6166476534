"""Readable logs, under the short name that users know: everything here is `halny.options.log`."""

from halny.options.log import (
    LogFormatter,
    access_log,
    app_log,
    colorama,
    define_logging_options,
    enable_pretty_logging,
    gen_log,
)

__all__ = [
    "LogFormatter",
    "access_log",
    "app_log",
    "colorama",
    "define_logging_options",
    "enable_pretty_logging",
    "gen_log",
]
