"""Each module can be the first one that a program imports, and a package brings only what it declares.

The modules are imported in children that are forked from an interpreter which has imported none of them, with
warnings as errors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tools.workspace import packages

MODULES = sorted(name for package in packages() for name in package.modules if not name.endswith("__main__"))

IMPORT_EACH = """
import importlib, json, os, sys, traceback
failed = {}
for name in sys.argv[1:]:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        status = 1
        try:
            importlib.import_module(name)
            status = 0
        except BaseException:
            os.write(write, traceback.format_exc().encode()[-60000:])
        finally:
            os._exit(status)
    os.close(write)
    with open(read) as said:
        report = said.read()
    if os.waitpid(child, 0)[1]:
        failed[name] = report or "the interpreter died"
print(json.dumps(failed))
"""


@pytest.fixture(scope="module")
def failed() -> dict[str, str]:
    command = [sys.executable, "-W", "error", "-c", IMPORT_EACH, *MODULES]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(run.stdout)
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("module", MODULES)
def test_the_module_can_be_imported_first(module: str, failed: dict[str, str]) -> None:
    assert module not in failed, failed[module]


def _loaded_by(module: str) -> set[str]:
    command = [sys.executable, "-c", f"import {module}, sys; print(*sys.modules)"]
    # Measured by coverage, the child would load what coverage needs.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    run = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return set(run.stdout.split())


NOT_NEEDED = {
    "halny.template": (
        "asyncio ssl socket selectors uvloop ast html pathlib halny.template._parse halny.template._compile"
    ),
    "halny.iostream": "uvloop pycares email http halny.iostream.process",
    "halny.web": (
        "uvloop brotli brotlicffi email http.client http.server urllib.request unittest doctest pdb html pathlib csv "
        "gettext calendar mimetypes tempfile uuid multiprocessing concurrent.futures.thread halny.template._parse "
        "halny.template._compile halny.web.locale halny.iostream.process halny.httpserver._forwarding "
        "halny.httpserver._proxy_header halny.ioloop.autoreload"
    ),
}
"""What an import must not load: what only some programs need, and are made to wait for when they do."""


@pytest.mark.parametrize("module", NOT_NEEDED)
def test_an_import_loads_nothing_that_few_programs_need(module: str) -> None:
    # asyncio loads some of it itself, and differently in each version of Python.
    given = set[str]() if module == "halny.template" else _loaded_by("asyncio")
    assert sorted((_loaded_by(module) - given - _loaded_by("sys")) & set(NOT_NEEDED[module].split())) == []


@pytest.mark.parametrize(
    "package", [package for package in packages() if package.portions], ids=lambda each: each.short
)
def test_a_package_brings_only_what_it_declares(package: object) -> None:
    family = {each.distribution: each for each in packages()}
    wanted, waiting = set[str](), [next(each for each in family.values() if each == package)]
    while waiting:
        each = waiting.pop()
        wanted.update(each.portions)
        waiting += [family[name] for name in each.dependencies if name in family]
    loaded = set[str]()
    for portion in next(each for each in family.values() if each == package).portions:
        loaded |= {".".join(name.split(".")[:2]) for name in _loaded_by(portion) if name.startswith("halny.")}
    assert loaded <= wanted
