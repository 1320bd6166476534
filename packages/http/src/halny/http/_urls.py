"""What stands in URLs: percent-encoding, query strings, hosts with ports, credentials.

Query strings and urlencoded bodies are the same thing, read by one function, `parse_arguments`. It runs for every
request, so it stays with built-in functions, one pass each, and decodes only what is encoded. Names become text
through Latin-1, which loses nothing, and values stay bytes, for the application knows their encoding.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ._exceptions import HTTPInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_ARGUMENTS = 1000
"""Arguments in one query string or form: more than any page has, few enough that a body of `&` costs nothing."""

# A whole run of escapes at a time, as multi-byte characters come: two to four times as fast as urllib's, and never
# slow.
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})++")


def percent_decode(text: str | bytes) -> bytes:
    """Undo percent-encoding (RFC 3986 §2.1), in linear time; a `+` stays a `+`.

    A `%` that two hexadecimal digits don't follow stays as it is, as browsers do.

    Args:
        text: what may hold escapes; text must be Latin-1, as a request's target is.

    Returns:
        The bytes that were meant.
    """
    data = text.encode("latin-1") if isinstance(text, str) else text
    return _ESCAPES.sub(_decode_run, data) if b"%" in data else data


def parse_arguments(
    query: str | bytes, *, keep_blank_values: bool = True, max_arguments: int = MAX_ARGUMENTS
) -> dict[str, list[bytes]]:
    """Read a query string or an `application/x-www-form-urlencoded` body, in linear time.

    Only `&` separates arguments; a `;` is part of a value (see the URL standard of the WHATWG, and CVE-2020-28476).

    Args:
        query: what follows the `?`, or the body; text must be Latin-1, as a request's target is.
        keep_blank_values: whether arguments with an empty value count.
        max_arguments: how many there may be, empty ones between two `&` counted.

    Returns:
        Values by name, in the order of their first appearance. Names are decoded as Latin-1 and values are bytes.

    Raises:
        HTTPInputError: there are more arguments than allowed; the peer's fault.
    """
    result: dict[str, list[bytes]] = {}
    if not query:
        return result
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    if text.count("&") >= max_arguments:
        raise HTTPInputError(f"more than {max_arguments} arguments")
    if "+" in text:
        text = text.replace("+", " ")
    escaped = "%" in text
    if escaped and not ("%26" in text or "%3D" in text or "%3d" in text):
        # With no separator among what is escaped, one pass over all of it does.
        text, escaped = _decode(text), False
    for pair in text.split("&"):
        name, equals, content = pair.partition("=")
        if not content and not (keep_blank_values and (name or equals)):
            continue
        if escaped:
            name, content = _decode(name), _decode(content)
        value = content.encode("latin-1")
        if name in result:
            result[name].append(value)
        else:
            result[name] = [value]
    return result


def url_concat(url: str, args: dict[str, Any] | list[tuple[str, Any]] | tuple[tuple[str, Any], ...] | None) -> str:
    """Add query arguments to a URL, whether it has a query already or not.

    >>> url_concat("http://example.com/foo?a=b", [("c", "d"), ("c", "d2")])
    'http://example.com/foo?a=b&c=d&c=d2'

    The query that is there is written anew in its normal form; escaped bytes that are not UTF-8 survive it.

    Args:
        url: the URL; its fragment stays at the end.
        args: names and values, as a dictionary or as pairs where a name may come twice. None adds nothing and
            leaves the URL as it is. What is neither text nor bytes goes through `str`.

    Returns:
        The new URL.

    Raises:
        TypeError: `args` is something else.
        ValueError: the URL's host is malformed.
    """
    if args is None:
        return url
    scheme, netloc, path, query, fragment = urlsplit(url)
    present = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    query = urlencode([*present, *_pairs(args)], errors="surrogateescape")
    return urlunsplit((scheme, netloc, path, query, fragment))


def split_host_and_port(netloc: str) -> tuple[str, int | None]:
    """Split `host:port`; the port is None where there is none.

    It takes what it gets: what doesn't end in a colon and a port of one to five ASCII digits below 65536 has no port,
    nor has an IPv6 address without brackets. To check what a peer sent, use
    [`parse_host`][halny.http.parse_host].

    Args:
        netloc: a URL's authority without user information, such as `example.com:80` or `[::1]:80`.

    Returns:
        The host, an IPv6 address still in brackets, and the port.
    """
    host, _, port = netloc.rpartition(":")
    if not host or len(port) > 5 or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        return netloc, None
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        return netloc, None
    return host, int(port)


def qs_to_qsl(qs: Mapping[str, Iterable[bytes]]) -> Iterator[tuple[str, bytes]]:
    """Turn arguments as `parse_arguments` and `request.arguments` hold them into pairs, one for each value.

    Args:
        qs: lists of values by name.

    Yields:
        Name and value.
    """
    for name, values in qs.items():
        for value in values:
            yield name, value


def encode_username_password(username: str | bytes, password: str | bytes) -> bytes:
    """Make `username:password` for HTTP authentication, in UTF-8 and normal form C (RFC 7617).

    Args:
        username: text, or bytes that are taken as they are; without a colon.
        password: likewise; colons are allowed.

    Returns:
        The two joined by a colon, not yet in Base64.

    Raises:
        ValueError: the user name has a colon, which would move the border between the two (RFC 7617 §2).
    """
    name = _normalized(username)
    if b":" in name:
        raise ValueError("a user name for HTTP authentication can't contain a colon")
    return name + b":" + _normalized(password)


def _pairs(args: object) -> list[tuple[str, Any]]:
    if isinstance(args, dict):
        return list(cast("dict[str, Any]", args).items())
    if isinstance(args, (list, tuple)):
        return list(cast("list[tuple[str, Any]]", args))
    raise TypeError(f"'args' parameter should be dict, list or tuple, not {type(args)}")


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    return _ESCAPES.sub(_decode_run, text.encode("latin-1")).decode("latin-1")


def _decode_run(match: re.Match[bytes]) -> bytes:
    return unhexlify(match[0].replace(b"%", b""))


def _normalized(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    if not text.isascii():
        import unicodedata  # only for names beyond ASCII, and large

        text = unicodedata.normalize("NFC", text)
    return text.encode("utf-8")
