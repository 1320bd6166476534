"""What importing the package loads, and what it gives."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import halny.escape
import halny.template
import halny.template.escape

CHECK = """
import sys
before = set(sys.modules)
import {name}
loaded = {{name.split(".")[0].strip("_") for name in set(sys.modules) - before}}
print(sorted(loaded & {{"asyncio", "ssl", "socket", "selectors", "concurrent", "logging"}}))
print(sorted(name for name in set(sys.modules) - before if name.startswith("halny.") and name.split(".")[1] not in
    ("template", "escape")))
"""


@pytest.mark.parametrize("name", ["halny.template", "halny.template.escape", "halny.escape", "halny.template.__main__"])
def test_importing_loads_no_networking(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", CHECK.format(name=name)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_the_compiler_is_imported_by_the_first_template() -> None:
    program = (
        "import sys\n"
        "stages = {'ast', *map('halny.template.'.__add__, ['_parse', '_resolve', '_compile'])} - set(sys.modules)\n"
        "import halny.template\n"
        "print(*sorted(stages & set(sys.modules)))\n"
        "halny.template.Template('x').generate()\n"
        "print(*sorted(stages - set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n\n"


@pytest.mark.parametrize("module", ["halny.template", "halny.template.escape", "halny.escape"])
def test_the_public_names(module: str) -> None:
    found = importlib.import_module(module)
    assert found.__all__ == sorted(found.__all__)
    assert all(hasattr(found, name) for name in found.__all__)


def test_escape_under_its_short_name() -> None:
    assert halny.escape.__all__ == halny.template.escape.__all__
    for name in [*halny.escape.__all__, "_unicode"]:
        assert getattr(halny.escape, name) is getattr(halny.template.escape, name)
