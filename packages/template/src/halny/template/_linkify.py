"""`linkify`: text with URLs in it becomes HTML with links.

The text is escaped first, so an entity (`&amp;`, `&quot;`) is one unit of a URL and any other `&` ends it. A
candidate is found by what every URL has: `:/` with the name of a protocol before it, or `www.` at the beginning of a
word. From there the URL goes on over units, and over round brackets that are closed again. Punctuation at its end is
left out.

Linear in time, whatever the text. A scan goes on after the URL that it found, and what it has looked at beyond that is
punctuation, which holds no candidate, or one pair of brackets that did not close, which the next scan stops at as
well. The names of protocols are looked for backwards from `:/`, which no name contains.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ._text import xhtml_escape

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

PERMITTED_PROTOCOLS: Final = ("http", "https")
"""The protocols that become links. `javascript:` would be a way to run a script."""

SHORT: Final = 30
"""A longer URL is shown shortened, when that is asked for."""

_SHORT_PART: Final = 8
"""The number of characters of the path that are then shown."""

_SHORT_HOST: Final = 45
"""What is longer even without the rest of its path is cut at `SHORT`: half a host says more than none."""

_CANDIDATE = re.compile(r":/|www\.")
_LAST_OF_WORD = re.compile(r"\w")
_PLAIN = re.compile(r"(?:[^\s&()]|&(?:amp|quot);)*")
_LAST_OF_NAME = re.compile(r"[\w-]")
_TRAILING = frozenset("!\"#$%&'*+,.:;<=>?@[]^`{|}~")
_ENTITIES = ("&amp;", "&quot;")
_CUT_ENTITY = re.compile(r"&[a-z]*\Z")
_PREFIX = re.compile(r"[\w-]+:/{1,3}")


def linkify(
    text: str | bytes,
    shorten: bool = False,
    extra_params: str | Callable[[str], str] = "",
    require_protocol: bool = False,
    permitted_protocols: Collection[str] = PERMITTED_PROTOCOLS,
) -> str:
    """Escapes text for HTML and makes links of the URLs in it.

    Args:
        text: The text, or its UTF-8 bytes. It must not be escaped already.
        shorten: Whether long URLs are shown shortened, with the whole one as the link's title.
        extra_params: More attributes of each link, such as `rel="nofollow"`; or a function that is given the URL,
            escaped, and returns them. They are put in as they are.
        require_protocol: Whether `www.example.com`, without a protocol, stays text.
        permitted_protocols: The protocols that become links.

    Returns:
        HTML.

    Raises:
        TypeError: The text is neither text nor bytes (the caller's fault).
        UnicodeDecodeError: The bytes are not UTF-8.
    """
    if not callable(extra_params):
        fixed = extra_params.strip()
        extra_params = _constant(fixed)
    escaped = xhtml_escape(text)
    out: list[str] = []
    done = position = 0
    while candidate := _CANDIDATE.search(escaped, position):
        start, protocol, end = _find(escaped, candidate, done)
        position = max(end, candidate.end())
        if end < 0 or (require_protocol and not protocol) or (protocol and protocol not in permitted_protocols):
            continue
        url = escaped[start:end]
        out += (escaped[done:start], _link(url, protocol, shorten, extra_params))
        done = end
    out.append(escaped[done:])
    return "".join(out)


def _constant(value: str) -> Callable[[str], str]:
    return lambda _url: value


def _find(text: str, candidate: re.Match[str], done: int) -> tuple[int, str, int]:
    """Where a candidate's URL begins, its protocol, and where it ends; the end is -1 if there is none."""
    at = candidate.start()
    if candidate[0] == ":/":
        start = at
        while start > done and _LAST_OF_NAME.match(text, start - 1):
            start -= 1
        while start < at and text[start] == "-":
            start += 1
        return start, text[start:at], _end(text, candidate.end()) if start < at else -1
    if at > 0 and _LAST_OF_WORD.match(text, at - 1):
        return at, "", -1
    return at, "", _end(text, candidate.end())


def _end(text: str, start: int) -> int:
    """Where the URL ends whose units begin at an offset; -1 if it has none."""
    end, position = -1, start
    while True:
        # Plain units up to a bracket, a blank, or the end. Punctuation before a bracket ends the URL too.
        match = _PLAIN.match(text, position)
        assert match is not None
        trimmed = _trim(text, position, match.end())
        if trimmed > position:
            end = trimmed
        position = match.end()
        if trimmed < position or not text.startswith("(", position):
            return end
        inner = _PLAIN.match(text, position + 1)
        assert inner is not None
        if not text.startswith(")", inner.end()):
            return end
        position = end = inner.end() + 1


def _trim(text: str, start: int, end: int) -> int:
    """The end of plain units without the punctuation at their end."""
    while end > start:
        for entity in _ENTITIES:
            if text.endswith(entity, start, end):
                end -= len(entity)
                break
        else:
            if text[end - 1] not in _TRAILING:
                break
            end -= 1
    return end


def _link(url: str, protocol: str, shorten: bool, extra_params: Callable[[str], str]) -> str:
    href = url if protocol else "http://" + url
    params = extra_params(href)
    params = f" {params.strip()}" if params else ""
    shown = _shortened(url, protocol) if shorten else url
    if shown != url:
        params += f' title="{href}"'
    return f'<a href="{href}"{params}>{shown}</a>'


def _shortened(url: str, protocol: str) -> str:
    """A URL's host and the beginning of its path, if that is shorter than the URL."""
    if len(url) <= SHORT:
        return url
    prefix = _PREFIX.match(url) if protocol else None
    at = prefix.end() if prefix else 0
    host, slash, path = url[at:].partition("/")
    part = path.partition("/")[0][:_SHORT_PART].partition("?")[0].partition(".")[0]
    shown = _CUT_ENTITY.sub("", url[:at] + host + slash + part)
    if len(shown) > _SHORT_HOST:
        shown = _CUT_ENTITY.sub("", shown[:SHORT])
    return shown + "..." if len(shown) + 3 < len(url) else url
