from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import (
    HTTPInputError,
    HTTPRefusal,
    MultipartEvent,
    MultipartParser,
    PartBegin,
    PartData,
    PartEnd,
)

from .linear import LIMIT, SIZE, seconds

Part = tuple[list[tuple[str, str]], bytes]


def parts_of(events: list[MultipartEvent]) -> list[Part]:
    """Join the pieces, and check that events come in their order and no piece is empty."""
    parts: list[Part] = []
    is_open = False
    for event in events:
        if isinstance(event, PartBegin):
            assert not is_open
            is_open = True
            parts.append((list(event.raw_headers), b""))
        elif isinstance(event, PartData):
            assert is_open
            assert type(event.data) is bytes
            assert event.data
            parts[-1] = (parts[-1][0], parts[-1][1] + event.data)
        else:
            assert is_open
            is_open = False
    assert not is_open
    return parts


def parse(pieces: list[bytes], boundary: bytes = b"XX") -> list[Part]:
    parser = MultipartParser(boundary)
    events: list[MultipartEvent] = []
    for piece in pieces:
        events += parser.feed(piece)
    parser.finish()
    assert parser.is_complete
    return parts_of(events)


def cuts(body: bytes) -> list[list[bytes]]:
    """The body whole, byte by byte, and cut at every offset."""
    return [
        [body],
        [body[index : index + 1] for index in range(len(body))],
        *([body[:index], body[index:]] for index in range(len(body) + 1)),
    ]


A = ("A", "b")
GOOD: list[tuple[bytes, list[Part]]] = [
    (b"--XX--", []),
    (b"--XX--\r\n", []),
    (b"\r\n--XX--\r\n", []),
    (b"--XX--\r\n\r\n \t\r\n", []),
    (b"--XX\r\nA: b\r\n\r\nbody\r\n--XX--\r\n", [([A], b"body")]),
    (b"\r\n--XX\r\nA: b\r\n\r\nbody\r\n--XX--", [([A], b"body")]),
    (b"--XX\r\nA: b\r\n\r\n\r\n--XX--", [([A], b"")]),
    (b"--XX\r\nA:b\r\nC:\t d \t\r\nE:\r\n\r\nx\r\n--XX--", [([A, ("C", "d"), ("E", "")], b"x")]),
    (b"--XX\r\nA: b\r\nA: b\r\n\r\nx\r\n--XX--", [([A, A], b"x")]),
    (b"--XX\r\nA: \xc5\xbc\r\n\r\nx\r\n--XX--", [([("A", "ż")], b"x")]),
    (b"--XX\r\n\r\nx\r\n--XX--", [([], b"x")]),
    (b"--XX\r\n\r\n\r\n--XX\r\nA: b\r\n\r\ny\r\n--XX--", [([], b""), ([A], b"y")]),
    # what looks like a delimiter, and is none
    (b"--XX\r\nA: b\r\n\r\n\r\r\n\r\n-\r\n--\r\n--X\r\n--Y\r\n--XX--", [([A], b"\r\r\n\r\n-\r\n--\r\n--X\r\n--Y")]),
    (b"--XX\r\nA: b\r\n\r\nx--XX--\n--XX\r--XX\r\n--XX--", [([A], b"x--XX--\n--XX\r--XX")]),
    (b"--XX\r\nA: b\r\n\r\n\r\n\r\n--XX--", [([A], b"\r\n")]),
    (b"--XX\r\nA: b\r\n\r\n-\r\n--XX--", [([A], b"-")]),
    (b"--XX\r\nA: b\r\n\r\n--X\r\n--XX--", [([A], b"--X")]),
    (b"--XX\r\nA: b\r\n\r\n\x00\xff\r\n--XX--", [([A], b"\x00\xff")]),
]


@pytest.mark.parametrize(("body", "expected"), GOOD)
def test_bodies_cut_at_every_offset(body: bytes, expected: list[Part]) -> None:
    for pieces in cuts(body):
        assert parse(pieces) == expected


HEAD = b"--XX\r\nA: b\r\n"
BAD: list[tuple[str, bytes]] = [
    ("nothing at all", b""),
    ("no boundary", b"A: b\r\n\r\nbody"),
    ("a preamble", b"pre\r\n--XX\r\nA: b\r\n\r\nbody\r\n--XX--"),
    ("two empty lines before", b"\r\n\r\n--XX--"),
    ("a lone LF before", b"\n--XX--"),
    ("another boundary", b"--XY\r\nA: b\r\n\r\nbody\r\n--XY--"),
    ("a longer boundary", b"--XXX\r\nA: b\r\n\r\nbody\r\n--XXX--"),
    ("an epilogue", b"--XX--\r\nepilogue"),
    ("an epilogue with another part", b"--XX--\r\n--XX\r\nA: b\r\n\r\nx\r\n--XX--"),
    ("three dashes", b"--XX---"),
    ("no end", HEAD + b"\r\nbody"),
    ("no end behind a line", HEAD + b"\r\nbody\r\n"),
    ("an unfinished boundary", HEAD + b"\r\nbody\r\n--X"),
    ("a boundary without its end", HEAD + b"\r\nbody\r\n--XX"),
    ("half an end", HEAD + b"\r\nbody\r\n--XX-"),
    ("a boundary and a CR", HEAD + b"\r\nbody\r\n--XX\r"),
    ("a part without its headers", HEAD + b"\r\nbody\r\n--XX\r\n"),
    ("unfinished headers", HEAD),
    ("lines that end in LF", b"--XX\nA: b\n\nbody\n--XX--\n"),
    ("headers that end in LF", b"--XX\r\nA: b\n\nbody\r\n--XX--\r\n"),
    ("padding behind a boundary (RFC 2046 §5.1.1)", b"--XX \r\nA: b\r\n\r\nbody\r\n--XX--"),
    ("padding behind the next boundary", HEAD + b"\r\nbody\r\n--XX\t\r\nA: b\r\n\r\nbody\r\n--XX--"),
    ("text behind the next boundary", HEAD + b"\r\nbody\r\n--XXY\r\nmore\r\n--XX--"),
    ("a CR behind the next boundary", HEAD + b"\r\nbody\r\n--XX\rmore\r\n--XX--"),
    ("the end of headers as that of a delimiter", HEAD + b"\r\n--XX\r\nA: b\r\n\r\nbody\r\n--XX--"),
    ("the end of headers as that of the last delimiter", HEAD + b"\r\n--XX--"),
    ("no colon", b"--XX\r\nA\r\n\r\nbody\r\n--XX--"),
    ("no name", b"--XX\r\n: b\r\n\r\nbody\r\n--XX--"),
    ("a space before the colon", b"--XX\r\nA : b\r\n\r\nbody\r\n--XX--"),
    ("a space before the name", b"--XX\r\n A: b\r\n\r\nbody\r\n--XX--"),
    ("a folded line", HEAD + b" c\r\n\r\nbody\r\n--XX--"),
    ("an illegal name", b"--XX\r\nA(: b\r\n\r\nbody\r\n--XX--"),
    ("a name beyond ASCII", b"--XX\r\n\xc5\xbc: b\r\n\r\nbody\r\n--XX--"),
    ("a CR in a value (Tornado 6.5.5)", b"--XX\r\nA: b\rc\r\n\r\nbody\r\n--XX--"),
    ("a LF in a value", b"--XX\r\nA: b\nc: d\r\n\r\nbody\r\n--XX--"),
    ("a NUL in a value", b"--XX\r\nA: b\x00\r\n\r\nbody\r\n--XX--"),
    ("a DEL in a value", b"--XX\r\nA: b\x7f\r\n\r\nbody\r\n--XX--"),
    ("a value that is not UTF-8", b"--XX\r\nA: \xff\r\n\r\nbody\r\n--XX--"),
]


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in BAD])
def test_bodies_that_are_refused_wherever_they_are_cut(body: bytes) -> None:
    for pieces in cuts(body):
        with pytest.raises(HTTPInputError):
            parse(pieces)


@pytest.mark.parametrize(
    ("body", "fed"),
    [
        (b"xx", 1),
        (b"--XY", 4),
        (b"\r\nx", 3),
        (b"--XXx", 5),
        (b"--XX-x", 6),
        (b"--XX--x", 7),
        (HEAD + b"\r\nbody\r\n--XXx", 25),
    ],
)
def test_what_can_not_become_right_is_refused_at_once(body: bytes, fed: int) -> None:
    parser = MultipartParser(b"XX")
    for index in range(fed - 1):
        parser.feed(body[index : index + 1])
    with pytest.raises(HTTPInputError):
        parser.feed(body[fed - 1 : fed])


def test_an_error_is_final() -> None:
    parser = MultipartParser(b"XX")
    with pytest.raises(HTTPInputError):
        parser.feed(b"wrong")
    for _ in range(2):
        with pytest.raises(HTTPInputError, match="refused before"):
            parser.feed(b"--XX--")
    with pytest.raises(HTTPInputError):
        parser.finish()
    assert not parser.is_complete


def test_data_come_at_once() -> None:
    parser = MultipartParser(b"XX")
    assert parser.feed(HEAD + b"\r\nhello") == [PartBegin([A]), PartData(b"hello")]
    assert parser.feed(b"\rx") == [PartData(b"\rx")]
    assert parser.feed(b" world\r\n--X") == [PartData(b" world")]
    assert parser.feed(b"Y\r") == [PartData(b"\r\n--XY")]
    assert parser.feed(b"\r\n--XX") == [PartData(b"\r"), PartEnd()]
    assert not parser.is_complete
    assert parser.feed(b"--") == []
    assert repr(parser) == "<MultipartParser EPILOGUE, 1 parts>"


def test_headers_are_a_mapping() -> None:
    (begin,) = MultipartParser(b"XX").feed(b"--XX\r\nContent-TYPE: text/plain\r\nX: \xc5\xbc\r\n\r\n\r")[:1]
    assert isinstance(begin, PartBegin)
    assert begin.headers["content-type"] == "text/plain"
    assert begin.headers["X"] == "ż"


def test_the_number_of_parts_is_limited() -> None:
    """GHSA-qjxf-f2mg-c6mc (CVE-2026-31958)."""
    part = b"--XX\r\nA: b\r\n\r\nx\r\n"
    assert len(parse([part * 100 + b"--XX--"])) == 100
    with pytest.raises(HTTPInputError, match="100 parts"):
        MultipartParser(b"XX").feed(part * 101)
    parser = MultipartParser(b"XX", max_parts=1)
    parser.feed(part)
    with pytest.raises(HTTPInputError, match="1 parts"):
        parser.feed(part)
    assert MultipartParser(b"XX", max_parts=0).feed(b"--XX--") == []


def test_the_size_of_part_headers_is_limited() -> None:
    header = b"A: " + b"x" * (100 - 3 - 4) + b"\r\n\r\n"  # 100 bytes with the empty line
    for pieces in ([b"--XX\r\n" + header], [b"--XX\r\n", header], [b"--XX\r\n", *(bytes([byte]) for byte in header)]):
        parser = MultipartParser(b"XX", max_part_header_size=100)
        assert len([event for piece in pieces for event in parser.feed(piece)]) == 1
        parser = MultipartParser(b"XX", max_part_header_size=99)
        with pytest.raises(HTTPInputError, match="99 bytes"):
            for piece in pieces:
                parser.feed(piece)


def test_headers_that_never_end_are_refused_at_the_limit() -> None:
    parser = MultipartParser(b"XX", max_part_header_size=100)
    parser.feed(b"--XX\r\n" + b"x" * 100)
    with pytest.raises(HTTPInputError, match="100 bytes"):
        parser.feed(b"x")


def test_the_size_of_a_part_is_limited() -> None:
    parser = MultipartParser(b"XX", max_part_size=3)
    parser.feed(b"--XX\r\nA: b\r\n\r\nabc\r\n--XX\r\nA: b\r\n\r\nab")
    parser.feed(b"c")
    with pytest.raises(HTTPRefusal) as caught:
        parser.feed(b"d")
    assert caught.value.status == 413


@pytest.mark.parametrize(
    "boundary", [b"", b" ", b"a ", b"a\r\nb", b"a\x00", b"\xff", b"a\t", b"x" * 257], ids=lambda value: repr(value)[:20]
)
def test_what_can_be_no_boundary(boundary: bytes) -> None:
    with pytest.raises(HTTPInputError, match="boundary"):
        MultipartParser(boundary)


@pytest.mark.parametrize("boundary", [b"x", b"a b", b"x" * 256, b"----WebKitFormBoundary'()+_,-./:=?", b"--", b"-"])
def test_boundaries(boundary: bytes) -> None:
    body = b"--%s\r\nA: b\r\n\r\n\r\n-\r\n--\r\n--%s--" % (boundary, boundary)
    if boundary not in (b"--", b"-"):
        assert parse([body], boundary) == [([A], b"\r\n-\r\n--")]
    else:
        assert parse([b"--%s\r\nA: b\r\n\r\nx\r\n--%s--" % (boundary, boundary)], boundary) == [([A], b"x")]


@pytest.mark.parametrize("filler", [b"\r", b"\r\n", b"\r\n--", b"\r\n--XX"[:-1], b"-", b"\0", b"\r\n\r\n", b"\n"])
def test_any_data_take_linear_time(filler: bytes) -> None:
    body = HEAD + b"\r\n" + filler * (SIZE // len(filler))
    body += b"x\r\n--XX--"
    for size in (len(body), 1000):
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        assert seconds(lambda pieces=pieces: parse(pieces)) < LIMIT  # type: ignore[misc]


def test_headers_byte_by_byte_take_linear_time() -> None:
    head = b"--XX\r\n" + b"A: b\r\n" * 1_600
    body = [bytes([byte]) for byte in head + b"\r\nx\r\n--XX--"]
    assert seconds(lambda: parse(body)) < LIMIT


def test_a_boundary_that_never_ends() -> None:
    """Half a delimiter at the end of each piece is held back, and no more than that."""
    parser = MultipartParser(b"X" * 256)
    parser.feed(b"--" + b"X" * 256 + b"\r\nA: b\r\n\r\n")
    piece = b"\r\n--" + b"X" * 255
    received = 0
    for _ in range(1000):
        received += sum(len(event.data) for event in parser.feed(piece) if isinstance(event, PartData))
    assert received == 999 * len(piece)


NAMES = st.text("abcXYZ-0", min_size=1, max_size=5)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=10).map(
    lambda text: text.strip(" \t")
)
BODIES = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"X", b"XX", b"\r\n--X", b"\r\n", b"ab"])).map(b"".join)


@given(st.lists(st.tuples(st.lists(st.tuples(NAMES, TEXTS)), BODIES)))
def test_what_was_written_is_read_again(parts: list[Part]) -> None:
    boundary = b"YYY"
    body = b"".join(
        b"--YYY\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers).encode() + b"\r\n" + data + b"\r\n"
        for headers, data in parts
    )
    body += b"--YYY--\r\n"
    half = len(body) // 2
    assert parse([body], boundary) == parts
    assert parse([body[:half], body[half:]], boundary) == parts


@given(st.lists(st.sampled_from([b"--XX", b"\r\n--XX", b"\r\n", b"\r", b"\n", b"--", b"-", b"A: b", b"x", b"XX"])))
def test_where_a_body_is_cut_changes_nothing(tokens: list[bytes]) -> None:
    body = b"".join(tokens)
    for candidate in (body, b"--XX\r\nA: b\r\n\r\n" + body, b"--XX\r\nA: b\r\n\r\n" + body + b"\r\n--XX--"):
        results: list[list[Part] | str] = []
        for pieces in ([candidate], tokens_of(candidate, 1), tokens_of(candidate, 3)):
            try:
                results.append(parse(pieces))
            except HTTPInputError:
                results.append("refused")
        assert results[0] == results[1] == results[2]


def tokens_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]
