"""Which part of a file a request asks for, and whether it has it already. Values in, decisions out; no I/O."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from halny.http import ByteRange, if_range_matches, parse_byte_ranges, parse_http_date

if TYPE_CHECKING:
    from collections.abc import Mapping


def find_part(
    headers: Mapping[str, str], size: int, etag: str | None, modified: dt.datetime | None
) -> ByteRange | None:
    """Return the part that a request asks for, which is the whole of what makes no sense or more than one part.

    Several parts are answered with the whole, as RFC 9110, section 14.2, allows: few clients ask for them, and
    overlapping ones are a way to make a server work.

    Args:
        headers: the request's headers.
        size: the size of the file in bytes.
        etag: its entity tag.
        modified: when it was changed, in UTC.

    Returns:
        The part, or None where no part that is asked for exists (416).
    """
    whole = ByteRange(0, size)
    value = headers.get("Range")
    if value is None:
        return whole
    condition = headers.get("If-Range")
    if condition is not None:
        seconds = None if modified is None else int(modified.timestamp())
        if not if_range_matches(condition, etag, seconds):
            return whole
    parts = parse_byte_ranges(value, size)
    if parts is None or len(parts) > 1:
        return whole
    return parts[0] if parts else None


def is_unmodified(headers: Mapping[str, str], modified: dt.datetime | None) -> bool:
    """Return whether `If-Modified-Since` says that the client has what was changed then (RFC 9110, section 13.1.3).

    Args:
        headers: the request's headers.
        modified: when the file was changed, in UTC; without a time zone it is taken to be UTC.
    """
    since = headers.get("If-Modified-Since")
    if since is None or modified is None:
        return False
    seconds = parse_http_date(since)
    if seconds is None:
        return False
    if modified.tzinfo is None:
        modified = modified.replace(tzinfo=dt.UTC)
    return seconds >= int(modified.timestamp())
