"""The certificates of a server: for each name its own, and new ones while it runs.

Strategy: connections are made with one context, whose callback chooses another one for the handshake, by the name
that the client asks for. To reload is to make new contexts and to choose those from then on: a certificate that can't
be loaded changes nothing, and connections that are open keep the one they have.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, final

from halny.iostream.netutil import ssl_options_to_context

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        ValueError: `names` are given, and the default context has a callback of its own; the caller's fault.
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

    def reload(self) -> None:
        """Read all certificates anew, for the connections that are made from now on.

        Raises:
            RuntimeError: all of them came as `SSLContext`s, whose files are not known; the caller's fault.
            OSError: a file can't be read, or (`ssl.SSLError`) does not hold what it should. Nothing is changed.
        """
        if not self._reloadable:
            raise RuntimeError("no certificate was given by its files: call load_cert_chain() on your SSLContext")
        self._contexts = _load(self._options)

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        contexts = self._contexts
        name = (name or "").lower()
        chosen = contexts.get(name) or contexts.get("*." + name.partition(".")[2]) or contexts[""]
        if chosen is not context:
            connection.context = chosen


def _load(options: Mapping[str, TLSOptions]) -> dict[str, ssl.SSLContext]:
    return {name: ssl_options_to_context(each, server_side=True) for name, each in options.items()}
