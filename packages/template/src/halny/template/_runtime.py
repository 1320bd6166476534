"""What the code of a template calls while it runs.

The functions reach that code as the defaults of its parameters, so that no name of the user's namespace can take
their place, and their lookup is that of a local variable.

A value that is exactly a `str` or an `int` never comes here: the code itself tests for those (see `_emit`).
`str` and `bytes` of any class stand for their own characters; every other value for what its `str()` says.
"""

from __future__ import annotations

from typing import Any

from ._text import escape_text, plain_text


def raw_value(value: object) -> str:
    """The text of a value, as it is."""
    if type(value) is float:
        return repr(value)
    if isinstance(value, bytes):
        return bytes.decode(value)
    return plain_text(value if isinstance(value, str) else str(value))


def escaped_value(value: object) -> str:
    """The text of a value, escaped for HTML."""
    if type(value) is float:
        return repr(value)
    return escape_text(raw_value(value))


def bytes_value(value: object) -> bytes:
    """The UTF-8 of a value: what escape functions of the user's own are given."""
    return value if type(value) is bytes else raw_value(value).encode()


def result_text(value: Any) -> str:
    """The text that an escape function, or the function of an `apply`, has returned."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, bytes):
        return bytes.decode(value)
    raise TypeError(f"expected str or bytes from a template's escape or apply function, not {type(value).__name__}")


def take(buffer: list[str]) -> str:
    """What is in a buffer, which is empty afterwards."""
    text = "".join(buffer)
    buffer.clear()
    return text


PARAMETERS: dict[str, Any] = {
    "_tt_type": type,
    "_tt_str": str,
    "_tt_int": int,
    "_tt_len": len,
    "_tt_join": "".join,
    "_tt_escape": escape_text,
    "_tt_escaped": escaped_value,
    "_tt_raw": raw_value,
    "_tt_bytes": bytes_value,
    "_tt_text": result_text,
    "_tt_take": take,
}
"""The parameters of a template's function, with their defaults."""

DEFAULTS: tuple[Any, ...] = tuple(PARAMETERS.values())
