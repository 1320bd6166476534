"""Parameters of header fields: `form-data; name="a;b"; filename*=UTF-8''%e2%82%ac` (RFC 9110 §5.6.6, RFC 8187).

A field's value is cut at the semicolons outside of quotes by one possessive pattern that never looks back, so that no
input takes more than linear time. The lenient reading is for what applications show or negotiate; the strict one is
for what decides how a body is cut, where two readings of one value would be a hole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ._exceptions import HTTPInputError
from ._urls import percent_decode
from ._validation import HTTP_WHITESPACE, is_field_value, is_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SEGMENTS = re.compile(r'(?:\A|;)((?:[^;"]++|"(?:[^"\\]++|\\.)*+"?)*+)', re.DOTALL).finditer
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL).fullmatch
# Only these two are escaped in practice. Browsers send a backslash in a file's name as it is (WHATWG form data), so
# that `"C:\dir\file"` must keep the others.
_ESCAPED = re.compile(r'\\([\\"])')

# RFC 8187 asks for UTF-8 alone; these two are what else is seen. Python knows codecs that are slow or not text at
# all.
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1", "us-ascii": "ascii"}


def split_header_parameters(text: str) -> Iterator[str]:
    """Cut parameters at the semicolons outside of quoted strings, in linear time.

    Args:
        text: the parameters with their leading semicolon, such as `;a=b;c="d;e"`; what comes before it is skipped.

    Yields:
        Each parameter, without whitespace around it.
    """
    segments = _segments(text)
    next(segments)
    yield from segments


def parse_header_parameters(line: str, *, strict: bool = False) -> tuple[str, dict[str, str]]:
    r"""Read a field's value with its parameters.

    >>> parse_header_parameters('form-data; name="a;b"; filename=x')
    ('form-data', {'name': 'a;b', 'filename': 'x'})

    Parameter names are in lower case. A parameter without `=` is left out. Within quotes, `\\` and `\"` are
    unescaped. `name*=` is decoded as RFC 8187 says and wins over `name=`.

    Args:
        line: the field's value.
        strict: refuse what two readers may read differently: a parameter that comes twice, a string without its closing
            quote or with something behind it, an extended value that can't be decoded. Otherwise the last one
            of a name counts, odd quotes stay in the value, and what can't be decoded is left out.

    Returns:
        The value before the first semicolon, and the parameters.

    Raises:
        HTTPInputError: only if `strict`; the peer's fault.
    """
    params: dict[str, str] = {}
    if ";" not in line:
        return line.strip(HTTP_WHITESPACE), params
    extended: dict[str, str] = {}
    segments = _segments(line)
    key = next(segments)
    for parameter in segments:
        name, equals, value = parameter.partition("=")
        if not equals:
            continue
        name = name.rstrip(HTTP_WHITESPACE).lower()
        value = _unquoted(value.lstrip(HTTP_WHITESPACE), strict=strict)
        target = extended if name.endswith("*") else params
        if strict and name in target:
            raise HTTPInputError(f"the parameter {name[:50]!r} comes twice")
        target[name] = value
    for name, value in extended.items():
        decoded = _decode_extended(value)
        if decoded is not None:
            params[name[:-1]] = decoded
        elif strict:
            raise HTTPInputError(f"the parameter {name[:50]!r} is not an extended value of a known charset")
    return key, params


def encode_header_parameters(key: str, params: Mapping[str, object | None]) -> str:
    """Write a field's value with parameters: the reverse of `parse_header_parameters`.

    >>> encode_header_parameters("permessage-deflate", {"server_max_window_bits": 15, "no_context": None})
    'permessage-deflate; server_max_window_bits=15; no_context'

    Args:
        key: what comes first.
        params: values by name, in this order; None is a name alone, and what is no token is quoted.

    Returns:
        The field's value.

    Raises:
        ValueError: a name is not a token, or the key or a value can't stand in a field; the caller's fault.
    """
    if not is_field_value(key):
        raise ValueError(f"the value {key!r} can't stand in a header field")
    parts = [key]
    for name, value in params.items():
        if not is_token(name):
            raise ValueError(f"the parameter name {name!r} is not a token")
        if value is None:
            parts.append(name)
            continue
        text = str(value)
        if not is_token(text):
            if not is_field_value(text):
                raise ValueError(f"the parameter {name!r} has a value that can't stand in a header field: {text!r}")
            text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        parts.append(f"{name}={text}")
    return "; ".join(parts)


def _segments(text: str) -> Iterator[str]:
    if '"' not in text:
        for segment in text.split(";"):
            yield segment.strip(HTTP_WHITESPACE)
        return
    for match in _SEGMENTS(text):
        yield match[1].strip(HTTP_WHITESPACE)


def _unquoted(value: str, *, strict: bool) -> str:
    if '"' not in value:
        return value
    if _QUOTED(value) is None:
        if strict:
            raise HTTPInputError("a parameter has quotes that don't enclose its value")
        return value
    return _ESCAPED.sub(r"\1", value[1:-1]) if "\\" in value else value[1:-1]


def _decode_extended(value: str) -> str | None:
    """Decode `charset'language'value-chars` (RFC 8187 §3.2); None if it can't be."""
    charset, quote, rest = value.partition("'")
    _, second_quote, encoded = rest.partition("'")
    codec = _CHARSETS.get(charset.lower())
    if not (quote and second_quote and codec):
        return None
    try:
        return percent_decode(encoded).decode(codec)
    except (UnicodeDecodeError, UnicodeEncodeError):
        return None
