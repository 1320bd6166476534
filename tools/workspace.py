"""What lies below `packages/`, read from the folders themselves: the one list of packages that every tool goes by."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*([^;]*)")


def normalised(name: str) -> str:
    """A distribution's name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True)
class Package:
    """One folder of `packages/`."""

    folder: Path

    @property
    def short(self) -> str:
        """The folder's name, which is also the package's own part of the namespace."""
        return self.folder.name

    @cached_property
    def project(self) -> dict[str, Any]:
        """The `[project]` table."""
        table: dict[str, Any] = self.settings["project"]
        return table

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All of `pyproject.toml`."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))

    @property
    def distribution(self) -> str:
        """The name on the package index."""
        return normalised(self.project["name"])

    @cached_property
    def version(self) -> str:
        """The version that hatch reads from the file that `pyproject.toml` names."""
        text = (self.folder / self.settings["tool"]["hatch"]["version"]["path"]).read_text(encoding="utf-8")
        found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
        if found is None:
            raise SystemExit(f'{self.folder}: no line __version__ = "…" where pyproject.toml says')
        return found[1]

    @cached_property
    def dependencies(self) -> dict[str, str]:
        """Distribution name to version range, of what is always installed."""
        return _requirements(self.project.get("dependencies", []))

    @cached_property
    def extras(self) -> dict[str, str]:
        """Distribution name to version range, of what only an extra installs."""
        tables: dict[str, list[str]] = self.project.get("optional-dependencies", {})
        return _requirements([line for lines in tables.values() for line in lines])

    @property
    def source(self) -> Path:
        """The folder that is put on the path. A package without code has none."""
        return self.folder / "src"

    @cached_property
    def portions(self) -> list[str]:
        """The importable names that it owns: `halny.<short>` and the aliases that users know, such as `halny.gen`."""
        return sorted(f"halny.{init.parent.name}" for init in self.source.glob("halny/*/__init__.py"))

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Every module of the package, by its importable name."""
        found: dict[str, Path] = {}
        for path in sorted(self.source.rglob("*.py")):
            parts = path.relative_to(self.source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found


def _requirements(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match is None:
            raise SystemExit(f"not a requirement: {line!r}")
        found[normalised(match[1])] = match[2].strip()
    return found


def packages(root: Path = ROOT) -> list[Package]:
    """Every package, in the order of the folders' names."""
    return [Package(path.parent) for path in sorted((root / "packages").glob("*/pyproject.toml"))]


def root_settings(root: Path = ROOT) -> dict[str, Any]:
    """The root `pyproject.toml`."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
