"""What is known of a backend after the conformance suite ran, as lines of text."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement

import trulens_core
from trulens_core.plugins import BackendInfo
from trulens_core.testing.conformance.harness import DEVIATIONS, LAW, Harness
from trulens_core.testing.conformance.rules import SERVED
from trulens_core.testing.zoo import KINDS

TYPES = ("float64", "float32")


@dataclasses.dataclass
class Line:
    """What is known of one law.

    Attributes:
        passed: the number of tests.
        failed: the number of tests.
        expected: the number of tests that the backend says it cannot pass.
        worst: the largest deviation, and the test that found it, by type.
    """

    passed: int = 0
    failed: int = 0
    expected: int = 0
    worst: dict[str, tuple[float, str]] = dataclasses.field(default_factory=dict)

    def add(self, outcome: str, report: Any) -> None:
        """Count a test."""
        if outcome == "xfailed":
            self.expected += 1
            return
        self.passed += outcome == "passed"
        self.failed += outcome != "passed"
        for dtype, error in dict(report.user_properties).get(DEVIATIONS, []):
            self.worst[dtype] = max(self.worst.get(dtype, (0.0, "")), (error, name_of(report)))


def name_of(report: Any) -> str:
    """The name of a report's test."""
    return str(report.nodeid.rpartition("::")[2])


def laws(stats: Mapping[str, list[Any]]) -> dict[str, Line]:
    """What is known of each law; pytest runs the parts of the suite last to first."""
    found: dict[str, Line] = {}
    for outcome in ("passed", "failed", "error", "xfailed"):
        for report in stats.get(outcome, []):
            law = dict(report.user_properties).get(LAW, "the suite itself")
            found.setdefault(law, Line()).add(outcome, report)
    return dict(reversed(found.items()))


def _table(found: Mapping[str, Line]) -> list[str]:
    rows = [("law", "passed", "failed", "expected", *(f"worst {t}" for t in TYPES), "in")]
    for law, line in found.items():
        errors = [f"{line.worst[t][0]:.1e}" if t in line.worst else "" for t in TYPES]
        error, place = line.worst.get(TYPES[0], (0.0, ""))
        place = place if error else ""
        rows.append((law, str(line.passed), str(line.failed), str(line.expected), *errors, place))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _unsupported(stats: Mapping[str, list[Any]]) -> list[str]:
    """The reasons that the backend gives, and what does not apply to it, with their tests."""
    reasons: dict[str, list[str]] = {}
    for report in stats.get("xfailed", []):
        reasons.setdefault(report.wasxfail, []).append(name_of(report))
    for report in stats.get("skipped", []):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        reasons.setdefault(f"does not apply: {reason}", []).append(name_of(report))
    return [f"  {reason}: {', '.join(names)}" for reason, names in reasons.items()]


def _rules(stats: Mapping[str, list[Any]]) -> list[str]:
    """Whether rules of the backward pass are served, where that was seen."""
    reports = [r for outcome in ("passed", "failed") for r in stats.get(outcome, [])]
    told = [dict(r.user_properties)[SERVED] for r in reports if SERVED in dict(r.user_properties)]
    return [f"rules: {'yes' if all(told) else 'no'}"] if told else []


def versions(info: BackendInfo, frameworks: Iterable[str]) -> list[str]:
    """The versions of the backend, of its framework, and of what else matters."""
    own = f"{info.distribution} {info.version}" if info.distribution else "registered in process"
    names = list(frameworks) or _required(info.distribution)
    with_ = [f"trulens-nn {trulens_core.__version__}", f"numpy {_version('numpy')}"]
    with_ += [f"Python {platform.python_version()}", f"{platform.system()} {platform.machine()}"]
    return [
        f"backend {info.name}: {own}",
        "framework: " + (", ".join(f"{n} {_version(n)}" for n in names) or "none"),
        f"with: {', '.join(with_)}",
    ]


def tried(tests: type[Harness]) -> list[str]:
    """What the models' layers were made of, what was not tried, and what was compared less well."""
    left_out = [words for name, words in KINDS.items() if name not in tests.layered]
    missing = f"; not tried: {'; '.join(left_out)}" if left_out else ""
    lines = [f"layers: {'of the framework' if tests.layered else 'functions'}{missing}"]
    if tests.trained is Harness.trained:
        lines.append("weights: not changed between calls")
    if tests.elsewhere is Harness.elsewhere:
        lines.append("devices: one")
    lines.append(f"tolerance: {tests.tolerance:.0e} of float64 results")
    if not tests.repeats_bits:
        lines.append("bits: not repeated; compared to rounding")
    return lines


def _required(distribution: str | None) -> list[str]:
    """What a distribution requires always, but for ours."""
    asked = map(Requirement, (metadata.requires(distribution) or []) if distribution else [])
    names = [r.name for r in asked if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [n for n in names if not n.startswith("trulens-nn")]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def certificate(stats: Mapping[str, list[Any]], head: list[str]) -> list[str]:
    """The whole certificate.

    Args:
        stats: pytest's reports by outcome.
        head: lines that come first, see `versions`.
    """
    count = {k: len(stats.get(k, [])) for k in ("passed", "xfailed", "skipped", "deselected")}
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    whole = count["passed"] and not failed and not count["deselected"]
    not_supported = _unsupported(stats)
    counts = f"passed {count['passed']}, failed {failed}, expected to fail {count['xfailed']}"
    return [
        *head,
        "",
        *_table(laws(stats)),
        "",
        *_rules(stats),
        "not supported:" if not_supported else "not supported: nothing",
        *not_supported,
        f"{counts}, does not apply {count['skipped']}, not run {count['deselected']}",
        "CERTIFIED" if whole else "NOT CERTIFIED",
    ]
