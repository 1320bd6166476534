from __future__ import annotations

import pytest

from halny.template import ParseError
from halny.template._source import Source
from halny.template._tokens import Kind, Token, tokenize

T, E, G = Kind.TEXT, Kind.EXPRESSION, Kind.TAG


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("a{b}c", [(T, "a{b}c")]),
        ("a{{ b }}c", [(T, "a"), (E, "b"), (T, "c")]),
        ("{% if x %}", [(G, "if x")]),
        ("a{# b #}c", [(T, "a"), (T, "c")]),
        ("{{! a }}", [(T, "{{"), (T, " a }}")]),
        ("{{{x}}}", [(T, "{"), (E, "x"), (T, "}")]),
        ("{{{{{x}}", [(T, "{{{"), (E, "x")]),
        ("{{%x}}", [(E, "%x")]),
        ("{{ '}}' }}", [(E, "'"), (T, "' }}")]),
        ("{{}}{%%}", [(E, ""), (G, "")]),
        ("{{\n\tx \n}}", [(E, "x")]),
    ],
)
def test_tokens(text: str, tokens: list[tuple[Kind, str]]) -> None:
    assert [(token.kind, token.value) for token in tokenize(Source(text, "t"))] == tokens


def test_places() -> None:
    assert tokenize(Source("ab{{  x }}", "t"))[1] == Token(E, "x", 2, 6)
    assert tokenize(Source("a\n{%\n if x %}", "t"))[1] == Token(G, "if x", 2, 6)


@pytest.mark.parametrize(("text", "line"), [("{{", 1), ("a\n{{ x }", 2), ("\n\n{% if", 3), ("{# a\n\n", 1), ("{{{", 1)])
def test_what_is_not_closed(text: str, line: int) -> None:
    with pytest.raises(ParseError, match="missing") as info:
        tokenize(Source(text, "t"))
    assert (info.value.filename, info.value.lineno) == ("t", line)


def test_a_template_of_openings_takes_linear_time() -> None:
    assert len(tokenize(Source("{{!" * 100_000, "t"))) == 100_000
    assert len(tokenize(Source("{ " * 100_000, "t"))) == 1
    with pytest.raises(ParseError) as info:
        tokenize(Source("{" * 100_000, "t"))
    assert len(str(info.value)) < 300
