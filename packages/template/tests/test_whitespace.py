from __future__ import annotations

import pytest

from halny.template import filter_whitespace
from halny.template._whitespace import default_mode

TABLE: list[tuple[str, str, str]] = [
    # text, single, oneline
    ("", "", ""),
    ("a  b", "a b", "a b"),
    ("a \t\tb", "a b", "a b"),
    (" a ", " a ", " a "),
    ("\t", " ", " "),
    ("\n\n", "\n", " "),
    ("a \n b", "a\nb", "a b"),
    ("a\r\n\r\nb", "a\nb", "a b"),
    ("\n\t\n", "\n", " "),
    ("  \n  \n x  y \n", "\nx y\n", " x y "),
    ("a\xa0\xa0b", "a\xa0\xa0b", "a b"),
    ("a\u3000 b", "a\u3000 b", "a b"),
    ("a\f\fb", "a\f\fb", "a b"),
    ("a\rb", "a\rb", "a b"),
    ("a\v\nb", "a\nb", "a b"),
    ("\x85\x85\n", "\n", " "),
]


@pytest.mark.parametrize(("text", "single", "oneline"), TABLE)
def test_modes(text: str, single: str, oneline: str) -> None:
    assert filter_whitespace("all", text) == text
    assert filter_whitespace("single", text) == single
    assert filter_whitespace("oneline", text) == oneline


def test_an_unknown_mode() -> None:
    with pytest.raises(ValueError, match="expected a whitespace mode of all, single, oneline, not 'none'"):
        filter_whitespace("none", "")


@pytest.mark.parametrize(
    ("name", "mode"), [("a.html", "single"), ("a.js", "single"), ("a.htm", "all"), ("html", "all")]
)
def test_defaults(name: str, mode: str) -> None:
    assert default_mode(name) == mode
