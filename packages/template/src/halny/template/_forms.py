"""The forms in which a page is compiled: a light module, for what needs their names before any template is compiled."""

from __future__ import annotations

from typing import NamedTuple


class Form(NamedTuple):
    """What a page is compiled for."""

    awaits: bool = False
    """As a coroutine."""
    streams: bool = False
    """In chunks."""
    fast: bool = True
    """With the engine's own escape function behind its names."""
