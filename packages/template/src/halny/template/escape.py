r"""Escaping and unescaping of HTML, JSON and URLs, and the way between text and bytes.

Each function takes text or UTF-8 bytes. What is not UTF-8 raises `UnicodeDecodeError`, and what is neither text nor
bytes raises `TypeError`.

    from halny.template import escape

    escape.xhtml_escape("<b>")  # '&lt;b&gt;'
    escape.json_encode("</script>")  # '"<\\/script>"'

`halny.escape` is the same under its short name. The module stands alone and does no I/O.
"""

from __future__ import annotations

import json
import re
from typing import Any, overload
from urllib.parse import parse_qs, quote, quote_plus, unquote_plus, unquote_to_bytes
from urllib.parse import unquote as _unquote

from ._linkify import linkify
from ._text import to_unicode, utf8, xhtml_escape

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

unicode_type = str
"""The type of text, under the name that code for Python 2 and 3 knows."""

native_str = to_unicode
"""`to_unicode`, under a name from the days of Python 2."""

to_basestring = to_unicode
"""`to_unicode`, under a name from the days of Python 2."""

_unicode = to_unicode

# "<!--" and "<script" change how a browser reads the rest of a script, as "</" may end it. In JSON all of them are
# inside strings, where a "<" may be written otherwise.
_SCRIPT = re.compile(r"<(?=!--|script)", re.IGNORECASE)
_BLANKS = re.compile(r"[\x00-\x20]+")

# A reference by number that can't be a character's, or has a long row of zeros before it. The largest character has 7
# decimal or 6 hexadecimal digits; Python refuses to read an integer of thousands of them.
_LONG_REFERENCE = re.compile(r"&#(?:([xX])([0-9a-fA-F]{8,})|([0-9]{8,}));?")


def xhtml_unescape(value: str | bytes) -> str:
    """Replaces the character references of HTML by the characters, by the rules that HTML 5 has for text.

    The reverse of [`xhtml_escape`][halny.template.escape.xhtml_escape]. Never use it to make text safe.

    Args:
        value: Text with references, or its UTF-8 bytes.

    Returns:
        The text. What isn't a reference stays; one to no character becomes U+FFFD.

    Raises:
        TypeError: The value is neither text nor bytes (the caller's fault).
        UnicodeDecodeError: The bytes are not UTF-8.
    """
    import html  # not at the top: it has a table of all names, which few programs need

    text = _text(value)
    if "&#" in text:
        text = _LONG_REFERENCE.sub(_shortened, text)
    return html.unescape(text)


def _shortened(reference: re.Match[str]) -> str:
    digits = (reference[2] or reference[3]).lstrip("0")
    return "\ufffd" if len(digits) > 7 else f"&#{reference[1] or ''}{digits or '0'};"


_encode = json.JSONEncoder().encode


def json_encode(value: Any) -> str:
    """Encodes a value as JSON that is safe inside `<script>` too.

    It is not safe inside an HTML attribute; escape it for that.

    Args:
        value: What `json.dumps` takes: `None`, booleans, numbers, text, and lists, tuples and dictionaries of such.

    Returns:
        ASCII text, in which no `</`, `<!--` or `<script` stands.

    Raises:
        TypeError: The value, or something in it, has no JSON (bytes, for one).
        ValueError: The value contains itself.
    """
    text = _encode(value)
    if "<" in text:
        text = _SCRIPT.sub(r"\\u003c", text.replace("</", "<\\/"))
    return text


def json_decode(value: str | bytes) -> Any:
    """Decodes JSON.

    The reverse of [`json_encode`][halny.template.escape.json_encode].

    Args:
        value: JSON, or its UTF-8 bytes.

    Returns:
        The value.

    Raises:
        json.JSONDecodeError: It is not JSON (a `ValueError`).
        RecursionError: It is too deep.
        TypeError: The value is neither text nor bytes (the caller's fault).
        UnicodeDecodeError: The bytes are not UTF-8.
    """
    return json.loads(_text(value))


def squeeze(value: str) -> str:
    """Makes each run of blanks and control characters a single blank, and strips whitespace from both ends.

    Args:
        value: The text.

    Returns:
        The squeezed text.

    Raises:
        TypeError: The value is not text (the caller's fault).
    """
    return _BLANKS.sub(" ", value).strip()


def url_escape(value: str | bytes, plus: bool = True) -> str:
    """Percent-encodes text for a URL.

    Args:
        value: Text, or bytes of any encoding.
        plus: Whether this is for a query or a form, where a blank becomes `+`; else for a path, where it becomes
            `%20` and `/` stays.

    Returns:
        The encoded text.

    Raises:
        TypeError: The value is neither text nor bytes (the caller's fault).
    """
    return (quote_plus if plus else quote)(_bytes(value))


@overload
def url_unescape(value: str | bytes, encoding: None, plus: bool = True) -> bytes: ...
@overload
def url_unescape(value: str | bytes, encoding: str = "utf-8", plus: bool = True) -> str: ...
def url_unescape(value: str | bytes, encoding: str | None = "utf-8", plus: bool = True) -> str | bytes:
    """Decodes percent-encoded text.

    The reverse of [`url_escape`][halny.template.escape.url_escape].

    Args:
        value: The encoded text, or its UTF-8 bytes.
        encoding: The encoding of the bytes behind it; `None` to get those.
        plus: Whether `+` is a blank, as in a query or a form.

    Returns:
        Text, in which what doesn't fit the encoding is U+FFFD; or bytes if there is no encoding.

    Raises:
        LookupError: There is no such encoding (the caller's fault).
        TypeError: The value is neither text nor bytes (the caller's fault).
        UnicodeDecodeError: The bytes of `value` are not UTF-8. With no encoding they need not be.
    """
    if encoding is None:
        data = _bytes(value)
        return unquote_to_bytes(data.replace(b"+", b" ") if plus else data)
    return (unquote_plus if plus else _unquote)(_text(value), encoding=encoding)


def parse_qs_bytes(
    qs: str | bytes | None,
    keep_blank_values: bool = False,
    strict_parsing: bool = False,
    *,
    max_num_fields: int | None = None,
) -> dict[str, list[bytes]]:
    """Parses a query string or a URL-encoded form, and leaves the values as bytes.

    Names are decoded as Latin-1, which never fails and keeps every byte; in practice they are ASCII.

    Args:
        qs: The query; `None` is an empty one.
        keep_blank_values: Whether names without a value are kept, with an empty one.
        strict_parsing: Whether a field without `=` is an error, instead of being left out.
        max_num_fields: The limit of fields; `None` for no limit. A server that reads what others send should set one.

    Returns:
        The values by their names, in the order of the query.

    Raises:
        TypeError: The query is neither text nor bytes (the caller's fault).
        ValueError: There are too many fields, or one is wrong and parsing is strict.
    """
    if qs is None:
        return {}
    text = _bytes(qs).decode("latin-1")
    fields = parse_qs(
        text, keep_blank_values, strict_parsing, encoding="latin-1", errors="strict", max_num_fields=max_num_fields
    )
    return {name: [value.encode("latin-1") for value in values] for name, values in fields.items()}


def recursive_unicode(obj: Any) -> Any:
    """Decodes all bytes in a structure of lists, tuples and dictionaries.

    Args:
        obj: The structure; other objects in it are left as they are.

    Returns:
        A structure of the same form with text for bytes.

    Raises:
        UnicodeDecodeError: Some of the bytes are not UTF-8.
    """
    items: Any = obj
    if isinstance(obj, dict):
        return {recursive_unicode(key): recursive_unicode(value) for key, value in items.items()}
    if isinstance(obj, list):
        return [recursive_unicode(item) for item in items]
    if isinstance(obj, tuple):
        return tuple(recursive_unicode(item) for item in items)
    return to_unicode(obj) if isinstance(obj, bytes) else obj


def _text(value: str | bytes) -> str:
    if value is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise TypeError("expected str or bytes, not NoneType")
    return to_unicode(value)


def _bytes(value: str | bytes) -> bytes:
    if value is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise TypeError("expected str or bytes, not NoneType")
    return utf8(value)
