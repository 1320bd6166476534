"""Checks a server's settings as it is made: what is wrong with one would else show at some request, or never.

A wrong type is a `TypeError`, a value out of range a `ValueError`; each message names the setting, its value and what
is expected. What programs written for Tornado pass is taken: whole floats for sizes (`1e9`), integers for switches,
an empty text for no protocol.
"""

from __future__ import annotations

import inspect
import math
import operator
import re
import ssl
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, SupportsIndex

from halny.http import DEFAULT_LIMITS, EndpointSource, HTTPServerConnectionDelegate, Limits

from ._settings import Timeouts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._forwarding import Networks

_LIMITS_THAT_MAY_BE_ZERO: Final = frozenset(
    [
        "max_body_size",
        "max_chunk_extensions_size",
        "max_empty_lines",
        "max_interim_responses",
        "max_trailer_size",
    ]
)
"""Of these a server may take none at all; without the others there is no request."""

_TIMEOUTS_THAT_MAY_BE_ZERO: Final = frozenset(["body_grace", "body_rate", "linger"])

_SERVER_NAME: Final = re.compile(r"(?:\*\.)?[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")


def check_application(application: Any) -> None:
    """Refuse what looks like an application and can't be served.

    Args:
        application: what is to answer requests.

    Raises:
        TypeError: it is the class of an application, or can't be called with a request alone, as WSGI applications
            can't; the caller's fault.
    """
    is_application = isinstance(application, (EndpointSource, HTTPServerConnectionDelegate))
    if isinstance(application, type):
        cls: type[object] = application
        if issubclass(cls, (EndpointSource, HTTPServerConnectionDelegate)) or hasattr(cls, "endpoint_source"):
            raise TypeError(f"the application is the class {cls.__name__}, expected an instance: {cls.__name__}(...)")
    if not callable(application) or is_application or hasattr(application, "endpoint_source"):
        return
    if hasattr(application, "__signature__"):
        return  # a claim, which may be that of another function
    try:
        signature = inspect.signature(application, follow_wrapped=False)
    except (TypeError, ValueError):
        return  # some callables written in C have none
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(
            f"{application!r} can't be called with a request alone ({error}); "
            "a WSGI application is served by WSGIContainer(application)"
        ) from None


def check_switches(**switches: object) -> None:
    """Refuse texts and the like, which would all mean "yes", "no" and "false" among them.

    Args:
        **switches: each by its name.

    Raises:
        TypeError: one is neither a bool nor an integer nor None; the caller's fault.
    """
    for name, value in switches.items():
        if value is not None and not isinstance(value, int):
            raise TypeError(f"{name} is {value!r}, expected True or False")


def count(name: str, value: SupportsIndex | None) -> int | None:
    """Return how many there may be, or None for any number.

    Raises:
        TypeError: it is no integer; the caller's fault.
        ValueError: it is not positive; the caller's fault.
    """
    return None if value is None else _integer(name, value, 1, ", or None for no limit")


def size(name: str, value: SupportsIndex | float | None) -> int | None:
    """Return a number of bytes, or None for the default, for which Tornado's users may also give 0.

    Raises:
        TypeError: it is no integer; the caller's fault.
        ValueError: it is negative; the caller's fault.
    """
    return None if value is None or _is_zero(value) else _integer(name, value, 1, ", or None for the default")


def body_size(value: SupportsIndex | float | None) -> int | None:
    """Return how many bytes a body may have: as `size`, but 0 stands for itself.

    Raises:
        TypeError: it is no integer; the caller's fault.
        ValueError: it is negative; the caller's fault.
    """
    return None if value is None else _integer("max_body_size", value, 0, ", or None for the default")


def limits_of(limits: Limits | None, max_header_size: int | None, max_body_size: int | None) -> Limits:
    """Return the limits that hold: those that are told by their own names, else those of `limits`.

    Raises:
        TypeError: `limits` are none, or one of them is no integer; the caller's fault.
        ValueError: a limit is not positive; the caller's fault.
    """
    result = DEFAULT_LIMITS if limits is None else _checked_limits(limits)
    if max_header_size is not None:
        target = min(result.max_target_size, max_header_size)
        result = result._replace(max_header_size=max_header_size, max_target_size=target)
    return result if max_body_size is None else result._replace(max_body_size=max_body_size)


def timeouts_of(timeouts: Timeouts | None, idle: float | None, body: float | None) -> Timeouts:
    """Return the timeouts that hold: those that are told by their own names and are not 0, else those of `timeouts`.

    Raises:
        TypeError: `timeouts` are none, or one of them is no number; the caller's fault.
        ValueError: a timeout is not positive; the caller's fault.
    """
    result = Timeouts() if timeouts is None else _checked_timeouts(timeouts)
    if idle is not None and not _is_zero(idle):
        _check_seconds("idle_connection_timeout", idle)
        result = result._replace(idle=idle)
    if body is not None and not _is_zero(body):
        _check_seconds("body_timeout", body)
        result = result._replace(body=body)
    return result


def protocol_of(protocol: str | None) -> str | None:
    """Return `http` or `https`, or None where each connection is to say it.

    Raises:
        ValueError: it is none of these; the caller's fault.
    """
    if protocol not in (None, "", "http", "https"):
        raise ValueError(f"protocol is {protocol!r}, expected 'http', 'https' or None")
    return protocol or None


def networks(name: str, listed: Iterable[str]) -> Networks:
    """Return a setting's networks.

    Raises:
        TypeError: it is no list of texts; the caller's fault.
        ValueError: one of them is no network; the caller's fault.
    """
    from ._forwarding import Networks  # with ipaddress; few servers need it

    try:
        return Networks(listed)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def check_server_names(names: Mapping[str, object] | None) -> None:
    """Refuse names that no client could ask for. Their options are checked as they are loaded.

    Args:
        names: options by name.

    Raises:
        TypeError: it is no mapping, or a name is no text; the caller's fault.
        ValueError: a name is malformed, or has a wildcard elsewhere than before its first dot; the caller's fault.
    """
    if names is None:
        return
    if not isinstance(names, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"server_names is {names!r}, expected for example {{'example.org': ssl_options}}")
    for name, options in names.items():
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"server_names has the name {name!r}, expected a text")
        if not _SERVER_NAME.fullmatch(name):
            hint = "" if name.isascii() else f", which clients ask for as {_as_ascii(name)}"
            raise ValueError(f"server_names has {name!r}{hint}, expected 'example.org' or '*.example.org'")
        if not isinstance(options, (Mapping, ssl.SSLContext)):
            raise TypeError(f"server_names[{name!r}] is {options!r}, expected an ssl.SSLContext or its options")


def _as_ascii(name: str) -> str:
    try:
        return repr(name.encode("idna").decode())
    except UnicodeError:
        return "something else"


def _checked_limits(limits: Limits) -> Limits:
    if not isinstance(limits, Limits):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"limits is {limits!r}, expected for example Limits(max_body_size=10 * 2**20)")
    return Limits(
        *(
            _integer(f"limits.{name}", value, 0 if name in _LIMITS_THAT_MAY_BE_ZERO else 1)
            for name, value in zip(Limits._fields, limits, strict=True)
        )
    )


def _checked_timeouts(timeouts: Timeouts) -> Timeouts:
    if not isinstance(timeouts, Timeouts):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"timeouts is {timeouts!r}, expected for example Timeouts(header=10)")
    for name, value in zip(Timeouts._fields, timeouts, strict=True):
        if name == "body" and value is None:
            continue
        _check_seconds(f"timeouts.{name}", value, or_none=name == "body", or_zero=name in _TIMEOUTS_THAT_MAY_BE_ZERO)
    if timeouts.body_rate == math.inf:
        raise ValueError("timeouts.body_rate is inf, which no body reaches; 0 is for no rate")
    return timeouts


def _check_seconds(name: str, value: object, *, or_none: bool = True, or_zero: bool = False) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        alternative = "None" if or_none else "math.inf"
        raise TypeError(f"{name} is {value!r}, expected a number of seconds, or {alternative}")
    if not (value > 0 or (or_zero and value == 0)):  # which no NaN is
        raise ValueError(f"{name} is {value!r}, expected {'0 or more' if or_zero else 'more than 0'} seconds")


def _is_zero(value: object) -> bool:
    return value == 0 and not isinstance(value, bool)


def _integer(name: str, value: object, least: int, alternative: str = "") -> int:
    if isinstance(value, float):
        if value == math.inf:
            return sys.maxsize
        if value.is_integer():
            value = int(value)
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{name} is {value!r}, expected an integer{alternative}")
    number = operator.index(value)
    if number < least:
        raise ValueError(f"{name} is {value!r}, expected {least} or more{alternative}")
    return number
