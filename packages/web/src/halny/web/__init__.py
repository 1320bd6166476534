"""The Halny web framework: applications, request handlers and routing."""

from ._version import __version__ as __version__

__all__: list[str] = []
