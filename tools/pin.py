"""Writes `tools/constraints.txt`: the versions that the environments in `hatch.toml` hold now.

    tools/hatch run pin

To move on to newer versions, empty the file, remove the environments (`tools/hatch env prune`), use each of them once,
and run this. Every version in it must exist for every Python that is tested.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tools.workspace import ROOT, normalised

_HEADER = "# The versions of all that the project's own environments install. `tools/hatch run pin` writes this file.\n"


def installed() -> set[str]:
    """`name==version` of everything in every environment that exists."""
    hatch = [str(ROOT / "tools" / "hatch")]
    shown = subprocess.run([*hatch, "env", "show", "--json"], capture_output=True, text=True, check=True, cwd=ROOT)
    found: set[str] = set()
    for name in json.loads(shown.stdout):
        where = subprocess.run([*hatch, "env", "find", name], capture_output=True, text=True, check=False, cwd=ROOT)
        python = Path(where.stdout.strip()) / "bin" / "python"
        if where.returncode == 0 and python.exists():
            freeze = [os.environ["HATCH_UV"], "pip", "freeze", "--quiet", "--python", str(python)]
            lines = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout.splitlines()
            found.update(line for line in lines if "==" in line)
    return found


def main() -> None:
    pins: dict[str, str] = {}
    for line in sorted(installed()):
        name, version = line.split("==")
        other = pins.setdefault(normalised(name), version)
        if other != version:
            raise SystemExit(f"{name} is there as {other} and as {version}: remove the older environment")
    lines = [f"{name}=={version}\n" for name, version in sorted(pins.items())]
    (ROOT / "tools" / "constraints.txt").write_text(_HEADER + "".join(lines), encoding="utf-8")
    print(f"{len(lines)} versions pinned")


if __name__ == "__main__":
    main()
