"""The doctests of the package as a suite, a name that test loaders of old programs ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import unittest


def doctests() -> unittest.TestSuite:
    """Returns the doctests of this package as a test suite, for test loaders."""
    import doctest  # it brings the debugger along, which nobody needs who does not test

    return doctest.DocTestSuite("halny.iostream")
