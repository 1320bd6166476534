"""The demo, as a newcomer meets it: a process that says where it is, keeps running, and stops when told to."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "tools.demo"]


@contextmanager
def demo(*arguments: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A running demo on a free port, and its address. It is stopped at the end."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"http://\S+/", said)
            assert found is not None, said + process.stdout.read()
            yield process, found[0]
        finally:
            process.terminate()


def fetch(url: str, body: bytes | None = None) -> str:
    with urllib.request.urlopen(url, body, timeout=30) as response:
        return str(response.read().decode())


def test_its_pages() -> None:
    with demo() as (_, url):
        assert "Hello from Halny" in fetch(url)
        assert fetch(url + "hello/Tatra") == "Hello, Tatra\n"
        assert json.loads(fetch(url + "json?number=7&number=8")) == {"numbers": ["7", "8"], "method": "GET"}
        assert fetch(url + "greet", b"name=Hania") == "Hello, Hania\n"
        assert fetch(url + "wait?seconds=0.01") == "waited 0.01 seconds\n"
        for path, status in (("nowhere", 404), ("wait?seconds=long", 400), ("greet", 405)):
            with pytest.raises(urllib.error.HTTPError) as caught:
                fetch(url + path)
            with caught.value as error:
                assert error.code == status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_silence(number: signal.Signals) -> None:
    with demo() as (process, url):
        fetch(url)
        process.send_signal(number)
        said, _ = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, "")


def test_a_taken_port_is_told_in_one_line_that_names_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run([*COMMAND, "--port", str(port)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"port {port} is taken: choose another one with --port\n"


def test_an_address_that_is_not_ours_is_told_in_one_line() -> None:
    command = [*COMMAND, "--port", "0", "--address", "192.0.2.1"]  # reserved for documentation (RFC 5737)
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert re.fullmatch(r"can't listen on 192\.0\.2\.1:0 \(.+\): see --address and --port\n", run.stderr)


def test_a_port_that_can_not_be_is_refused() -> None:
    run = subprocess.run([*COMMAND, "--port", "65536"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "--port must lie between 0 and 65535" in run.stderr
