"""A short run of the fuzzer, and proof that it would notice what it looks for."""

from __future__ import annotations

import asyncio
import importlib.util
import random
import sys
from typing import TYPE_CHECKING

import pytest

from halny.http import HTTPServerRequest
from tools import fuzz

if TYPE_CHECKING:
    from pathlib import Path


def test_a_short_run() -> None:
    assert fuzz.run(seed=0, rounds=600) == 600


def test_a_run_ends_when_its_time_is_over() -> None:
    assert fuzz.run(seed=0, seconds=0) == 0


def nothing(_name: str) -> None: ...


def test_without_atheris_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    monkeypatch.setattr(sys, "argv", ["fuzz", "--atheris"])
    with pytest.raises(SystemExit, match="2"):
        fuzz.main()
    assert "tools/hatch run atheris:fuzz" in capsys.readouterr().err


STAND_IN = """
import ast, contextlib, pathlib, sys

@contextlib.contextmanager
def instrument_imports(include):
    assert "tools.fuzz" not in sys.modules and "halny.http" not in sys.modules
    yield

def Setup(arguments, target):
    global options, function
    options, function = arguments[1:], target

def Fuzz():
    assert options[0] == "-seed=7" and "-runs=5" in options and "-verbosity=0" in options, options
    words = next(pathlib.Path(each[6:]) for each in options if each.startswith("-dict="))
    for line in words.read_text().splitlines():
        ast.literal_eval(line)
    for file in sorted(pathlib.Path(options[-1]).iterdir()):
        function(file.read_bytes())
    if "-fails" in options:
        function(0.5)
"""
"""What stands for atheris, which few environments have: it tries what a run begins with."""


@pytest.mark.parametrize(("rest", "status"), [((), 0), (("-fails",), 1)])
def test_what_atheris_is_told(
    rest: tuple[str, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "atheris.py").write_text(STAND_IN)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert fuzz.run_atheris(seed=7, rounds=5, seconds=None, rest=["-verbosity=0", *rest]) == status
    assert ("input 0.5" in capfd.readouterr().err) is bool(status)


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
