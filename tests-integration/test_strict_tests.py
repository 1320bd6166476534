"""The root `conftest.py` fails what it promises to fail, and passes what it promises to pass.

Pytest runs once, as a process of its own, over a file made of the cases below, with the real `conftest.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PRELUDE = """
import asyncio, gc, logging, socket, sys, warnings
import pytest

class Cycle:
    pass

async def forever():
    await asyncio.Event().wait()

@pytest.fixture
def noisy_at_the_end():
    yield
    logging.getLogger("halny.general").error("too late")

@pytest.fixture(scope="module")
def lent_socket():
    with socket.socket() as lent:
        yield lent

kept = []
"""

GOOD = {
    "nothing": "def {name}(): pass",
    "expected line": """
        def {name}(expect_log):
            with expect_log("halny", "brok.n", logging.WARNING, count=1) as records:
                logging.getLogger("halny.general").warning("broken %s", "pipe")
            assert records[0].getMessage() == "broken pipe"
        """,
    "expected line below the level": """
        def {name}(expect_log):
            with expect_log("halny.access", "^200 GET", logging.INFO):
                logging.getLogger("halny.access").info("200 GET /")
            assert not logging.getLogger("halny.access").isEnabledFor(logging.INFO)
        """,
    "line that caplog looks at": """
        def {name}(caplog):
            logging.getLogger("halny.general").error("seen")
            assert "seen" in caplog.text
        """,
    "info": "def {name}(): logging.getLogger('halny.general').info('all is well')",
    "closed socket": """
        def {name}():
            with socket.create_server(("127.0.0.1", 0)):
                pass
        """,
    "socket of the module": "def {name}(lent_socket): assert lent_socket.fileno() >= 0",
    "finished task": """
        async def {name}():
            await asyncio.create_task(asyncio.sleep(0))
        """,
    "cancelled task": """
        async def {name}():
            asyncio.create_task(forever(), name="c").cancel()
        """,
    "task left on purpose": """
        @pytest.mark.leaves_tasks("the test is about that")
        def {name}():
            async def main():
                kept.append(asyncio.create_task(forever()))
            asyncio.run(main())
        """,
    "uvloop": """
        def {name}():
            uvloop = pytest.importorskip("uvloop")
            uvloop.run(asyncio.sleep(0))
        """,
    "own loop": """
        def {name}():
            loop = asyncio.new_event_loop()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
        """,
}

BAD = {
    "unexpected line": (
        "def {name}(): logging.getLogger('halny.general').warning('surprise')",
        "unexpected log lines (see expect_log):\n  WARNING halny.general: surprise",
    ),
    "unexpected line of asyncio": (
        """
        async def {name}():
            async def fail():
                raise OSError("nobody asks")
            asyncio.create_task(fail())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        """,
        "ERROR asyncio: Task exception was never retrieved",
    ),
    "unexpected line beside an expected one": (
        """
        def {name}(expect_log):
            with expect_log("halny.general", "one"):
                logging.getLogger("halny.general").warning("one")
                logging.getLogger("halny.general").warning("two")
        """,
        "WARNING halny.general: two",
    ),
    "unexpected line at tear-down": (
        "def {name}(noisy_at_the_end): pass",
        "ERROR halny.general: too late",
    ),
    "line after caplog looked": (
        "def {name}(caplog, noisy_at_the_end): pass",
        "ERROR halny.general: too late",
    ),
    "expected line that did not come": (
        """
        def {name}(expect_log):
            with expect_log("halny.general", "one", logging.ERROR):
                logging.getLogger("halny.general").info("one")
        """,
        "expected a line of halny.general at ERROR that matches 'one': at least one, not 0",
    ),
    "expected line that came twice": (
        """
        def {name}(expect_log):
            with expect_log("halny.general", "one", count=1):
                logging.getLogger("halny.general").error("one")
                logging.getLogger("halny.general").error("one")
        """,
        "1, not 2",
    ),
    "warning": ("def {name}(): warnings.warn('old', DeprecationWarning)", "DeprecationWarning: old"),
    "dropped socket": ("def {name}(): socket.socket()", "unclosed <socket.socket"),
    "dropped socket in a cycle": (
        """
        def {name}():
            cycle = Cycle()
            cycle.itself, cycle.socket = cycle, socket.socket()
        """,
        "unclosed <socket.socket",
    ),
    "kept socket": ("def {name}(): kept.append(socket.socket())", "a descriptor was left open"),
    "kept loop": ("def {name}(): kept.append(asyncio.new_event_loop())", "a descriptor was left open"),
    "unclosed transport": (
        """
        async def {name}():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
            await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
            server.close()
        """,
        "unclosed",
    ),
    "finaliser that raises": (
        """
        def {name}():
            class Broken:
                def __del__(self):
                    raise ValueError("in a finaliser")
            broken = Broken()
            broken.itself = broken
        """,
        "ValueError('in a finaliser')",
    ),
    "task left by an async test": (
        """
        async def {name}():
            kept.append(asyncio.create_task(forever(), name="forgotten"))
        """,
        "a task was left pending: <Task pending name='forgotten'",
    ),
    "task left by asyncio.run": (
        """
        def {name}():
            async def main():
                kept.append(asyncio.create_task(forever(), name="forgotten"))
            asyncio.run(main())
        """,
        "a task was left pending: <Task pending name='forgotten'",
    ),
    "task destroyed while pending": (
        """
        def {name}():
            loop = asyncio.new_event_loop()
            loop.create_task(forever())
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
        """,
        "Task was destroyed but it is pending",
    ),
    "unknown program": ("def {name}(program): program('nothing of the kind')", "unknown program"),
}


def _function(name: str) -> str:
    return "test_" + name.replace(" ", "_").replace("-", "_").replace(".", "_")


def _run(folder: Path, cases: dict[str, str], **environment: str) -> tuple[dict[str, str], str]:
    """Each case's report (empty if it passed), and what pytest printed."""
    source = PRELUDE + "\n".join(
        textwrap.dedent(text).replace("{name}", _function(name)) + "\n" for name, text in cases.items()
    )
    (folder / "test_cases.py").write_text(source)
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)]
    command += [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        f"--junitxml={folder / 'report.xml'}",
        str(folder),
    ]
    run = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    reports: dict[str, str] = {}
    for case in ET.parse(folder / "report.xml").iter("testcase"):
        report = "\n".join(
            f"{child.get('message')}\n{child.text}" for child in case if child.tag in {"failure", "error"}
        )
        reports[str(case.get("name"))] = reports.get(str(case.get("name")), "") + report
    return reports, run.stdout + run.stderr


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cases = GOOD | {name: text for name, (text, _) in BAD.items()}
    found, output = _run(tmp_path_factory.mktemp("strict"), cases)
    assert found.keys() == {_function(name) for name in cases}, output
    return found


@pytest.mark.parametrize("name", GOOD)
def test_a_good_test_passes(name: str, reports: dict[str, str]) -> None:
    assert reports[_function(name)] == ""


@pytest.mark.parametrize("name", BAD)
def test_a_bad_test_fails(name: str, reports: dict[str, str]) -> None:
    assert BAD[name][1] in reports[_function(name)]


def test_a_missing_program_is_counted_or_fails(tmp_path: Path) -> None:
    cases = {
        "marked": '@pytest.mark.needs("wrk")\ndef {name}(): pass',
        "fixture": 'def {name}(program): program("wrk")',
        "present": "def {name}(): pass",
    }
    nowhere = {"HALNY_PROGRAMS": str(tmp_path), "PYTHONPATH": ""}
    reports, output = _run(tmp_path, cases, HALNY_REQUIRE_PEERS="0", **nowhere)
    assert set(reports.values()) == {""}
    assert "2 skipped: wrk is not installed" in output
    assert "1 passed, 2 skipped" in output
    reports, output = _run(tmp_path, cases, HALNY_REQUIRE_PEERS="1", **nowhere)
    assert "wrk is not installed, and HALNY_REQUIRE_PEERS=1 asks for it" in reports["test_marked"]
    assert "wrk is not installed, and HALNY_REQUIRE_PEERS=1 asks for it" in reports["test_fixture"]
    assert reports["test_present"] == ""
