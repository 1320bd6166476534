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
        return self._get_argument(name, default, self._all_arguments(), strip)

    def get_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Return all values of an argument of the query or the body, the query's first.

        Args:
            name: the argument's name.
            strip: whether white space around the values is taken off.

        Raises:
            HTTPError: a value is not UTF-8 (400).
        """
        return self._get_arguments(name, self._all_arguments(), strip)

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
        return self._get_argument(name, default, self.request.query_arguments, strip)

    def get_query_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Return all values of an argument of the query; see `get_arguments`.

        Args:
            name: the argument's name.
            strip: whether white space around the values is taken off.
        """
        return self._get_arguments(name, self.request.query_arguments, strip)

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
        return self._get_argument(name, default, self.request.body_arguments, strip)

    def get_body_arguments(self, name: str, strip: bool = True) -> list[str]:
        """Return all values of an argument of a form's body; see `get_arguments`.

        Args:
            name: the argument's name.
            strip: whether white space around the values is taken off.
        """
        return self._get_arguments(name, self.request.body_arguments, strip)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Return an argument's bytes as text; a subclass may override this to take another encoding.

        Args:
            value: the bytes, percent-decoded.
            name: the argument's name, or None for one of the path.

        Raises:
            HTTPError: they are not UTF-8 (400).
        """
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise HTTPError(400, f"Invalid unicode in {name or 'url'}: {value[:40]!r}") from None

    def _all_arguments(self) -> dict[str, list[bytes]]:
        """Return the arguments of query and body; without a body nothing has to be put together."""
        request = self.request
        state = vars(request)
        if not request.body and "arguments" not in state and "body_arguments" not in state:
            return request.query_arguments
        return request.arguments

    def _get_argument(self, name: str, default: Any, source: dict[str, list[bytes]], strip: bool) -> Any:
        values = self._get_arguments(name, source, strip)
        if values:
            return values[-1]
        if default is REQUIRED:
            raise MissingArgumentError(name)
        return default

    def _get_arguments(self, name: str, source: dict[str, list[bytes]], strip: bool) -> list[str]:
        values: list[str] = []
        for raw in source.get(name, ()):
            value = self.decode_argument(raw, name=name)
            if isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a subclass may return else
                value = _CONTROL.sub(" ", value)
                if strip:
                    value = value.strip()
            values.append(value)
        return values
