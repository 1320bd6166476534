"""Content codings in and out: `gzip` and `deflate`, `br` and `zstd` where their libraries are installed (RFC 9110
§8.4).

Decoding is bounded twice: output comes in pieces of a fixed size, so that the reader can stop between them, and all
pieces together have a limit, so that a body of kilobytes can't unpack to gigabytes. What is truncated, corrupt, or
has anything behind its end is refused. Encoding can flush, so that a streamed response arrives as it is written. How
a coding is done is in `_coders`.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, NoReturn, final

from . import _coders
from ._exceptions import HTTPInputError, HTTPRefusal
from ._validation import HTTP_WHITESPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ._coders import DecodingEngine, EncodingEngine

DECODED_CHUNK_SIZE = 64 * 1024
"""Bytes of one piece of decoded output, what one read from a socket brings."""

_INPUT_SIZE = (
    64 * 1024
)  # zlib copies its unread input at each piece of output: of a large body at once, again and again

_ALIASES = {"x-gzip": "gzip"}  # RFC 9110 §8.4.1.3
_DECODERS: dict[str, Callable[[], DecodingEngine]] = {
    "gzip": _coders.GzipDecoder,
    "deflate": _coders.DeflateDecoder,
    "br": _coders.BrotliDecoder,
    "zstd": _coders.ZstdDecoder,
}
_LEVELS = {"gzip": (0, 6, 9), "deflate": (0, 6, 9), "br": (0, 4, 11), "zstd": (1, 3, 19)}
"""The lowest, the default and the highest level. Above 19, zstd uses windows that RFC 9659 forbids."""

_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?").fullmatch


def supported_codings() -> tuple[str, ...]:
    """The content codings that can be used here, the best first; `gzip` and `deflate` always can."""
    return (
        *(("zstd",) if _coders.zstd() is not None else ()),
        *(("br",) if _coders.brotli() is not None else ()),
        "gzip",
        "deflate",
    )


class _State(enum.Enum):
    NEW = enum.auto()
    STARTED = enum.auto()
    DECODING = enum.auto()
    FAILED = enum.auto()


@final
class ContentDecoder:
    """Undoes one content coding, piece by piece and with a limit.

    Args:
        coding: the value of `Content-Encoding`; its case doesn't matter. Several codings on top of each other
            are refused: nobody sends them, and each multiplies what a bomb can do.
        max_size: bytes of all output together.
        chunk_size: bytes of each piece of output.

    Raises:
        HTTPRefusal: the coding is unknown, or its library not installed (415); the peer's fault.
        ValueError: a limit is none; the caller's fault.
    """

    __slots__ = ("_chunk_size", "_engine", "_left", "_max_size", "_state", "coding")

    coding: str
    """The name of the coding."""

    def __init__(self, coding: str, *, max_size: int, chunk_size: int = DECODED_CHUNK_SIZE) -> None:
        if max_size < 0 or chunk_size < 1:
            raise ValueError(f"max_size must be at least 0 and chunk_size 1, not {max_size!r} and {chunk_size!r}")
        name = coding.strip(HTTP_WHITESPACE).lower()
        name = _ALIASES.get(name, name)
        if name not in supported_codings():
            raise HTTPRefusal(415, f"unsupported content coding {coding[:50]!r}")
        self.coding = name
        self._engine = _DECODERS[name]()
        self._max_size = self._left = max_size
        self._chunk_size = chunk_size
        self._state = _State.NEW

    def __repr__(self) -> str:
        return f"<ContentDecoder {self.coding}, {self._max_size - self._left} bytes of {self._max_size}>"

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Take some of the encoded body.

        Args:
            data: the next bytes, in pieces of any size.

        Yields:
            What they decode to, in pieces of at most `chunk_size` bytes, none of them empty. Take them all before the
            next call; it is fine to wait between them.

        Raises:
            HTTPInputError: the body is not in this coding, or goes on behind its end; the peer's fault.
            HTTPRefusal: there is more output than `max_size` (413).
            RuntimeError: the pieces of an earlier call were not all taken; the caller's fault.
        """
        if self._state in (_State.DECODING, _State.FAILED):
            self._raise_misuse()
        for start in range(0, len(data), _INPUT_SIZE):
            self._state = _State.DECODING
            try:
                self._engine.feed(data[start : start + _INPUT_SIZE])
                while output := self._engine.read(min(self._chunk_size, self._left + 1)):
                    self._left -= len(output)
                    if self._left < 0:
                        self._state = _State.FAILED
                        raise HTTPRefusal(413, f"decoded body is larger than {self._max_size} bytes")
                    for piece in range(0, len(output), self._chunk_size):  # brotli takes its limit as a hint
                        yield output[piece : piece + self._chunk_size]
            except _coders.coder_errors() as error:
                self._state = _State.FAILED
                raise HTTPInputError(f"body is not valid {self.coding}: {error}") from None
            self._state = _State.STARTED

    def _raise_misuse(self) -> NoReturn:
        if self._state is _State.FAILED:
            raise HTTPInputError(f"the {self.coding} body was refused before")
        raise RuntimeError("all pieces must be taken from decode() before it is called again")

    def finish(self) -> None:
        """Say that the body has ended. One of no bytes at all is complete.

        Raises:
            HTTPInputError: the body is truncated; the peer's fault.
        """
        if self._state is not _State.NEW and not (self._state is _State.STARTED and self._engine.is_complete):
            raise HTTPInputError(f"{self.coding} body is truncated")


def decode_content(coding: str, data: bytes, *, max_size: int) -> bytes:
    """Undo the content coding of a whole body.

    Args:
        coding: the value of `Content-Encoding`.
        data: the body.
        max_size: bytes that it may decode to.

    Returns:
        The decoded body.

    Raises:
        HTTPInputError: the body is not in this coding, truncated, or goes on behind its end; the peer's fault.
        HTTPRefusal: the coding can't be undone here (415), or there is more output than `max_size` (413).
    """
    decoder = ContentDecoder(coding, max_size=max_size)
    decoded = b"".join(decoder.decode(data))
    decoder.finish()
    return decoded


@final
class ContentEncoder:
    """Puts a content coding on a body, piece by piece.

    What an attacker can have reflected beside a secret must not be encoded over TLS (BREACH); that is for the
    application to know.

    Args:
        coding: one of `supported_codings()`.
        level: how hard to try: 0 to 9 for gzip and deflate (6 if None), 0 to 11 for br (4), 1 to 19 for zstd (3).

    Raises:
        ValueError: the coding is unknown or its library not installed, or there is no such level; the caller's fault.
    """

    __slots__ = ("_engine", "coding")

    coding: str
    """The name of the coding, the value for `Content-Encoding`."""

    def __init__(self, coding: str, *, level: int | None = None) -> None:
        if coding not in supported_codings():
            raise ValueError(f"unsupported content coding {coding!r}, expected one of {supported_codings()}")
        lowest, default, highest = _LEVELS[coding]
        level = default if level is None else level
        if not lowest <= level <= highest:
            raise ValueError(f"the level for {coding} must be {lowest} to {highest}, not {level!r}")
        self.coding = coding
        self._engine: EncodingEngine
        if coding == "br":
            self._engine = _coders.BrotliEncoder(level)
        elif coding == "zstd":
            self._engine = _coders.ZstdEncoder(level)
        else:
            self._engine = _coders.ZlibEncoder(level, gzip=coding == "gzip")

    def encode(self, data: bytes) -> bytes:
        """Take some of the body, and return what can be sent already, which may be nothing.

        Args:
            data: the next bytes.
        """
        return self._engine.encode(data)

    def flush(self) -> bytes:
        """Return all that the receiver needs to decode what was taken so far; flushing often costs size."""
        return self._engine.flush()

    def finish(self, data: bytes = b"") -> bytes:
        """Return the rest; the encoder can't be used after it.

        Args:
            data: the last bytes of the body.
        """
        return self._engine.encode(data) + self._engine.finish() if data else self._engine.finish()


def choose_coding(accept_encoding: str, codings: Sequence[str] | None = None) -> str | None:
    """Choose the content coding of a response (RFC 9110 §12.5.3).

    Args:
        accept_encoding: the value of the request's `Accept-Encoding` field; an empty one takes no coding.
        codings: what may be used, the best first; by default `supported_codings()`.

    Returns:
        The coding with the highest weight, the first of `codings` among equals; None if the body is better sent as it
        is. A malformed weight makes its coding unacceptable.
    """
    weights: dict[str, float] = {}
    for item in accept_encoding.split(","):
        name, _, parameters = item.partition(";")
        weights[name.strip(HTTP_WHITESPACE).lower()] = _weight(parameters)
    for alias, name in _ALIASES.items():
        if alias in weights:
            weights.setdefault(name, weights[alias])
    others = weights.get("*", 0.0)
    best, best_weight = None, 0.0
    for coding in supported_codings() if codings is None else codings:
        weight = weights.get(coding, others)
        if weight > best_weight:
            best, best_weight = coding, weight
    return best if best_weight >= weights.get("identity", 0.0) else None


def _weight(parameters: str) -> float:
    """Read `q=0.5` (RFC 9110 §12.4.2); 1 where there is none, 0 where it is malformed."""
    name, _, value = parameters.strip(HTTP_WHITESPACE).partition("=")
    if not name:
        return 1.0
    value = value.strip(HTTP_WHITESPACE)
    return float(value) if name.strip(HTTP_WHITESPACE).lower() == "q" and _QVALUE(value) is not None else 0.0
