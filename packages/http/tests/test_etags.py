from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.http import etag_matches, format_timestamp, if_range_matches, is_etag, parse_etags

from .linear import LIMIT, SIZE, seconds


@pytest.mark.parametrize("text", ['"a"', '""', 'W/"a"', '"a b"'[:2] + 'b"', '"\xff"', '"a,b"'])
def test_etags(text: str) -> None:
    assert is_etag(text)


@pytest.mark.parametrize(
    "text", ["", "a", '"', '"a', 'a"', '"a"b"', 'w/"a"', 'W/ "a"', '"a b"', '"a\x00"', '"ż"', ' "a"', '"a"\n']
)
def test_what_is_no_etag(text: str) -> None:
    assert not is_etag(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"a"', ['"a"']),
        ('"a", W/"b" ,"c"', ['"a"', 'W/"b"', '"c"']),
        ('"a,b","c"', ['"a,b"', '"c"']),
        (', "a",,\t"b" , ', ['"a"', '"b"']),  # RFC 9110 §5.6.1: empty elements are ignored
        ("", []),
        ("a", None),
        ('"a" "b"', None),
        ('"a"; "b"', None),
        ('"a", b', None),
        ("*", None),
        ('"a', None),
    ],
)
def test_lists(value: str, expected: list[str] | None) -> None:
    assert parse_etags(value) == expected


@pytest.mark.parametrize(
    ("value", "etag", "weak", "strong"),
    [
        ('"a"', '"a"', True, True),
        ('W/"a"', '"a"', True, False),
        ('"a"', 'W/"a"', True, False),
        ('W/"a"', 'W/"a"', True, False),
        ('"b", "a"', '"a"', True, True),
        ('"b"', '"a"', False, False),
        ("*", '"a"', True, True),
        (" * ", '"a"', True, True),
        ('"*"', '"a"', False, False),
        ("a", '"a"', False, False),
        ('"a" x', '"a"', False, False),
        ("W/*", '"a"', False, False),
        ('*, "a"', '"a"', False, False),
        ('w/"a"', '"a"', False, False),
        ('"a", "b c"', '"a"', False, False),
        ("", '"a"', False, False),
    ],
)
def test_matching(value: str, etag: str, weak: bool, strong: bool) -> None:
    """The table of RFC 9110 §8.8.3.2, and more."""
    assert etag_matches(value, etag) is weak
    assert etag_matches(value, etag, strong=True) is strong


@pytest.mark.parametrize(
    ("value", "etag", "last_modified", "expected"),
    [
        ('"a"', '"a"', None, True),
        ('"a"', '"b"', None, False),
        ('"a"', None, None, False),
        ('W/"a"', 'W/"a"', None, False),
        ('W/"a"', '"a"', None, False),
        (format_timestamp(1000), None, 1000, True),
        (format_timestamp(1000), '"a"', 1000, True),
        (format_timestamp(1000), None, 1001, False),
        (format_timestamp(1000), None, 999, False),
        (format_timestamp(1000), None, None, False),
        ("nonsense", None, 1000, False),
        ("", None, None, False),
    ],
)
def test_if_range(value: str, etag: str | None, last_modified: int | None, expected: bool) -> None:
    assert if_range_matches(value, etag, last_modified) is expected


@pytest.mark.parametrize(
    "value", ['"a",' * (SIZE // 4), "," * SIZE, " " * SIZE + "x", '"' * SIZE, '"a"' + " " * SIZE + "x", "W/" * SIZE]
)
def test_lists_take_linear_time(value: str) -> None:
    assert seconds(lambda: parse_etags(value)) < LIMIT
    assert seconds(lambda: etag_matches(value, '"b"')) < LIMIT


def tag_of(weak: bool, text: str) -> str:
    return f'{"W/" * weak}"{text}"'


TAGS = st.builds(
    tag_of,
    st.booleans(),
    st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f', exclude_categories=["Cc"])
    ),
)


@given(st.lists(TAGS), st.sampled_from([",", ", ", " , ", ",,"]))
def test_what_was_written_is_read_again(tags: list[str], separator: str) -> None:
    assert parse_etags(separator.join(tags)) == tags
    assert all(is_etag(tag) and etag_matches(separator.join(tags), tag) for tag in tags)


@given(st.text('"W/, ab*'))
def test_lists_never_raise_and_hold_only_tags(value: str) -> None:
    assert all(is_etag(tag) for tag in parse_etags(value) or ())
