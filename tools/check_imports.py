"""Checks that each package imports only what its `pyproject.toml` declares, only downwards, and only public names.

    tools/hatch run types:rules

The packages are installed side by side while they are developed, so an import of a sibling that is not declared works
here and fails for the user who installs that package alone. This reads every import statement and compares:

- a sibling must be declared, lie on a lower floor (the layers in the root `pyproject.toml`), and be used by its public
  names;
- another distribution must be declared; what only an extra installs is imported where its absence is survived:
  inside a function, a `try`, or `if TYPE_CHECKING`;
- inside a package, imports are relative;
- what is declared is imported somewhere;
- a package's tests import only what the package declares, and the test tools.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.workspace import ROOT, Package, normalised, packages, root_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DISTRIBUTIONS = {"_pytest": "pytest", "OpenSSL": "pyopenssl"}
"""Import name to distribution, where they differ by more than case and dashes."""

TEST_TOOLS = {"coverage", "hypothesis", "pytest", "pytest-asyncio"}
"""What the tests of every package may import, as the environments in hatch.toml install it."""

WHERE_INSTALLED = {"uvloop"}
"""What the tests of every package may use where it is installed, and survive the absence of."""


@dataclass(frozen=True)
class Import:
    """One imported name: `module` and, for `from module import name`, the name."""

    module: str
    name: str | None
    line: int
    level: int
    guarded: bool
    typing_only: bool


def imports(tree: ast.AST) -> Iterator[Import]:
    """Every import below `tree`, and whether the code survives its failure."""
    yield from _walk(tree, guarded=False, typing_only=False)


def _walk(node: ast.AST, *, guarded: bool, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, None, child.lineno, 0, guarded, typing_only)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield Import(child.module or "", alias.name, child.lineno, child.level, guarded, typing_only)
        else:
            typing = typing_only or _is_typing_block(child)
            lazy = guarded or typing or isinstance(child, (ast.Try, ast.FunctionDef, ast.AsyncFunctionDef))
            yield from _walk(child, guarded=lazy, typing_only=typing)


def _is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _is_private(module: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in module.split("."))


@dataclass
class Checker:
    """Collects what is wrong in one workspace."""

    root: Path
    problems: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.packages = packages(self.root)
        self.owners = {portion: package for package in self.packages for portion in package.portions}
        self.by_distribution = {package.distribution: package for package in self.packages}
        contracts = root_settings(self.root)["tool"]["importlinter"]["contracts"]
        layers: list[str] = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
        self.floors = {name.strip(): -depth for depth, layer in enumerate(layers) for name in layer.split("|")}

    def run(self) -> list[str]:
        for package in self.packages:
            self.check_direction(package)
            used = {name for module, path in package.modules.items() for name in self.check_file(package, module, path)}
            for path in sorted(package.folder.glob("tests/**/*.py")):
                self.check_file(package, "", path)
            if package.portions:
                for name in sorted(package.dependencies.keys() - used):
                    self.problems.append(f"{_where(self.root, package)}: {name} is declared and never imported")
        return self.problems

    def check_direction(self, package: Package) -> None:
        mine = self.floors.get(f"halny.{package.short}")
        for name in (*package.dependencies, *package.extras):
            sibling = self.by_distribution.get(name)
            if sibling is None or mine is None:
                continue
            if self.floors.get(f"halny.{sibling.short}", mine) >= mine:
                self.problems.append(f"{_where(self.root, package)}: {name} is not on a lower floor")

    def check_file(self, package: Package, module: str, path: Path) -> set[str]:
        """Checks one file, and tells which distributions it imports. `module` is empty for a test."""
        used: set[str] = set()
        for each in imports(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            problem = self.check_import(package, module, each, used)
            if problem:
                self.problems.append(f"{path.relative_to(self.root)}:{each.line}: {problem}")
        return used

    def check_import(self, package: Package, module: str, each: Import, used: set[str]) -> str | None:
        if each.level > 1:
            return "a relative import goes one level up at most"
        if each.level == 1:
            return None
        if each.module.split(".")[0] == "halny":
            return self.check_own_family(package, module, each, used)
        return self.check_foreign(package, module, each, used)

    def check_own_family(self, package: Package, module: str, each: Import, used: set[str]) -> str | None:
        target = each.module if each.module != "halny" or each.name is None else f"halny.{each.name}"
        portion = ".".join(target.split(".")[:2])
        owner = self.owners.get(portion)
        if owner is None:
            return f"no package has {portion}"
        if owner.short == package.short:
            inside = module == portion or module.startswith(portion + ".")
            return f"inside {portion} imports are relative" if inside else None
        used.add(owner.distribution)
        if owner.distribution not in package.dependencies:
            return f"{portion} belongs to {owner.distribution}, which {package.distribution} does not declare"
        if _is_private(target) or (each.name is not None and _is_private(each.name)):
            return f"{target}{'' if each.name is None else '.' + each.name} is private to {owner.distribution}"
        return None

    def check_foreign(self, package: Package, module: str, each: Import, used: set[str]) -> str | None:
        top = each.module.split(".")[0]
        if top in sys.stdlib_module_names:
            return None
        name = DISTRIBUTIONS.get(top, normalised(top))
        used.add(name)
        if name in package.dependencies or (not module and self.is_test_tool(each, name)):
            return None
        if name not in package.extras:
            return f"{top} is not declared by {package.distribution}"
        if not each.guarded:
            return f"{top} comes with an extra: import it where its absence is survived"
        return None

    @staticmethod
    def is_test_tool(each: Import, name: str) -> bool:
        if name in WHERE_INSTALLED:
            return each.guarded
        return name in TEST_TOOLS or (each.typing_only and each.module.startswith("tools.strict_tests"))


def _where(root: Path, package: Package) -> str:
    return str((package.folder / "pyproject.toml").relative_to(root))


def main() -> int:
    problems = Checker(ROOT).run()
    for problem in problems:
        print(problem)
    print(f"check_imports: {len(problems)} problems" if problems else "check_imports: every import is declared")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
