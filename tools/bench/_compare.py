"""Whether servers gave the answer that they were asked for.

Tornado and Halny run the same program, so they must give the same answer: the status, the names of the headers in their
order, the values of all headers but those that tell the server and the time, and the body. Other servers must give the
right status and the right content. This is checked before anything is timed; a server that fails is not timed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._requests import FIRST_NUMBER
from ._servers import SAME_API

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ._requests import Answer

    Check = Callable[[Answer, int], bool]

FREE_VALUES = frozenset({"server", "date"})
"""Headers whose values may differ between servers with the same API."""

UNCHECKED = frozenset({"limit"})
"""Gives a constant, so it can't echo anything; only its status is checked."""


def same_answer(reference: Answer, answer: Answer) -> str | None:
    """Say how an answer differs from another one, or None."""
    if answer.status != reference.status:
        return f"status {answer.status}, expected {reference.status}"
    names, expected = ([name for name, _ in one.headers] for one in (answer, reference))
    if names != expected:
        return f"headers {', '.join(names)}; expected {', '.join(expected)}"
    for (name, value), (_, other) in zip(answer.headers, reference.headers, strict=True):
        if value != other and name.lower() not in FREE_VALUES:
            return f"{name}: {value!r}, expected {other!r}"
    if answer.body != reference.body:
        return f"body {answer.body[:80]!r}, expected {reference.body[:80]!r}"
    return None


def complaints(answers: Mapping[str, Sequence[Answer]], check: Check) -> dict[str, str]:
    """Check all servers' answers to the requests with the first numbers.

    Args:
        answers: each server's answers.
        check: whether an answer with status 200 has the right content, given the request's number.
    """
    found: dict[str, str] = {}
    for server, own in answers.items():
        for number, answer in enumerate(own, FIRST_NUMBER):
            if answer.status != 200:
                found.setdefault(server, f"status {answer.status}, expected 200")
            elif server not in UNCHECKED and not check(answer, number):
                found.setdefault(server, f"wrong content: {answer.body[:80]!r}")
    reference = reference_server(answers)
    if reference is None:
        return found
    for server in SAME_API:
        for answer, expected in zip(answers.get(server, ()), answers[reference], strict=False):
            difference = same_answer(expected, answer)
            if difference is not None:
                found.setdefault(server, f"not the answer of {reference}: {difference}")
    return found


def reference_server(answers: Mapping[str, Sequence[Answer]]) -> str | None:
    """The server that the others with the same API are compared with."""
    return next((server for server in SAME_API if server in answers), None)
