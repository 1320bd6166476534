"""Text and bytes, and text made safe for HTML: what both the engine and `halny.template.escape` stand on.

`escape_text` is the one function that every escaped value of every page goes through. It is chosen once, when the
module is imported: `markupsafe`'s C function when the `speedups` extra is installed and gives exactly the text that
the pure one gives, else the pure one. `HALNY_TEMPLATE_PURE=1` in the environment keeps the pure one.

Nothing here knows of templates.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Callable

_SAMPLE = "a&b<c>d\"e'f&#34;é€\U0001f600"


@overload
def utf8(value: str | bytes) -> bytes: ...
@overload
def utf8(value: None) -> None: ...
def utf8(value: str | bytes | None) -> bytes | None:
    """Encodes text to UTF-8; bytes and `None` come back as they are.

    The reverse of [`to_unicode`][halny.template.escape.to_unicode].

    Args:
        value: Text to encode, or bytes that are taken as they are.

    Returns:
        The bytes.

    Raises:
        TypeError: The value is something else (the caller's fault).
        UnicodeEncodeError: The text holds a lone surrogate.
    """
    if isinstance(value, bytes) or value is None:
        return value
    if isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        return value.encode()
    raise TypeError(f"expected str, bytes or None, not {type(value).__name__}")


@overload
def to_unicode(value: str | bytes) -> str: ...
@overload
def to_unicode(value: None) -> None: ...
def to_unicode(value: str | bytes | None) -> str | None:
    """Decodes UTF-8 to text; text and `None` come back as they are.

    The reverse of [`utf8`][halny.template.escape.utf8].

    Args:
        value: Bytes to decode, or text that is taken as it is.

    Returns:
        The text.

    Raises:
        TypeError: The value is something else (the caller's fault).
        UnicodeDecodeError: The bytes are not UTF-8.
    """
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        return value.decode()
    raise TypeError(f"expected str, bytes or None, not {type(value).__name__}")


def plain_text(value: str) -> str:
    """The characters of a `str` as an exact `str`: what a subclass makes of `__str__` is not asked."""
    return value if type(value) is str else str.__str__(value)


def escape_text_pure(text: str) -> str:
    """The escaping itself. Looking before replacing is cheaper, since most text has nothing to replace."""
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if '"' in text:
        text = text.replace('"', "&quot;")
    if "'" in text:
        text = text.replace("'", "&#x27;")
    return text


def markupsafe_escape_text() -> Callable[[str], str] | None:
    """`escape_text` over markupsafe's C function, or `None` when it isn't there or behaves otherwise.

    The public `markupsafe.escape` makes a `Markup` of every result, which costs more than the escaping. The function
    below it is private, so it is tried on a sample first.
    """
    try:
        from markupsafe._speedups import (  # type: ignore[import-not-found,unused-ignore] # pyright: ignore
            _escape_inner,  # pyright: ignore
        )
    except ImportError:
        return None
    inner: Callable[[str], str] = _escape_inner  # pyright: ignore[reportUnknownVariableType]

    def escape_text(text: str) -> str:
        escaped = inner(text)
        # markupsafe spells the quotes as numbers; its own output has no other "&#" (an "&" of the text is "&amp;").
        if escaped is not text and "&#3" in escaped:
            escaped = escaped.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
        return escaped

    return escape_text if escape_text(_SAMPLE) == escape_text_pure(_SAMPLE) else None


def _choose() -> Callable[[str], str]:
    if os.environ.get("HALNY_TEMPLATE_PURE", "") not in {"", "0"}:
        return escape_text_pure
    return markupsafe_escape_text() or escape_text_pure


escape_text: Callable[[str], str] = _choose()


def xhtml_escape(value: str | bytes) -> str:
    """Makes text safe inside HTML and XML: in elements and in attributes with either kind of quotes.

    Replaces `&`, `<`, `>`, `"` and `'` by references. It does not make text safe inside `<script>`, `<style>` or
    an attribute without quotes; for data inside `<script>` use
    [`json_encode`][halny.template.escape.json_encode].

    Args:
        value: Text, or its UTF-8 bytes.

    Returns:
        The escaped text.

    Raises:
        TypeError: The value is neither text nor bytes (the caller's fault).
        UnicodeDecodeError: The bytes are not UTF-8.
    """
    if isinstance(value, str):
        return escape_text(plain_text(value))
    if isinstance(value, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        return escape_text(bytes.decode(value))
    raise TypeError(f"expected str or bytes, not {type(value).__name__}")
