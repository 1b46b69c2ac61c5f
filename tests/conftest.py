"""How the tests are spread over processes, how many are run, and what each folder may take."""

import collections
import os
import pathlib
import re
import sys
import zlib

import pytest

CASES = {
    "test_conformance_jax.py": 1,
    "test_conformance_tf.py": 5,
    "test_conformance_keras.py": {"jax": 1, "tensorflow": 3}.get(
        os.environ.get("KERAS_BACKEND", "tensorflow")
    ),
}
"""How many of each test are run where each is a model to trace; others have all."""


def pytest_collection_modifyitems(config, items):
    """A few cases of each test of the conformance suite, others of each; TRULENS_EVERY=1: all.

    Every case compiles steps of its own, so that all of them take an hour on JAX.
    """
    if os.environ.get("TRULENS_EVERY"):
        return
    cases = {}
    for item in items:
        if CASES.get(item.path.name):
            cases.setdefault((item.path.name, item.originalname), []).append(item)
    kept = {id(i) for (file, name), found in cases.items() for i in some(name, found, CASES[file])}
    left_out = {id(i) for found in cases.values() for i in found} - kept
    config.hook.pytest_deselected(items=[i for i in items if id(i) in left_out])
    items[:] = [i for i in items if id(i) not in left_out]


MAPS = pathlib.Path("/proc/self/maps")
MANY_MAPS = 30_000
"""Pieces of memory of a process; Linux allows 65,530, and XLA crashes for want of another one."""


def pytest_runtest_teardown(item):
    """Let compiled programs of JAX go before there are too many, each of which takes a few maps."""
    jax = sys.modules.get("jax")
    if jax is None or not MAPS.exists():
        return
    if MAPS.read_bytes().count(b"\n") > MANY_MAPS:
        jax.clear_caches()


def some(name, found, most):
    """So many of the cases of a test, as far apart as can be."""
    n, first = min(len(found), most), zlib.crc32(name.encode())
    return [found[(first + i * len(found) // n) % len(found)] for i in range(n)]


@pytest.hookimpl(optionalhook=True)  # only pytest-xdist calls it
def pytest_xdist_make_scheduler(config, log):
    """Any test anywhere, but tests/packaging in one process, which builds and installs once.

    The mark `xdist_group` would say the same, but pytest-xdist 3.8 loses it under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class PackagingTogether(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "packaging" if nodeid.startswith("tests/packaging/") else nodeid

    return PackagingTogether(config, log)


def pytest_terminal_summary(terminalreporter, config):
    """The seconds of each folder beside its budget, which stands in CONTRIBUTING.md.

    Seconds of all processes together; slow folders first. Printed for runs of several folders,
    for a single one pytest's own line and `--durations` say enough.
    """
    taken = collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration"):
                taken["/".join(report.nodeid.split("/")[:2])] += report.duration
    if len(taken) < 2:
        return
    allowed = budgets(config.rootpath / "CONTRIBUTING.md")
    terminalreporter.section("seconds per folder")
    for folder, seconds in taken.most_common():
        budget = allowed.get(folder)
        beside = "no budget" if budget is None else f"of {budget:5d}"
        over = "  over its budget" if budget is not None and seconds > budget else ""
        terminalreporter.line(f"{folder:<20} {seconds:6.0f} {beside}{over}")
    terminalreporter.line(
        f"{'together':<20} {sum(taken.values()):6.0f} of {sum(allowed.values()):5d}"
    )


def budgets(page: pathlib.Path):
    """Folder to seconds, by the table of the page."""
    return {
        k: int(v)
        for k, v in re.findall(r"^\| `(tests/\w+)` \| (\d+) \|", page.read_text(), re.MULTILINE)
    }
