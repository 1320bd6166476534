"""Streams and what is awaited around them, beside Tornado: the same programs on the same loop and the same core.

    tools/hatch run bench:streams [--quick] [--rounds N] [--seconds S] [case ...]

Each measurement is a process of its own, pinned to one core, that counts its own processor time. The rounds are
interleaved and each begins with the other library, so that what the machine does meanwhile falls on both alike; the
medians are compared. The exit status is 1 if a ratio is not reached.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from ._stream_cases import CASES, IDLE_STREAMS

LIBRARIES = ("halny", "tornado")
LOOPS = ("asyncio", "uvloop")
ROUNDS = 5
SECONDS = 2.0
QUICK_SECONDS = 0.2
SPARE_FILES = 100

_ROOT = Path(__file__).resolve().parents[2]


def measure(library: str, loop: str, case: str, seconds: float, core: int) -> float:
    """Returns the result of one measurement, made by a process of its own."""
    command = [sys.executable, "-m", "tools.bench._stream_cases", library, loop, case, str(seconds)]
    done = subprocess.run(
        command,
        cwd=_ROOT,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        env={name: value for name, value in os.environ.items() if name not in ("PYTHONWARNINGS", "PYTHONASYNCIODEBUG")},
    )
    return float(done.stdout)


def compare(case: str, loop: str, rounds: int, seconds: float, core: int) -> bool:
    """Measures one case on one loop, prints a line, and tells whether it reaches what is asked for."""
    results: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for library in LIBRARIES if number % 2 == 0 else reversed(LIBRARIES):
            results[library].append(measure(library, loop, case, seconds, core))
    ours, theirs = (statistics.median(results[library]) for library in LIBRARIES)
    ratio = ours / theirs
    wanted = CASES[case].wanted.get(loop)
    if wanted is None:
        good, target = True, ""
    elif CASES[case].less_is_better:
        good, target = ratio < wanted, f"below {wanted:.2f}"
    else:
        good, target = ratio >= wanted, f"at least {wanted:.2f}"
    spread = max((max(values) - min(values)) / statistics.median(values) for values in results.values())
    print(
        f"{case:<10} {loop:<8} {ours:>12,.0f} {theirs:>12,.0f} {CASES[case].unit:<14} {ratio:6.2f}  {target:<14}"
        f" {'' if good else 'MISSED':<7} spread {spread:.0%}",
        flush=True,
    )
    return good


def allow_files() -> None:
    """Raises the limit of open files, which the processes inherit, for the idle streams."""
    wanted = IDLE_STREAMS + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


def main() -> int:
    """Runs the cases that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="case", help=f"some of {', '.join(CASES)}; all by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one measurement")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    options = parser.parse_args()
    unknown = sorted(set(options.cases) - set(CASES))
    if unknown:
        parser.error(f"unknown cases {unknown}, expected some of {sorted(CASES)}")
    allow_files()
    rounds, seconds = (1, QUICK_SECONDS) if options.quick else (options.rounds, options.seconds)
    core = max(os.sched_getaffinity(0))
    print(f"{'case':<10} {'loop':<8} {'halny':>12} {'tornado':>12} {'':<14} {'ratio':>6}")
    good = True
    for case in options.cases or CASES:
        for loop in LOOPS:
            good &= compare(case, loop, rounds, seconds, core)
    return 0 if good or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
