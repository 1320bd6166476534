"""The programs in `tools/` find what they are there to find, in a workspace that is made for the purpose."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from tools import check_imports, check_packages
from tools.workspace import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = """
    [tool.importlinter]
    root_packages = ["halny.high", "halny.low"]
    [[tool.importlinter.contracts]]
    name = "down"
    type = "layers"
    layers = ["halny.high", "halny.low"]
    [tool.mypy]
    mypy_path = ["$MYPY_CONFIG_FILE_DIR", "$MYPY_CONFIG_FILE_DIR/packages/high/src",
        "$MYPY_CONFIG_FILE_DIR/packages/low/src"]
    [tool.pyright]
    extraPaths = ["packages/high/src", "packages/low/src"]
    [tool.coverage.run]
    source_pkgs = ["halny.high", "halny.low"]
"""

SITE = """
    plugins:
      - mkdocstrings:
          handlers:
            python:
              paths:
                - packages/high/src
                - packages/low/src
    nav:
      - High: [high/index.md, high/changelog.md]
      - Low: [low/index.md, low/changelog.md]
"""


class Workspace:
    """Two packages, `low` and, above it, `high`, with nothing wrong."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("pyproject.toml", LAYERS)
        self.write("mkdocs.yml", SITE)
        self.write("hatch.toml", '[[envs.test.matrix]]\npython = ["3.11"]\n')
        self.write("docs/assets/packages.svg", '<path data-arrow="high low"/>')
        self.write("LICENSE", "all yours\n")
        self.add("low", [])
        self.add("high", ["halny-low>=0.1,<0.2"])
        self.source("high", "_core.py", "from halny.low import thing\n")

    def write(self, path: str, text: str) -> None:
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(textwrap.dedent(text), encoding="utf-8")

    def add(self, short: str, dependencies: list[str], extras: list[str] | None = None) -> None:
        folder = f"packages/{short}"
        self.write(
            f"{folder}/pyproject.toml",
            f"""
            [project]
            name = "halny-{short}"
            dependencies = {dependencies!r}
            classifiers = ["Programming Language :: Python :: 3.11"]
            [project.optional-dependencies]
            fast = {extras or []!r}
            [tool.hatch.version]
            path = "src/halny/{short}/_version.py"
            """,
        )
        for name in ("README.md", "CHANGELOG.md", "tests/test_it.py", f"src/halny/{short}/py.typed"):
            self.write(f"{folder}/{name}", "")
        self.write(f"{folder}/LICENSE", "all yours\n")
        self.source(short, "__init__.py", "thing = 1\n")
        self.source(short, "_version.py", '__version__ = "0.1.0"\n')

    def source(self, short: str, name: str, text: str) -> None:
        self.write(f"packages/{short}/src/halny/{short}/{name}", text)

    def imports(self) -> list[str]:
        return check_imports.Checker(self.root).run()

    def lists(self) -> list[str]:
        return check_packages.Checker(self.root).run()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_a_workspace_in_order_has_no_problems(workspace: Workspace) -> None:
    assert workspace.imports() == []
    assert workspace.lists() == []


@pytest.mark.parametrize(
    ("package", "text", "problem"),
    [
        ("low", "import halny.high\n", "_bad.py:1: halny.high belongs to halny-high, which halny-low does not declare"),
        ("low", "def f():\n    from halny import high\n", "_bad.py:2: halny.high belongs to halny-high"),
        ("high", "from halny.low._version import __version__\n", "halny.low._version.__version__ is private"),
        ("high", "import halny.low._version\n", "halny.low._version is private to halny-low"),
        ("high", "from halny.low import _secret\n", "halny.low._secret is private to halny-low"),
        ("high", "from halny.high import thing\n", "inside halny.high imports are relative"),
        ("high", "from .. import low\n", "one level up at most"),
        ("high", "import halny.nothing\n", "no package has halny.nothing"),
        ("low", "import httptools\n", "httptools is not declared by halny-low"),
        ("low", "if True:\n    import httptools\n", "_bad.py:2: httptools is not declared by halny-low"),
    ],
)
def test_an_import_that_is_not_allowed_is_found(workspace: Workspace, package: str, text: str, problem: str) -> None:
    workspace.source(package, "_bad.py", text)
    (found,) = workspace.imports()
    assert problem in found


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio, os.path\nfrom xml.etree import ElementTree\n",
        "from . import _version\nfrom ._version import __version__\n",
        "try:\n    import uvloop\nexcept ImportError:\n    uvloop = None\n",
        "def f():\n    import uvloop\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import uvloop\n",
    ],
)
def test_an_import_that_is_allowed_passes(workspace: Workspace, text: str) -> None:
    workspace.add("low", [], ["uvloop>=0.21; platform_system != 'Windows'"])
    workspace.source("low", "_good.py", text)
    assert workspace.imports() == []


def test_an_extra_must_be_imported_where_its_absence_is_survived(workspace: Workspace) -> None:
    workspace.add("low", [], ["uvloop>=0.21"])
    workspace.source("low", "_bad.py", "import uvloop\n")
    (found,) = workspace.imports()
    assert "uvloop comes with an extra" in found


def test_a_declared_dependency_must_be_imported(workspace: Workspace) -> None:
    workspace.add("low", ["httptools>=0.7"])
    assert workspace.imports() == ["packages/low/pyproject.toml: httptools is declared and never imported"]


def test_a_dependency_must_be_on_a_lower_floor(workspace: Workspace) -> None:
    workspace.add("low", ["halny-high>=0.1,<0.2"])
    workspace.source("low", "_up.py", "import halny.high\n")
    assert workspace.imports() == ["packages/low/pyproject.toml: halny-high is not on a lower floor"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("import pytest, hypothesis\nimport halny.low\nimport halny.high\n", 0),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tools.strict_tests.logs import ExpectLog\n", 0),
        ("from tools.strict_tests.logs import ExpectLog\n", 1),
        ("import requests\n", 1),
        ("try:\n    import uvloop\nexcept ImportError:\n    uvloop = None\n", 0),
        ("import uvloop\n", 1),
    ],
)
def test_the_tests_of_a_package_are_checked_too(workspace: Workspace, text: str, count: int) -> None:
    workspace.write("packages/high/tests/test_it.py", text)
    assert len(workspace.imports()) == count


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("packages/low/src/halny/__init__.py", "", "halny is a namespace"),
        ("packages/low/src/halny/gen.py", "", "packages/low/src/halny/gen.py: a module of its own would be untyped"),
        ("packages/low/LICENSE", "all mine\n", "packages/low: LICENSE"),
        ("packages/low/src/halny/low/_version.py", '__version__ = "0.2.0"\n', "leaves out its version 0.2.0"),
        ("hatch.toml", '[[envs.test.matrix]]\npython = ["3.11", "3.13"]\n', "the classifiers of Python versions"),
        ("docs/assets/packages.svg", '<path data-arrow="low high"/>', "the arrows"),
        ("mkdocs.yml", SITE.replace("low/changelog.md", ""), "the nav lacks low/changelog.md"),
        ("mkdocs.yml", SITE.replace("- packages/low/src", ""), "the paths of mkdocstrings"),
        (
            "pyproject.toml",
            LAYERS.replace('s = ["halny.high", "halny.low"]\n    [[', "s = []\n    [["),
            "root_packages",
        ),
        ("pyproject.toml", LAYERS.replace(', "packages/low/src"]', "]"), "tool.pyright.extraPaths"),
        ("pyproject.toml", LAYERS.replace('source_pkgs = ["halny.high", ', "source_pkgs = ["), "source_pkgs"),
        ("pyproject.toml", LAYERS.replace('layers = ["halny.high", ', "layers = ["), "the layers"),
        (
            "pyproject.toml",
            LAYERS.replace('mypy_path = ["$MYPY_CONFIG_FILE_DIR", ', "mypy_path = ["),
            "tool.mypy.mypy_path",
        ),
    ],
)
def test_a_list_that_differs_is_found(workspace: Workspace, path: str, text: str, problem: str) -> None:
    workspace.write(path, text)
    assert any(problem in found for found in workspace.lists())


def test_a_package_without_what_it_needs_is_found(workspace: Workspace) -> None:
    for name in ("README.md", "CHANGELOG.md", "tests/test_it.py", "src/halny/low/py.typed"):
        (workspace.root / "packages/low" / name).unlink()
    found = "\n".join(workspace.lists())
    for name in ("README.md", "CHANGELOG.md", "tests", "halny.low/py.typed"):
        assert f"packages/low: {name} is missing" in found


def test_a_new_package_must_be_put_on_every_list(workspace: Workspace) -> None:
    workspace.add("third", [])
    assert len(workspace.lists()) == 8


def test_the_lists_of_names_can_be_written(workspace: Workspace) -> None:
    workspace.write("packages/low/src/halny/gen/__init__.py", "")
    workspace.write("packages/low/src/halny/gen/py.typed", "")
    spread = textwrap.dedent(LAYERS).replace(' = ["', ' = [\n"').replace('"]\n', '"\n]\n')
    workspace.write("pyproject.toml", spread)
    assert len(workspace.lists()) == 2
    check_packages.Checker(workspace.root).write_lists()
    assert workspace.lists() == []


def test_a_portion_has_one_owner(workspace: Workspace) -> None:
    for short in ("low", "high"):
        workspace.write(f"packages/{short}/src/halny/gen/__init__.py", "")
    assert any("halny.gen is in packages/high and in packages/low" in found for found in workspace.lists())


def test_the_project_itself_keeps_its_rules() -> None:
    checkers: list[Any] = [check_imports.Checker(ROOT), check_packages.Checker(ROOT)]
    assert [checker.run() for checker in checkers] == [[], []]
