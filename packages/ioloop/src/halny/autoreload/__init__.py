"""Restarts on changes, under the short name that users know: everything here is `halny.ioloop.autoreload`."""

from halny.ioloop.autoreload import (
    add_reload_hook,
    gen_log,
    main,
    start,
    wait,
    watch,
)

__all__ = [
    "add_reload_hook",
    "gen_log",
    "main",
    "start",
    "wait",
    "watch",
]
