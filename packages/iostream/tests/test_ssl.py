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


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"certfile": "/does/not/exist"}, "certfile='/does/not/exist'"),
        ({"certfile": CERTFILE, "keyfile": CERTFILE}, f"certfile={CERTFILE!r}, keyfile={CERTFILE!r}"),
        ({"ca_certs": KEYFILE}, f"ca_certs={KEYFILE!r}"),
        ({"ciphers": "no such cipher"}, "ciphers='no such cipher'"),
        ({"cert_reqs": 9}, "cert_reqs=9"),
    ],
)
def test_errors_name_the_option(options: dict[str, Any], note: str) -> None:
    with pytest.raises((OSError, ValueError)) as caught:
        netutil.ssl_options_to_context(options, server_side=False)
    assert caught.value.__notes__ == [note]


def test_a_servers_options_that_are_refused() -> None:
    options = {"certfile": CERTFILE, "keyfile": KEYFILE}
    with pytest.raises(ValueError, match="CERT_REQUIRED without ca_certs, expected the file of the authorities"):
        netutil.ssl_options_to_context({**options, "cert_reqs": ssl.CERT_REQUIRED}, server_side=True)
    optional = netutil.ssl_options_to_context({**options, "cert_reqs": ssl.CERT_OPTIONAL}, server_side=True)
    assert optional.verify_mode == ssl.CERT_OPTIONAL


@pytest.mark.parametrize("options", [CERTFILE, (CERTFILE, KEYFILE), True, None], ids=repr)
def test_options_that_are_none(options: Any) -> None:
    with pytest.raises(TypeError, match=r"expected an ssl\.SSLContext or for example"):
        netutil.ssl_options_to_context(options, server_side=True)


def test_the_side_of_a_context() -> None:
    with pytest.raises(ValueError, match=r"create_default_context\(ssl\.Purpose\.CLIENT_AUTH\), with load_cert_chain"):
        netutil.ssl_options_to_context(client_context(), server_side=True)
    for side in (None, False):
        context = client_context()
        assert netutil.ssl_options_to_context(context, server_side=side) is context


def test_ssl_wrap_socket() -> None:
    left, right = socket.socketpair()
    with left, right:
        wrapped = netutil.ssl_wrap_socket(left, client_context(), "localhost", do_handshake_on_connect=False)
        with wrapped:
            assert (wrapped.server_side, wrapped.server_hostname) == (False, "localhost")


def test_a_certificate_and_a_peer_that_must_have_one_may_be_a_clients() -> None:
    options: dict[str, Any] = {"certfile": CERTFILE, "keyfile": KEYFILE, "cert_reqs": ssl.CERT_REQUIRED}
    assert netutil.ssl_options_to_context(options).verify_mode == ssl.CERT_REQUIRED
    with pytest.raises(ValueError, match="without ca_certs"):
        netutil.ssl_options_to_context(options, server_side=True)
