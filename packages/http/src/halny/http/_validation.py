"""Is this text what HTTP's grammar allows here?

Each check is one pass of a compiled pattern or a few built-in calls, linear in the text, and answers for a single
thing: a token, a field value, a reason phrase, a host. They never repair: what does not match is refused by whoever
asked. Nothing here knows where the text came from or what answers a refusal.
"""

from __future__ import annotations

import re

from ._exceptions import HTTPInputError

HTTP_WHITESPACE = " \t"
"""The whitespace of HTTP's grammar (RFC 9110 §5.6.3). A bare `str.strip()` takes off more: NBSP
and NEL for instance, which to the peer may be parts of UTF-8 sequences."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_TOKEN_BYTES = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch

# Everything but HTAB, SP, VCHAR and obs-text: what could end a line, end a string in C, or hide from a reader of
# logs.
_NO_FIELD_CHAR = re.compile(r"[^\t\x20-\x7e\x80-\xff]").search
_NO_FIELD_BYTE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search

# RFC 3986 §3.2.2 `reg-name` (IPv4 addresses look the same) without the comma, which in a Host field is two hosts
# joined.
_REG_NAME = re.compile(r"(?:[A-Za-z0-9._~\-]++|%[0-9A-Fa-f]{2}|[!$&'()*+;=])++").fullmatch
_IPV_FUTURE = re.compile(r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:\-]+").fullmatch
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}").fullmatch
_HEX_GROUP = re.compile(r"[0-9A-Fa-f]{1,4}").fullmatch

_COMMON_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]{1,5})?").fullmatch
_MAX_PORT = 65535


def is_token(text: str | bytes) -> bool:
    """Tell whether `text` is a token: a method, a field name, a parameter's name (RFC 9110 §5.6.2)."""
    if isinstance(text, str):
        return _TOKEN(text) is not None
    return _TOKEN_BYTES(text) is not None


def is_field_value(text: str | bytes) -> bool:
    """Tell whether `text` may be the value of a header field (RFC 9110 §5.5).

    No control character but the tab passes, so neither does a line end; nor does a character beyond Latin-1, which
    has no byte to be sent as. Whitespace around the value is left for the caller to judge.
    """
    if isinstance(text, str):
        return _NO_FIELD_CHAR(text) is None
    return _NO_FIELD_BYTE(text) is None


def is_reason_phrase(text: str) -> bool:
    """Tell whether `text` may stand behind the status code (RFC 9112 §4); the empty one may."""
    return _NO_FIELD_CHAR(text) is None


def is_valid_host(value: str) -> bool:
    """Tell whether `value` may be the value of a `Host` field: a host and perhaps a port (RFC 9110 §7.2).

    An empty value is legal in a request whose target has no authority; that is for the caller to know, here it is
    False.
    """
    if _COMMON_HOST(value) is not None:
        _, colon, port = value.partition(":")
        return not colon or int(port) <= _MAX_PORT
    try:
        parse_host(value)
    except HTTPInputError:
        return False
    return True


def has_port(value: str) -> bool:
    """Tell whether `value` is a host and a port, as the target of CONNECT must be (RFC 9110 §9.3.6)."""
    try:
        return parse_host(value)[1] is not None
    except HTTPInputError:
        return False


def parse_host(value: str) -> tuple[str, int | None]:
    """Split `host[:port]` as a `Host` field carries it, and check both (RFC 9110 §7.2, RFC 3986 §3.2.2).

    Unlike [`split_host_and_port`][halny.http.split_host_and_port], which takes whatever it gets, this is for what a
    peer sent: user information, a second host behind a comma, a zone identifier, or a port that isn't one are
    refused.

    Args:
        value: the field's value, without surrounding whitespace.

    Returns:
        The host as it was written, an IPv6 address in its brackets, and the port, or None where there is none.

    Raises:
        HTTPInputError: the value is not a host and port; the peer's fault.
    """
    if value.startswith("["):
        address, bracket, rest = value[1:].partition("]")
        valid = bool(bracket) and (_is_ipv6(address) or _IPV_FUTURE(address) is not None)
        host, valid = value[: len(address) + 2], valid and (not rest or rest.startswith(":"))
        port = rest[1:]
    else:
        host, _, port = value.partition(":")
        valid = _REG_NAME(host) is not None
    if port and not (len(port) <= 5 and port.isascii() and port.isdigit() and int(port) <= _MAX_PORT):
        valid = False
    if not valid:
        raise HTTPInputError(f"invalid host {value[:100]!r}")
    return host, int(port) if port else None


def _is_ipv6(address: str) -> bool:
    """Check the text form of RFC 4291 §2.2; an address may end in an IPv4 one, and has no zone."""
    if address.count("::") > 1 or ":::" in address or len(address) > 45:
        return False
    left, gap, right = address.partition("::")
    groups = [*(left.split(":") if left else ()), *(right.split(":") if right else ())]
    if not groups:
        return bool(gap)
    size = len(groups)
    if "." in groups[-1] and not address.endswith(":"):
        if _IPV4(groups.pop()) is None:
            return False
        size += 1
    if not all(map(_HEX_GROUP, groups)):
        return False
    return size < 8 if gap else size == 8
