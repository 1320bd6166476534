"""What happens to the whitespace of a template's text, in one of three modes."""

from __future__ import annotations

import re
from typing import Final

MODES: Final = ("all", "single", "oneline")

_SINGLE = re.compile(r"[ \t]+")
_NEWLINE = re.compile(r"\s+")


def filter_whitespace(mode: str, text: str) -> str:
    """Rewrites the whitespace of a text.

    Args:
        mode: `all` leaves it alone; `single` makes each run of blanks and tabs a single blank, and each run of
            whitespace with a line end in it a single line end; `oneline` makes each run of whitespace a single blank.
        text: The text.

    Returns:
        The rewritten text.

    Raises:
        ValueError: There is no such mode (the caller's fault).
    """
    if mode == "all":
        return text
    if mode == "single":
        if "\n" in text:
            text = _NEWLINE.sub(_one_newline, text)
        return _SINGLE.sub(" ", text)
    if mode == "oneline":
        return _NEWLINE.sub(" ", text)
    raise ValueError(f"expected a whitespace mode of {', '.join(MODES)}, not {mode!r}")


def _one_newline(run: re.Match[str]) -> str:
    return "\n" if "\n" in run[0] else run[0]


def default_mode(name: str) -> str:
    """The mode of a template that says nothing: whitespace means little in HTML and JavaScript, and much elsewhere."""
    return "single" if name.endswith((".html", ".js")) else "all"
