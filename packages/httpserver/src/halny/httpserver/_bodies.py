"""What the content of a request is made of its bytes with: framing, limit, and content coding.

Strategy: `halny.http` reads framing and codings; here they are put one behind the other. A decoded body gives its
content lazily, piece by piece, so that one that unpacks to a thousand times its size is never held whole, waits for
a slow endpoint, and lets other connections have their turn.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final, Protocol, final

from halny.http import ChunkedBody, ContentDecoder, HTTPInputError, HTTPRefusal, LengthBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from halny.http import BodyReader, HTTPHeaders, HTTPServerRequest, Limits

MAX_DECODED_PER_CALL: Final = 1024 * 1024
"""Bytes that one call decodes to at the most: about three milliseconds' work."""


MIN_BUFFERED: Final = 128 * 1024
"""Bytes of a body from which it is worth the trouble not to have it in memory twice."""


class Body(Protocol):
    """As `halny.http.BodyReader`, but its content may come lazily: take all of it before the next call."""

    @property
    def complete(self) -> bool:
        """Whether the end of the body has been read."""
        ...

    @property
    def pending(self) -> bool:
        """Whether bytes are waiting that one call has not come to; call `feed(b"")` for them."""
        ...

    @property
    def rest(self) -> bytes:
        """The bytes after the body, once it is complete."""
        ...

    @property
    def received(self) -> int:
        """How many bytes of content have come over the wire."""
        ...

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Take the next bytes and give the content in them; see `halny.http.BodyReader.feed`."""
        ...


@final
class Collector:
    """Puts a body together in memory, most of which is touched only once.

    Pieces are kept until there is a good part of what was announced, and the rest is written into its place, so that
    a peer that announces much and sends little costs little, and nothing is in memory twice.

    Args:
        length: how many bytes were announced, or 0.
    """

    __slots__ = ("_buffer", "_length", "_pieces", "_size")

    def __init__(self, length: int) -> None:
        self._length = length
        self._size = 0
        self._pieces: list[bytes] = []
        self._buffer: BytesIO | None = None

    def add(self, pieces: Iterable[bytes]) -> None:
        """Take the next pieces."""
        if self._buffer is not None:
            self._buffer.writelines(pieces)
            return
        for piece in pieces:
            self._pieces.append(piece)
            self._size += len(piece)
        if self._length > 4 * self._size or self._size >= self._length or self._length < MIN_BUFFERED:
            return
        buffer = self._buffer = BytesIO()
        buffer.seek(self._length - 1)
        buffer.write(b"\0")  # makes room for all of it at once
        buffer.seek(0)
        buffer.writelines(self._pieces)
        self._pieces = []

    def whole(self) -> bytes:
        """Return what was collected."""
        if self._buffer is not None:
            self._buffer.truncate()  # there may be less than was announced
            return self._buffer.getvalue()  # which is no copy
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def body_reader(request: HTTPServerRequest, max_size: int, limits: Limits) -> BodyReader:
    """Return what reads the body that the head of a request announces.

    Raises:
        HTTPRefusal: it is over the limit (413).
    """
    if request.content_length > max_size:
        raise HTTPRefusal(413, f"body of {request.content_length} bytes, at most {max_size} are allowed")
    return ChunkedBody(max_size, limits) if request.chunked else LengthBody(request.content_length)


def take_coding(headers: HTTPHeaders) -> str:
    """Return the content coding that is to be taken off a body, or nothing.

    Its header is renamed to `X-Consumed-Content-Encoding`, for nobody will see the body in that coding.

    Raises:
        HTTPRefusal: the coding is unknown here (415).
    """
    coding = headers.get("Content-Encoding", "")
    if coding.lower() in ("", "identity"):
        return ""
    ContentDecoder(coding, max_size=0)  # which refuses what it does not know; the limit is known later
    headers["X-Consumed-Content-Encoding"] = coding
    del headers["Content-Encoding"]
    return coding


def decoded(body: BodyReader, coding: str, max_size: int) -> Body:
    """Return a body without a content coding that `take_coding` has found."""
    return DecodedBody(body, ContentDecoder(coding, max_size=max_size))


@final
class DecodedBody:
    """Reads a body and undoes its content coding.

    Args:
        body: reads the framing.
        decoder: undoes the coding, within a limit.
    """

    __slots__ = ("_body", "_decoder", "_pieces", "complete", "pending", "rest")

    def __init__(self, body: BodyReader, decoder: ContentDecoder) -> None:
        self._body = body
        self._decoder = decoder
        self._pieces: Iterator[bytes] | None = None
        self.complete = False
        self.pending = False
        self.rest = b""

    @property
    def received(self) -> int:
        """See `Body.received`."""
        return self._body.received

    def feed(self, data: bytes) -> Iterator[bytes]:
        """See `Body.feed`.

        Raises:
            HTTPRefusal: framing or coding is malformed, or there is more than the limit; the peer's fault.
        """
        self.pending = False
        waiting, self._pieces = self._pieces, None
        pieces = self._decode(data) if waiting is None else _chain(waiting, self._decode(data)) if data else waiting
        size = 0
        for piece in pieces:
            yield piece
            size += len(piece)
            if size >= MAX_DECODED_PER_CALL:
                self._pieces = pieces
                self.pending = True
                return

    def _decode(self, data: bytes) -> Iterator[bytes]:
        body = self._body
        try:
            while True:
                for piece in body.feed(data):
                    yield from self._decoder.decode(piece)
                if not body.pending:
                    break
                data = b""
            if body.complete:
                self._decoder.finish()
                self.rest = body.rest
                self.complete = True
        except HTTPRefusal:
            raise
        except HTTPInputError as error:
            raise HTTPRefusal(400, str(error)) from error


def _chain(first: Iterator[bytes], second: Iterator[bytes]) -> Iterator[bytes]:
    yield from first
    yield from second
