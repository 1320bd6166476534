from __future__ import annotations

from decimal import Decimal
from enum import Enum, IntEnum
from http import HTTPStatus
from typing import Any

import pytest

from halny.web._status import as_status, find_fault, show


class Plain(int, Enum):
    GONE = 410


class Indexed:
    """A number as arrays of other libraries have it."""

    def __index__(self) -> int:
        return 410


class Several:
    def __int__(self) -> int:
        raise TypeError("only one can be converted")


@pytest.mark.parametrize("value", [410, 410.0, 410.9, Decimal(410), Plain.GONE, Indexed()])
def test_numbers_become_plain(value: Any) -> None:
    assert (as_status(value), type(as_status(value)), show(value)) == (410, int, "410")
    assert find_fault(value) is None


def test_members_of_enumerations_stay() -> None:
    class Own(IntEnum):
        NOT_YET = 425

    assert as_status(HTTPStatus.GONE) is HTTPStatus.GONE
    assert as_status(Own.NOT_YET) is Own.NOT_YET
    assert (show(HTTPStatus.GONE), show(Own.NOT_YET)) == ("410", "425")


@pytest.mark.parametrize("value", [100, 101, 599, 999])
def test_any_three_digits(value: int) -> None:
    assert as_status(value) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [(99, "99"), (1000, "1000"), (0, "0"), (-404, "-404"), (True, "1"), (99.9, "99"), (10**30, str(10**30))],
)
def test_numbers_that_are_no_status(value: Any, shown: str) -> None:
    with pytest.raises(ValueError, match=r"^a status is a number from 100 to 999, not ") as caught:
        as_status(value)
    assert str(caught.value).endswith(f"not {value!r}")
    assert (find_fault(value), show(value)) == (str(caught.value), shown)


@pytest.mark.parametrize("value", ["404", b"404", None, {}, [404], float("nan"), float("inf"), Several()])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^a status is a number from 100 to 999, not ") as caught:
        as_status(value)
    assert (find_fault(value), show(value)) == (str(caught.value), repr(value))
