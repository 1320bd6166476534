"""The tables of the page on security name every limit and timeout, with the default that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from halny.http import Limits
from halny.httpserver import Timeouts

PAGE = Path(__file__).parents[1] / "docs" / "security.md"


@pytest.mark.parametrize("defaults", [Limits(), Timeouts()], ids=["limits", "timeouts"])
def test_the_page_tells_every_default(defaults: Limits | Timeouts) -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (\w+) ", PAGE.read_text(), re.MULTILINE))
    values = defaults._asdict()
    assert {name: told.get(name) for name in values} == {
        name: "no" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in values.items()
    }
