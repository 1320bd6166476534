"""Attributes that are made when they are first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, final, overload

if TYPE_CHECKING:
    from collections.abc import Callable

ValueT = TypeVar("ValueT")


@final
class made_once(Generic[ValueT]):  # noqa: N801 - used as a decorator
    """Makes a method an attribute that is computed when it is first read; it may be set and deleted like any other.

    As `functools.cached_property`, but it stores the value as any attribute is stored. That one goes through the
    instance's dict, which most instances would otherwise never have; it costs more than most values do.

    Args:
        make: the method.
    """

    def __init__(self, make: Callable[[Any], ValueT]) -> None:
        self._make = make
        self._name = ""
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> ValueT: ...

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Self | ValueT:
        if instance is None:
            return self
        value = self._make(instance)
        setattr(instance, self._name, value)  # which is found before this from now on
        return value

    if TYPE_CHECKING:

        def __set__(self, instance: object, value: ValueT) -> None:
            """May be set; there is no such method, or it would be called for every reading."""
