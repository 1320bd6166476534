"""Multipart bodies, read as they arrive: bytes in, events out (RFC 2046 §5.1, RFC 7578).

The parser cuts a body at its boundary and reads the headers of each part. It knows nothing of forms, files or
sockets: what a part means is for [`FormDataReader`][halny.http.FormDataReader] or the caller.

Strategy: a delimiter is `CRLF "--" boundary`, found by `bytes.find`; the data in between is handed out as it came, with
no copy but the slice. Only what may be the beginning of a delimiter is held back, and since a boundary has no CR,
that begins at the last CR of what is at hand, so the search is linear whatever the data. A block of part headers is
held until it is whole, in a buffer that grows in place and is never scanned twice.

Rules, where the RFC leaves room in which two readers could find different parts: lines end in CRLF; nothing but one
CRLF precedes the first delimiter and nothing but whitespace follows the last; behind a boundary stands `CRLF` or
`--`, with no padding (the RFC allows it for mail transports; HTTP has none); a part whose body would begin with its
delimiter is refused. Every error is final, and there is one for the whole body.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, TypeAlias, final

from ._exceptions import HTTPInputError, HTTPRefusal
from ._headers import HTTPHeaders
from ._records import Record
from ._validation import is_token

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PARTS = 100
"""Parts in one body: more fields than forms have; each costs objects and time, however small it is."""

MAX_PART_HEADER_SIZE = 10 * 1024
"""Bytes of one part's headers: a file name of 4 KiB that is escaped and given twice still fits."""

MAX_BOUNDARY_SIZE = 256
"""Bytes of a boundary. RFC 2046 says 70, the longest that clients are known to send is 71; it bounds what is held
back."""

_BOUNDARY = re.compile(rb"[\x20-\x7e]*[\x21-\x7e]").fullmatch
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


@final
class PartBegin(Record):
    """A part begins: its headers are complete."""

    __slots__ = ("raw_headers",)

    raw_headers: Sequence[tuple[str, str]]
    """Names and values in their order, checked and decoded as UTF-8."""

    def __init__(self, raw_headers: Sequence[tuple[str, str]]) -> None:
        self.raw_headers = raw_headers

    @property
    def headers(self) -> HTTPHeaders:
        """The headers as a mapping, made anew at each access."""
        headers = HTTPHeaders()
        for name, value in self.raw_headers:
            headers.add(name, value, _chars_are_bytes=False)
        return headers


@final
class PartData(Record):
    """Some of the part's body, never empty; a body may come in any number of pieces."""

    __slots__ = ("data",)

    data: bytes
    """The bytes, exactly as they were sent: a `Content-Transfer-Encoding` is not undone (RFC 7578 §4.7)."""

    def __init__(self, data: bytes) -> None:
        self.data = data


@final
class PartEnd(Record):
    """The part is complete."""

    __slots__ = ()


MultipartEvent: TypeAlias = PartBegin | PartData | PartEnd
"""What `MultipartParser.feed` returns: for each part a `PartBegin`, any number of `PartData`, and a `PartEnd`."""


class _State(enum.Enum):
    START = enum.auto()
    AFTER_BOUNDARY = enum.auto()
    HEADERS = enum.auto()
    BODY_START = enum.auto()
    BODY = enum.auto()
    EPILOGUE = enum.auto()
    FAILED = enum.auto()


@final
class MultipartParser:
    r"""Reads a multipart body piece by piece.

    >>> parser = MultipartParser(b"XX")
    >>> parser.feed(b"--XX\r\nA: b\r\n\r\nhel")
    [PartBegin(raw_headers=[('A', 'b')]), PartData(data=b'hel')]
    >>> parser.feed(b"lo\r\n--XX--\r\n")
    [PartData(data=b'lo'), PartEnd()]
    >>> parser.finish()

    Args:
        boundary: the `boundary` parameter of the content type, without quotes.
        max_parts: how many parts there may be.
        max_part_header_size: bytes of each part's headers, the empty line included.
        max_part_size: bytes of each part's body; None leaves that to the limit of the whole body.

    Raises:
        HTTPInputError: the boundary can't be one; the peer's fault.
    """

    __slots__ = (
        "_boundary", "_buffer", "_delimiter", "_max_header_size", "_max_part_size", "_max_parts", "_part_size",
        "_parts", "_scanned", "_state",
    )  # fmt: skip

    def __init__(
        self,
        boundary: bytes,
        *,
        max_parts: int = MAX_PARTS,
        max_part_header_size: int = MAX_PART_HEADER_SIZE,
        max_part_size: int | None = None,
    ) -> None:
        if len(boundary) > MAX_BOUNDARY_SIZE or _BOUNDARY(boundary) is None:
            raise HTTPInputError("multipart boundary missing or invalid")
        self._boundary = b"--" + boundary
        self._delimiter = b"\r\n--" + boundary
        self._max_parts = max_parts
        self._max_header_size = max_part_header_size
        self._max_part_size = max_part_size
        self._parts = 0
        self._part_size = 0
        self._state = _State.START
        self._buffer = bytearray()  # what was fed and could not be judged yet
        self._scanned = 0  # so many bytes of it are known not to end a block of headers

    def __repr__(self) -> str:
        return f"<MultipartParser {self._state.name}, {self._parts} parts>"

    @property
    def is_complete(self) -> bool:
        """Whether the last delimiter was seen."""
        return self._state is _State.EPILOGUE

    def feed(self, data: bytes) -> list[MultipartEvent]:
        """Take some of the body, in pieces of any size.

        Args:
            data: the next bytes.

        Returns:
            What they complete. Nothing is handed out twice, and nothing more after an error.

        Raises:
            HTTPInputError: the body is malformed or has too many parts; the peer's fault. It is raised again by
                each later call.
            HTTPRefusal: a part is too large (413).
        """
        if self._state is _State.FAILED:
            raise HTTPInputError("the multipart body was refused before")
        buffered: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            buffered = self._buffer
        events: list[MultipartEvent] = []
        try:
            position = self._parse(buffered, events)
        except HTTPInputError:
            self._state = _State.FAILED
            self._buffer.clear()
            raise
        if buffered is self._buffer:
            del self._buffer[:position]
        elif position < len(data):
            self._buffer += memoryview(data)[position:]
        return events

    def finish(self) -> None:
        """Say that the body has ended.

        Raises:
            HTTPInputError: the body has no final delimiter, or was refused before; the peer's fault.
        """
        if self._state is not _State.EPILOGUE:
            self._state = _State.FAILED
            raise HTTPInputError("multipart body without its final boundary")

    def _parse(self, data: bytes | bytearray, events: list[MultipartEvent]) -> int:
        """Go through the states as far as the data allow; return how much of it is done with."""
        position = 0
        while True:
            before = self._state
            if before is _State.BODY:
                position = self._read_body(data, position, events)
            elif before is _State.AFTER_BOUNDARY:
                position = self._read_after_boundary(data, position)
            elif before is _State.HEADERS:
                position = self._read_headers(data, position, events)
            elif before is _State.BODY_START:
                position = self._read_body_start(data, position)
            elif before is _State.START:
                position = self._read_start(data)
            else:
                if data[position:].strip(b" \t\r\n"):
                    raise HTTPInputError("multipart body goes on behind its final boundary")
                return len(data)
            if self._state is before:
                return position

    def _read_start(self, data: bytes | bytearray) -> int:
        for opening in (self._boundary, self._delimiter):
            if data.startswith(opening):
                self._state = _State.AFTER_BOUNDARY
                return len(opening)
            if opening.startswith(data):
                return 0
        raise HTTPInputError("multipart body does not begin with its boundary")

    def _read_after_boundary(self, data: bytes | bytearray, position: int) -> int:
        behind = data[position : position + 2]
        if behind == b"\r\n":
            self._parts += 1
            if self._parts > self._max_parts:
                raise HTTPInputError(f"multipart body has more than {self._max_parts} parts")
            self._state, self._scanned = _State.HEADERS, 0
        elif behind == b"--":
            self._state = _State.EPILOGUE
        elif behind not in (b"", b"\r", b"-"):
            raise HTTPInputError("multipart boundary is followed by something else than a line end")
        else:
            return position
        return position + 2

    def _read_headers(self, data: bytes | bytearray, position: int, events: list[MultipartEvent]) -> int:
        if data.startswith(b"\r\n", position):
            end = position  # a part without headers
        else:
            end = data.find(b"\r\n\r\n", max(position, position + self._scanned - 3))
            if end >= 0:
                end += 2
        if (len(data) if end < 0 else end + 2) - position > self._max_header_size:
            raise HTTPInputError(f"multipart part headers are larger than {self._max_header_size} bytes")
        if end < 0:
            self._scanned = len(data) - position
            return position
        events.append(PartBegin(_parse_headers(bytes(data[position:end]))))
        self._state, self._part_size = _State.BODY_START, 0
        return end  # at the CRLF of the empty line, which must not be the one of a delimiter

    def _read_body_start(self, data: bytes | bytearray, position: int) -> int:
        if data.startswith(self._delimiter, position):
            raise HTTPInputError("multipart part has no body between its headers and the boundary")
        if len(data) - position < len(self._delimiter) and self._delimiter.startswith(data[position:]):
            return position
        self._state = _State.BODY
        return position + 2

    def _read_body(self, data: bytes | bytearray, position: int, events: list[MultipartEvent]) -> int:
        found = data.find(self._delimiter, position)
        end = self._safe_end(data, position) if found < 0 else found
        if end > position:
            self._part_size += end - position
            if self._max_part_size is not None and self._part_size > self._max_part_size:
                raise HTTPRefusal(413, f"multipart part is larger than {self._max_part_size} bytes")
            events.append(PartData(_slice(data, position, end)))
        if found < 0:
            return end
        events.append(PartEnd())
        self._state = _State.AFTER_BOUNDARY
        return found + len(self._delimiter)

    def _safe_end(self, data: bytes | bytearray, position: int) -> int:
        """Where a delimiter may begin that is not complete yet, or the end of the data."""
        size = len(data)
        candidate = data.rfind(b"\r", max(position, size - len(self._delimiter) + 1))
        if candidate >= 0 and self._delimiter.startswith(data[candidate:]):
            return candidate
        return size


def _slice(data: bytes | bytearray, start: int, end: int) -> bytes:
    if isinstance(data, bytes):
        return data[start:end]
    with memoryview(data) as view:
        return bytes(view[start:end])


def _parse_headers(block: bytes) -> list[tuple[str, str]]:
    try:
        text = block.decode("utf-8")
    except UnicodeDecodeError:
        raise HTTPInputError("multipart part headers are not in UTF-8") from None
    headers: list[tuple[str, str]] = []
    for line in text.split("\r\n")[:-1]:
        name, colon, value = line.partition(":")
        if not colon or not is_token(name):  # whitespace around the name and folded lines end here too
            raise HTTPInputError(f"multipart part header has no valid name: {line[:100]!r}")
        value = value.strip(" \t")
        if _CONTROL(value) is not None:
            raise HTTPInputError(f"multipart part header {name[:50]!r} has a control character in its value")
        headers.append((name, value))
    return headers
