"""What the content of a request is made of its bytes with: framing, limit, and content coding.

Strategy: `halny.http` reads framing and codings; here they are put one behind the other. A decoded body gives its
content lazily, piece by piece, so that one that unpacks to a thousand times its size is never held whole, waits for
a slow endpoint, and lets other connections have their turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, final

from halny.http import ChunkedBody, ContentDecoder, HTTPInputError, HTTPRefusal, LengthBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from halny.http import BodyReader, HTTPHeaders, HTTPServerRequest, Limits, RequestHead

MAX_DECODED_PER_CALL: Final = 1024 * 1024
"""Bytes that one call decodes to at the most: about three milliseconds' work."""


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


def body_reader(head: RequestHead, max_size: int, limits: Limits) -> BodyReader:
    """Return what reads the body that a head announces.

    Raises:
        HTTPRefusal: it is over the limit (413).
    """
    if head.content_length > max_size:
        raise HTTPRefusal(413, f"body of {head.content_length} bytes, at most {max_size} are allowed")
    return ChunkedBody(max_size, limits) if head.chunked else LengthBody(head.content_length)


def decoded(body: BodyReader, request: HTTPServerRequest, max_size: int) -> Body:
    """Return a body without its content coding, whose header is renamed to `X-Consumed-Content-Encoding`.

    Raises:
        HTTPRefusal: the coding is unknown here (415).
    """
    headers: HTTPHeaders = request.headers
    coding = headers.get("Content-Encoding", "")
    if coding.lower() in ("", "identity"):
        return body
    decoder = ContentDecoder(coding, max_size=max_size)
    headers["X-Consumed-Content-Encoding"] = coding
    del headers["Content-Encoding"]
    return DecodedBody(body, decoder)


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
