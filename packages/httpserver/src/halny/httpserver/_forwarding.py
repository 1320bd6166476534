"""What a proxy says of the client of a request, and whether it is believed.

Strategy: headers count only if the direct peer is trusted. Then the list of hops is walked from its end, where the
nearest proxy has written, past those that are trusted themselves; the first that is not is the client. What stands
before it was written by the client, or by somebody we do not know.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from typing import TYPE_CHECKING, Final, NamedTuple, cast, final

from halny.http import EndpointSource

from ._context import UNKNOWN_IP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from halny.http import Endpoint, HTTPHeaders, HTTPServerRequest

    from ._connection import RequestConnection

general_log = logging.getLogger("halny.general")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_HOPS: Final = 64
"""How many hops are looked at, from the end: more proxies than any request passes."""

_X_HEADERS: Final = ("X-Forwarded-For", "X-Real-Ip", "X-Forwarded-Proto", "X-Scheme")

_PAIR: Final = re.compile(r"""[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;=]+))[ \t]*""")


@final
class Networks:
    """A set of IP networks.

    Args:
        names: addresses (`10.0.0.1`), networks (`10.0.0.0/8`, `fd00::/8`), and `unix` for peers on UNIX sockets.

    Raises:
        TypeError: they are no list of texts; the caller's fault.
        ValueError: a name is none of these, or has bits behind its prefix; the caller's fault.
    """

    def __init__(self, names: Iterable[str]) -> None:
        if isinstance(names, str):
            raise ValueError(f"expected a list of networks, not the text {names!r}")
        listed: list[object] = list(names)
        for name in listed:
            if isinstance(name, (int, bytes)):  # of which `ipaddress` makes addresses
                raise TypeError(f"expected networks as texts such as '10.0.0.0/8', not {name!r}")
        self._has_unix = "unix" in listed
        self._networks = [ipaddress.ip_network(str(name)) for name in listed if name != "unix"]

    def __contains__(self, ip: object) -> bool:
        if ip == UNKNOWN_IP:
            return self._has_unix
        address = read_ip(str(ip))
        return address is not None and any(address in network for network in self._networks)


@final
class Hop(NamedTuple):
    """What one proxy says: who connected to it, and how."""

    ip: str | None
    """The address in its usual form; None where it is unknown or hidden."""
    protocol: str | None = None


@final
class Forwarding:
    """Finds out the client of a request.

    Args:
        use_forwarded: whether `Forwarded` (RFC 7239) is read, in place of `X-Forwarded-For` and its kin. Only one
            of them is ever read: a proxy writes one, and lets the client's own version of the other pass.
        proxies: the direct peers that are believed, or None for all.
        skipped: further addresses that are proxies and not clients.
    """

    def __init__(self, *, use_forwarded: bool, proxies: Networks | None, skipped: Networks) -> None:
        self._use_forwarded = use_forwarded
        self._proxies = proxies
        self._skipped = skipped

    def apply(self, request: HTTPServerRequest) -> None:
        """Set `remote_ip` and `protocol` of a request, and of its connection's context as long as it lasts.

        Args:
            request: whose head has just been read.
        """
        context = cast("RequestConnection", request.connection).context
        ip, protocol = context.peer_ip, context.peer_protocol
        if self._proxies is None or ip in self._proxies:
            said_ip, said_protocol = (self._forwarded if self._use_forwarded else self._x_headers)(request.headers)
            ip = said_ip or ip
            protocol = said_protocol if said_protocol in ("http", "https") else protocol
        elif general_log.isEnabledFor(logging.DEBUG):
            self._tell_of_ignored(request.headers, ip)
        context.remote_ip = request.remote_ip = ip
        context.protocol = request.protocol = protocol

    def _tell_of_ignored(self, headers: HTTPHeaders, ip: str) -> None:
        for name in ("Forwarded",) if self._use_forwarded else _X_HEADERS:
            if name in headers:
                general_log.debug("%s of %s is ignored, which is none of trusted_proxies", name, ip)
                return

    def _is_proxy(self, ip: str) -> bool:
        return ip in self._skipped or (self._proxies is not None and ip in self._proxies)

    def _x_headers(self, headers: HTTPHeaders) -> Hop:
        listed = headers.get("X-Forwarded-For", "").rsplit(",", MAX_HOPS)[-MAX_HOPS:]
        ip = self._client([Hop(_read_node(each)) for each in listed]).ip
        real = headers.get("X-Real-Ip")
        if real is not None:
            ip = _read_node(real) or ip
        protocol = headers.get("X-Scheme") or headers.get("X-Forwarded-Proto") or ""
        return Hop(ip, protocol.rpartition(",")[2].strip(" \t").lower())

    def _forwarded(self, headers: HTTPHeaders) -> Hop:
        return self._client(read_forwarded(headers.get("Forwarded", "")))

    def _client(self, hops: list[Hop]) -> Hop:
        client = Hop(None)
        for hop in reversed(hops):
            if hop.ip is None:
                break  # whoever that was: what stands before it can't be trusted
            client = hop
            if not self._is_proxy(hop.ip):
                break
        return client


@final
class ForwardingSource(EndpointSource):
    """Finds out the client of each request before its endpoint is looked for.

    Args:
        source: finds the endpoints.
        forwarding: finds the client.
    """

    def __init__(self, source: EndpointSource, forwarding: Forwarding) -> None:
        self._source = source
        self._forwarding = forwarding

    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        """See `EndpointSource.find_endpoint`."""
        self._forwarding.apply(request)
        return self._source.find_endpoint(request)


def read_ip(text: str) -> _Address | None:
    """Return the address that a text is; an IPv4 address in IPv6's clothes is taken as what it is."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def _read_node(text: str) -> str | None:
    """Return the address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`."""
    text = text.strip(" \t")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or (rest and not _is_port(rest)):
            return None
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    else:
        host = text
    address = read_ip(host)
    return None if address is None else str(address)


def _is_port(text: str) -> bool:
    """Whether this is a port with its colon; one that is hidden begins with `_` (RFC 7239, section 6)."""
    return re.fullmatch(r":(?:[0-9]{1,5}|_[A-Za-z0-9._\-]{1,100})", text) is not None


def read_forwarded(value: str) -> list[Hop]:
    """Read a `Forwarded` field; a malformed one says nothing at all (RFC 7239, section 4).

    Args:
        value: the field's value, several of them joined by commas.

    Returns:
        The hops, the nearest last; at most the nearest `MAX_HOPS`.
    """
    hops: list[Hop] = []
    pairs: dict[str, str] = {}
    position = 0
    while position < len(value):
        match = _PAIR.match(value, position)
        if match is None or match[1].lower() in pairs:
            return []
        quoted = match[2]
        pairs[match[1].lower()] = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = match.end()
        if position == len(value) or value[position] == ",":
            hops.append(Hop(_read_node(pairs.get("for", "")), pairs.get("proto", "").lower() or None))
            pairs = {}
        elif value[position] != ";":
            return []
        position += 1
    return hops[-MAX_HOPS:]
