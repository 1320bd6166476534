"""Request lines that are not the usual ones: other methods, other forms of target, other versions.

Strategy: whatever reaches an application is in origin form or `*`, except for CONNECT, so that routing, logs and
proxies before us see one thing (RFC 9112, section 3.2). llhttp knows a fixed list of methods and gives some of them
meanings of their own, while which methods exist is the application's business: it is shown a method that it knows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ._exceptions import HTTPRefusal
from ._validation import has_port, is_valid_host

if TYPE_CHECKING:
    from ._limits import Limits

METHODS: Final = {
    name.encode(): name
    for name in (
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "PROPPATCH", "MKCOL"
    )
}  # fmt: skip
"""Methods that llhttp gets to see. Any other is shown to it as `GET`: `CONNECT`, `PRI` and RTSP's would change how
it reads what follows."""

_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
"""A token of a sane length: the names of methods end up in logs and metrics."""

_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_ABSOLUTE: Final = re.compile(rb"(https?)://([^/?#@]*)([/?].*)?", re.IGNORECASE)
_DEFAULT_PORTS: Final = {b"http": ":80", b"https": ":443"}


def with_known_method(head: bytes, method: bytes) -> bytes:
    """Return a head that llhttp can judge in place of one whose method it does not know, or knows too well.

    Raises:
        HTTPRefusal: `method` is no method, or a CONNECT names no host.
    """
    if _METHOD.fullmatch(method) is None:
        raise HTTPRefusal(400, f"malformed method {method[:100]!r}")
    if method != b"CONNECT":
        return b"GET" + head[len(method) :]
    _, target, rest = head.split(b" ", 2)
    if not has_port(target.decode("latin-1")):
        raise HTTPRefusal(400, f"malformed target of CONNECT {target[:100]!r}")
    return b"GET / " + rest


def origin_form(method: bytes, target: bytes, host: str | None) -> tuple[bytes, str | None]:
    """Return the path and query of a target in another form, and the host that is asked for.

    Args:
        method: the method, for `*` and authority form belong to one each.
        target: the target as it was sent.
        host: what `Host` says, or None where there is none.

    Raises:
        HTTPRefusal: the target has no form that the method allows, or names another host than `Host` does, which
            RFC 9112, section 3.2.2 would have ignored: a proxy in front may have gone by either.
    """
    if (target == b"*" and method == b"OPTIONS") or (method == b"CONNECT" and b"\n" not in target):
        return target, host
    absolute = None if b"#" in target else _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise HTTPRefusal(400, f"malformed target {target[:100]!r}")
    authority, path = absolute[2].decode("latin-1"), absolute[3] or b""
    if not is_valid_host(authority):
        raise HTTPRefusal(400, f"malformed authority in target {target[:100]!r}")
    port = _DEFAULT_PORTS[absolute[1].lower()]
    if host is not None and host.lower().removesuffix(port) != authority.lower().removesuffix(port):
        raise HTTPRefusal(400, f"target {target[:100]!r} and Host {host[:100]!r} name different hosts")
    if not path:
        path = b"*" if method == b"OPTIONS" else b"/"
    elif path[0] != 47:  # a query: the path is empty, which means "/"
        path = b"/" + path
    return path, authority


def refused_line(head: bytes) -> HTTPRefusal:
    """Return the refusal of a head whose first line is no request line, or of a version that is not read here.

    Args:
        head: the head; its request line has been found to be another than `method target HTTP/1.1` or `1.0`.
    """
    line = head.partition(b"\r\n")[0]
    version = line.rpartition(b" ")[2]
    if line.count(b" ") == 2 and b"\n" not in line and _VERSION.fullmatch(version):
        return HTTPRefusal(505, f"{version.decode()} is not supported, only HTTP/1.1 and HTTP/1.0 are")
    return HTTPRefusal(400, f"malformed request line {line[:100]!r}")


def refused_size(head: bytes | bytearray, limits: Limits) -> HTTPRefusal:
    """Return the refusal of a head that is over its limit: 414 where the request line alone is too long.

    Args:
        head: the head, or so much of it as has come.
        limits: what it is over.
    """
    line = head.find(b"\n")
    if line < 0 or line > limits.max_target_size + 100:  # what else a request line has is shorter than that
        return HTTPRefusal(414, f"request line of more than {limits.max_target_size} bytes")
    return HTTPRefusal(431, f"head of more than {limits.max_header_size} bytes")
