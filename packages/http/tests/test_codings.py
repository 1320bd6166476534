from __future__ import annotations

import contextlib
import gzip
import random
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import (
    ContentDecoder,
    ContentEncoder,
    HTTPInputError,
    HTTPRefusal,
    _coders,
    choose_coding,
    decode_content,
    supported_codings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CODINGS = supported_codings()
"""`br` and `zstd` are tested where their libraries are installed, by the same tests as the others."""

TEXT = b"The halny is the warm gale that falls off the Tatra mountains. " * 20
NOISE = random.Random(1).randbytes(200_000)


def encode(coding: str, data: bytes) -> bytes:
    return ContentEncoder(coding).finish(data)


def decode(coding: str, pieces: list[bytes], max_size: int = 1 << 30) -> bytes:
    decoder = ContentDecoder(coding, max_size=max_size)
    decoded = b"".join(output for piece in pieces for output in decoder.decode(piece))
    decoder.finish()
    return decoded


def test_gzip_and_deflate_are_always_there() -> None:
    assert CODINGS[-2:] == ("gzip", "deflate")
    assert set(CODINGS) <= {"zstd", "br", "gzip", "deflate"}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(
    "data", [b"", b"x", TEXT, NOISE, bytes(1_000_000)], ids=["empty", "byte", "text", "noise", "zeros"]
)
def test_what_was_encoded_is_decoded_again(coding: str, data: bytes) -> None:
    encoded = encode(coding, data)
    assert decode_content(coding, encoded, max_size=len(data)) == data
    assert decode_content(coding.upper(), encoded, max_size=len(data)) == data


@pytest.mark.parametrize("coding", CODINGS)
def test_bodies_cut_at_every_offset(coding: str) -> None:
    encoded = encode(coding, TEXT)
    assert decode(coding, [bytes([byte]) for byte in encoded]) == TEXT
    for index in range(len(encoded) + 1):
        assert decode(coding, [encoded[:index], encoded[index:]]) == TEXT


@pytest.mark.parametrize("coding", CODINGS)
def test_truncated_bodies_are_refused_wherever_they_end(coding: str) -> None:
    encoded = encode(coding, TEXT)
    for index in range(1, len(encoded)):
        with pytest.raises(HTTPInputError):
            decode(coding, [encoded[:index]])


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_of_no_bytes_is_complete(coding: str) -> None:
    """A response to HEAD has a content coding, and no content."""
    assert decode(coding, []) == decode(coding, [b""]) == b""


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("garbage", [b"x", b"\x00", b"\r\n", b"\x00" * 100, b"garbage" * 10])
def test_garbage_behind_the_end_is_refused(coding: str, garbage: bytes) -> None:
    encoded = encode(coding, TEXT)
    for pieces in ([encoded + garbage], [encoded, garbage], [encoded[:-1], encoded[-1:] + garbage]):
        with pytest.raises(HTTPInputError):
            decode(coding, pieces)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("body", [b"no coding at all, but text", b"\xff" * 30, b"\x00" * 30])
def test_bodies_in_no_coding_are_refused(coding: str, body: bytes) -> None:
    with pytest.raises(HTTPInputError):
        decode(coding, [body])


@pytest.mark.parametrize("coding", CODINGS)
def test_output_is_limited(coding: str) -> None:
    encoded = encode(coding, bytes(1_000_000))
    assert len(decode(coding, [encoded], max_size=1_000_000)) == 1_000_000
    for max_size in (999_999, 1000, 1, 0):
        decoder = ContentDecoder(coding, max_size=max_size)
        received = 0
        with pytest.raises(HTTPRefusal) as caught:
            for output in decoder.decode(encoded):
                received += len(output)
        assert caught.value.status == 413
        assert received <= max_size


@pytest.mark.parametrize("coding", CODINGS)
def test_a_bomb_is_refused_before_it_takes_memory(coding: str) -> None:
    """GHSA-mgf9-4vpg-hj56 (CVE-2026-49855)."""
    encoder = ContentEncoder(coding)
    bomb = b"".join(encoder.encode(bytes(1 << 20)) for _ in range(200)) + encoder.finish()
    decoder = ContentDecoder(coding, max_size=1 << 20)
    pieces = decoder.decode(bomb)
    with pytest.raises(HTTPRefusal):
        while True:
            assert len(next(pieces)) <= 65_536


@pytest.mark.parametrize("coding", CODINGS)
def test_a_refusal_is_final(coding: str) -> None:
    encoded = encode(coding, TEXT)
    for body, max_size in ((encoded, 10), (b"\xff" * 30, 10_000), (encoded + b"garbage", 10_000)):
        decoder = ContentDecoder(coding, max_size=max_size)
        with pytest.raises(HTTPInputError):
            list(decoder.decode(body))
        with pytest.raises(HTTPInputError, match="before"):
            list(decoder.decode(encoded))
        with pytest.raises(HTTPInputError):
            decoder.finish()


@pytest.mark.parametrize("coding", CODINGS)
def test_pieces_that_were_not_taken_are_not_lost_in_silence(coding: str) -> None:
    encoded = encode(coding, NOISE)
    decoder = ContentDecoder(coding, max_size=len(NOISE))
    first = decoder.decode(encoded[:100_000])
    next(first)
    with pytest.raises(RuntimeError, match="all pieces"):
        list(decoder.decode(encoded[100_000:]))
    with pytest.raises(HTTPInputError):
        decoder.finish()
    list(first)
    list(decoder.decode(encoded[100_000:]))
    decoder.finish()


@pytest.mark.parametrize(("max_size", "chunk_size"), [(-1, 1), (0, 0), (0, -1)])
def test_limits_that_are_none(max_size: int, chunk_size: int) -> None:
    """A size of 0 is no limit to zlib, and a negative one none to others."""
    with pytest.raises(ValueError, match="at least"):
        ContentDecoder("gzip", max_size=max_size, chunk_size=chunk_size)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("chunk_size", [1, 7, 1000, 65_536])
def test_output_comes_in_pieces(coding: str, chunk_size: int) -> None:
    data = NOISE[:20_000] + bytes(20_000)
    decoder = ContentDecoder(coding, max_size=len(data), chunk_size=chunk_size)
    pieces = list(decoder.decode(encode(coding, data)))
    decoder.finish()
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= chunk_size for piece in pieces)
    assert repr(decoder) == f"<ContentDecoder {coding}, 40000 bytes of 40000>"


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("chunk_size", [1, 100])
def test_small_pieces_hold_nothing_back(coding: str, chunk_size: int) -> None:
    """Whatever has come of a body, its reader gets as much of it in small pieces as in large ones."""
    encoder = ContentEncoder(coding)
    encoded = encoder.encode(bytes(3000) + TEXT) + encoder.flush()
    for end in range(len(encoded) + 1):
        large, small = (
            ContentDecoder(coding, max_size=10_000),
            ContentDecoder(coding, max_size=10_000, chunk_size=chunk_size),
        )
        assert b"".join(small.decode(encoded[:end])) == b"".join(large.decode(encoded[:end]))


@pytest.mark.parametrize("coding", CODINGS)
def test_no_more_is_decoded_than_it_takes_to_see_that_it_is_too_much(
    coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int] = []
    engine = {"gzip": "GzipDecoder", "deflate": "DeflateDecoder", "br": "BrotliDecoder", "zstd": "ZstdDecoder"}[coding]
    read = getattr(_coders, engine).read

    def read_and_note(self: object, limit: int) -> bytes:
        limits.append(limit)
        output: bytes = read(self, limit)
        return output

    monkeypatch.setattr(getattr(_coders, engine), "read", read_and_note)
    with pytest.raises(HTTPRefusal):
        decode_content(coding, encode(coding, bytes(1_000_000)), max_size=10)
    assert limits == [11]


@pytest.mark.parametrize("coding", CODINGS)
def test_flushing_sends_all_that_was_written(coding: str) -> None:
    encoder = ContentEncoder(coding)
    decoder = ContentDecoder(coding, max_size=1000)
    for text in (b"one", b"two", NOISE[:100]):
        sent = encoder.encode(text) + encoder.flush()
        assert b"".join(decoder.decode(sent)) == text
    assert b"".join(decoder.decode(encoder.finish(b"end"))) == b"end"
    decoder.finish()


@pytest.mark.parametrize("coding", [coding for coding in CODINGS if coding in ("gzip", "zstd")])
def test_bodies_of_several_members(coding: str) -> None:
    members = [encode(coding, data) for data in (b"one", b"", TEXT, b"", b"two")]
    body, expected = b"".join(members), b"one" + TEXT + b"two"
    assert decode(coding, [body]) == expected
    assert decode(coding, members) == expected
    assert decode(coding, [bytes([byte]) for byte in body]) == expected
    with pytest.raises(HTTPRefusal):
        decode(coding, [body], max_size=len(expected) - 1)
    with pytest.raises(HTTPInputError):
        decode(coding, [body, members[0][:-1]])
    with pytest.raises(HTTPInputError):
        decode(coding, [members[0], b"garbage", members[1]])


def test_gzip_by_other_names_and_programs() -> None:
    assert decode("x-gzip", [gzip.compress(TEXT)]) == TEXT
    assert decode(" GZip ", [gzip.compress(TEXT)]) == TEXT
    assert gzip.decompress(encode("gzip", TEXT)) == TEXT
    assert encode("gzip", TEXT)[4:8] == bytes(4)  # no time, so that equal bodies have equal encodings


def test_a_wrong_checksum_is_refused() -> None:
    encoded = bytearray(encode("gzip", TEXT))
    encoded[-8] ^= 1
    with pytest.raises(HTTPInputError):
        decode("gzip", [bytes(encoded)])


def test_deflate_with_and_without_its_wrapper() -> None:
    """RFC 9110 §8.4.1.2: some implementations send deflate without the zlib format."""
    compressor = zlib.compressobj(wbits=-15)
    raw = compressor.compress(TEXT) + compressor.flush()
    for body in (zlib.compress(TEXT), raw):
        assert decode("deflate", [body]) == TEXT
        assert decode("deflate", [bytes([byte]) for byte in body]) == TEXT


@pytest.mark.parametrize(
    ("first", "size"),
    [
        (0x08, 5),  # the method and the window of zlib, but not its check bits
        (0x88, 28),  # its method and its check bits, but a window that it doesn't have
        (0x07 << 4 | 0x08, 29),
    ],
)
def test_raw_deflate_that_looks_a_little_like_zlib(first: int, size: int) -> None:
    # A stored block: three bits say so, and the rest of its first byte may be anything.
    stored = bytes([first]) + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + b"x" * size
    assert decode_content("deflate", stored + b"\x03\x00", max_size=100) == b"x" * size


@pytest.mark.parametrize("coding", ["", "unknown", "identity", "gzip, gzip", "gzip;q=1", "compress", "x" * 1000])
def test_other_codings_are_refused(coding: str) -> None:
    with pytest.raises(HTTPRefusal) as caught:
        ContentDecoder(coding, max_size=1)
    assert caught.value.status == 415
    assert len(str(caught.value)) < 100
    with pytest.raises(ValueError, match="unsupported"):
        ContentEncoder(coding)


@pytest.mark.parametrize("library", ["brotli", "zstd"])
def test_a_coding_without_its_library_is_as_good_as_unknown(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"halny.http._coders.{library}", lambda: None)
    coding = {"brotli": "br", "zstd": "zstd"}[library]
    assert coding not in supported_codings()
    with pytest.raises(HTTPRefusal):
        ContentDecoder(coding, max_size=1)
    with pytest.raises(ValueError, match="unsupported"):
        ContentEncoder(coding)


@pytest.mark.parametrize("library", ["brotli", "zstd"])
def test_an_engine_without_its_library_says_so(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"halny.http._coders.{library}", lambda: None)
    engines: dict[str, list[Callable[[], object]]] = {
        "brotli": [_coders.BrotliDecoder, lambda: _coders.BrotliEncoder(1)],
        "zstd": [_coders.ZstdDecoder, lambda: _coders.ZstdEncoder(1)],
    }
    for engine in engines[library]:
        with pytest.raises(ImportError, match="not installed"):
            engine()


LEVELS = {"gzip": (0, 9), "deflate": (0, 9), "br": (0, 11), "zstd": (1, 19)}


@pytest.mark.parametrize("coding", CODINGS)
def test_levels(coding: str) -> None:
    lowest, highest = LEVELS[coding]
    for level in (lowest, highest):
        assert decode(coding, [ContentEncoder(coding, level=level).finish(TEXT)]) == TEXT
    for level in (lowest - 1, highest + 1):
        with pytest.raises(ValueError, match="level"):
            ContentEncoder(coding, level=level)


@pytest.mark.parametrize("coding", CODINGS)
def test_the_level_that_is_documented_is_the_default(coding: str) -> None:
    level = {"gzip": 6, "deflate": 6, "br": 4, "zstd": 3}[coding]
    words = "".join(random.Random(2).choices(["wind ", "gale ", "storm ", "breeze "], k=10_000)).encode()
    default, same, lowest = [
        ContentEncoder(coding, level=each).finish(words) for each in (None, level, LEVELS[coding][0])
    ]
    assert default == same != lowest


@pytest.mark.skipif("zstd" not in CODINGS, reason="needs the extra zstd")
def test_zstd_windows_are_limited() -> None:
    """RFC 9659: a window is memory that the peer asks for."""
    header = bytes.fromhex("28b52ffd") + b"\x00"
    smallest_refused, largest_accepted = ((24 - 10) << 3), ((23 - 10) << 3)
    empty_block = b"\x01\x00\x00"
    assert decode("zstd", [header + bytes([largest_accepted]) + empty_block]) == b""
    with pytest.raises(HTTPInputError):
        decode("zstd", [header + bytes([smallest_refused]) + empty_block])


ALL = ("zstd", "br", "gzip")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=0, x-gzip", None),
        ("gzip, br", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip;q=0.5, br; q=0.501", "br"),
        ("gzip ;q=1, br;\tq=1", "br"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("gzip, *;q=0", "gzip"),
        ("zstd;q=0, *", "br"),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("identity", None),
        ("identity;q=0.5, gzip;q=0.4", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("compress, unknown", None),
        ("gzip;q=2", None),
        ("gzip;q=1.1", None),
        ("gzip;q=-1", None),
        ("gzip;q=nan", None),
        ("gzip;q=1e0", None),
        ("gzip;q=0.1234", None),
        ("gzip;q=\u0661", None),
        ("gzip;q=0.\u0661", None),
        ("gzip;q=", None),
        ("gzip;x=1", None),
        ("gzip;", "gzip"),
        (",,gzip,", "gzip"),
    ],
)
def test_choosing(accept: str, expected: str | None) -> None:
    assert choose_coding(accept, ALL) == expected


def test_choosing_among_what_is_installed() -> None:
    assert choose_coding("*") == CODINGS[0]
    assert choose_coding("gzip") == "gzip"


@pytest.mark.parametrize("coding", CODINGS)
@given(data=st.lists(st.binary(max_size=300), max_size=5), size=st.integers(1, 50))
def test_any_data_in_any_pieces(coding: str, data: list[bytes], size: int) -> None:
    encoder = ContentEncoder(coding)
    encoded = b"".join([*(encoder.encode(piece) for piece in data), encoder.finish()])
    pieces = [encoded[start : start + size] for start in range(0, len(encoded), size)]
    assert decode(coding, pieces, max_size=sum(map(len, data))) == b"".join(data)


def corrupted(data: bytes, index: int, value: int) -> bytes:
    return data[:index] + bytes([value]) + data[index + 1 :]


def inserted(data: bytes, index: int, value: int) -> bytes:
    return data[:index] + bytes([value]) + data[index:]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("change", [corrupted, inserted])
@given(index=st.integers(0, 10_000), value=st.integers(0, 255))
def test_corrupt_bodies_raise_nothing_else(
    coding: str, change: Callable[[bytes, int, int], bytes], index: int, value: int
) -> None:
    encoded = encode(coding, TEXT)
    with contextlib.suppress(HTTPInputError):
        decode(coding, [change(encoded, index % len(encoded), value)], max_size=10_000)
