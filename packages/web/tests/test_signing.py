from __future__ import annotations

import base64
import hashlib
import hmac
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.web import (
    DEFAULT_SIGNED_VALUE_MIN_VERSION,
    DEFAULT_SIGNED_VALUE_VERSION,
    MAX_SUPPORTED_SIGNED_VALUE_VERSION,
    MIN_SUPPORTED_SIGNED_VALUE_VERSION,
    create_signed_value,
    decode_signed_value,
    get_signature_key_version,
)

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog

NOW = 1300000000
DAY = 86400
SECRET = "secret"
V1 = b"dmFsdWU=|1300000000|015457b5e81203ad7a63281d7854c09f610f2c9f"
V2 = (
    b"2|1:0|10:1300000000|3:key|8:dmFsdWU=|"
    b"58e508a37c3a0dba6e66b2a901009c013d93b2218b13a5aeba9bb6825561f201"
)  # fmt: skip
ROTATED = (
    b"2|1:1|10:1300000000|3:key|4:dsOp|"
    b"04fc09397bdfbc9f208de6fca49a3e006ff10c1367110596fbae9b60c92d4c02"
)  # fmt: skip


def clock() -> float:
    return NOW


def decode(value: bytes | str | None, name: str = "key", secret: Any = SECRET, **options: Any) -> bytes | None:
    options.setdefault("clock", clock)
    return decode_signed_value(secret, name, value, **options)


def test_the_formats_are_those_of_tornado() -> None:
    """The literals were made by Tornado, so that its cookies stay good when an application moves over."""
    assert create_signed_value(SECRET, "key", b"value", version=1, clock=clock) == V1
    assert create_signed_value(SECRET, "key", b"value", version=2, clock=clock) == V2
    assert create_signed_value(SECRET, "key", "value", clock=clock) == V2
    assert create_signed_value({0: "a", 1: "b"}, "key", "vé", clock=clock, key_version=1) == ROTATED
    assert decode(V1) == decode(V2) == decode(V2.decode()) == b"value"
    assert decode(ROTATED, secret={0: "a", 1: "b"}) == "vé".encode()


def test_the_versions() -> None:
    assert DEFAULT_SIGNED_VALUE_VERSION == MAX_SUPPORTED_SIGNED_VALUE_VERSION == 2
    assert DEFAULT_SIGNED_VALUE_MIN_VERSION == MIN_SUPPORTED_SIGNED_VALUE_VERSION == 1


@given(st.text(min_size=1), st.binary(), st.sampled_from([1, 2]))
def test_what_was_signed_comes_back(name: str, value: bytes, version: int) -> None:
    signed = create_signed_value(SECRET, name, value, version=version, clock=clock)
    assert decode(signed, name) == value
    if version == 2:
        assert decode(signed, name + "x") is None


@pytest.mark.parametrize("value", [V1, V2])
def test_every_changed_byte_is_noticed(value: bytes, caplog: pytest.LogCaptureFixture) -> None:
    for index in range(len(value)):
        for byte in b"\x00|0A=":
            changed = value[:index] + bytes([byte]) + value[index + 1 :]
            assert changed == value or decode(changed) is None
        assert decode(value[:index]) is None
        assert decode(value[:index] + value[index + 1 :]) is None
    assert decode(value + b"0") is None


@pytest.mark.parametrize(
    "value",
    [
        None, "", b"", "|", "||", "2|", "2||||", "2|1:0", "2|1:0|", "2|x:0|", "2|9999999999:0|", "2|1:0|1:0|1:0|1:0|",
        "é", b"\xff", "1|1|1", "3|1:0|10:1300000000|3:key|8:dmFsdWU=|00", "2|2:00|10:1300000000", "2|-1:0|",
        "dmFsdWU=|01300000000|x", b"2|" + b"1:0|" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_signed_value_is_none(value: Any) -> None:
    assert decode(value) is None


@pytest.mark.parametrize("end", [b"|1300000000|" + b"0" * 40, b"!", b""])
def test_long_values_take_little_memory(end: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """They need not come in cookies. An expression that repeats a group keeps a hundred bytes for each time."""
    value = b"abcd" * 250_000 + end
    decode(b"|" + end)  # so that the expression is compiled
    tracemalloc.start()
    try:
        assert decode(value) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(value)


@pytest.mark.parametrize(
    "value", ["", "2|", "2|x:0|", "2|1:0|", "2|1:x|1:0|1:0|1:0|", "2|1:1x1:0|1:0|1:0|", "junk", b"\xff", V1]
)
def test_what_does_not_say_its_key_version(value: Any) -> None:
    assert get_signature_key_version(value) is None


def test_another_name_or_secret_is_none(expect_log: ExpectLog) -> None:
    assert decode(V2, "other") is None
    assert decode(V2, secret="other") is None
    with expect_log("halny.general", "invalid signature of the cookie", count=2):
        assert decode(V1, "other") is None
        assert decode(V1, secret="other") is None


def test_digits_can_not_move_from_the_value_to_the_time(expect_log: ExpectLog) -> None:
    """In version 1 the signature is of name, value and time in a row, without anything between them."""
    signed = create_signed_value(SECRET, "key", base64.b64decode("AAAA1234"), version=1, clock=clock)
    _, _, signature = signed.split(b"|")
    with expect_log("halny.general", "expired or future signature", count=1):
        assert decode(b"AAAA|12341300000000|" + signature) is None
    assert decode(b"AAAA1|2341300000000|" + signature) is None


def test_a_part_of_the_name_can_not_become_the_value() -> None:
    """Version 2 signs the lengths too."""
    signed = create_signed_value(SECRET, "keyabcd", b"value", clock=clock)
    moved = signed.replace(b"7:keyabcd|8:dmFsdWU=", b"3:key|12:abcddmFsdWU=")
    assert decode(moved) is None
    assert decode(create_signed_value(SECRET, "keyabcd", b"", clock=clock)) is None


@pytest.mark.parametrize("value", [V1, V2])
@pytest.mark.parametrize(
    ("later", "max_age_days", "good"),
    [
        (0, 31, True), (31 * DAY, 31, True), (31 * DAY + 1, 31, False), (DAY // 2 + 1, 0.5, False), (DAY, 1, True),
        (1, 0, False),
    ],
)  # fmt: skip
def test_age(value: bytes, later: int, max_age_days: float, good: bool, caplog: pytest.LogCaptureFixture) -> None:
    found = decode(value, max_age_days=max_age_days, clock=lambda: NOW + later)
    assert found == (b"value" if good else None)


def test_a_time_far_in_the_future_is_refused_in_version_1(expect_log: ExpectLog) -> None:
    assert decode(V1, clock=lambda: NOW - 31 * DAY) == b"value"
    with expect_log("halny.general", "future", count=1):
        assert decode(V1, clock=lambda: NOW - 31 * DAY - 1) is None


def test_old_versions_can_be_refused() -> None:
    assert decode(V1, min_version=1) == decode(V2, min_version=2) == b"value"
    assert decode(V1, min_version=2) is None
    with pytest.raises(ValueError, match="unsupported min_version 3, expected 1 or 2"):
        decode(V2, min_version=3)


def test_rotation() -> None:
    old = create_signed_value({1: "a"}, "key", "value", clock=clock, key_version=1)
    assert decode(old, secret={1: "a", 2: b"b"}) == b"value"
    assert decode(old, secret={2: "b"}) is None
    assert decode(old, secret={1: "b"}) is None
    assert decode(V1, secret={0: SECRET}) is None
    assert (get_signature_key_version(old), get_signature_key_version(V2), get_signature_key_version(V1)) == (
        1,
        0,
        None,
    )


@pytest.mark.parametrize(
    ("secret", "options", "message"),
    [
        (SECRET, {"version": 3}, "unknown version of signed values 3"),
        (SECRET, {"version": 0}, "unknown version of signed values 0"),
        ({1: "a"}, {}, "key_version must say which one signs"),
        ({1: "a"}, {"key_version": 2}, "no secret of the key version 2"),
        ({1: "a"}, {"version": 1, "key_version": 1}, "version 1 know no versions of keys"),
    ],
)
def test_wrong_calls(secret: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_signed_value(secret, "key", "value", **options)


def test_a_signed_value_that_is_no_base64_is_none() -> None:
    signed = b"2|1:0|10:1300000000|3:key|4:\xff\xff\xff\xff|"
    signature = hmac.new(b"secret", signed, hashlib.sha256).hexdigest().encode()
    assert decode(signed + signature) is None
