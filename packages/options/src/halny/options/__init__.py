"""Typed command-line and configuration-file options, and readable coloured logs."""

from ._version import __version__ as __version__

__all__: list[str] = []
