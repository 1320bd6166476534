"""What every kind of stream must do, as checks on a connected pair.

A check is a coroutine function that is given a `Pair` factory, and raises `AssertionError` when a stream behaves
otherwise. `ONE_WAY_CHECKS` need a writer and a reader, `TWO_WAY_CHECKS` two ends that do both.
"""

# pyright: reportPrivateUsage=false
# (the classes here are parts of a stream, or look into one)

from __future__ import annotations

import array
import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from ._exceptions import StreamBufferFullError, StreamClosedError, UnsatisfiableReadError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ._base import BaseIOStream


class Pair(Protocol):
    """Makes a new pair of connected streams with the limits of `BaseIOStream`, writer or either end first."""

    def __call__(self, **limits: int) -> Coroutine[Any, Any, tuple[BaseIOStream, BaseIOStream]]: ...


BIG = bytes(range(256)) * 4096
"""1 MiB: more than any buffer on the way holds, in bytes whose order shows."""

TURNS = 20
"""Turns of the loop in which a stream does what it does by itself."""


def expect(what: str, actual: object, expected: object) -> None:
    """Raises `AssertionError` unless `actual` equals `expected`."""
    if actual != expected:
        raise AssertionError(f"{what}: got {_short(actual)}, expected {_short(expected)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


async def expect_closed(what: str, awaitable: Awaitable[Any], cause: type[BaseException] | None = None) -> None:
    """Raises `AssertionError` unless `awaitable` fails with a `StreamClosedError`, whose cause is a `cause`."""
    try:
        result = await awaitable
    except StreamClosedError as error:
        if cause is not None and not isinstance(error.real_error, cause):
            raise AssertionError(f"{what}: real_error is {error.real_error!r}, expected a {cause.__name__}") from error
        if error.__cause__ is not error.real_error:
            raise AssertionError(f"{what}: __cause__ is not real_error") from error
    else:
        raise AssertionError(f"{what}: got {_short(result)}, expected StreamClosedError")


async def until(what: str, condition: Callable[[], bool]) -> None:
    """Lets the loop turn until `condition` holds."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{what}: never happened")


async def reads_lines(pair: Pair) -> None:
    writer, reader = await pair()
    pending = reader.read_until(b"\r\n")
    expect("reading() of a pending read", reader.reading(), True)
    writer.write(b"one\r\ntwo\r\nthr")
    expect("first line", await pending, b"one\r\n")
    expect("reading() afterwards", reader.reading(), False)
    expect("second line, from the buffer", await reader.read_until(b"\r\n", max_bytes=5), b"two\r\n")
    pending = reader.read_until(b"\r\n")
    await writer.write(b"ee\r")
    await writer.write(b"\n")
    expect("a line in pieces", await pending, b"three\r\n")


async def limits_lines(pair: Pair) -> None:
    writer, reader = await pair()
    writer.write(b"0123456789\n")
    await expect_closed("line too long", reader.read_until(b"\n", max_bytes=10), UnsatisfiableReadError)
    expect("closed() after it", reader.closed(), True)
    if not isinstance(reader.error, UnsatisfiableReadError):
        raise AssertionError(f"error is {reader.error!r}, expected an UnsatisfiableReadError")
    writer, reader = await pair()
    writer.write(b"0123456789")
    await expect_closed("no delimiter", reader.read_until(b"\n", max_bytes=10), UnsatisfiableReadError)


async def reads_patterns(pair: Pair) -> None:
    writer, reader = await pair()
    pending = reader.read_until_regex(rb"\d+;")
    writer.write(b"ab12")
    await writer.write(b"3;rest")
    expect("through the match", await pending, b"ab123;")
    await expect_closed("pattern too far", reader.read_until_regex(rb"\d", max_bytes=3), UnsatisfiableReadError)


async def reads_counts(pair: Pair) -> None:
    writer, reader = await pair()
    expect("no bytes", await reader.read_bytes(0), b"")
    writer.write(b"abcdef")
    expect("three bytes", await reader.read_bytes(3), b"abc")
    expect("some bytes", await reader.read_bytes(100, partial=True), b"def")
    pending = reader.read_bytes(4)
    await writer.write(b"12")
    await writer.write(b"34")
    expect("four bytes in pieces", await pending, b"1234")


async def reads_much(pair: Pair) -> None:
    writer, reader = await pair()
    for size in (len(BIG), len(BIG) // 3):
        written = writer.write(BIG)
        data = b"".join([await reader.read_bytes(min(size, len(BIG) - at)) for at in range(0, len(BIG), size)])
        expect(f"1 MiB in reads of {size}", data == BIG, True)
        await written
    expect("writing() when all is sent", writer.writing(), False)


async def reads_into_buffers(pair: Pair) -> None:
    writer, reader = await pair()
    target = bytearray(8)
    writer.write(b"abc")
    expect("partial read_into", await reader.read_into(target, partial=True), 3)
    pending = reader.read_into(memoryview(target)[4:])
    writer.write(b"12")
    await writer.write(b"345")
    expect("full read_into", await pending, 4)
    expect("what they hold", bytes(target), b"abc\x001234")
    expect("what is left", await reader.read_bytes(1), b"5")
    large = bytearray(len(BIG))
    written = writer.write(BIG)
    expect("large read_into", await reader.read_into(large), len(BIG))
    expect("its bytes", bytes(large) == BIG, True)
    await written


async def reads_until_close(pair: Pair) -> None:
    writer, reader = await pair()
    pending = reader.read_until_close()
    await writer.write(b"abc")
    await writer.write(b"def")
    writer.close()
    expect("everything", await pending, b"abcdef")
    expect("and once more", await reader.read_until_close(), b"")


async def writes_any_buffer(pair: Pair) -> None:
    writer, reader = await pair()
    numbers = array.array("H", [0x4141, 0x4242])
    writer.write([b"one ", bytearray(b"two "), memoryview(b"three "), b""])
    writer.write(memoryview(numbers))
    await writer.write(())
    expect("all of them", await reader.read_bytes(18), b"one two three AABB")
    try:
        writer.write("text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    except TypeError:
        pass
    else:
        raise AssertionError("write() took a str")
    writer.write(b"!")
    expect("the stream after a wrong write", await reader.read_bytes(1), b"!")


async def keeps_order(pair: Pair) -> None:
    writer, reader = await pair()
    parts = [bytes([number % 251]) * (number * 37 % 9000) for number in range(300)]
    futures = [writer.write(part) for part in parts]
    expected = b"".join(parts)
    expect("the bytes in order", await reader.read_bytes(len(expected)) == expected, True)
    await asyncio.gather(*futures)


async def tells_what_waits(pair: Pair) -> None:
    writer, reader = await pair()
    written = writer.write(BIG * 16)
    expect("writing() while the peer does not read", writer.writing(), True)
    expect("a write that waits", written.done(), False)
    for _ in range(50):
        await asyncio.sleep(0)
    bound = 2 * reader.read_chunk_size + 262144
    expect(f"at most {bound} bytes read ahead", len(reader._read_buffer) <= bound, True)
    expect("still waiting", written.done(), False)
    for _ in range(16):
        expect("the bytes", await reader.read_bytes(len(BIG)) == BIG, True)
    await written
    expect("writing() when all is sent", writer.writing(), False)


async def survives_cancelled_reads(pair: Pair) -> None:
    writer, reader = await pair()
    target = bytearray(6)
    begin: list[Callable[[], asyncio.Future[Any]]] = [
        lambda: reader.read_until(b"\n"),
        lambda: reader.read_until_regex(b"\n"),
        lambda: reader.read_bytes(10),
        lambda: reader.read_bytes(100_000),
        lambda: reader.read_bytes(10, partial=True),
        lambda: reader.read_into(target),
        lambda: reader.read_into(target, partial=True),
        reader.read_until_close,
    ]
    for start in begin:
        start().cancel()
        await asyncio.sleep(0)
        pending = start()
        await writer.write(b"abc")
        await asyncio.sleep(0)
        pending.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        expect("reading() after cancelling", reader.reading(), False)
        writer.write(b"def")
        if pending.cancelled():
            expect("the bytes of a cancelled read", await reader.read_bytes(6), b"abcdef")
        else:  # what was partial had its bytes already
            expect("the bytes after a partial read", await reader.read_bytes(3), b"def")


async def refuses_two_reads(pair: Pair) -> None:
    writer, reader = await pair()
    pending = reader.read_bytes(3)
    for start in (reader.read_until_close, lambda: reader.read_bytes(1), lambda: reader.read_into(bytearray(1))):
        try:
            start()
        except RuntimeError:
            continue
        raise AssertionError("a second read began while one was pending")
    writer.write(b"abc")
    expect("the first read", await pending, b"abc")


async def limits_reading(pair: Pair) -> None:
    writer, reader = await pair(max_buffer_size=1000)
    writer.write(b"x" * 3000)
    await expect_closed("read past max_buffer_size", reader.read_until(b"\n"), StreamBufferFullError)
    writer, reader = await pair(max_buffer_size=1000)
    writer.write(b"x" * 3000)
    await expect_closed("all past max_buffer_size", reader.read_until_close(), StreamBufferFullError)
    writer, reader = await pair(max_buffer_size=1000)
    await expect_closed("read_bytes past max_buffer_size", reader.read_bytes(1001), StreamBufferFullError)
    writer, reader = await pair(max_buffer_size=1000)
    written = writer.write(b"x" * 3000)
    data = b"".join([await reader.read_bytes(500) for _ in range(6)])
    expect("small reads of much", data, b"x" * 3000)
    await written


async def limits_writing(pair: Pair) -> None:
    writer, reader = await pair(max_write_buffer_size=1000)
    try:
        writer.write(b"x" * 1001)
    except StreamBufferFullError:
        pass
    else:
        raise AssertionError("a write of more than max_write_buffer_size was taken")
    await writer.write(b"y" * 1000)
    expect("the stream after it", await reader.read_bytes(1000), b"y" * 1000)


async def tells_the_end(pair: Pair) -> None:
    writer, reader = await pair()
    calls: list[str] = []
    pending = reader.read_bytes(100)
    reader.set_close_callback(lambda: calls.append(f"reader, its read done: {pending.done()}"))
    writer.set_close_callback(lambda: calls.append("writer"))
    await writer.write(b"last")
    writer.close()
    await expect_closed("a pending read", pending)
    await until("close callbacks", lambda: len(calls) == 2)
    expect("close callbacks", sorted(calls), ["reader, its read done: True", "writer"])
    expect("closed()", (writer.closed(), reader.closed()), (True, True))
    expect("error of a plain end", reader.error, None)
    expect("bytes that came before the end", await reader.read_bytes(4), b"last")
    await expect_closed("a read behind the end", reader.read_bytes(1))
    reader.set_close_callback(lambda: calls.append("late"))
    await until("a callback on a closed stream", lambda: "late" in calls)


async def tells_the_end_while_idle(pair: Pair) -> None:
    writer, reader = await pair()
    closed = asyncio.Event()
    reader.set_close_callback(closed.set)
    await writer.write(b"unread")
    writer.close()
    await closed.wait()
    expect("bytes nobody had asked for", await reader.read_until_close(), b"unread")


async def tells_the_end_behind_what_was_read_ahead(pair: Pair) -> None:
    for size in (1000, 1999):
        writer, reader = await pair(read_chunk_size=1000)
        closed = asyncio.Event()
        reader.set_close_callback(closed.set)
        writer.write(b"x" * size)
        writer.close()
        await until("enough read ahead", lambda: len(reader._read_buffer) >= 1000)  # noqa: B023 - awaited here
        for _ in range(TURNS):  # in which it is held up
            await asyncio.sleep(0)
        expect("what was read ahead", await reader.read_bytes(1000), b"x" * 1000)
        await closed.wait()
        expect("the rest", await reader.read_until_close(), b"x" * (size - 1000))


async def delivers_what_was_written_before_close(pair: Pair) -> None:
    writer, reader = await pair()
    writer.write(b"a little")
    writer.close()
    expect("what was written", await reader.read_until_close(), b"a little")


async def ends_when_closed(pair: Pair) -> None:
    _, reader = await pair()
    pending = reader.read_bytes(1)
    try:
        raise ValueError("the reason")
    except ValueError:
        reader.close(exc_info=True)
    reader.close()
    await expect_closed("a pending read", pending, ValueError)
    await expect_closed("a read", reader.read_until(b"\n"), ValueError)
    try:
        reader.write(b"x")
    except StreamClosedError as error:
        expect("real_error of a write", error.real_error, reader.error)
    else:
        raise AssertionError("a closed stream took a write")
    expect("writing() when closed", reader.writing(), False)
    for reason in (KeyError("as it is"), (OSError, OSError("of exc_info"), None)):
        other, _ = await pair()
        other.close(exc_info=reason)
        expect("error", other.error, reason[1] if isinstance(reason, tuple) else reason)


async def fails_writes_to_a_peer_that_left(pair: Pair) -> None:
    writer, reader = await pair()
    pending = writer.write(BIG * 16)
    unwatched = writer.write(b"nobody looks at this one")
    reader.close()
    await expect_closed("a write that waits", pending)
    expect("a write that nobody waits for", unwatched.done(), True)
    expect("closed()", writer.closed(), True)


async def lets_the_write_buffer_be_filled(pair: Pair) -> None:
    writer, reader = await pair()
    for part in (b"a" * 10, memoryview(BIG)):
        writer._write_buffer.append(part)
        writer._total_write_index += len(part)
    written = writer.write(b"")
    expect("what was appended", await reader.read_bytes(10), b"a" * 10)
    expect("and the rest", await reader.read_bytes(len(BIG)) == BIG, True)
    await written
    writer.close()
    expect("_write_buffer when closed", writer._write_buffer, None)


async def talks_both_ways(pair: Pair) -> None:
    left, right = await pair()
    for number in range(100):
        left.write(b"ping %d\n" % number)
        expect("ping", await right.read_until(b"\n"), b"ping %d\n" % number)
        right.write(b"pong %d\n" % number)
        expect("pong", await left.read_until(b"\n"), b"pong %d\n" % number)
    written = [left.write(BIG * 2), right.write(BIG * 2)]
    received = await asyncio.gather(left.read_bytes(len(BIG) * 2), right.read_bytes(len(BIG) * 2))
    expect("both ways at once", [data == BIG * 2 for data in received], [True, True])
    await asyncio.gather(*written)


ONE_WAY_CHECKS = (
    reads_lines,
    limits_lines,
    reads_patterns,
    reads_counts,
    reads_much,
    reads_into_buffers,
    reads_until_close,
    writes_any_buffer,
    keeps_order,
    tells_what_waits,
    survives_cancelled_reads,
    refuses_two_reads,
    limits_reading,
    limits_writing,
    tells_the_end,
    tells_the_end_while_idle,
    tells_the_end_behind_what_was_read_ahead,
    delivers_what_was_written_before_close,
    ends_when_closed,
    fails_writes_to_a_peer_that_left,
    lets_the_write_buffer_be_filled,
)

TWO_WAY_CHECKS = (talks_both_ways,)
