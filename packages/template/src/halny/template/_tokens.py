"""The first stage: the text of a template becomes a list of tokens.

There are three kinds: text, `{{ expression }}` and `{% tag %}`. Comments end here, but they part the text before
them from the text behind them, since whitespace is filtered for each piece on its own. Escaped openings
(`{{!`, `{%!`, `{#!`) become text.

Of several curly brackets in a row the innermost two open an expression, so `{{{x}}}` is `x` in curly brackets.
An expression ends at the first `}}` and a tag at the first `%}`, in a string too: nothing here knows Python.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ._source import Source

_OPENING = re.compile(r"\{(?:\{(?!\{)|[%#])")


class Kind(enum.Enum):
    """What a token is."""

    TEXT = "text"
    EXPRESSION = "expression"
    TAG = "tag"


class Token(NamedTuple):
    """A piece of a template."""

    kind: Kind
    value: str
    """The text, or what stands between the brackets without the whitespace around it."""
    start: int
    """Where the token begins in the template."""
    inner: int
    """Where `value` begins in the template."""


_KINDS = {"{": (Kind.EXPRESSION, "}}"), "%": (Kind.TAG, "%}"), "#": (None, "#}")}


def tokenize(source: Source) -> list[Token]:
    """Cuts a template into tokens.

    Raises:
        ParseError: An expression, tag or comment is not closed; the place is its opening.
    """
    text = source.text
    tokens: list[Token] = []
    position = 0
    while opening := _OPENING.search(text, position):
        start, inner = opening.span()
        if start > position:
            tokens.append(Token(Kind.TEXT, text[position:start], position, position))
        if text.startswith("!", inner):
            tokens.append(Token(Kind.TEXT, text[start:inner], start, start))
            position = inner + 1
            continue
        kind, closing = _KINDS[text[start + 1]]
        end = text.find(closing, inner)
        if end < 0:
            raise source.error(f"missing {closing} for {text[start:inner]}", source.line(start))
        if kind is not None:
            body = text[inner:end].lstrip()
            tokens.append(Token(kind, body.rstrip(), start, end - len(body)))
        position = end + 2
    if position < len(text):
        tokens.append(Token(Kind.TEXT, text[position:], position, position))
    return tokens
