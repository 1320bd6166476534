from __future__ import annotations

import pytest

from halny.http import DEFAULT_LIMITS, HTTPInputError, HTTPRefusal, Limits


def test_the_defaults_are_those_that_are_documented() -> None:
    assert DEFAULT_LIMITS._asdict() == {
        "max_header_size": 65_536,
        "max_header_count": 256,
        "max_target_size": 32_768,
        "max_body_size": 104_857_600,
        "max_chunk_line_size": 1024,
        "max_chunk_extensions_size": 16_384,
        "max_trailer_size": 8192,
        "max_empty_lines": 4,
        "max_interim_responses": 10,
    }
    assert Limits() == DEFAULT_LIMITS


def test_limits_do_not_change_under_a_connection() -> None:
    with pytest.raises(AttributeError):
        DEFAULT_LIMITS.max_body_size = 1  # type: ignore[misc]


def test_a_refusal_says_what_answers_it() -> None:
    refusal = HTTPRefusal(413, "body of 5 bytes, at most 4 are allowed")
    assert isinstance(refusal, HTTPInputError)
    assert refusal.status == 413
    assert str(refusal) == "body of 5 bytes, at most 4 are allowed"
