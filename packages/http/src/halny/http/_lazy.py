"""An attribute that is made when it is first read.

`functools.cached_property` without the lock that Python 3.11 gives it, with a plain attribute's cost from the second
read on, and assignable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final, overload

OwnerT = TypeVar("OwnerT")
ValueT = TypeVar("ValueT")


@final
class lazy(Generic[OwnerT, ValueT]):  # noqa: N801 - it is used as a decorator, like property
    """Decorates a method that computes an attribute; the result is kept in the object's `__dict__`.

    Args:
        make: the method. It is called at most once for each object, unless the attribute is deleted.
    """

    def __init__(self, make: Callable[[OwnerT], ValueT]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[OwnerT, ValueT]: ...
    @overload
    def __get__(self, instance: OwnerT, owner: type) -> ValueT: ...

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._make(instance)
        return value

    if TYPE_CHECKING:
        # Assigning goes past the descriptor, into the object's `__dict__`; the type checkers are told so.
        def __set__(self, instance: OwnerT, value: ValueT) -> None: ...
