"""One engine for each content coding: the libraries behind `_codings`, made to look alike.

A decoding engine takes input with `feed` and gives output with `read(limit)`, at most about `limit` bytes at a time,
so that a small input never becomes a large output in one step. It raises what its library raises; `coder_errors`
names it all. Libraries that may be missing are imported when they are first asked for.
"""

from __future__ import annotations

import functools
import importlib
import sys
import zlib
from typing import TYPE_CHECKING, Any, Protocol, final

if TYPE_CHECKING:
    from types import ModuleType

_ZLIB_WRAPPER = 15
_GZIP_WRAPPER = 16 + 15
_RAW_DEFLATE = -15

_MAX_ZSTD_WINDOW_LOG = 23  # 8 MiB, which is what RFC 9659 lets a sender use; a window is memory that the peer asks for


class CorruptInput(Exception):
    """The input is not in the coding."""


class DecodingEngine(Protocol):
    """What `ContentDecoder` needs of a coding."""

    @property
    def is_complete(self) -> bool:
        """Whether the input could end here."""
        ...

    def feed(self, data: bytes) -> None:
        """Take input; only when `read` has returned nothing."""
        ...

    def read(self, limit: int) -> bytes:
        """Give some output, or nothing if more input is needed."""
        ...


class EncodingEngine(Protocol):
    """What `ContentEncoder` needs of a coding."""

    def encode(self, data: bytes) -> bytes:
        """Take input, and give what output there is."""
        ...

    def flush(self) -> bytes:
        """Give all that is needed to decode what was taken so far."""
        ...

    def finish(self) -> bytes:
        """Give the rest."""
        ...


@final
class GzipDecoder:
    """`gzip` (RFC 1952), with any number of members; behind a member nothing but another one may stand."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_GZIP_WRAPPER)
        self._pending = b""
        self._filled = False  # there may be more output without any input

    @property
    def is_complete(self) -> bool:
        return self._inflater.eof and not self._pending

    def feed(self, data: bytes) -> None:
        self._pending = data

    def read(self, limit: int) -> bytes:
        while self._pending or self._filled:
            if self._inflater.eof:
                self._inflater = zlib.decompressobj(_GZIP_WRAPPER)
            output = self._inflater.decompress(self._pending, limit)
            at_end = self._inflater.eof
            self._pending = self._inflater.unused_data if at_end else self._inflater.unconsumed_tail
            self._filled = not at_end and len(output) == limit
            if output:
                return output
        return b""


@final
class DeflateDecoder:
    """`deflate`: the zlib format (RFC 1950), and the raw format that some take for it (RFC 9110 §8.4.1.2)."""

    def __init__(self) -> None:
        self._inflater: Any = None  # the type has no public name
        self._pending = b""
        self._filled = False

    @property
    def is_complete(self) -> bool:
        return self._inflater is not None and self._inflater.eof and not self._pending

    def feed(self, data: bytes) -> None:
        self._pending += data  # at most one byte was left

    def read(self, limit: int) -> bytes:
        if self._inflater is None:
            if len(self._pending) < 2:
                return b""
            self._inflater = zlib.decompressobj(_ZLIB_WRAPPER if _is_zlib(self._pending) else _RAW_DEFLATE)
        if not self._pending and not self._filled:
            return b""
        if self._inflater.eof:
            raise CorruptInput("data behind the end of the stream")
        output: bytes = self._inflater.decompress(self._pending, limit)
        self._pending = self._inflater.unconsumed_tail
        self._filled = not self._inflater.eof and len(output) == limit
        if self._inflater.unused_data:
            raise CorruptInput("data behind the end of the stream")
        return output


def _is_zlib(head: bytes) -> bool:
    return head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and (head[0] << 8 | head[1]) % 31 == 0


@final
class BrotliDecoder:
    """`br` (RFC 7932)."""

    def __init__(self) -> None:
        self._decompressor: Any = _require(brotli()).Decompressor()
        self._pending = b""
        self._filled = False  # there may be more output without any input

    @property
    def is_complete(self) -> bool:
        return bool(self._decompressor.is_finished())

    def feed(self, data: bytes) -> None:
        self._pending = data

    def read(self, limit: int) -> bytes:
        while self._pending or self._filled:
            data, self._pending = self._pending, b""
            output: bytes = self._decompressor.process(data, output_buffer_limit=limit)
            # It says that it can accept more while it still has output, so only an empty output is the end of it.
            held_back = bool(output) or (bool(data) and not self._decompressor.can_accept_more_data())
            self._filled = held_back and not self.is_complete
            if output:
                return output
        return b""


@final
class ZstdDecoder:
    """`zstd` (RFC 8878), with any number of frames, and windows of up to 8 MiB (RFC 9659)."""

    def __init__(self) -> None:
        self._library: Any = _require(zstd())
        self._decompressor = self._new()
        self._pending = b""

    def _new(self) -> Any:
        option = self._library.DecompressionParameter.window_log_max
        return self._library.ZstdDecompressor(options={option: _MAX_ZSTD_WINDOW_LOG})

    @property
    def is_complete(self) -> bool:
        return bool(self._decompressor.eof) and not self._pending

    def feed(self, data: bytes) -> None:
        self._pending = data

    def read(self, limit: int) -> bytes:
        while self._pending or not (self._decompressor.eof or self._decompressor.needs_input):
            if self._decompressor.eof:
                self._decompressor = self._new()
            data, self._pending = self._pending, b""
            output: bytes = self._decompressor.decompress(data, limit)
            if self._decompressor.eof:
                self._pending = self._decompressor.unused_data
            if output:
                return output
        return b""


@final
class ZlibEncoder:
    """`gzip` and `deflate`, by their wrappers."""

    def __init__(self, level: int, *, gzip: bool) -> None:
        # zlib writes no file name and no time, so that equal bodies have equal encodings.
        self._deflater = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WRAPPER if gzip else _ZLIB_WRAPPER)

    def encode(self, data: bytes) -> bytes:
        return self._deflater.compress(data)

    def flush(self) -> bytes:
        return self._deflater.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._deflater.flush()


@final
class BrotliEncoder:
    """`br`."""

    def __init__(self, level: int) -> None:
        self._compressor: Any = _require(brotli()).Compressor(quality=level)

    def encode(self, data: bytes) -> bytes:
        output: bytes = self._compressor.process(data)
        return output

    def flush(self) -> bytes:
        output: bytes = self._compressor.flush()
        return output

    def finish(self) -> bytes:
        output: bytes = self._compressor.finish()
        return output


@final
class ZstdEncoder:
    """`zstd`."""

    def __init__(self, level: int) -> None:
        self._compressor: Any = _require(zstd()).ZstdCompressor(level=level)

    def encode(self, data: bytes) -> bytes:
        output: bytes = self._compressor.compress(data)
        return output

    def flush(self) -> bytes:
        output: bytes = self._compressor.flush(self._compressor.FLUSH_BLOCK)
        return output

    def finish(self) -> bytes:
        output: bytes = self._compressor.flush()
        return output


@functools.cache
def brotli() -> ModuleType | None:
    """The `brotli` package, if it is one that can bound its output (1.2 and later)."""
    library = _import("brotli")
    return library if library is not None and hasattr(library.Decompressor, "can_accept_more_data") else None


@functools.cache
def zstd() -> ModuleType | None:
    """The Zstandard module of Python 3.14, or its backport."""
    return _import("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


@functools.cache
def coder_errors() -> tuple[type[Exception], ...]:
    """What decoding engines raise at input that isn't in their coding."""
    errors: list[type[Exception]] = [CorruptInput, zlib.error]
    for library, name in ((brotli(), "error"), (zstd(), "ZstdError")):
        if library is not None:
            errors.append(getattr(library, name))
    return tuple(errors)


def _import(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _require(library: ModuleType | None) -> ModuleType:
    if library is None:
        raise ImportError("the library of this content coding is not installed")
    return library
