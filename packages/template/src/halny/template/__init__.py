"""A fast template engine that compiles to Python, with HTML, URL and JSON escaping.

    from halny.template import Template

    page = Template("<ul>{% for name in names %}<li>{{ name }}</li>{% end %}</ul>")
    page.generate(names=["Ada", "<Grace>"])  # b'<ul><li>Ada</li><li>&lt;Grace&gt;</li></ul>'

Templates are programs, with the rights of the program that renders them. Values are escaped for HTML unless a
template or its loader says otherwise.

The way of a template: tokens (`_tokens`) → nodes (`_parse`) → one page with all that it extends and includes
(`_resolve`) → Python's syntax tree (`_emit`) → code (`_compile`) → `Template`. Each stage knows only the one before it.
Importing this package loads neither asyncio nor ssl.
"""

from __future__ import annotations

from ._errors import ParseError, TemplateNotFound
from ._loaders import BaseLoader, ChainLoader, DictLoader, Loader, PackageLoader, TemplateText
from ._template import Template
from ._version import __version__ as __version__
from ._whitespace import filter_whitespace

__all__ = [
    "BaseLoader",
    "ChainLoader",
    "DictLoader",
    "Loader",
    "PackageLoader",
    "ParseError",
    "Template",
    "TemplateNotFound",
    "TemplateText",
    "filter_whitespace",
]

# Tracebacks and pickles name an exception by the module that it is imported from, not by the private one that it is in.
for _exception in (ParseError, TemplateNotFound):
    _exception.__module__ = __name__
