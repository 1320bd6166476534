"""A short run of the fuzzer, and proof that it would notice what it looks for."""

from __future__ import annotations

import asyncio
import random

import pytest

from halny.http import HTTPServerRequest
from tools import fuzz


def test_a_short_run() -> None:
    assert fuzz.run(seed=0, rounds=600) == 600


def test_a_run_ends_when_its_time_is_over() -> None:
    assert fuzz.run(seed=0, seconds=0) == 0


@pytest.mark.parametrize("message", fuzz.MESSAGES[:-1])
def test_the_messages_that_it_begins_with_are_good(message: bytes) -> None:
    found, source = asyncio.run(fuzz.serve([message], waits=False))
    assert found == [200]
    assert len(source.requests) == 1


def test_the_inputs_reach_both_ends() -> None:
    """Of what is tried, neither nearly all nor nearly nothing is refused."""
    inputs = [fuzz.mutated(random.Random(seed)) for seed in range(200)]
    with asyncio.Runner() as runner:
        answers = [runner.run(fuzz.serve([data], waits=False))[0] for data in inputs]
    answered = sum(200 in found for found in answers)
    refused = sum(bool(set(found) & fuzz.REFUSALS) for found in answers)
    assert min(answered, refused) > len(inputs) // 10


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"


@pytest.mark.parametrize(
    ("written", "count"),
    [
        (OK + OK, 1),
        (BAD + OK, 2),
        (BAD + BAD, 0),
        (OK, 3),
        (OK[:-1], 1),
        (OK + b"x", 1),
        (b"HTTP/1.1 200 OK\r\n\r\n", 1),
        (OK.replace(b"200", b"777"), 1),
    ],
)
def test_what_a_server_must_not_write_is_noticed(written: bytes, count: int) -> None:
    with pytest.raises(AssertionError):
        fuzz.statuses(written, [HTTPServerRequest("GET", "/")] * count)


def test_what_a_server_should_write_is_not() -> None:
    requests = [HTTPServerRequest("GET", "/"), HTTPServerRequest("GET", "/")]
    assert fuzz.statuses(OK + OK + BAD, requests) == [200, 200, 400]
    assert fuzz.statuses(b"", []) == []
