"""The PROXY protocol, versions 1 and 2: tables of bytes, and connections that begin with them."""

from __future__ import annotations

import ipaddress
import logging
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.httpserver._proxy_header import ProxiedPeer, ProxyHeaderError, ProxyHeaderReader

from ._helpers import client_context, head, respond, server_context, serving

if TYPE_CHECKING:
    from halny.http import HTTPServerRequest
    from tools.strict_tests.logs import ExpectLog

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def version_2(source: str, *, command: int = 1, tlvs: bytes = b"", size: int | None = None) -> bytes:
    ip = ipaddress.ip_address(source)
    block = ip.packed * 2 + struct.pack("!HH", 1234, 443) + tlvs
    family = 0x11 if ip.version == 4 else 0x21
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(block) if size is None else size) + block


def read(data: bytes) -> tuple[ProxiedPeer | None, int]:
    """Read a header as the reader asks for it; return the peer and how many bytes were taken."""
    reader = ProxyHeaderReader()
    position = 0
    while reader.missing:
        piece = data[position : position + reader.missing]
        reader.feed(piece)
        position += len(piece)
    return reader.peer, position


TLS_OF_CLIENT = struct.pack("!BH", 0x20, 5) + b"\x01\0\0\0\0"
OTHER = struct.pack("!BH", 0x02, 3) + b"abc"


@pytest.mark.parametrize(
    ("data", "address", "is_secure"),
    [
        (b"PROXY TCP4 192.0.2.1 192.0.2.9 1234 80\r\n", ("192.0.2.1", 1234), False),
        (b"PROXY TCP6 2001:db8::1 2001:db8::9 1234 80\r\n", ("2001:db8::1", 1234, 0, 0), False),
        (version_2("192.0.2.1"), ("192.0.2.1", 1234), False),
        (version_2("2001:db8::1", tlvs=OTHER), ("2001:db8::1", 1234, 0, 0), False),
        (version_2("192.0.2.1", tlvs=OTHER + TLS_OF_CLIENT), ("192.0.2.1", 1234), True),
        (SIGNATURE + b"\x21\x31" + struct.pack("!H", 216) + bytes(216), None, False),
    ],
)
def test_headers_name_the_client_and_nothing_behind_them_is_taken(data: bytes, address: Any, is_secure: bool) -> None:
    assert read(data + b"GET / HTTP/1.1\r\n") == (ProxiedPeer(address, is_secure), len(data))


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        version_2("192.0.2.1", command=0),
        SIGNATURE + b"\x20\x00\x00\x00",
        SIGNATURE + b"\x21\x00\x00\x02xy",
        SIGNATURE + b"\x21\x12" + struct.pack("!H", 12) + bytes(12),
    ],
)
def test_a_proxy_that_speaks_for_itself(data: bytes) -> None:
    assert read(data + b"GET") == (None, len(data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 192.0.2.1",
        b"PROXY TCP4 192.0.2.1 192.0.2.9 1234 80 \r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.9 1234 80\n\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.9 1234\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.9 1234 80\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.9 65536 80\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.9 +123 80\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.9 1234 \xb2\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.9 1234 80\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 1234 80\r\n",
        b"PROXY TCP6 fe80::1 fe80::2%<b> 1234 80\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.9 1234 80\r\n",
        b"PROXY TCP4 " + b"1" * 200 + b"\r\n",
        SIGNATURE + b"\x31\x11" + struct.pack("!H", 12) + bytes(12),
        SIGNATURE + b"\x22\x11" + struct.pack("!H", 12) + bytes(12),
        SIGNATURE + b"\x21\x11" + struct.pack("!H", 11) + bytes(11),
        SIGNATURE + b"\x21\x11\xff\xff" + bytes(65535),
        version_2("192.0.2.1", tlvs=b"\x20\x00\x09\x01"),
        version_2("192.0.2.1")[:-1],
    ],
)
def test_what_is_no_header(data: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        read(data)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for prefix in (b"", b"PROXY ", SIGNATURE, SIGNATURE + b"\x21\x11"):
        try:
            _, taken = read(prefix + data)
        except ProxyHeaderError:
            continue
        assert taken <= len(prefix + data)


def tell(request: HTTPServerRequest) -> None:
    respond(request, f"{request.protocol} {request.remote_ip}".encode())


@pytest.mark.parametrize("header", [b"PROXY TCP4 192.0.2.1 192.0.2.9 1234 80\r\n", version_2("192.0.2.1")])
async def test_connections_behind_a_proxy(header: bytes) -> None:
    async with serving(tell, proxy_protocol=True, trusted_proxies=["127.0.0.0/8"]) as server:
        async with await server.connect() as client:
            for byte in header[:-1]:
                client.send(bytes([byte]))
                await client.writer.drain()
            assert (await client.ask(header[-1:] + head())).body == b"http 192.0.2.1"
            assert (await client.ask(head())).body == b"http 192.0.2.1"


async def test_the_header_comes_before_tls() -> None:
    async with serving(tell, proxy_protocol=True, ssl_options=server_context()) as server:
        async with await server.connect() as client:
            client.send(version_2("2001:db8::7"))
            await client.writer.drain()
            await client.writer.start_tls(client_context(), server_hostname="localhost")
            assert (await client.ask(head())).body == b"https 2001:db8::7"


async def test_a_proxy_that_speaks_tls_with_the_client() -> None:
    async with serving(tell, proxy_protocol=True) as server:
        assert (await server.ask(version_2("192.0.2.1", tlvs=TLS_OF_CLIENT) + head())).body == b"https 192.0.2.1"
        assert (await server.ask(b"PROXY UNKNOWN\r\n" + head())).body == b"http 127.0.0.1"


async def test_a_connection_without_the_header_is_closed(expect_log: ExpectLog) -> None:
    async with serving(tell, proxy_protocol=True) as server, await server.connect() as client:
        with expect_log("halny.general", "no PROXY header", logging.INFO, count=1):
            client.send(head())
            with pytest.raises((ConnectionError, EOFError)):
                await client.response()


async def test_a_peer_that_is_no_proxy_is_not_listened_to(expect_log: ExpectLog) -> None:
    async with serving(tell, proxy_protocol=True, trusted_proxies=["10.0.0.0/8", "unix"]) as server:
        with expect_log("halny.general", "no trusted proxy", logging.INFO, count=1):
            async with await server.connect() as client:
                assert await client.rest() == b""
    assert socket.AF_INET
