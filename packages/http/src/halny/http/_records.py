"""A few values that belong together."""

from __future__ import annotations

from typing import ClassVar


class Record:
    """Values that are compared and shown by the names in `__slots__`.

    It is what a dataclass would be, without the code that one generates: that took longer than importing the module
    which it was in.
    """

    __slots__: tuple[str, ...] = ()
    __hash__: ClassVar[None]  # type: ignore[assignment]  # equal today, and perhaps not tomorrow

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        values = ", ".join([f"{name}={getattr(self, name)!r}" for name in self.__slots__])
        return f"{type(self).__name__}({values})"
