"""Finds the heads of HTTP/1.1 messages in bytes that come in pieces; requests and responses alike.

Strategy: a head is read in one go when all of it is there, so all that is needed until then is where it ends. What can
not become a head is refused at once rather than waited for: another protocol, or line ends without CR.
"""

from __future__ import annotations

import re
from typing import Final, final

from ._exceptions import HTTPRefusal
from ._h1_target import refused_size
from ._limits import DEFAULT_LIMITS, Limits

_BEGINNING: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}(?: |/|\Z)|\r\Z")
"""What the first bytes of a head look like: a method, or a version with its slash; or half an empty line."""

_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


@final
class HeadBuffer:
    """Finds the end of a head in bytes that come in pieces, and refuses early what can't become one.

    It exists only while a head is incomplete. What follows the head stays with the caller. Empty lines before the
    head are skipped, within the limit (RFC 9112, section 2.2).

    Args:
        limits: how long a head may get.
    """

    __slots__ = ("_data", "_empty_lines", "_limits", "_searched")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._data = bytearray()
        self._searched = 0
        self._empty_lines = 0

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Takes the next bytes.

        Returns:
            The head and the bytes after it, once the head is complete. The buffer is not to be used any more then.

        Raises:
            HTTPRefusal: what has come can't be the beginning of a head, or is longer than one may be.
        """
        buffer = self._data
        buffer += data
        if buffer.startswith(b"\r"):
            self._skip_empty_lines()
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end >= 0:
            whole = bytes(buffer)
            return whole[: end + 4], whole[end + 4 :]
        if len(buffer) > self._limits.max_header_size:
            raise refused_size(buffer, self._limits)
        self._refuse_early(self._searched)
        self._searched = len(buffer)
        return None

    def _skip_empty_lines(self) -> None:
        """Drops the empty lines in front; nothing has been searched yet."""
        buffer = self._data
        count = 0
        while buffer.startswith(b"\r\n", 2 * count):
            count += 1
        del buffer[: 2 * count]
        self._empty_lines += count
        _check_empty_lines(self._empty_lines, self._limits)
        self._searched = 0

    def _refuse_early(self, start: int) -> None:
        data = self._data
        if start <= 65 and data and _BEGINNING.match(data) is None:
            raise HTTPRefusal(400, f"malformed start line {bytes(data[:20])!r}")
        if _BARE_LF.search(data, max(0, start - 1)):
            raise HTTPRefusal(400, "line end without CR")


def skip_empty_lines(data: bytes, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Returns `data` without the empty lines before a request line (RFC 9112, section 2.2).

    Raises:
        HTTPRefusal: there are more of them than `limits` allow.
    """
    count = 0
    while data.startswith(b"\r\n", 2 * count):
        count += 1
        _check_empty_lines(count, limits)
    return data[2 * count :]


def _check_empty_lines(count: int, limits: Limits) -> None:
    if count > limits.max_empty_lines:
        raise HTTPRefusal(400, f"more than {limits.max_empty_lines} empty lines before a request")
