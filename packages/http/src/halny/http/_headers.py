"""Header fields: a multi-mapping whose names ignore case.

Strategy: `HTTPHeaders` keeps one dict from the normalised name to the list of its values. It is made from a header
section in one pass, linear in the size of the section, however often a name repeats. The section was checked by
whoever read it: this module validates only what a program adds itself. A request whose headers nobody reads makes
none of this: it keeps its head as bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, TypeVar, cast, overload

from ._exceptions import HTTPInputError, HTTPOutputError
from ._validation import HTTP_WHITESPACE

DefaultT = TypeVar("DefaultT")

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_BYTES: Final = re.compile(r"[^\x00-\xff]")

_MAX_KNOWN_NAMES: Final = 1000
"""How many spellings of names are remembered. Peers choose names, so the memory has a bound."""

_MAX_KNOWN_NAME: Final = 64
"""The longest name that is remembered; those in use are shorter."""

_known_names: dict[str, str] = {}
"""The normalised names by their spellings. All of them are tokens."""


def normalize_name(name: str) -> str:
    """Returns `name` in the `Capitalised-By-Word` form under which `HTTPHeaders` keeps it."""
    known = _known_names.get(name)
    if known is None:
        known = "-".join([word.capitalize() for word in name.split("-")])
        if len(_known_names) < _MAX_KNOWN_NAMES and len(name) <= _MAX_KNOWN_NAME and _TOKEN.fullmatch(name):
            _known_names[name] = known
    return known


def _valid_name(name: str) -> str:
    """Returns `name` as `normalize_name` does, if it is a token."""
    known = _known_names.get(name)
    if known is None:
        if _TOKEN.fullmatch(name) is None:
            raise HTTPInputError(f"invalid header name {name!r}")
        known = normalize_name(name)
    return known


class HTTPHeaders(MutableMapping[str, str]):
    """A mapping from header names, whose case does not matter, to values, which may be several.

    Reading an item joins repeated values with commas, as RFC 9110, section 5.3 lets a recipient do; `get_list`
    gives them apart, which `Set-Cookie` needs. Setting an item replaces every value of that name; `add` adds one more.

        >>> headers = HTTPHeaders({"content-type": "text/html"})
        >>> headers.add("Set-Cookie", "a=b")
        >>> headers.add("set-cookie", "c=d")
        >>> headers["Content-Type"], headers.get_list("Set-Cookie")
        ('text/html', ['a=b', 'c=d'])

    Args:
        *args: a mapping, or pairs of names and values, as for `dict`.
        **kwargs: further names and values.
    """

    _values: dict[str, list[str]]
    """The values by normalised name."""

    def __init__(self, *args: Any, **kwargs: str) -> None:
        if len(args) == 1 and not kwargs and isinstance(args[0], HTTPHeaders):
            self._values = {name: list(values) for name, values in args[0]._values.items()}
            return
        self._values = {}
        if args or kwargs:
            self.update(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (type(self), self._values)

    @classmethod
    def from_section(cls, section: bytes) -> HTTPHeaders:
        """Returns the headers of a section that has already been checked.

        Args:
            section: the lines of the header section, separated by CRLF, without a line end after the last.
        """
        values: dict[str, list[str]] = {}
        if section:
            known_names = _known_names
            for line in section.decode("latin-1").split("\r\n"):
                name, _, value = line.partition(":")
                name = known_names.get(name) or normalize_name(name)
                value = value.strip(HTTP_WHITESPACE)
                if name in values:
                    values[name].append(value)
                else:
                    values[name] = [value]
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: dict[str, list[str]]) -> HTTPHeaders:
        """Returns headers made of values that are known to be valid.

        Args:
            values: the values by normalised name; the headers keep this very dict.
        """
        headers = cls.__new__(cls)
        headers._values = values
        return headers

    def add(self, name: str, value: str, *, _chars_are_bytes: bool = True) -> None:
        """Adds a value to those that `name` already has.

        Args:
            name: the name, a token of RFC 9110, section 5.6.2.
            value: the value, without control characters and without space around it.

        Raises:
            HTTPInputError: `name` is no token, or `value` has characters that no header may hold.
            TypeError: `value` is no `str`; the caller's fault.
        """
        name = _valid_name(name)
        _check_value(name, value, chars_are_bytes=_chars_are_bytes)
        if value.strip(HTTP_WHITESPACE) != value:
            raise HTTPInputError(f"invalid header value {value!r}: space around it is not part of a value")
        self._values.setdefault(name, []).append(value)

    def get_list(self, name: str) -> list[str]:
        """Returns all values of `name`, in the order in which they came; none give an empty list."""
        return list(self._values.get(normalize_name(name), ()))

    def get_all(self) -> Iterable[tuple[str, str]]:
        """Yields each name and value as a pair; a repeated name comes once for each of its values."""
        for name, values in self._values.items():
            for value in values:
                yield name, value

    def parse_line(self, line: str, *, _chars_are_bytes: bool = True) -> None:
        """Adds the header that a line holds; an empty line adds nothing.

        Args:
            line: `Name: value`, with or without its line end.

        Raises:
            HTTPInputError: the line is no header, or it continues the one before (obs-fold, which
                RFC 9112, section 5.2 has removed).
        """
        line = line.removesuffix("\r\n") if line.endswith("\r\n") else line.removesuffix("\n")
        if not line:
            return
        if line[0] in " \t":
            raise HTTPInputError(f"header line {line!r} starts with white space: folded headers are not supported")
        name, colon, value = line.partition(":")
        if not colon:
            raise HTTPInputError(f"no colon in header line {line!r}")
        self.add(name, value.strip(HTTP_WHITESPACE), _chars_are_bytes=_chars_are_bytes)

    @classmethod
    def parse(cls, headers: str, *, _chars_are_bytes: bool = True) -> HTTPHeaders:
        """Returns the headers that a text holds.

        Args:
            headers: lines that end in CRLF or LF.

        Raises:
            HTTPInputError: a line is no header.
        """
        result = cls()
        for line in headers.split("\n"):
            result.parse_line(line.removesuffix("\r"), _chars_are_bytes=_chars_are_bytes)
        return result

    def to_bytes(self) -> bytes:
        """Returns the headers as lines for a message's head, each with its CRLF.

        Raises:
            HTTPOutputError: a value can't be written in ISO-8859-1; the application's fault.
        """
        lines = [f"{name}: {value}\r\n" for name, values in self._values.items() for value in values]
        text = "".join(lines)
        # Whoever reached into the dict by a private name has gone round the checks of `add` and `__setitem__`.
        if not text.count("\n") == text.count("\r") == len(lines) or "\0" in text:
            raise HTTPOutputError(f"control characters in headers {text!r}")
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError as error:
            raise HTTPOutputError(f"headers {text!r} hold characters that ISO-8859-1 has not") from error

    # Mapping

    def __setitem__(self, name: str, value: str) -> None:
        name = _valid_name(name)
        _check_value(name, value, chars_are_bytes=False)
        self._values[name] = [value]

    def __getitem__(self, name: str) -> str:
        values = self._values[normalize_name(name)]
        return values[0] if len(values) == 1 else ",".join(values)

    def __delitem__(self, name: str) -> None:
        del self._values[normalize_name(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (_known_names.get(name) or normalize_name(name)) in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, HTTPHeaders):
            return self._values == other._values
        if isinstance(other, Mapping):
            return dict(self) == dict(cast("Mapping[object, object]", other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, /, default: str) -> str: ...
    @overload
    def get(self, key: str, /, default: DefaultT) -> str | DefaultT: ...

    def get(self, key: str, /, default: Any = None) -> Any:
        """Returns the value of `key`, repeated ones joined with commas, or `default` where it is missing."""
        values = self._values.get(_known_names.get(key) or normalize_name(key))
        if values is None:
            return default
        return values[0] if len(values) == 1 else ",".join(values)

    # Copies and text

    def copy(self) -> HTTPHeaders:
        """Returns headers of their own with the same values."""
        return HTTPHeaders(self)

    __copy__ = copy

    def __str__(self) -> str:
        return "".join([f"{name}: {value}\n" for name, value in self.get_all()])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.get_all())!r})"


def _unpickle(cls: type[HTTPHeaders], values: dict[str, list[str]]) -> HTTPHeaders:
    return cls.from_values(values)


def _check_value(name: str, value: str, *, chars_are_bytes: bool) -> None:
    try:
        if value.isprintable() and value.isascii():
            return  # as most are, and seen sooner than by an expression
    except AttributeError:
        raise TypeError(
            f"header {name!r} has the value {value!r} of type {type(value).__name__}, expected str"
        ) from None
    if _BAD_VALUE.search(value):
        raise HTTPInputError(f"invalid header value {value!r}: it holds a control character")
    if chars_are_bytes and _NOT_BYTES.search(value):
        raise HTTPInputError(f"invalid header value {value!r}: it holds characters that ISO-8859-1 has not")
