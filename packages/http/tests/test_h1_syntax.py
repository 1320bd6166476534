from __future__ import annotations

import httptools
import pytest

from halny.http import HTTPRefusal
from halny.http._h1_syntax import check_alone


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade, close\r\n\r\n",
    ],
)
def test_whole_heads(head: bytes) -> None:
    check_alone(httptools.HttpRequestParser, head)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n\r\nGET",
        b"GET / HTTP/1.1\r\nX : y\r\n\r\n",
        b"\0\r\n\r\n",
    ],
)
def test_what_is_no_whole_head(head: bytes) -> None:
    with pytest.raises(HTTPRefusal) as caught:
        check_alone(httptools.HttpRequestParser, head)
    assert caught.value.status == 400
