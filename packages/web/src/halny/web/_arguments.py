"""A handler's arguments, from the query, from a form's body, and from the path."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar, overload

from ._base import HandlerBase
from ._exceptions import HTTPError, MissingArgumentError

DefaultT = TypeVar("DefaultT")


class _Required:
    """Marks an argument that has no default."""


REQUIRED: Final = _Required()
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f]")


class Arguments(HandlerBase):
    """The part of `RequestHandler` that reads arguments."""

    @overload
    def get_argument(self, name: str, default: str, strip: bool = True) -> str: ...
    @overload
    def get_argument(self, name: str, default: _Required = REQUIRED, strip: bool = True) -> str: ...
    @overload
    def get_argument(self, name: str, default: DefaultT, strip: bool = True) -> str | DefaultT: ...

    def get_argument(self, name: str, default: Any = REQUIRED, strip: bool = True) -> Any:
        """Return the value of an argument of the query or the body; of several the last.

        Args:
            name: the argument's name.
            default: what to return where there is none.
            strip: whether white space around the value is taken off.

        Raises:
            MissingArgumentError: there is none, and no default was given.
            HTTPError: the value is not UTF-8 (400).
        """
        return self._halny_last(name, self.request.find_argument(name), default, strip)

    def get_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Return all values of an argument of the query or the body, the query's first.

        Args:
            name: the argument's name.
            strip: whether white space around the values is taken off.

        Raises:
            HTTPError: a value is not UTF-8 (400).
        """
        return [self._halny_decode(name, value, strip) for value in self.request.find_argument(name)]

    @overload
    def get_query_argument(self, name: str, default: str, strip: bool = True) -> str: ...
    @overload
    def get_query_argument(self, name: str, default: _Required = REQUIRED, strip: bool = True) -> str: ...
    @overload
    def get_query_argument(self, name: str, default: DefaultT, strip: bool = True) -> str | DefaultT: ...

    def get_query_argument(self, name: str, default: Any = REQUIRED, strip: bool = True) -> Any:
        """Return the value of an argument of the query; see `get_argument`.

        Args:
            name: the argument's name.
            default: what to return where there is none.
            strip: whether white space around the value is taken off.
        """
        return self._halny_last(name, self.request.query_arguments.get(name), default, strip)

    def get_query_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Return all values of an argument of the query; see `get_arguments`.

        Args:
            name: the argument's name.
            strip: whether white space around the values is taken off.
        """
        return [self._halny_decode(name, value, strip) for value in self.request.query_arguments.get(name, ())]

    @overload
    def get_body_argument(self, name: str, default: str, strip: bool = True) -> str: ...
    @overload
    def get_body_argument(self, name: str, default: _Required = REQUIRED, strip: bool = True) -> str: ...
    @overload
    def get_body_argument(self, name: str, default: DefaultT, strip: bool = True) -> str | DefaultT: ...

    def get_body_argument(self, name: str, default: Any = REQUIRED, strip: bool = True) -> Any:
        """Return the value of an argument of a form's body; see `get_argument`.

        Args:
            name: the argument's name.
            default: what to return where there is none.
            strip: whether white space around the value is taken off.
        """
        return self._halny_last(name, self.request.body_arguments.get(name), default, strip)

    def get_body_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Return all values of an argument of a form's body; see `get_arguments`.

        Args:
            name: the argument's name.
            strip: whether white space around the values is taken off.
        """
        return [self._halny_decode(name, value, strip) for value in self.request.body_arguments.get(name, ())]

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Return an argument's bytes as text; a subclass may override this to take another encoding.

        Args:
            value: the bytes, percent-decoded. Text, which programs put into the request's arguments, stays as it is.
            name: the argument's name, or None for one of the path.

        Raises:
            HTTPError: they are not UTF-8 (400).
        """
        given: object = value
        if isinstance(given, str):
            return given
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise HTTPError(400, f"Invalid unicode in {name or 'url'}: {value[:40]!r}") from None

    def _halny_last(self, name: str, values: list[bytes] | None, default: Any, strip: bool) -> Any:
        """Return the last of some values, all of which have to be sound."""
        if values:
            return [self._halny_decode(name, value, strip) for value in values][-1]
        if default is REQUIRED:
            raise MissingArgumentError(name)
        return default

    def _halny_decode(self, name: str, raw: bytes, strip: bool) -> str:
        value = self.decode_argument(raw, name=name)
        if isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a subclass may return else
            if not value.isprintable():
                value = _CONTROL.sub(" ", value)
            if strip:
                value = value.strip()
        return value
