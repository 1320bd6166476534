"""Entity tags and the conditions that they are used in (RFC 9110 §8.8.3, §13.1)."""

from __future__ import annotations

import re

from ._dates import parse_http_date

_TAG = r'(?:W/)?"[!\x23-\x7e\x80-\xff]*"'
_ETAG = re.compile(_TAG).fullmatch
_LIST = re.compile(rf"[ \t,]*+(?:({_TAG})[ \t]*+(?:,|\Z))")


def is_etag(text: str) -> bool:
    """Tell whether `text` is an entity tag, weak or strong: `"abc"` or `W/"abc"`."""
    return _ETAG(text) is not None


def parse_etags(value: str) -> list[str] | None:
    """Read the list of an `If-None-Match` or `If-Match` field, in linear time (RFC 9110 §13.1.2).

    Args:
        value: the value of the field; not `*`, which is no list.

    Returns:
        The tags as they were written, or None if the field is malformed, and then must be ignored.
    """
    tags: list[str] = []
    position, end = 0, len(value.rstrip(" \t,"))
    while position < end:
        match = _LIST.match(value, position)
        if match is None:
            return None
        tags.append(match[1])
        position = match.end()
    return tags


def etag_matches(value: str, etag: str, *, strong: bool = False) -> bool:
    """Tell whether an `If-None-Match` (weak) or `If-Match` (strong) field names this tag (RFC 9110 §13.1.1, §13.1.2).

    Args:
        value: the value of the field; `*` matches any tag.
        etag: the tag of the representation at hand, with its quotes.
        strong: compare strongly: weak tags match nothing, as `If-Match` asks for (RFC 9110 §8.8.3.2).

    Returns:
        Whether it does; a malformed field matches nothing.
    """
    if value.strip(" \t") == "*":
        return True
    if strong:
        return not etag.startswith("W/") and etag in (parse_etags(value) or ())
    opaque = etag.removeprefix("W/")
    return any(tag.removeprefix("W/") == opaque for tag in parse_etags(value) or ())


def if_range_matches(value: str, etag: str | None, last_modified: int | None) -> bool:
    """Tell whether an `If-Range` field lets the request's `Range` apply (RFC 9110 §13.1.5).

    Args:
        value: the value of the field: a tag, compared strongly, or a date, compared exactly.
        etag: the tag of the representation, with its quotes, if it has one.
        last_modified: when it was last modified, in seconds since 1970, if that is known.

    Returns:
        Whether it does; if not, the whole representation is the answer.
    """
    if '"' in value:
        return etag is not None and not etag.startswith("W/") and value == etag
    return last_modified is not None and parse_http_date(value) == last_modified
