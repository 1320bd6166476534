"""HTTP/1.1 connections: `halny.httpserver.http1connection` under the name that users of Tornado know."""

from halny.httpserver.http1connection import (
    CR_OR_LF_RE,
    DIGITS,
    HEXDIGITS,
    HTTP1Connection,
    HTTP1ConnectionParameters,
    app_log,
    gen_log,
    is_transfer_encoding_chunked,
    parse_hex_int,
    parse_int,
)

__all__ = [
    "CR_OR_LF_RE",
    "DIGITS",
    "HEXDIGITS",
    "HTTP1Connection",
    "HTTP1ConnectionParameters",
    "app_log",
    "gen_log",
    "is_transfer_encoding_chunked",
    "parse_hex_int",
    "parse_int",
]
