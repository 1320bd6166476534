"""A pytest plugin: tests that need a real program from outside say so, and are counted where it is missing.

`@pytest.mark.needs("nginx")` skips a test where the program is not installed, with the reason, and the run closes with
a count. With `HALNY_REQUIRE_PEERS=1` in the environment such a skip is a failure. `program("nginx")` is its path.
`HALNY_PROGRAMS` names the folders to look in, instead of `PATH` and Debian's places.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "curl": ("curl",),
    "nginx": ("nginx",),
    "node": ("node", "nodejs"),
    "openssl": ("openssl",),
    "postgres": ("postgres",),
    "wrk": ("wrk",),
}
"""What tests may need, and the names it is installed under."""

_missing = pytest.StashKey[Counter[str]]()


def _search_path() -> str:
    if "HALNY_PROGRAMS" in os.environ:
        return os.environ["HALNY_PROGRAMS"]
    # Debian keeps servers out of an ordinary user's PATH.
    places = [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    places += [str(folder) for folder in Path("/usr/lib/postgresql").glob("*/bin")]
    return os.pathsep.join(places)


def find_program(name: str) -> str | None:
    """The path of the program that `PROGRAMS` knows as `name`, or None where it is not installed."""
    return next(filter(None, (shutil.which(each, path=_search_path()) for each in PROGRAMS[name])), None)


def _require(name: str, config: pytest.Config) -> str:
    if name not in PROGRAMS:
        pytest.fail(f"unknown program {name!r}: known are {', '.join(PROGRAMS)}", pytrace=False)
    path = find_program(name)
    if path is not None:
        return path
    if os.environ.get("HALNY_REQUIRE_PEERS") == "1":
        pytest.fail(f"{name} is not installed, and HALNY_REQUIRE_PEERS=1 asks for it", pytrace=False)
    config.stash[_missing][name] += 1
    pytest.skip(f"needs {name}, which is not installed")


@pytest.fixture
def program(pytestconfig: pytest.Config) -> Callable[[str], str]:
    """The path of an outside program; the test is skipped, and counted, where it is not installed."""
    return lambda name: _require(name, pytestconfig)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*programs): skip, and count, where one of the programs is not installed")
    config.stash[_missing] = Counter()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            _require(name, item.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    missing = config.stash[_missing]
    if missing:
        terminalreporter.section("skipped for want of a program")
        for name, count in sorted(missing.items()):
            terminalreporter.write_line(f"{count} skipped: {name} is not installed")
        terminalreporter.write_line("with HALNY_REQUIRE_PEERS=1 these are failures")
