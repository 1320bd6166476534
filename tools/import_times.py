"""Prints what importing the public modules costs: milliseconds and the number of modules loaded.

    tools/hatch run imports          # Halny alone
    tools/hatch run bench:imports    # beside Tornado

Each figure is that of fresh interpreters, less what one takes that imports nothing. The modules take turns, so that a
machine which is busy for a while is busy for all of them. The least of all rounds is what the import costs; the median
says how quiet the machine was. Bytecode is written first and then used, whatever the environment says about it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time

MODULES = ("halny.template", "halny.iostream", "halny.web", "tornado.template", "tornado.iostream", "tornado.web")

_NOTHING = "pass"
_COUNT = "import sys; before = len(sys.modules); import {module}; print(len(sys.modules) - before)"
_CHANGES_IMPORTS = ("PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME", "PYTHONWARNINGS", "PYTHONDEVMODE")


def run(program: str) -> str:
    """Run a program in a fresh interpreter, as users do, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in _CHANGES_IMPORTS}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def milliseconds(programs: list[str], rounds: int) -> dict[str, list[float]]:
    """How long fresh interpreters take to run each program, in rounds that take turns."""
    times: dict[str, list[float]] = {program: [] for program in programs}
    for program in programs:
        run(program)  # writes the bytecode
    for _ in range(rounds):
        for program in programs:
            started = time.perf_counter()
            run(program)
            times[program].append((time.perf_counter() - started) * 1000)
    return times


def loaded(module: str) -> int:
    """How many modules an import adds to those of a bare interpreter."""
    return int(run(_COUNT.format(module=module)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Print the import time and the number of modules of the public modules."
    )
    parser.add_argument("--rounds", type=int, default=15, help="interpreters started for each module (default: 15)")
    options = parser.parse_args()
    present = [name for name in MODULES if importlib.util.find_spec(name.split(".")[0]) is not None]
    times = milliseconds([_NOTHING, *(f"import {module}" for module in present)], options.rounds)
    nothing = times[_NOTHING]
    print(f"{'import':<20}{'least ms':>10}{'median ms':>11}{'modules':>10}")
    for module in present:
        taken = times[f"import {module}"]
        least = min(taken) - min(nothing)
        median = statistics.median(taken) - statistics.median(nothing)
        print(f"{module:<20}{least:>10.1f}{median:>11.1f}{loaded(module):>10}")


if __name__ == "__main__":
    main()
