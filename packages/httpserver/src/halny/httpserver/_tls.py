"""The certificates of a server: for each name its own, and new ones while it runs.

Strategy: connections are made with one context, whose callback chooses another one for the handshake, by the name
that the client asks for. To reload is to make new contexts and to choose those from then on: a certificate that can't
be loaded changes nothing, and connections that are open keep the one they have.
"""

from __future__ import annotations

import logging
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, final

from halny.iostream.netutil import ssl_options_to_context

if TYPE_CHECKING:
    from collections.abc import Mapping

general_log = logging.getLogger("halny.general")

_WITHOUT_CERTIFICATE: Final = frozenset(["NO_SHARED_CIPHER", "NO_SUITABLE_SIGNATURE_ALGORITHM"])
"""Why OpenSSL ends a handshake for which it has no certificate; also one with a client that knows no usual cipher."""

TLSOptions = dict[str, Any] | ssl.SSLContext
"""A context, or what `ssl_options_to_context` makes one of."""


@final
class Certificates:
    """Chooses the certificate of a connection.

    Args:
        default: for clients that name no host, or none of `names`. It also gives every setting beside the
            certificate: whether clients must show one, versions, ciphers, protocols.
        names: for clients that ask for a host by name: `example.org`, or `*.example.org` for what is one label longer.

    Raises:
        ValueError: `names` are given, and the default context has a callback of its own; or a context is a client's,
            or options have no `certfile`; the caller's fault.
        OSError: a file can't be read, or (`ssl.SSLError`) does not hold what it should.
    """

    def __init__(self, default: TLSOptions, names: Mapping[str, TLSOptions] | None = None) -> None:
        self._options = {"": default, **{name.lower(): each for name, each in (names or {}).items()}}
        self._contexts = _load(self._options)
        self._reloadable = [name for name, each in self._options.items() if not isinstance(each, ssl.SSLContext)]
        if isinstance(default, ssl.SSLContext):
            self.context = default
            if names and default.sni_callback is not None:
                raise ValueError("server_names with an SSLContext that has an sni_callback: use one of them")
        else:
            self.context = ssl_options_to_context(default, server_side=True)
        if self._reloadable or names:
            self.context.sni_callback = self._choose
        self._is_examined = False

    def reload(self) -> None:
        """Read all certificates anew, for the connections that are made from now on.

        Raises:
            RuntimeError: all of them came as `SSLContext`s, whose files are not known; the caller's fault.
            OSError: a file can't be read, or (`ssl.SSLError`) does not hold what it should. Nothing is changed.
        """
        if not self._reloadable:
            raise RuntimeError("no certificate was given by its files: call load_cert_chain() on your SSLContext")
        self._contexts = _load(self._options)
        self._is_examined = False

    def examine(self, error: OSError) -> None:
        """Say it in the log when a handshake has failed for want of a certificate, which is not the client's fault.

        A context does not tell whether it has one, and it may get one at any time; so this is found out when a
        handshake fails as it then does, which a client may also bring about. It is said once.

        Args:
            error: what has ended the handshake.
        """
        if self._is_examined or getattr(error, "reason", None) not in _WITHOUT_CERTIFICATE:
            return
        self._is_examined = True
        for name, context in self._contexts.items():
            if not _has_certificate(context):
                general_log.error(
                    "no client of %s can be served: the SSLContext has no certificate, expected one by "
                    "load_cert_chain(certfile, keyfile)",
                    _setting(name),
                )

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        contexts = self._contexts
        name = (name or "").lower()
        chosen = contexts.get(name) or contexts.get("*." + name.partition(".")[2]) or contexts[""]
        if chosen is not context:
            connection.context = chosen


def _load(options: Mapping[str, TLSOptions]) -> dict[str, ssl.SSLContext]:
    return {name: _load_one(name, each) for name, each in options.items()}


def _load_one(name: str, options: TLSOptions) -> ssl.SSLContext:
    try:
        if not isinstance(options, ssl.SSLContext) and options.get("certfile") is None:
            raise ValueError("no certfile is given")
        return ssl_options_to_context(options, server_side=True)
    except (OSError, ValueError) as error:
        error.add_note(f"in {_setting(name)}")
        raise


def _setting(name: str) -> str:
    return f"server_names[{name!r}]" if name else "ssl_options"


def _has_certificate(context: ssl.SSLContext) -> bool:
    """Return whether a context answers the beginning of a handshake, which it can't without a certificate."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    sent, answered = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        client.wrap_bio(ssl.MemoryBIO(), sent).do_handshake()
    try:
        context.wrap_bio(sent, answered, server_side=True).do_handshake()
    except ssl.SSLWantReadError:
        return True
    except ssl.SSLError as error:
        return error.reason not in _WITHOUT_CERTIFICATE
    return True
