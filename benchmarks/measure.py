"""How the benchmarks measure: ways to compute one thing take turns, and ratios are compared.

A script has cases; each runs in a process of its own. Within it the ways take turns, so that other
load on the machine meets all of them alike: a ratio is the median of the turns' ratios, ± their
median absolute deviation, and is within its limit if it is so less that deviation. The peak of
memory is above what the process held before the call, and that of the median call but the first.

    python benchmarks/SCRIPT.py [CASE ...] [--turns N] [--json FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

Way = Callable[[], object]

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**26)}
"""Of a process that is timed: glibc keeps what a pass frees, and no way is the faster for what
another one freed before. The peak of memory is measured without."""


@dataclasses.dataclass
class Case:
    """Ways to compute one thing, by name; the first is ours.

    Attributes:
        ways: from name to function.
        limits: the largest ratio to another way that is aimed at, by that way's name.
        calls: how often each is called in a turn.
        memory: whether the peak of memory is measured, too.
        check: raises where the ways do not compute the same.
        notes: figures that are not times, by name.
    """

    ways: dict[str, Way]
    limits: dict[str, float] = dataclasses.field(default_factory=dict)
    calls: int = 1
    memory: bool = True
    notes: dict[str, float] = dataclasses.field(default_factory=dict)
    check: Callable[[], object] = int


def in_turns(ways: dict[str, Way], turns: int, calls: int = 1) -> dict[str, list[float]]:
    """Seconds per call of each way in each turn; the order changes from turn to turn."""
    names, seconds = list(ways), {name: [] for name in ways}
    for turn in range(-1, turns):  # the first does not count
        for i in range(len(names)):
            name = names[(i + turn) % len(names)]
            start = time.perf_counter()
            for _ in range(calls):
                ways[name]()
            if turn >= 0:
                seconds[name].append((time.perf_counter() - start) / calls)
    return seconds


def spread(values: list[float]) -> tuple[float, float]:
    """The median, and the median absolute deviation from it."""
    middle = statistics.median(values)
    return middle, statistics.median(abs(v - middle) for v in values)


def rows(title: str, case: Case, turns: int, memory: dict[str, float]) -> list[dict]:
    """One row per other way: the times, and the ratio of ours to it."""
    case.check()
    ours, *others = case.ways
    seconds = in_turns(case.ways, turns, case.calls)
    found = []
    for other in others:
        pairs = zip(seconds[ours], seconds[other], strict=True)
        ratio, deviation = spread([a / b for a, b in pairs])
        found.append(
            {
                "case": title,
                "other": other,
                "ours": statistics.median(seconds[ours]),
                "theirs": statistics.median(seconds[other]),
                "ratio": ratio,
                "deviation": deviation,
                "limit": case.limits.get(other),
                "memory": memory.get(ours),
                "their memory": memory.get(other),
                "notes": case.notes,
                "turns": turns,
            }
        )
    return found


def missed(row: dict) -> bool:
    """Whether the ratio is over its limit by more than its deviation."""
    return row["limit"] is not None and row["ratio"] - row["deviation"] > row["limit"]


def text(row: dict) -> str:
    """A row as it is printed."""
    limit = "" if row["limit"] is None else f"limit {row['limit']:.2f}"
    verdict = "OVER" if missed(row) else "ok" if limit else ""
    memory = ""
    if row["memory"] is not None and row["their memory"] is not None:
        memory = f"{row['memory']:7.1f} / {row['their memory']:7.1f} MB"
    notes = ", ".join(f"{k} {v:.3g}" for k, v in row["notes"].items())
    return (
        f"{row['case']:46} {1e3 * row['ours']:9.2f} ms  {row['ratio']:5.2f} ± "
        f"{row['deviation']:4.2f} x {row['other']:9} {limit:10} {verdict:4} {memory} {notes}"
    )


def peak(case: Case, name: str) -> float:
    """Megabytes that the way takes at its peak, above what the process holds: the median call.

    Not the first, which traces; and not one alone, since two threads of TensorFlow hold two large
    tensors at once now and then.
    """
    case.ways[name]()
    return statistics.median(_peak_of_call(case.ways[name]) for _ in range(5))


def _peak_of_call(way: Way) -> float:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = _held("VmRSS")
    way()
    return max(0.0, _held("VmHWM") - before)


def _held(what: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(cases: dict[str, Callable[[], Case]], turns: int = 15) -> int:
    """Run the cases that are asked for; 1 where a ratio is over its limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--turns", type=int, default=turns)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--peak", metavar="WAY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    chosen = [c for c in cases if not options.cases or c in options.cases]
    if unknown := set(options.cases) - set(cases):
        parser.error(f"no case {sorted(unknown)}; there are {list(cases)}")
    if options.peak:
        sys.stdout.write(f"{peak(cases[chosen[0]](), options.peak)}\n")
        return 0
    over = False
    for name in chosen:
        if not ALLOCATOR.items() <= os.environ.items():  # each in a process of its own
            command, env = [*_command(name), *_rest(options)], {**os.environ, **ALLOCATOR}
            over |= bool(subprocess.run(command, check=False, env=env).returncode)
            continue
        case = cases[name]()
        memory = {way: _peak_of(name, way) for way in case.ways} if case.memory else {}
        for row in rows(name, case, options.turns, memory):
            print(text(row), flush=True)
            over |= missed(row)
            if options.json:
                with Path(options.json).open("a") as file:
                    file.write(json.dumps(row) + "\n")
    return int(over)


def _command(case: str) -> list[str]:
    return [sys.executable, sys.argv[0], case]


def _rest(options: argparse.Namespace) -> list[str]:
    return ["--turns", str(options.turns), *(["--json", options.json] if options.json else [])]


def _peak_of(case: str, way: str) -> float:
    # what is freed goes back to the system, so that it counts when it is taken again
    freed = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    done = subprocess.run(
        [*_command(case), "--peak", way],
        env={**os.environ, **freed},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])
