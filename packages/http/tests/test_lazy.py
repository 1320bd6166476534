"""Attributes that are made when they are first asked for."""

from __future__ import annotations

from halny.http._lazy import made_once


class Example:
    def __init__(self) -> None:
        self.count = 0

    @made_once
    def number(self) -> int:
        """The number."""
        self.count += 1
        return self.count


def test_made_once() -> None:
    example, other = Example(), Example()
    assert (example.number, example.number, example.count, other.count) == (1, 1, 1, 0)
    del example.number
    assert example.number == 2


def test_set_before_it_is_made() -> None:
    example = Example()
    example.number = 7
    assert (example.number, example.count) == (7, 0)


def test_on_the_class() -> None:
    assert Example.number.__doc__ == "The number."
