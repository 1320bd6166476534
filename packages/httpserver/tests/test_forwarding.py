"""Who the client of a request is: what proxies say, and who is believed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPServerRequest
from halny.httpserver._forwarding import Hop, Networks, read_forwarded

from ._helpers import head, respond, serving
from .test_server import Recorder

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog

general_log = logging.getLogger("halny.general")


def tell(request: HTTPServerRequest) -> None:
    respond(request, f"{request.protocol} {request.remote_ip}".encode())


async def said(*lines: str, **options: Any) -> str:
    async with serving(tell, **options) as server:
        return (await server.ask(head("GET", "/", *lines))).body.decode()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), "http 127.0.0.1"),
        (("X-Real-Ip: 4.4.4.4",), "http 4.4.4.4"),
        (("X-Real-Ip: 2620:0:1cfe:face:b00c::3",), "http 2620:0:1cfe:face:b00c::3"),
        (("X-Forwarded-For: 127.0.0.1, 4.4.4.4",), "http 4.4.4.4"),
        (("X-Forwarded-For: 4.4.4.4:1234",), "http 4.4.4.4"),
        (("X-Forwarded-For: [2620:0::3]:80",), "http 2620::3"),
        (("X-Forwarded-For: [2620:0::3]",), "http 2620::3"),
        (("X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 4.4.4.4"), "http 4.4.4.4"),
        (("X-Forwarded-For: 1.1.1.1", "X-Real-Ip: 4.4.4.4"), "http 4.4.4.4"),
        (("X-Forwarded-For: ::ffff:4.4.4.4",), "http 4.4.4.4"),
        (("X-Real-Ip: 4.4.4.4<script>",), "http 127.0.0.1"),
        (("X-Real-Ip: www.google.com",), "http 127.0.0.1"),
        (("X-Forwarded-For: 4.4.4.4:x",), "http 127.0.0.1"),
        (("X-Forwarded-For: [4.4.4.4]",), "http 127.0.0.1"),
        (("X-Forwarded-For: fe80::1%eth0",), "http 127.0.0.1"),
        (("X-Scheme: https",), "https 127.0.0.1"),
        (("X-Forwarded-Proto: https",), "https 127.0.0.1"),
        (("X-Forwarded-Proto: http, https",), "https 127.0.0.1"),
        (("X-Forwarded-Proto: https, http",), "http 127.0.0.1"),
        (("X-Scheme: unknown",), "http 127.0.0.1"),
        (("Forwarded: for=4.4.4.4;proto=https",), "http 127.0.0.1"),
    ],
)
async def test_xheaders(lines: tuple[str, ...], expected: str) -> None:
    assert await said(*lines, xheaders=True) == expected
    assert await said(*lines) == "http 127.0.0.1"
    assert await said(*lines, xheaders=True, trusted_proxies=["10.0.0.0/8"]) == "http 127.0.0.1"
    assert await said(*lines, xheaders=True, trusted_proxies=["127.0.0.0/8"]) == expected


@pytest.mark.parametrize(
    ("options", "lines", "name"),
    [
        ({"xheaders": True}, ("X-Forwarded-For: 4.4.4.4", "X-Real-Ip: 4.4.4.4"), "X-Forwarded-For"),
        ({"xheaders": True}, ("X-Scheme: https",), "X-Scheme"),
        ({"xheaders": True}, ("X-Forwarded-Proto: https", "Forwarded: for=4.4.4.4"), "X-Forwarded-Proto"),
        ({"forwarded": True}, ("Forwarded: for=4.4.4.4", "X-Real-Ip: 4.4.4.4"), "Forwarded"),
        ({"forwarded": True}, ("X-Forwarded-For: 4.4.4.4",), None),
        ({"xheaders": True}, (), None),
    ],
)
async def test_what_is_ignored_leaves_a_line(
    options: dict[str, Any], lines: tuple[str, ...], name: str | None, expect_log: ExpectLog
) -> None:
    line = f"{name} of 127.0.0.1 is ignored, which is none of trusted_proxies"
    with expect_log("halny.general", "is ignored" if name is None else f"^{line}$", logging.DEBUG) as records:
        assert await said(*lines, trusted_proxies=["10.0.0.0/8"], **options) == "http 127.0.0.1"
        assert len(records) == (name is not None)
        general_log.debug("nothing more is ignored" if name is None else line)


async def test_proxies_are_skipped_in_the_list_of_hops() -> None:
    line = "X-Forwarded-For: 6.6.6.6, 4.4.4.4, 5.5.5.5, 10.1.2.3"
    assert await said(line, xheaders=True, trusted_downstream=["5.5.5.5", "10.0.0.0/8"]) == "http 4.4.4.4"
    networks = ["127.0.0.1", "5.5.5.5", "10.0.0.0/8"]
    assert await said(line, xheaders=True, trusted_proxies=networks) == "http 4.4.4.4"
    hidden = "X-Forwarded-For: 4.4.4.4, unknown, 10.1.2.3"
    assert await said(hidden, xheaders=True, trusted_proxies=networks) == "http 10.1.2.3"
    assert await said("X-Forwarded-For: 10.0.0.1, 10.0.0.2", xheaders=True, trusted_proxies=networks) == "http 10.0.0.1"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("Forwarded: for=4.4.4.4",), "http 4.4.4.4"),
        (('Forwarded: For="[2001:db8:cafe::17]:4711"',), "http 2001:db8:cafe::17"),
        (("Forwarded: for=192.0.2.60;proto=https;by=203.0.113.43",), "https 192.0.2.60"),
        (("Forwarded: for=6.6.6.6;proto=https, for=4.4.4.4",), "http 4.4.4.4"),
        (("Forwarded: for=6.6.6.6", "Forwarded: for=4.4.4.4; proto=HTTPS"), "https 4.4.4.4"),
        (('Forwarded: for="4.4.4.4:_port"',), "http 4.4.4.4"),
        (("Forwarded: for=_hidden, for=127.0.0.9;proto=https",), "https 127.0.0.9"),
        (("Forwarded: for=unknown",), "http 127.0.0.1"),
        (("Forwarded: for=4.4.4.4;for=6.6.6.6",), "http 127.0.0.1"),
        (("Forwarded: for=4.4.4.4 proto=https",), "http 127.0.0.1"),
        (('Forwarded: for="4.4.4.4',), "http 127.0.0.1"),
        (("X-Forwarded-For: 4.4.4.4", "X-Forwarded-Proto: https"), "http 127.0.0.1"),
    ],
)
async def test_forwarded(lines: tuple[str, ...], expected: str) -> None:
    assert await said(*lines, forwarded=True, trusted_proxies=["127.0.0.0/8"]) == expected
    assert await said(*lines, forwarded=True, trusted_proxies=["10.0.0.0/8"]) == "http 127.0.0.1"


async def test_a_request_without_headers_has_the_peers_address_again() -> None:
    async with serving(tell, xheaders=True) as server, await server.connect() as client:
        assert (await client.ask(head("GET", "/", "X-Real-Ip: 4.4.4.4", "X-Scheme: https"))).body == b"https 4.4.4.4"
        assert (await client.ask(head())).body == b"http 127.0.0.1"


async def test_delegates_see_the_client_too() -> None:
    seen: list[Any] = []

    class Seeing(Recorder):
        def start_request(self, server_conn: object, request_conn: Any) -> Any:
            request = HTTPServerRequest(connection=request_conn)
            seen.extend([request.remote_ip, request.protocol])
            return super().start_request(server_conn, request_conn)

    async with serving(Seeing(), xheaders=True) as server:
        await server.ask(head("GET", "/", "X-Real-Ip: 4.4.4.4", "X-Scheme: https"))
    assert seen == ["4.4.4.4", "https"]


def test_networks() -> None:
    networks = Networks(["10.0.0.0/8", "192.0.2.1", "fd00::/8", "unix"])
    inside = ["10.255.0.1", "192.0.2.1", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0"]
    outside = ["11.0.0.1", "192.0.2.2", "fe00::1", "nonsense", ""]
    assert [ip in networks for ip in inside + outside] == [True] * 5 + [False] * 5
    assert "0.0.0.0" not in Networks(["10.0.0.0/8"])
    with pytest.raises(ValueError, match="host bits set"):
        Networks(["10.0.0.1/8"])


def test_hops_in_order() -> None:
    value = 'for="[2001:db8::1]";proto=http , for=4.4.4.4;secret="a\\"b,c;d"'
    assert read_forwarded(value) == [Hop("2001:db8::1", "http"), Hop("4.4.4.4", None)]


@pytest.mark.parametrize(
    "value", ["for=1.1.1.1," * 5000, 'for="' + "\\a" * 30_000, "for=" + ";" * 60_000, "a" * 60_000]
)
def test_long_values_take_linear_time(value: str) -> None:
    start = time.perf_counter()
    assert len(read_forwarded(value)) <= 64
    assert time.perf_counter() - start < 0.5
