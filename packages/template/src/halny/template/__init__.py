"""A fast template engine that compiles to Python, with HTML, URL and JSON escaping."""

from ._version import __version__ as __version__

__all__: list[str] = []
