"""Checks that every list of packages equals the folders of `packages/`, and that each of these is complete.

    tools/hatch run types:rules
    tools/hatch run lists    # writes the lists in pyproject.toml anew

Some tools take no globs, so the packages are named in `pyproject.toml` (types, coverage, layers) and in `mkdocs.yml`.
This compares each of those lists with the folders, and prints what it should be where it differs.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tools.workspace import ROOT, Package, packages, root_settings

if TYPE_CHECKING:
    from pathlib import Path

META_PACKAGE = "halny"
"""The distribution that is only its dependencies: all the others."""

_RANGE = re.compile(r">=(\d+)\.(\d+)(?:\.(\d+))?,<(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass
class Checker:
    """Collects what is wrong in one workspace."""

    root: Path
    problems: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.packages = packages(self.root)
        self.coded = [package for package in self.packages if package.portions]
        self.settings = root_settings(self.root)["tool"]

    def run(self) -> list[str]:
        self.check_lists()
        self.check_docs()
        self.check_owners()
        for package in self.packages:
            self.check_package(package)
            self.check_ranges(package)
        return self.problems

    def equal(self, where: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            self.problems.append(f"{where} is {found!r}, and by packages/ it should be {wanted!r}")

    def lists(self) -> dict[str, list[str]]:
        """What the lists in `pyproject.toml` must be, by the key that each one has."""
        base = "$MYPY_CONFIG_FILE_DIR"
        sources = [str(package.source.relative_to(self.root)) for package in self.coded]
        portions = sorted(portion for package in self.coded for portion in package.portions)
        return {
            "mypy_path": [base, *(f"{base}/{source}" for source in sources)],
            "extraPaths": sources,
            "source_pkgs": portions,
            "root_packages": portions,
        }

    def check_lists(self) -> None:
        lists = self.lists()
        mypy, pyright, coverage, linter = (
            self.settings[name] for name in ("mypy", "pyright", "coverage", "importlinter")
        )
        self.equal("pyproject.toml: tool.mypy.mypy_path", mypy["mypy_path"], lists["mypy_path"])
        self.equal("pyproject.toml: tool.pyright.extraPaths", pyright["extraPaths"], lists["extraPaths"])
        self.equal(
            "pyproject.toml: tool.coverage.run.source_pkgs", coverage["run"]["source_pkgs"], lists["source_pkgs"]
        )
        self.equal("pyproject.toml: tool.importlinter.root_packages", linter["root_packages"], lists["root_packages"])
        layers = next(contract["layers"] for contract in linter["contracts"] if contract["type"] == "layers")
        named = sorted(name.strip() for layer in layers for name in layer.split("|"))
        self.equal(
            "pyproject.toml: the layers of tool.importlinter", named, [f"halny.{each.short}" for each in self.coded]
        )

    def write_lists(self) -> None:
        """Puts what they must be in place of the lists in `pyproject.toml`."""
        path = self.root / "pyproject.toml"
        text = path.read_text(encoding="utf-8")
        for key, values in self.lists().items():
            lines = "".join(f'  "{value}",\n' for value in values)
            text = re.sub(rf"(^{key} = \[[^\n]*\n).*?^\]", rf"\g<1>{lines}]", text, flags=re.MULTILINE | re.DOTALL)
        path.write_text(text, encoding="utf-8")

    def check_docs(self) -> None:
        # As text: the file's own parser is an environment away, and what is looked for is unmistakable.
        text = (self.root / "mkdocs.yml").read_text(encoding="utf-8")
        sources = [str(package.source.relative_to(self.root)) for package in self.coded]
        self.equal(
            "mkdocs.yml: the paths of mkdocstrings",
            re.findall(r"^ +- (packages/\w+/src)$", text, re.MULTILINE),
            sources,
        )
        picture = (self.root / "docs/assets/packages.svg").read_text(encoding="utf-8")
        names = {package.distribution: package.short for package in self.coded}
        declared = {f"{each.short} {names[name]}" for each in self.coded for name in each.dependencies if name in names}
        arrows = re.findall(r'data-arrow="([^"]+)"', picture)
        self.equal("docs/assets/packages.svg: the arrows", sorted(arrows), sorted(declared))
        pages = set(re.findall(r"[\w/-]+\.md\b", text))
        for package in self.packages:
            wanted = [f"{package.short}/changelog.md"]
            wanted += [f"{package.short}/index.md"] if package.portions else []
            self.problems.extend(f"mkdocs.yml: the nav lacks {page}" for page in wanted if page not in pages)

    def check_owners(self) -> None:
        owners: dict[str, str] = {}
        for package in self.packages:
            for portion in package.portions:
                other = owners.setdefault(portion, package.short)
                if other != package.short:
                    self.problems.append(f"{portion} is in packages/{other} and in packages/{package.short}")

    def check_package(self, package: Package) -> None:
        where = package.folder.relative_to(self.root)
        if (package.source / "halny" / "__init__.py").exists():
            self.problems.append(f"{where}: halny is a namespace and has no __init__.py")
        missing = [name for name in ("README.md", "CHANGELOG.md") if not (package.folder / name).is_file()]
        missing += [
            f"{portion}/py.typed"
            for portion in package.portions
            if not (package.source / portion.replace(".", "/") / "py.typed").is_file()
        ]
        missing += [] if not package.portions or any(package.folder.glob("tests/test_*.py")) else ["tests"]
        self.problems += [f"{where}: {name} is missing" for name in missing]
        licence = package.folder / "LICENSE"
        if not licence.is_file() or licence.read_bytes() != (self.root / "LICENSE").read_bytes():
            self.problems.append(f"{where}: LICENSE is not the one of the project")
        strays = [path for path in (package.source / "halny").glob("*.py") if path.name != "__init__.py"]
        self.problems += [f"{path.relative_to(self.root)}: a module of its own would be untyped" for path in strays]
        self.check_versions(package)

    def check_versions(self, package: Package) -> None:
        matrix = tomllib.loads((self.root / "hatch.toml").read_text(encoding="utf-8"))["envs"]["test"]["matrix"]
        tested = sorted(f"Programming Language :: Python :: {version}" for version in matrix[0]["python"])
        claimed = [line for line in package.project["classifiers"] if re.search(r":: Python :: 3\.\d", line)]
        self.equal(f"{package.short}: the classifiers of Python versions", sorted(claimed), tested)

    def check_ranges(self, package: Package) -> None:
        siblings = {each.distribution: each for each in self.packages}
        for name, text in package.dependencies.items():
            if name in siblings:
                bounds = _RANGE.fullmatch(text.replace(" ", ""))
                version = tuple(int(part) for part in siblings[name].version.split("."))
                if bounds is None or not _bound(bounds, 1) <= version < _bound(bounds, 4):
                    self.problems.append(
                        f"{package.short}: {name}{text} leaves out its version {siblings[name].version}"
                    )
        if package.distribution == META_PACKAGE:
            wanted = sorted(siblings.keys() - {META_PACKAGE})
            self.equal(f"{package.short}: the dependencies", sorted(package.dependencies), wanted)


def _bound(match: re.Match[str], group: int) -> tuple[int, int, int]:
    return int(match[group]), int(match[group + 1]), int(match[group + 2] or 0)


def main() -> int:
    if sys.argv[1:] == ["--write"]:
        Checker(ROOT).write_lists()
    problems = Checker(ROOT).run()
    for problem in problems:
        print(problem)
    print(f"check_packages: {len(problems)} problems" if problems else "check_packages: every list is complete")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
