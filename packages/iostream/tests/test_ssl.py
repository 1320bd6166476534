from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest

from halny.iostream import netutil

from .certificates import CERTFILE, KEYFILE, client_context


def test_a_servers_options() -> None:
    context = netutil.ssl_options_to_context({"certfile": CERTFILE, "keyfile": KEYFILE}, server_side=True)
    assert context.protocol == ssl.PROTOCOL_TLS_SERVER
    assert context.verify_mode == ssl.CERT_NONE
    assert context.options & ssl.OP_NO_COMPRESSION
    asks = netutil.ssl_options_to_context(
        {"certfile": CERTFILE, "keyfile": KEYFILE, "cert_reqs": ssl.CERT_REQUIRED, "ca_certs": CERTFILE}, True
    )
    assert asks.verify_mode == ssl.CERT_REQUIRED
    assert asks.cert_store_stats()["x509"] == 1


def test_a_clients_options_verify_unless_told_otherwise() -> None:
    context = netutil.ssl_options_to_context({}, server_side=False)
    assert context.protocol == ssl.PROTOCOL_TLS_CLIENT
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    trusting = netutil.ssl_options_to_context({"cert_reqs": ssl.CERT_NONE, "ssl_version": ssl.PROTOCOL_TLS}, False)
    assert (trusting.verify_mode, trusting.check_hostname) == (ssl.CERT_NONE, False)
    chosen = netutil.ssl_options_to_context({"ca_certs": CERTFILE, "ciphers": "ECDHE+AESGCM"}, False)
    assert chosen.cert_store_stats()["x509"] == 1
    assert all("AES" in cipher["name"] for cipher in chosen.get_ciphers() if cipher["protocol"] == "TLSv1.2")


def test_the_side_follows_from_the_certificate() -> None:
    assert netutil.ssl_options_to_context({}).protocol == ssl.PROTOCOL_TLS_CLIENT
    server = netutil.ssl_options_to_context({"certfile": CERTFILE, "keyfile": KEYFILE})
    assert server.protocol == ssl.PROTOCOL_TLS_SERVER


def test_a_context_is_taken_as_it_is() -> None:
    context = client_context()
    assert netutil.ssl_options_to_context(context) is context


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"certfiles": "x"}, ValueError),
        ({"ssl_version": ssl.PROTOCOL_TLS_SERVER}, ValueError),
        ({"certfile": "/does/not/exist"}, FileNotFoundError),
        ({"certfile": CERTFILE}, ssl.SSLError),
        ({"ca_certs": KEYFILE}, ssl.SSLError),
        ({"ciphers": "no such cipher"}, ssl.SSLError),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        netutil.ssl_options_to_context(options, server_side=False)


def test_ssl_wrap_socket() -> None:
    left, right = socket.socketpair()
    with left, right:
        wrapped = netutil.ssl_wrap_socket(left, client_context(), "localhost", do_handshake_on_connect=False)
        with wrapped:
            assert (wrapped.server_side, wrapped.server_hostname) == (False, "localhost")
