"""The HTTP benchmark runs, compares the answers before it times anything, and stops what it started.

Nothing is asserted about speed. Servers that aren't installed here must be reported as such, not left out.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from tools.bench._compare import complaints, same_answer
from tools.bench._load import check_sizes
from tools.bench._processes import ServerFailedError
from tools.bench._requests import FIRST_NUMBER, Answer, Request
from tools.bench._wrk import read_report

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
SERVERS = ROOT / "tools" / "bench" / "servers"

HELLO = Answer(
    status=200,
    headers=(("Server", "one"), ("Content-Type", "text/html"), ("Date", "now"), ("Content-Length", "5")),
    body=b"Hello",
    size=100,
)


def bench(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "tools.bench.http", "--quick", *arguments]


@pytest.mark.needs("wrk", "openssl")
def test_it_runs_compares_and_reports(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    servers = "halny,halny-asyncio,tornado,limit"
    command = bench("--cases", "hello,tls,idle", "--servers", servers, "--json", str(file), "--markdown")
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    cases = cast("list[dict[str, Any]]", json.loads(file.read_text())["cases"])
    assert [case["name"] for case in cases] == ["hello", "tls", "idle"]
    for case in cases:
        rows = {row["server"]: row for row in case["rows"]}
        assert list(rows) == servers.split(",")
        for server in ("halny", "halny-asyncio", "limit"):
            assert rows[server]["values"], rows[server]
        assert rows["tornado"]["values"] or "tornado" in rows["tornado"]["unavailable"]
    assert "| server | requests/s |" in run.stdout


@pytest.mark.needs("wrk")
def test_an_unknown_case_is_refused() -> None:
    run = subprocess.run(bench("--cases", "hullo"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "unknown hullo" in run.stderr


@pytest.mark.needs("wrk")
def test_an_interrupt_stops_all_servers() -> None:
    command = bench("--cases", "hello,hello,hello", "--servers", "limit")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        started = next(match for line in run.stdout if (match := re.search(r"is process (\d+)", line)))
        run.send_signal(signal.SIGINT)
        assert "interrupted" in run.stderr.read()
        assert run.wait(30) == 1
    assert not Path(f"/proc/{started[1]}").exists()


def test_the_same_program_runs_on_tornado_and_halny() -> None:
    """Halny's applications are Tornado's with other imports, up to the line that says how they run."""
    programs: list[list[str]] = []
    for name in ("tornado", "halny"):
        source = (SERVERS / f"{name}_apps.py").read_text().partition("# How it runs")[0]
        lines = [
            line.replace("halny", "tornado") for line in source.split("from __future__", 1)[1].splitlines() if line
        ]
        programs.append([line for line in lines if line != "import tornado.ioloop"])
    assert programs[0] == programs[1]


def test_equal_answers_are_the_same() -> None:
    other = replace(HELLO, headers=(("Server", "other"), *HELLO.headers[1:2], ("Date", "then"), *HELLO.headers[3:]))
    assert same_answer(HELLO, other) is None


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (replace(HELLO, status=500), "status 500"),
        (replace(HELLO, headers=HELLO.headers[:-1]), "headers Server, Content-Type, Date;"),
        (replace(HELLO, headers=HELLO.headers[::-1]), "headers Content-Length, Date"),
        (replace(HELLO, headers=(*HELLO.headers[:-1], ("Content-Length", "6"))), "Content-Length: '6'"),
        (replace(HELLO, body=b"Hullo"), "body b'Hullo'"),
    ],
)
def test_other_answers_are_told_apart(other: Answer, difference: str) -> None:
    found = same_answer(HELLO, other)
    assert found is not None
    assert found.startswith(difference)
    answers = {"tornado": [HELLO], "halny": [other]}
    assert "halny" in complaints(answers, lambda answer, number: True)


def test_wrong_content_is_a_complaint_for_all_but_the_limit() -> None:
    answers = {"tornado": [HELLO], "aiohttp": [HELLO], "limit": [HELLO]}
    assert sorted(complaints(answers, lambda answer, number: number != FIRST_NUMBER)) == ["aiohttp", "tornado"]


def test_each_request_differs_in_its_target_and_a_header() -> None:
    request = Request("/?n={n}")
    one, other = (request.filled(80, number).split(b"\r\n") for number in (FIRST_NUMBER, FIRST_NUMBER + 1))
    assert sum(mine != yours for mine, yours in zip(one, other, strict=True)) == 2
    assert request.pieces(80).count(b"\0") == 2


def test_a_target_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="exactly once"):
        Request("/")


def report(*, requests: int = 1000, size: int = 100_000, status: int = 0, timeout: int = 0) -> str:
    errors = {"connect": 0, "read": 0, "write": 0, "status": status, "timeout": timeout}
    numbers = {"microseconds": 2_000_000, "requests": requests, "bytes": size, "p50": 1500, "p99": 9000}
    return f"Running 2s test\n\nREPORT {json.dumps(numbers | {'errors': errors})}\n"


def test_a_report_without_errors_is_read() -> None:
    run = read_report(report(), server_cpu=1.0, load_cpu=0.5)
    expected = {"rps": 500.0, "p50": 1.5, "p99": 9.0, "busy": 50.0, "load": 25.0, "cpu": 1000.0}
    assert run.numbers() == expected
    check_sizes(run, HELLO, connections=8)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (report(status=1), "1 status"),
        (report(timeout=3), "3 timeout"),
        (report(requests=0), "no answer"),
        ("unable to connect", "unable to connect"),
    ],
)
def test_a_run_with_errors_fails(output: str, reason: str) -> None:
    with pytest.raises(ServerFailedError, match=reason):
        read_report(output, server_cpu=1.0, load_cpu=0.5)


@pytest.mark.parametrize("size", [90_000, 110_000])
def test_answers_of_another_size_fail(size: int) -> None:
    run = read_report(report(size=size), server_cpu=1.0, load_cpu=0.5)
    with pytest.raises(ServerFailedError, match="100 when checked"):
        check_sizes(run, HELLO, connections=8)
