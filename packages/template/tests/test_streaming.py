"""Awaiting templates, and rendering in chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

import pytest

from halny.template import DictLoader, Template
from halny.template._emit import CHUNK_PIECES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def double(value: Any) -> Any:
    await asyncio.sleep(0)
    return value * 2


def marked(text: bytes) -> bytes:
    return b"E" + text


class Count:
    """An asynchronous iterator that needs no closing when a loop breaks."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.next = 0

    def __aiter__(self) -> Count:
        return self

    async def __anext__(self) -> int:
        await asyncio.sleep(0)
        if self.next == self.end:
            raise StopAsyncIteration
        self.next += 1
        return self.next - 1


NAMESPACE: dict[str, Any] = {"double": double, "count": Count, "upper": bytes.upper, "show": repr}

AWAITING: list[tuple[str, bytes]] = [
    ("a{{ await double('<') }}b", b"a&lt;&lt;b"),
    ("{% raw await double('<') %}", b"<<"),
    ("{% autoescape show %}{{ await double(1) }}", b"b'2'"),
    ("{% set x = await double(2) %}{{ x }}", b"4"),
    ("{% if await double(0) %}a{% elif await double(1) %}b{% else %}c{% end %}", b"b"),
    ("{% for x in await double([1]) %}{{ x }}{% end %}", b"11"),
    ("{% async for x in count(3) %}{{ x }}{% else %}!{% end %}", b"012!"),
    ("{% async for x in count(9) %}{% if x == 2 %}{% break %}{% end %}{{ x }}{% end %}", b"01"),
    ("{% set x = 0 %}{% while await double(x) < 4 %}{{ x }}{% set x += 1 %}{% end %}", b"01"),
    ("{{ [await double(x) for x in (1, 2)] }}", b"[2, 4]"),
    ("{{ [x async for x in count(2)] }}", b"[0, 1]"),
    ("{% apply upper %}a{{ await double('b') }}{% end %}c", b"ABBc"),
    ("{% apply await double(1) and upper %}a{% end %}", b"A"),
    ("{% try %}a{{ await double(1) / 0 }}{% except ZeroDivisionError %}b{% end %}", b"ab"),
    ("{% block a %}{{ await double(1) }}{% end %}", b"2"),
]


@pytest.mark.parametrize(("source", "output"), AWAITING, ids=[case[0][:40] for case in AWAITING])
async def test_templates_that_await(source: str, output: bytes) -> None:
    template = Template(source)
    assert template.is_async
    assert await template.generate_async(**NAMESPACE) == output
    assert b"".join([chunk async for chunk in template.stream_async(**NAMESPACE)]) == output
    with pytest.raises(TypeError, match="awaits: expected generate_async"):
        template.generate(**NAMESPACE)
    with pytest.raises(TypeError, match="awaits: expected stream_async"):
        template.stream(**NAMESPACE)


async def test_modules_that_are_awaited() -> None:
    class Modules:
        async def Entry(self, text: str) -> str:
            return f"<{text}>"

    template = Template(
        "{% raw await _tt_modules.Entry('x') %}{% include 'i' %}", loader=DictLoader({"i": "{{ await y }}"})
    )

    async def y() -> str:
        return "&"

    assert await template.generate_async(_tt_modules=Modules(), y=y()) == b"<x>&amp;"


async def test_other_templates_may_be_rendered_in_the_same_way() -> None:
    template = Template("a{{ '<' }}{% for x in xs %}{{ x }}{% end %}")
    assert not template.is_async
    assert await template.generate_async(xs="bc") == b"a&lt;bc"
    assert b"".join([chunk async for chunk in template.stream_async(xs="bc")]) == b"a&lt;bc"


async def test_an_awaiting_part_that_is_replaced_does_not_count() -> None:
    loader = DictLoader({"b": "{% block a %}{{ await x }}{% end %}", "c": "{% extends 'b' %}{% block a %}1{% end %}"})
    assert loader.load("b").is_async
    assert loader.load("c").generate() == b"1"


async def test_awaiting_with_an_escape_function_of_ones_own() -> None:
    template = Template("{{ await double('<') }}")
    assert await template.generate_async(double=double, xhtml_escape=marked) == b"E<<"
    chunks = [chunk async for chunk in template.stream_async(double=double, xhtml_escape=marked)]
    assert chunks == [b"E<<"]


def test_chunks_of_a_long_loop() -> None:
    template = Template("<{% for x in range(n) %}{{ x }},{% end %}>")
    chunks = list(template.stream(n=10 * CHUNK_PIECES))
    assert b"".join(chunks) == template.generate(n=10 * CHUNK_PIECES)
    assert len(chunks) == 11
    assert all(chunks)
    assert list(template.stream(n=0)) == [b"<>"]
    assert list(Template("").stream()) == []


def test_a_stream_is_lazy() -> None:
    made: list[int] = []

    def make(number: int) -> str:
        made.append(number)
        return "é"

    stream = Template("{% for x in range(1000000) %}{{ make(x) }}{% end %}").stream(make=make)
    assert made == []
    first = next(stream)
    assert first.decode() == "é" * CHUNK_PIECES
    assert len(made) == CHUNK_PIECES
    del stream


@pytest.mark.parametrize(
    "source",
    [
        "{% apply upper %}{% for x in range(1000) %}a{% end %}{% end %}",
        "{% try %}{% for x in range(1000) %}a{% end %}{% except %}{% end %}",
        "{% try %}{% finally %}{% for x in range(1000) %}a{% end %}{% end %}",
    ],
)
def test_what_must_stay_together_is_one_chunk(source: str) -> None:
    assert len(list(Template(source).stream(upper=bytes))) == 1


def test_closing_a_stream_in_the_middle() -> None:
    source = "{% for x in range(1000) %}{% try %}{{ x }}{% except %}never{% end %}{% end %}"
    stream = Template(source).stream()
    assert next(stream).startswith(b"012")
    assert isinstance(stream, Generator)
    stream.close()


async def test_what_there_is_is_handed_over_before_waiting() -> None:
    gate = asyncio.Event()

    async def slow() -> str:
        await gate.wait()
        return "!"

    stream = Template("<head>{% if True %}{{ await slow() }}{% end %}").stream_async(slow=slow)
    assert await anext(stream) == b"<head>"
    gate.set()
    assert await anext(stream) == b"!"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_closing_an_asynchronous_stream_closes_what_it_iterates() -> None:
    closed: list[bool] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    source = numbers()
    stream = Template("{% async for x in xs %}{{ x }}{% end %}").stream_async(xs=source)
    assert await anext(stream)
    assert isinstance(stream, AsyncGenerator)
    await stream.aclose()
    assert isinstance(source, AsyncGenerator)
    await source.aclose()
    assert closed == [True]


async def test_errors_pass_through_and_the_template_renders_again() -> None:
    template = Template("{{ await x() }}")

    async def fail() -> str:
        raise KeyError("x")

    async def good() -> str:
        return "good"

    with pytest.raises(KeyError):
        await template.generate_async(x=fail)
    assert await template.generate_async(x=good) == b"good"


async def test_renders_at_the_same_time_do_not_mix() -> None:
    template = Template("{% for x in range(20) %}{{ await double(y) }}{% end %}")
    outputs = await asyncio.gather(*(template.generate_async(double=double, y=y) for y in range(5)))
    assert outputs == [str(y * 2).encode() * 20 for y in range(5)]
