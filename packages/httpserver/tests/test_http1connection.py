"""The names of Tornado's `http1connection`."""

from __future__ import annotations

import pytest

from halny.http import HTTPHeaders, HTTPInputError
from halny.http1connection import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    app_log,
    gen_log,
    is_transfer_encoding_chunked,
    parse_hex_int,
    parse_int,
)
from halny.httpserver import RequestConnection


def test_numbers() -> None:
    assert (parse_int("0123"), parse_hex_int("fF0")) == (123, 0xFF0)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1_0", " 1", "1 ", "0x1", "\u0661", "1\n"])
def test_what_is_no_number(text: str) -> None:
    # GHSA-qppv-j76h-2rpx
    with pytest.raises(ValueError, match="not an integer"):
        parse_int(text)
    with pytest.raises(ValueError, match="not a hexadecimal integer"):
        parse_hex_int(text)


def test_transfer_codings() -> None:
    assert is_transfer_encoding_chunked(HTTPHeaders({"Transfer-Encoding": "Chunked"}))
    assert not is_transfer_encoding_chunked(HTTPHeaders())
    for headers in ({"Transfer-Encoding": "gzip, chunked"}, {"Transfer-Encoding": "chunked", "Content-Length": "1"}):
        with pytest.raises(HTTPInputError):
            is_transfer_encoding_chunked(HTTPHeaders(headers))


def test_the_other_names() -> None:
    assert HTTP1Connection is RequestConnection
    assert HTTP1ConnectionParameters(no_keep_alive=True).body_timeout is None
    assert (app_log.name, gen_log.name) == ("halny.application", "halny.general")
