"""Signed values: text that a client keeps but can't change, such as the content of a cookie.

A value is signed together with its name and the time, so it is worth nothing under another name or after its time. It
is not encrypted: the client can read it. There are two formats, and they are the ones that Tornado writes, so each
reads the other's:

    version 1   <value>|<time>|<HMAC-SHA1 of name, value and time, one behind the other>
    version 2   2|<n>:<key version>|<n>:<time>|<n>:<name>|<n>:<value>|<HMAC-SHA256 of all before it>

where the value is in Base64, times are seconds since 1970, and `n` is the length of what follows it.
Whatever is wrong with a value, reading it gives None: that is for the application to answer, and no error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from halny.template.escape import utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

general_log = logging.getLogger("halny.general")

Secret: TypeAlias = "str | bytes | Mapping[int, str] | Mapping[int, bytes] | Mapping[int, str | bytes]"  # noqa: S105
"""What signs: one secret, or several by the versions of the keys."""

MIN_SUPPORTED_SIGNED_VALUE_VERSION: Final = 1
"""The oldest format of signed values that can be written and read."""

MAX_SUPPORTED_SIGNED_VALUE_VERSION: Final = 2
"""The newest format of signed values that can be written and read."""

DEFAULT_SIGNED_VALUE_VERSION: Final = 2
"""The format in which values are signed."""

DEFAULT_SIGNED_VALUE_MIN_VERSION: Final = 1
"""The oldest format that is taken, where nothing else is asked for."""

_DAY: Final = 86400

_MAX_SKEW: Final = 31 * _DAY
"""How many seconds in the future the time of a value of version 1 may be. Where its value ends and its time begins is
not signed; digits that were moved from one to the other make a time that is far off."""

# Compiled when it is used first, which is hardly ever. It repeats no groups: what that takes in time and memory grows
# with the value, which need not come in a cookie, and so may be long. That Base64 comes in fours is looked at apart.
_VERSION_1: Final = rb"([A-Za-z0-9+/]*={0,2})\|([1-9][0-9]{0,14})\|([0-9a-f]{40})"
_FIELD: Final = re.compile(rb"([0-9]{1,6}):")
_KEY_VERSION: Final = re.compile(rb"[0-9]{1,9}")
_TIME: Final = re.compile(rb"[0-9]{1,15}")


class _Signed(NamedTuple):
    """The parts of a value of version 2."""

    key_version: int
    timestamp: int
    name: bytes
    value: bytes
    signed: bytes
    """All that the signature is of."""
    signature: bytes


def create_signed_value(
    secret: Secret,
    name: str,
    value: str | bytes,
    version: int | None = None,
    clock: Callable[[], float] | None = None,
    key_version: int | None = None,
) -> bytes:
    """Sign a value, so that `decode_signed_value` with the same secret and name gives it back.

    Args:
        secret: the secret, or a mapping from the versions of keys to secrets.
        name: what the value is for; under another name it is worth nothing.
        value: the value. The client can read it.
        version: the format, 1 or 2; by default 2.
        clock: gives the time, in seconds since 1970; for tests.
        key_version: which of several secrets signs.

    Returns:
        ASCII without white space, semicolons and quotes.

    Raises:
        ValueError: there is no such format, no secret of that key version, or it was not said which one signs.
        TypeError: the secret is neither text, nor bytes, nor a mapping.
    """
    if version is None:
        version = DEFAULT_SIGNED_VALUE_VERSION
    timestamp = b"%d" % (time.time if clock is None else clock)()
    encoded = base64.b64encode(utf8(value))
    if version == 1:
        if not isinstance(secret, (str, bytes)):
            raise ValueError("signed values of version 1 know no versions of keys: expected one secret")
        return b"|".join((encoded, timestamp, _signature_1(secret, name, encoded, timestamp)))
    if version != 2:
        raise ValueError(f"unknown version of signed values {version!r}, expected 1 or 2")
    key = _signing_key(secret, key_version)
    fields = (b"%d" % (key_version or 0), timestamp, utf8(name), encoded)
    signed = b"2|" + b"".join([b"%d:%b|" % (len(field), field) for field in fields])
    return signed + _signature_2(key, signed)


def _signing_key(secret: Secret, key_version: int | None) -> str | bytes:
    if isinstance(secret, (str, bytes)):
        return secret
    secrets = _several(secret)
    if key_version is None:
        raise ValueError("there are several secrets: key_version must say which one signs")
    key = secrets.get(key_version)
    if key is None:
        raise ValueError(f"there is no secret of the key version {key_version!r}")
    return key


def _several(
    secret: Mapping[int, str] | Mapping[int, bytes] | Mapping[int, str | bytes],
) -> Mapping[int, str] | Mapping[int, bytes] | Mapping[int, str | bytes]:
    if not hasattr(secret, "get"):
        kind = type(secret).__name__  # and not its value, which may be meant to be secret
        raise TypeError(f"a secret, such as the setting 'cookie_secret', is text, bytes or a dict of these, not {kind}")
    return secret


def decode_signed_value(
    secret: Secret,
    name: str,
    value: str | bytes | None,
    max_age_days: float = 31,
    clock: Callable[[], float] | None = None,
    min_version: int | None = None,
) -> bytes | None:
    """Return what `create_signed_value` signed, or None for anything else.

    Args:
        secret: the secret, or a mapping from the versions of keys to secrets, of which each is tried for its own.
        name: the name under which the value was signed.
        value: the signed value, from wherever it comes.
        max_age_days: how old it may be.
        clock: gives the time, in seconds since 1970; for tests.
        min_version: the oldest format that is taken; by default 1.

    Raises:
        ValueError: `min_version` is newer than the newest format; the caller's fault.
        TypeError: the secret is neither text, nor bytes, nor a mapping.
    """
    if min_version is None:
        min_version = DEFAULT_SIGNED_VALUE_MIN_VERSION
    if min_version > MAX_SUPPORTED_SIGNED_VALUE_VERSION:
        raise ValueError(f"unsupported min_version {min_version!r}, expected 1 or 2")
    if not value:
        return None
    raw = utf8(value)
    now = (time.time if clock is None else clock)()
    if raw.startswith(b"2|"):
        return _decode_2(secret, name, raw, now - max_age_days * _DAY)
    if min_version > 1 or not isinstance(secret, (str, bytes)):
        return None
    return _decode_1(secret, name, raw, now - max_age_days * _DAY, now + _MAX_SKEW)


def get_signature_key_version(value: str | bytes) -> int | None:
    """Return which version of the key signed a value, without checking the signature, or None where it does not say.

    Args:
        value: a signed value; those of version 1 do not say.
    """
    signed = _parse_2(utf8(value))
    return None if signed is None else signed.key_version


def _decode_1(secret: str | bytes, name: str, raw: bytes, earliest: float, latest: float) -> bytes | None:
    match = re.fullmatch(_VERSION_1, raw)
    if match is None or len(match[1]) % 4:
        return None
    encoded, timestamp, signature = match.groups()
    if not hmac.compare_digest(signature, _signature_1(secret, name, encoded, timestamp)):
        general_log.warning("invalid signature of the cookie %r", name)
        return None
    if not earliest <= int(timestamp) <= latest:
        general_log.warning("expired or future signature of the cookie %r", name)
        return None
    return _from_base64(encoded)


def _decode_2(secret: Secret, name: str, raw: bytes, earliest: float) -> bytes | None:
    signed = _parse_2(raw)
    if signed is None:
        return None
    key = secret if isinstance(secret, (str, bytes)) else _several(secret).get(signed.key_version)
    if key is None:
        return None
    if not hmac.compare_digest(signed.signature, _signature_2(key, signed.signed)):
        return None
    if signed.name != utf8(name) or signed.timestamp < earliest:
        return None
    return _from_base64(signed.value)


def _parse_2(raw: bytes) -> _Signed | None:
    if not raw.startswith(b"2|"):
        return None
    fields: list[bytes] = []
    position = 2
    for _ in range(4):
        match = _FIELD.match(raw, position)
        if match is None:
            return None
        begin, position = match.end(), match.end() + int(match[1]) + 1
        if raw[position - 1 : position] != b"|":
            return None
        fields.append(raw[begin : position - 1])
    key_version, timestamp, name, value = fields
    if _KEY_VERSION.fullmatch(key_version) is None or _TIME.fullmatch(timestamp) is None:
        return None
    return _Signed(int(key_version), int(timestamp), name, value, raw[:position], raw[position:])


def _signature_1(secret: str | bytes, name: str, encoded: bytes, timestamp: bytes) -> bytes:
    return hmac.new(utf8(secret), utf8(name) + encoded + timestamp, hashlib.sha1).hexdigest().encode()


def _signature_2(secret: str | bytes, signed: bytes) -> bytes:
    return hmac.new(utf8(secret), signed, hashlib.sha256).hexdigest().encode()


def _from_base64(encoded: bytes) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None
