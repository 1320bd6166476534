"""HTTP without I/O: headers, messages, cookies, forms, multipart bodies, HTTP/1.1 reading and writing."""

from ._version import __version__ as __version__

__all__: list[str] = []
