"""Installs each wheel alone, with only what it declares, and runs that package's own tests against it.

    tools/hatch run alone:test                   # every package
    tools/hatch run alone:test web --python 3.13 # one package, on another Python

The proof that the declared dependencies suffice, and that the wheel (made from the sdist) holds all its files.
Everything is made anew in a temporary folder on each run, so a wheel that was kept somewhere can't answer for a new
one; the siblings are named by the path of their wheels, so the index can't either.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.workspace import ROOT, Package, packages

UV = os.environ.get("HATCH_UV", "uv")
TEST_TOOLS = ("pytest", "pytest-asyncio", "hypothesis", "coverage[toml]")

_PROBE = """
import importlib, importlib.metadata, pathlib, sys
source = pathlib.Path(sys.argv[1])
for name in sys.argv[2].split():
    module = importlib.import_module(name)
    if source in pathlib.Path(module.__file__).parents:
        sys.exit(f"{name} was imported from the sources: {module.__file__}")
print(*sorted(d.name for d in importlib.metadata.distributions() if d.name.startswith("halny")))
"""


def build(chosen: list[Package], dist: Path) -> dict[str, Path]:
    """Each package's wheel, made from its sdist."""
    constraints = ROOT / "tools" / "constraints.txt"
    wheels: dict[str, Path] = {}
    for package in chosen:
        command = [UV, "build", "--quiet", "--build-constraints", str(constraints), "--out-dir", str(dist)]
        subprocess.run([*command, str(package.folder)], check=True)
        (wheels[package.distribution],) = dist.glob(f"{package.distribution.replace('-', '_')}-*.whl")
    return wheels


def needed(package: Package, family: dict[str, Package]) -> set[str]:
    """The distributions of ours that installing `package` must bring, itself included."""
    found = {package.distribution}
    for name in package.dependencies.keys() & family.keys():
        found |= needed(family[name], family)
    return found


def install(package: Package, python: str, folder: Path, wheels: dict[str, Path]) -> Path:
    """A new environment that holds the wheel, what it declares, and the test tools."""
    overrides = folder / "wheels.txt"
    overrides.write_text("".join(f"{name} @ {wheel.as_uri()}\n" for name, wheel in wheels.items()), encoding="utf-8")
    subprocess.run([UV, "venv", "--quiet", "--python", python, str(folder / "venv")], check=True)
    interpreter = folder / "venv" / "bin" / "python"
    command = [UV, "pip", "install", "--quiet", "--python", str(interpreter), "--overrides", str(overrides)]
    command += ["--constraints", str(ROOT / "tools" / "constraints.txt"), package.distribution]
    subprocess.run([*command, *(TEST_TOOLS if has_tests(package) else ())], check=True)
    return interpreter


def has_tests(package: Package) -> bool:
    """Whether there is anything to run. A package without code has none."""
    return any(package.folder.glob("tests/test_*.py"))


def probe(package: Package, interpreter: Path, family: dict[str, Package]) -> str | None:
    """What is wrong with the environment: a module taken from the sources, or a sibling too many or too few."""
    names = package.portions or sorted(p for name in needed(package, family) for p in family[name].portions)
    command = [str(interpreter), "-c", _PROBE, str(ROOT / "packages"), " ".join(names)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=interpreter.parents[2])
    if run.returncode:
        return run.stderr.strip()
    got, wanted = set(run.stdout.split()), needed(package, family)
    return None if got == wanted else f"installed {sorted(got)}, expected {sorted(wanted)}"


def check(package: Package, python: str, wheels: dict[str, Path], rest: list[str]) -> str | None:
    """Installs and tests one package. Returns what failed."""
    family = {each.distribution: each for each in packages()}
    with tempfile.TemporaryDirectory(prefix="halny-alone-") as folder:
        interpreter = install(package, python, Path(folder), wheels)
        problem = probe(package, interpreter, family)
        if problem or not has_tests(package):
            return problem
        command = [str(interpreter), "-m", "pytest", "-p", "no:cacheprovider", "--quiet", "--no-header"]
        run = subprocess.run([*command, f"packages/{package.short}/tests", *rest], cwd=ROOT, check=False)
    return f"pytest ended with {run.returncode}" if run.returncode else None


def main() -> int:
    parser = argparse.ArgumentParser(description="Test each package's wheel with only what it declares.")
    everything = {package.short: package for package in packages()}
    parser.add_argument("package", nargs="*", help="the folders to test (default: all)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter, or a version that is installed")
    parser.add_argument("--pytest", default="", metavar="OPTIONS", help='for pytest, such as "-k cookies -x"')
    options = parser.parse_args()
    unknown = set(options.package) - everything.keys()
    if unknown:
        parser.error(f"no such package: {', '.join(sorted(unknown))}")
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="halny-dist-") as dist:
        wheels = build(list(everything.values()), Path(dist))
        for name in options.package or everything:
            started = time.monotonic()
            problem = check(everything[name], options.python, wheels, shlex.split(options.pytest))
            seconds = time.monotonic() - started
            print(f"alone: {everything[name].distribution}: {problem or 'passed'} ({seconds:.1f} s)", flush=True)
            if problem:
                failures[name] = problem
    print(f"alone: {len(failures)} failed: {', '.join(failures)}" if failures else "alone: every wheel stands alone")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
