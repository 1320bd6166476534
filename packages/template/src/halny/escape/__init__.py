"""Escaping and unescaping of HTML, JSON and URLs: `halny.template.escape` under its short name."""

from __future__ import annotations

from halny.template.escape import (
    _unicode as _unicode,  # pyright: ignore[reportPrivateUsage] - other libraries are known to import it
)
from halny.template.escape import (
    json_decode,
    json_encode,
    linkify,
    native_str,
    parse_qs_bytes,
    recursive_unicode,
    squeeze,
    to_basestring,
    to_unicode,
    unicode_type,
    url_escape,
    url_unescape,
    utf8,
    xhtml_escape,
    xhtml_unescape,
)

__all__ = [
    "json_decode",
    "json_encode",
    "linkify",
    "native_str",
    "parse_qs_bytes",
    "recursive_unicode",
    "squeeze",
    "to_basestring",
    "to_unicode",
    "unicode_type",
    "url_escape",
    "url_unescape",
    "utf8",
    "xhtml_escape",
    "xhtml_unescape",
]
