"""The text of `--help`: the options of each group in two columns that fit the terminal."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._option import Option

LEFT_COLUMN = 33
"""The width of the left column: what most names fit in, with room for the text beside it in 80 columns."""
NARROWEST = 40
"""The width of a terminal below which nothing is gained by folding further."""


def format_help(program: str, options: Iterable[Option], width: int | None = None) -> str:
    """Return the help text.

    Args:
        program: the program's name.
        options: its options.
        width: the terminal's width; `None` to ask the terminal.
    """
    if width is None:
        width = shutil.get_terminal_size().columns
    width = max(width, NARROWEST)
    lines = [f"Usage: {program} [OPTIONS]", "", "Options:", ""]
    groups: dict[str, list[Option]] = {}
    for option in options:
        groups.setdefault(option.group_name or "", []).append(option)
    for name, members in sorted(groups.items()):
        if name:
            lines += ["", f"{name} options:", ""]
        for option in sorted(members, key=lambda member: member.name):
            lines += _format_option(option, width)
    return "\n".join([*lines, ""])


def _format_option(option: Option, width: int) -> list[str]:
    left = f"  --{option.name.replace('_', '-')}" + (f"={option.metavar}" if option.metavar else "")
    text = option.help or ""
    if option.default not in (None, "", []):
        text = f"{text} (default {option.default})".strip()
    column = min(LEFT_COLUMN, width // 2)
    folded = textwrap.wrap(text, width - column)
    if not folded:
        return [left]
    if len(left) >= column:
        return [left, *(" " * column + line for line in folded)]
    return [left.ljust(column) + folded[0], *(" " * column + line for line in folded[1:])]
