"""`HTTPServerRequest.lacks`: what a head surely has not."""

from __future__ import annotations

import pytest

from halny.http import DEFAULT_LIMITS, HeadReader, HTTPHeaders, HTTPServerRequest


def read(*lines: str) -> HTTPServerRequest:
    raw = "\r\n".join(["GET / HTTP/1.1", "Host: h", *lines, "", ""]).encode("latin-1")
    return HeadReader(DEFAULT_LIMITS).read(raw)


@pytest.mark.parametrize(
    ("lines", "lacks"),
    [
        ([], True),
        (["Accept: */*"], True),
        (["Range: bytes=0-"], False),
        (["RANGE: bytes=0-"], False),
        (["A: b", "if-range: x"], False),  # nothing is sure where the name occurs at all
        (["A: orange"], False),
    ],
)
def test_before_the_headers_are_read(lines: list[str], lacks: bool) -> None:
    assert read(*lines).lacks(b"range", b"if-modified-since") is lacks


def test_after_the_headers_were_read_or_changed() -> None:
    request = read("A: orange", "Range: bytes=0-")
    assert "Range" in request.headers
    assert not request.lacks(b"range")
    del request.headers["Range"]
    assert request.lacks(b"range")
    made = HTTPServerRequest("GET", "/", headers=HTTPHeaders({"Range": "bytes=0-"}))
    assert not made.lacks(b"range")
    assert made.lacks(b"if-range")
