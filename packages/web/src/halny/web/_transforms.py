"""What changes a response on its way out: content codings, chosen by what the client accepts.

Strategy: a transform sees the head with the first part of the body, decides there, and from then on encodes each part,
flushed, so that a streamed response arrives as it is written. What is already encoded, too small to gain, or a part
of something whose bytes have been counted is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from halny.http import ContentEncoder, choose_coding, supported_codings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from halny.http import HTTPHeaders, HTTPServerRequest


class OutputTransform:
    """Changes the response of a request; this one leaves it as it is.

    Args:
        request: the request that is answered.
    """

    def __init__(self, request: HTTPServerRequest) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Return what becomes of the head and the first part of the body.

        Args:
            status_code: the status.
            headers: the headers, which may be changed.
            chunk: the first part of the body.
            finishing: whether it is the last one too.
        """
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """Return what becomes of a further part of the body.

        Args:
            chunk: the part.
            finishing: whether it is the last one.
        """
        return chunk


class GZipContentEncoding(OutputTransform):
    """Sends responses in gzip, or in another coding of a subclass, to clients that accept it.

    A page that holds a secret beside something that others put into it should not be compressed over TLS: its size
    tells what the two have in common (BREACH).

    Args:
        request: the request that is answered.
    """

    CONTENT_TYPES: ClassVar[set[str]] = {
        "application/atom+xml",
        "application/javascript",
        "application/json",
        "application/x-javascript",
        "application/xhtml+xml",
        "application/xml",
        "image/svg+xml",
    }
    """The types that are worth it, besides all of `text`."""

    MIN_LENGTH = 1024
    """Bytes of a body below which it is sent as it is: it fits into a packet either way."""

    GZIP_LEVEL = 6
    """How hard gzip tries, from 0 to 9; beyond 6 it takes much longer and gains little."""

    BROTLI_LEVEL = 4
    """How hard brotli tries, from 0 to 11; at 4 it is as fast as gzip and smaller."""

    ZSTD_LEVEL = 3
    """How hard zstd tries, from 1 to 19; at 3 it is several times as fast as gzip, and smaller."""

    CODINGS: ClassVar[Sequence[str]] = ("gzip",)
    """The codings that may be chosen, the best first; those that are not installed are passed over."""

    def __init__(self, request: HTTPServerRequest) -> None:
        accepted = request.headers.get("Accept-Encoding")
        self._coding: str | None = None
        if accepted:
            codings = [coding for coding in supported_codings() if coding in self.CODINGS]
            self._coding = choose_coding(accepted, sorted(codings, key=self.CODINGS.index))
        self._encoder: ContentEncoder | None = None

    @property
    def is_active(self) -> bool:
        """Whether it changes the body; known when the head has passed."""
        return self._encoder is not None

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """See `OutputTransform.transform_first_chunk`."""
        _vary(headers)
        if self._coding is None or not self._is_worth_it(status_code, headers, chunk, finishing):
            return status_code, headers, chunk
        self._encoder = ContentEncoder(self._coding, level=self._level(self._coding))
        chunk = self.transform_chunk(chunk, finishing)
        headers["Content-Encoding"] = self._coding
        etag = headers.get("Etag")
        if etag is not None and not etag.startswith("W/"):
            # The same page in another coding is not the same bytes (RFC 9110, section 8.8.3.3).
            headers["Etag"] = "W/" + etag
        if finishing:
            headers["Content-Length"] = str(len(chunk))
        elif "Content-Length" in headers:
            del headers["Content-Length"]  # nobody knows it beforehand, so the body is chunked
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """See `OutputTransform.transform_chunk`."""
        encoder = self._encoder
        if encoder is None:
            return chunk
        return encoder.finish(chunk) if finishing else encoder.encode(chunk) + encoder.flush()

    def _is_worth_it(self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool) -> bool:
        if status_code < 200 or status_code in (204, 304):
            return False
        if "Content-Encoding" in headers or "Content-Range" in headers:
            return False
        if finishing and len(chunk) < self.MIN_LENGTH:
            return False
        content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return content_type.startswith("text/") or content_type in self.CONTENT_TYPES

    def _level(self, coding: str) -> int:
        return {"gzip": self.GZIP_LEVEL, "br": self.BROTLI_LEVEL, "zstd": self.ZSTD_LEVEL}[coding]


class BrotliContentEncoding(GZipContentEncoding):
    """Sends responses in brotli to clients that accept it; needs `halny-http[brotli]`.

    Args:
        request: the request that is answered.
    """

    CODINGS: ClassVar[Sequence[str]] = ("br",)


class ZstdContentEncoding(GZipContentEncoding):
    """Sends responses in Zstandard to clients that accept it; needs Python 3.14 or `halny-http[zstd]`.

    Args:
        request: the request that is answered.
    """

    CODINGS: ClassVar[Sequence[str]] = ("zstd",)


class BestContentEncoding(GZipContentEncoding):
    """Sends responses in the best coding that both sides know: the transform of the setting `compress_response`.

    Args:
        request: the request that is answered.
    """

    CODINGS: ClassVar[Sequence[str]] = ("zstd", "br", "gzip")


def _vary(headers: HTTPHeaders) -> None:
    """Tell caches that the response depends on what the client accepts (RFC 9110, section 12.5.5)."""
    varies = headers.get("Vary")
    if varies is None:
        headers["Vary"] = "Accept-Encoding"
    elif "*" not in varies and "accept-encoding" not in varies.lower():
        headers["Vary"] = f"{varies}, Accept-Encoding"
