from __future__ import annotations

import array
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.iostream._buffers import JOIN_BELOW, MAX_BUFFERS_PER_SEND, WriteBuffer, take_front


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 9999, 10_000, 20_000])
def test_take_front(count: int) -> None:
    original = bytes(range(250)) * 40
    data = bytearray(original)
    assert take_front(data, count) == original[:count]
    assert data == original[count:]


def test_taking_lines_takes_linear_time() -> None:
    def seconds(lines: int) -> float:
        data = bytearray(b"x" * 63 + b"\n") * lines
        start = time.perf_counter()
        while data:
            take_front(data, 64)
        return time.perf_counter() - start

    assert seconds(200_000) < 40 * max(seconds(20_000), 0.005)


def test_large_buffers_are_kept_and_small_ones_joined() -> None:
    buffer = WriteBuffer()
    large = bytes(JOIN_BELOW)
    buffer.append(large)
    for _ in range(10):
        buffer.append(b"small")
    buffer.append(large)
    kept = buffer.buffers()
    assert kept[0] is large
    assert kept[-1] is large
    assert len(kept) < 5
    assert len(buffer) == 2 * JOIN_BELOW + 50


def test_a_callers_bytearray_is_not_appended_to() -> None:
    buffer = WriteBuffer()
    mine = bytearray(b"x" * 10)
    buffer.append(b"y" * JOIN_BELOW)
    buffer.append(mine)
    buffer.append(b"more")
    assert mine == b"x" * 10


def test_append_counts_bytes_of_any_buffer() -> None:
    buffer = WriteBuffer()
    buffer.append(memoryview(array.array("I", [1, 2, 3])))
    assert len(buffer) == 12
    assert repr(buffer) == "<WriteBuffer of 12 bytes in 1 buffers>"


def test_a_gathering_call_gets_a_bounded_number() -> None:
    buffer = WriteBuffer()
    for _ in range(MAX_BUFFERS_PER_SEND + 10):
        buffer.append(bytes(JOIN_BELOW))
    assert len(buffer.buffers()) == MAX_BUFFERS_PER_SEND


def test_the_head_never_gets_shorter() -> None:
    buffer = WriteBuffer()
    buffer.append(b"first")
    assert bytes(buffer.head(100)) == b"first"
    buffer.append(b" and second")
    assert bytes(buffer.head(100)) == b"first and second"
    buffer.append(b"!" * 200)
    assert bytes(buffer.head(100)) == b"first and second"
    assert bytes(WriteBuffer().head(100)) == b""


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.sampled_from([0, 1, 3, 2047, 2048, 5000])),
            st.tuples(st.just("advance"), st.integers(0, 6000)),
            st.tuples(st.just("head"), st.integers(0, 8000)),
        )
    )
)
def test_a_write_buffer_holds_what_was_appended_less_what_was_sent(steps: list[tuple[str, int]]) -> None:
    buffer, model, filler = WriteBuffer(), b"", 0
    for step, number in steps:
        if step == "append":
            data = bytes([filler % 256]) * number
            filler += 1
            buffer.append(bytearray(data) if number % 2 else memoryview(data))
            model += data
        elif step == "advance":
            count = min(number, len(model))
            buffer.advance(count)
            model = model[count:]
        else:
            assert model.startswith(bytes(buffer.head(number)))
        assert len(buffer) == len(model)
    assert model.startswith(b"".join(buffer.buffers()))
    assert b"".join(buffer.take_all()) == model
    assert len(buffer) == 0
