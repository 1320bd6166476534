"""The examples in the guide to halny-http do what the guide says."""

from __future__ import annotations

import doctest
from pathlib import Path

GUIDE = Path(__file__).parents[1] / "docs" / "http" / "index.md"


def test_the_examples_of_the_guide() -> None:
    # Tracebacks name exceptions by where they are imported from, not by the private module that they live in.
    result = doctest.testfile(str(GUIDE), module_relative=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert result.attempted > 50
    assert result.failed == 0
