"""Prints what importing the public modules costs: milliseconds and the number of modules loaded.

    tools/hatch run imports          # Halny alone
    tools/hatch run bench:imports    # beside Tornado

Each figure is the median of fresh interpreters, less the start of an interpreter that imports nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time

MODULES = ("halny.template", "halny.iostream", "halny.web", "tornado.template", "tornado.iostream", "tornado.web")

_COUNT = "import sys; before = len(sys.modules); import {module}; print(len(sys.modules) - before)"


def milliseconds(program: str, rounds: int) -> float:
    """The median time that a fresh interpreter takes to run `program`."""
    times: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def loaded(module: str) -> int:
    """How many modules an import adds to those of a bare interpreter."""
    command = [sys.executable, "-c", _COUNT.format(module=module)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Print the import time and the number of modules of the public modules."
    )
    parser.add_argument("--rounds", type=int, default=15, help="interpreters started for each module (default: 15)")
    options = parser.parse_args()
    present = [name for name in MODULES if importlib.util.find_spec(name.split(".")[0]) is not None]
    empty = milliseconds("pass", options.rounds)
    print(f"{'import':<20}{'ms':>8}{'modules':>10}")
    for module in present:
        milliseconds(f"import {module}", 1)  # writes the bytecode
        spent = milliseconds(f"import {module}", options.rounds) - empty
        print(f"{module:<20}{spent:>8.1f}{loaded(module):>10}")


if __name__ == "__main__":
    main()
