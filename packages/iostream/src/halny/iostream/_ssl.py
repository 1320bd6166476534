"""TLS settings: a dictionary or a context in, a context out."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket as socket_module
    from collections.abc import Generator

OPTION_NAMES = frozenset({"ssl_version", "certfile", "keyfile", "cert_reqs", "ca_certs", "ciphers"})
"""What a dictionary of TLS options may hold."""


def ssl_options_to_context(
    ssl_options: Mapping[str, Any] | ssl.SSLContext, server_side: bool | None = None
) -> ssl.SSLContext:
    """Returns the context that `ssl_options` describe; a context is returned as it is, if its side is the right one.

    A client's context verifies its peer, by the system's certificate authorities unless `ca_certs` names others;
    `cert_reqs=ssl.CERT_NONE` is the only way around it. A server's asks for client certificates only when
    `cert_reqs` says so, and verifies them by `ca_certs`: to require them without is refused, as it would let in
    whoever has a certificate of any public authority.

    Args:
        ssl_options: An `ssl.SSLContext`, or a mapping with any of `certfile`, `keyfile`, `ca_certs`, `cert_reqs`
            (`ssl.CERT_*`), `ciphers` (an OpenSSL cipher list) and `ssl_version` (`ssl.PROTOCOL_TLS_CLIENT`,
            `ssl.PROTOCOL_TLS_SERVER` or `ssl.PROTOCOL_TLS`).
        server_side: Which side of connections the context is for. `None`: the server's if there is a certificate.

    Raises:
        TypeError: `ssl_options` are neither a context nor a mapping.
        ValueError: An unknown option; `ssl_version` names the other side or a single TLS version; a client's context
            for a server; or a server that requires client certificates without `ca_certs`.
        OSError: A file can't be read, or (`ssl.SSLError`) does not hold what it should; a note names the option.
    """
    if isinstance(ssl_options, ssl.SSLContext):
        if server_side and ssl_options.protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise ValueError(
                "the SSLContext is a client's (PROTOCOL_TLS_CLIENT), expected a server's: "
                "ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), with load_cert_chain(certfile, keyfile)"
            )
        return ssl_options
    if not isinstance(ssl_options, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"ssl_options is {ssl_options!r}, expected an ssl.SSLContext or for example "
            "{'certfile': 'server.crt', 'keyfile': 'server.key'}"
        )
    unknown = sorted(set(ssl_options) - OPTION_NAMES)
    if unknown:
        raise ValueError(f"unknown ssl_options {unknown}, expected some of {sorted(OPTION_NAMES)}")
    guessed = server_side is None
    if server_side is None:
        server_side = ssl_options.get("certfile") is not None
    wanted = ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT
    version = ssl_options.get("ssl_version", wanted)
    if version not in (wanted, ssl.PROTOCOL_TLS):  # PROTOCOL_TLS is the old name for "either side"
        raise ValueError(f"ssl_version is {version!r}, expected {wanted!r}; set limits on an ssl.SSLContext instead")
    context = ssl.SSLContext(wanted)
    # A certificate may be a client's: only who says that this is a server's side is refused what no server can use.
    _load(context, ssl_options, server_side, needs_authorities=server_side and not guessed)
    return context


def _load(context: ssl.SSLContext, options: Mapping[str, Any], server_side: bool, *, needs_authorities: bool) -> None:
    if options.get("certfile") is not None:
        with _naming(options, "certfile", "keyfile"):
            context.load_cert_chain(options["certfile"], options.get("keyfile"))
    if "cert_reqs" in options:
        if options["cert_reqs"] == ssl.CERT_NONE:
            context.check_hostname = False  # must go first: ssl refuses CERT_NONE while names are checked
        with _naming(options, "cert_reqs"):
            context.verify_mode = options["cert_reqs"]
    if options.get("ca_certs") is not None:
        with _naming(options, "ca_certs"):
            context.load_verify_locations(options["ca_certs"])
    elif needs_authorities and context.verify_mode == ssl.CERT_REQUIRED:
        raise ValueError(
            "cert_reqs=ssl.CERT_REQUIRED without ca_certs, expected the file of the authorities whose client "
            "certificates are accepted"
        )
    elif context.verify_mode != ssl.CERT_NONE:
        purpose = ssl.Purpose.CLIENT_AUTH if server_side else ssl.Purpose.SERVER_AUTH
        context.load_default_certs(purpose)
    if "ciphers" in options:
        with _naming(options, "ciphers"):
            context.set_ciphers(options["ciphers"])
    context.options |= ssl.OP_NO_COMPRESSION  # CRIME; OpenSSL builds differ in their default


@contextmanager
def _naming(options: Mapping[str, Any], *names: str) -> Generator[None]:
    """Lets what is raised within name the options that it comes of: OpenSSL's own errors name no file."""
    try:
        yield
    except (OSError, TypeError, ValueError) as error:
        error.add_note(", ".join(f"{name}={options[name]!r}" for name in names if options.get(name) is not None))
        raise


def ssl_wrap_socket(
    socket: socket_module.socket,
    ssl_options: Mapping[str, Any] | ssl.SSLContext,
    server_hostname: str | None = None,
    server_side: bool | None = None,
    **kwargs: Any,
) -> ssl.SSLSocket:
    """Returns `socket` wrapped for TLS; the plain socket must not be used any more.

    Args:
        socket: A stream socket; it may be connected or not.
        ssl_options: See [`ssl_options_to_context`][halny.iostream.netutil.ssl_options_to_context].
        server_hostname: On the client's side the name for SNI, against which the certificate is checked.
        server_side: Whether this is the server's side; `None` is the client's.
        **kwargs: More arguments of `ssl.SSLContext.wrap_socket`, such as `do_handshake_on_connect`.

    Raises:
        ValueError: See `ssl_options_to_context`; or a context that checks host names has no `server_hostname`.
    """
    side = bool(server_side)
    context = ssl_options_to_context(ssl_options, side)
    name = server_hostname if not side and ssl.HAS_SNI else None
    return context.wrap_socket(socket, server_side=side, server_hostname=name, **kwargs)


def wrap_connected(
    sock: socket_module.socket, context: ssl.SSLContext, server_hostname: str | None, server_side: bool
) -> ssl.SSLSocket:
    """Returns a connected socket wrapped for a handshake yet to be done; closes it if that can't be.

    Raises:
        OSError: The peer is gone already.
    """
    try:
        sock.getpeername()  # `ssl` would find out too, but some versions of it then leave the new socket open
        return ssl_wrap_socket(sock, context, server_hostname, server_side, do_handshake_on_connect=False)
    except BaseException:
        sock.close()
        raise


_client_context: ssl.SSLContext | None = None


def client_context() -> ssl.SSLContext:
    """Returns a context that verifies its peer by the system's authorities, made once: it reads them all."""
    global _client_context
    if _client_context is None:
        _client_context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    return _client_context
