"""One option: its definition, its value, and the checks that every new value passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._errors import Error
from ._types import parse_list, parse_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._types import Kind

_UNSET = object()


class Option:
    """One option of an `OptionParser`."""

    def __init__(
        self,
        name: str,
        default: Any = None,
        type: Kind = str,  # noqa: A002 - the public name
        help: str | None = None,  # noqa: A002 - the public name
        metavar: str | None = None,
        multiple: bool = False,
        file_name: str | None = None,
        group_name: str | None = None,
        callback: Callable[[Any], object] | None = None,
    ) -> None:
        self.name = name
        empty: list[Any] = []
        self.default: Any = empty if default is None and multiple else default
        self.type = type
        self.help = help
        self.metavar = metavar
        self.multiple = multiple
        self.file_name = file_name
        self.group_name = group_name
        self.callback = callback
        self._value: Any = _UNSET

    def __repr__(self) -> str:
        return f"<Option {self.name}={self.value()!r}>"

    def value(self) -> Any:
        """Return what was set, or else the default."""
        return self.default if self._value is _UNSET else self._value

    def parse(self, text: str) -> Any:
        """Set the value from text, and return it.

        Raises:
            Error: the text is no such value.
        """
        try:
            value = parse_list(text, self.type) if self.multiple else parse_value(text, self.type)
        except Error as error:
            raise Error(f"Option {self.name!r}: {error}") from error.__cause__
        return self._accept(value)

    def set(self, value: Any) -> None:
        """Set the value. `None` is always allowed.

        Raises:
            Error: it is not of the option's type.
        """
        if self.multiple:
            self._check_list(value)
        elif value is not None and not self._is_right(value):
            raise Error(f"Option {self.name!r} is required to be a {self._type_name()} ({type(value)} given)")
        self._accept(value)

    def set_from_file(self, value: Any) -> None:
        """Set the value that a configuration file gave: of the option's type, or text as on the command line.

        Raises:
            Error: it is neither.
        """
        if self.multiple and not isinstance(value, (list, str)):
            raise Error(
                f"Option {self.name!r} is required to be a list of {self._type_name()} or a comma-separated string"
            )
        if isinstance(value, str) and (self.multiple or self.type is not str):
            self.parse(value)
        else:
            self.set(value)

    def _check_list(self, value: Any) -> None:
        if not isinstance(value, list) or not all(item is None or self._is_right(item) for item in value):  # pyright: ignore[reportUnknownVariableType]
            raise Error(f"Option {self.name!r} is required to be a list of {self._type_name()}")

    def _is_right(self, value: Any) -> bool:
        # The type may be any callable that reads text; then there is nothing to compare with.
        return not isinstance(self.type, type) or isinstance(value, self.type)

    def _type_name(self) -> str:
        return getattr(self.type, "__name__", str(self.type))

    def _accept(self, value: Any) -> Any:
        self._value = value
        if self.callback is not None:
            self.callback(value)
        return value
