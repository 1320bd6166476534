"""Template engines beside each other: Halny, Tornado, Jinja2 and Mako, escaping on everywhere.

    tools/hatch run bench:template [--quick] [--rounds N] [case ...]

All run in one process, pinned to one core. Before anything is timed, the outputs are compared byte for byte. Then come
rounds in which each engine has its turn, and each round begins with another, so that what the machine does meanwhile
falls on all alike. What is counted is processor time; the medians are compared. The exit status is 1 if an output
differs or a ratio is not reached.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from ._template_cases import CASES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._template_cases import Case

ROUNDS = 31
SECONDS = 0.02
"""Of one engine's turn in one round: short turns, so that the engines of a round meet the same machine."""

# Jinja2 and Mako spell the quotes as numbers.
SPELLINGS = ((b"&#34;", b"&quot;"), (b"&#39;", b"&#x27;"))


def canonical(output: bytes) -> bytes:
    """The output with one spelling of the quotes."""
    for spelling, ours in SPELLINGS:
        output = output.replace(spelling, ours)
    return output


def differing(case: Case, calls: Mapping[str, Callable[[], bytes]]) -> list[str]:
    """The engines whose output isn't Halny's: Tornado's to the byte, the others' but for how they spell quotes."""
    if not case.compares:
        return []
    expected = calls["halny"]()
    return [
        engine
        for engine, call in calls.items()
        if (output := call()) != expected and (engine == "tornado" or canonical(output) != expected)
    ]


def measure(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of one call of each engine, in each round."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    numbers = {engine: repetitions(call) for engine, call in calls.items()}
    engines = list(calls)
    for number in range(rounds):
        first = number % len(engines)
        for engine in engines[first:] + engines[:first]:
            gc.collect()
            times[engine].append(timed(calls[engine], numbers[engine]))
    return times


def repetitions(call: Callable[[], object]) -> int:
    """How many calls fit into an engine's turn; what is compiled when it is first used is so by then."""
    call()
    return max(1, round(SECONDS / max(timed(call, 3), 1e-9)))


def timed(call: Callable[[], object], number: int) -> float:
    start = time.process_time()
    for _ in range(number):
        call()
    return (time.process_time() - start) / number


def run(case: Case, rounds: int) -> bool:
    """Compares and measures one case, prints its table, and tells whether it reaches what is asked for."""
    calls = case.calls()
    wrong = differing(case, calls)
    print(f"\n{case.title}")
    if wrong:
        print(f"  OUTPUT DIFFERS: {', '.join(wrong)}")
        return False
    times = measure(calls, rounds)
    ours = statistics.median(times["halny"])
    good = True
    for engine, values in times.items():
        median = statistics.median(values)
        wanted = case.wanted.get(engine)
        reached = wanted is None or median / ours >= wanted
        good &= reached
        target = "" if wanted is None else f"at least {wanted:g}{'' if reached else '  MISSED'}"
        print(f"  {engine:<10} {median * 1e6:>12,.1f} µs   {median / ours:6.2f}   {target}", flush=True)
    return good


def main() -> int:
    """Runs the cases that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="case", help=f"some of {', '.join(CASES)}; all by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="three rounds, to see that it works")
    options = parser.parse_args()
    unknown = sorted(set(options.cases) - set(CASES))
    if unknown:
        parser.error(f"unknown cases {unknown}, expected some of {sorted(CASES)}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"Python {sys.version.split()[0]}; median of one call, and how many times Halny's that is")
    good = True
    for name in options.cases or CASES:
        good &= run(CASES[name], 3 if options.quick else options.rounds)
    return 0 if good or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
